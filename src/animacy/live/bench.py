"""`animacy bench live`: sessions that speak half of the time, from the text that goes in to the packets that come out."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .host import Host, keep_loaded, make_host
from .scheduler import Busy
from .stream import OPUS_SECONDS, Encoded, Stream
from .values import Event

AUDIBLE = 0.003  # rms: -50 dBFS
INTERRUPT = 3  # each third text is cut off ...
AFTER = 1.0  # ... so many seconds after its first word
OPENING = 2.0  # s from a session's first frame on that are told apart
EDGE = 5.0  # s at the beginning and at the end between which drift is measured
WHOLE = 0.01  # of the time in which each second frame alone may be painted where each frame is said to be
CACHED = 16  # texts that --cached says again and again: their sentences all fit into the voice's cache

_OPENINGS = (
    "Well, my friend",
    "As you may know",
    "To tell the truth",
    "Believe me",
    "Every now and then",
    "On a day like this",
)
_RESTS = (
    "it is so good to see you here today",
    "I have thought about it for a very long time",
    "nothing is as simple as it looks at first",
    "we should go out and have a look at the sea",
    "there was a light in the window last night",
    "I would do it again without any doubt",
    "she never told me what the letter said",
    "you can hear the rain on the roof of the house",
)
TEXTS = tuple(f"{a}, {b}. {c}." for (a, b), c in zip(product(_OPENINGS, _RESTS), sorted(_RESTS) * len(_OPENINGS), strict=True))


@dataclass(slots=True)
class Tap:
    """A Watcher that keeps when everything left."""

    video: list[tuple[float, float]] = field(default_factory=list)  # due, left
    audio: list[tuple[float, float, bytes]] = field(default_factory=list)  # due, left, packet
    events: deque[Event] = field(default_factory=deque)
    bytes: int = 0

    def take(self, encoded: Encoded) -> None:
        self.bytes += encoded.packet.size
        if encoded.kind == "video":
            self.video.append((encoded.due, encoded.left))
        else:
            self.audio.append((encoded.due, encoded.left, bytes(encoded.packet)))

    def told(self, event: Event) -> None:
        self.events.append(event)


@dataclass(slots=True)
class Talk:
    """One session that says a text, is silent for as long, and says the next."""

    stream: Stream
    tap: Tap
    turn: int
    texts: Sequence[str]
    asked: float  # when the session was asked for
    said: float | None = None  # when the text was given that is being said
    started: float | None = None  # when its first frame is due
    rest: float = 0.0  # when the next is to be given
    replies: list[tuple[float, float]] = field(default_factory=list)  # given; first frame due
    stops: list[float] = field(default_factory=list)  # when it was interrupted

    def step(self, now: float) -> None:
        while self.tap.events:
            event = self.tap.events.popleft()
            at = self.stream.session.opened + event.time
            if event.kind == "started" and self.said is not None:
                self.started = at
                self.replies.append((self.said, at))
            elif event.kind in ("finished", "failed", "interrupted") and self.said is not None:
                self.rest = now + now - (self.started or now)
                self.said = self.started = None
        if self.said is None and now >= self.rest:
            self.said = now
            self.stream.session.say(self.texts[self.turn % len(self.texts)])
            self.turn += 1
        elif self.started is not None and self.turn % INTERRUPT == 0 and now > self.started + AFTER:
            self.stops.append(time.monotonic())
            self.stream.session.interrupt()
            self.rest, self.said, self.started = now + AFTER, None, None

    def first_frames(self) -> list[float]:
        """Seconds from each text to the packet of the first frame of its speech."""
        due = np.array([d for d, _ in self.tap.video])
        found = []
        for given, first in self.replies:
            at = int(np.searchsorted(due, first - 1e-4))
            if at < len(due):
                found.append(self.tap.video[at][1] - given)
        return found

    def stopped(self) -> list[float]:
        """Seconds from each interruption to the end of the last packet in which speech is heard."""
        if not self.stops:
            return []
        loud = _loudness([packet for _, _, packet in self.tap.audio])
        due = np.array([max(d, left) for d, left, _ in self.tap.audio]) + float(OPUS_SECONDS)
        spans = []
        for at in self.stops:
            heard = due[(loud > AUDIBLE) & (due > at - 0.1) & (due < at + AFTER)]
            if len(heard):  # else it fell into a pause, where there was nothing to stop
                spans.append(max(float(heard.max() - at), 0.0))
        return spans


def _loudness(packets: list[bytes]) -> NDArray[np.float64]:
    """The rms of each packet of Opus."""
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    sounds = (decoder.decode(av.Packet(p))[0].to_ndarray() for p in packets)
    return np.array([np.sqrt(np.mean((s / 32768.0 if s.dtype == np.int16 else s) ** 2)) for s in sounds])


def bench(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure; all times in milliseconds unless the key says otherwise. Raises UsageError for what cannot be asked for.

    "cold" is the first text after loading, "warm" the second, both of one session alone; the keys at the top are of all
    sessions for `seconds`, once that is over. lateness: from a frame's instant to its packet, of all frames; in "opening" of
    those due in the first OPENING seconds of each session, in "steady" of all others. open: from asking for a session to the
    packet of its first frame, which is due LEAD frames (host.py) after its opening. first_frame: from the text to the packet of
    the first frame of its speech. stop: from `interrupt` to the end of the last packet in which speech is heard; one that fell
    into a pause does not count. av_offset: by how much pictures leave later than the sound of the same instant. drift: how much
    later sound leaves at the end than at the beginning. half_rate_share: of the time in which each second frame alone was
    painted. hearing, painting: what a tick of the scheduler takes to hand on sound and motion, and to paint and hand on
    pictures; encoding: each session's last frame. cpu_cores_by_thread: processor time outside the kernel by kind of thread,
    the encoders' "stream", those of libraries "other". frames_skipped: those that were not painted, for that or because they
    were too late. speech: "cached" with --cached, which has CACHED texts said that were made before, else "synthesised". With
    --find: what `find` gives.
    """
    if arguments.sessions < 1 or not 4 <= arguments.seconds < 86_400:
        raise UsageError("--sessions has to be 1 or more, --seconds 4 or more")
    if not 1 <= arguments.most <= 4096:
        raise UsageError(f"--most {arguments.most}: needed 1 to 4096")
    sys.setswitchinterval(0.001)  # as the server has it
    begun = time.monotonic()
    with make_host(
        (arguments.avatar,),
        size=arguments.size,
        fps=arguments.fps,
        voice=arguments.voice,
        rasteriser=arguments.rasteriser,
        generator=arguments.generator,
        backend=arguments.generator_backend,
        prepared=arguments.prepare,
        stage=_tell,
    ) as host:
        keep_loaded()
        texts = _spoken(host, TEXTS[:CACHED]) if arguments.cached else TEXTS
        loaded = round(time.monotonic() - begun, 2)
        if not arguments.find:
            figures = measure(host, arguments.sessions, arguments.seconds, arguments.avatar, texts)
        else:
            figures = find(
                lambda sessions: together(host, sessions, arguments.seconds, arguments.avatar, texts),
                most=arguments.most,
                frame_ms=1000 / host.fps,
                told=_tell,
            )
        return {**figures, "speech": "cached" if arguments.cached else "synthesised", "load_s": loaded}


