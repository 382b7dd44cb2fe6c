"""Speech from elsewhere -> what a mouth does for it, piece by piece, LOOK_AHEAD behind the sound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import Heard
from .arousal import Arousal
from .features import HOP, RATE, WINDOW, Features
from .network import OUTPUTS, Network

Array = NDArray[np.float32]

STEP = HOP / RATE  # s between two rows
LOOK_AHEAD = 0.114  # s of sound after a row's instant that have to be there: ten rows, half a window, the resampler's filter
LATENCY = LOOK_AHEAD + STEP  # ... and after any instant, which needs the row behind it


class Listener:
    """Hears one voice at `rate` Hz. Rows come in order, one each STEP seconds from the first sample on.

    The same sound gives the same rows to within 1e-4, in whatever pieces it comes.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler: Any = None
        if rate != RATE:  # PyAV is loaded where it is needed: a machine that only trains has none
            from av.audio.resampler import AudioResampler

            self._resampler = AudioResampler("flt", "mono", RATE)
        self._features, self._arousal, self._network = Features(), Arousal(), Network()
        self._given, self._rows = 0, 0  # samples that came, and rows that left
        self._early = self._network.ahead  # outputs that are for instants before the first
        self._mouth = np.zeros((0, OUTPUTS), np.float32)
        self._feeling = np.zeros((0, 2), np.float32)

    def add(self, samples: Array) -> Heard:
        """The rows that `samples` [N], float32, mono, -1..1, complete: up to LOOK_AHEAD before their end."""
        self._given += len(samples)
        if self._resampler is None:
            self._hear(samples)
        elif len(samples):
            import av

            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), "flt", "mono")
            frame.sample_rate = self._rate
            for block in self._resampler.resample(frame):
                self._hear(block.to_ndarray()[0])
        return self._take(min(len(self._mouth), len(self._feeling)))

    def end(self) -> Heard:
        """The rows that are left, up to the end of the sound. No more may come."""
        if self._resampler is not None and self._given:
            for block in self._resampler.resample(None):
                self._hear(block.to_ndarray()[0])
        self._hear(np.zeros((self._network.ahead + 3) * HOP + WINDOW, np.float32))
        rows = int(self._given / self._rate / STEP) + 1 - self._rows if self._given else 0
        return self._take(max(min(rows, len(self._mouth), len(self._feeling)), 0))

    def _hear(self, samples: Array) -> None:
        mouth = self._network.run(self._features.add(samples))
        early = min(self._early, len(mouth))
        self._early -= early
        self._mouth = np.concatenate([self._mouth, mouth[early:]])
        self._feeling = np.concatenate([self._feeling, self._arousal.add(samples)])

    def _take(self, count: int) -> Heard:
        self._rows += count
        mouth, self._mouth = self._mouth[:count], self._mouth[count:]
        feeling, self._feeling = self._feeling[:count], self._feeling[count:]
        return Heard(mouth, feeling[:, 0], feeling[:, 1])
