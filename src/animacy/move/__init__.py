"""Sentence + Speech -> Motion: what the face and head do, frame by frame."""

from .performer import Performer

__all__ = ["Performer"]
