"""Eyeballs that turn about their centres, and lashes that follow the lids."""

from __future__ import annotations

import numpy as np

from . import atlas
from .body import Body
from .part import Floats, Part

# Angles at weight 1, degrees.
OUT, IN, UP, DOWN = 28.0, 28.0, 22.0, 24.0


def turn(axis: int, degrees: float) -> Floats:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    m = np.eye(3)
    m[i, i], m[i, j], m[j, i], m[j, j] = c, -s, s, c
    return m


def eyeball(body: Body, twin: str) -> Part:
    """The front of a sphere with a cornea, 24 around and 13 from the pole (the pupil) back."""
    around, rows = 28, np.radians([0, 7, 13, 19, 25, 31, 38, 46, 55, 66, 80, 98])
    polar, phi = np.meshgrid(rows[1:], np.arange(around) * 2 * np.pi / around, indexing="ij")
    p = np.stack([np.sin(polar) * np.cos(phi), np.sin(polar) * np.sin(phi), np.cos(polar)], -1).reshape(-1, 3)
    p = np.concatenate([[[0.0, 0.0, 1.0]], p])
    angle = np.arccos(np.clip(p[:, 2], -1, 1))
    flat = p[:, :2] / np.maximum(np.linalg.norm(p[:, :2], axis=1, keepdims=True), 1e-9) * (angle / rows[-1])[:, None]
    uv = atlas.place(0.5 + flat * [0.49, -0.49], atlas.EYE)
    i = np.arange(around)
    j = (i + 1) % around
    f = [np.stack([0 * i, 1 + i, 1 + j], 1)]
    for r in range(len(rows) - 2):
        a, b, c, d = (1 + r * around + i), (1 + (r + 1) * around + i), (1 + (r + 1) * around + j), (1 + r * around + j)
        f += [np.stack([a, b, c], 1), np.stack([a, c, d], 1)]
    p = p * body.eye_radius
    side, out = ("Left", 1) if twin == "l" else ("Right", -1)
    angles = {"Out": (1, OUT * out), "In": (1, -IN * out), "Up": (0, -UP), "Down": (0, DOWN)}
    shapes = {f"eyeLook{k}{side}": p @ turn(*a).T - p for k, a in angles.items()}
    return Part("eye", p + body.eyes[twin], uv, np.concatenate(f), shapes)


def lashes(body: Body, twin: str, upper: bool, share: float = 1.0) -> Part:
    """A fringe along the lid's edge. Each vertex takes the displacement of the lid vertex it grows from. `share`: length."""
    eye = body.eyes[twin]
    skin = body.part
    near = np.linalg.norm(skin.positions - eye, axis=1) < 0.03
    rim = np.flatnonzero((body.lid_ring == 3) & near)
    at = skin.positions[rim] - eye
    ends = np.array([at[np.argmin(at[:, 0])], at[np.argmax(at[:, 0])]])
    line = np.interp(at[:, 0], ends[:, 0], ends[:, 1])
    rim = rim[(at[:, 1] > line - 1e-4) if upper else (at[:, 1] < line + 1e-4)]
    rim = rim[np.unique(np.round(skin.positions[rim, 0], 5), return_index=True)[1]]
    rim = rim[np.argsort(skin.positions[rim, 0] * (1 if twin == "l" else -1))]  # from the nose outwards
    root = skin.positions[rim]
    n = len(root)
    t = np.linspace(0, 1, n)[:, None]
    out = np.array([1.0 if twin == "l" else -1.0, 0, 0])
    length = share * (0.0062 if upper else 0.0032) * (0.16 + 0.84 * np.sin(np.pi * np.clip(t * 0.93 + 0.02, 0, 1)))
    lean = (root - eye) / np.linalg.norm(root - eye, axis=1, keepdims=True)
    up = np.array([0, 1.0 if upper else -1.0, 0])
    aim = lean * 0.95 + up * 0.25 + out * (0.75 * (t - 0.35))
    aim /= np.linalg.norm(aim, axis=1, keepdims=True)
    bend = aim * 0.55 + up * 0.75 + out * (0.5 * (t - 0.35))
    bend /= np.linalg.norm(bend, axis=1, keepdims=True)
    edge = root + lean * 0.0004 - up * (0.0007 if upper else 0.0) * np.sin(np.pi * t)  # faces ahead however the lid stands
    rows = [
        edge,
        root + lean * 0.0003 + up * (0.0001 if upper else 0.0),
        root + aim * length * 0.5,
        root + aim * length * 0.5 + bend * length * 0.5,
    ]
    p = np.concatenate(rows)
    uv = np.concatenate([np.concatenate([t, np.full_like(t, y)], 1) for y in (1.0, 0.94, 0.5, 0.0)])
    uv[:, 1] = uv[:, 1] * 0.48 + (0.01 if upper else 0.51)
    f = []
    for r in range(3):
        a = r * n + np.arange(n - 1)
        f += [np.stack([a, a + 1, a + n + 1], 1), np.stack([a, a + n + 1, a + n], 1)]
    source = np.tile(rim, 4)
    shapes = {k: d[source] for k, d in skin.shapes.items()}
    for side in ("Left", "Right"):  # closing turns the fringe downwards with the lid
        name = "eyeBlink" + side
        if upper and np.abs(shapes[name]).max() > 0.004:
            tip = np.concatenate([np.zeros((2 * n, 3)), rows[2] - rows[1], rows[3] - rows[1]])
            shapes[name] = shapes[name] + tip @ turn(0, 58).T - tip + np.tile(lean, (4, 1)) * 0.0008
            # where lashes are short their roots alone draw the line of a closed eye: they spread as far as a pixel needs
            shapes[name][:n] -= up * 0.0009 * (1 - share)
            shapes[name][n : 2 * n] += up * 0.0005 * (1 - share)
    return Part("lash", p, atlas.place(uv, atlas.LASH), np.concatenate(f), shapes, follow=np.ones(len(p)))
