"""Hair to the shoulders with a side parting: a closed sheet of combed hair, and layers of cards with ragged ends over it.

Both follow one flow: rows of guide strands, given as waypoints from the parting over the side of the head down to the ends.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from . import atlas
from .body import Body, smoothstep, triangles
from .identity import Hair
from .part import Floats, Ints, Part

VARIANTS = 8  # columns of the hair's texture, ...
CARDS = 5  # ... of which these are ragged, for cards; the others are one closed sheet


class Flow:
    """Combed hair of one side (`side` 1 her left, -1 her right): a smooth surface of strands over head, neck and shoulders."""

    def __init__(self, body: Body, hair: Hair, side: int, volume: float) -> None:
        skin = body.part
        self.volume = volume
        self.parting = hair.parting / 1000
        self.side = side
        self.eye = float(body.eyes["l"][1])
        ear = (np.abs(skin.positions[:, 0]) > 0.066) & (np.abs(skin.positions[:, 1] - self.eye + 0.02) < 0.06)
        solid = (skin.positions[:, 1] > self.eye - 0.25) & ~ear
        self.tree = cKDTree(skin.positions[solid])
        self.points, self.normals = skin.positions[solid], skin.normals()[solid]
        g = hair.guides / 1000
        g[..., 0] *= side
        g[:-1, 0, 0] = self.parting  # both sides start there
        g[..., 1] += self.eye
        self.a, self.t = np.linspace(-0.06, 1, 66), np.linspace(0, 1.03, 90)
        self.surface = self._comb(CubicSpline(np.linspace(0, 1, len(g)), g, axis=0)(self.a))
        normal = np.cross(np.gradient(self.surface, axis=0), np.gradient(self.surface, axis=1)) * -side
        self.out = normal / (np.linalg.norm(normal, axis=2, keepdims=True) + 1e-12)

    def _comb(self, rows: Floats) -> Floats:
        """The guides [A, W, 3] as strands [A, T, 3] that lie on head and shoulders."""
        a, t = self.a, self.t
        start = CubicSpline(np.linspace(0, 1, rows.shape[1]), rows, axis=1)(t)
        fall = smoothstep(0.35, 0.85, t)[None, :]
        start[..., 0] += self.side * 0.0075 * fall * np.sin(2 * np.pi * (1.9 * t[None, :] + 1.3 * a[:, None]))
        start[..., 2] += 0.0045 * fall * np.cos(2 * np.pi * (1.9 * t[None, :] + 2.1 * a[:, None]))
        q = start.reshape(-1, 3)
        # roots lie on the skin, at the parting and along the hairline; behind them hair stands up and makes the crown round
        root = (0.55 + 0.45 * smoothstep(0.0, 0.08, t))[None, :] * smoothstep(-0.03, 0.20, a)[:, None]
        stand, off = (self.volume * root).ravel(), lie(a, t).ravel()
        hug = np.repeat(smoothstep(0.16, 0.04, a), len(t))  # before the ear hair lies on the cheek
        for _ in range(5):
            d, depth, n = self._skin(q)
            dome = 1 + 0.35 * np.clip(1 - (q[:, 0] / 0.075) ** 2, 0, 1)
            goal = off + stand * dome * smoothstep(self.eye - 0.05, self.eye + 0.04, q[:, 1])
            # on the scalp hair also lies down: what floats is drawn in
            top = smoothstep(-0.02, 0.09, q[:, 1] - self.eye + 0.055 * hug)
            move = np.clip(goal - depth, 0, 0.02) - np.clip(depth - goal - 0.001, 0, 0.02) * top * 0.5
            q = q + n * (move * smoothstep(0.05, 0.03, d))[:, None]
        q = start + gaussian_filter(q.reshape(start.shape) - start, (1.5, 3.0, 0), mode="nearest")
        d, depth, n = self._skin(q.reshape(-1, 3))
        q = q + (n * (np.clip(off - depth, 0, 0.01) * (d < 0.012))[:, None]).reshape(q.shape)
        q = gaussian_filter(q, (0.7, 1.0, 0), mode="nearest")
        meet = (self.parting - 0.0004 * self.side - q[:, :1, 0]) * smoothstep(0.16, 0.0, t)[None, :]
        q[..., 0] += meet * smoothstep(0.95, 0.75, a)[:, None]
        return np.asarray(q)

    def _skin(self, q: Floats) -> tuple[Floats, Floats, Floats]:
        """Of points [N, 3]: how far the skin is, how far they are outside of it, and its normal there."""
        d, i = self.tree.query(q, k=6)
        w = 1 / (d + 1e-4)
        w /= w.sum(1, keepdims=True)
        n = (self.normals[i] * w[..., None]).sum(1)
        n /= np.linalg.norm(n, axis=1, keepdims=True) + 1e-9
        return d[:, 0], (((q[:, None] - self.points[i]) * self.normals[i]).sum(2) * w).sum(1), n

    def line(self, a: Floats, t: Floats, lift: Floats) -> Floats:
        """Points [N, 3] at `a` (0 face, 1 back) and `t` (0 parting, 1 ends), `lift` metres over the combed surface."""
        at = [np.interp(a, self.a, np.arange(len(self.a))), np.interp(t, self.t, np.arange(len(self.t)))]
        p, n = (
            np.stack([map_coordinates(x[..., k], at, order=1, mode="nearest") for k in range(3)], 1)
            for x in (self.surface, self.out)
        )
        return np.asarray(p + n * np.asarray(lift)[:, None])


def grid_cells(rows: int, columns: int, flip: bool) -> Ints:
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (i * columns + j).ravel()
    cells = np.stack([a, a + 1, a + columns + 1, a + columns], 1)
    return cells[:, ::-1] if flip else cells


def along(p: Floats) -> Floats:
    d = np.gradient(p, axis=1)
    return np.asarray(d / (np.linalg.norm(d, axis=2, keepdims=True) + 1e-12))


def lie(a: Floats, t: Floats) -> Floats:
    """How far the sheet is off the skin [A, T]: it thins out towards the hairline and thickens over the shoulders."""
    edge = smoothstep(-0.02, 0.10, np.asarray(a))[:, None]
    return 0.0022 + 0.0040 * edge + 0.006 * smoothstep(0.6, 0.85, np.asarray(t))[None, :]


def sheet(body: Body, hair: Hair, side: int, bare: bool = False) -> Part:
    """The closed surface of combed hair; a `bare` one shows where on the skin hair grows."""
    flow = Flow(body, hair, side, 0.0 if bare else hair.volume / 1000)
    rows, columns = 33, 30
    a = np.linspace(0.0, 1, rows) ** 1.1
    t = np.linspace(0, 1, columns) ** 1.15
    ends = 0.955 + 0.022 * np.sin(17 * a + side) + 0.015 * np.sin(41 * a + 2 * side)
    p = np.stack([flow.line(np.full(columns, x), t * end, 0 * t) for x, end in zip(a, ends, strict=True)])
    u = np.tile((1 - np.abs(np.linspace(0, 2, rows) - 1))[:, None] * 0.96 + 0.02, (1, columns))
    uv = np.stack([(CARDS + (VARIANTS - CARDS) * u) / VARIANTS, np.tile(t * 0.95 + 0.02, (rows, 1))], 2).reshape(-1, 2)
    flat = p.reshape(-1, 3)
    return Part(
        "hair",
        flat,
        atlas.place(uv, atlas.HAIR),
        triangles(grid_cells(rows, columns, side > 0)),
        follow=follow(flat, flow.eye),
        along=along(p).reshape(-1, 3),
    )


def cards(body: Body, hair: Hair, side: int, seed: int) -> Part:
    """Ribbons over the sheet: along the hairline from the root on, elsewhere where hair hangs; their ends are ragged."""
    rng = np.random.default_rng(seed + side)
    flow = Flow(body, hair, side, hair.volume / 1000)
    points, uvs, cells, tangents = [], [], [], []
    count = 0
    # number, from and to across the head, where they start, columns, off the sheet, width
    layers = (
        (18, 0.00, 0.85, 0.30, 10, 0.0022, 0.034),
        (14, 0.00, 0.55, 0.36, 10, 0.0042, 0.022),
        (5, -0.012, 0.06, 0.20, 14, 0.0016, 0.015),
        (2, -0.030, 0.005, 0.20, 14, 0.0045, 0.007),
    )
    for layer, (number, first, last, start, columns, lift, width) in enumerate(layers):
        for k in range(number):
            a = first + (last - first) * (k + rng.uniform(0.2, 0.8)) / number
            t = np.linspace(
                start + rng.uniform(-0.02, 0.04), rng.uniform(0.93, 1.01) if layer < 3 else rng.uniform(0.7, 0.85), columns
            )
            centre = a + 0.012 * np.sin(t * rng.uniform(3, 6) + rng.uniform(0, 6)) * t
            da = width / 0.40 * (0.8 + 0.2 * np.sin(np.pi * np.clip(t, 0, 1)))
            lifts = lift * (0.35 + 0.65 * smoothstep(0, 0.15, t - t[0])) + rng.uniform(-0.0002, 0.0006)
            left, right = (flow.line(np.clip(centre + s * da, -0.045, 1.0), t, lifts) for s in (-0.5, 0.5))
            p = np.stack([left, right])
            middle = along(((left + right) / 2)[None])[0]
            variant = rng.integers(0, 3) if layer == 0 else rng.integers(1, CARDS)
            u = np.array([0.02, 0.98])[:: -1 if rng.random() < 0.5 else 1]
            down = np.tile(np.linspace(0.01, 0.99, columns), (2, 1))
            uvs.append(np.stack([np.repeat((variant + u)[:, None] / VARIANTS, columns, 1), down], 2).reshape(-1, 2))
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
    return 0.60 + 0.40 * smoothstep(eye - 0.16, eye - 0.06, p[:, 1])


def grows(body: Body, hair: Hair) -> Floats:
    """How much hair grows at each vertex of the skin [V], 0..1."""
    p = body.part.positions
    eye = float(body.eyes["l"][1])
    roots = np.concatenate([sheet(body, hair, side, bare=True).positions for side in (1, -1)])
    return smoothstep(0.0095, 0.0055, cKDTree(roots).query(p)[0]) * smoothstep(eye - 0.03, eye + 0.01, p[:, 1])
