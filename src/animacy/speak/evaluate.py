"""Whether the voice does what the score says: readings of one text that differ in the stressed word, or in excitement.

Imported for `animacy evaluate voice` alone. All is measured in the sound that comes out; only which samples are a vowel is
taken from the voice's own phone times, which tests/test_speak_align.py holds against an aligner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import tsv
from ..errors import UsageError
from ..plot import pitch
from ..stages import Reader, Speaker
from ..types import Sentence, Speech
from .phones import VOWELS

COLUMNS = ["language", "text", "one", "other"]
CALM, EXCITED = 0.1, 0.9
"""Excitement of the two readings that are compared."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence that is read twice: with the stress on the word `one`, and with it on the word `other`."""

    language: str  # "en" or "zh"
    text: str
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured of a word's vowels, or of all of a reading."""

    seconds: float  # of a word: its vowels; of a reading: its phones
    hertz: float  # of a word: the highest pitch (95 % of its voiced instants lie lower), NaN where it has none
    decibels: float  # mean level
    semitones: float  # between the 5 and the 95 % of its pitch


def pairs(path: Path) -> list[Pair]:
    """The rows of a TSV file with a line of COLUMNS above. Raises UsageError that names the line which is wrong."""
    found = []
    for where, row in tsv.sentences(path, COLUMNS):
        pair = Pair(*row)
        if any(pair.text.count(word) != 1 for word in (pair.one, pair.other)) or pair.one == pair.other:
            raise UsageError(f"{where}: needed two words that each stand in the text once")
        found.append(pair)
    return found


def measured(speeches: Iterable[Speech], word: int | None = None) -> Figures:
    """The figures of word number `word` of a sentence, or of the whole sentence, as it is said."""
    seconds, heard, power = 0.0, [], []
    for speech in speeches:
        hertz = pitch(speech.samples, speech.rate)
        for p in speech.phones:
            if word is not None and (p.word != word or p.symbol not in VOWELS):
                continue
            seconds += (p.end - p.start) / speech.rate
            heard.append(hertz[round(100 * p.start / speech.rate) : round(100 * p.end / speech.rate)])
            power.append(np.square(speech.samples[p.start : p.end], dtype=np.float64))
    voiced = np.concatenate([*heard, np.empty(0)])
    voiced = voiced[~np.isnan(voiced)]
    low, high = np.quantile(voiced, (0.05, 0.95)) if len(voiced) else (np.nan, np.nan)
    level = float(np.concatenate([*power, np.zeros(1)]).mean())
    return Figures(seconds, float(high), 10 * np.log10(max(level, 1e-12)), float(12 * np.log2(high / low)))


def stressed(chosen: Iterable[Pair], reader: Reader, speaker: Speaker) -> dict[str, float]:
    """Shares of words whose vowels are longer, higher, louder where they are stressed than where another word is, and the
    medians of how much (share of time, semitones, dB). Two words a pair.
    """
    longer, higher, louder = [], [], []
    for pair in chosen:
        said: list[tuple[Sentence, list[Speech]]] = []
        for word in (pair.one, pair.other):
            (sentence,) = reader.read(pair.text.replace(word, f"*{word}*"))
            said.append((sentence, list(speaker.speak(sentence))))
        for word, (here, there) in ((pair.one, said), (pair.other, said[::-1])):
            strong, weak = (measured(speeches, _place(sentence, word)) for sentence, speeches in (here, there))
            longer.append(strong.seconds / weak.seconds - 1)
            higher.append(12 * np.log2(strong.hertz / weak.hertz))
            louder.append(strong.decibels - weak.decibels)
    all_ = np.array([longer, higher, louder])
    up = np.nan_to_num(all_) > 0
    middle = np.nanmedian(all_, axis=1)
    return {
        "words": len(longer),
        "longer": _rounded(up[0].mean()),
        "higher": _rounded(up[1].mean()),
        "louder": _rounded(up[2].mean()),
        "one of them": _rounded(up.any(0).mean()),
        "two of them": _rounded((up.sum(0) >= 2).mean()),
        "all": _rounded(up.all(0).mean()),
        "median longer": _rounded(middle[0]),
        "median semitones": _rounded(middle[1]),
        "median dB": _rounded(middle[2]),
    }


def excited(texts: Iterable[str], reader: Reader, speaker: Speaker) -> dict[str, float]:
    """Shares of `texts` that are said faster, over a wider range of pitch, higher and louder with an excitement of EXCITED
    than with CALM, and the medians of how much.
    """
    faster, wider, higher, louder = [], [], [], []
    for text in texts:
        (sentence,) = reader.read(text)
        calm, lively = (measured(speaker.speak(replace(sentence, excitement=amount))) for amount in (CALM, EXCITED))
        faster.append(calm.seconds / lively.seconds - 1)
        wider.append(lively.semitones - calm.semitones)
        higher.append(12 * np.log2(lively.hertz / calm.hertz))
        louder.append(lively.decibels - calm.decibels)
    all_ = np.array([faster, wider, higher, louder])
    up = all_ > 0
    middle = np.median(all_, axis=1)
    return {
        "texts": len(faster),
        "faster": _rounded(up[0].mean()),
        "wider": _rounded(up[1].mean()),
        "faster and wider": _rounded((up[0] & up[1]).mean()),
        "higher": _rounded(up[2].mean()),
        "louder": _rounded(up[3].mean()),
        "median faster": _rounded(middle[0]),
        "median semitones wider": _rounded(middle[1]),
        "median semitones higher": _rounded(middle[2]),
        "median dB": _rounded(middle[3]),
    }


def voice(path: Path, speakers: Mapping[str, Speaker], reader: Reader) -> dict[str, dict[str, dict[str, float]]]:
    """Language -> "stress" and "excitement" -> figures, for the pairs in `path` in the languages of `speakers`."""
    found = {}
    for language, speaker in speakers.items():
        own = [p for p in pairs(path) if p.language == language]
        if own:
            found[language] = {
                "stress": stressed(own, reader, speaker),
                "excitement": excited([p.text for p in own], reader, speaker),
            }
    return found


def _place(sentence: Sentence, word: str) -> int:
    """The number of the sentence's word `word`. Raises UsageError where it is none, as in a compound."""
    for number, own in enumerate(sentence.words):
        if own.text == word:
            return number
    raise UsageError(f"{word!r} is not a word of its own in {sentence.text!r}: give one that is, in both readings")


def _rounded(value: float) -> float:
    return round(float(value), 3)
