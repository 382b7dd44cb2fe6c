"""Reading languages that espeak-ng speaks and nothing here knows: words as they stand, feelings by the same model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..errors import UsageError
from ..types import Sentence, Word
from .feeling import Feelings, complete, valence_of_emotion
from .script import shorten
from .split import sentence_spans

_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f'’\-](?=[^\W_])|[\u0300-\u036f\u0900-\u0dff])*")
_AFTER = {"，": ",", "、": ",", "。": ".", "！": "!", "？": "?", "؟": "?", "；": ";", "：": ":", "–": "—", "،": ",", "।": "."}
_MARK = re.compile(r"[,.?!;:—…，、。！？؟；：–،।]")
_MOST_WORDS = 60  # of one sentence; a longer run is cut


class OtherReader:
    """A Reader for the language `language` (a BCP 47 tag such as "fr"). Numbers are left to the voice.

    The sentence embeddings behind emotion and excitement are multilingual; how well they do beyond English and Mandarin was
    not measured. A word's stress is its length against the sentence's longest: function words are short.
    Raises UsageError for what is no tag.
    """

    def __init__(self, language: str, emotion: Mapping[str, float] | None = None) -> None:
        if not _TAG.fullmatch(language):
            raise UsageError(f"language {shorten(language)!r} is not known: --language takes auto, en, zh, or a tag such as fr")
        self._language = language
        self._emotion = None if emotion is None else complete(emotion)
        self._feelings = Feelings()

    def read(self, text: str) -> Iterator[Sentence]:
        """Read `text` sentence by sentence. Raises UsageError at the call if there is no word in it."""
        if not _WORD.search(text):
            raise UsageError(f"nothing to say in {shorten(text.strip())!r}: give words")
        return self._sentences(text)

    def _sentences(self, text: str) -> Iterator[Sentence]:
        for start, end, _ in sentence_spans(text):
            found = list(_WORD.finditer(text, start, end))
            for first in range(0, len(found), _MOST_WORDS):
                yield self._sentence(
                    text, found[first : first + _MOST_WORDS], start if first == 0 else found[first].start(), end
                )

    def _sentence(self, text: str, found: list[re.Match[str]], start: int, end: int) -> Sentence:
        longest = max(len(m.group()) for m in found)
        words = []
        for match, following in zip(found, [*found[1:], None], strict=True):
            mark = _MARK.search(text, match.end(), following.start() if following else end)
            after = _AFTER.get(mark.group(), mark.group()) if mark else ("" if following else ".")
            word = match.group()
            words.append(Word(word, match.start(), match.end(), 0.2 + 0.5 * len(word) / longest, word, self._language, after))
        last = end if found[-1].end() + 80 > end else found[-1].end()
        feeling = self._feelings.of(text[start:last])
        emotion, valence = feeling.emotion, feeling.valence
        if self._emotion is not None:
            emotion, valence = self._emotion, valence_of_emotion(self._emotion)
        return Sentence(text[start:last], start, last, self._language, emotion, valence, feeling.excitement, tuple(words))
