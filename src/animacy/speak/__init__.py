"""Sentence -> Speech: samples with the start and end of every phone and word."""

from .choose import ByLanguage, make_speaker
from .kokoro import Kokoro
from .voices import VOICES, Voice, voice_for

__all__ = ["VOICES", "ByLanguage", "Kokoro", "Voice", "make_speaker", "voice_for"]
