"""What a session gives, encoded once for all who watch: H.264, Opus and AAC, each packet when its time has come.

A packet leaves when the instant that it shows is there, `opened + pts`, never before, so that sound and picture leave in step
however far ahead they were made, and an interruption takes back all that was made ahead. A face that was painted late leaves at
once. Sound is cut into packets by counted samples of the session: neither gaps nor drift can arise.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.video.frame import PictureType
from numpy.typing import NDArray

from ..errors import AnimacyError
from ..send.mp4 import BT709, LIMITED
from ..send.yuv import i420_over
from .mux import AAC_FRAME, AUDIO_RATE
from .session import Session
from .values import Event, Moment

OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)  # that libopus takes as they are
OPUS_SECONDS = Fraction(1, 50)  # a packet
Sound = Literal["opus", "aac"]  # AAC: 48 kHz, mono, a frame of 1024 samples a packet
SAMPLE = 4  # bytes
WAITING = 8  # faces that wait for their time: more than the scheduler paints ahead
KEY_SECONDS = 2  # between key frames at most
KEY_SOONEST = 0.5  # s between those that are asked for

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One packet, not to be changed."""

    kind: Literal["video", "audio"]
    packet: av.Packet[Any]  # with pts and time base; video in Annex B with SPS and PPS before each key frame, AAC as it is
    key: bool  # a decoder may begin here; so it may with each packet of sound
    due: float  # by the session's clock
    left: float  # when it left the encoder, by the same


class Watcher(Protocol):
    """Takes a session's packets and events. Called in the stream's thread: hand on at once, and drop rather than wait."""

    def take(self, encoded: Encoded) -> None: ...
    def told(self, event: Event) -> None: ...


@dataclass(slots=True)
class Figures:
    """What was measured of a stream since it began."""

    frames: int = 0  # encoded
    skipped: int = 0  # that were never painted
    late: int = 0  # that left more than a frame after they were due
    lateness: float = 0.0  # s, of the newest frame
    drift: float = 0.0  # s by which the newest sound left after its instant
    encoding: float = 0.0  # s that the newest frame took in the encoder
    bytes: int = 0  # of video and sound
    reply: float | None = None  # s from the last text that was given to a silent face to the first frame of its speech
    asked: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=64))  # texts, and when they came


