"""The pipeline on a made-up device that runs streams in any order that events allow: a wait too few gives a wrong frame."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from animacy.errors import AnimacyError, UsageError
from animacy.gpu.pipeline import CudaRasteriser, FacePipeline, Painted
from animacy.types import Motion

SIZE, BATCH = 4, 3
FRAME = SIZE * SIZE * 3 // 2


class Shuffled:
    """A Runtime. Memory is numbered; what a stream is told is done later, at random among what may be done."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.memory: dict[int, NDArray[Any]] = {}
        self.streams: dict[int, list[Callable[[], bool]]] = {}
        self.events: list[list[int]] = []  # how often each was recorded, and how many of these are done
        self.running = False
        self.waits = True

    def stream(self) -> int:
        self.streams[len(self.streams) + 1] = []
        return len(self.streams)

    def event(self) -> list[int]:
        self.events.append([0, 0])
        return self.events[-1]

    def later(self, stream: int, work: Callable[[], Any]) -> None:
        self.streams[stream].append(lambda: (work(), True)[1])

    def record(self, event: list[int], stream: int) -> None:
        event[0] += 1
        number = event[0]
        self.later(stream, lambda: event.__setitem__(1, number))

    def wait(self, stream: int, event: list[int]) -> None:
        number = event[0]  # as it was recorded last, as CUDA has it
        if self.waits:
            self.streams[stream].append(lambda: event[1] >= number)

    def synchronise(self, event: list[int]) -> None:
        number = event[0]
        while event[1] < number:
            ready = [queue for queue in self.streams.values() if queue]
            queue = self.random.choice(ready)
            if queue[0]():
                queue.pop(0)

    def device(self, count: int) -> int:
        assert not self.running
        self.memory[len(self.memory) + 100] = np.zeros(count, np.uint8)
        return len(self.memory) + 99

    def pinned(self, count: int) -> NDArray[np.uint8]:
        assert not self.running
        return np.zeros(count, np.uint8)

    def download(self, source: int, to: NDArray[np.uint8], stream: int) -> None:
        self.later(stream, lambda: to.__setitem__(slice(None), self.memory[source][: len(to)]))


class Parts:
    """Rasteriser, generator and converter: a frame is its motion's first weight, times 3, plus 1."""

    size, slots, fold = SIZE, 2, 4

    def __init__(self, runtime: Shuffled, lag: int, slots: int) -> None:
        self.runtime, self.lag, self.slots = runtime, lag, slots
        self.inputs = [runtime.device(BATCH) for _ in range(slots)]
        self.outputs = [runtime.device(BATCH) for _ in range(slots)]
        self.held: list[NDArray[np.uint8]] = []

    def draw(self, motion: Motion | None, out: int, stream: int) -> int:
        if motion is not None:
            self.held.append((motion.weights[:, 0] * 10).astype(np.uint8))
        if len(self.held) <= (self.lag if motion is not None else 0):
            return 0
        values = self.held.pop(0)
        self.runtime.later(stream, lambda: self.runtime.memory[out].__setitem__(slice(len(values)), values))
        return len(values)

    def input(self, slot: int) -> int:
        return self.inputs[slot]

    def output(self, slot: int) -> int:
        return self.outputs[slot]

    def enqueue(self, batch: int, slot: int, stream: int) -> None:
        memory, source, to = self.runtime.memory, self.inputs[slot], self.outputs[slot]
        self.runtime.later(stream, lambda: memory[to].__setitem__(slice(batch), memory[source][:batch] * 3))

    def video(self, painted: int, batch: int, out: int, stream: int) -> None:
        memory = self.runtime.memory
        self.runtime.later(
            stream, lambda: memory[out].__setitem__(slice(batch * FRAME), np.repeat(memory[painted][:batch] + 1, FRAME))
        )


def motions(*counts: int) -> list[Motion]:
    numbers = iter(range(1000))
    made = []
    for count in counts:
        weights = np.zeros((count, 52), np.float32)
        weights[:, 0] = [(next(numbers) % 7) / 10 for _ in range(count)]
        made.append(Motion(weights, np.zeros((count, 6), np.float32), 0, 25))
    return made


def right(painted: Painted) -> bool:
    expected = (painted.motion.weights[:, 0] * 10).astype(np.uint8) * 3 + 1
    return painted.video.shape == (len(painted.motion), 6, 4) and bool((painted.video == expected[:, None, None]).all())


