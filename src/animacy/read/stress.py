"""How much each word stands out."""

from __future__ import annotations

from ..types import Language
from .words import Token

_FUNCTION = frozenset(
    ["a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "with", "from", "and", "or", "but", "if", "is", "are", "was", "were", "be", "been", "am", "it", "he", "she", "they", "we", "you", "i", "me", "him", "her", "them", "us", "my", "your", "his", "its", "our", "their", "this", "that", "as", "than", "so", "do", "does", "did", "have", "has", "had", "will", "would", "can", "could", "should"]
)


def stresses(words: list[Token], language: Language) -> list[float]:
    return [0.15 if t.text.lower() in _FUNCTION or (t.tag[:1] in "ucpyr" and t.tag) else 0.65 for t in words]
