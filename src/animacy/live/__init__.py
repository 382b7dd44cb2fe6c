"""Faces that live: sessions that idle, speak and are interrupted, and the scheduler that paints them together."""

from .session import Session
from .values import Event, Moment

__all__ = ["Event", "Moment", "Session"]
