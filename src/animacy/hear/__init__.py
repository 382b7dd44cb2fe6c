"""Speech from elsewhere -> the mouth: a small network that hears it, piece by piece, in any language and without its text."""

from .listener import LATENCY, STEP, Listener
from .sound import HeardSound

__all__ = ["LATENCY", "STEP", "HeardSound", "Listener"]
