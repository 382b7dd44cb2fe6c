"""Hairs out of the bundle's hair cards: each hair runs along a card where the rasteriser draws a texture of many.

A hair keeps to one u of the texture and follows v across the triangles, so it lies where the card lies. Every control point is
a mean of mesh vertices: hairs move with whatever the shapes and the head pose do to the cards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Strands:
    """S hairs of K points each, from root to tip. Lengths in metres."""

    vertex: Ints  # [S, K, 6] a point is the mean of these mesh vertices ...
    share: Floats  # [S, K, 6] ... by these shares, which sum to 1 ...
    lift: Floats  # [S, K] ... moved this far along the normal there ...
    aside: Floats  # [S, K] ... and this far across hair and normal
    radius: Floats  # [S, K]

    def chosen(self, which: NDArray[np.bool_]) -> Strands:
        """Those of the hairs that `which` [S] names."""
        return Strands(self.vertex[which], self.share[which], self.lift[which], self.aside[which], self.radius[which])

    def points(self, positions: NDArray[Any], normals: NDArray[Any]) -> NDArray[np.float32]:
        """Control points and radii [S, K, 4] for a frame's `positions` and unit `normals`, both [V, 3]."""
        both = np.concatenate([positions, normals], 1).astype(np.float32)
        mean = np.zeros((*self.vertex.shape[:2], 6), np.float32)
        for k in range(self.vertex.shape[2]):  # not in one gather: this is half of a frame's time on the CPU
            mean += both[self.vertex[:, :, k]] * self.share[:, :, k, None]
        p, n = mean[..., :3], _unit(mean[..., 3:])
        along = np.empty_like(p)
        along[:, 1:-1] = p[:, 2:] - p[:, :-2]
        along[:, 0], along[:, -1] = p[:, 1] - p[:, 0], p[:, -1] - p[:, -2]
        across = _unit(
            np.stack([along[..., i] * n[..., j] - along[..., j] * n[..., i] for i, j in ((1, 2), (2, 0), (0, 1))], -1)
        )
        p = p + n * self.lift[..., None] + across * self.aside[..., None]
        return np.concatenate([p, self.radius[..., None]], -1)


def grow(
    positions: NDArray[Any],
    uv: NDArray[Any],
    triangles: NDArray[Any],
    count: int,
    points: int,
    rng: np.random.Generator,
    ragged: float = 0.0,
    overlap: float = 0.0,
) -> Strands:
    """`count` bare hairs of `points` points over `triangles` [F, 3], evenly by area, from low v to high v.

    positions [V, 3] at rest; uv [V, 2]. ragged: share of its length by which a hair may end early. overlap: metres by which it
    may begin before its card does, so that both sides of a parting meet. Hairs have no lift and the radius 0: see `comb`.
    """
    corners = positions[triangles].astype(float)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    seed = rng.choice(len(triangles), count, p=area / area.sum())
    start = rng.dirichlet((1.0, 1.0, 1.0), count)
    beside = _neighbours(triangles)
    rate = _rates(uv[triangles].astype(float))
    back = _walk(triangles, beside, -rate, seed, start)
    ahead = _walk(triangles, beside, rate, seed, start)
    vertex = np.concatenate([back[0][:, ::-1], triangles[seed][:, None], ahead[0]], 1)
    share = np.concatenate([back[1][:, ::-1], start[:, None], ahead[1]], 1)

    path = (positions[vertex] * share[..., None]).sum(2)
    reach = np.concatenate([np.zeros((count, 1)), np.cumsum(np.linalg.norm(np.diff(path, axis=1), axis=2), 1)], 1)
    wanted = reach[:, -1:] * np.linspace(0, 1, points) * (1 - ragged * rng.random((count, 1)) ** 2)
    wanted[:, 0] -= overlap * rng.random(count)
    right = np.stack(
        [np.clip(np.searchsorted(r, np.maximum(w, 1e-9)), 1, len(r) - 1) for r, w in zip(reach, wanted, strict=True)]
    )
    rows = np.arange(count)[:, None]
    low, high = reach[rows, right - 1], reach[rows, right]
    t = np.where(high > low, (wanted - low) / np.maximum(high - low, 1e-12), 0.0)[..., None]
    shares = np.concatenate([share[rows, right - 1] * (1 - t), share[rows, right] * t], -1)
    empty = np.zeros((count, points), np.float32)
    points_of = np.concatenate([vertex[rows, right - 1], vertex[rows, right]], -1)
    return Strands(points_of, shares.astype(np.float32), empty, empty, empty)


