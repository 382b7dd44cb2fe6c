"""The one UV map: where each part lies in it, how the head is unwrapped, and how values on the mesh are drawn into it."""

from __future__ import annotations

import numba
import numpy as np
import scipy.sparse as sparse
import scipy.sparse.linalg as linalg

from .part import Floats, Ints

# Rectangles of the atlas: left, top, right, bottom. The head has half of it, most of that the face.
HEAD = (0.002, 0.002, 0.708, 0.728)
TORSO = (0.715, 0.005, 0.995, 0.215)
CAVITY = (0.715, 0.22, 0.895, 0.40)
SOCKET = (0.90, 0.22, 0.995, 0.315)
EYE = (0.715, 0.41, 0.865, 0.56)
TEETH = (0.90, 0.32, 0.995, 0.375)
GUM = (0.90, 0.38, 0.995, 0.40)
TONGUE = (0.875, 0.41, 0.925, 0.56)
LASH = (0.93, 0.41, 0.995, 0.56)
HAIR = (0.002, 0.735, 0.708, 0.998)
CLOTH = (0.715, 0.57, 0.998, 0.998)


def place(uv: Floats, box: tuple[float, float, float, float]) -> Floats:
    """`uv` [N, 2] of 0..1 moved into `box`."""
    return np.asarray(np.array(box[:2]) + np.clip(uv, 0, 1) * (np.array(box[2:]) - np.array(box[:2])))


def fit(uv: Floats, box: tuple[float, float, float, float]) -> Floats:
    """`uv` scaled alike in both directions and centred so that it fills `box`."""
    low, high = uv.min(0), uv.max(0)
    size = np.array(box[2:]) - np.array(box[:2])
    scale = (size / (high - low)).min()
    return np.asarray(np.array(box[:2]) + size / 2 + (uv - (low + high) / 2) * scale)


def unwrap(v: Floats, f: Ints, start: Floats, share: Floats, stages: int = 24, rounds: int = 6) -> Floats:
    """Flatten triangles `f` as rigidly as can be (ARAP, Liu et al. 2008, A local/global approach to mesh parameterization).

    v [N, 3] positions, start [N, 2] a flattening without folds to begin with, share [F] how long a length on each
    triangle becomes in the result. The edges' lengths go from those of the start to those on the mesh by `stages`, so that
    what is crowded in the start unfolds step by step. Returns [N, 2].
    """
    edges = [(0, 1, 2), (1, 2, 0), (2, 0, 1)]
    goal = np.stack([np.linalg.norm(v[f[:, i]] - v[f[:, j]], axis=1) * share for i, j, _ in edges], 1)
    now = np.stack([np.linalg.norm(start[f[:, i]] - start[f[:, j]], axis=1) for i, j, _ in edges], 1)
    scale = np.sqrt(np.median(goal) / np.median(now)) ** 2
    uv: Floats = start * scale
    now = np.maximum(now * scale, 1e-9)
    turn = np.sign(_areas(start[f]).sum())
    n = len(v)
    rows = np.concatenate([f[:, i] for i, _, _ in edges])
    cols = np.concatenate([f[:, j] for _, j, _ in edges])
    for stage in range(1, stages + 1):
        s = min(1.0, stage / (stages - 4))
        length = now ** (1 - s) * goal**s
        flat = _flattened(length, turn)
        weight = np.zeros((len(f), 3))
        for k, (i, j, o) in enumerate(edges):
            a, b = flat[:, i] - flat[:, o], flat[:, j] - flat[:, o]
            cross = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
            weight[:, k] = np.clip((a * b).sum(1) / np.maximum(cross, 1e-12), 0.05, 10)  # cotangents, positive
        w = weight.T.ravel()
        lap = sparse.coo_matrix((np.r_[-w, -w, w, w], (np.r_[rows, cols, rows, cols], np.r_[cols, rows, rows, cols])), (n, n))
        solve = linalg.factorized((lap + 1e-9 * sparse.eye(n)).tocsc())
        for _ in range(rounds):
            # local: the rotation of each triangle nearest to its present shape; global: the positions nearest to all
            m = np.zeros((len(f), 2, 2))
            for k, (i, j, _) in enumerate(edges):
                m += weight[:, k, None, None] * (uv[f[:, i]] - uv[f[:, j]])[:, :, None] * (flat[:, i] - flat[:, j])[:, None, :]
            angle = np.arctan2(m[:, 1, 0] - m[:, 0, 1], m[:, 0, 0] + m[:, 1, 1])
            c, z = np.cos(angle), np.sin(angle)
            rot = np.stack([np.stack([c, -z], -1), np.stack([z, c], -1)], 1)
            right = np.zeros((n, 2))
            for k, (i, j, _) in enumerate(edges):
                b = weight[:, k, None] * np.einsum("fab,fb->fa", rot, flat[:, i] - flat[:, j])
                np.add.at(right, f[:, i], b)
                np.add.at(right, f[:, j], -b)
            uv = np.asarray([solve(right[:, 0]), solve(right[:, 1])]).T
    return uv


def folded(uv: Floats, f: Ints) -> int:
    """How many triangles of a flattening lie face down."""
    areas = _areas(uv[f])
    return int((areas * np.sign(areas.sum()) <= 0).sum())


def _flattened(length: Floats, turn: float) -> Floats:
    """Triangles [F, 3, 2] in the plane with sides 01, 12, 20 of the given lengths [F, 3]."""
    a, b, c = length.T
    x = (a**2 + c**2 - b**2) / (2 * a)
    flat = np.zeros((len(length), 3, 2))
    flat[:, 1, 0], flat[:, 2, 0] = a, x
    flat[:, 2, 1] = turn * np.sqrt(np.maximum(c**2 - x**2, (0.05 * c) ** 2))
    return flat


def _areas(t: Floats) -> Floats:
    a, b = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2


@numba.njit(cache=True)
def draw(uv, triangles, values, image, covered):  # type: ignore[no-untyped-def]
    """Draw `values` [V, C] into `image` [N, N, C] over the triangles' uv and two texels beyond; marks `covered` [N, N].

    Texels inside of a triangle are 2 in `covered`, those of the margin 1.
    """
    n = image.shape[0]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t]
        ax, ay, bx, by, cx, cy = uv[a, 0] * n, uv[a, 1] * n, uv[b, 0] * n, uv[b, 1] * n, uv[c, 0] * n, uv[c, 1] * n
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-9:
            continue
        for y in range(max(0, int(min(ay, by, cy)) - 3), min(n, int(max(ay, by, cy)) + 4)):
            for x in range(max(0, int(min(ax, bx, cx)) - 3), min(n, int(max(ax, bx, cx)) + 4)):
                px, py = x + 0.5, y + 0.5
                w1 = ((px - ax) * (cy - ay) - (cx - ax) * (py - ay)) / area
                w2 = ((bx - ax) * (py - ay) - (px - ax) * (by - ay)) / area
                w0 = 1 - w1 - w2
                low = min(w0, w1, w2)
                if low < 0:
                    if covered[y, x] == 2 or low * np.sqrt(abs(area)) < -2.5:
                        continue
                    w0, w1, w2 = max(w0, 0.0), max(w1, 0.0), max(w2, 0.0)
                    s = w0 + w1 + w2
                    w0, w1, w2 = w0 / s, w1 / s, w2 / s
                    covered[y, x] = 1
                else:
                    covered[y, x] = 2
                for k in range(image.shape[2]):
                    image[y, x, k] = w0 * values[a, k] + w1 * values[b, k] + w2 * values[c, k]
