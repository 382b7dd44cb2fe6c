"""Skin: head, neck and shoulders of the base mesh, cut at the chest, with the 52 shapes made to fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import scipy.sparse.csgraph as csgraph

from ...types import ARKIT
from . import atlas
from .identity import Identity
from .part import Floats, Ints, Part
from .source import Source

DM = 0.1  # the wheel's unit in metres
HINGE = np.array([0.0, -0.028, 0.052])  # the jaw's axis, from the middle of the eyes but z from the world's: metres
EYE_Y, EYE_Z = 6.5926, 1.1054  # where the eyes of the default avatar are, in the wheel's unit
JAW_ANGLE = 0.36  # radians at jawOpen 1; fits the chin's displacement
PAIRED = ("mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch", "mouthPress")
SEALED = (
    *(
        "mouthRollLower",
        "mouthRollUpper",
        "mouthPucker",
        "mouthLeft",
        "mouthRight",
        "mouthShrugLower",
        "mouthShrugUpper",
        "cheekPuff",
    ),
    *(name + side for name in PAIRED for side in ("Left", "Right")),
)


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """The skin part and what the other parts need to know about it. Metres."""

    part: Part
    source_vertex: Ints  # [V] vertex of the base mesh
    lip_ring: Floats  # [V] edges away from where the lips meet the cavity; 0 at that border, 99 in and beyond
    lid_ring: Floats  # [V] edges away from where lids meet the sockets
    upper: Floats  # [V] 1 above the line of the lips, 0 below
    eyes: dict[str, Floats]  # "l", "r" -> centre
    eye_radius: float
    base: Floats  # [N, 3] the whole base mesh, morphed
    hinge: Floats


def triangles(quads: Ints) -> Ints:
    """Quads [Q, 4] split along the diagonal; doubled corners give one triangle."""
    t = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return np.asarray(t[(t[:, 0] != t[:, 1]) & (t[:, 1] != t[:, 2]) & (t[:, 0] != t[:, 2])])


def islands(faces: Ints) -> Ints:
    """Connected component of each face, numbered by size, the largest first."""
    n = int(faces.max()) + 1
    pair = faces[:, [0, 1, 1, 2, 2, 3, 3, 0]].reshape(-1, 2)
    graph = sparse.coo_matrix((np.ones(len(pair)), (pair[:, 0], pair[:, 1])), (n, n))
    label = csgraph.connected_components(graph, directed=False)[1][faces[:, 0]]
    names, count = np.unique(label, return_counts=True)
    rank = np.empty(label.max() + 1, int)
    rank[names[np.argsort(-count, kind="stable")]] = np.arange(len(names))
    return np.asarray(rank[label])


def smoothstep(a: float, b: float, x: Floats) -> Floats:
    t = np.clip((x - a) / (b - a), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def rings(quads: Ints, seeds: Ints, count: int, most: int) -> Floats:
    """Edges between each of `count` vertices and the nearest of `seeds`, up to `most`; 99 beyond."""
    pair = quads[:, [0, 1, 1, 2, 2, 3, 3, 0]].reshape(-1, 2)
    ring = np.full(count, 99.0)
    ring[seeds] = 0
    for k in range(most):
        at = ring[pair] == k
        near = np.concatenate([pair[at[:, 0], 1], pair[at[:, 1], 0]])
        ring[near] = np.minimum(ring[near], k + 1)
    return ring


def build(source: Source, who: Identity) -> Body:
    v = source.morphed(who.phenotype.targets)
    there = v[np.unique(source.quads[source.faces("helper-l-eye", "helper-r-eye")])].mean(0)
    v += np.round([0, EYE_Y - there[1], EYE_Z - there[2]], 3)  # what is painted and cut by place finds its place
    shapes = {name: source.faceunit(name) for name in ARKIT}
    centre = v[source.quads].mean(1)
    keep = source.faces("body") & (centre[:, 1] > 3.75) & (np.abs(centre[:, 0]) < 2.35)
    quads, quad_uv = source.quads[keep], source.quad_uv[keep]
    island = islands(quad_uv)  # 0 head, 1 torso, 2 mouth cavity, 3 and 4 sockets
    head, cavity = quads[island == 0], quads[island == 2]
    sockets = quads[island >= 3]
    lips = rings(head, np.intersect1d(head, cavity), len(v), 16)
    lids = rings(head, np.intersect1d(head, sockets), len(v), 12)
    eyes = {k: v[np.unique(source.quads[source.faces(f"helper-{k}-eye")])].mean(0) for k in "lr"}

    upper = _seal_lips(v, shapes, head, lips)
    _strengthen(v, shapes, lips, upper, eyes)

    uv = np.zeros((len(source.uv), 2))
    h, ht = triangles(quads[island == 0]), triangles(quad_uv[island == 0])
    used, local = np.unique(ht, return_inverse=True)
    spot = np.zeros(len(source.uv), int)
    spot[ht.ravel()] = h.ravel()
    c = v[h].mean(1)
    eye = (eyes["l"] + eyes["r"]) / 2
    front = (
        smoothstep(0.15, 0.75, c[:, 2])
        * smoothstep(0.78, 0.5, np.abs(c[:, 0]))
        * smoothstep(eye[1] + 1.0, eye[1] + 0.5, c[:, 1])
    )
    # the lips' and lids' inner rings curl in: at full size they would cover each other across the openings
    tuck = np.interp(lips[h].mean(1), [0, 2, 4, 7, 10, 13], [0.05, 0.07, 0.20, 0.5, 0.85, 1.1]) * np.interp(
        lids[h].mean(1), [0, 1, 2, 3, 5, 8], [0.12, 0.22, 0.4, 0.65, 1, 1]
    )
    flat = atlas.unwrap(v[spot[used]], local.reshape(ht.shape), source.uv[used], (0.38 + 0.62 * front) * tuck)
    uv[used] = atlas.fit(_upright(flat, v[spot[used]]), atlas.HEAD)
    for k, box in ((1, atlas.TORSO), (2, atlas.CAVITY), (3, atlas.SOCKET), (4, atlas.SOCKET)):
        used = np.unique(quad_uv[island == k])
        uv[used] = atlas.fit(source.uv[used] * [1, -1], box)

    # the back half of the sockets is never seen
    back = (island >= 3) & (v[quads].mean(1)[:, 2] < eye[2] + 0.02)
    f, ft = triangles(quads[~back]), triangles(quad_uv[~back])
    pairs, tri = np.unique(f * len(source.uv) + ft, return_inverse=True)
    vertex, texel = pairs // len(source.uv), pairs % len(source.uv)
    first = np.full(len(v), len(v))
    np.minimum.at(first, vertex, np.arange(len(vertex)))
    part = Part(
        "skin",
        v[vertex] * DM,
        uv[texel],
        tri.reshape(f.shape),
        {name: d[vertex] * DM for name, d in shapes.items()},
        first[vertex],
        smoothstep(
            eye[1] - 1.85, eye[1] - 0.95, v[vertex, 1] + 0.25 * (v[vertex, 2] < 0) * smoothstep(0.0, -0.4, v[vertex, 2])
        ),
    )
    ball = v[np.unique(source.quads[source.faces("helper-l-eye")])] - eyes["l"]
    radius = float(np.median(np.linalg.norm(ball, axis=1))) * DM * 0.955  # the base's eyeball reaches into the lids
    eyes = {k: p * DM for k, p in eyes.items()}
    hinge = np.array([0, eye[1] * DM, 0]) + HINGE
    return Body(part, vertex, lips[vertex], lids[vertex], upper[vertex], eyes, radius, v * DM, hinge)


def _upright(flat: Floats, v: Floats) -> Floats:
    """Turn a flattening so that the head's up is the image's up and its left (+x) the image's right, as seen from the front."""
    face = v[:, 2] > np.quantile(v[:, 2], 0.6)
    x, y = flat[face] - flat[face].mean(0), v[face][:, :2] - v[face][:, :2].mean(0)
    u, _, w = np.linalg.svd(x.T @ (y * [1, -1]))
    return np.asarray(flat @ (u @ w))