def comb(
    bare: Strands,
    rng: np.random.Generator,
    *,
    radius: float,
    depth: tuple[float, float],
    root: float | NDArray[Any],
    stray: float,
    flipped: bool,
    rises: float = 0.12,
    thins: tuple[float, float] = (0.25, 0.15),
) -> Strands:
    """Give hairs body: thickness, a layer each within `depth`, roots sunk by `root` (of all, or [S]), waves of `stray`.

    In metres. rises: share of its length over which a hair comes up from its root. thins: the share of its length over which it
    tapers, and of its radius that is left at the tip. flipped: they grow towards low v. One hair in thirty strays three times
    as far as the others.
    """
    order = slice(None, None, -1 if flipped else 1)
    vertex, share = bare.vertex[:, order], bare.share[:, order]
    count, points = vertex.shape[:2]
    s = np.linspace(0, 1, points)
    rise = np.clip(s / rises, 0, 1)
    rise = rise * rise * (3 - 2 * rise)
    waves = stray * np.where(rng.random((count, 1, 1)) < 1 / 30, 3.0, 1.0) * rng.normal(size=(count, 1, 2))
    turns, phase = rng.uniform(1.0, 3.5, (count, 1, 1)), rng.uniform(0, 2 * np.pi, (count, 1, 2))
    wave = waves * np.sin(2 * np.pi * turns * s[:, None] + phase) * (0.15 + s[:, None])
    lift = rng.uniform(*depth, (count, 1)) * rise - np.reshape(root, (-1, 1)) * (1 - rise) + wave[..., 0]
    thick = radius * rng.uniform(0.75, 1.2, (count, 1)) * np.clip((1.04 - s) / thins[0], thins[1], 1)
    return Strands(vertex, share, lift.astype(np.float32), wave[..., 1].astype(np.float32), thick.astype(np.float32))


def sprout(positions: NDArray[Any], triangles: NDArray[Any], roots: NDArray[Any], lean: NDArray[Any], length: NDArray[Any],
           points: int, rng: np.random.Generator, *, radius: float, lift: float) -> Strands:  # fmt: skip
    """Short hairs that lie on skin: from `roots` [S, 2] (world x and y) by `length` [S] metres towards the angle `lean` [S].

    positions [V, 3] at rest and triangles [F, 3] of the skin about them, seen from the front; lean in radians from x to y.
    Points beyond the skin stay at its last triangle. They rise to `lift` metres in their middle.
    """
    s = np.linspace(0, 1, points)
    turned = lean[:, None] * (1 - 0.5 * s)  # they bend to the level
    step = np.stack([np.cos(turned), np.sin(turned)], -1) * (length / (points - 1))[:, None, None]
    at = roots[:, None] + np.concatenate([np.zeros((len(roots), 1, 2)), np.cumsum(step[:, :-1], 1)], 1)
    a, b, c = (positions[triangles[:, k], :2].astype(float) for k in range(3))
    double = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    q = at.reshape(-1, 1, 2)
    u = ((b[:, 0] - q[..., 0]) * (c[:, 1] - q[..., 1]) - (c[:, 0] - q[..., 0]) * (b[:, 1] - q[..., 1])) / double
    v = ((c[:, 0] - q[..., 0]) * (a[:, 1] - q[..., 1]) - (a[:, 0] - q[..., 0]) * (c[:, 1] - q[..., 1])) / double
    shares = np.stack([u, v, 1 - u - v], -1)
    best = shares.min(-1).argmax(1)
    own = np.clip(shares[np.arange(len(best)), best], 0, 1)
    own /= own.sum(1, keepdims=True)
    vertex = np.tile(triangles[best].reshape(*at.shape[:2], 3), 2)
    share = np.concatenate([own, np.zeros_like(own)], 1).reshape(*at.shape[:2], 6)
    count = len(roots)
    rise = -2e-4 + lift * rng.uniform(0.4, 1.2, (count, 1)) * np.sin(np.pi * np.clip(s, 0, 0.85))
    thick = radius * rng.uniform(0.75, 1.2, (count, 1)) * np.clip((1.04 - s) / 0.5, 0.2, 1)
    still = np.zeros((count, points), np.float32)
    return Strands(vertex.astype(np.int64), share.astype(np.float32), rise.astype(np.float32), still, thick.astype(np.float32))


