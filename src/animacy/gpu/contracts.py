"""What the parts of the GPU's face stage ask of each other. Memory is named by device pointers, order by streams.

A *slot* is a set of buffers: with two of them, one batch is drawn while another is painted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..types import Motion


class DeviceGenerator(Protocol):
    """A Generator on device memory. Frames are folded: a square of `fold` pixels a side becomes channels, which run channel,
    row, column as torch.nn.functional.pixel_unshuffle orders them, the channel being the fastest axis (NHWC)."""

    size: int  # pixels a side of the frame
    fold: int
    slots: int

    def input(self, slot: int) -> int:
        """Device pointer of float16 [B, size / fold, size / fold, 10 fold fold], constant: conditions as the network takes
        them, colours 0..1 and normals -1..1."""

    def output(self, slot: int) -> int:
        """Device pointer of float16 [B, size / fold, size / fold, 4 fold fold], constant: premultiplied sRGB and alpha, not
        yet clamped."""

    def enqueue(self, batch: int, slot: int, stream: int) -> None:
        """Paint the first `batch` frames of the slot on `stream`. Returns at once; nothing is allocated."""


class DeviceRasteriser(Protocol):
    """A Renderer on device memory."""

    size: int
    lag: int  # how many calls later frames come out: 0, or 1 where a mapping serves the batch before and the next one alike

    def draw(self, motion: Motion | None, out: int, stream: int) -> int:
        """Begin with `motion`'s frames, and write the conditions of those given `lag` calls ago, folded as a DeviceGenerator
        takes them, to `out`, in the order of `stream`. Gives how many these are. None: no more to begin with."""


class Projector(Protocol):
    """Motion to vertices as render.cpu.project gives them, [B, V, 16] float32, on device memory."""

    def project(self, motion: Motion, out: int, stream: int) -> None: ...


class Converter(Protocol):
    size: int  # pixels a side of the video, even

    def video(self, painted: int, batch: int, out: int, stream: int) -> None:
        """Lay `painted` (a DeviceGenerator's output) over the background, on `stream`: NV12 or I420 at `out`,
        uint8 [B, size * 3 / 2, size]."""


class Runtime(Protocol):
    """The few calls of CUDA that the pipeline makes. Streams are pointers, events whatever the runtime likes."""

    def stream(self) -> int: ...
    def event(self) -> Any: ...
    def record(self, event: Any, stream: int) -> None:
        """Let `event` come to pass when all that `stream` has so far is done."""

    def wait(self, stream: int, event: Any) -> None:
        """Let what `stream` gets from now on wait for `event`."""

    def synchronise(self, event: Any) -> None:
        """Wait here for `event`."""

    def device(self, count: int) -> int:
        """Pointer of `count` bytes of device memory."""

    def pinned(self, count: int) -> NDArray[np.uint8]:
        """[count] of page-locked host memory."""

    def download(self, source: int, to: NDArray[np.uint8], stream: int) -> None:
        """Copy len(to) bytes from `source`, asynchronously."""

    def upload(self, source: NDArray[np.uint8], to: int, stream: int) -> None:
        """The same the other way."""

    def copy(self, source: int, to: int, count: int, stream: int) -> None:
        """Copy `count` bytes within the device."""

    def elapsed(self, first: Any, last: Any) -> float:
        """Milliseconds between two events that have come to pass."""

    def capture(self, stream: int, work: Callable[[], Any]) -> Any:
        """What `work` puts on `stream`, kept instead of done: a graph that `replay` starts at once."""

    def replay(self, graph: Any, stream: int) -> None:
        """Put what was captured on `stream`."""

    def close(self) -> None:
        """Wait for all that is under way, and free everything."""
