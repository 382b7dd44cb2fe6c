"""What a face does besides speaking: blinks, gaze, breath, drift of the head, beats on stressed words.

Everything here is either a function of absolute time and the seed, or a list of events in absolute time that is drawn in the
order in which they come: how the speech is cut into stretches does not matter, and what is over is forgotten.
Times are seconds from the video's start, angles radians, signs as `types.POSE`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .mouth import ease

Array = NDArray[np.float64]
DEGREE = math.pi / 180


class Drift:
    """Smooth noise that never repeats, of unit variance: a channel is five sines between its two frequencies, seeded.

    channels: a number, and the lowest and highest frequency in Hz, of each.
    """

    def __init__(self, seed: int, channels: Sequence[tuple[int, float, float]]) -> None:
        sines = [_sines(seed, *channel) for channel in channels]
        self._turns, self._phase, self._size = (np.stack(parts) for parts in zip(*sines, strict=True))  # [C, 5] each

    def at(self, times: Array) -> Array:
        """The channels at `times` [T], [T, C]."""
        waves: Array = (np.sin(times[:, None, None] * self._turns + self._phase) * self._size).sum(2)
        return waves


def _sines(seed: int, channel: int, low: float, high: float) -> tuple[Array, Array, Array]:
    """Radians a second, phases and sizes, [5] each."""
    rng = np.random.default_rng((seed, 1, channel))
    frequency = low * (high / low) ** ((np.arange(5) + rng.random(5)) / 5)
    phase = rng.random(5) * 2 * np.pi
    size = frequency**-0.5  # slow movement is large, quick movement small
    return 2 * np.pi * frequency, phase, size / math.sqrt(float(size @ size) / 2)


# --- blinks --------------------------------------------------------------------------------------------------------------

CLOSING, OPENING = 0.090, 0.190  # s; after VanderWerf et al. (2003): down-phase half as long as the up-phase
BLINK_MEDIAN, BLINK_SPREAD = (
    3.7,
    0.45,
)  # s, log: 15 a minute, in talk rather more (Bentivoglio et al., 1997: 17 at rest, 26 in talk)
BLINK_LEAST, BLINK_MOST = 1.3, 7.0  # s between two


@dataclass(slots=True)
class Blinks:
    """Log-normal intervals, drawn forward to a pause in speech where one comes shortly before (Nakano and Kitazawa, 2010)."""

    seed: int
    onsets: list[float] = field(default_factory=list)
    next: float = -1.0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng((self.seed, 2))
        self.next = 0.6 + 0.5 * self._interval()

    def _interval(self) -> float:
        return float(np.clip(BLINK_MEDIAN * np.exp(BLINK_SPREAD * self.rng.standard_normal()), BLINK_LEAST, BLINK_MOST))

    def advance(self, end: float, pauses: list[float]) -> None:
        """Plan up to `end`, given when phrases end up to then."""
        while True:
            last = self.onsets[-1] if self.onsets else -BLINK_LEAST
            early = [p for p in pauses if max(last + BLINK_LEAST, self.next - 1.4) <= p <= min(self.next, end)]
            onset = early[0] if early else self.next
            if onset >= end:
                return
            self.onsets.append(onset)
            self.next = onset + self._interval()

    def closed(self, times: Array, fps: int) -> Array:
        """0 open to 1 closed [T]. Lids meet on a frame, for at least that frame."""
        closed = np.zeros(len(times))
        for onset in self.onsets:
            meet = math.ceil((onset + CLOSING) * fps - 1e-9) / fps
            start = meet - CLOSING if fps >= 12 else onset
            down = ease((times - start) / (meet - start))
            up = 1.0 - ease((times - meet - 0.03) / OPENING)
            closed = np.maximum(closed, np.minimum(down, up))
        return closed

    def forget(self, before: float) -> None:
        self.onsets = [t for t in self.onsets[:-1] if t > before - 1.0] + self.onsets[-1:]


# --- gaze ----------------------------------------------------------------------------------------------------------------

GAZE_MEDIAN, GAZE_SPREAD = 0.9, 0.5  # s, log: fixations of a listener's face
WANDER = 0.9 * DEGREE  # spread of fixations about the camera
GLANCE_EVERY = 5.0  # s, least between two looks away


@dataclass(slots=True)
class Gaze:
    """Fixations (onset, yaw, pitch) in order; between two lies a saccade."""

    seed: int
    fixations: list[tuple[float, float, float]] = field(default_factory=list)
    next: float = 0.0
    glanced: float = 0.0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng((self.seed, 3))
        self.fixations = [(-1.0, 0.0, 0.0)]
        self.next = self._interval()

    def _interval(self) -> float:
        return float(np.clip(GAZE_MEDIAN * np.exp(GAZE_SPREAD * self.rng.standard_normal()), 0.25, 3.0))

    def advance(self, end: float, pauses: list[float]) -> None:
        while True:
            early = [
                p for p in pauses if self.glanced + GLANCE_EVERY <= p < min(self.next + 0.4, end) and p > self.fixations[-1][0]
            ]
            onset = early[0] if early else self.next
            if onset >= end:
                return
            chance = self.rng.random()
            if onset - self.glanced >= GLANCE_EVERY and chance < (0.45 if early else 0.05):
                side = 1.0 if self.rng.random() < 0.5 else -1.0
                yaw = side * self.rng.uniform(5.0, 9.0) * DEGREE
                pitch = self.rng.uniform(-3.0, 4.0) * DEGREE
                self.next = onset + self.rng.uniform(0.45, 0.9)
                self.glanced = onset
            else:
                yaw, pitch = np.clip(self.rng.standard_normal(2), -2, 2) * (WANDER, 0.6 * WANDER)
                self.next = onset + self._interval()
                self.glanced = max(self.glanced, onset - GLANCE_EVERY + 1.5) if early else self.glanced
            self.fixations.append((onset, float(yaw), float(pitch)))

    def look(self, times: Array) -> tuple[Array, Array]:
        """Yaw and pitch [T] of the line of sight, camera at 0, 0. Saccades last 21 ms + 2.2 ms a degree (Carpenter, 1988)."""
        onset, yaw, pitch = np.array(self.fixations).T
        turn = np.stack([np.diff(yaw), np.diff(pitch)], 1)  # [F, 2]
        last = 0.021 + 0.0022 * np.hypot(turn[:, 0], turn[:, 1]) / DEGREE
        looked = (yaw[0], pitch[0]) + ease((times[:, None] - onset[1:]) / last) @ turn
        return looked[:, 0], looked[:, 1]

    def forget(self, before: float) -> None:
        while len(self.fixations) > 2 and self.fixations[1][0] < before - 0.5:
            del self.fixations[0]


# --- head and brows ------------------------------------------------------------------------------------------------------

STRONG = 0.75  # stress from which a word does not go without a beat ...
QUICK = 0.45  # s, unless the head has just nodded and the brows have just been raised


@dataclass(frozen=True, slots=True)
class Beat:
    """A bell in time: rises from `onset` to `peak`, falls until `end`."""

    onset: float
    peak: float
    end: float
    size: float
    turn: float = 0.0  # what goes along with a nod: radians of yaw and roll

    def at(self, times: Array) -> Array:
        rise = ease((times - self.onset) / (self.peak - self.onset))
        fall = ease((times - self.peak) / (self.end - self.peak))
        return self.size * (rise - fall)


@dataclass(frozen=True, slots=True)
class Shift:
    """The head settles elsewhere: by (pitch, yaw, roll) from `onset`, within `last` seconds."""

    onset: float
    last: float
    by: tuple[float, float, float]


@dataclass(slots=True)
class Gestures:
    """Nods and brow raises on stressed words, shifts of posture and breaths at phrases."""

    seed: int
    nods: list[Beat] = field(default_factory=list)
    brows: list[Beat] = field(default_factory=list)
    breaths: list[Beat] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)
    settled: Array = field(default_factory=lambda: np.zeros(3))  # posture before the first of `shifts`
    posture: Array = field(default_factory=lambda: np.zeros(3))  # ... and after the last
    nodded: float = -9.0
    raised: float = -9.0
    shifted: float = -9.0
    breathed: float = -9.0
    by_word: np.random.Generator = field(init=False)
    by_phrase: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.by_word = np.random.default_rng((self.seed, 4))
        self.by_phrase = np.random.default_rng((self.seed, 6))

    def stress(self, vowel: float, stress: float, excitement: float, start: float) -> None:
        """A stressed word whose vowel is heard at `vowel`, in a stretch that begins at `start`."""
        rng = self.by_word
        vary, turn, brow, skip = rng.uniform(0.75, 1.25), rng.uniform(-1, 1), rng.random(), rng.random()
        lively = 0.7 + 0.6 * excitement
        strong, since = stress >= STRONG, vowel - self.nodded
        nods = since >= (QUICK if strong else 0.75) and (strong or skip < 0.55 + 0.45 * stress)
        if nods:
            vary *= min(since / 0.75, 1.0)  # in quick succession they are small
            onset = max(vowel - 0.22, start)
            peak = max(vowel, onset + 0.16)
            self.nods.append(Beat(onset, peak, peak + 0.42, (0.7 + 2.0 * stress) * lively * vary * DEGREE, turn * 0.5))
            self.nodded = vowel
        if strong and not nods:
            raises = vowel - self.raised >= 0.6
        else:
            raises = vowel - self.raised >= 1.4 and brow < 0.25 + 0.6 * stress
        if raises:
            onset = max(vowel - 0.24, start)
            peak = max(vowel, onset + 0.2)
            self.brows.append(Beat(onset, peak, peak + 0.5, (0.10 + 0.22 * stress) * lively * vary))
            self.raised = vowel

    def phrase(self, onset: float, silent: float, excitement: float, start: float) -> None:
        """A phrase begins at `onset` after `silent` seconds without speech."""
        by = self.by_phrase.standard_normal(3) * np.array([0.6, 1.8, 0.8]) * DEGREE * (0.8 + 0.4 * excitement)
        if silent > 0.2 and onset - self.breathed > 1.5:
            begin = max(onset - min(silent, 0.35), start)
            peak = max(onset, begin + 0.2)
            self.breaths.append(Beat(begin, peak, peak + 1.4, float(np.clip(silent / 0.4, 0.4, 1.0))))
            self.breathed = onset
        if onset - self.shifted > 1.6:
            begin = max(onset - 0.25, start)
            self.shifts.append(Shift(begin, 0.9, tuple(np.clip(by, -4 * DEGREE, 4 * DEGREE) - self.posture)))
            self.posture = self.posture + self.shifts[-1].by
            self.shifted = onset

    def head(self, times: Array) -> Array:
        """Pitch, yaw, roll [T, 3] of nods and posture."""
        pose = np.tile(self.settled, (len(times), 1))
        for shift in self.shifts:
            pose += ease((times - shift.onset) / shift.last)[:, None] * shift.by
        for nod in self.nods:
            pose += nod.at(times)[:, None] * (1.0, 0.35 * nod.turn, 0.5 * nod.turn)
        return pose

    def cut(self, now: float) -> None:
        """Drop what has not begun `now`."""
        self.nods, self.brows, self.breaths = (
            [b for b in beats if b.onset < now] for beats in (self.nods, self.brows, self.breaths)
        )
        self.shifts = [s for s in self.shifts if s.onset < now]
        self.posture = self.settled + sum((np.array(s.by) for s in self.shifts), np.zeros(3))
        self.nodded, self.raised, self.shifted, self.breathed = (
            min(t, now) for t in (self.nodded, self.raised, self.shifted, self.breathed)
        )

    def forget(self, before: float) -> None:
        self.nods = [b for b in self.nods if b.end > before - 0.1]
        self.brows = [b for b in self.brows if b.end > before - 0.1]
        self.breaths = [b for b in self.breaths if b.end > before - 0.1]
        while self.shifts and self.shifts[0].onset + self.shifts[0].last < before - 0.1:
            self.settled = self.settled + self.shifts.pop(0).by
