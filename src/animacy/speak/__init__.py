"""Sentence -> Speech: samples with the start and end of every phone and word."""

from .kokoro import Kokoro
from .voices import VOICES, Voice, voice_for

__all__ = ["VOICES", "Kokoro", "Voice", "voice_for"]
