"""From face weights and head pose to vertices, normals and tangents: the part of drawing that cpu.py and gl.py share.

Per frame: shapes are added to the rest positions, sparsely (of 52 weights a talking face moves ten to twenty, and most of a
shape's vertices lie close together); the head turns about `pivot`; normals are summed from the faces' areas over welded
vertices; tangents follow.

The head turns by R = Ry(yaw) Rx(pitch) Rz(roll), about fixed axes in right-handed sense: first the roll about the nose, then
the nod, then the turn, as a neck does. A vertex takes the share `follow` of it: the same axis, `follow` times the angle, so
that the neck twists like a wrung cloth and keeps its girth, which a blend of the two end positions would not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..avatar import Avatar
from ..errors import AnimacyError
from ..kernels import cacheable
from ..types import ARKIT, POSE

f32 = np.float32
MAX_ANGLE = math.pi  # radians, of each of pitch, yaw and roll; more is clamped
MAX_SHIFT = 10.0  # metres, of each of x, y and z

# Fused multiply-adds and reciprocals are welcome; reordering and the assumption that nothing is NaN are not.
fast: dict[str, Any] = {"nogil": True, "cache": cacheable(), "fastmath": {"contract", "arcp", "nsz"}, "error_model": "numpy"}


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """What `deform` needs of an avatar, ready for its kernels."""

    positions: NDArray[np.float32]  # [V, 3]
    tangents: NDArray[np.float32]  # [V, 3]
    triangles: NDArray[np.int32]  # [F, 3]
    weld: NDArray[np.int32]  # [V], chains resolved: weld[weld[i]] == weld[i]
    follow: NDArray[np.float32]  # [V]
    shape_start: NDArray[np.int32]  # [53]
    shape_vertex: NDArray[np.int32]  # [K]
    shape_delta: NDArray[np.float32]  # [K, 3]
    pivot: NDArray[np.float32]  # [3]


def rig(avatar: Avatar) -> Rig:
    weld = avatar.weld
    while (weld[weld] != weld).any():  # ends, as weld[i] <= i
        weld = weld[weld]
    return Rig(
        positions=np.ascontiguousarray(avatar.positions),
        tangents=np.ascontiguousarray(avatar.tangents[:, :3]),
        triangles=np.ascontiguousarray(avatar.triangles),
        weld=np.ascontiguousarray(weld),
        follow=np.ascontiguousarray(avatar.follow),
        shape_start=np.ascontiguousarray(avatar.shape_start),
        shape_vertex=np.ascontiguousarray(avatar.shape_vertex),
        shape_delta=np.ascontiguousarray(avatar.shape_delta),
        pivot=np.array(avatar.pivot, np.float32),
    )


def checked(weights: NDArray[np.float32], pose: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`weights` [B, 52] and `pose` [B, 6] as contiguous float32 within their ranges.

    Weights are clamped to 0..1, angles to a half turn, shifts to ten metres. Raises AnimacyError on other shapes and on numbers
    that are not finite: a mover that gives them is broken, and a clamped NaN would hide it.
    """
    weights = np.ascontiguousarray(weights, np.float32)
    pose = np.ascontiguousarray(pose, np.float32)
    if weights.ndim != 2 or weights.shape[1] != len(ARKIT) or pose.shape != (len(weights), len(POSE)):
        raise AnimacyError(
            f"motion has weights {list(weights.shape)} and pose {list(pose.shape)}, "
            f"needed [B, {len(ARKIT)}] and [B, {len(POSE)}]"
        )
    if not (np.isfinite(weights).all() and np.isfinite(pose).all()):
        raise AnimacyError("motion holds weights or poses that are not finite; needed weights 0..1, radians and metres")
    limit = np.array([MAX_ANGLE] * 3 + [MAX_SHIFT] * 3, np.float32)
    return np.clip(weights, 0, 1), np.clip(pose, -limit, limit)


