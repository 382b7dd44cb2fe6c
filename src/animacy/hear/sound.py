"""Sound that waits until its mouth is heard, and then goes on with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..types import Heard
from .listener import STEP, Listener

Array = NDArray[np.float32]


class HeardSound:
    """Mono sound at `rate` Hz, pushed in pieces of any length and taken in stretches with what was heard in each.

    Nothing is left out, added or moved. What waits is what was pushed and not taken: whoever pushes bounds it.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.ended = False
        self.samples = np.zeros(0, np.float32)  # that were not taken yet
        self.taken = 0
        self._listener = Listener(rate)
        self._first = 0  # the rows below begin so many steps after the first sample of all
        self._mouth, self._excitement, self._stress = np.zeros((0, 9), np.float32), self.samples, self.samples

    def push(self, samples: Array) -> None:
        """Add samples [N], float32, -1..1."""
        self.samples = np.concatenate([self.samples, samples])
        self._add(self._listener.add(samples))

    def end(self) -> None:
        """No more comes."""
        if not self.ended:
            self.ended = True
            self._add(self._listener.end())

    def ready(self) -> int:
        """Samples that can be taken now: LATENCY less than were pushed, or all once it has ended."""
        if self.ended:
            return len(self.samples)
        return max(int((self._first + len(self._mouth) - 1) * STEP * self.rate) - self.taken, 0)

    def take(self, count: int) -> tuple[Array, Heard]:
        """The next `count` samples, as many as are ready at most, and the mouth from the first of them to behind the last."""
        start = self.taken / self.rate
        taken, self.samples = self.samples[:count], self.samples[count:]
        self.taken += len(taken)
        begin = max(int(start / STEP) - self._first, 0)
        reached = int(self.taken / self.rate / STEP) - self._first
        part = slice(begin, reached + 2)
        heard = Heard(self._mouth[part], self._excitement[part], self._stress[part], (self._first + begin) * STEP - start)
        old = min(reached, len(self._mouth))
        self._first += old
        self._mouth, self._excitement, self._stress = self._mouth[old:], self._excitement[old:], self._stress[old:]
        return taken, heard

    def _add(self, heard: Heard) -> None:
        self._mouth = np.concatenate([self._mouth, heard.mouth])
        self._excitement = np.concatenate([self._excitement, heard.excitement])
        self._stress = np.concatenate([self._stress, heard.stress])
