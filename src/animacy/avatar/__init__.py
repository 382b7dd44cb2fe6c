"""The avatar bundle: a folder or .zip that holds a face, and what it may be used for."""

from .bundle import Avatar, Camera, Light, Material, find, load, save

__all__ = ["Avatar", "Camera", "Light", "Material", "find", "load", "save"]
