"""Text -> Score: sentences, words as a reader says them, stress, emotion, valence, excitement."""

from .reader import TextReader, make_reader, parse_emotion, read_score, score_of

__all__ = ["TextReader", "make_reader", "parse_emotion", "read_score", "score_of"]
