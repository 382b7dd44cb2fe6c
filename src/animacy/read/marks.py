"""A text beside what its author says about it: the value that markup is read into, whichever way it was written."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from ..types import Language
from .script import HAN_CHARACTER
from .split import sentence_spans


@dataclass(frozen=True, slots=True)
class Style:
    """What holds for a stretch of text; None and the defaults leave it to the reader."""

    stress: float | None = None  # 0..1
    emotion: Mapping[str, float] | None = None  # keys EMOTIONS, summing to 1
    face: Mapping[str, float] | None = None  # ARKit weights
    rate: float = 1.0
    volume: float = 0.0  # dB
    language: Language = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch that is one word, whatever is in it."""

    start: int
    end: int
    english: str = ""  # what is said for it in an English sentence; "": as the reader reads it
    mandarin: str = ""  # ... and in a Mandarin one
    language: Language = ""  # of the word; "": as it is written
    phonemes: str = ""
    after: str | None = None  # punctuation; None: as the text has it
    boundary: float | None = None  # 0..1; None: as it is read


@dataclass(frozen=True, slots=True)
class Break:
    """A pause of `seconds` at character `at`; it follows the word that `owner` - 1 lies in, or is first where `owner` is 0."""

    at: int
    owner: int
    seconds: float


@dataclass(frozen=True, slots=True)
class MarkedSentence:
    """A stretch that is one sentence. What is None or "" is left to the reader."""

    start: int
    end: int
    language: Language = ""
    emotion: Mapping[str, float] | None = None
    valence: float | None = None
    excitement: float | None = None
    pause: float = 0.0
    units_only: bool = False  # nothing is said in it but its units


@dataclass(frozen=True, slots=True)
class Marked:
    """`text` without its markup, and the marks in order. All offsets count characters of `text`."""

    text: str
    styles: tuple[tuple[int, Style], ...] = ()  # from which character on each holds; from 0 on, if there is any
    units: tuple[Unit, ...] = ()
    breaks: tuple[Break, ...] = ()
    bounds: tuple[int, ...] = ()  # where a sentence ends in any case
    sentences: tuple[MarkedSentence, ...] = ()
    joined: bool = False  # whether a line's end is a mere space
    shadow: str = field(init=False, repr=False)  # the text as sentences are looked for in it: units are opaque

    def __post_init__(self) -> None:
        object.__setattr__(self, "shadow", self._shadow())

    def _shadow(self) -> str:
        text = re.sub(r"[\r\n\u2028\u2029]", " ", self.text) if self.joined else self.text
        pieces, at = [], 0
        for unit in self.units:
            pieces += [text[at : unit.start], "".join(map(_opaque, text[unit.start : unit.end]))]
            at = unit.end
        return "".join((*pieces, text[at:])) if pieces else text

    def spans(self) -> Iterator[tuple[int, int, bool, MarkedSentence | None]]:
        """As `split.sentence_spans`, with what the author says about the sentence; no unit is ever cut."""
        if not (self.bounds or self.sentences or self.units):
            yield from ((start, end, whole, None) for start, end, whole in sentence_spans(self.shadow))
            return
        own = {s.start: s for s in self.sentences}
        edges = sorted({0, len(self.text), *self.bounds, *(e for s in self.sentences for e in (s.start, s.end))})
        last = 0
        for begin, stop in pairwise(edges):
            marked = own.get(begin)
            piece = self.shadow[begin:stop]
            if marked is not None:
                if inner := piece.strip():
                    start = begin + len(piece) - len(piece.lstrip())
                    yield start, start + len(inner), True, marked
                continue
            for a, b, whole in sentence_spans(piece):
                start, end = max(begin + a, last), begin + b
                k = bisect_left(self.units, end, key=lambda u: u.start) - 1
                if k >= 0:
                    end = max(end, self.units[k].end)
                last = end
                if start < end:
                    yield start, end, whole, None

    def style_at(self, position: int) -> Style:
        k = bisect_right(self.styles, position, key=lambda s: s[0]) - 1
        return self.styles[k][1] if k >= 0 else _PLAIN

    def styles_in(self, start: int, end: int) -> tuple[tuple[int, Style], ...]:
        """Where in start..end which style begins."""
        first = bisect_right(self.styles, start, key=lambda s: s[0])
        last = bisect_left(self.styles, end, key=lambda s: s[0])
        return ((start, self.style_at(start)), *self.styles[first:last])

    def units_in(self, start: int, end: int) -> tuple[Unit, ...]:
        """The units that begin in start..end."""
        first = bisect_left(self.units, start, key=lambda u: u.start)
        return self.units[first : bisect_left(self.units, end, key=lambda u: u.start)]

    def breaks_in(self, start: int, end: int) -> tuple[Break, ...]:
        """The breaks between two characters of start..end."""
        first = bisect_right(self.breaks, start, key=lambda b: b.at)
        return self.breaks[first : bisect_left(self.breaks, end, key=lambda b: b.at)]


_PLAIN = Style()


def _opaque(character: str) -> str:
    """What stands for a character of a unit where sentences and languages are looked for."""
    if character.isnumeric() or (character.isascii() and character.isalpha()) or HAN_CHARACTER.match(character):
        return character
    return "x" if character.isalpha() else "_"
