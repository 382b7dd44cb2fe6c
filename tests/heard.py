"""Speech for tests of what is heard, made once by the speaker of the project."""

from __future__ import annotations

import functools

import numpy as np

from animacy.hear.clips import Clip
from animacy.read import make_reader
from animacy.speak import Kokoro
from animacy.types import Phone, Speech

TEXT = "My mother bought a big map, but Bob and Pam began to jump about."


@functools.cache
def spoken(voice: str = "am_michael", text: str = TEXT) -> Speech:
    """The text, whole, at 24 kHz with its phones."""
    samples, phones, at = [], [], 0
    for part in Kokoro(voice, threads=1).speak(next(iter(make_reader("en").read(text)))):
        phones += [Phone(p.symbol, p.start + at, p.end + at, p.word) for p in part.phones]
        samples.append(part.samples)
        at += len(part.samples)
    return Speech(np.concatenate(samples), Kokoro.rate, tuple(phones), ())


def clip() -> Clip:
    """The same, as what the network is judged by."""
    return Clip("own", "kokoro", "am_michael", "en", spoken())
