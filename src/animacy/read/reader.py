"""The reader: one pass over the text, a sentence at a time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping

from ..errors import UsageError
from ..stages import Reader
from ..types import EMOTIONS, Language, Score, Sentence, Word
from .feeling import Feelings, valence_of_emotion
from .script import check_language, check_readable, foreign_words, language_of, shorten
from .split import sentence_spans
from .stress import stresses
from .words import Token, tokens

_log = logging.getLogger(__name__)
_SPOKEN_LIMIT = 400  # of one sentence, as _size counts


class TextReader:
    """Reads English and Mandarin, also mixed.

    `language` decides how digits are said where the text does not tell ("auto": by the sentence, else by the one before);
    `emotion` (weights from `parse_emotion`) takes the place of what the model finds, in every sentence, and valence follows it.
    Raises UsageError for an unknown language or emotion.
    """

    def __init__(self, language: str = "auto", emotion: Mapping[str, float] | None = None) -> None:
        check_language(language)
        self._language = language
        self._emotion = None if emotion is None else complete(emotion)
        self._feelings = Feelings()

    def read(self, text: str) -> Iterator[Sentence]:
        """Read `text` sentence by sentence, lazily. Offsets count characters of `text`.

        Raises UsageError at once if there is nothing to say or the text is in another script.
        """
        check_readable(text)
        sentences = self._sentences(text)
        first = next(sentences, None)
        if first is None:
            given = f"{shorten(text.strip())!r}" if text.strip() else "an empty text"
            raise UsageError(f"nothing to say in {given}: give words in English or Mandarin")
        return _chain(first, sentences)

    def _sentences(self, text: str) -> Iterator[Sentence]:
        usual: Language = "zh" if self._language == "zh" else "en"
        if self._language == "auto":
            usual = language_of(text[:2000], usual)
        for start, end, whole in sentence_spans(text):
            piece = text[start:end]
            language = language_of(piece, usual) if self._language == "auto" else usual
            if left_out := foreign_words(piece):
                _log.warning("left out %r: only English and Mandarin are read", shorten(left_out[0]))
            found = tokens(piece, language)
            if not found:
                continue
            usual = language
            if not found[-1].after:
                found[-1].after = "." if whole else ","
            for part, begin, end in _cut(found, len(piece)):
                yield self._sentence(piece, start, begin, end, part, language)

    def _sentence(self, piece: str, offset: int, begin: int, end: int, part: list[Token], language: Language) -> Sentence:
        text = piece[begin:end]
        feeling = self._feelings.of(text)
        words = tuple(
            Word(t.text, offset + t.start, offset + t.end, stress, t.spoken, t.language, t.after)
            for t, stress in zip(part, stresses(part, language), strict=True)
        )
        emotion, valence = feeling.emotion, feeling.valence
        if self._emotion is not None:
            emotion, valence = self._emotion, valence_of_emotion(self._emotion)
        return Sentence(text, offset + begin, offset + end, language, emotion, valence, feeling.excitement, words)


def _chain(first: Sentence, rest: Iterator[Sentence]) -> Iterator[Sentence]:
    yield first
    yield from rest


def _cut(found: list[Token], length: int) -> Iterator[tuple[list[Token], int, int]]:
    """Cut the words of a sentence of `length` characters where its spoken form is too long: (words, start, end) of each part.

    Where possible the cut is after punctuation.
    """
    part: list[Token] = []
    begin = size = 0
    for token in found:
        if part and size + _size(token) > _SPOKEN_LIMIT:
            cut = next((i + 1 for i in range(len(part) - 1, len(part) // 3, -1) if part[i].after), len(part))
            part[cut - 1].after = part[cut - 1].after or ","
            yield part[:cut], begin, part[cut - 1].end
            part = part[cut:]
            begin = part[0].start if part else token.start
            size = sum(map(_size, part))
        part.append(token)
        size += _size(token)
    yield part, begin, length


def _size(token: Token) -> int:
    """How long a word is to say, in Latin characters: a Han character is about four."""
    return sum(4 if "\u3400" <= c <= "\u9fff" else 1 for c in token.spoken) + 1


def complete(emotion: Mapping[str, float]) -> Mapping[str, float]:
    """All seven weights, summing to 1: what is not given goes to neutral."""
    unknown = [name for name in emotion if name not in EMOTIONS]
    if unknown:
        raise UsageError(f"emotion {shorten(unknown[0])!r} is not known: choose from {', '.join(EMOTIONS)}")
    if any(not 0 <= weight <= 1 for weight in emotion.values()) or sum(emotion.values()) > 1 + 1e-6:
        raise UsageError("emotion weights must lie between 0 and 1 and sum to at most 1, e.g. joy:0.8,surprise:0.2")
    given = {name: float(emotion.get(name, 0.0)) for name in EMOTIONS}
    rest = 1.0 - sum(given.values())
    if rest > 0 and "neutral" not in emotion:
        given["neutral"] = rest
    total = sum(given.values())
    if total == 0:
        raise UsageError("emotion weights are all 0: give at least one, e.g. joy:0.8")
    return {name: weight / total for name, weight in given.items()}


def parse_emotion(text: str) -> dict[str, float]:
    """The seven weights of "joy:0.8,surprise:0.2" (or "joy", which is joy:1); what is left of 1 goes to neutral.

    Raises UsageError that names the seven emotions.
    """
    given: dict[str, float] = {}
    for item in text.split(","):
        name, colon, number = item.strip().partition(":")
        name = name.strip().lower()
        if name not in EMOTIONS:
            raise UsageError(f"emotion {shorten(name)!r} is not known: choose from {', '.join(EMOTIONS)}, e.g. joy:0.8")
        try:
            weight = float(number) if colon else 1.0
        except ValueError:
            weight = float("nan")
        if not 0 <= weight <= 1:
            raise UsageError(
                f"emotion {name} has weight {shorten(number.strip())!r}: give a number from 0 to 1, e.g. {name}:0.8"
            )
        if name in given:
            raise UsageError(f"emotion {name} is given twice: give each of {', '.join(EMOTIONS)} at most once")
        given[name] = weight
    return dict(complete(given))


def read_score(text: str, language: str = "auto", emotion: Mapping[str, float] | None = None) -> Score:
    """Read a whole text at once. For many texts make one TextReader and call `score_of` on what it reads."""
    return score_of(tuple(TextReader(language, emotion).read(text)))


def make_reader(language: str = "auto", emotion: Mapping[str, float] | None = None) -> Reader:
    """The reader for `language`: "auto", "en" and "zh" are read in full, any other BCP 47 tag as far as it goes."""
    if language in ("auto", "en", "zh"):
        return TextReader(language, emotion)
    from .other import OtherReader

    return OtherReader(language, emotion)


def score_of(sentences: tuple[Sentence, ...]) -> Score:
    """The sentences as a Score, in the language that most of the text is in."""
    size: Counter[Language] = Counter()
    for sentence in sentences:
        size[sentence.language] += len(sentence.text) * (3 if sentence.language == "zh" else 1)
    return Score(size.most_common(1)[0][0] if size else "en", sentences)
