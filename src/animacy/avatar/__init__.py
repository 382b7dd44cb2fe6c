"""The avatar bundle: a folder or .zip that holds a face, and what it may be used for."""

from .bundle import Avatar, Camera, GeneratorWeights, Light, Material, Training, find, load, save, shipped

__all__ = ["Avatar", "Camera", "GeneratorWeights", "Light", "Material", "Training", "find", "load", "save", "shipped"]
