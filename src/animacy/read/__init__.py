"""Text -> Score: sentences, words as a reader says them, stress, emotion, valence, excitement."""

from .reader import TextReader, parse_emotion, read_score

__all__ = ["TextReader", "parse_emotion", "read_score"]
