"""Teeth on a dental arch, gums and tongue. What is fixed to the jaw moves as one rigid piece."""

from __future__ import annotations

import numpy as np

from . import atlas
from .body import DM, JAW_ANGLE, Body, triangles
from .eyes import turn
from .part import Floats, Part
from .source import Source

# Crown widths in millimetres from the midline outwards (Wheeler's Dental Anatomy, means).
UPPER = (8.5, 6.5, 7.5, 7.0, 7.0, 10.0)
LOWER = (5.0, 5.5, 7.0, 7.0, 7.0, 11.0)
UPPER_HEIGHT = (10.0, 9.0, 9.8, 8.4, 7.8, 7.2)
LOWER_HEIGHT = (8.0, 8.2, 9.5, 8.2, 7.6, 7.0)


def jaw_shapes(body: Body, p: Floats) -> dict[str, Floats]:
    """Displacements of points fixed to the lower jaw."""
    r = p - body.hinge
    n = np.ones((len(p), 1))
    return {
        "jawOpen": r @ turn(0, np.degrees(JAW_ANGLE)).T - r + n * [0, 0, 0.001],
        "jawForward": n * [0, 0, 0.006],
        "jawLeft": n * [0.0065, 0, 0.002],
        "jawRight": n * [-0.0065, 0, 0.002],
    }


def arch(width: float, depth: float, s: Floats) -> tuple[Floats, Floats]:
    """Points [N, 2] (x, z) and outward normals on a half-ellipse arch at arc lengths `s` from the midline. Metres."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 801)
    curve = np.stack([width * np.sin(t), depth * (np.cos(t) - 1)], 1)
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))]
    length -= length[400]
    a = np.interp(s, length, t)
    p = np.stack([width * np.sin(a), depth * (np.cos(a) - 1)], -1)
    n = np.stack([depth * np.sin(a), width * np.cos(a)], -1)
    return p, n / np.linalg.norm(n, axis=-1, keepdims=True)


def teeth(body: Body, front: Floats, upper: bool) -> list[Part]:
    """One row of twelve rounded teeth and its gum. `front`: the middle of the incisors' edge."""
    widths, heights = (UPPER, UPPER_HEIGHT) if upper else (LOWER, LOWER_HEIGHT)
    size, down = 0.88e-3, -1.0 if upper else 1.0  # `down`: from the gum to the edge
    width, depth = (0.0238, 0.037) if upper else (0.0222, 0.035)
    p, f, uv = [], [], []
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(0, 1, 4), indexing="ij"), -1).reshape(-1, 2)
    quad = np.array([i * 4 + j for i in range(4) for j in range(3)])
    cells = np.stack([quad, quad + 4, quad + 5, quad + 1], 1)
    for side in (1, -1):
        start = 0.0
        for k, (w, h) in enumerate(zip(widths, heights, strict=True)):
            w, h = w * size, h * size
            middle, start = start + w / 2, start + w
            x, y = grid[:, 0], grid[:, 1]  # y: 0 at the gum, 1 at the edge
            # neighbours touch: no gap is seen through
            half = w * 0.498 * (0.92 + 0.08 * np.sin(np.pi * np.clip(y, 0, 1) * 0.62))
            q, n = arch(width, depth, side * middle + half * x)
            bulge = w * 0.16 * (1 - x**2) - 0.0011 * np.abs(x) ** 3 - 0.0022 * np.clip(y - 0.55, 0, 1) ** 2 * 3
            point = 0.10 if k == 2 else 0.03  # canines are pointed
            high = h * (y * (1 - point * x**2 * y)) + (0.0006 if k == 1 and upper else 0) * (1 - y)
            q = q + n * bulge[:, None]
            level = front[1] - down * h * (0.94 if k == 1 else 1.0) + down * high
            p.append(np.stack([front[0] + q[:, 0], level, front[2] + q[:, 1]], 1))
            across = 0.5 + 0.49 * side * (middle + 0.46 * w * x) / (sum(widths) * size)
            uv.append(np.stack([across, (0.02 if upper else 0.52) + 0.46 * y], 1))
            face = cells if down > 0 else cells[:, ::-1]
            f.append(face + len(grid) * (len(p) - 1))
    crown = Part("tooth", np.concatenate(p), atlas.place(np.concatenate(uv), atlas.TEETH), triangles(np.concatenate(f)))
    s = np.linspace(-1, 1, 25) * sum(widths) * size
    q, n = arch(width, depth, s)
    tall = np.interp(np.abs(s), np.cumsum(widths) * size, np.array(heights) * size)
    rows = []
    for lift, out in ((0.80, 0.0016), (0.98, 0.0022), (1.5, 0.0010), (1.6, -0.012)):
        rows.append(
            np.stack([front[0] + q[:, 0] + n[:, 0] * out, front[1] - down * tall * lift, front[2] + q[:, 1] + n[:, 1] * out], 1)
        )
    a = np.arange(24)
    cells = np.concatenate(
        [np.stack([r * 25 + a, r * 25 + a + 1, (r + 1) * 25 + a + 1, (r + 1) * 25 + a], 1) for r in range(3)]
    )
    flat = np.concatenate([np.stack([np.linspace(0.05, 0.95, 25), np.full(25, y)], 1) for y in (0.05, 0.3, 0.7, 0.95)])
    gum = Part("gum", np.concatenate(rows), atlas.place(flat, atlas.GUM), triangles(cells if upper else cells[:, ::-1]))
    for part in (crown, gum):
        part.shapes = {} if upper else jaw_shapes(body, part.positions)
    return [crown, gum]


def tongue(body: Body, source: Source) -> Part:
    """The base mesh's tongue, carried by the jaw."""
    quads, quv = (x[source.faces("helper-tongue")] for x in (source.quads, source.quad_uv))
    used, local = np.unique(quads, return_inverse=True)
    flat = np.zeros((len(used), 2))
    flat[local.ravel()] = source.uv[quv.ravel()]
    p = body.base[used]
    top = p.max(0)
    top[0] = 0
    p = (p - top) * [0.86, 0.55, 0.90] + top - [0, 0.0150, 0.0095]  # below the upper teeth's edges, behind the lower ones
    shapes = jaw_shapes(body, p)
    back = np.clip((p[:, 2:] - p[:, 2].min()) / np.ptp(p[:, 2]), 0, 1)
    shapes = {k: d * (0.75 + 0.25 * back) for k, d in shapes.items()}
    shapes["tongueOut"] = source.faceunit("tongueOut")[used] * DM * 1.3
    return Part(
        "tongue",
        p,
        atlas.place((flat - flat.min(0)) / np.ptp(flat, axis=0), atlas.TONGUE),
        triangles(local.reshape(quads.shape)),
        shapes,
    )
