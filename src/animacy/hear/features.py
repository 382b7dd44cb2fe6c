"""Sound -> what the network is given: 40 log-mel bands each 10 ms, brought to the voice's own level.

The level follows the voice by a slow gain that knows the past alone, so that who speaks softly moves the mouth as who speaks up
does. What lies 60 dB below it is all one silence to the network.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

RATE = 16_000  # Hz
HOP, WINDOW = 160, 400  # samples; row k is of the window whose middle is sample k * HOP
BANDS = 40
LOW, HIGH = 60.0, 7600.0  # Hz
DEPTH = 1e-6  # of the level's power
USUAL, LEAST = 10**-2.0, 10**-5.0  # power of a window of speech: what is taken for it at first, and -50 dBFS
RISES, FALLS, FORGETS = 0.15, 5.0, 20.0  # s: the level over a louder sound, a softer one, and over silence
SOFT = 10**-2.0  # of the level, below which is no speech


def _filters() -> Array:
    """[BANDS, WINDOW's bins]: triangles, equally wide on O'Shaughnessy's mel scale."""
    low, high = (2595.0 * math.log10(1.0 + f / 700.0) for f in (LOW, HIGH))
    mel = np.linspace(low, high, BANDS + 2)
    edges = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    bins = np.fft.rfftfreq(512, 1.0 / RATE)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters: Array = np.maximum(np.minimum(rising, falling), 0.0).astype(np.float32)
    return filters


class Powers:
    """The bands of sound that comes piece by piece, before they are brought to a level; the same whatever the pieces."""

    def __init__(self) -> None:
        self._shape = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
        self._filters = _filters().T * np.float32(2.0 / np.square(self._shape).sum() / WINDOW)
        self._held = np.zeros(WINDOW // 2, np.float32)

    def add(self, samples: Array) -> Array:
        """The power [K, BANDS] of the rows that `samples` [N], at RATE, complete."""
        held = np.concatenate([self._held, samples])
        count = max((len(held) - WINDOW) // HOP + 1, 0)
        self._held = held[count * HOP :]
        if not count:
            return np.zeros((0, BANDS), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(held, WINDOW)[::HOP][:count]
        found: Array = np.square(np.abs(np.fft.rfft(windows * self._shape, 512, axis=1)), dtype=np.float32) @ self._filters
        return found


class Features:
    """Rows for sound that comes piece by piece; the same ones whatever the pieces."""

    def __init__(self) -> None:
        self._powers = Powers()
        self._level = USUAL

    def add(self, samples: Array) -> Array:
        """The rows [K, BANDS] that `samples` [N], at RATE, complete; about -2..2."""
        power = self._powers.add(samples)
        levels = np.array([self._follow(float(p)) for p in power.sum(axis=1)], np.float32)
        rows: Array = (np.log(power / levels[:, None] + np.float32(DEPTH)) / 4.0 + 1.5).astype(np.float32)
        return rows

    def _follow(self, power: float) -> float:
        seconds = RISES if power > self._level else FALLS if power > SOFT * self._level else FORGETS
        step = 1.0 - math.exp(-HOP / RATE / seconds)
        self._level = max(math.exp((1.0 - step) * math.log(self._level) + step * math.log(power + 1e-9)), LEAST)
        return self._level
