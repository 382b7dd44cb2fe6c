"""All sessions' frames through one stage an avatar: what is due is painted together, as one batch an avatar.

Each tick takes the frames that became due, and a few more where there is room, hands their sound and motion on at once, paints
them, earliest first, and hands on the faces of those that no interruption has made void. A frame whose successor is due already
is not painted: sessions fall behind in smoothness, never in time.

How short time is, is measured: `need` is what a tick takes, with each frame painted, over the time from one frame to the next.
A tick takes something for each session, to hand on sound and motion, and painting: something for each batch and for each frame,
as trials at the start and the last ticks show. On a CPU it is nearly all for frames, on a GPU nearly all for the batch.
    up to ROOM  LOOK_AHEAD frames are painted ahead ...
    .. FULL     ... fewer and fewer ...
    FULL ..     ... none, and each second frame is painted; all motion and sound go on
    2 FULL ..   new sessions are refused: even so they could not be painted
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError, UsageError
from ..stages import FaceStage
from ..types import ARKIT, POSE, Faces, Motion
from .session import Session
from .values import Moment

LOOK_AHEAD = 4  # frames, where there is room
ROOM, FULL, AGAIN = 0.7, 0.9, 0.75  # needs; each frame is painted again once it is below AGAIN
TICKS = 32  # over which is measured what they take ...
ENOUGH = 8  # ... once there were so many: the first are slow in what later ones are not, and may be few
TRIAL = 8  # frames that are painted at first, to see how fast that is
ONCE = 3  # trials of a single frame, of which the quickest counts
QUICK = 0.02  # s that a trial has to take to tell of larger batches
BATCH = 32  # frames that a CPU paints at a time

_log = logging.getLogger(__name__)


class Busy(AnimacyError):
    """There is no room for another session now; later there may be."""


class Sink(Protocol):
    """Takes what one session gives. What is of an older epoch than the session's is void: drop it, whether played or not."""

    def hear(self, moment: Moment) -> None:
        """Take the next frame's motion and sound, at once, up to LOOK_AHEAD frames before it is due. None is left out."""

    def show(self, moment: Moment, face: NDArray[np.uint8]) -> None:
        """Take the face of a moment that was heard. In order; frames may be left out.

        `face` [H, W, 4] is sRGB, premultiplied alpha; or [H * 3 / 2, W] a finished frame, as types.Frames has it.
        It is one of a batch: copy it to keep it.
        """


@dataclass(frozen=True, slots=True)
class _Running:
    session: Session
    sink: Sink
    phase: int  # 0 or 1: which frames are painted when only each second is; of half the sessions these, of half those


@dataclass(frozen=True, slots=True)
class _Job:
    running: _Running
    moment: Moment
    left: float  # seconds until it is due


@dataclass(frozen=True, slots=True)
class _Pace:
    """Seconds that painting takes: so many a batch of up to `most` frames, and so many more a frame."""

    batch: float
    frame: float
    most: int

    def seconds(self, frames: float) -> float:
        return self.batch * math.ceil(frames / self.most) + self.frame * frames


@dataclass(frozen=True, slots=True)
class _Tick:
    """What one tick took, in seconds."""

    sessions: int
    hearing: float  # to take and hand on sound and motion
    trial: float  # that its frames would have taken to paint at the trials' pace ...
    painting: float  # ... and did