def _seal_lips(v: Floats, shapes: dict[str, Floats], head: Ints, lips: Floats) -> Floats:
    """Bring the lips' inner rings together at rest, and when the jaw is open under a closed mouth. Returns `upper` [V]."""
    upper = np.zeros(len(v))
    border = lips <= 2
    corner = np.abs(v[border][:, 0]).max()
    line = np.polynomial.Polynomial.fit(v[border][:, 0] ** 2, v[border][:, 1], 3)
    ids = np.flatnonzero(lips < 17)
    upper[ids] = v[ids, 1] > line(np.minimum(v[ids, 0] ** 2, corner**2))
    # the two curves of each ring, as functions of x; they meet in the curve between them
    for k in (0, 1, 2):
        at = np.flatnonzero(lips == k)
        order = at[np.argsort(v[at, 0])]
        up, low = order[upper[order] == 1], order[upper[order] == 0]
        if len(up) < 3 or len(low) < 3:
            continue
        for mine, other in ((up, low), (low, up)):
            there = np.interp(v[mine, 0], v[other, 0], v[other, 1])
            away = v[mine, 1] - there
            side = 1 if mine is up else -1
            gap = (-0.006, -0.011, -0.002)[k]  # they overlap a little: no crack shows the teeth
            v[mine, 1] -= np.where(side * away > gap, (away - side * gap) / 2, 0)
    close, jaw = shapes["mouthClose"], shapes["jawOpen"]
    inner = np.flatnonzero(lips <= 3)
    up, low = (inner[upper[inner] == s] for s in (1, 0))
    total = close + jaw
    for mine, other in ((up, low), (low, up)):
        order = other[np.argsort(v[other, 0])]
        for axis in range(3):
            there = np.interp(v[mine, 0], v[order, 0], total[order, axis])
            close[mine, axis] += (there - total[mine, axis]) / 2
    # a closed mouth stays closed in shapes that are no opening: what they part is brought together again
    fade = np.interp(lips, [2, 6], [1, 0])
    moving = np.flatnonzero(lips <= 6)
    rim = np.flatnonzero(lips <= 1)
    for name in SEALED:
        d = shapes[name]
        up, low = (rim[upper[rim] == s] for s in (1, 0))
        up, low = (x[np.argsort(v[x, 0])] for x in (up, low))
        x = v[moving, 0]
        parted = np.interp(x, v[up, 0], d[up, 1]) - np.interp(x, v[low, 0], d[low, 1])
        d[moving, 1] -= np.where(upper[moving] == 1, 0.5, -0.5) * np.maximum(parted, 0) * fade[moving]
    return upper


def _strengthen(v: Floats, shapes: dict[str, Floats], lips: Floats, upper: Floats, eyes: dict[str, Floats]) -> None:
    """Make the shapes that look weak stronger, and turn the lids with the eyes."""
    shapes["cheekPuff"] *= 1.2
    shapes["mouthFunnel"] *= 0.8
    for side in ("Left", "Right"):  # pressed lips are no smile: their corners stay
        shapes["mouthPress" + side][:, 1] *= 0.55
    for name in ("mouthPucker", "browInnerUp"):
        shapes[name] *= 1.25
    for name in ("mouthRollLower", "mouthRollUpper"):  # rolled lips lie on the teeth, not behind them
        shapes[name][:, 2] = np.maximum(shapes[name][:, 2], -0.042 + 0.03 * smoothstep(0.05, 0.18, np.abs(v[:, 0])))
    for side, twin in (("Left", "l"), ("Right", "r")):
        d = shapes["eyeBlink" + side]
        at = v - eyes[twin]
        # on its way down a lid moves along a chord through the eyeball: carry it over instead
        d[:, 2] += 0.10 * np.abs(np.minimum(d[:, 1], 0)) * (np.linalg.norm(at, axis=1) < 0.35)
