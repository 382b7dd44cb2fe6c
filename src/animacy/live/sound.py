"""Speech from elsewhere, as a client sends it: samples, pieces that come one by one, or a file -> the server's PCM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from numpy.typing import NDArray

from ..errors import UsageError
from .pushed import LEAST_RATE, MOST_RATE

Samples = NDArray[np.floating[Any]]
Sound = Samples | AsyncIterable[Samples] | str | Path  # [N] mono, -1..1; such pieces; a file

PIECE = 0.25  # s that are sent at a time


def rate_of(sound: Sound, rate: int | None) -> int:
    """The rate at which `sound` is sent, in Hz. Raises UsageError for one that cannot be, and for a file without sound."""
    if isinstance(sound, str | Path):
        if rate is not None:
            raise UsageError(f"a rate ({rate}) with a file: leave it out, the file tells")
        try:
            with av.open(str(Path(sound).absolute())) as container:
                if not container.streams.audio:
                    raise UsageError(f"{sound} holds no sound: give a file with some")
                return min(max(container.streams.audio[0].rate, LEAST_RATE), MOST_RATE)
        except (FFmpegError, OSError) as error:
            raise UsageError(f"{sound} cannot be read as sound: {error.strerror}") from error
    if rate is None or not LEAST_RATE <= rate <= MOST_RATE:
        raise UsageError(f"sound at {rate} Hz: needed a rate from {LEAST_RATE} to {MOST_RATE}")
    return rate


async def pcm(sound: Sound, rate: int) -> AsyncIterator[bytes]:
    """`sound` as s16le, PIECE seconds at most at a time. Raises UsageError for samples that are none."""
    async for samples in _pieces(sound, rate):
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise UsageError(f"sound of shape {list(samples.shape)}: needed one channel of finite samples")
        for at in range(0, len(samples), round(PIECE * rate)):
            part = samples[at : at + round(PIECE * rate)]
            yield np.round(np.clip(part, -1.0, 1.0) * 32767).astype("<i2").tobytes()


async def _pieces(sound: Sound, rate: int) -> AsyncIterator[Samples]:
    if isinstance(sound, np.ndarray):
        yield sound
    elif isinstance(sound, str | Path):
        with av.open(str(Path(sound).absolute())) as container:
            resampler, frames = AudioResampler("flt", "mono", rate, frame_size=round(PIECE * rate)), container.decode(audio=0)
            while True:  # a frame at a time: nobody else waits for a long file
                frame = await asyncio.to_thread(next, frames, None)
                for block in resampler.resample(frame):
                    yield block.to_ndarray()[0]
                if frame is None:
                    return
    else:
        async for piece in sound:
            yield piece