def run(seed: int, lag: int, slots: int, *, waits: bool = True) -> list[bool]:
    runtime = Shuffled(seed)
    parts = Parts(runtime, lag, slots)
    pipeline = FacePipeline(parts, parts, parts, runtime, batch=BATCH)  # type: ignore[arg-type]
    runtime.running, runtime.waits = True, waits
    given = motions(3, 3, 3, 1, 2, 3, 3, 3)
    found = [(p.motion, right(p)) for p in pipeline.paint(given)]
    assert [m is g for (m, _), g in zip(found, given, strict=True)] == [True] * len(given)
    again = [right(p) for p in pipeline.paint(motions(2, 3))]
    return [ok for _, ok in found] + again


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("slots", [1, 2, 3])
def test_frames_come_in_order_and_whole_whatever_the_streams_do(lag: int, slots: int) -> None:
    for seed in range(40):
        assert all(run(seed, lag, slots))


def test_without_waiting_the_same_device_shows_wrong_frames() -> None:
    assert not all(all(run(seed, 0, 2, waits=False)) for seed in range(5))


def test_frames_may_stay_on_the_device() -> None:
    runtime = Shuffled(0)
    parts = Parts(runtime, 0, 2)
    pipeline = FacePipeline(parts, parts, parts, runtime, batch=BATCH, fetch=False)  # type: ignore[arg-type]
    for painted in pipeline.paint(motions(3, 2)):
        assert painted.video.size == 0
        assert runtime.memory[painted.pointer][0] == int(painted.motion.weights[0, 0] * 10) * 3 + 1


@pytest.mark.parametrize("count", [0, 4])
def test_batches_that_do_not_fit_are_refused(count: int) -> None:
    runtime = Shuffled(0)
    parts = Parts(runtime, 0, 2)
    pipeline = FacePipeline(parts, parts, parts, runtime, batch=BATCH)  # type: ignore[arg-type]
    with pytest.raises(AnimacyError, match=f"batch of {count} frames"):
        list(pipeline.paint(motions(count)))


def test_sizes_have_to_agree() -> None:
    runtime = Shuffled(0)
    parts, others = Parts(runtime, 0, 2), Parts(runtime, 0, 2)
    others.size = 8
    with pytest.raises(UsageError, match="draws 8 pixels, the network paints 4"):
        FacePipeline(others, parts, parts, runtime, batch=BATCH)  # type: ignore[arg-type]


def test_the_cuda_renderer_is_asked_in_order() -> None:
    asked: list[Any] = []

    class Renderer:
        size = 64

        def upload(self, motion: Motion, stream: int) -> int:
            asked.append(("upload", stream))
            return len(motion)

        def place(self, count: int, stream: int) -> None:
            asked.append(("place", count, stream))

        def draw(self, count: int, *, folded: int, stream: int) -> None:
            asked.append(("draw", count, folded, stream))

    rasteriser = CudaRasteriser(Renderer())
    assert rasteriser.draw(motions(2)[0], 77, 5) == 2
    assert rasteriser.draw(None, 77, 5) == 0
    assert asked == [("upload", 5), ("place", 2, 5), ("draw", 2, 77, 5)]


def test_batches_are_captured_once_for_each_size_and_place_and_replayed() -> None:
    asked: list[Any] = []

    class Renderer:
        size, batch = 64, 2

        def upload(self, motion: Motion, stream: int) -> int:
            asked.append("upload")
            return len(motion)

        def place(self, count: int, stream: int) -> None:
            asked.append(("place", count))

        def draw(self, count: int, *, folded: int, stream: int) -> None:
            asked.append(("draw", folded))

    class Runtime:
        def capture(self, stream: int, work: Callable[[], Any]) -> Any:
            asked.append("capture")
            work()
            return stream

        def replay(self, graph: Any, stream: int) -> None:
            assert graph == stream
            asked.append("replay")

    rasteriser = CudaRasteriser(Renderer(), Runtime())  # type: ignore[arg-type]
    for motion, out in zip(motions(2, 2, 1, 2), (7, 7, 7, 8), strict=True):
        assert rasteriser.draw(motion, out, 5) == len(motion)
    once = ["upload", ("place", 2), ("draw", 7), "capture", ("place", 2), ("draw", 7)]
    assert asked[:10] == [*once, "upload", "replay", "upload", "replay"]  # a batch of one is drawn as two
    assert asked[10:] == ["upload", ("place", 2), ("draw", 8), "capture", ("place", 2), ("draw", 8)]

    asked.clear()
    Renderer.batch = 64
    rasteriser = CudaRasteriser(Renderer(), Runtime(), (4, 1, 64))  # type: ignore[arg-type]
    for motion in motions(3, 3, 20):
        assert rasteriser.draw(motion, 7, 5) == len(motion)
    few = ["upload", ("place", 4), ("draw", 7), "capture", ("place", 4), ("draw", 7), "upload", "replay"]
    assert asked == [*few, "upload", ("place", 20), ("draw", 7)]  # as 64 they would cost more than is saved
