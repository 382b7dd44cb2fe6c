"""Faces that live: sessions that idle, speak and are interrupted, and the scheduler that paints them together."""

from .scheduler import Busy, Scheduler, Sink
from .session import Session
from .values import Event, Moment

__all__ = ["Busy", "Event", "Moment", "Scheduler", "Session", "Sink"]
