"""Speech from elsewhere -> the mouth: a small network that hears it, piece by piece, in any language and without its text."""

from .listener import LATENCY, LOOK_AHEAD, STEP, Listener
from .sound import HeardSound

__all__ = ["LATENCY", "LOOK_AHEAD", "STEP", "HeardSound", "Listener"]
