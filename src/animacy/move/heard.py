"""A mouth that was heard, over the seconds of a video: eased in where it begins, and shut where it ends or is cut off."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..hear import STEP
from ..types import Heard
from .mouth import JAW, held_back, let_go, room

Array = NDArray[np.float64]

OPENS, SHUTS = 0.10, 0.15  # s in which a mouth that is heard takes over from one at rest, and gives way to it
LIP_CONTACT, TEETH_CONTACT = 6, 7  # of the rows
FASTEST = 4.4  # jawOpen a second: no more than 0.18 a frame at 25 fps, where phones make 0.2 at most
CALM, LIVELY = 0.92, 0.20  # of how far the jaw goes: at no excitement, and so much more at full


@dataclass(slots=True)
class _Run:
    """Rows without a gap, from `start` to `end`."""

    start: float
    end: float
    times: Array  # [K]
    rows: Array  # [K, 9]


@dataclass(slots=True)
class HeardMouth:
    """The stretches that were heard of late."""

    runs: list[_Run] = field(default_factory=list)

    def add(self, heard: Heard, start: float, end: float) -> None:
        """What is heard from `start` to `end`, seconds of the video."""
        rows = heard.mouth.astype(np.float64)
        rows[:, JAW] *= CALM + LIVELY * heard.excitement
        times: Array = np.asarray(start + heard.first + STEP * np.arange(len(rows)), np.float64)
        if self.runs and abs(self.runs[-1].end - start) < 1e-6:
            last = self.runs[-1]
            kept = last.times < times[0] - 1e-6 if len(times) else np.ones(len(last.times), bool)
            rows = _steady(last.rows[kept][-1:], rows)
            last.times, last.rows = np.concatenate([last.times[kept], times]), np.concatenate([last.rows[kept], rows])
            last.end = end
        elif len(rows):
            self.runs.append(_Run(start, end, times, _steady(rows[:0], rows)))

    def at(self, times: Array) -> Array:
        """Rows [T, 9] at `times` [T]; 0 where nothing was heard."""
        found = np.zeros((len(times), 9))
        for run in self.runs:
            opens, shuts = (np.clip((times - at) / s, 0.0, 1.0) for at, s in ((run.start, OPENS), (run.end, SHUTS)))
            share = opens * opens * (3.0 - 2.0 * opens) * (1.0 - shuts * shuts * (3.0 - 2.0 * shuts))
            held = np.minimum(times, run.end)
            for k in range(9):
                found[:, k] = np.maximum(found[:, k], share * np.interp(held, run.times, run.rows[:, k]))
        return found

    def cut(self, now: float) -> None:
        """Nothing after `now` is heard."""
        self.runs = [run for run in self.runs if run.start < now]
        for run in self.runs:
            run.end = min(run.end, now)

    def forget(self, before: float) -> None:
        """Frames before that time will not be asked for again."""
        self.runs = [run for run in self.runs if run.end + SHUTS > before]
        for run in self.runs:
            kept = run.times > before - 2 * STEP
            kept[-1:] = True  # by which it shuts
            run.times, run.rows = run.times[kept], run.rows[kept]


def _steady(before: Array, rows: Array) -> Array:
    """`rows` [K, 9] with jaws that open and shut no faster than FASTEST as they show, from the row `before` [0 or 1, 9] on.

    An unsure network lets lips and jaw go at once; the lips may.
    """
    found = rows.copy()
    left = room(rows[:, LIP_CONTACT], rows[:, TEETH_CONTACT])
    shown = held_back(rows[:, JAW]) * left
    at = held_back(before[:, JAW]) * room(before[:, LIP_CONTACT], before[:, TEETH_CONTACT])
    for k in range(len(rows)):
        at = np.clip(shown[k], at - FASTEST * STEP, at + FASTEST * STEP) if len(at) else shown[:1]
        if at[0] != shown[k]:
            found[k, JAW] = let_go(at[0] / left[k])
    return found
