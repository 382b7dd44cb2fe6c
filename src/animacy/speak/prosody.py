"""What the score does to speech: how long, high and loud each word is, where it is cut, what silence leads in.

A stressed syllable is longer, higher and louder, in English (Fry 1955, 1958) as in Mandarin, where high and falling tones rise
and the low one sinks (Xu 1999). Excitement, the arousal of the literature, raises pace, pitch, pitch range and level
(Scherer 2003, "Vocal communication of emotion"). A stress of 0.5 and an excitement of 0.3 leave the voice as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..types import Speech, Word
from .phones import STRESS, TONES, VOWELS, phones

Array = NDArray[np.float32]

LONGER = 0.45  # so much more, of 1, a vowel lasts in a word of full stress; other sounds a third of it
HIGHER = 0.17  # so much more, of 1, its pitch is
LOUDER = 4.0  # dB
PAUSED = 0.5  # boundaries without punctuation from here on are heard as a pause, those below as a drawn-out end
DRAWN = 0.5  # of 1 and at a boundary of 1: so much longer its last vowel is and what follows it (Wightman et al. 1992)
SHORT = 0.5  # of a comma's rest, where no comma is written
HEADROOM = 3.5  # dB that all is softer than the voice gives it, so that what is louder need not be bent
_TONE = {"→": 0.8, "↗": 0.6, "↘": 0.9, "↓": -0.5}  # shares of HIGHER for Mandarin's four tones
_FADE = 0.010  # seconds that a change of volume takes


@dataclass(frozen=True, slots=True)
class Accents:
    """How a phrase of T tokens is to be said, each 1 for as it is."""

    length: Array  # [T], of its usual time
    pitch: Array  # [T], of its usual pitch
    pace: float  # of the whole
    range: float  # of the pitch about the voice's middle

    @staticmethod
    def none(tokens: int) -> Accents:
        return Accents(np.ones(tokens, np.float32), np.ones(tokens, np.float32), 1.0, 1.0)


def accents(text: str, owners: Sequence[int], words: Sequence[Word], excitement: float) -> Accents:
    """How the phonemes `text` are said, whose token k belongs to word `owners`[k]; excitement 0..1."""
    own = Accents.none(len(text))
    spelled = phones(text)
    marked = {owners[p.end - 1] for p in spelled if any(c in STRESS for c in text[p.start : p.end])}
    for p in spelled:
        word = owners[p.end - 1]
        weight = weight_of(words[word].stress)
        vowel = p.symbol in VOWELS
        marks = text[p.start : p.end]
        # Of a word with a marked syllable, that one; of others and in Mandarin, every one.
        if weight > 0 and word in marked and not any(c in STRESS for c in marks):
            weight *= 0.35
        tone = next((c for c in marks if c in TONES), "")
        own.length[p.start : p.end] = 1.0 + weight * LONGER * (1.0 if vowel else 1 / 3) * (1.0 if weight > 0 else 0.3)
        own.pitch[p.start : p.end] = 1.0 + weight * HIGHER * _TONE.get(tone, 1.0) * (1.0 if weight > 0 else 0.4)
    for word in {owners[p.end - 1] for p in spelled}:
        if words[word].after or words[word].pause is not None or not words[word].boundary:
            continue
        sounds = [p for p in spelled if owners[p.end - 1] == word]
        last = max((k for k, p in enumerate(sounds) if p.symbol in VOWELS), default=0)
        own.length[sounds[last].start : sounds[-1].end] *= 1.0 + DRAWN * words[word].boundary
        if owners[sounds[-1].end : sounds[-1].end + 1] == [word] and text[sounds[-1].end] == ",":
            own.length[sounds[-1].end] = SHORT
    lively = excitement - 0.3
    pitch = (own.pitch * (1.0 + 0.12 * lively)).astype(np.float32)
    return Accents(own.length, pitch, 0.94 + 0.18 * excitement, max(1.0 + 0.8 * lively, 0.7))


def weight_of(stress: float) -> float:
    """-1..1: 0 for a stress of 0.5, 1 from 0.9 on."""
    return min(max((stress - 0.5) / 0.4, -1.0), 1.0)


def rest_share(excitement: float) -> float:
    """Of the usual pause at a boundary: the excited hurry."""
    return 1.12 - 0.4 * excitement


def with_accents(speech: Speech, words: Sequence[Word], excitement: float) -> Speech:
    """The same speech with stressed words louder, and all of it by excitement."""
    level = 5.0 * (excitement - 0.3) - HEADROOM
    gains = {t.word: level + _louder(words[t.word].stress) for t in speech.words}
    return _with_gains(speech, gains)


def _louder(stress: float) -> float:
    weight = weight_of(stress)
    return LOUDER * weight * (1.0 if weight > 0 else 0.4)


def runs(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """The words that can be said in one go, start..end: a pause that is asked for or another rate parts them."""
    start = 0
    for i, (word, following) in enumerate(pairwise(words), 1):
        if word.pause or word.rate != following.rate:
            yield start, i
            start = i
    yield start, len(words)


def mark_after(word: Word) -> str:
    """The punctuation that a voice is to hear behind the word: a pause that is asked for is one, and 0 s is none."""
    if word.pause == 0:
        return ""
    return word.after or ("," if word.pause or word.boundary >= PAUSED else "")


def with_volume(speech: Speech, words: Sequence[Word]) -> Speech:
    """The same speech with each word as loud as its author wants."""
    return _with_gains(speech, {t.word: words[t.word].volume for t in speech.words})


def _with_gains(speech: Speech, decibels: dict[int, float]) -> Speech:
    """The same speech, each word by so many dB; peaks bend below 0.98 from 0.8 on."""
    if not any(decibels.values()):
        return speech
    gain = np.ones(len(speech.samples))
    for timed in speech.words:
        gain[timed.start :] = 10 ** (decibels[timed.word] / 20)
    gain[: speech.words[0].start] = 10 ** (decibels[speech.words[0].word] / 20)
    size = round(_FADE * speech.rate)
    padded = np.pad(gain, (size // 2, size - 1 - size // 2), mode="edge")
    sums = np.cumsum(np.concatenate([[0.0], padded]))
    samples = speech.samples * ((sums[size:] - sums[:-size]) / size)
    over = np.abs(samples) > 0.8
    samples[over] = np.sign(samples[over]) * (0.8 + 0.18 * np.tanh((np.abs(samples[over]) - 0.8) / 0.18))
    return replace(speech, samples=samples.astype(np.float32))


def delayed(speech: Speech, seconds: float) -> Speech:
    """The same speech after so much silence."""
    by = round(seconds * speech.rate)
    if not by:
        return speech
    return Speech(
        np.concatenate([np.zeros(by, np.float32), speech.samples]),
        speech.rate,
        tuple(replace(p, start=p.start + by, end=p.end + by) for p in speech.phones),
        tuple(replace(w, start=w.start + by, end=w.end + by) for w in speech.words),
    )
