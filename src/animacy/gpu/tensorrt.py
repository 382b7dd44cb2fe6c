"""The network as a TensorRT engine: FP16 between folded pixels, one engine for batches of 1 to 64, kept on disk.

TensorRT 10 and 11, or TensorRT-RTX, through their Python API. From 11 on networks are strongly typed alone, so the ONNX file
is FP16 itself (weights.folded_half), and no builder flag is needed in any version.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError
from ..generate.onnx import as_input, as_rgba_slow
from ..types import Conditions, Faces
from .contracts import Runtime
from .runtime import Cuda
from .weights import CHANNELS, folded_half, read_weights

MODULES = ("tensorrt", "tensorrt_bindings", "tensorrt_rtx")
REMEDY = "pip install tensorrt, or paint with --generator-backend torch"
MAX_BATCH = 64
BEST_BATCH = 16  # what the kernels are chosen for
log = logging.getLogger(__name__)


def module() -> Any:
    """The first of MODULES that can be imported. Raises AnimacyError with the remedy where none can."""
    reasons = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:  # a package may be there and lack a library
            reasons.append(f"{name}: {' '.join(str(error).split())[:80]}")
    raise AnimacyError(f"TensorRT cannot be imported ({'; '.join(reasons)}); {REMEDY}")


def build(
    network: bytes,
    *,
    trt: Any = None,
    most: int = MAX_BATCH,
    timing: Path | None = None,
    report: Callable[[str], None] = lambda what: None,
) -> bytes:
    """A serialised engine of an .onnx file's contents, for batches of 1 to `most`.

    trt: TensorRT's module, by default `module()`. timing: a file in which what was timed is kept for the next build;
    TensorRT-RTX has none. report: told how far it is. Raises AnimacyError where the parser or the builder refuses.
    """
    trt = module() if trt is None else trt
    weights = read_weights(network)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    if builder is None:
        raise AnimacyError(f"TensorRT's builder does not start; {REMEDY}")
    flags = getattr(trt, "NetworkDefinitionCreationFlag", None)
    typed = 1 << int(flags.STRONGLY_TYPED) if flags is not None and hasattr(flags, "STRONGLY_TYPED") else 0
    definition = builder.create_network(typed)
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse(folded_half(network)):
        reasons = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise AnimacyError(f"TensorRT's parser refuses the network ({' '.join(reasons.split())[:200]}); {REMEDY}")
    # Channels last, as the kernels before and after it have them: eights of channels, of which both ends have whole ones.
    for port in (definition.get_input(0), definition.get_output(0)):
        port.allowed_formats = 1 << int(trt.TensorFormat.HWC8)
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    side, channels = weights.size // weights.fold, CHANNELS * weights.fold**2
    shapes = [(n, channels, side, side) for n in (1, min(BEST_BATCH, most), most)]
    profile.set_shape("folded", *shapes)
    config.add_optimization_profile(profile)
    cache = None
    if timing is not None and hasattr(config, "create_timing_cache"):
        cache = config.create_timing_cache(timing.read_bytes() if timing.exists() else b"")
        if cache is not None:
            config.set_timing_cache(cache, ignore_mismatch=False)
    report("building TensorRT's engine")
    engine = builder.build_serialized_network(definition, config)
    if engine is None:
        raise AnimacyError(f"TensorRT cannot build the network (its log says why); {REMEDY}")
    if timing is not None and cache is not None:
        _write(timing, bytes(cache.serialize()))
    return bytes(engine)


def kept(network: bytes, card: str, folder: Path | None = None, **how: Any) -> bytes:
    """`build`, or what it gave before for the same network, card and version of TensorRT.

    folder: where engines lie; by default ANIMACY_CACHE, or ~/.cache/animacy/tensorrt.
    """
    trt = how.get("trt") or module()
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = folder or Path(os.environ.get("ANIMACY_CACHE") or home) / "animacy" / "tensorrt"
    about = f"{trt.__name__} {trt.__version__}\0{card}\0{how.get('most', MAX_BATCH)}"
    key = hashlib.sha256(network + about.encode()).hexdigest()[:32]
    path = folder / f"{key}.engine"
    if path.exists():
        return path.read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    engine = build(network, timing=folder / "timing.cache", **{**how, "trt": trt})
    _write(path, engine)
    return engine


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(f".part{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)


class TensorRtGenerator:
    """A DeviceGenerator of an engine. Not yet run on any card: see docs.

    network: an .onnx file's contents. batches: how many frames at once, at most. Raises AnimacyError where TensorRT is missing,
    refuses the network, or does not run on the card.
    """

    def __init__(
        self,
        network: bytes,
        runtime: Runtime,
        card: str,
        *,
        most: int = MAX_BATCH,
        slots: int = 2,
        folder: Path | None = None,
        report: Callable[[str], None] = lambda what: None,
    ) -> None:
        trt = module()
        weights = read_weights(network)
        self.size, self.fold, self.slots, self._most = weights.size, weights.fold, slots, most
        engine = kept(network, card, folder, most=most, report=report, trt=trt)
        self._logger = trt.Logger(trt.Logger.ERROR)
        self._engine = trt.Runtime(self._logger).deserialize_cuda_engine(engine)
        if self._engine is None:
            raise AnimacyError(f"{trt.__name__} {trt.__version__} does not run on {card}; {REMEDY}")
        self._side = self.size // self.fold
        pixels = most * self._side**2 * self.fold**2
        self._in = [runtime.device(2 * CHANNELS * pixels) for _ in range(slots)]
        self._out = [runtime.device(2 * 4 * pixels) for _ in range(slots)]
        self._contexts = []
        for slot in range(slots):
            context = self._engine.create_execution_context()
            if context is None:
                raise AnimacyError(f"TensorRT has no room for {slots} batches of {most} on {card}; give smaller ones")
            context.set_tensor_address("folded", self._in[slot])
            context.set_tensor_address("painted", self._out[slot])
            self._contexts.append(context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the engine. Twice is fine."""
        self._contexts.clear()
        self._engine = None

    def input(self, slot: int) -> int:
        return self._in[slot]

    def output(self, slot: int) -> int:
        return self._out[slot]

    def enqueue(self, batch: int, slot: int, stream: int) -> None:
        if batch > self._most:
            raise AnimacyError(f"a batch of {batch} frames came to an engine made for {self._most}; give fewer")
        context = self._contexts[slot]
        context.set_input_shape("folded", (batch, CHANNELS * self.fold**2, self._side, self._side))
        if not context.execute_async_v3(stream):
            raise AnimacyError("TensorRT failed to paint (its log says why)")