def rotation(pitch: float, yaw: float, roll: float) -> NDArray[np.float64]:
    """The head's rotation matrix [3, 3] for angles in radians: it takes rest directions to turned ones."""
    cx, sx, cy, sy, cz, sz = (f(a) for a in (pitch, yaw, roll) for f in (math.cos, math.sin))
    return np.array(
        [
            [cy * cz + sy * sx * sz, sy * sx * cz - cy * sz, sy * cx],
            [cx * sz, cx * cz, -sx],
            [cy * sx * sz - sy * cz, sy * sz + cy * sx * cz, cy * cx],
        ]
    )


def axis_angle(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Unit axis [3] and angle 0..pi of a rotation matrix."""
    # The quaternion's largest component first, after Shepperd 1978: well conditioned for every angle.
    m = matrix
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    squares = np.array([trace, m[0, 0], m[1, 1], m[2, 2]])
    k = int(squares.argmax())
    if k == 0:
        q = np.array([1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    else:
        i, j, l = k - 1, k % 3, (k + 1) % 3  # noqa: E741
        q = np.zeros(4)
        q[0] = m[l, j] - m[j, l]
        q[1 + i] = 1 + m[i, i] - m[j, j] - m[l, l]
        q[1 + j] = m[j, i] + m[i, j]
        q[1 + l] = m[l, i] + m[i, l]
    q /= np.linalg.norm(q)
    if q[0] < 0:
        q = -q
    sine = float(np.linalg.norm(q[1:]))
    axis = q[1:] / sine if sine > 1e-12 else np.array([0.0, 1.0, 0.0])
    return axis, 2 * math.atan2(sine, float(q[0]))


def turns(angles: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit axes [B, 3] and angles [B], 0..pi, of rotations by pitch, yaw and roll [B, 3] in radians: many at once."""
    half = np.asarray(angles, np.float64) / 2
    (cx, cy, cz), (sx, sy, sz) = np.cos(half).T, np.sin(half).T
    w = cy * cx * cz + sy * sx * sz  # of the quaternion yaw pitch roll
    v = np.stack([cy * sx * cz + sy * cx * sz, sy * cx * cz - cy * sx * sz, cy * cx * sz - sy * sx * cz], -1)
    v = np.where(w < 0, -1.0, 1.0)[:, None] * v
    sine = np.linalg.norm(v, axis=1)
    still = sine <= 1e-12
    axes = np.where(still[:, None], [0.0, 1.0, 0.0], v / np.where(still, 1.0, sine)[:, None])
    return axes, 2 * np.arctan2(sine, np.abs(w))


def deform(
    rig: Rig, weights: NDArray[np.float32], pose: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Positions, unit normals and unit tangents, each [B, V, 3] float32 in world space, for `weights` [B, 52], `pose` [B, 6].

    Tangents are perpendicular to normals. Raises AnimacyError as `checked` does.
    """
    weights, pose = checked(weights, pose)
    positions, normals, tangents = (np.empty((len(weights), *rig.positions.shape), np.float32) for _ in range(3))
    for i in range(len(weights)):
        deform_into(rig, weights[i], pose[i], positions[i], normals[i], tangents[i])
    return positions, normals, tangents


def deform_into(
    rig: Rig,
    weights: NDArray[np.float32],
    pose: NDArray[np.float32],
    positions: NDArray[np.float32],
    normals: NDArray[np.float32],
    tangents: NDArray[np.float32],
) -> None:
    """One frame of `deform`, of checked `weights` [52] and `pose` [6], into [V, 3] arrays. Releases the GIL."""
    axis, angle = axis_angle(rotation(*(float(a) for a in pose[:3])))
    turn = np.array([*axis, angle], np.float32)
    _blend(rig.positions, rig.shape_start, rig.shape_vertex, rig.shape_delta, weights, positions)
    _turn(rig.tangents, rig.follow, rig.pivot, turn, pose[3:], positions, tangents)
    _normals(rig.triangles, rig.weld, positions, normals, tangents)


@numba.njit(**fast)
def _blend(rest, start, vertex, delta, weights, positions):  # type: ignore[no-untyped-def]
    positions[:] = rest
    for shape in range(len(weights)):
        w = weights[shape]
        if w > f32(0):
            for k in range(start[shape], start[shape + 1]):
                v = vertex[k]
                positions[v, 0] += w * delta[k, 0]
                positions[v, 1] += w * delta[k, 1]
                positions[v, 2] += w * delta[k, 2]


@numba.njit(**fast)
def _turn(rest_tangents, follow, pivot, turn, shift, positions, tangents):  # type: ignore[no-untyped-def]
    ax, ay, az, angle = turn[0], turn[1], turn[2], turn[3]
    whole_c, whole_s = np.cos(angle), np.sin(angle)
    for v in range(len(follow)):
        share = follow[v]
        tx, ty, tz = rest_tangents[v, 0], rest_tangents[v, 1], rest_tangents[v, 2]
        if share == f32(0):
            tangents[v, 0], tangents[v, 1], tangents[v, 2] = tx, ty, tz
            continue
        c, s = whole_c, whole_s
        if share != f32(1):
            c, s = np.cos(share * angle), np.sin(share * angle)
        x, y, z = positions[v, 0] - pivot[0], positions[v, 1] - pivot[1], positions[v, 2] - pivot[2]
        k = (ax * x + ay * y + az * z) * (f32(1) - c)  # Rodrigues: c p + s (a x p) + (1 - c)(a . p) a
        positions[v, 0] = c * x + s * (ay * z - az * y) + k * ax + pivot[0] + share * shift[0]
        positions[v, 1] = c * y + s * (az * x - ax * z) + k * ay + pivot[1] + share * shift[1]
        positions[v, 2] = c * z + s * (ax * y - ay * x) + k * az + pivot[2] + share * shift[2]
        k = (ax * tx + ay * ty + az * tz) * (f32(1) - c)
        tangents[v, 0] = c * tx + s * (ay * tz - az * ty) + k * ax
        tangents[v, 1] = c * ty + s * (az * tx - ax * tz) + k * ay
        tangents[v, 2] = c * tz + s * (ax * ty - ay * tx) + k * az


@numba.njit(**fast)
def _normals(triangles, weld, positions, normals, tangents):  # type: ignore[no-untyped-def]
    normals[:] = f32(0)
    for f in range(len(triangles)):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x, y, z = positions[i, 0], positions[i, 1], positions[i, 2]
        ux, uy, uz = positions[j, 0] - x, positions[j, 1] - y, positions[j, 2] - z
        wx, wy, wz = positions[k, 0] - x, positions[k, 1] - y, positions[k, 2] - z
        nx, ny, nz = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        for corner in range(3):
            v = weld[triangles[f, corner]]
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(len(weld)):
        w = weld[v]  # w <= v, so its sum is already a unit normal unless v is its own
        if w == v:
            nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
            length = np.sqrt(nx * nx + ny * ny + nz * nz)
            if length > f32(1e-20):
                nx, ny, nz = nx / length, ny / length, nz / length
            else:  # of no triangle, or of flat ones
                nx, ny, nz = f32(0), f32(0), f32(1)
        else:
            nx, ny, nz = normals[w, 0], normals[w, 1], normals[w, 2]
        normals[v, 0], normals[v, 1], normals[v, 2] = nx, ny, nz
        tx, ty, tz = tangents[v, 0], tangents[v, 1], tangents[v, 2]
        d = nx * tx + ny * ty + nz * tz
        tx, ty, tz = tx - d * nx, ty - d * ny, tz - d * nz
        length = np.sqrt(tx * tx + ty * ty + tz * tz)
        if length > f32(1e-6):
            tx, ty, tz = tx / length, ty / length, tz / length
        else:  # along the normal: any perpendicular will do; n x z, or n x x where n is close to z
            if abs(nz) < f32(0.9):
                tx, ty, tz = ny, -nx, f32(0)
            else:
                tx, ty, tz = f32(0), nz, -ny
            length = np.sqrt(tx * tx + ty * ty + tz * tz)
            tx, ty, tz = tx / length, ty / length, tz / length
        tangents[v, 0], tangents[v, 1], tangents[v, 2] = tx, ty, tz
