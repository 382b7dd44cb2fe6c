"""Sound from elsewhere as a session says it: resampled, bounded, with a jaw that opens by its loudness.

Who speaks elsewhere sends samples alone, and nothing here tells phones from them: the jaw follows how loud the speech is, the
lips make no shapes and do not close on p, b and m.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from ..errors import UsageError
from ..move.mouth import LOUDNESS, WIDE

Array = NDArray[np.float32]
Format = Literal["s16le", "f32le"]

LEAST_RATE, MOST_RATE = 8_000, 48_000  # Hz
PUSHED = 10.0  # s of sound that may wait, over all that a session was pushed
BEGIN = 0.16  # s that have to be there before it begins, and again after a gap: 0.1 s of them bear pieces that come late
LOOK = 0.06  # s by which the jaw is ahead of the sound, about as long as it takes to open
ATTACK, RELEASE = 0.06, 0.09  # s, time constants of the jaw
OPEN, SHUT = 0.09, 0.15  # s that the jaw takes to WIDE and back at least: faster would be a jump at 25 fps
_HOP, _WINDOW = 0.005, 0.02  # s
_BAND = 150.0, 4000.0  # Hz: of voices, above hum and below hiss
_QUIET = 0.06  # of LOUDNESS, up to which the jaw stays shut: about -47 dBFS


def samples_of(data: bytes, form: Format) -> tuple[Array, bytes]:
    """Samples out of mono PCM, and the bytes of a last one that is not whole yet."""
    size = 2 if form == "s16le" else 4
    whole = len(data) // size * size
    if form == "s16le":
        return np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768.0, data[whole:]
    return np.frombuffer(data[:whole], "<f4").astype(np.float32), data[whole:]


def swung(before: float, wanted: float, fps: int) -> float:
    """jawOpen one frame after `before`, as near to `wanted` as a jaw moves in that time."""
    return min(max(wanted, before - WIDE / (SHUT * fps)), before + WIDE / (OPEN * fps))


class Jaw:
    """jawOpen over the loudness of speech that comes piece by piece: one value, 0..WIDE, each HOP seconds."""

    def __init__(self, rate: int) -> None:
        self._hop, self._window = round(_HOP * rate), round(_WINDOW * rate)
        frequencies = np.fft.rfftfreq(self._window, 1 / rate)
        self._band = (frequencies >= _BAND[0]) & (frequencies <= _BAND[1])
        self._shape = np.hanning(self._window)
        self._scale = np.sqrt(2.0 / self._window / np.square(self._shape).sum())
        self._held = np.zeros(self._window // 2, np.float32)  # so that a window's centre is the hop's instant
        self._value = 0.0

    def add(self, samples: Array) -> Array:
        """The values of the hops that `samples` complete."""
        held = np.concatenate([self._held, samples])
        count = max((len(held) - self._window) // self._hop + 1, 0)
        self._held = held[count * self._hop :]
        if not count:
            return np.zeros(0, np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(held, self._window)[:: self._hop][:count]
        spectrum = np.fft.rfft(windows * self._shape, axis=1)[:, self._band]
        rms = self._scale * np.sqrt(np.square(np.abs(spectrum)).sum(axis=1))
        wanted = WIDE * np.clip((rms / LOUDNESS - _QUIET) / (1.0 - _QUIET), 0.0, 1.0) ** 0.6
        found = np.empty(count, np.float32)
        for i, value in enumerate(wanted):
            lag = ATTACK if value > self._value else RELEASE
            self._value += (value - self._value) * (1.0 - np.exp(-_HOP / lag))
            found[i] = self._value
        return found


@dataclass(slots=True)
class Pushed:
    """What is pushed under one number, at `given` Hz, and plays at `rate` Hz; `say` as a text's."""

    say: int
    given: int
    rate: int
    ended: bool = False  # no more comes
    begun: bool = False  # it was told to have started
    waiting: bool = True  # for BEGIN seconds
    samples: Array = field(default_factory=lambda: np.zeros(0, np.float32))  # that were not laid yet
    _jaws: Array = field(default_factory=lambda: np.zeros(0, np.float32))  # one a hop, from sample _from on
    _from: int = 0
    _laid: int = 0
    _jaw: Jaw = field(init=False)
    _resampler: AudioResampler | None = None

    def __post_init__(self) -> None:
        self._jaw = Jaw(self.rate)
        if self.given != self.rate:
            self._resampler = AudioResampler("flt", "mono", self.rate)

    def push(self, samples: Array) -> None:
        """Add samples [N] at `given` Hz."""
        if self._resampler is None:
            self._add(samples)
        elif len(samples):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), "flt", "mono")
            frame.sample_rate = self.given
            self._resample(frame)

    def end(self) -> None:
        """No more comes: what is there is said to its end."""
        if self.ended:
            return
        if self._resampler is not None and (self._laid or len(self.samples)):
            self._resample(None)
        self._add(np.zeros(round((_WINDOW + _HOP) * self.rate), np.float32))  # the jaw's last window; silence
        self.ended = True

    def ready(self) -> int:
        """Samples that may be laid now."""
        if self.ended:
            return len(self.samples)
        if self.waiting and len(self.samples) >= BEGIN * self.rate:
            self.waiting = False
        return 0 if self.waiting else max(len(self.samples) - round((LOOK + _WINDOW) * self.rate), 0)

    def lay(self, count: int) -> Array:
        """Take the next `count` samples, as many as are ready at most."""
        laid, self.samples = self.samples[:count], self.samples[count:]
        self._laid += len(laid)
        old = self._laid // round(_HOP * self.rate) - self._from
        self._from, self._jaws = self._from + old, self._jaws[old:]
        return laid

    def jaw(self, ahead: int) -> float:
        """jawOpen for the instant `ahead` samples after the first that is not laid yet; 0 beyond the end."""
        at = (self._laid + ahead + round(LOOK * self.rate)) // round(_HOP * self.rate) - self._from
        return float(self._jaws[at]) if at < len(self._jaws) else 0.0

    def _resample(self, frame: av.AudioFrame | None) -> None:
        assert self._resampler is not None
        for block in self._resampler.resample(frame):
            self._add(block.to_ndarray()[0])

    def _add(self, samples: Array) -> None:
        self.samples = np.concatenate([self.samples, samples])
        self._jaws = np.concatenate([self._jaws, self._jaw.add(samples)])


def checked(samples: NDArray[np.floating], rate: int) -> Array:
    """Samples [N] that may be pushed, within -1..1. Raises UsageError for others, and for a rate that is not taken."""
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise UsageError(f"sound at {rate} Hz: needed {LEAST_RATE} to {MOST_RATE}")
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise UsageError(f"sound of shape {list(samples.shape)}: needed one channel of finite samples")
    clipped: Array = np.clip(samples, -1.0, 1.0).astype(np.float32, copy=False)
    return clipped
