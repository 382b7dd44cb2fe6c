"""Batches in OpenGL: the nearest triangle of each sample is found for a chunk of frames at once, then pixels are lit.

What is found is the triangle's number; a compute pass lights each pixel once from those numbers and writes it as the network
takes it, FP16 and folded, so that no image lies in between. One buffer holds what goes in (vertices) and what comes out: it
is registered with CUDA once, and mapped once a batch, when what the batch before has left is fetched and the next one's
vertices are laid in. See render/shading.py for what is drawn. A batch goes in chunks of a few frames, whose numbers the GPU's
cache can hold: a chunk is lit into its place of what comes out, and the next takes its room.

There are two ways to find. "raster" draws: a chunk's frames are the layers of one framebuffer, drawn by the same three or
four calls. "compute" sorts triangles into tiles of 16x16 pixels, and a group of invocations looks at each, as the kernels of
picture.cu do: few units of a data centre's GPU draw (of an H100 SXM5's 66 pairs of processors 2: NVIDIA H100 Tensor Core GPU
Architecture, 2022), but all of them compute.

Of drawing: to clear depth costs the H100 a fifth of it (docs/measurements.md). So depth alone is cleared, and that once in
SLICES chunks: each chunk draws before all that those before it drew, in a slice of the depth's range of its own, and where
depth is not of that slice the numbers are not looked at.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..avatar import Avatar
from ..errors import AnimacyError, UsageError
from ..render import SOFTWARE, geometry
from ..render.cpu import project
from ..render.gl import MAX_SIZE, REMEDY, SHADERS, open_context
from ..render.shading import VERTEX, scene
from ..types import Conditions, Motion
from .contracts import Projector, Runtime
from .runtime import SharedBuffer

MAX_BATCH = 64
FIND = "compute"  # chosen on an H100, as are the next: benchmarks/gpu_gl.py
AT_ONCE = {"raster": 4, "compute": 16}  # frames of a chunk
LIT = 1  # pixels an invocation lights; which is faster was not told apart yet
TILE = 32  # samples a side of a tile
ROOM = 256, 32  # triangles that a tile has room for: these, and these times its share of all. About twice as many as come.
SLICES = 8
SLICE = 1 / 16  # of the range of depth, 20 bits. All slices lie in its farther half: floats are equally far apart there, and so
# what is drawn does not depend on the slice.
DEPTH = 0x8CAC  # GL_DEPTH_COMPONENT32F
EDGE = 2.0**-23  # left free on either side of a slice: two steps of 24 bits, so that rounding moves nothing into the next
CHANNELS = 10
ALIGNED = 256  # bytes: no driver asks for more between ranges of a buffer
EGL_CUDA_DEVICE_NV = 0x323A
GLSL = "#version 430 core\n"
STORED = 0x2000  # GL_SHADER_STORAGE_BARRIER_BIT
VERSION = 450  # of OpenGL: objects are changed without being bound
LAYERS = "GL_ARB_shader_viewport_layer_array"


def egl_device(cuda_device: int) -> int:
    """EGL's number of the GPU that CUDA calls `cuda_device`. Raises AnimacyError where EGL knows no such GPU."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError as error:
        raise AnimacyError(f"no EGL here ({error}); {REMEDY}") from error
    query = _function(egl, "eglQueryDevicesEXT", ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    attribute = _function(
        egl, "eglQueryDeviceAttribEXT", ctypes.c_uint, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_ssize_t)
    )
    devices, count = (ctypes.c_void_p * 64)(), ctypes.c_int()
    query(64, devices, ctypes.byref(count))
    found = []
    for i in range(count.value):
        number = ctypes.c_ssize_t(-1)
        if attribute(devices[i], EGL_CUDA_DEVICE_NV, ctypes.byref(number)):
            if number.value == cuda_device:
                return i
            found.append(number.value)
    raise AnimacyError(
        f"EGL has {count.value} devices, of which CUDA knows {found or 'none'}: GPU {cuda_device} cannot draw with OpenGL "
        "here; install NVIDIA's OpenGL driver (in a container: NVIDIA_DRIVER_CAPABILITIES=all), or give --rasteriser cuda"
    )


def _function(egl: Any, name: str, result: Any, *arguments: Any) -> Any:
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    address = egl.eglGetProcAddress(name.encode())
    if not address:
        raise AnimacyError(f"{name} is missing from this EGL or OpenGL; {REMEDY}")
    return ctypes.CFUNCTYPE(result, *arguments)(address)