class Turns:
    """Lets so many threads at once into `with turns:`; the others sleep meanwhile."""

    def __init__(self, count: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()  # as a semaphore, but without Python's steps, each a turn of the GIL
        for _ in range(count):
            self._free.put(None)

    def __enter__(self) -> None:
        self._free.get()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._free.put(None)


class Stream:
    """A scheduler's Sink that encodes `session` in a thread of its own. Close it before or after the session; twice is fine.

    size: pixels a side, even. backgrounds: [size, size, 3] uint8 sRGB by avatar. observe: called with each frame's lateness in
    seconds. turns: of all streams of a process, in which pictures are encoded; by default each is at once. apart: by which
    share of KEY_SECONDS, 0..1, key frames come earlier, so that those of sessions that open together do not come together. When
    the session is closed, or encoding fails, the stream ends and `ended` is set.
    """

    def __init__(
        self,
        session: Session,
        size: int,
        backgrounds: Mapping[str, NDArray[np.uint8]],
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[float], None] = lambda lateness: None,
        turns: AbstractContextManager[Any] | None = None,
        apart: float = 0.0,
    ) -> None:
        self._turns, self._apart = nullcontext() if turns is None else turns, apart
        self.session, self.size, self.figures, self.ended = session, size, Figures(), threading.Event()
        self._backgrounds, self._clock, self._observe = backgrounds, clock, observe
        self._changed = threading.Condition()
        self._watchers: tuple[tuple[Watcher, Sound], ...] = ()
        self._closed = False
        self._key, self._last_key = True, -KEY_SOONEST  # one is wanted; when there was one ...
        self._key_number = 0  # ... and which frame it was
        self._faces: deque[tuple[int, int, NDArray[np.uint8]]] = deque(maxlen=WAITING)  # number, epoch, I420
        self._shown = -1  # the newest frame that was encoded
        self._heard_epoch = 0
        self._sound = bytearray()  # heard and not yet encoded: the samples, float32, from ...
        self._from = 0  # ... here on
        self._asleep = float("inf")  # until when the thread sleeps, by the session's time
        self._tick = Fraction(1, session.fps)  # made once: a hundred a second would be as dear as encoding the sound
        rate = session.rate if session.rate in OPUS_RATES else 24_000
        self._span = int(session.rate * OPUS_SECONDS)  # samples a packet, before resampling
        self._rate, self._packet = rate, int(rate * OPUS_SECONDS)
        self._sample, self._opus_sample = Fraction(1, session.rate), Fraction(1, rate)
        self._resampler = None if rate == session.rate else AudioResampler("flt", "mono", rate, frame_size=self._packet)
        self._video, self._audio = _h264(size, session.fps), _opus(rate)
        self._aac: Aac | None = None  # while anybody takes it
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- the scheduler's side, whose thread waits for the GIL behind all encoders wherever it lets it go: as NumPy does to copy

    def hear(self, moment: Moment) -> None:
        with self._changed:
            begin = self._edge(moment.number)
            self._heard_epoch = moment.epoch
            until = self._from + len(self._sound) // SAMPLE
            if begin < until:  # an interruption took back what was heard from here on
                del self._sound[max(begin - self._from, 0) * SAMPLE :]
                until = self._from + len(self._sound) // SAMPLE
            self._sound += moment.samples[until - begin :].tobytes()
            self._wake(moment)

    def show(self, moment: Moment, face: NDArray[np.uint8]) -> None:
        if face.ndim == 2:
            i420 = np.frombuffer(face.tobytes(), np.uint8).reshape(face.shape)
        else:
            i420 = np.empty((self.size * 3 // 2, self.size), np.uint8)
            i420_over(face, self._backgrounds[self.session.avatar], i420)
        with self._changed:
            while self._faces and self._faces[-1][1] != moment.epoch:  # cut off, and perhaps due later than this one
                self._faces.pop()
            self._faces.append((moment.number, moment.epoch, i420))
            self._wake(moment)

    def _wake(self, moment: Moment) -> None:
        """Wake the thread if it would sleep past the moment: of many sessions, most hear of what is due later."""
        if moment.number / self.session.fps <= self._asleep + 1e-6 or self._now() >= self._asleep:
            self._changed.notify()

    # --- the watchers' side

    def watch(self, watcher: Watcher, sound: Sound = "opus") -> None:
        """Give `watcher` all that leaves from now on, with this sound; a key frame comes soon.

        Raises AnimacyError if the stream has ended.
        """
        with self._changed:
            if self._closed:
                raise AnimacyError("this session is closed; open another one")
            self._watchers += ((watcher, sound),)
            self._key = True

    def leave(self, watcher: Watcher) -> None:
        """Give `watcher` no more. One that does not watch is fine."""
        with self._changed:
            self._watchers = tuple(pair for pair in self._watchers if pair[0] is not watcher)

    @property
    def watched(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def key_frame(self) -> None:
        """Let the next frame be one that a decoder may begin with; at most one each KEY_SOONEST."""
        with self._changed:
            self._key = True

    def tell(self, event: Event) -> None:
        """Tell an event to all who watch."""
        for watcher, _ in self._watchers:
            self._to(watcher, lambda w: w.told(event))

    def asked(self, say: int) -> None:
        """Note that text number `say` was given now, to measure when its first frame leaves."""
        with self._changed:
            self.figures.asked.append((say, self._clock()))

    def close(self) -> None:
        """End the thread and let the encoders go."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # --- the thread

    def _edge(self, frame: int) -> int:
        return frame * self.session.rate // self.session.fps

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    while not self._closed and (wait := self._idle()) > 0:
                        self._asleep = self._now() + wait
                        self._changed.wait(wait)
                    if self._closed:
                        return
                    sound, face = self._sound_due(), self._face_due()
                if self._watchers:  # a face that nobody sees need not be encoded
                    if sound is not None:
                        self._encode_sound(*sound)
                    if face is not None:
                        with self._turns:
                            self._encode_face(*face)
                self._tell()
        except Exception as error:  # of this session alone
            if not self.session.closed:
                _log.error("a session is no longer encoded: %s", error, exc_info=error)
        finally:
            self._closed = True
            self.ended.set()

    def _now(self) -> float:
        return self._clock() - self.session.opened

    def _idle(self) -> float:
        """Seconds until something is due; what waits for another thread is notified of."""
        now, waits = self._now(), [1.0]
        if self.session.epoch != self._heard_epoch:  # what the interruption left comes with the scheduler's next tick
            waits.append(0.005)
        elif len(self._sound) >= self._span * SAMPLE:
            waits.append(self._from / self.session.rate - now)
        waits += [number / self.session.fps - now for number, *_ in self._faces]
        return min(waits)

    def _sound_due(self) -> tuple[int, NDArray[np.float32]] | None:
        """The next packet's first sample and its samples, once it is due. Nothing of an epoch that was cut off."""
        if self.session.epoch != self._heard_epoch or len(self._sound) < self._span * SAMPLE:
            return None
        if self._from / self.session.rate > self._now() + 1e-6:
            return None
        first, samples = self._from, np.frombuffer(self._sound[: self._span * SAMPLE], np.float32)
        self._from += self._span
        del self._sound[: self._span * SAMPLE]
        return first, samples

    def _face_due(self) -> tuple[int, NDArray[np.uint8], bool] | None:
        while self._faces and self._faces[0][0] / self.session.fps <= self._now() + 1e-6:
            number, epoch, i420 = self._faces.popleft()
            if epoch != self.session.epoch or number <= self._shown:
                continue
            now = self._clock()
            # x264 counts frames: of those that were never painted its own interval knows nothing.
            wanted = self._key or self._interval(number) > self._interval(self._key_number)
            key = wanted and now - self._last_key >= KEY_SOONEST
            if key:
                self._key, self._last_key, self._key_number = False, now, number
            return number, i420, key
        return None

    def _interval(self, frame: int) -> int:
        """In which interval between key frames a frame lies."""
        return math.floor(frame / (KEY_SECONDS * self.session.fps) + self._apart)

    def _encode_sound(self, first: int, samples: NDArray[np.float32]) -> None:
        due = self.session.opened + first / self.session.rate
        frame = _sound_frame(samples, self.session.rate, first, self._sample)
        wanted = {sound for _, sound in self._watchers}
        if "aac" not in wanted:
            self._aac = None
        else:
            self._aac = self._aac or Aac()
            for packet in self._aac.encode(frame):
                at = self.session.opened + (packet.pts or 0) / AUDIO_RATE
                self._give(Encoded("audio", packet, True, at, self._clock()), "aac")
        if "opus" not in wanted:
            self.figures.drift = self._clock() - due
            return
        for block in [frame] if self._resampler is None else self._resampler.resample(frame):
            block.pts, block.time_base = first * self._rate // self.session.rate, self._opus_sample
            for packet in self._audio.encode(block):
                packet.time_base = self._opus_sample
                left = self._clock()
                self.figures.drift = left - due
                self._give(Encoded("audio", packet, True, due, left), "opus")

    def _encode_face(self, number: int, i420: NDArray[np.uint8], key: bool) -> None:
        begun = self._clock()
        frame = av.VideoFrame.from_numpy_buffer(i420, "yuv420p")  # no copy, which would hold the GIL for 0.1 ms
        frame.pts, frame.time_base = number, self._tick
        frame.colorspace, frame.color_range = BT709, LIMITED
        frame.pict_type = PictureType.I if key else PictureType.NONE
        due = self.session.opened + number / self.session.fps
        for packet in self._video.encode(frame):
            packet.time_base = self._tick
            left = self._clock()
            figures = self.figures
            figures.frames += 1
            figures.skipped += max(number - self._shown - 1, 0)
            figures.encoding, figures.lateness = left - begun, left - due
            figures.late += left - due > 1 / self.session.fps
            self._shown = number
            self._observe(left - due)
            self._give(Encoded("video", packet, bool(packet.is_keyframe), due, left))

    def _give(self, encoded: Encoded, sound: Sound | None = None) -> None:
        self.figures.bytes += encoded.packet.size
        for watcher, takes in self._watchers:
            if sound in (None, takes):
                self._to(watcher, lambda w: w.take(encoded))

    def _tell(self) -> None:
        for event in self.session.events():
            if event.kind == "started":
                self._answered(event)
            self.tell(event)

    def _answered(self, event: Event) -> None:
        asked = dict(self.figures.asked)
        if event.say in asked:
            self.figures.reply = self.session.opened + event.time - asked[event.say]

    def _to(self, watcher: Watcher, give: Callable[[Watcher], None]) -> None:
        try:
            give(watcher)
        except Exception as error:  # of one who watches
            _log.warning("a viewer is given no more: %s", error, exc_info=not isinstance(error, AnimacyError))
            self.leave(watcher)


def _sound_frame(samples: NDArray[np.float32], rate: int, first: int, sample: Fraction) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), "flt", "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, first, sample
    return frame


def _h264(size: int, fps: int) -> av.VideoCodecContext:
    """x264 without delay, a packet a frame; constrained baseline, which each browser plays; SPS and PPS with each key frame."""
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width = codec.height = size
    codec.pix_fmt, codec.framerate, codec.time_base = "yuv420p", Fraction(fps), Fraction(1, fps)
    codec.color_primaries = codec.color_trc = codec.colorspace = BT709
    codec.color_range = LIMITED
    codec.thread_count = 1  # sessions are what is parallel
    codec.profile = "Baseline"
    kbps = max(300, size * size * fps // 2600)  # a ceiling: 630 at 256 pixels and 25 frames a second
    codec.options = {
        # Two thirds of the time of "veryfast" at 21, for a sixth to a quarter more bits at the same error: docs/serving.md.
        "preset": "superfast",
        "tune": "zerolatency",
        "crf": "22",
        "maxrate": f"{kbps}k",
        "bufsize": f"{kbps // 2}k",
        "g": str(KEY_SECONDS * fps + 1),  # `_face_due` asks for them: it knows of frames that are missing
        "forced-idr": "1",
    }
    codec.open()
    return codec


def _opus(rate: int) -> av.AudioCodecContext:
    codec = av.CodecContext.create("libopus", "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate, codec.format, codec.layout, codec.bit_rate = rate, "flt", "mono", 64_000
    codec.time_base = Fraction(1, rate)
    # lowdelay: 2.5 ms of look-ahead, in place of 6.5. The level: three quarters of the time of the usual 10, at the same error.
    codec.options = {"application": "lowdelay", "compression_level": "5"}
    codec.open()
    return codec


class Aac:
    """Frames of a session's sound -> AAC-LC packets. pts: what is heard when the packet is decoded, in samples of 48 kHz."""

    def __init__(self) -> None:
        self._resampler = AudioResampler("fltp", "mono", AUDIO_RATE, frame_size=AAC_FRAME)
        codec = av.CodecContext.create("aac", "w")
        assert isinstance(codec, av.AudioCodecContext)
        codec.sample_rate, codec.format, codec.layout, codec.bit_rate = AUDIO_RATE, "fltp", "mono", 96_000
        codec.time_base = Fraction(1, AUDIO_RATE)
        codec.open()
        self._codec = codec

    def encode(self, frame: av.AudioFrame) -> list[av.Packet[Any]]:
        packets: list[av.Packet[Any]] = []
        for block in self._resampler.resample(frame):
            packets += self._codec.encode(block)
        for packet in packets:
            packet.time_base = Fraction(1, AUDIO_RATE)
        return packets
