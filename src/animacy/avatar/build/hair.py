"""Hair to the shoulders with a side parting: a closed sheet of combed hair, and layers of cards with ragged ends over it.

Both follow one flow: rows of guide strands, given as waypoints from the parting over the side of the head down to the ends.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from . import atlas
from .body import Body, smoothstep, triangles
from .part import Floats, Ints, Part

VARIANTS = 8  # columns of the hair's texture; the last is closed, for the sheet
# Guide strands of one side, from the face to the back: millimetres (aside, above the eyes, world z), from parting to end.
GUIDES = np.array(
    [
        [
            (13, 60, 128),
            (40, 56, 120),
            (66, 30, 102),
            (73, -8, 92),
            (75, -58, 85),
            (79, -108, 80),
            (78, -150, 80),
            (72, -184, 82),
        ],
        [
            (13, 92, 96),
            (48, 86, 88),
            (79, 42, 68),
            (90, -10, 58),
            (95, -60, 50),
            (95, -110, 48),
            (90, -150, 50),
            (83, -186, 56),
        ],
        [
            (13, 108, 52),
            (52, 98, 46),
            (84, 44, 28),
            (97, -10, 16),
            (101, -60, 10),
            (101, -110, 8),
            (97, -150, 10),
            (90, -188, 14),
        ],
        [
            (13, 104, 4),
            (50, 90, -6),
            (78, 40, -24),
            (90, -10, -32),
            (94, -60, -36),
            (94, -110, -38),
            (88, -150, -40),
            (82, -190, -40),
        ],
        [
            (6, 88, -34),
            (28, 68, -50),
            (46, 24, -64),
            (52, -16, -70),
            (54, -62, -70),
            (54, -110, -68),
            (51, -150, -66),
            (48, -190, -64),
        ],
        [
            (0, 70, -54),
            (2, 48, -66),
            (4, 10, -76),
            (4, -24, -78),
            (4, -64, -75),
            (4, -110, -72),
            (4, -150, -68),
            (4, -190, -66),
        ],
    ],
    float,
)
PARTING = 13.0


class Flow:
    """Guide strands on one side (`side` 1 her left, -1 her right), kept `lift` metres off head, neck and shoulders."""

    def __init__(self, body: Body, side: int) -> None:
        skin = body.part
        self.side = side
        self.eye = float(body.eyes["l"][1])
        ear = (np.abs(skin.positions[:, 0]) > 0.066) & (np.abs(skin.positions[:, 1] - self.eye + 0.02) < 0.06)
        solid = (skin.positions[:, 1] > self.eye - 0.25) & ~ear
        self.tree = cKDTree(skin.positions[solid])
        self.points, self.normals = skin.positions[solid], skin.normals()[solid]
        g = GUIDES.copy() / 1000
        g[..., 0] *= side
        g[:-1, 0, 0] = (PARTING - 1.5 * side) / 1000  # both sides start at the parting, which lies on her left
        g[..., 1] += self.eye
        self.across = CubicSpline(np.linspace(0, 1, len(g)), g, axis=0)

    def strands(self, a: Floats, t: Floats, lift: Floats | float) -> Floats:
        """Points [A, T, 3] of the strands at `a` (0 face, 1 back) and `t` (0 parting, 1 ends)."""
        rows = self.across(a)
        p = CubicSpline(np.linspace(0, 1, rows.shape[1]), rows, axis=1)(t)
        fall = smoothstep(0.35, 0.75, np.asarray(t))[None, :] * np.ones((len(rows), 1))
        swing = np.sin(2 * np.pi * (2.3 * np.asarray(t)[None, :] + 0.9 * np.asarray(a)[:, None]))
        p[..., 0] += self.side * 0.0042 * fall * swing
        p[..., 2] += 0.0030 * fall * np.cos(2 * np.pi * (2.3 * np.asarray(t)[None, :] + 0.6 * np.asarray(a)[:, None]))
        shape = p.shape
        q = p.reshape(-1, 3)
        off = np.broadcast_to(np.asarray(lift), shape[:2]).ravel()[:, None]
        for _ in range(4):
            d, i = self.tree.query(q, k=6)
            w = 1 / (d + 1e-4)
            w /= w.sum(1, keepdims=True)
            n = (self.normals[i] * w[..., None]).sum(1)
            n /= np.linalg.norm(n, axis=1, keepdims=True) + 1e-9
            depth = ((q[:, None] - self.points[i]) * self.normals[i]).sum(2)
            depth = (depth * w).sum(1)[:, None]
            q = q + n * np.where(d[:, :1] < 0.03, np.clip(off - depth, 0, 0.02), 0)
            # on the scalp hair also lies down: what floats is drawn in
            top = smoothstep(self.eye + 0.0, self.eye + 0.05, q[:, 1])[:, None]
            q = q - n * np.clip(depth - off - 0.001, 0, 0.02) * top * 0.6
        # where hair hangs free, layers still lie one over the other
        axis = q - [0, 0, 0.005]
        axis[:, 1] = 0
        axis /= np.linalg.norm(axis, axis=1, keepdims=True) + 1e-9
        hang = np.broadcast_to(smoothstep(0.22, 0.45, np.asarray(t))[None, :], shape[:2]).reshape(-1, 1)
        q = q + axis * hang * np.clip(off - 0.008, 0, 0.02) * 0.8
        return np.asarray(q.reshape(shape))

    def line(self, a: Floats, t: Floats, lift: Floats) -> Floats:
        """Points [T, 3] of one path that drifts across the strands: at `a[i]`, `t[i]`, `lift[i]`."""
        return np.stack([self.strands(np.array([x]), np.array([y]), z)[0, 0] for x, y, z in zip(a, t, lift, strict=True)])


def grid_cells(rows: int, columns: int, flip: bool) -> Ints:
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (i * columns + j).ravel()
    cells = np.stack([a, a + 1, a + columns + 1, a + columns], 1)
    return cells[:, ::-1] if flip else cells


def along(p: Floats) -> Floats:
    d = np.gradient(p, axis=1)
    return np.asarray(d / (np.linalg.norm(d, axis=2, keepdims=True) + 1e-12))


def sheet(body: Body, side: int) -> Part:
    flow = Flow(body, side)
    rows, columns = 26, 20
    a = np.linspace(0.0, 1, rows) ** 0.9
    t = np.linspace(0, 0.97, columns)
    p = flow.strands(a, t, 0.0055 + 0.001 * np.sin(np.pi * np.clip(t * 1.6, 0, 1))[None] * np.ones((rows, 1)))
    u = np.tile((np.abs(np.linspace(0, 6, rows) % 2 - 1) * 0.9 + 0.05)[:, None], (1, columns))
    uv = np.stack([(VARIANTS - 1 + u) / VARIANTS, np.tile(t * 0.95 + 0.02, (rows, 1))], 2).reshape(-1, 2)
    flat = p.reshape(-1, 3)
    return Part(
        "hair",
        flat,
        atlas.place(uv, atlas.HAIR),
        triangles(grid_cells(rows, columns, side > 0)),
        follow=follow(flat, flow.eye),
        along=along(p).reshape(-1, 3),
    )


def cards(body: Body, side: int, seed: int) -> Part:
    """Ribbons in three layers; outer ones are narrower, lighter and more ragged."""
    rng = np.random.default_rng(seed + side)
    flow = Flow(body, side)
    columns = 12
    points, uvs, cells, tangents = [], [], [], []
    count = 0
    for layer, (number, lift, width) in enumerate(((26, 0.0095, 0.020), (30, 0.0115, 0.016), (26, 0.0135, 0.010))):
        for k in range(number):
            a = ((k + 0.5 + rng.uniform(-0.4, 0.4)) / number) ** 1.15
            start = rng.uniform(0, 0.012)
            end = rng.uniform(0.93, 1.0) if layer < 2 else rng.uniform(0.80, 1.0)
            t = np.linspace(start, end, columns)
            wave = 0.010 * np.sin(t * rng.uniform(3, 6) + rng.uniform(0, 6)) * t
            lifts = lift * (0.82 + 0.18 * np.clip(t * 5, 0, 1)) + rng.uniform(-0.0006, 0.0008) + 0.004 * t
            if layer == 2 and k % 3 == 0:  # strands that stray over the edge at the face
                a = rng.uniform(-0.004, 0.03)
            da = width / 0.40 * (0.75 + 0.25 * np.sin(np.pi * np.clip(t, 0, 1)))
            centre = np.clip(a + wave, 0.0, 0.995)
            left, right = (flow.line(np.clip(centre + s * da, -0.012, 1.0), t, lifts) for s in (-0.5, 0.5))
            p = np.stack([left, right])
            middle = along(((left + right) / 2)[None])[0]
            variant = rng.integers(0, 3) if layer == 0 else rng.integers(2, VARIANTS - 1)
            flipped = rng.random() < 0.5
            u = np.array([0.02, 0.98])[:: -1 if flipped else 1]
            uvs.append(
                np.stack(
                    [
                        np.repeat((variant + u)[:, None] / VARIANTS, columns, 1),
                        np.tile(np.linspace(0.01, 0.99, columns), (2, 1)),
                    ],
                    2,
                ).reshape(-1, 2)
            )
            points.append(p.reshape(-1, 3))
            tangents.append(np.concatenate([middle, middle]))
            cells.append(grid_cells(2, columns, side > 0) + count)
            count += 2 * columns
    p = np.concatenate(points)
    return Part(
        "strand",
        p,
        atlas.place(np.concatenate(uvs), atlas.HAIR),
        triangles(np.concatenate(cells)),
        follow=follow(p, flow.eye),
        along=np.concatenate(tangents),
    )


def follow(p: Floats, eye: float) -> Floats:
    """Long hair rests on the shoulders: its ends take only part of the head's turn."""
    return 0.45 + 0.55 * smoothstep(eye - 0.19, eye - 0.06, p[:, 1])
