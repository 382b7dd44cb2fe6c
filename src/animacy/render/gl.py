"""The rasteriser on OpenGL 4.3 (EGL, no window): the specification of shading.py in two passes.

Frames of a batch lie below one another in one framebuffer. The first pass draws, for every sample, the number of its nearest
triangle; the second lights each pixel once from those numbers. Vertices are deformed and projected by the same code as for
cpu.py and uploaded, so both renderers see the same corners to the last bit.

A GL context belongs to the thread that made it: construct, render and close in one thread. Nothing is freed by the garbage
collector, which runs in any thread; close does it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..avatar import Avatar
from ..errors import AnimacyError, UsageError
from ..types import Conditions, Motion
from . import geometry
from .cpu import project
from .shading import VERTEX, scene

MAX_SIZE = 2048
SHADERS = Path(__file__).parent / "shaders"
REMEDY = (
    "pip install 'animacy[gl]', apt-get install libegl1 libgl1-mesa-dri, or draw with --rasteriser cpu; see `animacy doctor`"
)


class GlRenderer:
    """Draws an avatar's frames with OpenGL. See shading.py for what is drawn.

    `size`: pixels of the square frame, 16..2048. `batch`: how many frames are drawn at once, at most (fewer where the
    driver's textures are too small). `device`: EGL's number of the GPU, by default OpenGL's own choice.
    `info`: the GL renderer's name. Raises UsageError for a size or batch out of range, AnimacyError where OpenGL cannot be had.
    """

    def __init__(self, avatar: Avatar, size: int, batch: int = 16, *, device: int | None = None) -> None:
        if not 16 <= size <= MAX_SIZE:
            raise UsageError(f"a frame of {size} pixels cannot be drawn; give a size from 16 to {MAX_SIZE}")
        if batch < 1:
            raise UsageError(f"batches of {batch} frames cannot be drawn; give 1 or more")
        self.size = size
        self.info = "OpenGL"
        self._closed = False
        self._thread = threading.get_ident()
        self._held: list[Any] = []  # GL objects in order of making
        self.scene = s = scene(avatar, size)
        self._context = open_context(device)
        try:
            self._make(s, batch)
        except Exception as error:
            self.close()
            raise AnimacyError(f"OpenGL failed on {self.info} ({_line(error)}); {REMEDY}") from error

    def _make(self, s: Any, batch: int) -> None:
        gl, keep = self._context, self._keep
        self.info = str(gl.info["GL_RENDERER"])
        self.batch = batch = max(1, min(batch, int(gl.info["GL_MAX_TEXTURE_SIZE"]) // (2 * s.size)))
        self._vertices = keep(gl.buffer(reserve=batch * len(s.static) * VERTEX * 4))
        tables = {
            1: np.column_stack([s.triangles, s.material]).astype(np.int32),
            2: s.materials,
            3: s.levels,
            4: s.albedo,
            5: s.surface,
            6: s.lights,
        }
        self._buffers = {
            0: self._vertices,
            **{i: keep(gl.buffer(np.ascontiguousarray(x).tobytes())) for i, x in tables.items()},
        }
        common, surface, *rest = (
            (SHADERS / f"{name}.glsl").read_text()
            for name in ("common", "surface", "visibility.vert", "visibility.frag", "resolve.vert", "resolve.frag")
        )
        self._draw = keep(gl.program(vertex_shader=common + rest[0], fragment_shader=common + rest[1]))
        self._light = keep(
            gl.program(vertex_shader="#version 430 core\n" + rest[2], fragment_shader=common + surface + rest[3])
        )
        self._corners = keep(gl.vertex_array(self._draw, []))
        self._whole = keep(gl.vertex_array(self._light, []))
        wide, high = 2 * s.size, 2 * s.size * batch
        self._numbers = keep(gl.texture((wide, high), 1, dtype="f4"))
        self._samples = keep(gl.framebuffer([self._numbers], keep(gl.depth_renderbuffer((wide, high)))))
        self._pictures = keep(gl.framebuffer([keep(gl.texture((s.size, s.size * batch), n, dtype="f1")) for n in (4, 4, 2)]))
        self._draw["size"] = float(s.size)
        self._draw["nearest"] = float(s.nearest)
        self._light["size"] = s.size
        self._light["count"] = len(s.static)
        self._light["lamps"] = len(s.lights)
        self._light["ambient"] = tuple(float(x) for x in s.ambient.ravel())  # columns first, as GLSL has them
        self._light["lens"] = (s.focal, s.near, s.far)

    def _keep(self, thing: Any) -> Any:
        self._held.append(thing)
        return thing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free everything. Twice is fine. Raises AnimacyError in another thread than the one that made this."""
        if self._closed:
            return
        self._check_thread()
        self._closed = True
        with self._context:
            for thing in reversed(self._held):
                thing.release()
        self._held.clear()
        self._context.release()

    def _check_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise AnimacyError("this renderer belongs to the thread that made it; render and close there")

    def render(self, motion: Motion) -> Conditions:
        """Conditions of `motion`'s frames. Raises AnimacyError for a motion of wrong shape or with numbers not finite."""
        shape = (len(motion.weights), self.size, self.size)
        out = Conditions(*(np.empty((*shape, n), np.uint8) for n in (4, 4, 2)))
        self.render_into(motion, out)
        return out

    def render_into(self, motion: Motion, out: Conditions) -> None:
        """The same into arrays that are there, of as many frames."""
        if self._closed:
            raise AnimacyError("this renderer is closed; make another one")
        self._check_thread()
        weights, pose = geometry.checked(motion.weights, motion.pose)
        outputs = [out.shaded, out.unlit, out.normal]
        with self._context:
            for first in range(0, len(weights), self.batch):
                part = slice(first, first + self.batch)
                self._strip(weights[part], pose[part], [x[part] for x in outputs])

    def _strip(self, weights: NDArray[np.float32], pose: NDArray[np.float32], outputs: list[NDArray[np.uint8]]) -> None:
        gl, s, side = self._context, self.scene, 2 * self.size
        for i in range(len(weights)):
            vertices, _, _ = project(s, weights[i], pose[i])
            self._vertices.write(vertices, offset=i * vertices.nbytes)
        for slot, buffer in self._buffers.items():
            buffer.bind_to_storage_buffer(slot)

        self._samples.use()
        gl.viewport = (0, 0, side, side * self.batch)
        gl.enable_only(gl.DEPTH_TEST)
        gl.depth_func = "<"
        gl.front_face = "cw"  # rows run down
        gl.cull_face = "back"
        self._samples.clear(0.0, depth=1.0)
        for first, end, two_sided, cutout in s.ranges:
            if two_sided:
                gl.disable(gl.CULL_FACE)
            else:
                gl.enable(gl.CULL_FACE)
            self._draw["cutout"] = cutout
            for i in range(len(weights)):
                gl.viewport = (0, i * side, side, side)
                self._draw["base"] = i * len(s.static)
                self._draw["top"] = float(i * side)
                self._corners.render(gl.TRIANGLES, vertices=3 * (end - first), first=3 * first)

        self._pictures.use()
        gl.viewport = (0, 0, self.size, self.size * len(weights))
        gl.disable(gl.DEPTH_TEST)
        gl.disable(gl.CULL_FACE)
        self._numbers.use(0)
        self._whole.render(gl.TRIANGLES, vertices=3)
        box = (self.size, self.size * len(weights))
        for k, output in enumerate(outputs):
            self._pictures.read_into(output, viewport=box, components=output.shape[-1], attachment=k, alignment=1)


def open_context(device: int | None = None, version: int = 430) -> Any:
    """A context of that OpenGL version without a window, on EGL's device of that number where one is given.

    A driver may give just the version that is asked for, and no later one: NVIDIA's does. Raises AnimacyError with the remedy
    where there is none through EGL.
    """
    try:
        import moderngl

        settings: dict[str, Any] = {"backend": "egl", "libgl": "libGL.so.1", "libegl": "libEGL.so.1"}
        if device is not None:
            settings["device_index"] = device
        return moderngl.create_context(require=version, standalone=True, **settings)
    except Exception as error:  # whatever the driver or its loader raises
        raise AnimacyError(
            f"no OpenGL {version // 100}.{version % 100 // 10} through EGL here ({_line(error)}); {REMEDY}"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
