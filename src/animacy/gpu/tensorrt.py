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

from ..errors import AnimacyError
from .contracts import Runtime
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