class Scheduler:
    """Paints the sessions of `avatars`, a FaceStage by avatar name, in the thread that calls it.

    Construct it and call `run`, or `tick` at your own pace, in the thread that owns the stages; `add`, `remove` and `close`
    may be called from any. Constructing paints the largest batch with each, so that memory that lacks is missed now and not
    when a session is added, and one and TRIAL frames, so that the pace is known from the start; where these take no time, as on
    a GPU, the largest batch is the trial.
    clock gives seconds, as the sessions'. beat: seconds by which ticks lie behind the clock's whole periods: processes that
    share a GPU or cores give each its own, so that they do not all want them at once. Closing neither closes sessions nor
    stages. What these raise is raised by `tick`; a session that fails is logged and removed.
    """

    def __init__(
        self, avatars: Mapping[str, FaceStage], clock: Callable[[], float] = time.monotonic, beat: float = 0.0
    ) -> None:
        self.look_ahead = LOOK_AHEAD  # frames
        self.half = False  # each second frame is painted
        self._avatars, self._clock, self._beat = dict(avatars), clock, beat
        self._lock = threading.Lock()
        self._running: dict[Session, _Running] = {}
        self._added = 0
        self._closing = threading.Event()
        self._paces = {name: self._tried(face) for name, face in self._avatars.items()}
        self._ticks: deque[_Tick] = deque(maxlen=TICKS)
        self._hearing = 0.0  # seconds that a session takes of a tick, whatever is painted
        self._slow = 1.0  # seconds that painting takes over those of the trials' pace
        self._begun = clock()  # the newest tick

    def _tried(self, face: FaceStage) -> _Pace:
        many = min(TRIAL, face.batch)
        for count in (face.batch, many, 1):  # at first kernels and buffers are made, the largest that there will be
            taken = self._timed(face, count)
        taken = self._timed(face, many)
        if taken < QUICK:
            many, taken = face.batch, self._timed(face, face.batch)
        one = min(self._timed(face, 1) for _ in range(ONCE))
        batch = min(max((many * one - taken) / (many - 1), 0.0), one) if many > 1 else 0.0
        return _Pace(batch, max(taken - batch, 0.0) / many, face.batch)

    def _timed(self, face: FaceStage, count: int) -> float:
        """Seconds that it takes to paint so many."""
        still = np.zeros((count, len(ARKIT)), np.float32), np.zeros((count, len(POSE)), np.float32)
        begun = self._clock()
        for _ in face.paint([Motion(*still, 0, 25)]):
            pass
        return self._clock() - begun

    @property
    def still(self) -> float:
        """Seconds since the newest tick began: many more than a frame's, if what it paints with hangs."""
        return self._clock() - self._begun

    @property
    def newest(self) -> tuple[float, float] | None:
        """Seconds that the newest tick with sessions took to hand on sound and motion, and to paint and show."""
        try:
            return self._ticks[-1].hearing, self._ticks[-1].painting
        except IndexError:
            return None

    @property
    def need(self) -> float:
        """What a tick takes, each frame painted, over the time from one frame to the next: above 1 it cannot be done."""
        with self._lock:
            return self._need(self._running, self._slow)

    @property
    def reached(self) -> float:
        """Frames a second that the sessions ask for over `need`; while there are none, those of the trials' batches."""
        with self._lock:
            asked, need = sum(s.fps for s in self._running), self._need(self._running, self._slow)
        if asked:
            return asked / max(need, 1e-9)
        paces = self._paces.values()
        return sum(p.most for p in paces) / max(sum(p.seconds(p.most) for p in paces), 1e-9)

    def _need(self, sessions: Collection[Session], slow: float, share: float = 1.0) -> float:
        """The need of these sessions, `share` of whose frames are painted."""
        fps = max((s.fps for s in sessions), default=25)
        frames: defaultdict[str, float] = defaultdict(float)
        for s in sessions:
            frames[s.avatar] += share * s.fps / fps
        return (self._hearing * len(sessions) + slow * self._painting(frames)) * fps

    def _painting(self, frames: Mapping[str, float]) -> float:
        """Seconds that it takes at the trials' pace to paint so many frames of each avatar."""
        return sum(self._paces[avatar].seconds(count) for avatar, count in frames.items())

    def add(self, session: Session, sink: Sink) -> None:
        """Paint `session` from the next tick on.

        Raises Busy if that were too much even with each second frame painted, UsageError for an avatar that is not here.
        """
        if session.avatar not in self._avatars:
            raise UsageError(f"avatar {session.avatar!r} is not painted here: choose from {', '.join(self._avatars)}")
        # As long as time is not short, a passing slowness refuses nobody.
        slow = self._slow if self.half or self.look_ahead < LOOK_AHEAD else min(self._slow, 1.0)
        with self._lock:
            if self._closing.is_set():
                raise AnimacyError("this scheduler is closed; make another one")
            need = self._need((*self._running, session), slow, share=0.5)
            if need > FULL:
                raise Busy(
                    f"{len(self._running) + 1} sessions would take {100 * need:.0f} % of the time, each second frame painted, "
                    f"where {100 * FULL:.0f} % are to be had: retry later"
                )
            self._added += 1
            self._running[session] = _Running(session, sink, self._added % 2)

    def remove(self, session: Session) -> None:
        """Paint `session` no more, from the next tick on. One that is not here is fine."""
        with self._lock:
            self._running.pop(session, None)

    def close(self) -> None:
        """Let `run` return after its tick. Close twice is fine."""
        self._closing.set()

    def run(self) -> None:
        """Tick until `close`."""
        while not self._closing.is_set():
            self._closing.wait(self.tick())

    def tick(self) -> float:
        """Paint what is due; gives the seconds until the next tick is."""
        if self._closing.is_set():
            raise AnimacyError("this scheduler is closed; make another one")
        begun = self._begun = self._clock()
        with self._lock:
            running = list(self._running.values())
        jobs = [job for r in running for job in self._take(r)]
        jobs.sort(key=lambda job: (job.running.session.avatar, job.running.session.fps, job.left))
        heard = self._clock()
        frames: Counter[str] = Counter()
        for (avatar, fps), same in groupby(jobs, key=lambda job: (job.running.session.avatar, job.running.session.fps)):
            batch = list(same)
            frames[avatar] += len(batch)
            self._paint(self._avatars[avatar], fps, batch)
        ended = self._clock()
        if running:
            self._measure(_Tick(len(running), max(heard - begun, 0.0), self._painting(frames), max(ended - heard, 0.0)))
        self._adapt()
        period = 1.0 / max((r.session.fps for r in running), default=25)
        past = (ended - self._beat) / period + 1e-6
        return (math.floor(past) + 1) * period + self._beat - ended  # a fixed beat: one that waits after its work slips

    def _take(self, running: _Running) -> list[_Job]:
        """Hand on the sound of a session's next frames; gives those that are to be painted."""
        session, step = running.session, 2 if self.half else 1
        try:
            moments = session.take(self.look_ahead)
            for moment in moments:
                running.sink.hear(moment)
            due = session.due()
        except Exception as error:
            self._lost(running, error)
            return []
        wanted = [m for m in moments if m.number >= due - step and (step == 1 or m.number % 2 == running.phase)]
        return [_Job(running, m, (m.number - due) / session.fps) for m in wanted]

    def _paint(self, face: FaceStage, fps: int, jobs: list[_Job]) -> None:
        weights, pose = np.stack([j.moment.weights for j in jobs]), np.stack([j.moment.pose for j in jobs])
        first = 0
        for painted in face.paint(Motion(weights, pose, 0, fps).batches(face.batch)):
            pictures = painted.rgba if isinstance(painted, Faces) else painted.i420
            for job, picture in zip(jobs[first : first + len(pictures)], pictures, strict=True):
                self._show(job, picture)
            first += len(pictures)

    def _show(self, job: _Job, picture: NDArray[np.uint8]) -> None:
        session = job.running.session
        if session not in self._running or session.closed or job.moment.epoch != session.epoch:
            return
        try:
            job.running.sink.show(job.moment, picture)
        except Exception as error:
            self._lost(job.running, error)

    def _lost(self, running: _Running, error: Exception) -> None:
        if not running.session.closed:
            _log.error("a session is painted no more: %s", error, exc_info=error)
        self.remove(running.session)

    def _measure(self, tick: _Tick) -> None:
        self._ticks.append(tick)
        if len(self._ticks) < ENOUGH:
            return
        longest = max(self._ticks, key=lambda t: t.hearing + t.painting)  # who stands still for once is not short of time
        ticks = [t for t in self._ticks if t is not longest]
        self._hearing = sum(t.hearing for t in ticks) / sum(t.sessions for t in ticks)
        trial = sum(t.trial for t in ticks)
        if trial > 0.0:
            self._slow = sum(t.painting for t in ticks) / trial

    def _adapt(self) -> None:
        need = self.need
        self.half = need > (AGAIN if self.half else FULL)
        left = (FULL - need) / (FULL - ROOM)
        self.look_ahead = 0 if self.half else round(LOOK_AHEAD * min(max(left, 0.0), 1.0))
