"""The sound of a file, piece by piece: whatever PyAV reads (wav, flac, mp3, ogg, m4a, a film's sound), mixed to mono."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from ..errors import AnimacyError, UsageError
from ..types import Heard, Speech
from .sound import HeardSound

Array = NDArray[np.float32]

LONGEST = 3600.0  # s of sound that one film is made of
LEAST_RATE, MOST_RATE = 8_000, 192_000  # Hz
PIECE = 1.0  # s that are moved at a time


@dataclass(frozen=True, slots=True)
class Sound:
    """A file that is open: `pieces` gives its samples [N], mono -1..1, at `rate`, once."""

    rate: int
    seconds: float  # as the file tells, 0 where it does not
    pieces: Iterator[Array]


@contextmanager
def opened(path: str | Path) -> Iterator[Sound]:
    """Open the sound of `path`.

    Raises UsageError for a file that is not there, holds no sound, or is too long; AnimacyError, also while it is read, for
    one that is damaged.
    """
    if not Path(path).is_file():
        raise UsageError(f"--audio {path}: {'a folder' if Path(path).is_dir() else 'no such file'}; needed a sound file")
    try:
        container = av.open(str(Path(path).absolute()))  # FFmpeg takes what stands before a colon for a protocol
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UsageError(
            f"--audio {path} is no sound file that can be read ({_reason(error)}): try wav, flac, mp3, ogg"
        ) from error
    with container:
        if not container.streams.audio:
            raise UsageError(f"--audio {path} holds no sound; needed a file with an audio stream")
        stream = container.streams.audio[0]
        rate = stream.codec_context.sample_rate if stream.codec_context is not None else 0
        if not LEAST_RATE <= rate <= MOST_RATE:
            raise UsageError(f"--audio {path} has {rate} samples a second: needed {LEAST_RATE} to {MOST_RATE}")
        seconds = container.duration / av.time_base if container.duration else 0.0
        if seconds > LONGEST:
            raise UsageError(f"--audio {path} lasts {seconds:.0f} s: needed {LONGEST:.0f} s at most; cut it")
        yield Sound(rate, seconds, _pieces(container, stream, rate, path))


def _pieces(container: Any, stream: Any, rate: int, path: str | Path) -> Iterator[Array]:
    resampler, count = AudioResampler("flt", "mono", rate), 0

    def blocks() -> Iterator[Any]:
        for frame in container.decode(stream):
            frame.pts = None  # samples follow one another, whatever a container tells of their times
            yield from resampler.resample(frame)
        yield from resampler.resample(None)

    try:
        for block in blocks():
            samples = block.to_ndarray()[0]
            count += len(samples)
            if count > LONGEST * rate:
                raise UsageError(f"--audio {path} lasts more than {LONGEST:.0f} s, which is the most; cut it")
            yield np.clip(np.nan_to_num(samples), -1.0, 1.0).astype(np.float32, copy=False)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AnimacyError(f"--audio {path} cannot be read on after {count / rate:.1f} s: {_reason(error)}") from error
    if not count:
        raise UsageError(f"--audio {path} holds no sound: not one sample could be read")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def stretches(sound: Sound) -> Generator[tuple[Speech, Heard], None, None]:
    """The sound about PIECE seconds at a time, each with what was heard in it. Memory does not grow with the file."""
    heard = HeardSound(sound.rate)
    for piece in sound.pieces:
        heard.push(piece)
        while heard.ready() >= PIECE * sound.rate:
            samples, mouth = heard.take(round(PIECE * sound.rate))
            yield Speech(samples, sound.rate, (), ()), mouth
    heard.end()
    while heard.ready():
        samples, mouth = heard.take(min(heard.ready(), round(PIECE * sound.rate)))
        yield Speech(samples, sound.rate, (), ()), mouth