class GlBatch:
    """Draws up to `batch` (1..64) frames of `avatar` a call, `size` pixels square, a multiple of `fold`.

    find: how the nearest triangles are found, "raster" or "compute". at_once (1..64): frames of which they are found before
    these are lit; held for each are 4 size^2 samples, of 6 bytes by raster (8 with more than 65,535 triangles), of 4 by
    compute, and by compute lists of what lies in each tile, 3 MB at 512 pixels. lit (1, 2): pixels that an invocation lights.
    What is drawn depends on neither of the last two. software: take any OpenGL, slow as it may be; else OpenGL on a processor
    is an error. device: CUDA's number of the GPU to draw on, or None for OpenGL's own choice. Belongs to the thread that made
    it. Raises UsageError for what is out of range, AnimacyError where OpenGL cannot be had.
    """

    def __init__(
        self,
        avatar: Avatar,
        size: int,
        batch: int = 16,
        *,
        fold: int = 4,
        find: str = FIND,
        at_once: int | None = None,
        lit: int = LIT,
        software: bool = False,
        device: int | None = None,
    ) -> None:
        if not 16 <= size <= MAX_SIZE or size % fold or fold % 2:
            raise UsageError(
                f"a frame of {size} pixels folded by {fold} cannot be drawn; give 16 to {MAX_SIZE}, a multiple of it"
            )
        if not 1 <= batch <= MAX_BATCH:
            raise UsageError(f"batches of {batch} frames cannot be drawn; give 1 to {MAX_BATCH}")
        if find not in AT_ONCE:
            raise UsageError(f"triangles cannot be found by {find!r}; give {' or '.join(AT_ONCE)}")
        at_once = AT_ONCE[find] if at_once is None else at_once
        if not 1 <= at_once <= MAX_BATCH:
            raise UsageError(f"{at_once} frames cannot be drawn at once; give 1 to {MAX_BATCH}")
        if lit not in (1, 2):
            raise UsageError(f"{lit} pixels cannot be lit at once; give 1 or 2")
        self.lit = lit
        self.size, self.batch, self.fold, self.find, self.at_once = size, batch, fold, find, min(at_once, batch)
        self.info = "OpenGL"
        self._closed = False
        self._thread = threading.get_ident()
        self._held: list[Callable[[], None]] = []
        self.scene = scene(avatar, size)
        self.context = open_context(None if device is None else egl_device(device), VERSION)
        self.info = str(self.context.info["GL_RENDERER"])
        try:
            if not software and any(name in self.info.lower() for name in SOFTWARE):
                raise AnimacyError(f"OpenGL is software here ({self.info}): {REMEDY}")
            self._make()
        except AnimacyError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise AnimacyError(f"OpenGL failed on {self.info} ({' '.join(str(error).split())[:200]}); {REMEDY}") from error

    def _make(self) -> None:
        gl, s, batch = self.context, self.scene, self.batch
        needed = [LAYERS] if self.find == "raster" else []
        if gl.version_code < VERSION or not gl.extensions.issuperset(needed):
            raise AnimacyError(
                f"{self.info} has OpenGL {gl.version_code}, needed {' with '.join([str(VERSION), *needed])}; {REMEDY}"
            )
        self.vertex_bytes = len(s.static) * VERTEX * 4  # of a frame
        self.output_bytes = 2 * CHANNELS * self.size**2  # of a frame
        self.output_at = -(-batch * self.vertex_bytes // ALIGNED) * ALIGNED
        self.buffer = self._keep(gl.buffer(reserve=self.output_at + batch * self.output_bytes))
        tables = {
            1: np.column_stack([s.triangles, s.material]).astype(np.int32),
            2: s.materials,
            3: s.levels,
            4: s.albedo,
            5: s.surface,
            6: s.lights,
        }
        self._tables = {i: self._keep(gl.buffer(np.ascontiguousarray(x).tobytes())) for i, x in tables.items()}
        # Calls that every chunk repeats are made without moderngl: it takes several times as long as they do.
        u, i, f = ctypes.c_uint, ctypes.c_int, ctypes.c_float
        self._egl = ctypes.CDLL("libEGL.so.1")
        self._use, self._integer = self._call("glUseProgram", u), self._call("glProgramUniform1i", u, i, i)
        self._float = self._call("glProgramUniform1f", u, i, f)
        self._dispatch, self._barrier = self._call("glDispatchCompute", u, u, u), self._call("glMemoryBarrier", u)
        self._flush = self._call("glFlush")
        self._find: Callable[[int, int], None]
        (self._make_raster if self.find == "raster" else self._make_compute)()
        light = self._computing("fold", "surface")
        for name, whole in (("size", self.size), ("count", len(s.static)), ("lamps", len(s.lights)), ("fold", self.fold)):
            light[name] = whole
        light["ambient"] = tuple(float(x) for x in s.ambient.ravel())
        light["lens"] = (s.focal, s.near, s.far)
        self._light, self._start = light.glo, light["start"].location
        self._drawn = light["drawn"].location if self.find == "raster" else -1
        error = gl.error
        if error != "GL_NO_ERROR":
            raise AnimacyError(f"OpenGL on {self.info} says {error}; give smaller batches")

    def _make_raster(self) -> None:
        gl, s, wide = self.context, self.scene, 2 * self.size
        corners = self._keep(gl.buffer(np.ascontiguousarray(s.triangles, np.int32).tobytes()))
        common, vertex, fragment = ((SHADERS / f"{name}.glsl").read_text() for name in ("common", "batch.vert", "batch.frag"))
        layered = common.replace(GLSL, f"{GLSL}#extension {LAYERS} : require\n")
        self._groups = []  # drawn by one call each
        for first, end, two_sided, cutout in s.ranges:
            holes = common.replace(GLSL, GLSL + "#define HOLES\n") if cutout else common
            ahead = layered.replace(GLSL, GLSL + "#define HOLES\n") if cutout else layered
            program = self._keep(gl.program(vertex_shader=ahead + vertex, fragment_shader=holes + fragment))
            program["samples"], program["nearest"] = float(s.size), float(s.nearest)
            program["count"], program["first"] = len(s.static), first
            array = self._keep(gl.vertex_array(program, [], index_buffer=corners, index_element_size=4))
            self._groups.append((program.glo, program["start"].location, array.glo, 3 * (end - first), 12 * first, two_sided))

        # moderngl has no layers of depth: these three objects are made by hand.
        call = self._call
        u, i, f, p = ctypes.c_uint, ctypes.c_int, ctypes.c_float, ctypes.c_void_p
        create, storage = call("glCreateTextures", u, i, p), call("glTextureStorage3D", u, i, u, i, i, i)
        parameter, attach = call("glTextureParameteri", u, u, i), call("glNamedFramebufferTexture", u, u, u, i)
        remove, drop = call("glDeleteTextures", i, p), call("glDeleteFramebuffers", i, p)
        status = call("glCheckNamedFramebufferStatus", u, u, result=u)
        self._bind = call("glBindFramebuffer", u, u)
        self._viewport = call("glViewport", i, i, i, i)
        self._texture = call("glBindTextureUnit", u, u)
        self._clear = call("glClearNamedFramebufferfv", u, u, i, ctypes.POINTER(f))
        self._range = call("glDepthRangef", f, f)
        self._array = call("glBindVertexArray", u)
        self._enable, self._disable = call("glEnable", u), call("glDisable", u)
        self._draw = call("glDrawElementsInstanced", u, i, u, p, i)
        self._far = (f * 1)(1.0)
        self._slice = 0
        self._find = self._draw_numbers
        made = u()
        call("glCreateFramebuffers", i, p)(1, ctypes.byref(made))
        self._frame = made.value
        self._held.append(lambda: drop(1, ctypes.byref(u(self._frame))))
        self._layers = []
        numbers = 0x8234 if len(s.triangles) < 1 << 16 else 0x8236  # GL_R16UI or GL_R32UI: 0 stands for no triangle
        for form, attachment in ((numbers, 0x8CE0), (DEPTH, 0x8D00)):  # GL_COLOR_ATTACHMENT0, GL_DEPTH_ATTACHMENT
            texture = u()
            create(0x8C1A, 1, ctypes.byref(texture))  # GL_TEXTURE_2D_ARRAY
            self._held.append(lambda name=texture.value: remove(1, ctypes.byref(u(name))))  # type: ignore[misc]
            storage(texture.value, 1, form, wide, wide, self.at_once)
            for side in (0x2801, 0x2800):  # minification and magnification: GL_NEAREST
                parameter(texture.value, side, 0x2600)
            attach(self._frame, attachment, texture.value, 0)
            self._layers.append(texture.value)
        if (state := status(self._frame, 0x8D40)) != 0x8CD5:  # GL_FRAMEBUFFER, GL_FRAMEBUFFER_COMPLETE
            raise AnimacyError(
                f"{self.info} refuses {self.at_once} layers of {wide}x{wide} samples ({state:#x}); give fewer at once"
            )

    def _make_compute(self) -> None:
        gl, s, frames = self.context, self.scene, self.at_once
        self._side = -(-2 * self.size // TILE)
        tiles = self._side**2
        room = min(len(s.triangles), ROOM[0] + ROOM[1] * len(s.triangles) // tiles)  # of a tile with more all are looked at
        self._tables[8] = self._keep(gl.buffer(bytes(8 * tiles * frames)))
        self._tables[9] = self._keep(gl.buffer(reserve=4 * room * tiles * frames))
        self._tables[10] = self._keep(gl.buffer(reserve=16 * self.size**2 * frames))
        self._passes = []
        for name in ("sort", "nearest"):
            made = self._computing(name, "triangle")
            for uniform, whole in (("size", s.size), ("count", len(s.static)), ("number", len(s.triangles)), ("room", room)):
                made[uniform] = whole
            self._passes.append((made.glo, made["start"].location))
        self._find = self._sort_and_find

    def _call(self, name: str, *kinds: Any, result: Any = None) -> Any:
        return _function(self._egl, name, result, *kinds)

    def _computing(self, name: str, ahead: str) -> Any:
        """The compute shader of a pass, and the file that comes ahead of it."""
        common, before, shader = ((SHADERS / f"{part}.glsl").read_text() for part in ("common", ahead, f"{name}.comp"))
        defined = ["SORTED"] * (self.find == "compute") + ["ALONE"] * (self.lit == 1)
        common = common.replace(GLSL, GLSL + "".join(f"#define {x}\n" for x in defined))
        return self._keep(self.context.compute_shader(common + before + shader))

    def _keep(self, thing: Any) -> Any:
        self._held.append(thing.release)
        return thing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free everything. Twice is fine. Raises AnimacyError in another thread than the one that made this."""
        if self._closed:
            return
        self._check()
        self._closed = True
        with self.context:
            for release in reversed(self._held):
                release()
        self._held.clear()
        self.context.release()

    def _check(self) -> None:
        if self._closed:
            raise AnimacyError("this renderer is closed; make another one")
        if threading.get_ident() != self._thread:
            raise AnimacyError("this renderer belongs to the thread that made it; render and close there")

    def submit(self, frames: int) -> None:
        """Draw the first `frames` frames, whose vertices lie at the buffer's beginning, to its place `output_at`: FP16
        [frames, size / fold, size / fold, 10 fold fold]. Returns at once. The context has to be current."""
        self._check()
        if not 1 <= frames <= self.batch:
            raise AnimacyError(f"{frames} frames came to a renderer of {self.batch} at once")
        gl = self.context
        self.buffer.bind_to_storage_buffer(0, 0, self.batch * self.vertex_bytes)
        for slot, table in self._tables.items():
            table.bind_to_storage_buffer(slot)
        self.buffer.bind_to_storage_buffer(7, self.output_at, self.batch * self.output_bytes)
        if self.find == "raster":
            for unit, texture in enumerate(self._layers):
                self._texture(unit, texture)
            self._viewport(0, 0, 2 * self.size, 2 * self.size)
            gl.enable_only(gl.DEPTH_TEST)
            gl.depth_func = "<"
            gl.front_face = "cw"  # rows run down
            gl.cull_face = "back"
        for start in range(0, frames, self.at_once):
            count = min(self.at_once, frames - start)
            self._find(start, count)
            self._integer(self._light, self._start, start)
            self._use(self._light)
            self._dispatch(-(-self.size // 16), -(-self.size // 8), count)
            if self.find == "compute":
                self._barrier(STORED)
        gl.memory_barrier()  # of what the compute pass wrote; framebuffers and textures keep the order of calls
        self._flush()  # a driver may else keep calls back until there are more, and the GPU idle

    def _draw_numbers(self, start: int, frames: int) -> None:
        """Draw the frames from `start` on, one a layer."""
        self._bind(0x8D40, self._frame)
        if self._slice == 0:
            self._clear(self._frame, 0x1801, 0, self._far)  # GL_DEPTH of all layers, also where fewer are drawn
        far = 1 - self._slice * SLICE
        self._slice = (self._slice + 1) % SLICES
        self._range(far - SLICE + EDGE, far - EDGE)
        for program, at, array, count, offset, two_sided in self._groups:
            (self._disable if two_sided else self._enable)(0x0B44)  # GL_CULL_FACE
            self._integer(program, at, start)
            self._use(program)
            self._array(array)
            self._draw(4, count, 0x1405, offset, frames)  # GL_TRIANGLES, GL_UNSIGNED_INT
        self._bind(0x8D40, 0)  # what is read is not drawn to
        self._float(self._light, self._drawn, far)

    def _sort_and_find(self, start: int, frames: int) -> None:
        """Sort the triangles of the frames from `start` on into tiles, and look at each tile's."""
        groups = ((-(-len(self.scene.triangles) // 128), frames, 1), (self._side, self._side, frames))
        for (program, at), group in zip(self._passes, groups, strict=True):
            self._integer(program, at, start)
            self._use(program)
            self._dispatch(*group)
            self._barrier(STORED)

    def render(self, motion: Motion) -> Conditions:
        """Conditions of `motion`'s frames, deformed on the CPU and brought to the host: for tests, and without CUDA.

        Raises AnimacyError for a motion of wrong shape or with numbers not finite.
        """
        self._check()
        weights, pose = geometry.checked(motion.weights, motion.pose)
        shape = (len(weights), self.size, self.size)
        out = Conditions(*(np.empty((*shape, n), np.uint8) for n in (4, 4, 2)))
        with self.context:
            for first in range(0, len(weights), self.batch):
                count = min(self.batch, len(weights) - first)
                for i in range(count):
                    vertices, _, _ = project(self.scene, weights[first + i], pose[first + i])
                    self.buffer.write(vertices, offset=i * self.vertex_bytes)
                self.submit(count)
                data = self.buffer.read(count * self.output_bytes, offset=self.output_at)
                part = slice(first, first + count)
                unfolded(np.frombuffer(data, np.float16), self.fold, [x[part] for x in (out.shaded, out.unlit, out.normal)])
        return out


def unfolded(folded: NDArray[np.float16], fold: int, out: list[NDArray[np.uint8]]) -> None:
    """A network's folded input [B * S * S * 10] -> shaded [B, S, S, 4], unlit [B, S, S, 4] and normal [B, S, S, 2]."""
    count, size = out[0].shape[:2]
    side = size // fold
    x = folded.reshape(count, side, side, CHANNELS, fold, fold).transpose(0, 1, 4, 2, 5, 3).astype(np.float32)
    x = x.reshape(count, size, size, CHANNELS)
    out[0][:] = np.rint(x[..., :4] * 255)
    out[1][:] = np.rint(x[..., 4:8] * 255)
    out[2][:] = np.rint(x[..., 8:] * 127 + 128)


class HostProjector:
    """Vertices deformed on the CPU and uploaded: a Projector for where no kernel does it, and the ladder's first rung."""

    def __init__(self, avatar: Avatar, size: int, batch: int, runtime: Runtime) -> None:
        self._scene, self._runtime = scene(avatar, size), runtime
        self._bytes = len(self._scene.static) * VERTEX * 4
        self._host = runtime.pinned(batch * self._bytes)
        self._copied = runtime.event()

    def project(self, motion: Motion, out: int, stream: int) -> None:
        weights, pose = geometry.checked(motion.weights, motion.pose)
        self._runtime.synchronise(self._copied)  # the buffer is written anew
        for i in range(len(weights)):
            vertices, _, _ = project(self._scene, weights[i], pose[i])
            self._host[i * self._bytes : (i + 1) * self._bytes] = vertices.view(np.uint8).ravel()
        self._runtime.upload(self._host[: len(weights) * self._bytes], out, stream)
        self._runtime.record(self._copied, stream)


class GlRasteriser:
    """A DeviceRasteriser of OpenGL: `gl` draws what `projector` lays into its buffer.

    One mapping a batch, and so a lag of 1. OpenGL and CUDA share a GPU in slices of time; where one holds it only to wait for
    the other, slices are lost. So the host waits for each before the other sees its work: on an H100 5,292 frames a second of
    the whole stage in place of 4,668."""

    lag = 1

    def __init__(self, gl: GlBatch, projector: Projector, runtime: Runtime, share: Callable[[int], Any] = SharedBuffer) -> None:
        self.size, self._gl, self._projector, self._runtime = gl.size, gl, projector, runtime
        with gl.context:
            self._shared = share(gl.buffer.glo)
        self._placed = runtime.event()
        self._drawn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the buffer; `gl` is closed by who opened it. Twice is fine."""
        with self._gl.context:
            self._shared.close()

    def draw(self, motion: Motion | None, out: int, stream: int) -> int:
        gl, runtime, done = self._gl, self._runtime, self._drawn
        with gl.context:
            gl.context.finish()
            with self._shared.map(stream) as pointer:
                if done:
                    runtime.copy(pointer + gl.output_at, out, done * gl.output_bytes, stream)
                if motion is not None:
                    self._projector.project(motion, pointer, stream)
            if motion is not None:
                runtime.record(self._placed, stream)
                runtime.synchronise(self._placed)
                gl.submit(len(motion))
        self._drawn = 0 if motion is None else len(motion)
        return done
