"""Conditions -> Faces: a bundle's network paints, or the shaded picture is shown as it is."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
from collections.abc import Callable
from typing import Any, Literal, Protocol

from ..avatar import Avatar, GeneratorWeights
from ..errors import AnimacyError, UsageError
from ..types import Conditions, Faces

__all__ = ["BACKENDS", "Painter", "Shaded", "backend_for", "make_generator", "network_for"]

log = logging.getLogger(__name__)
BACKENDS = ("auto", "tensorrt", "torch", "onnx")


class Painter(Protocol):
    """A stages.Generator that says which conditions it takes."""

    @property
    def size(self) -> int | None:
        """Pixels a side of the conditions; None: of any size, and the faces are of the same."""

    def generate(self, conditions: Conditions) -> Faces: ...


class Shaded:
    """A Generator that paints nothing: its faces are the rasteriser's shaded colour."""

    size = None

    def generate(self, conditions: Conditions) -> Faces:
        return Faces(conditions.shaded)


def make_generator(
    name: Literal["auto", "none", "lite", "full"] | str,
    avatar: Avatar,
    size: int,
    stage: Callable[[str], None] = lambda name: None,
    backend: Literal["auto", "tensorrt", "torch", "onnx"] | str = "auto",
) -> Painter:
    """What paints `avatar` in frames of `size` pixels a side; render its conditions at its `size`, where it has one.

    "auto" takes the bundle's lite network up to 256 pixels and its full one above, the only one where it has one, and none
    where it has none. "none" shows the shaded render. `stage` is told once who paints. backend: what runs a network;
    "auto" takes PyTorch where it sees a GPU and ONNX Runtime otherwise, and logs which.
    Raises UsageError for another name or backend, and for a network that the bundle has not; AnimacyError for one that does not
    work.
    """
    check_backend(backend)
    weights = network_for(name, avatar, size)
    if weights is None:
        stage("painting: none, as asked for" if name == "none" else "painting: none, the bundle has no network")
        return Shaded()
    usual = "lite" if size <= 256 else "full"
    remark = f", the bundle has no {usual}" if name == "auto" and weights.name != usual else ""
    stage(f"painting: {weights.name}{remark}")
    return _network(weights, avatar.name, size, backend)


def check_backend(backend: str) -> None:
    """Raises UsageError for a backend that is none of BACKENDS."""
    if backend not in BACKENDS:
        raise UsageError(f"generator backend {backend!r} is unknown; give {', '.join(BACKENDS)}")


def backend_for(backend: str) -> str:
    """The backend that runs a network, where "auto" is PyTorch if it sees a GPU, else ONNX Runtime; logs which.

    Raises UsageError as check_backend.
    """
    check_backend(backend)
    return _chosen() if backend == "auto" else backend


def network_for(name: str, avatar: Avatar, size: int) -> GeneratorWeights | None:
    """The bundle's network for frames of `size`, by make_generator's `name`; None: nothing paints. Raises UsageError as it."""
    if name not in ("auto", "none", "lite", "full"):
        raise UsageError(f"generator {name!r} is unknown; give auto, none, lite or full")
    if name == "none" or (name == "auto" and not avatar.generators):
        return None
    there = {g.name: g for g in avatar.generators}
    wanted = ("lite" if size <= 256 else "full") if name == "auto" else name
    if wanted in there:
        return there[wanted]
    if name == "auto":
        return avatar.generators[0]
    names = ", ".join(there) or "no network"
    raise UsageError(
        f"--generator {name}: the bundle of {avatar.name!r} has {names}; give {', '.join(('auto', 'none', *there))}"
    )


def _network(weights: GeneratorWeights, avatar: str, size: int, backend: str) -> Painter:
    from .resized import Resized

    source = f"{weights.name}.onnx of the avatar {avatar!r}"
    painter = _worked_out(weights.weights, source, backend_for(backend))
    if painter.size != weights.size:
        raise AnimacyError(f"{source} paints {painter.size}x{painter.size}, its avatar.json says {weights.size}")
    return painter if painter.size == size else Resized(painter, size)


def _chosen() -> str:
    """The backend that "auto" stands for; says in the log which and why. Imports PyTorch only where there is a driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        log.info("painting with ONNX Runtime: no NVIDIA driver")
        return "onnx"
    if importlib.util.find_spec("torch") is None:
        log.info("painting with ONNX Runtime on the CPU: there is a GPU's driver, but no PyTorch")
        return "onnx"
    if not importlib.import_module("torch").cuda.is_available():
        log.info("painting with ONNX Runtime on the CPU: PyTorch sees no GPU")
        return "onnx"
    log.info("painting with PyTorch on the GPU")
    return "torch"


def _worked_out(data: bytes, source: str, backend: str) -> Any:
    """A Painter with a size. Raises AnimacyError where the backend cannot be had: none is taken in its place."""
    if backend == "onnx":
        from .onnx import OnnxGenerator  # imports ONNX Runtime and Numba

        return OnnxGenerator(data, source=source)
    if backend == "torch":
        try:
            on_torch = importlib.import_module("animacy.gpu.torch")
        except ImportError as error:
            raise AnimacyError(f"PyTorch is missing ({error}): pip install torch, or give --generator-backend onnx") from error
        network, size = on_torch.network_of(data, source)
        # Compiling takes longer than a film of some minutes saves.
        return on_torch.TorchGenerator(network, size, (1, 8), slots=1, compiled=False)
    from ..gpu.runtime import Cuda
    from ..gpu.tensorrt import HostTensorRt, module

    module()  # says what is missing before a GPU is opened
    return HostTensorRt(data, Cuda())