def _unit(x: Floats) -> Floats:
    return np.asarray(x / np.sqrt((x * x).sum(-1, keepdims=True) + 1e-18))


def _neighbours(triangles: NDArray[Any]) -> Ints:
    """[F, 3] the triangle across the edge opposite to each corner, -1 where there is none."""
    count = len(triangles)
    edges = np.sort(np.stack([triangles[:, [1, 2]], triangles[:, [2, 0]], triangles[:, [0, 1]]], 1), -1).reshape(-1, 2)
    order = np.lexsort(edges.T)
    same = (edges[order[1:]] == edges[order[:-1]]).all(1)
    beside = np.full(3 * count, -1)
    beside[order[1:][same]] = order[:-1][same] // 3
    beside[order[:-1][same]] = order[1:][same] // 3
    return beside.reshape(count, 3)


def _rates(uv: NDArray[np.float64]) -> NDArray[np.float64]:
    """[F, 3] by how much the corners' shares change per unit of v at constant u; 0 for triangles without a texture area."""
    a, b, c = uv[:, 0], uv[:, 1], uv[:, 2]
    double = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    change = np.stack([c[:, 0] - b[:, 0], a[:, 0] - c[:, 0], b[:, 0] - a[:, 0]], 1)
    solid = np.abs(double) > 1e-14
    return np.asarray(np.where(solid[:, None], change / np.where(solid, double, 1)[:, None], 0.0))


def _walk(
    triangles: NDArray[Any], beside: Ints, rate: NDArray[np.float64], at: Ints, share: NDArray[np.float64]
) -> tuple[Ints, NDArray[np.float64]]:
    """Vertices [N, steps, 3] and their shares, where the paths from `share` [N, 3] in the triangles `at` [N] cross edges.

    A path that has reached the mesh's edge stays there.
    """
    at, share = at.copy(), share.copy()
    alive = np.ones(len(at), bool)
    seen, shares = [], []
    for _ in range(256):
        d = rate[at]
        with np.errstate(divide="ignore", invalid="ignore"):
            time = np.where(d < -1e-12, -share / d, np.inf)
        time[~alive] = np.inf
        out = time.argmin(1)
        rows = np.arange(len(at))
        step = time[rows, out]
        alive &= np.isfinite(step)
        share = np.where(alive[:, None], np.clip(share + np.where(alive, step, 0)[:, None] * d, 0, 1), share)
        share[rows[alive], out[alive]] = 0
        share /= share.sum(1, keepdims=True)
        seen.append(triangles[at])
        shares.append(share)
        to = np.where(alive, beside[at, out], -1)
        alive = to >= 0
        if not alive.any():
            break
        match = triangles[to[alive]][:, :, None] == triangles[at[alive]][:, None, :]  # [n, new corner, old corner]
        share = share.copy()
        share[alive] = (match * share[alive][:, None, :]).sum(2)
        at = np.where(alive, to, at)
    return np.stack(seen, 1).astype(np.int64), np.stack(shares, 1)
