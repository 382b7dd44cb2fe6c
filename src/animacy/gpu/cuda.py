"""The rasteriser in CUDA: the specification of render/shading.py, for a batch of frames at once, without OpenGL.

    deform -> project -> setup -> visibility -> shade

Vertices are moved (52 shapes as one matrix product, then the head's turn), projected and given normals; triangles are sorted
into tiles of 16x16 pixels; then a block finds the nearest triangles of a tile's samples, four a pixel, and what it finds does
not depend on the order in which anything runs. The last kernel lights the pixels and writes the network's input, so only the
triangles' numbers lie in between.

Only weights and poses travel to the GPU; nothing is allocated after construction (but for `render`, whose pictures come back).
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..avatar import Avatar
from ..errors import AnimacyError, UsageError
from ..render import geometry
from ..render.shading import VERTEX, Scene, scene
from ..types import Conditions, Motion
from .device import CupyDevice, Device, Pointer

MAX_SIZE = 2048
MAX_BATCH = 64
GROUP = 8  # frames that share one reading of the shapes, as in geometry.cu
TILE = 32  # samples a side of a tile
SETUP = 48  # bytes of a triangle that is set up
FOLD = 4  # pixels a side that become channels of the network's input
SLOTS = 4  # batches of weights and poses that may be on their way to the GPU
PIXELS = (256, 1, 1)  # threads of a block: a tile's pixels


class CudaRenderer:
    """Draws an avatar's frames with CUDA. See shading.py for what is drawn.

    size: pixels of the square frame, 16..2048. batch: frames drawn at once, at most, 1..64. device: where, and left open by
    this; by default the first GPU. `info`: who draws. `render` is a stages.Renderer's; the methods below it leave everything on
    the GPU, in order with the stream they are given. May be used by one thread at a time. Close it, or use `with`; closing
    twice is fine. Raises UsageError for a size or batch out of range, AnimacyError where CUDA cannot be had.
    """

    def __init__(self, avatar: Avatar, size: int, batch: int = 16, *, device: Device | None = None) -> None:
        if not 16 <= size <= MAX_SIZE:
            raise UsageError(f"a frame of {size} pixels cannot be drawn; give a size from 16 to {MAX_SIZE}")
        if not 1 <= batch <= MAX_BATCH:
            raise UsageError(f"batches of {batch} frames cannot be drawn; give 1 to {MAX_BATCH}")
        self._device: Device = device if device is not None else CupyDevice()
        self._own = device is None
        self._closed = False
        self._on: dict[str, Any] = {}  # everything on the GPU, by name
        self._pictures: list[Any] = []  # there, too, for `render`
        self._staged: list[NDArray[np.float32]] = []
        self._copied: list[Any] = [None] * SLOTS
        self._next = 0
        self.size, self.batch = size, batch
        self.info = self._device.info
        self.scene = s = scene(avatar, size)
        self._counts = len(s.triangles), len(s.static)
        self._side = -(-2 * size // TILE)
        # Triangles that a tile has room for, about twice as many as come; one with more looks at all of the frame.
        self._room = min(len(s.triangles), 256 + 32 * len(s.triangles) // self._side**2)
        try:
            self._make(s)
        except Exception as error:
            self.close()
            reason = " ".join(str(error).split())[:200]
            raise AnimacyError(f"no room for {batch} frames of {size} pixels on {self.info} ({reason}); give less") from error

    def _make(self, s: Scene) -> None:
        make, zeros, batch = self._device.array, self._device.zeros, self.batch
        triangles, vertices = self._counts
        tiles = self._side**2
        constants = [*s.view.ravel(), s.focal, s.nearest, s.near, s.far, *s.ambient.ravel(), *s.rig.pivot]
        flags = (s.materials[:, 6] != 0) + 2 * (s.materials[:, 5] != 0)
        around, fans = _fans(s.rig)
        self._on |= {
            "constants": make(np.array(constants, np.float32)),
            "rest": make(np.ascontiguousarray(s.rig.positions.T)),
            "follow": make(s.rig.follow),
            "tangents": make(np.ascontiguousarray(s.rig.tangents.T)),
            "deltas": make(_dense(s.rig)),
            "around": make(around),
            "fans": make(fans),
            "corners": make(np.column_stack([s.rig.triangles, np.zeros(triangles, np.int32)]).astype(np.int32)),
            "triangles": make(np.column_stack([s.triangles, s.material]).astype(np.int32)),
            "static": make(s.static),
            "flags": make(flags.astype(np.int32)),
            "materials": make(s.materials),
            "levels": make(s.levels),
            "albedo": make(s.albedo),
            "surface": make(s.surface),
            "lights": make(s.lights),
        }
        groups = -(-batch // GROUP)
        shape = (groups * 52 * GROUP + batch * 8,)
        self._staged += [self._device.pinned(shape, np.float32) for _ in range(SLOTS)]
        for staged in self._staged:
            staged[:] = 0
            staged[shape[0] - batch * 8 + 1 :: 8] = 1  # the axis of a turn by nothing
        self._on["weights"] = zeros(shape, np.float32)
        self._on["poses"] = self._on["weights"][shape[0] - batch * 8 :]
        self._on["positions"] = zeros((batch, vertices, 4), np.float32)
        self._on["vertices"] = zeros((batch, vertices, VERTEX), np.float32)  # as shading.py names the columns
        self._on["setups"] = zeros((batch, triangles, SETUP), np.uint8)
        self._on["counts"] = zeros((batch, tiles), np.uint32)
        self._on["lists"] = zeros((batch, tiles, self._room), np.int32)
        self._on["numbers"] = zeros((batch, 2 * self.size, 2 * self.size), np.uint32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free everything that this made. Work that streams still have to do with it must be over."""
        if self._closed:
            return
        self._closed = True
        for held in (self._on, self._staged, self._copied, self._pictures):
            held.clear()
        if self._own:
            self._device.close()

    @property
    def vertices(self) -> Pointer:
        """[batch, V, 16] float32 on the GPU: what was placed, as shading.py names the columns, for another rasteriser."""
        self._check()
        return self._on["vertices"]

    def render(self, motion: Motion) -> Conditions:
        """Conditions of `motion`'s frames, on the host. Raises AnimacyError for a motion of wrong shape or not finite."""
        self._check()
        outputs = [np.empty((len(motion.weights), self.size, self.size, n), np.uint8) for n in (4, 4, 2)]
        if not self._pictures:
            self._pictures = [self._device.zeros((self.batch, *x.shape[1:]), np.uint8) for x in outputs]
        shaded, unlit, normal = self._pictures
        first = 0
        for part in motion.batches(self.batch):
            count = self.upload(part)
            self.place(count)
            self.draw(count, shaded=shaded, unlit=unlit, normal=normal)
            for output, picture in zip(outputs, self._pictures, strict=True):
                output[first : first + count] = self._device.copy_out(picture, count, 0)
            first += count
        return Conditions(*outputs)

    def upload(self, motion: Motion, stream: int = 0) -> int:
        """Send a batch's weights and poses to the GPU; gives how many frames it has. Others follow, so that more may be drawn.

        Raises UsageError for more than `batch` frames or none, AnimacyError for a motion of wrong shape or not finite.
        """
        self._check()
        weights, pose = geometry.checked(motion.weights, motion.pose)
        count = len(weights)
        self._check_count(count)
        slot = self._next
        self._next = (slot + 1) % SLOTS
        if self._copied[slot] is not None:
            self._device.wait(self._copied[slot])
        staged = self._staged[slot]
        end = len(staged) - self.batch * 8
        shares = np.zeros((end // 52, 52), np.float32)
        shares[:count] = weights
        staged[:end].reshape(-1, 52, GROUP)[:] = shares.reshape(-1, GROUP, 52).swapaxes(1, 2)
        poses = staged[end:].reshape(-1, 8)
        poses[:count, :3], poses[:count, 3] = geometry.turns(pose[:, :3])
        poses[:count, 4:7] = pose[:, 3:]
        self._copied[slot] = self._device.copy_in(self._on["weights"], staged, stream)
        return count

    def place(self, count: int, stream: int = 0) -> None:
        """Move, project and sort into tiles what was uploaded; `vertices` then holds it."""
        self._check()
        self._check_count(count)
        n, launch = self._on, self._device.launch
        triangles, vertices = (np.int32(x) for x in self._counts)
        size, tiles, room, frames = np.int32(self.size), np.int32(self._side**2), np.int32(self._room), np.int32(count)
        block = (128, 1, 1)
        over_vertices, over_triangles = ((-(-int(x) // 128), count, 1) for x in (vertices, triangles))
        launch("deform", (over_vertices[0], -(-count // GROUP), 1), block, (
            frames, vertices, n["rest"], n["follow"], n["deltas"], n["weights"], n["poses"],
            n["constants"], n["positions"], tiles, n["counts"]), stream)  # fmt: skip
        launch("project", over_vertices, block, (
            vertices, size, n["positions"], n["around"], n["fans"], n["corners"], n["tangents"], n["follow"], n["poses"],
            n["static"], n["constants"], n["vertices"]), stream)  # fmt: skip
        launch("setup", over_triangles, block, (
            triangles, vertices, size, n["triangles"], n["flags"], n["vertices"], n["setups"], room, n["counts"], n["lists"]),
            stream)  # fmt: skip

    def draw(
        self,
        count: int,
        *,
        folded: Pointer = None,
        shaded: Pointer = None,
        unlit: Pointer = None,
        normal: Pointer = None,
        stream: int = 0,
    ) -> None:
        """Draw what was placed, into those of these that are given, on the GPU, contiguous:

        folded [count, S/4, S/4, 160] FP16: the network's input, folded as by pixel_unshuffle and channels last;
        shaded, unlit [count, S, S, 4] and normal [count, S, S, 2] uint8: as in Conditions. Raises UsageError if a frame whose
        size is no multiple of 4 is to be folded.
        """
        self._ready(count, folded)
        numbers = self._on["numbers"]
        self.number(count, numbers, stream)
        self.shade(count, numbers, folded=folded, shaded=shaded, unlit=unlit, normal=normal, stream=stream)

    def number(self, count: int, numbers: Pointer, stream: int = 0) -> None:
        """The first half of `draw`: numbers [count, 2S, 2S] uint32, of each sample the nearest triangle's number + 1, or 0."""
        self._ready(count, None)
        n = self._on
        triangles, vertices = (np.int32(x) for x in self._counts)
        self._device.launch("visibility", self._grid(count), PIXELS, (
            np.int32(self.size), triangles, vertices, np.int32(self._room), n["triangles"], n["vertices"], n["setups"],
            n["counts"], n["lists"], n["levels"], n["albedo"], numbers), stream)  # fmt: skip

    def shade(
        self,
        count: int,
        numbers: Pointer,
        *,
        pitch: int | None = None,
        folded: Pointer = None,
        shaded: Pointer = None,
        unlit: Pointer = None,
        normal: Pointer = None,
        stream: int = 0,
    ) -> None:
        """The second half of `draw`, of numbers from `number` or from another rasteriser of the same `vertices`.

        pitch: how many numbers lie from one row to the next; by default 2S. Outputs as in `draw`.
        """
        self._ready(count, folded)
        n = self._on
        self._device.launch("shade", self._grid(count), PIXELS, (
            np.int32(self.size), np.int32(self._counts[1]), np.int32(pitch or 2 * self.size), numbers, n["triangles"],
            n["vertices"], n["materials"], n["levels"], n["albedo"], n["surface"], n["lights"],
            np.int32(len(self.scene.lights)), n["constants"], folded, shaded, unlit, normal), stream)  # fmt: skip

    def _grid(self, count: int) -> tuple[int, int, int]:
        return self._side, self._side, count

    def _ready(self, count: int, folded: Pointer) -> None:
        self._check()
        self._check_count(count)
        if folded is not None and self.size % FOLD:
            raise UsageError(f"a frame of {self.size} pixels cannot be folded; give a size that is a multiple of {FOLD}")

    def _check(self) -> None:
        if self._closed:
            raise AnimacyError("this renderer is closed; make another one")

    def _check_count(self, count: int) -> None:
        if not 1 <= count <= self.batch:
            raise UsageError(f"a batch of {count} frames came to a renderer of batches of 1 to {self.batch}")


def _dense(rig: geometry.Rig) -> NDArray[np.float32]:
    """[52, 3, V] displacements: the right side of the matrix product."""
    dense = np.zeros((52, 3, len(rig.positions)), np.float32)
    for shape in range(52):
        part = slice(rig.shape_start[shape], rig.shape_start[shape + 1])
        np.add.at(dense[shape].T, rig.shape_vertex[part], rig.shape_delta[part])
    return dense


def _fans(rig: geometry.Rig) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Of each vertex where the triangles about its weld's root begin and end [V, 2] in the list of them [3 F]."""
    roots = rig.weld[rig.triangles].ravel()
    order = np.argsort(roots, kind="stable")
    ends = np.cumsum(np.bincount(roots, minlength=len(rig.weld)))
    begins = np.concatenate([[0], ends[:-1]])
    return np.column_stack([begins, ends])[rig.weld].astype(np.int32), (order // 3).astype(np.int32)
