"""What is loaded once for all sessions: avatars, voices, readers, and the scheduler in the thread that owns the renderers."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import avatar as avatars
from ..errors import AnimacyError, UsageError
from ..face import make_face
from ..generate import network_for
from ..read import MARKUPS, make_reader
from ..speak.kokoro import Kokoro
from ..speak.voices import VOICES, voice_for
from ..stages import FaceStage, Reader, Speaker
from .scheduler import BATCH, LOOK_AHEAD, Busy, Scheduler
from .session import Session
from .stream import Stream, Turns
from .voice import SharedVoice

GPU_BATCHES = (1, 4, 8, 16, 64)  # frames at once, made ready at the start; others are cut into these
LEAD = LOOK_AHEAD + 1  # frames from a session's opening to its first: its encoders open, and each tick paints but one of it
APART = 0.618  # of the time between key frames, from a session's to the next one's: the golden ratio spreads any number
EACH_LANGUAGE = "auto"  # the voice that is one for each sentence's language
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """An avatar that sessions can have."""

    background: NDArray[np.uint8]  # [size, size, 3] sRGB
    painting: Callable[[], AbstractContextManager[FaceStage]]  # opened in the scheduler's thread


class Host:
    """Holds live sessions: constructed, it is loaded, warmed up, and ticking.

    looks, speakers, readers: by the names that `open` takes. Several threads call the speakers at a time. observe is called
    with the lateness in seconds of each frame of each session. beat: as the Scheduler takes it. Closing it ends its sessions
    and its thread; twice is fine. Raises what opening a look raises. What interrupts the wait for it, a signal, is raised once
    its thread has ended.
    """

    def __init__(
        self,
        looks: Mapping[str, Look],
        speakers: Mapping[str, Speaker],
        readers: Mapping[str, Reader],
        *,
        size: int,
        fps: int = 25,
        observe: Callable[[float], None] = lambda lateness: None,
        beat: float = 0.0,
    ) -> None:
        self.looks, self.speakers, self.readers, self.size, self.fps = looks, speakers, readers, size, fps
        self.failure: BaseException | None = None  # of the scheduler: nothing is painted any more
        self._observe, self._beat = observe, beat
        # Where more threads encode than there are cores, the one that paints waits long for a core, and longer for one of them
        # that lost its core with the GIL in hand.
        self._turns = Turns(len(os.sched_getaffinity(0)))
        self._lock = threading.Lock()
        self._streams: list[Stream] = []
        self._opened = 0
        self._scheduler: Scheduler | None = None
        self._ready = threading.Event()
        self._given_up = False  # while it was being made ready
        self._thread = threading.Thread(target=self._paint, name="scheduler", daemon=True)
        self._thread.start()
        try:
            self._ready.wait()
        except BaseException:  # a signal's: left in a library's work, the thread would abort the process as Python ends
            self._given_up = True
            if self._scheduler is not None:
                self._scheduler.close()
            self._thread.join()
            raise
        if self._scheduler is None:
            self._thread.join()
            assert self.failure is not None
            raise self.failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def scheduler(self) -> Scheduler:
        assert self._scheduler is not None
        return self._scheduler

    @property
    def streams(self) -> list[Stream]:
        """Of the sessions that are open."""
        with self._lock:
            return list(self._streams)

    def open(self, avatar: str, voice: str, markup: str, seed: int | None = None) -> Stream:
        """Open a session and encode it; `close_session` ends it. seed: of its blinks and glances, by default a new one.

        Its first frame is due LEAD frames later: were it due at once, it would be late, and LOOK_AHEAD more with it, as all
        of them would have to be painted in one batch.

        Raises UsageError for a name that is not here, Busy where there is no room, be it for an encoder's memory, AnimacyError
        once the scheduler has failed.
        """
        for name, kind, known in (
            (avatar, "avatar", self.looks),
            (voice, "voice", self.speakers),
            (markup, "markup", self.readers),
        ):
            if name not in known:
                raise UsageError(f"{kind} {name!r} is not here: choose from {', '.join(known)}")
        if self.failure is not None:
            raise AnimacyError(f"nothing is painted any more ({self.failure}): start the server again")
        with self._lock:
            self._opened += 1
            own, apart = self._opened if seed is None else seed, self._opened * APART % 1
        session = Session(
            self.speakers[voice],
            reader=self.readers[markup],
            fps=self.fps,
            seed=own,
            avatar=avatar,
            lead=LEAD / self.fps,
        )
        with ExitStack() as undo:
            undo.callback(session.close)
            backgrounds = {name: look.background for name, look in self.looks.items()}
            try:
                stream = Stream(session, self.size, backgrounds, observe=self._observe, turns=self._turns, apart=apart)
            except Exception as error:  # of the encoders, which take memory that others have
                _log.error("a session could not be made: %s", error, exc_info=error)
                raise Busy(f"another session cannot be made ({error}): retry later") from error
            undo.callback(stream.close)
            self.scheduler.add(session, stream)
            undo.pop_all()
        with self._lock:
            self._streams.append(stream)
        return stream

    def wear(self, stream: Stream, avatar: str) -> None:
        """Let a session have another face from the next tick on. Raises UsageError for one that is not here."""
        if avatar not in self.looks:
            raise UsageError(f"avatar {avatar!r} is not here: choose from {', '.join(self.looks)}")
        stream.session.avatar = avatar

    def close_session(self, stream: Stream) -> None:
        """End a session; waits for the stretch that it speaks. Twice is fine."""
        self.scheduler.remove(stream.session)
        stream.close()
        stream.session.close()
        with self._lock:
            self._streams = [s for s in self._streams if s is not stream]

    def close(self) -> None:
        if self._scheduler is None:
            return
        for stream in self.streams:
            self.close_session(stream)
        self._scheduler.close()
        self._thread.join()

    def _paint(self) -> None:
        """The thread that owns the renderers."""
        try:
            with ExitStack() as stack:
                painting: dict[str, FaceStage] = {}
                for name, look in self.looks.items():
                    if self._given_up:
                        return
                    painting[name] = stack.enter_context(look.painting())
                self._scheduler = Scheduler(painting, beat=self._beat)
                if self._given_up:
                    return
                self._ready.set()
                self._scheduler.run()
        except BaseException as error:
            self.failure = error
            if self._ready.is_set():
                _log.critical("nothing is painted any more: %s", error, exc_info=error)
        finally:
            self._ready.set()


def make_host(
    names: tuple[str, ...] = ("default",),
    *,
    size: int = 256,
    fps: int = 25,
    voice: str = EACH_LANGUAGE,
    rasteriser: str = "auto",
    generator: str = "auto",
    backend: str = "auto",
    prepared: str = "auto",
    cores: int | None = None,
    stage: Callable[[str], None] = lambda name: None,
    observe: Callable[[float], None] = lambda lateness: None,
    beat: float = 0.0,
) -> Host:
    """A host of the avatars of these names or paths and of all voices that ship, warmed up; `voice` comes first.

    size: pixels a side, even, 64..2048. fps: 1..60. rasteriser, generator, backend, prepared: as `make_face` takes them. cores:
    that voices may take, by default all. beat: as the Scheduler takes it. stage is told what begins, from the scheduler's
    thread, too. Raises UsageError for what cannot be asked for.
    """
    if size % 2 or not 64 <= size <= 2048:
        raise UsageError(f"--size {size}: needed an even number from 64 to 2048")
    if not 1 <= fps <= 60:
        raise UsageError(f"--fps {fps}: needed 1 to 60")
    if voice not in (EACH_LANGUAGE, *VOICES):
        raise UsageError(f"--voice {voice}: no such voice; choose from {', '.join((EACH_LANGUAGE, *VOICES))}")
    stage("loading the avatars")
    how = {"rasteriser": rasteriser, "generator": generator, "backend": backend, "prepared": prepared}
    looks = {name: _look(name, size, how, stage) for name in dict.fromkeys(names)}
    stage("loading the voices")
    every = _speakers(cores or len(os.sched_getaffinity(0)))
    speakers = {voice: every[voice], **every}
    readers = {markup: make_reader(markup=markup) for markup in MARKUPS}
    stage("warming up")
    for text in ("Hello there, how are you today?", "你好，今天天气不错。"):
        for sentence in readers["none"].read(text):
            for _ in speakers[EACH_LANGUAGE].speak(sentence):
                pass
    return Host(looks, speakers, readers, size=size, fps=fps, observe=observe, beat=beat)


def keep_loaded() -> None:
    """Let the garbage collector look no more at what is there now: to look at all that PyTorch loads holds each thread for
    0.1 to 0.2 s. For a process that has made its host and keeps it."""
    gc.collect()
    gc.freeze()


def _look(name: str, size: int, how: Mapping[str, str], stage: Callable[[str], None]) -> Look:
    face = avatars.load(avatars.find(name))
    network_for(how["generator"], face, size)  # refused here, before the voices are loaded

    def painting() -> AbstractContextManager[FaceStage]:
        return make_face(face, size, batch=BATCH, gpu_batches=GPU_BATCHES, stage=stage, **how)

    background = np.asarray(Image.fromarray(face.background).resize((size, size), Image.Resampling.LANCZOS))
    return Look(background, painting)


def _speakers(cores: int) -> dict[str, Speaker]:
    """All voices out of one network, and the one that changes with the language."""
    at_once = max(1, cores // 4)
    room = threading.Semaphore(at_once)
    # Half the cores at most: threads of one operator wait for each other, and frames have to be painted meanwhile.
    network = Kokoro(voice_for("en"), threads=min(max(1, cores // 2), 4), workers=at_once)
    voices = {name: network.with_voice(name) for name in VOICES}
    by_language = {language: voices[voice_for(language)] for language in ("en", "zh")}
    said = {name: SharedVoice(dict.fromkeys(("en", "zh"), voice), room) for name, voice in voices.items()}
    return {EACH_LANGUAGE: SharedVoice(by_language, room), **said}
