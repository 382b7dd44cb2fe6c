"""The face stage: motion in, video out, several batches in flight.

    draw stream     draw k+2 |  draw k+3 | ...
    paint stream    paint k+1, to video  | ...
    copy stream     copy k to the host   | ...

Streams wait for one another by events; the host waits only for the copy of the oldest batch. Nothing is allocated once the
pipeline is made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError, UsageError
from ..types import Motion
from .contracts import Converter, DeviceGenerator, DeviceRasteriser, Runtime

PADDED = 8  # frames more than asked for that may be drawn: 0.3 ms of an H100


@dataclass(frozen=True, slots=True)
class Painted:
    """A finished batch. What it holds is the pipeline's: use it before asking for the next one."""

    motion: Motion
    video: NDArray[np.uint8]  # [B, S * 3 / 2, S] as converted, in page-locked memory; empty where left on the device
    pointer: int  # the same on the device


class FacePipeline:
    """Draws, paints and converts batch after batch.

    batch: frames at once, at most. fetch: copy finished frames to page-locked memory; else they stay on the device. The parts
    are closed by who opened them. Raises UsageError for sizes that do not fit each other.
    """

    def __init__(
        self,
        rasteriser: DeviceRasteriser,
        generator: DeviceGenerator,
        converter: Converter,
        runtime: Runtime,
        *,
        batch: int,
        fetch: bool = True,
    ) -> None:
        size = generator.size
        if rasteriser.size != size or size % 2:
            raise UsageError(f"the rasteriser draws {rasteriser.size} pixels, the network paints {size}; give one even size")
        self._rasteriser, self._generator, self._converter = rasteriser, generator, converter
        self._runtime, self._batch, self._fetch = runtime, batch, fetch
        self._shape = (converter.size * 3 // 2, converter.size)
        count = batch * self._shape[0] * self._shape[1]
        slots = range(generator.slots)
        self._draw, self._paint, self._copy = (runtime.stream() for _ in range(3))
        self._drawn, self._painted, self._copied = ([runtime.event() for _ in slots] for _ in range(3))
        self._video = [runtime.device(count) for _ in slots]
        self._host = [runtime.pinned(count) if fetch else np.empty(0, np.uint8) for _ in slots]
        self._next = 0

    def paint(self, motions: Iterable[Motion]) -> Iterator[Painted]:
        """Finished batches in order, each of 1 to `batch` frames. Raises AnimacyError for a batch that is larger or empty."""
        under_way: deque[tuple[int, Motion]] = deque()
        begun: deque[Motion] = deque()
        for motion in chain(motions, repeat(None, self._rasteriser.lag)):
            if motion is not None:
                if not 1 <= len(motion) <= self._batch:
                    raise AnimacyError(f"a batch of {len(motion)} frames came to a pipeline of 1 to {self._batch}")
                begun.append(motion)
            if len(under_way) == self._generator.slots:
                yield self._finished(*under_way.popleft())
            slot = self._next
            self._runtime.wait(self._draw, self._painted[slot])  # until then the network reads what is drawn over now
            count = self._rasteriser.draw(motion, self._generator.input(slot), self._draw)
            if not count:
                continue
            self._runtime.record(self._drawn[slot], self._draw)
            self._after(slot, count)
            under_way.append((slot, begun.popleft()))
            self._next = (slot + 1) % self._generator.slots
        while under_way:
            yield self._finished(*under_way.popleft())

    def _after(self, slot: int, count: int) -> None:
        """Paint, convert and copy what is drawn."""
        runtime, video = self._runtime, self._video[slot]
        runtime.wait(self._paint, self._drawn[slot])
        self._generator.enqueue(count, slot, self._paint)
        self._converter.video(self._generator.output(slot), count, video, self._paint)
        runtime.record(self._painted[slot], self._paint)
        if self._fetch:
            runtime.wait(self._copy, self._painted[slot])
            runtime.download(video, self._host[slot][: count * self._shape[0] * self._shape[1]], self._copy)
            runtime.record(self._copied[slot], self._copy)

    def _finished(self, slot: int, motion: Motion) -> Painted:
        self._runtime.synchronise(self._copied[slot] if self._fetch else self._painted[slot])
        shape = (len(motion), *self._shape)
        frames = self._host[slot][: int(np.prod(shape))].reshape(shape) if self._fetch else self._host[slot]
        return Painted(motion, frames, self._video[slot])


class CudaRasteriser:
    """A DeviceRasteriser of cuda.py's CudaRenderer.

    Batches of these `sizes`, by default the largest, are replayed as graphs of `runtime`, where it is given: one for each size
    and place that they are drawn to, captured after the first time, when all kernels are loaded. Others are drawn as the next
    of these sizes: half a dozen launches, before each of which other threads of Python may run, cost more than a few frames.
    """

    lag = 0

    def __init__(self, renderer: Any, runtime: Runtime | None = None, sizes: Sequence[int] | None = None) -> None:
        self.size, self._renderer, self._runtime = renderer.size, renderer, runtime
        self._sizes = sorted(sizes or ([] if runtime is None else [renderer.batch]))
        self._graphs: dict[tuple[int, int], Any] = {}

    def draw(self, motion: Motion | None, out: int, stream: int) -> int:
        if motion is None:
            return 0
        count = int(self._renderer.upload(motion, stream))
        drawn = self._drawn(count)

        def work() -> None:
            self._renderer.place(drawn, stream)
            self._renderer.draw(drawn, folded=out, stream=stream)

        if (drawn, out) in self._graphs and self._runtime is not None:
            self._runtime.replay(self._graphs[drawn, out], stream)
            return count
        work()
        if self._runtime is not None and drawn in self._sizes:
            self._graphs[drawn, out] = self._runtime.capture(stream, work)
        return count

    def _drawn(self, count: int) -> int:
        """The next of the sizes, where it is not so large that it costs more."""
        size = next((s for s in self._sizes if s >= count), count)
        return size if size <= count + PADDED else count


class CudaProjector:
    """A Projector of cuda.py's CudaRenderer: its vertices, copied to where they are wanted."""

    def __init__(self, renderer: Any, runtime: Runtime) -> None:
        self._renderer, self._runtime = renderer, runtime
        self._bytes = len(renderer.scene.static) * 64

    def project(self, motion: Motion, out: int, stream: int) -> None:
        count = int(self._renderer.upload(motion, stream))
        self._renderer.place(count, stream)
        source = import_module("animacy.gpu.device").address(self._renderer.vertices)
        self._runtime.copy(source, out, count * self._bytes, stream)


class OverBackground:
    """A Converter by convert.py: over `background` [S, S, 3] of the network's size, then scaled to `size` pixels a side (by
    default as they are; by area downwards, bilinear upwards). standard: "709" or "601". planes: "nv12" or "i420"."""

    def __init__(
        self,
        background: NDArray[np.uint8],
        generator: DeviceGenerator,
        device: Any,
        standard: str = "709",
        *,
        size: int | None = None,
        planes: str = "nv12",
    ) -> None:
        convert, side = import_module("animacy.gpu.convert"), generator.size
        self.size = side if size is None else size
        layout = convert.Layout.hwc(4, side, side, generator.fold)
        laid = {"nv12": convert.nv12, "i420": convert.i420}[planes](self.size, self.size)
        method = "bilinear" if self.size > side else "area"
        self._into = convert.Video(
            background, layout, self.size, self.size, laid, method=method, standard=standard, device=device
        ).into

    def video(self, painted: int, batch: int, out: int, stream: int) -> None:
        self._into(out, painted, batch, stream=stream)
