"""Motion -> Conditions: shaded colour, unlit texture and normals, rasterised by the CPU, OpenGL or CUDA (`animacy.gpu`).

All renderers follow one specification (shading.py); tests bound by how much their pictures differ.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from ..avatar import Avatar
from ..errors import AnimacyError, UsageError
from ..types import Conditions, Motion

__all__ = ["RASTERISERS", "Drawing", "chosen", "cuda_missing", "make_renderer"]

log = logging.getLogger(__name__)
RASTERISERS = ("auto", "gl", "cuda", "cpu")
SOFTWARE = ("llvmpipe", "softpipe", "swrast", "swiftshader")


class Drawing(AbstractContextManager["Drawing"], Protocol):
    """A stages.Renderer that holds resources until it is closed."""

    size: int  # pixels of the square frame
    info: str  # who draws, for logs

    def render(self, motion: Motion) -> Conditions: ...
    def close(self) -> None: ...


def chosen(kind: Literal["auto", "gl", "cuda", "cpu"] | str) -> tuple[str, str]:
    """The rasteriser that `kind` stands for, "gl", "cuda" or "cpu", and why.

    "auto" takes CUDA where there is a GPU, CuPy and CUDA's bindings, else OpenGL where it runs on a real GPU, else the CPU:
    Mesa's software OpenGL is slower than our own rasteriser. Raises UsageError for another kind. What was asked for by name is
    not looked for here: making it tells what is missing.
    """
    if kind not in RASTERISERS:
        raise UsageError(f"rasteriser {kind!r} is unknown; give {', '.join(RASTERISERS[:-1])} or {RASTERISERS[-1]}")
    if kind != "auto":
        return kind, "as asked for"
    missing = cuda_missing()
    if missing is None:
        log.info("drawing with CUDA")
        return "cuda", "a GPU is there"
    from .gl import open_context

    try:
        context = open_context()
    except AnimacyError as error:
        log.info("drawing on the CPU: no OpenGL (%s)", error)
        return "cpu", f"{missing}, no OpenGL"
    who = str(context.info["GL_RENDERER"])
    context.release()
    if any(name in who.lower() for name in SOFTWARE):
        log.info("drawing on the CPU: OpenGL is software here (%s)", who)
        return "cpu", f"{missing}, OpenGL is software"
    log.info("drawing with OpenGL on %s", who)
    return "gl", missing


def cuda_missing() -> str | None:
    """What CUDA lacks here, in a few words; None if nothing. CuPy is imported only where there is a driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver"
    for package in ("cupy", "cuda.bindings.runtime"):
        try:
            module = importlib.import_module(package)
        except Exception as error:  # a package may be there and lack a library, of which CuPy tells in its own kinds
            return f"{package} cannot be imported ({' '.join(str(error).split())[:80]})"
        if package == "cupy":
            try:
                count = int(module.cuda.runtime.getDeviceCount())
            except Exception as error:
                return f"CUDA does not work ({' '.join(str(error).split())[:80]})"
            if not count:
                return "no GPU"
    return None


def make_renderer(kind: Literal["auto", "gl", "cuda", "cpu"] | str, avatar: Avatar, size: int) -> Drawing:
    """The renderer of that kind for `avatar` at `size` pixels square; "auto" as `chosen` says, and logs it.

    Raises UsageError for another kind or a size out of range, AnimacyError with a remedy where what is asked for cannot be had.
    """
    kind, _ = chosen(kind)
    if kind == "cpu":
        from .cpu import CpuRenderer  # imports Numba, which a GPU machine need not wait for

        return CpuRenderer(avatar, size)
    if kind == "cuda":
        from ..gpu.cuda import CudaRenderer

        return CudaRenderer(avatar, size)
    from .gl import GlRenderer

    return GlRenderer(avatar, size)
