"""What an author's marks do to speech, whoever speaks: where it is cut, how loud each word is, what silence leads in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..types import Speech, Word

_FADE = 0.010  # seconds that a change of volume takes


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
    return word.after or ("," if word.pause else "")


def with_volume(speech: Speech, words: Sequence[Word]) -> Speech:
    """The same speech with each word as loud as it is to be; peaks bend below 0.98 from 0.8 on."""
    if not any(words[t.word].volume for t in speech.words):
        return speech
    gain = np.ones(len(speech.samples))
    for timed in speech.words:
        gain[timed.start :] = 10 ** (words[timed.word].volume / 20)
    gain[: speech.words[0].start] = 10 ** (words[speech.words[0].word].volume / 20)
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
