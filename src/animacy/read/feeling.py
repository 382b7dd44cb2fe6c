"""Emotion, valence and excitement of a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..types import EMOTIONS


@dataclass(frozen=True, slots=True)
class Feeling:
    emotion: Mapping[str, float]
    valence: float
    excitement: float


class Feelings:
    def of(self, text: str) -> Feeling:
        emotion = dict.fromkeys(EMOTIONS, 0.0) | {"neutral": 1.0}
        return Feeling(emotion, 0.0, 0.3)
