"""Short hair, combed back from the forehead: rows of closed sheets that overlap like shingles, and cards with ragged ends.

All follow one flow over the scalp: guide strands from the forehead's hairline to the neck, those of one side mirrored. A row is
as long as a hair is, so that what grows along it from root to tip is short.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from . import atlas
from .body import Body, smoothstep, triangles
from .hair import CARDS, VARIANTS, along, grid_cells
from .identity import Hair
from .part import Floats, Ints, Part

ROWS, COLUMNS = 49, 5  # of a sheet: across the head, along a hair
OVERLAP = 1.5  # how long a hair is, in distances between two rows of roots
COMBED = np.array([0, -0.35, -0.70])  # added to the direction of a sideburn's hair, which would shine where it stands upright


class Scalp:
    """The skin under the hair, by `a` (-1 his right ear, 0 the middle, 1 his left ear) and `t` (0 forehead, 1 neck)."""

    def __init__(self, body: Body, hair: Hair) -> None:
        skin = body.part
        eye = float(body.eyes["l"][1])
        p = skin.positions
        level = p[:, 1] - eye
        ear = (np.abs(p[:, 0]) > 0.069) & (level > -0.056) & (level < 0.013) & (p[:, 2] > -0.004) & (p[:, 2] < 0.046)
        solid = (level > -0.12) & ~ear
        self.tree, self.points, self.normals = cKDTree(p[solid]), p[solid], skin.normals()[solid]
        assert skin.follow is not None
        self.follows = skin.follow[solid]
        self.hair = hair
        g = hair.guides / 1000 + [0, eye, 0]
        g = np.concatenate([g[:0:-1] * [-1, 1, 1], g])
        self.a, self.t = np.linspace(-1.06, 1.06, 121), np.linspace(-0.05, 1.03, 90)
        q = CubicSpline(np.linspace(-1, 1, len(g)), g, axis=0)(self.a)
        q = CubicSpline(np.linspace(0, 1, q.shape[1]), q, axis=1)(self.t)
        for _ in range(6):
            depth, n = self._skin(q.reshape(-1, 3))
            q = gaussian_filter(q - (n * depth[:, None]).reshape(q.shape) * 0.8, (1.2, 1.2, 0), mode="nearest")
        self.surface = q
        out = np.cross(np.gradient(q, axis=0), np.gradient(q, axis=1))
        out = gaussian_filter(out / (np.linalg.norm(out, axis=2, keepdims=True) + 1e-12), (3, 3, 0), mode="nearest")
        self.out = out / (np.linalg.norm(out, axis=2, keepdims=True) + 1e-12)

    def _skin(self, q: Floats) -> tuple[Floats, Floats]:
        """How far points [N, 3] are outside of the skin, and its normal there."""
        d, i = self.tree.query(q, k=8)
        w = 1 / (d + 2e-3)
        w /= w.sum(1, keepdims=True)
        n = (self.normals[i] * w[..., None]).sum(1)
        n /= np.linalg.norm(n, axis=1, keepdims=True) + 1e-9
        return (((q[:, None] - self.points[i]) * self.normals[i]).sum(2) * w).sum(1), n

    def at(self, a: Floats, t: Floats, lift: Floats) -> Floats:
        """Points [N, 3] `lift` metres over the skin."""
        where = [np.interp(a, self.a, np.arange(len(self.a))), np.interp(t, self.t, np.arange(len(self.t)))]
        p, n = (
            np.stack([map_coordinates(x[..., k], where, order=1, mode="nearest") for k in range(3)], 1)
            for x in (self.surface, self.out)
        )
        return np.asarray(p + n * lift[:, None])

    def thick(self, a: Floats, t: Floats) -> Floats:
        """How thick hair lies: full on top behind the forehead, thin about the ears and in the neck. Metres."""
        top = smoothstep(0.70, 0.22, np.abs(a))
        full = smoothstep(0.0, 0.13, t) * (1 - 0.62 * smoothstep(0.30, 0.70, t)) * smoothstep(1.0, 0.72, t)
        lean = 1 + 0.35 * self.hair.sweep * np.sin(np.pi * np.clip(-a, -1, 1))  # what is combed over lies higher there
        edge = smoothstep(1.04, 0.86, np.abs(a)) * smoothstep(-0.02, 0.06, t) * smoothstep(1.02, 0.90, t)
        return np.asarray(0.0012 + (self.hair.sides * edge + self.hair.volume * top * full * lean) / 1000)

    def swept(self, a: Floats, t: Floats, since: Floats) -> Floats:
        """`a` at `t` of a hair whose root is at `a` and `since`: on top hair runs to the side as it runs back."""
        top = smoothstep(0.85, 0.25, np.abs(a)) * smoothstep(0.85, 0.45, t)
        return np.asarray(a - 1.1 * self.hair.sweep * (t - since) * top)

    def follow(self, p: Floats) -> Floats:
        return np.asarray(self.follows[self.tree.query(p)[1]])


def sheets(body: Body, hair: Hair, seed: int) -> list[Part]:
    """The closed rows of hair, from the forehead back."""
    scalp = Scalp(body, hair)
    step = 1 / hair.layers
    a = np.linspace(-1, 1, ROWS)
    s = np.linspace(0, 1, COLUMNS)
    rng = np.random.default_rng(seed)
    made = []
    for k in range(hair.layers):
        lock = 0.5 + 0.5 * np.sin(29 * a + 2.1 * k) * np.sin(13 * a + 1.3 * k * k)
        length = step * OVERLAP * (0.80 + 0.20 * lock)
        root = k * step + 0 * a
        t = np.minimum(root[:, None] + length[:, None] * s, 1.0)
        across = scalp.swept(np.repeat(a[:, None], COLUMNS, 1), t, root[:, None])
        rise = 0.30 + 0.70 * s**0.4 if k else 0.85 + 0.15 * s
        lift = scalp.thick(across, t) * (rise + 0.10 * (lock[:, None] - 0.5) * s)
        if k == 0:  # the foremost row comes out of the skin: no edge stands off the forehead
            lift[:, 0] = -0.0012 - 0.0010 * np.sin(61 * a) * np.sin(17 * a + 2)
        p = scalp.at(across.ravel(), t.ravel(), lift.ravel())
        # locks lean differently, so that their highlights do not make one band
        run = along(p.reshape(ROWS, COLUMNS, 3)) + rng.normal(0, 0.10, (ROWS, 1, 1)) * up(p.reshape(ROWS, COLUMNS, 3))
        run += sideburn(across, root[:, None])[..., None] * COMBED
        u = 1 - np.abs((a * 1.3 + 0.37 * k) % 2 - 1)
        u = np.repeat((CARDS + (VARIANTS - CARDS) * (0.02 + 0.96 * u))[:, None] / VARIANTS, COLUMNS, 1)
        uv = np.stack([u, np.tile(0.02 + 0.95 * s, (ROWS, 1))], 2).reshape(-1, 2)
        made.append(
            Part(
                "hair",
                p,
                atlas.place(uv, atlas.HAIR),
                triangles(grid_cells(ROWS, COLUMNS, True)),
                follow=scalp.follow(p),
                along=run.reshape(-1, 3),
            )
        )
    return made


def sideburn(a: Floats, root: Floats) -> Floats:
    """How much hair at `a` with its root at `root` belongs to a sideburn, 0..1."""
    return smoothstep(0.55, 0.80, np.abs(a)) * smoothstep(0.14, 0.06, root)


def up(p: Floats) -> Floats:
    """Unit normals of a grid [R, C, 3] of rows across the head and columns along the hair."""
    n = np.cross(np.gradient(p, axis=0), np.gradient(p, axis=1))
    return np.asarray(n / (np.linalg.norm(n, axis=2, keepdims=True) + 1e-12))


def cards(body: Body, hair: Hair, seed: int) -> list[Part]:
    """Ribbons over the sheets: fine ones along the hairline, broader ones where the rows end."""
    rng = np.random.default_rng(seed)
    scalp = Scalp(body, hair)
    length = OVERLAP / hair.layers
    columns = 4
    points: list[Floats] = []
    uvs: list[Floats] = []
    cells: list[Ints] = []
    tangents: list[Floats] = []

    def ribbon(a: float, root: float, long: float, wide: float, low: float, high: float, fine: bool = False) -> None:
        s = np.linspace(0, 1, columns)
        t = root + long * s
        middle = scalp.swept(np.full(columns, a), t, np.full(columns, root)) + rng.normal(0, 0.012) * s
        half = wide / 0.26 * (1 - 0.35 * s)
        lift = scalp.thick(middle, t) * (low + (high - low) * s**0.3) + 0.0004 + 0.0006 * s
        left, right = (scalp.at(np.clip(middle + x * half, -1.06, 1.06), t, lift) for x in (-1, 1))
        variant = 1 if fine else rng.integers(0, CARDS)
        first = 0.16 if variant == 0 else 0.02  # beside the first column lies no hair: coarse levels of the texture mix it in
        u = (variant + np.array([first, 0.98])[:: -1 if rng.random() < 0.5 else 1]) / VARIANTS
        uvs.append(
            np.stack(
                [np.repeat(u[:, None], columns, 1), np.tile(np.linspace(0.24 if fine else 0.01, 0.99, columns), (2, 1))], 2
            ).reshape(-1, 2)
        )
        run = along(((left + right) / 2)[None])[0]
        run = run + rng.normal(0, 0.10) * up(np.stack([left, right]))[0]
        run = run + sideburn(middle, np.full(columns, root))[:, None] * COMBED
        tangents.append(np.concatenate([run, run]))
        cells.append(grid_cells(2, columns, True) + 2 * columns * len(points))
        points.append(np.concatenate([left, right]))

    for a in np.linspace(-1.0, 1.0, 130):  # the hairline, from the skin up
        ribbon(a + rng.normal(0, 0.006), rng.uniform(-0.030, 0.004), length * rng.uniform(0.6, 0.9), 0.0045, 0.25, 1.05)
    for k in range(hair.layers):
        for a in np.linspace(-0.98, 0.98, 54):
            at = k / hair.layers + rng.uniform(0.02, 0.7) * length
            if at + length < 1.04:
                ribbon(a + rng.normal(0, 0.02), at, length * rng.uniform(0.8, 1.2), 0.0065, 0.6, rng.uniform(1.0, 1.08))
    for _ in range(230):  # single strands before the hairline, thicker and thinner in places
        a = rng.uniform(-1.0, 1.0)
        before = 0.018 + 0.020 * (0.5 + 0.5 * np.sin(23 * a) * np.sin(9 * a + 1))
        ribbon(a, -before * rng.uniform(0.1, 1.0), length * rng.uniform(0.25, 0.6), rng.uniform(0.0009, 0.0018), 0.4, 1.1, True)
    p = np.concatenate(points)
    return [
        Part(
            "strand",
            p,
            atlas.place(np.concatenate(uvs), atlas.HAIR),
            triangles(np.concatenate(cells)),
            follow=scalp.follow(p),
            along=np.concatenate(tangents),
        )
    ]


def grows(body: Body, hair: Hair) -> Floats:
    """How much hair grows at each vertex of the skin [V], 0..1."""
    scalp = Scalp(body, hair)
    a, t = np.meshgrid(np.linspace(-0.98, 0.98, 150), np.linspace(0.01, 0.97, 90), indexing="ij")
    near = cKDTree(scalp.at(a.ravel(), t.ravel(), 0 * a.ravel())).query(body.part.positions)[0]
    return smoothstep(0.012, 0.001, near)
