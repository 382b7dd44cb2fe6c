"""A piece of the avatar while it is being built, and how pieces are joined into the bundle's arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import ARKIT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Part:
    """Vertices that share a material. Positions in metres."""

    material: str
    positions: Floats  # [V, 3]
    uv: Floats  # [V, 2], 0..1 of the atlas, (0, 0) top left
    triangles: Ints  # [F, 3] counter-clockwise from outside
    shapes: dict[str, Floats] = field(default_factory=dict)  # ARKit name -> [V, 3] displacements
    weld: Ints | None = None  # [V]; None: no seams
    follow: Floats | None = None  # [V]; None: all 1
    along: Floats | None = None  # [V, 3] tangent; None: from the uv

    def normals(self, moved: Floats | None = None) -> Floats:
        """Unit vertex normals [V, 3], weighted by area and smooth across seams."""
        return vertex_normals(self.positions if moved is None else moved, self.triangles, self.weld)


def vertex_normals(v: Floats, f: Ints, weld: Ints | None = None) -> Floats:
    n = np.zeros_like(v)
    face = np.cross(v[f[:, 1]] - v[f[:, 0]], v[f[:, 2]] - v[f[:, 0]])
    for k in range(3):
        np.add.at(n, f[:, k] if weld is None else weld[f[:, k]], face)
    if weld is not None:
        n = n[weld]
    return np.asarray(n / (np.linalg.norm(n, axis=1, keepdims=True) + 1e-20))


def uv_tangents(part: Part) -> Floats:
    """Tangent along +u and handedness [V, 4], from the uv."""
    v, uv, f = part.positions, part.uv, part.triangles
    e1, e2 = v[f[:, 1]] - v[f[:, 0]], v[f[:, 2]] - v[f[:, 0]]
    a, b = (uv[f[:, 1]] - uv[f[:, 0]]), (uv[f[:, 2]] - uv[f[:, 0]])
    det = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    sign = np.where(det < 0, -1.0, 1.0)[:, None]
    t = (e1 * b[:, 1:] - e2 * a[:, 1:]) * sign
    tangent, hand = np.zeros_like(v), np.zeros(len(v))
    for k in range(3):
        np.add.at(tangent, f[:, k], t)
        np.add.at(hand, f[:, k], det)
    n = part.normals()
    n[(n == 0).all(1)] = (0, 0, 1)
    tangent -= n * (tangent * n).sum(1, keepdims=True)
    length = np.linalg.norm(tangent, axis=1, keepdims=True)
    spare = np.cross(n, np.where(np.abs(n[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]))
    tangent = np.where(
        length > 1e-12, tangent / np.maximum(length, 1e-12), spare / np.linalg.norm(spare, axis=1, keepdims=True)
    )
    return np.concatenate([tangent, np.where(hand < 0, -1.0, 1.0)[:, None]], axis=1)


def compact(part: Part, sun: Floats) -> tuple[Part, Floats]:
    """The part and its `sun` without vertices that no triangle uses."""
    weld = np.arange(len(part.positions)) if part.weld is None else part.weld
    used = np.unique(part.triangles)
    new = np.full(len(part.positions), -1)
    new[used] = np.arange(len(used))
    first = np.full(len(part.positions), len(used))
    np.minimum.at(first, weld[used], np.arange(len(used)))
    follow = None if part.follow is None else part.follow[used]
    along = None if part.along is None else part.along[used]
    shapes = {name: d[used] for name, d in part.shapes.items()}
    return Part(
        part.material, part.positions[used], part.uv[used], new[part.triangles], shapes, first[weld[used]], follow, along
    ), sun[used]


def join(parts: list[Part], materials: list[str], sun: list[Floats]) -> dict[str, Any]:
    """The arrays of `Avatar` from `positions` to `shape_delta`; `sun` holds one [V] per part."""
    packed = [compact(p, s) for p, s in zip(parts, sun, strict=True)]
    parts, sun = [p for p, _ in packed], [s for _, s in packed]
    base = np.cumsum([0] + [len(p.positions) for p in parts])
    vertices = int(base[-1])
    tangents = []
    for p in parts:
        t = uv_tangents(p)
        if p.along is not None:
            t[:, :3] = p.along / (np.linalg.norm(p.along, axis=1, keepdims=True) + 1e-12)
        tangents.append(t)
    start, index, delta = [0], [], []
    for name in ARKIT:
        dense = np.zeros((vertices, 3))
        for p, b in zip(parts, base, strict=False):
            if name in p.shapes:
                dense[b : b + len(p.positions)] = p.shapes[name]
        moved = np.flatnonzero(np.abs(dense).max(1) > 2e-5)  # a fiftieth of a millimetre is not seen
        index.append(moved)
        delta.append(dense[moved])
        start.append(start[-1] + len(moved))
    weld = [np.arange(len(p.positions)) if p.weld is None else p.weld for p in parts]
    follow = [np.ones(len(p.positions)) if p.follow is None else p.follow for p in parts]

    def stack(rows: list[Any], dtype: type) -> NDArray[Any]:
        return np.ascontiguousarray(np.concatenate(rows), dtype=dtype)

    return {
        "positions": stack([p.positions for p in parts], np.float32),
        "uv": np.clip(stack([p.uv for p in parts], np.float32), 0, 1),
        "tangents": stack(tangents, np.float32),
        "triangles": stack([p.triangles + b for p, b in zip(parts, base, strict=False)], np.int32),
        "material": stack([np.full(len(p.triangles), materials.index(p.material)) for p in parts], np.uint8),
        "weld": stack([w + b for w, b in zip(weld, base, strict=False)], np.int32),
        "follow": np.clip(stack(follow, np.float32), 0, 1),
        "sun": np.clip(stack(sun, np.float32), 0, 1),
        "shape_start": np.array(start, np.int32),
        "shape_vertex": stack(index, np.int32),
        "shape_delta": stack(delta, np.float32),
    }
