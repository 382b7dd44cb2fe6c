"""How excited a voice sounds, and where it stresses: from its pitch and its loudness alone.

Arousal is what a voice tells most plainly: who is excited speaks higher, over a wider range, and louder (Scherer 2003, "Vocal
communication of emotion"). Whether it is joy or anger is not told here. Pitch range and loudness are those of the last
seconds, loudness against what the voice had before: they are compared with the speaker, not with other people.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .features import HOP, RATE

Array = NDArray[np.float32]

WINDOW = 800  # samples, 50 ms: two periods of the lowest pitch and a little; row k is of the middle k * HOP, as in features.py
LOWEST, HIGHEST = 65.0, 420.0  # Hz
VOICED = 0.5  # of the autocorrelation's height, from which there is a pitch
OCTAVE = 0.06  # of that height, which a period twice as long has to have more: two periods repeat as one does
QUIET = 1e-5  # power, below which nothing is heard: -50 dBFS
USUAL = 10**-2.0  # power of a voice that was not heard before, -20 dBFS
USUAL_RANGE = 3.6  # semitones, standard deviation of pitch in calm speech
LASTS, BEFORE = 2.5, 25.0  # s of voice over which the present one is told, and over which the usual one
BY_RANGE, BY_LEVEL = 0.20, 0.07  # excitement a semitone of standard deviation, and a dB; fitted to our own voices
CALM = 0.38  # excitement of a usual voice
STRESS, APART = 2.5, 0.45  # dB over the last seconds' voice that make a stress, and s between two


class Arousal:
    """Excitement and stress for sound that comes piece by piece; the same whatever the pieces."""

    def __init__(self) -> None:
        self._shape = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
        own = np.fft.irfft(np.square(np.abs(np.fft.rfft(self._shape, 2 * WINDOW))))
        self._own = (own[:WINDOW] / own[0]).astype(np.float32)  # of the window itself (Boersma 1993)
        periods = np.arange(round(RATE / HIGHEST), round(RATE / LOWEST))
        self._longer = (OCTAVE * np.log2(periods / periods[0])).astype(np.float32)
        self._held = np.zeros(WINDOW // 2, np.float32)
        self._mean = math.nan  # of the pitch in semitones, ...
        self._variance = USUAL_RANGE**2
        self._now, self._usual = math.log(USUAL), math.log(USUAL)
        self._excitement, self._voiced = CALM, 1.0  # s of voice so far; a usual one counts as the first
        self._smooth, self._rising = -99.0, False  # dB of the voice over 60 ms
        self._stressed = APART  # s since the last stress

    def add(self, samples: Array) -> Array:
        """[K, 2]: excitement 0..1, and stress 0..1 at the hop of each stressed vowel's middle, else 0, for what is completed.

        `samples` [N] are at RATE.
        """
        held = np.concatenate([self._held, samples])
        count = max((len(held) - WINDOW) // HOP + 1, 0)
        self._held = held[count * HOP :]
        if not count:
            return np.zeros((0, 2), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(held, WINDOW)[::HOP][:count] * self._shape
        power = np.square(windows, dtype=np.float64).mean(axis=1) * (8 / 3)  # the window's own mean square is 3/8
        spectrum = np.square(np.abs(np.fft.rfft(windows, 2 * WINDOW, axis=1)))
        likeness = np.fft.irfft(spectrum, axis=1)[:, :WINDOW] / self._own
        likeness /= np.maximum(likeness[:, :1], 1e-12)
        first = round(RATE / HIGHEST)
        places = likeness[:, first : round(RATE / LOWEST)]
        best = (places - self._longer).argmax(axis=1)
        heights = places[np.arange(count), best]
        return np.array(
            [self._follow(float(p), float(h), first + int(b)) for p, h, b in zip(power, heights, best, strict=True)], np.float32
        )

    def _follow(self, power: float, height: float, period: int) -> tuple[float, float]:
        step = HOP / RATE
        self._stressed += step
        if power < QUIET or height < VOICED:
            self._rising = False
            return self._excitement, 0.0
        level, semitones = math.log(power), 12.0 * math.log2(RATE / period / 100.0)
        if math.isnan(self._mean):
            self._mean = semitones
        away = min(max(semitones - self._mean, -9.0), 9.0)  # an octave that was taken wrongly
        self._voiced = min(self._voiced + step, BEFORE)
        now, usual = step / LASTS, step / self._voiced
        self._mean += 2.0 * now * away
        self._variance += now * (away * away - self._variance)
        self._now += now * (level - self._now)
        self._usual += usual * (level - self._usual)
        decibels = 10.0 / math.log(10.0) * (self._now - self._usual)
        wanted = CALM + BY_RANGE * (math.sqrt(self._variance) - USUAL_RANGE) + BY_LEVEL * decibels
        self._excitement += 2.0 * now * (min(max(wanted, 0.0), 1.0) - self._excitement)
        before = self._smooth
        over = 10.0 / math.log(10.0) * (level - self._now) + 0.5 * max(away, 0.0)
        self._smooth += (over - before) * (step / 0.03 if before > -50.0 else 1.0)
        rising, self._rising = self._rising, self._smooth > before
        if rising and not self._rising and before > STRESS and self._stressed >= APART:
            self._stressed = 0.0
            return self._excitement, min(0.6 + 0.06 * (before - STRESS), 1.0)
        return self._excitement, 0.0