def find(
    trial: Callable[[int], dict[str, Any]], *, most: int, frame_ms: float, told: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """The largest number of sessions, `most` at most, whose p99 lateness stays under a frame and of which none is refused.

    It is doubled until a trial fails, and halved in between from there on. Gives the figures of the best trial ("sessions" is 0
    if one session is too much already), "full_rate_sessions", the largest number of which each frame was painted, and "trials".
    trial: the figures of so many sessions, as `together` gives. told: a line on each trial.
    """
    trials: list[dict[str, Any]] = []

    def holds(sessions: int) -> bool:
        figures = trial(sessions)
        late = figures["lateness_p99_ms"]
        held = not figures["refused"] and late is not None and late < frame_ms
        trials.append({"asked": sessions, "held": held, **figures})
        told(
            f"{sessions} sessions: p99 lateness {late} ms, {figures['refused']} refused, half rate "
            f"{100 * figures['half_rate_share']:.0f} % of the time: {'held' if held else 'not held'}"
        )
        return held

    low, high = 0, most + 1
    while high - low > 1:
        middle = max(1, min(2 * low, most)) if high > most else (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    best = next((t for t in trials if t["asked"] == low), {**trials[0], "sessions": 0})
    full = [t["asked"] for t in trials if t["held"] and t["half_rate_share"] < WHOLE]
    return {**best, "sessions": low, "full_rate_sessions": max(full, default=0), "frame_ms": frame_ms, "trials": trials}


def measure(host: Host, sessions: int, seconds: float, avatar: str, texts: Sequence[str] = ()) -> dict[str, Any]:
    """The figures of `bench` on a host that is there. texts: what is said, TEXTS by default."""
    alone = _opened(host, avatar, 0, texts or TEXTS)
    cold, warm = _reply(alone), _reply(alone)
    host.close_session(alone.stream)
    steady = together(host, sessions, seconds, avatar, texts or TEXTS)
    if not steady["sessions"]:
        raise UsageError("not even one session has room here: give a smaller --size")
    return {**steady, "cold": cold, "warm": warm}


def together(host: Host, sessions: int, seconds: float, avatar: str, texts: Sequence[str]) -> dict[str, Any]:
    """The figures of so many sessions for `seconds`, as `bench` describes them; "sessions" is 0 if not even one has room."""
    memory, talks, refused = _memory(), [], 0
    for n in range(sessions):
        try:
            talks.append(_opened(host, avatar, 2 + 7 * n, texts))
        except Busy:
            refused += 1
    if not talks:
        return {"sessions": 0, "refused": refused, "lateness_p99_ms": None, "half_rate_share": 0.0}
    for n, talk in enumerate(talks):
        talk.rest = time.monotonic() + 0.5 + 2.0 * n / len(talks)  # not all at once
    spent, used, begun = _spent(), time.process_time(), time.monotonic()
    half = ticks = 0
    taken: list[tuple[float, float]] = []
    while time.monotonic() < begun + seconds:
        for talk in talks:
            talk.step(time.monotonic())
        half, ticks = half + host.scheduler.half, ticks + 1
        newest = host.scheduler.newest
        if newest is not None and [newest] != taken[-1:]:
            taken.append(newest)
        time.sleep(0.01)
    wall, used = time.monotonic() - begun, time.process_time() - used
    grown, reached, ended = _memory() - memory, host.scheduler.reached, _spent()
    figures = [t.stream.figures for t in talks]
    for talk in talks:
        host.close_session(talk.stream)
    late = 1000 * np.array([left - due for t in talks for due, left in t.tap.video])
    since = np.array([due - t.stream.session.opened for t in talks for due, _ in t.tap.video])
    open_ms = [1000 * (t.tap.video[0][1] - t.asked) for t in talks if t.tap.video]
    offsets = [o for t in talks for o in _offsets(t.tap)]
    first = [1000 * s for t in talks for s in t.first_frames()]
    stop = [1000 * s for t in talks for s in t.stopped()]
    return {
        "lateness_p50_ms": _round(np.percentile(late, 50)),
        "lateness_p99_ms": _round(np.percentile(late, 99)),
        "opening": _lateness(late[since < OPENING]),
        "steady": _lateness(late[since >= OPENING]),
        "open_ms": _round(np.median(open_ms)),
        "open_max_ms": _round(max(open_ms)),
        "first_frame_ms": _round(np.median(first)) if first else None,
        "first_frame_max_ms": _round(max(first)) if first else None,
        "stop_ms": _round(np.median(stop)) if stop else None,
        "stop_max_ms": _round(max(stop)) if stop else None,
        "av_offset_ms": _round(np.median(offsets)) if offsets else None,
        "av_offset_worst_ms": _round(max(offsets, key=abs)) if offsets else None,
        "drift_ms": _round(max((_drift(t.tap) for t in talks), key=abs)),
        "sessions": len(talks),
        "refused": refused,
        "texts": len(first),
        "interruptions": len(stop),
        "frames": sum(f.frames for f in figures),
        "frames_skipped": sum(f.skipped for f in figures),
        "half_rate_share": round(half / ticks, 4),
        "hearing_ms": _spread([1000 * hearing for hearing, _ in taken]),
        "painting_ms": _spread([1000 * painting for _, painting in taken]),
        "encoding_ms": _spread([1000 * f.encoding for f in figures]),
        "reached_fps": _round(reached),
        "cpu_cores": round(used / wall, 3),
        "cpu_cores_by_thread": {n: round((s - spent.get(n, 0.0)) / wall, 3) for n, s in sorted(ended.items())},
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb_per_session": _round(grown / len(talks)),
        "kbit_per_second": _round(sum(t.tap.bytes for t in talks) * 8 / 1000 / wall / len(talks)),
        "seconds": round(wall, 1),
        "size": host.size,
        "fps": host.fps,
    }


def _spoken(host: Host, texts: Sequence[str]) -> Sequence[str]:
    """The texts, once the first voice's cache holds their speech."""
    _tell(f"making the speech of {len(texts)} texts")
    for text in texts:
        for sentence in host.readers["none"].read(text):
            for _ in next(iter(host.speakers.values())).speak(sentence):
                pass
    return texts


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _opened(host: Host, avatar: str, turn: int, texts: Sequence[str]) -> Talk:
    asked = time.monotonic()
    stream = host.open(avatar, next(iter(host.speakers)), "none", seed=turn)
    talk = Talk(stream, Tap(), turn, texts, asked)
    stream.watch(talk.tap)
    return talk


def _reply(talk: Talk) -> dict[str, float]:
    """What the next text takes to its first frame, and how late frames are until it is said to its end."""
    count, shown, ends = len(talk.replies), len(talk.tap.video), time.monotonic() + 60
    time.sleep(0.5)
    talk.rest = 0.0
    while (len(talk.replies) == count or talk.said is not None) and time.monotonic() < ends:
        talk.step(time.monotonic())
        time.sleep(0.005)
    if not talk.first_frames():
        raise UsageError("nothing was heard within a minute: this machine is too slow")
    late = 1000 * np.array([left - due for due, left in talk.tap.video[shown:]])
    return {
        "first_frame_ms": _round(1000 * talk.first_frames()[-1]),
        "lateness_p50_ms": _round(np.percentile(late, 50)),
        "lateness_p99_ms": _round(np.percentile(late, 99)),
    }


def _lateness(late: NDArray[np.float64]) -> dict[str, float | None]:
    """Of frames that were so many ms late; None of none."""
    if not len(late):
        return {"frames": 0, "lateness_p50_ms": None, "lateness_p99_ms": None, "lateness_max_ms": None}
    p50, p99, most = np.percentile(late, (50, 99, 100))
    return {
        "frames": len(late),
        "lateness_p50_ms": _round(p50),
        "lateness_p99_ms": _round(p99),
        "lateness_max_ms": _round(most),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    """The median, the 99th percentile and the most."""
    return {name: _round(np.percentile(values or [0.0], q)) for name, q in (("p50", 50), ("p99", 99), ("max", 100))}


def _offsets(tap: Tap) -> list[float]:
    """By how many ms pictures leave later than sound, for each second of the session."""
    seconds: dict[int, tuple[list[float], list[float]]] = {}
    for due, left in tap.video:
        seconds.setdefault(int(due), ([], []))[0].append(1000 * (left - due))
    for due, left, _ in tap.audio:
        seconds.setdefault(int(due), ([], []))[1].append(1000 * (left - due))
    return [float(np.median(v) - np.median(a)) for v, a in seconds.values() if v and a]


def _drift(tap: Tap) -> float:
    late = [(due, 1000 * (left - due)) for due, left, _ in tap.audio]
    early = [ms for due, ms in late if due < late[0][0] + EDGE]
    final = [ms for due, ms in late if due > late[-1][0] - EDGE]
    return float(np.median(final) - np.median(early))


def _memory() -> float:
    """MB that this process has in memory."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    except FileNotFoundError:  # not Linux: the most that it ever had
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _spent() -> dict[str, float]:
    """Seconds of processor time by the names of the threads that are there, "kernel" what the system took of them."""
    names = {str(thread.native_id): thread.name.split("-")[0] for thread in threading.enumerate()}
    spent: defaultdict[str, float] = defaultdict(float)
    for stat in Path("/proc/self/task").glob("*/stat"):
        try:
            user, kernel = map(int, stat.read_text().rpartition(")")[2].split()[11:13])
        except OSError:  # it has ended
            continue
        spent[names.get(stat.parent.name, "other")] += user / os.sysconf("SC_CLK_TCK")
        spent["kernel"] += kernel / os.sysconf("SC_CLK_TCK")
    return spent


def _round(value: Any) -> float:
    return round(float(value), 2)
