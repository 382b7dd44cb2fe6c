"""Sound from elsewhere as a session says it: resampled, bounded, with the mouth that is heard out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from ..errors import UsageError
from ..hear import LATENCY, HeardSound

Array = NDArray[np.float32]
Format = Literal["s16le", "f32le"]

LEAST_RATE, MOST_RATE = 8_000, 48_000  # Hz
PUSHED = 10.0  # s of sound that may wait, over all that a session was pushed
BEGIN = (
    LATENCY + 0.1
)  # s that have to be there before it begins, and again after a gap: 0.1 s of them bear pieces that come late


def samples_of(data: bytes, form: Format) -> tuple[Array, bytes]:
    """Samples out of mono PCM, and the bytes of a last one that is not whole yet."""
    size = 2 if form == "s16le" else 4
    whole = len(data) // size * size
    if form == "s16le":
        return np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768.0, data[whole:]
    return np.frombuffer(data[:whole], "<f4").astype(np.float32), data[whole:]


@dataclass(slots=True)
class Pushed:
    """What is pushed under one number, at `given` Hz, and plays at `rate` Hz; `say` as a text's."""

    say: int
    given: int
    rate: int
    begun: bool = False  # it was told to have started
    waiting: bool = True  # for BEGIN seconds
    sound: HeardSound = field(init=False)
    _resampler: AudioResampler | None = None

    def __post_init__(self) -> None:
        self.sound = HeardSound(self.rate)
        if self.given != self.rate:
            self._resampler = AudioResampler("flt", "mono", self.rate)

    @property
    def ended(self) -> bool:
        """No more comes."""
        return self.sound.ended

    def push(self, samples: Array) -> None:
        """Add samples [N] at `given` Hz."""
        if self._resampler is None:
            self.sound.push(samples)
        elif len(samples):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), "flt", "mono")
            frame.sample_rate = self.given
            self._resample(frame)

    def end(self) -> None:
        """No more comes: what is there is said to its end."""
        if self._resampler is not None and not self.ended and (self.sound.taken or len(self.sound.samples)):
            self._resample(None)
        self.sound.end()

    def ready(self) -> int:
        """Samples that may be laid now."""
        if self.waiting and len(self.sound.samples) >= BEGIN * self.rate:
            self.waiting = False
        return 0 if self.waiting and not self.ended else self.sound.ready()

    def _resample(self, frame: av.AudioFrame | None) -> None:
        assert self._resampler is not None
        for block in self._resampler.resample(frame):
            self.sound.push(block.to_ndarray()[0])


def checked(samples: NDArray[np.floating], rate: int) -> Array:
    """Samples [N] that may be pushed, within -1..1. Raises UsageError for others, and for a rate that is not taken."""
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise UsageError(f"sound at {rate} Hz: needed {LEAST_RATE} to {MOST_RATE}")
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise UsageError(f"sound of shape {list(samples.shape)}: needed one channel of finite samples")
    clipped: Array = np.clip(samples, -1.0, 1.0).astype(np.float32, copy=False)
    return clipped