class HostTensorRt:
    """A Generator for Conditions on the host, by an engine: for `animacy say`, and for parity.

    cuda: closed with this. Raises AnimacyError as TensorRtGenerator.
    """

    def __init__(self, network: bytes, cuda: Cuda, most: int = 8) -> None:
        self._cuda, self._most = cuda, most
        self._inner = TensorRtGenerator(network, cuda, cuda.name, most=most, slots=1)
        self.size = self._inner.size
        self._stream, self._done = cuda.stream(), cuda.event()
        self._host = cuda.pinned(most * self.size**2 * CHANNELS * 2)

    def generate(self, conditions: Conditions) -> Faces:
        """Paint a batch. Raises AnimacyError for frames of another size."""
        count, height, width = conditions.shaded.shape[:3]
        if (height, width) != (self.size, self.size):
            raise AnimacyError(f"frames of {width}x{height} came to a network that paints {self.size}x{self.size}")
        rgba = np.empty((count, height, width, 4), np.uint8)
        for first in range(0, count, self._most):
            part = slice(first, first + self._most)
            frames = Conditions(conditions.shaded[part], conditions.unlit[part], conditions.normal[part])
            x = folded(as_input(frames), self._inner.fold)
            n = len(x)
            sent = self._host[: x.nbytes]
            sent[:] = x.view(np.uint8).ravel()
            self._cuda.upload(sent, self._inner.input(0), self._stream)
            self._inner.enqueue(n, 0, self._stream)
            got = self._host[: n * height * width * 4 * 2]
            self._cuda.download(self._inner.output(0), got, self._stream)
            self._cuda.record(self._done, self._stream)
            self._cuda.synchronise(self._done)
            painted = unfolded(got.view(np.float16), n, height, self._inner.fold)
            for frame, y in zip(rgba[part], painted, strict=True):
                frame[:] = as_rgba_slow(y)
        return Faces(rgba)


def folded(x: NDArray[np.float32], fold: int) -> NDArray[np.float16]:
    """[B, C, S, S] -> [B, S / F, S / F, C F F], channels as torch.nn.functional.pixel_unshuffle orders them."""
    count, channels, size, _ = x.shape
    side = size // fold
    y = x.reshape(count, channels, side, fold, side, fold).transpose(0, 2, 4, 1, 3, 5).astype(np.float16)
    return np.ascontiguousarray(y.reshape(count, side, side, channels * fold * fold))


def unfolded(y: NDArray[np.float16], count: int, size: int, fold: int) -> NDArray[np.float32]:
    """What `folded` makes of [B, 4, S, S], back."""
    side = size // fold
    x = y.reshape(count, side, side, 4, fold, fold).transpose(0, 3, 1, 4, 2, 5).astype(np.float32)
    return x.reshape(count, 4, size, size)
