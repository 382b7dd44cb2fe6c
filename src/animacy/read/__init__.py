"""Text -> Score: sentences, words as a reader says them, stress, emotion, valence, excitement."""

from .feeling import parse_emotion
from .markup import MARKUPS, markup_of, score_as_markup, spoken_text
from .reader import TextReader, make_reader, read_score, score_of

__all__ = [
    "MARKUPS",
    "TextReader",
    "make_reader",
    "markup_of",
    "parse_emotion",
    "read_score",
    "score_as_markup",
    "score_of",
    "spoken_text",
]
