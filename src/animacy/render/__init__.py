"""Motion -> Conditions: shaded colour, unlit texture and normals, rasterised by OpenGL or by the CPU.

Both renderers follow one specification (shading.py) and give the same picture within a stated tolerance.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from ..avatar import Avatar
from ..errors import AnimacyError, UsageError
from ..types import Conditions, Motion

__all__ = ["Drawing", "make_renderer"]

log = logging.getLogger(__name__)
SOFTWARE = ("llvmpipe", "softpipe", "swrast", "swiftshader")


class Drawing(AbstractContextManager["Drawing"], Protocol):
    """A stages.Renderer that holds resources until it is closed."""

    size: int  # pixels of the square frame
    info: str  # who draws, for logs

    def render(self, motion: Motion) -> Conditions: ...
    def close(self) -> None: ...


def make_renderer(kind: Literal["auto", "gl", "cpu"] | str, avatar: Avatar, size: int) -> Drawing:
    """The renderer of that kind for `avatar` at `size` pixels square.

    "auto" takes OpenGL where it runs on a real GPU, and the CPU otherwise: Mesa's software OpenGL is slower than our own
    rasteriser. It logs once what it took and why. Raises UsageError for another kind or a size out of range, AnimacyError with
    a remedy where "gl" is asked for and cannot be had.
    """
    if kind not in ("auto", "gl", "cpu"):
        raise UsageError(f"renderer {kind!r} is unknown; give auto, gl or cpu")
    if kind == "cpu":
        return _cpu(avatar, size)
    from .gl import GlRenderer, open_context

    if kind == "gl":
        return GlRenderer(avatar, size)
    try:
        context = open_context()
    except AnimacyError as error:
        log.info("drawing on the CPU: no OpenGL (%s)", error)
        return _cpu(avatar, size)
    who = str(context.info["GL_RENDERER"])
    context.release()
    if any(name in who.lower() for name in SOFTWARE):
        log.info("drawing on the CPU: OpenGL is software here (%s)", who)
        return _cpu(avatar, size)
    log.info("drawing with OpenGL on %s", who)
    return GlRenderer(avatar, size)


def _cpu(avatar: Avatar, size: int) -> Drawing:
    from .cpu import CpuRenderer  # imports Numba, which a GPU machine need not wait for

    return CpuRenderer(avatar, size)
