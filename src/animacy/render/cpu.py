"""The rasteriser for machines without a GPU: Numba kernels that follow the specification in shading.py.

A frame is deformed and projected once, then drawn in bands of rows, each small enough for its depth and triangle numbers to
stay in a core's cache. Kernels release the GIL, and bands go to a small thread pool of ours: Numba's own `prange` is not used
because its work queue must not be entered by two Python threads at once, and speech runs beside the drawing. What a band shows
does not depend on which thread draws it, so neither does the picture.

The kernels are compiled when the first renderer is made and kept in Numba's cache (beside this file, or in the
user's cache folder where that cannot be written).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import numba
import numpy as np
from numpy.typing import NDArray

from ..avatar import Avatar
from ..errors import AnimacyError, UsageError
from ..types import Conditions, Motion
from . import geometry
from .geometry import f32, fast
from .shading import GUARD, HAND, NX, SUBPIXEL, SUN, TX, VERTEX, Z_INVERSE, Scene, U, V, X, Y, scene

BAND = 32  # rows of the frame
MAX_SIZE = 2048

SKIN, EYE, TOOTH, HAIR, CLOTH = range(5)
KIND, SPECULAR, WRAP, TWO_SIDED, CUTOUT, NEARBY = 0, 1, 2, 5, 6, 7  # columns of Scene.materials
index = np.uint64  # unsigned: Numba need not look for indices that count from the end
HALF = SUBPIXEL // 2
FULL = SUBPIXEL


class CpuRenderer:
    """Draws an avatar's frames without a GPU. See shading.py for what is drawn.

    `size`: pixels of the square frame, 16..2048. `threads`: how many draw at once; by default one per core.
    Made ready when constructed (the first time on a machine this compiles for some seconds). `render` may be called by one
    thread at a time. Close it, or use `with`; closing twice is fine. Raises UsageError for a size or threads out of range.
    """

    def __init__(self, avatar: Avatar, size: int, threads: int | None = None) -> None:
        if not 16 <= size <= MAX_SIZE:
            raise UsageError(f"a frame of {size} pixels cannot be drawn; give a size from 16 to {MAX_SIZE}")
        threads = threads if threads is not None else os.cpu_count() or 1
        if threads < 1:
            raise UsageError(f"{threads} threads cannot draw; give 1 or more")
        self.size = size
        self.threads = threads
        self.info = f"Numba, {threads} threads"
        self.scene = scene(avatar, size)
        self._pool = ThreadPoolExecutor(threads, "animacy-render") if threads > 1 else None
        self._closed = False
        self._draw(np.zeros((1, 52), np.float32), np.zeros((1, 6), np.float32))  # compiles the kernels

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown()

    def render(self, motion: Motion) -> Conditions:
        """Conditions of `motion`'s frames. Raises AnimacyError for a motion of wrong shape or with numbers not finite."""
        if self._closed:
            raise AnimacyError("this renderer is closed; make another one")
        return self._draw(*geometry.checked(motion.weights, motion.pose))

    def _draw(self, weights: NDArray[np.float32], pose: NDArray[np.float32]) -> Conditions:
        count, size = len(weights), self.size
        shaded = np.empty((count, size, size, 4), np.uint8)
        unlit = np.empty((count, size, size, 4), np.uint8)
        normal = np.empty((count, size, size, 2), np.uint8)
        s = self.scene
        frames = list(self._map(lambda i: project(s, weights[i], pose[i]), range(count)))
        lens = np.array([s.focal, s.near, s.far], np.float32)

        def draw(job: tuple[int, int]) -> None:
            i, row = job
            vertices, fixed, drawn = frames[i]
            out = (shaded[i], unlit[i], normal[i])
            rows = (row, min(row + BAND, size))
            _band(rows, vertices, fixed, drawn, s.triangles, s.material, s.materials, s.levels, s.albedo, s.surface,
                  s.lights, s.ambient, lens, out)  # fmt: skip

        for _ in self._map(draw, [(i, row) for i in range(count) for row in range(0, size, BAND)]):
            pass
        return Conditions(shaded, unlit, normal)

    def _map(self, function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterable[Any]:
        return map(function, jobs) if self._pool is None else self._pool.map(function, jobs)


def project(
    s: Scene, weights: NDArray[np.float32], pose: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]:
    """One frame up to the screen, of checked `weights` [52] and `pose` [6].

    Gives vertices [V, 16] (columns as shading.py names them, in samples and view space), the same x and y [V, 2] in parts of
    a sample, and the triangles to draw [D, 5] in order: index, first and last row, first and last column of samples that it
    may cover.
    """
    positions, normals, tangents = (np.empty_like(s.rig.positions) for _ in range(3))
    geometry.deform_into(s.rig, weights, pose, positions, normals, tangents)
    vertices = np.empty((len(positions), VERTEX), np.float32)
    fixed = np.empty((len(positions), 2), np.int32)
    lens = np.array([s.size, s.focal, s.nearest], np.float32)
    _project(positions, normals, tangents, s.static, s.view, lens, vertices, fixed)
    drawn = np.empty((len(s.triangles), 5), np.int32)
    count = _cull(s.size, s.triangles, s.material, s.materials, vertices, fixed, drawn)
    return vertices, fixed, drawn[:count]


@numba.njit(**fast)
def _project(positions, normals, tangents, static, view, lens, vertices, fixed):  # type: ignore[no-untyped-def]
    size, focal, nearest = lens[0], lens[1], lens[2]
    limit = f32(GUARD) * f32(2) * size
    for v in range(len(positions)):
        x, y, z = positions[v, 0], positions[v, 1], positions[v, 2]
        w = -(view[2, 0] * x + view[2, 1] * y + view[2, 2] * z + view[2, 3])
        inverse = f32(0)  # marks a corner that drops its triangles
        sx = sy = f32(0)
        if w >= nearest:
            inverse = f32(1) / w
            sx = focal * (view[0, 0] * x + view[0, 1] * y + view[0, 2] * z + view[0, 3]) * inverse
            sy = -focal * (view[1, 0] * x + view[1, 1] * y + view[1, 2] * z + view[1, 3]) * inverse
            if abs(sx) > limit or abs(sy) > limit:
                inverse = sx = sy = f32(0)
        ix, iy = np.int32(np.rint((sx + size) * f32(SUBPIXEL))), np.int32(np.rint((sy + size) * f32(SUBPIXEL)))
        fixed[v, 0], fixed[v, 1] = ix, iy
        vertices[v, X], vertices[v, Y] = f32(ix) / f32(SUBPIXEL), f32(iy) / f32(SUBPIXEL)
        vertices[v, Z_INVERSE] = inverse
        for axis in range(3):
            a, b, c = view[axis, 0], view[axis, 1], view[axis, 2]
            vertices[v, NX + axis] = a * normals[v, 0] + b * normals[v, 1] + c * normals[v, 2]
            vertices[v, TX + axis] = a * tangents[v, 0] + b * tangents[v, 1] + c * tangents[v, 2]
        for k in range(4):
            vertices[v, HAND + k] = static[v, k]
        for k in range(SUN + 1, VERTEX):
            vertices[v, k] = f32(0)


@numba.njit(**fast)
def _cull(size, triangles, material, materials, vertices, fixed, drawn):  # type: ignore[no-untyped-def]
    count = 0
    last = 2 * size - 1
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        if vertices[i, Z_INVERSE] == f32(0) or vertices[j, Z_INVERSE] == f32(0) or vertices[k, Z_INVERSE] == f32(0):
            continue
        x0, y0 = np.int64(fixed[i, 0]), np.int64(fixed[i, 1])
        x1, y1 = np.int64(fixed[j, 0]), np.int64(fixed[j, 1])
        x2, y2 = np.int64(fixed[k, 0]), np.int64(fixed[k, 1])
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)  # y runs down: negative seen from the front
        if area == 0 or (area > 0 and materials[material[f], TWO_SIDED] == f32(0)):
            continue
        left = max((min(x0, x1, x2) + HALF - 1) // FULL, 0)  # sample i has its centre at i * FULL + HALF
        right = min((max(x0, x1, x2) - HALF) // FULL, last)
        top = max((min(y0, y1, y2) + HALF - 1) // FULL, 0)
        bottom = min((max(y0, y1, y2) - HALF) // FULL, last)
        if left > right or top > bottom:
            continue
        drawn[count, 0], drawn[count, 1], drawn[count, 2], drawn[count, 3], drawn[count, 4] = f, top, bottom, left, right
        count += 1
    return count


@numba.njit(**fast)
def _band(  # type: ignore[no-untyped-def]
    rows, vertices, fixed, drawn, triangles, material, materials, levels, albedo, surface, lights, ambient, lens, out
):
    """Draw rows[0]..rows[1] - 1 of a frame into `out`."""
    side = out[0].shape[0]
    first = 2 * rows[0]
    height = 2 * (rows[1] - rows[0])
    depth = np.zeros((height, 2 * side), np.float32)  # 1/w of the nearest triangle so far
    ids = np.full((height, 2 * side), np.int32(-1))
    for d in range(len(drawn)):
        if drawn[d, 2] >= first and drawn[d, 1] < first + height:
            m = material[drawn[d, 0]]
            _rasterise(
                first, drawn[d], triangles, fixed, vertices, materials[m, CUTOUT] != f32(0), levels[m], albedo, depth, ids
            )
    _resolve(rows, ids, vertices, triangles, material, materials, levels, albedo, surface, lights, ambient, lens, out)


@numba.njit(**fast)
def _rasterise(first, box, triangles, fixed, vertices, cutout, level, albedo, depth, ids):  # type: ignore[no-untyped-def]
    f = box[0]
    i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
    x0, y0 = np.int64(fixed[i, 0]), np.int64(fixed[i, 1])
    x1, y1 = np.int64(fixed[j, 0]), np.int64(fixed[j, 1])
    x2, y2 = np.int64(fixed[k, 0]), np.int64(fixed[k, 1])
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area < 0:
        j, k = k, j
        x1, y1, x2, y2 = x2, y2, x1, y1
        area = -area
    # Clockwise on the screen: inside is to the right of each edge. Corner 0 is opposite to the edge from 1 to 2.
    ax, ay, bx, by, cx, cy = x2 - x1, y2 - y1, x0 - x2, y0 - y2, x1 - x0, y1 - y0
    top, bottom = max(box[1], first), min(box[2], first + depth.shape[0] - 1)
    px, py = np.int64(box[3]) * FULL + HALF, np.int64(top) * FULL + HALF
    # An edge that runs up is a left one, one that runs right a top one: their points belong to the triangle.
    ea = ax * (py - y1) - ay * (px - x1) - (0 if ay < 0 or (ay == 0 and ax > 0) else 1)
    eb = bx * (py - y2) - by * (px - x2) - (0 if by < 0 or (by == 0 and bx > 0) else 1)
    ec = cx * (py - y0) - cy * (px - x0) - (0 if cy < 0 or (cy == 0 and cx > 0) else 1)
    # 1/w as a plane over the screen.
    w0, w1, w2 = vertices[i, Z_INVERSE], vertices[j, Z_INVERSE], vertices[k, Z_INVERSE]
    ux, uy = f32(cx), f32(cy)
    vx, vy = -f32(bx), -f32(by)
    scale = f32(FULL) / f32(area)
    gx = ((w1 - w0) * vy - (w2 - w0) * uy) * scale
    gy = ((w2 - w0) * ux - (w1 - w0) * vx) * scale
    w_row = w0 + (f32(px - x0) * gx + f32(py - y0) * gy) * f32(1 / FULL)
    for row in range(top, bottom + 1):
        fa, fb, fc = ea, eb, ec
        r = row - first
        w_row_now = w_row
        entered = False
        for column in range(box[3], box[4] + 1):
            if (fa | fb | fc) >= 0:
                entered = True
                w = w_row_now + gx * f32(column - box[3])
                if w > depth[r, column] and (
                    not cutout or _solid(vertices, i, j, k, f32(column) + f32(0.5), f32(row) + f32(0.5), level, albedo)
                ):
                    depth[r, column] = w
                    ids[r, column] = f
            elif entered:
                break  # a triangle has no second stretch in a row
            fa -= ay * FULL
            fb -= by * FULL
            fc -= cy * FULL
        ea += ax * FULL
        eb += bx * FULL
        ec += cx * FULL
        w_row += gy


@numba.njit(**fast)
def _shares(vertices, i, j, k, px, py):  # type: ignore[no-untyped-def]
    """Perspective-correct shares of corners i, j, k at a point on the screen; 1/w there; twice the area (< 0: front)."""
    x0, y0 = vertices[i, X], vertices[i, Y]
    ux, uy = vertices[j, X] - x0, vertices[j, Y] - y0
    vx, vy = vertices[k, X] - x0, vertices[k, Y] - y0
    qx, qy = px - x0, py - y0
    area = ux * vy - vx * uy
    b = (qx * vy - vx * qy) / area
    c = (ux * qy - qx * uy) / area
    a = (f32(1) - b - c) * vertices[i, Z_INVERSE]
    b *= vertices[j, Z_INVERSE]
    c *= vertices[k, Z_INVERSE]
    w = a + b + c
    scale = f32(1) / w
    return a * scale, b * scale, c * scale, w, area


@numba.njit(**fast)
def _texel(u, v, level):  # type: ignore[no-untyped-def]
    """The four texels about (u, v), as indices, and the shares of the right and lower ones."""
    start, side = level[0], level[1]
    x, y = u * f32(side) - f32(0.5), v * f32(side) - f32(0.5)
    left, top = np.floor(x), np.floor(y)
    x0, y0 = int(left), int(top)
    x1, y1 = min(x0 + 1, side - 1), min(y0 + 1, side - 1)
    x0, y0 = min(max(x0, 0), side - 1), min(max(y0, 0), side - 1)
    upper, lower = start + y0 * side, start + y1 * side
    return index(upper + x0), index(upper + x1), index(lower + x0), index(lower + x1), x - left, y - top


@numba.njit(**fast)
def _mix(texture, a, b, c, d, fx, fy, channel):  # type: ignore[no-untyped-def]
    upper = f32(texture[a, channel]) + (f32(texture[b, channel]) - f32(texture[a, channel])) * fx
    lower = f32(texture[c, channel]) + (f32(texture[d, channel]) - f32(texture[c, channel])) * fx
    return upper + (lower - upper) * fy


@numba.njit(**fast)
def _solid(vertices, i, j, k, px, py, level, albedo):  # type: ignore[no-untyped-def]
    a, b, c, _, _ = _shares(vertices, i, j, k, px, py)
    u = a * vertices[i, U] + b * vertices[j, U] + c * vertices[k, U]
    v = a * vertices[i, V] + b * vertices[j, V] + c * vertices[k, V]
    t0, t1, t2, t3, fx, fy = _texel(u, v, level)
    return _mix(albedo, t0, t1, t2, t3, fx, fy, 3) >= f32(127.5)


@numba.njit(**fast)
def _resolve(  # type: ignore[no-untyped-def]
    rows, ids, vertices, triangles, material, materials, levels, albedo, surface, lights, ambient, lens, out
):
    shaded, unlit, normal = out
    side = shaded.shape[0]
    focal, near, far = lens[0], lens[1], lens[2]
    four = np.empty(4, np.int32)
    patch = np.empty((4, 12), np.float32)  # sums over samples: N, T, u, v, sun, depth; count; handedness
    owner = np.empty(4, np.int32)  # material of each patch
    for y in range(rows[0], rows[1]):
        r = 2 * (y - rows[0])
        for x in range(side):
            four[0], four[1] = ids[r, 2 * x], ids[r, 2 * x + 1]
            four[2], four[3] = ids[r + 1, 2 * x], ids[r + 1, 2 * x + 1]
            if four[0] < 0 and four[1] < 0 and four[2] < 0 and four[3] < 0:
                for c in range(4):
                    shaded[y, x, c] = unlit[y, x, c] = 0
                normal[y, x, 0] = normal[y, x, 1] = 128
                continue
            count = 0
            for s in range(4):
                f = four[s]
                if f < 0:
                    continue
                n = f32(0)
                px = py = f32(0)
                for t in range(s, 4):
                    if four[t] == f:
                        four[t] = -1
                        n += f32(1)
                        px += f32(t & 1)
                        py += f32(t >> 1)
                px = f32(2 * x) + f32(0.5) + px / n
                py = f32(2 * y) + f32(0.5) + py / n
                i, j, k = index(triangles[f, 0]), index(triangles[f, 1]), index(triangles[f, 2])
                a, b, c, w, area = _shares(vertices, i, j, k, px, py)
                u = a * vertices[i, U] + b * vertices[j, U] + c * vertices[k, U]
                v = a * vertices[i, V] + b * vertices[j, V] + c * vertices[k, V]
                m = material[f]
                nearby = materials[m, NEARBY]
                g = 0
                while g < count:
                    total = patch[g, 10]
                    apart = max(abs(patch[g, 6] - u * total), abs(patch[g, 7] - v * total))
                    if owner[g] == m and apart < nearby * total:
                        break
                    g += 1
                if g == count:
                    count += 1
                    owner[g] = m
                    for q in range(11):
                        patch[g, q] = f32(0)
                    patch[g, 11] = vertices[i, HAND]
                flip = n if area < f32(0) else -n
                for q in range(3):
                    patch[g, q] += flip * (a * vertices[i, NX + q] + b * vertices[j, NX + q] + c * vertices[k, NX + q])
                    patch[g, 3 + q] += n * (a * vertices[i, TX + q] + b * vertices[j, TX + q] + c * vertices[k, TX + q])
                patch[g, 6] += n * u
                patch[g, 7] += n * v
                patch[g, 8] += n * (a * vertices[i, SUN] + b * vertices[j, SUN] + c * vertices[k, SUN])
                patch[g, 9] += n * min(max((far - f32(1) / w) / (far - near), f32(0)), f32(1))
                patch[g, 10] += n
            # The eye's ray; the same for all samples of a pixel.
            vx, vy, vz = f32(side) - f32(2 * x + 1), f32(2 * y + 1) - f32(side), focal
            vx, vy, vz = _unit(vx, vy, vz)
            red = green = blue = flat_r = flat_g = flat_b = far_sum = nx_sum = ny_sum = covered = f32(0)
            for g in range(count):
                n = patch[g, 10]
                m = owner[g]
                t0, t1, t2, t3, fx, fy = _texel(patch[g, 6] / n, patch[g, 7] / n, levels[m])
                ar = _mix(albedo, t0, t1, t2, t3, fx, fy, 0) * f32(1 / 255)
                ag = _mix(albedo, t0, t1, t2, t3, fx, fy, 1) * f32(1 / 255)
                ab = _mix(albedo, t0, t1, t2, t3, fx, fy, 2) * f32(1 / 255)
                bx = (_mix(surface, t0, t1, t2, t3, fx, fy, 0) - f32(128)) * f32(1 / 127)
                by = (_mix(surface, t0, t1, t2, t3, fx, fy, 1) - f32(128)) * f32(1 / 127)
                rough = _mix(surface, t0, t1, t2, t3, fx, fy, 2) * f32(1 / 255)
                open_ = _mix(surface, t0, t1, t2, t3, fx, fy, 3) * f32(1 / 255)
                gx, gy, gz = _unit(patch[g, 0], patch[g, 1], patch[g, 2])
                tx, ty, tz = patch[g, 3], patch[g, 4], patch[g, 5]
                d = gx * tx + gy * ty + gz * tz
                tx, ty, tz = _unit(tx - d * gx, ty - d * gy, tz - d * gz)
                hand = patch[g, 11]
                qx, qy, qz = hand * (gy * tz - gz * ty), hand * (gz * tx - gx * tz), hand * (gx * ty - gy * tx)
                bz = np.sqrt(max(f32(1) - bx * bx - by * by, f32(0.04)))
                nx, ny, nz = _unit(
                    bx * tx + by * qx + bz * gx,
                    bx * ty + by * qy + bz * gy,
                    bx * tz + by * qz + bz * gz,
                )
                lr, lg, lb = _light(
                    materials[m], (nx, ny, nz), (gx, gy, gz), (tx, ty, tz), (vx, vy, vz),
                    (_linear(ar), _linear(ag), _linear(ab)), rough, open_, patch[g, 8] / n, lights, ambient,
                )  # fmt: skip
                red += n * lr
                green += n * lg
                blue += n * lb
                flat_r += n * ar
                flat_g += n * ag
                flat_b += n * ab
                far_sum += patch[g, 9]
                nx_sum += n * nx
                ny_sum += n * ny
                covered += n
            share = covered * f32(0.25)
            shaded[y, x, 0] = _byte(_srgb(red / covered) * share)
            shaded[y, x, 1] = _byte(_srgb(green / covered) * share)
            shaded[y, x, 2] = _byte(_srgb(blue / covered) * share)
            shaded[y, x, 3] = _byte(share)
            unlit[y, x, 0] = _byte(flat_r * f32(0.25))
            unlit[y, x, 1] = _byte(flat_g * f32(0.25))
            unlit[y, x, 2] = _byte(flat_b * f32(0.25))
            unlit[y, x, 3] = _byte(far_sum * f32(0.25))
            normal[y, x, 0] = np.uint8(f32(128.5) + f32(127 / 4) * nx_sum)
            normal[y, x, 1] = np.uint8(f32(128.5) + f32(127 / 4) * ny_sum)


@numba.njit(**fast)
def _light(material, n, g, t, v, a, rough, open_, sun, lights, ambient):  # type: ignore[no-untyped-def]
    """Film-ready linear colour of a surface; see shading.py for each line."""
    kind, f0 = material[KIND], material[SPECULAR]
    wr, wg, wb = material[WRAP], material[WRAP + 1], material[WRAP + 2]
    ar, ag, ab = a
    nv = min(max(_dot(n, v), f32(0)), f32(1))
    up = f32(0.5) + f32(0.5) * (n[0] * ambient[0, 0] + n[1] * ambient[0, 1] + n[2] * ambient[0, 2])
    dr = (ambient[2, 0] + (ambient[1, 0] - ambient[2, 0]) * up) * _bounced(open_, ar)
    dg = (ambient[2, 1] + (ambient[1, 1] - ambient[2, 1]) * up) * _bounced(open_, ag)
    db = (ambient[2, 2] + (ambient[1, 2] - ambient[2, 2]) * up) * _bounced(open_, ab)
    # Mirrored surroundings.
    gn = n if kind != f32(EYE) else g
    gv = min(max(_dot(gn, v), f32(0)), f32(1))
    mx, my, mz = f32(2) * gv * gn[0] - v[0], f32(2) * gv * gn[1] - v[1], f32(2) * gv * gn[2] - v[2]
    up = f32(0.5) + f32(0.5) * (mx * ambient[0, 0] + my * ambient[0, 1] + mz * ambient[0, 2])
    smooth = f32(1) - rough if kind != f32(EYE) else f32(1)
    mirror = (f0 + (max(smooth, f0) - f0) * _fifth(f32(1) - gv)) * open_
    if kind == f32(HAIR) or kind == f32(CLOTH):
        mirror *= f32(0.3)
    sr = mirror * (ambient[2, 0] + (ambient[1, 0] - ambient[2, 0]) * up)
    sg = mirror * (ambient[2, 1] + (ambient[1, 1] - ambient[2, 1]) * up)
    sb = mirror * (ambient[2, 2] + (ambient[1, 2] - ambient[2, 2]) * up)
    lean1 = lean2 = t
    if kind == f32(HAIR):
        lean1, lean2 = _leaning(t, g, f32(-0.12)), _leaning(t, g, f32(0.16))
    root = np.sqrt(sun)
    ir, ig, ib = (
        f32(1) / ((f32(1) + wr) * (f32(1) + wr)),
        f32(1) / ((f32(1) + wg) * (f32(1) + wg)),
        f32(1) / ((f32(1) + wb) * (f32(1) + wb)),
    )
    for q in range(len(lights)):
        l = (lights[q, 0], lights[q, 1], lights[q, 2])  # noqa: E741
        cr, cg, cb = lights[q, 3], lights[q, 4], lights[q, 5]
        shadow = sun if q == 0 else open_
        soft = root - sun if q == 0 else f32(0)
        nl, gl = _dot(n, l), _dot(g, l)
        er = max(nl + (gl - nl) * min(f32(1.5) * wr, f32(1)) + wr, f32(0)) * ir
        eg = max(nl + (gl - nl) * min(f32(1.5) * wg, f32(1)) + wg, f32(0)) * ig
        eb = max(nl + (gl - nl) * min(f32(1.5) * wb, f32(1)) + wb, f32(0)) * ib
        if kind == f32(HAIR):
            tl = _dot(t, l)
            strand = f32(0.6) * np.sqrt(max(f32(1) - tl * tl, f32(0))) * max(nl + f32(0.5), f32(0)) * f32(1 / 1.5)
            er, eg, eb = strand + f32(0.4) * er, strand + f32(0.4) * eg, strand + f32(0.4) * eb
        dr += cr * (shadow + soft * wr) * er
        dg += cg * (shadow + soft * wg) * eg
        db += cb * (shadow + soft * wb) * eb
        lh2 = max(f32(0.5) + f32(0.5) * _dot(l, v), f32(1e-4))  # (L.H)^2; L + V is 2 L.H long
        if kind == f32(HAIR):
            face = f0 * shadow * max(gl + f32(0.35), f32(0)) * f32(1 / 1.35)
            first = face * f32(3.5) * _highlight(_dot(lean1, l) + _dot(lean1, v), lh2, 60)
            second = face * f32(7) * _highlight(_dot(lean2, l) + _dot(lean2, v), lh2, 10)
            sr += cr * (first + second * np.sqrt(ar))
            sg += cg * (first + second * np.sqrt(ag))
            sb += cb * (first + second * np.sqrt(ab))
        elif kind == f32(EYE):
            m = (mx, my, mz)
            ahead = _dot(m, l)
            if ahead > f32(0.3):
                half = f32(1) if q == 0 else f32(0.5)
                across = abs(m[0] * lights[q, 6] + m[1] * lights[q, 7] + m[2] * lights[q, 8]) / ahead
                along = abs(m[0] * lights[q, 9] + m[1] * lights[q, 10] + m[2] * lights[q, 11]) / ahead
                box = _edge(f32(0.20) * half - across) * _edge(f32(0.34) * half - along)
                k = f32(22) * box * max(shadow, f32(0.3)) * (f0 + (f32(1) - f0) * _fifth(f32(1) - gv))
                sr += cr * k
                sg += cg * k
                sb += cb * k
        elif kind != f32(CLOTH) and nl > f32(0):
            nh2 = (nl + nv) * (nl + nv) / (f32(4) * lh2)
            if kind == f32(SKIN):
                lobe = f32(0.8) * _lobe(nh2, lh2, rough) + f32(0.2) * _lobe(nh2, lh2, f32(0.6) * rough)
            else:
                lobe = _lobe(nh2, lh2, rough)
            gloss = sun if q == 0 else open_ * open_ * root
            k = gloss * nl * lobe * (f0 + (f32(1) - f0) * _fifth(f32(1) - np.sqrt(lh2)))
            sr += cr * k
            sg += cg * k
            sb += cb * k
    if kind == f32(CLOTH):
        sheen = f32(1) - nv
        sheen = f32(0.35) * sheen * sheen * sheen
        sr += sheen * np.sqrt(ar) * dr
        sg += sheen * np.sqrt(ag) * dg
        sb += sheen * np.sqrt(ab) * db
    return _film(ar * dr + sr, ag * dg + sg, ab * db + sb)


@numba.njit(**fast)
def _lobe(nh2, lh2, rough):  # type: ignore[no-untyped-def]
    a2 = max(rough * rough, f32(0.02))
    a2 *= a2
    d = nh2 * (a2 - f32(1)) + f32(1)
    return a2 / (d * d * f32(4) * max(lh2, f32(0.1)) * (rough + f32(0.5)))


@numba.njit(**fast)
def _leaning(t, g, lean):  # type: ignore[no-untyped-def]
    return _unit(t[0] + lean * g[0], t[1] + lean * g[1], t[2] + lean * g[2])


@numba.njit(**fast)
def _highlight(tlv, lh2, power):  # type: ignore[no-untyped-def]
    base = max(f32(1) - tlv * tlv / (f32(4) * lh2), f32(0))
    value = f32(1)
    while power:  # by squaring: the same roundings in both languages
        if power & 1:
            value *= base
        base *= base
        power >>= 1
    return value


@numba.njit(**fast)
def _bounced(o, a):  # type: ignore[no-untyped-def]
    p = f32(2.0404) * a - f32(0.3324)
    q = f32(-4.7951) * a + f32(0.6417)
    r = f32(2.7552) * a + f32(0.6903)
    return max(o, ((o * p + q) * o + r) * o)


@numba.njit(**fast)
def _edge(inside):  # type: ignore[no-untyped-def]
    x = min(max(inside * f32(12.5) + f32(0.5), f32(0)), f32(1))
    return x * x * (f32(3) - f32(2) * x)


@numba.njit(**fast)
def _film(r, g, b):  # type: ignore[no-untyped-def]
    peak = max(r, g, b)
    if peak > f32(0.6):
        new = f32(1) - f32(0.16) / (peak - f32(0.2))
        scale = new / peak
        white = f32(1) - f32(1) / (f32(1) + f32(0.25) * (peak - new))
        r, g, b = r * scale, g * scale, b * scale
        r, g, b = r + (new - r) * white, g + (new - g) * white, b + (new - b) * white
    return r, g, b


@numba.njit(**fast)
def _linear(x):  # type: ignore[no-untyped-def]
    return x * (f32(0.01252184) + x * (f32(0.68217412) + x * f32(0.30530405)))


@numba.njit(**fast)
def _srgb(x):  # type: ignore[no-untyped-def]
    if x < f32(0.0031308):
        return f32(12.92) * max(x, f32(0))
    p = np.sqrt(x)
    q = np.sqrt(p)
    return f32(0.64305355) * p + f32(0.71175588) * q - f32(0.33683294) * np.sqrt(q) - f32(0.01797649) * x


@numba.njit(**fast)
def _byte(x):  # type: ignore[no-untyped-def]
    return np.uint8(min(max(x, f32(0)), f32(1)) * f32(255) + f32(0.5))


@numba.njit(**fast)
def _fifth(x):  # type: ignore[no-untyped-def]
    return x * x * x * x * x


@numba.njit(**fast)
def _dot(a, b):  # type: ignore[no-untyped-def]
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(**fast)
def _unit(x, y, z):  # type: ignore[no-untyped-def]
    k = f32(1) / np.sqrt(max(x * x + y * y + z * z, f32(1e-20)))
    return x * k, y * k, z * k
