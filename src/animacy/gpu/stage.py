"""The face stage wired: a rasteriser, a bundle's network and the conversion to I420 on one GPU, as a stages.FaceStage."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from PIL import Image

from ..avatar import Avatar, GeneratorWeights
from ..errors import AnimacyError, UsageError
from ..types import Frames, Motion
from .contracts import PREPARED, DeviceGenerator, DeviceRasteriser, Runtime
from .cuda import CudaRenderer
from .device import CupyDevice, Device
from .pipeline import CudaProjector, CudaRasteriser, FacePipeline, OverBackground
from .runtime import Cuda

SLOTS = 3  # batches in flight
DEAR = 3  # what a batch takes beside its frames, in frames: on an H100 1, 4, 16 and 64 take 0.54, 0.79, 2.4 and 8.6 ms


class OnGpu:
    """A FaceStage whose pictures come to the host as finished frames alone, in page-locked memory.

    batches: frames at once that the pipeline was made ready for. Others are cut into such, as `cuts` says.
    """

    def __init__(self, pipeline: FacePipeline, batches: Sequence[int]) -> None:
        self.batch = max(batches)
        self._pipeline = pipeline
        self._cuts = cuts(batches)

    def paint(self, motions: Iterable[Motion]) -> Iterator[Frames]:
        for painted in self._pipeline.paint(part for motion in motions for part in self._parts(motion)):
            yield Frames(painted.video)

    def _parts(self, motion: Motion) -> Iterator[Motion]:
        if not 1 <= len(motion) <= self.batch:
            raise AnimacyError(f"a batch of {len(motion)} frames came to a stage of 1 to {self.batch}")
        first = 0
        for size in self._cuts[len(motion)]:
            last = first + size
            weights, pose = motion.weights[first:last], motion.pose[first:last]
            yield Motion(weights, pose, motion.first + first, motion.fps)
            first = last


def cuts(batches: Sequence[int]) -> list[list[int]]:
    """For 0 to max(batches) frames, the batches of these sizes that take the least time, the largest first.

    The last may be padded: of 1, 4, 16 and 64, 15 frames are best painted as 16, but 17 as 16 and 1 and not as 64.
    """
    best: list[list[int]] = [[]]
    for count in range(1, max(batches) + 1):
        ways = (sorted([size, *best[max(count - size, 0)]], reverse=True) for size in batches)
        best.append(min(ways, key=lambda way: sum(way) + DEAR * len(way)))
    return best


@contextmanager
def opened(
    avatar: Avatar,
    size: int,
    weights: GeneratorWeights,
    *,
    rasteriser: str = "cuda",
    backend: str = "torch",
    batches: Sequence[int] = (1, 4, 16),
    prepared: str = "auto",
    report: Callable[[str], None] = lambda what: None,
    device: Device | None = None,
    runtime: Runtime | None = None,
    torch_device: str = "cuda",
) -> Iterator[OnGpu]:
    """The stage for frames of `size` pixels a side (even), in the thread that opens it; freed at the block's end.

    rasteriser: "cuda", or "gl" by OpenGL on the same GPU. backend: "torch" or "tensorrt". batches: frames at once for which
    PyTorch's network is made ready; others are cut into these. prepared: "fused" by fused.py, the fastest; "compiled" by
    PyTorch's compiler, some ten seconds a batch size; "plain" starts soonest; "auto" as gpu.torch's `preparation` says. report:
    told what was chosen and what is made ready. Kernels are compiled and run once with each batch size before the block begins,
    so that nothing is while people watch. device, runtime, torch_device: the first GPU's; tests put the host in their place.
    Raises UsageError for a size or `prepared` that cannot be, AnimacyError, with the remedy, for what is missing, and where the
    GPU's memory is too small.
    """
    if size % 2 or prepared not in PREPARED:
        raise UsageError(f"{size} pixels, {prepared!r}: needed an even size, and one of {', '.join(PREPARED)}")
    side, most = weights.size, max(batches)
    with ExitStack() as stack:
        if device is None:
            device = CupyDevice()
            stack.callback(device.close)
        renderer = stack.enter_context(CudaRenderer(avatar, side, most, device=device))
        if runtime is None:
            runtime = Cuda(asleep=True)  # encoders have better use for the core
        stack.callback(runtime.close)  # waits for the GPU before what was made on it is freed
        drawing = _rasteriser(rasteriser, avatar, side, batches, renderer, runtime, stack)
        painting = _generator(backend, avatar, weights, batches, prepared, runtime, report, torch_device)
        if painting.size != side:
            raise AnimacyError(f"{weights.name}.onnx paints {painting.size} pixels, its avatar.json says {side}")
        behind = np.asarray(Image.fromarray(avatar.background).resize((side, side), Image.Resampling.LANCZOS))
        converter = OverBackground(behind, painting, device, size=size, planes="i420")
        pipeline = FacePipeline(drawing, painting, converter, runtime, batch=most)
        stage = OnGpu(pipeline, range(1, most + 1) if backend == "tensorrt" else batches)  # TensorRT pads nothing
        report("trying each size of batch")
        for batch in sorted(set(batches)):
            still = Motion(np.zeros((batch, 52), np.float32), np.zeros((batch, 6), np.float32), 0, 25)
            for _ in stage.paint([still] * (painting.slots + 1)):  # each slot, and once what was captured of it
                pass
        yield stage


def _rasteriser(
    kind: str, avatar: Avatar, size: int, batches: Sequence[int], renderer: Any, runtime: Runtime, stack: ExitStack
) -> DeviceRasteriser:
    if kind == "cuda":
        return CudaRasteriser(renderer, runtime, batches)
    from .opengl import GlBatch, GlRasteriser

    gl = stack.enter_context(GlBatch(avatar, size, max(batches), device=0))
    return stack.enter_context(GlRasteriser(gl, CudaProjector(renderer, runtime), runtime))


def _generator(
    backend: str,
    avatar: Avatar,
    weights: GeneratorWeights,
    batches: Sequence[int],
    prepared: str,
    runtime: Runtime,
    report: Callable[[str], None],
    torch_device: str,
) -> DeviceGenerator:
    source = f"{weights.name}.onnx of the avatar {avatar.name!r}"
    if backend == "tensorrt":
        made = importlib.import_module("animacy.gpu.tensorrt").TensorRtGenerator
        generator: DeviceGenerator = made(
            weights.weights, runtime, str(getattr(runtime, "name", "")), most=max(batches), slots=SLOTS, report=report
        )
        return generator
    try:
        on_torch = importlib.import_module("animacy.gpu.torch")
    except ImportError as error:
        raise AnimacyError(f"PyTorch is missing ({error}): pip install torch, or give --generator-backend onnx") from error
    network, side = on_torch.network_of(weights.weights, source)
    if prepared == "auto":
        prepared, why = on_torch.preparation(torch_device)
        report(f"the network: {prepared}, {why}")
    how = {"compiled": prepared == "compiled", "fused": prepared == "fused"}
    try:
        generator = on_torch.TorchGenerator(network, side, batches, slots=SLOTS, device=torch_device, report=report, **how)
    except AnimacyError:
        raise
    except Exception as error:  # of the compiler, of Triton, of CUDA: kinds with no common base
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        others = {"fused": "give --prepare compiled or --prepare plain, or ", "compiled": "give --prepare plain, or "}
        raise AnimacyError(
            f"PyTorch cannot make the network ready, {prepared} ({reason}); {others.get(prepared, '')}see `animacy doctor`"
        ) from error
    return generator
