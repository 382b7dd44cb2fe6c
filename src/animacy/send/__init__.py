"""From painted frames and sound to files that players understand."""

from .mp4 import Mp4
from .wav import Wav

__all__ = ["Mp4", "Wav"]
