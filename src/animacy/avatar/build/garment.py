"""A knitted top: a smoothed shell about the shoulders, with a rolled collar along its neckline."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse

from . import atlas
from .body import Body, smoothstep, triangles
from .identity import Dress
from .part import Floats, Part

THICK = 0.0055


def neckline(p: Floats, eye: float, dress: Dress) -> Floats:
    """Positive above the neckline: it falls towards the front."""
    x = np.abs(p[:, 0])
    return np.asarray(
        p[:, 1] - (eye - dress.neckline / 1000 - dress.slope * p[:, 2]) - dress.flare * np.clip(x - dress.width / 1000, 0, 1)
    )


def hold(body: Body, dress: Dress) -> None:
    """Let the neck take the head's turn above the collar only: what lies beneath the top stays with it and never comes out."""
    skin = body.part
    assert skin.follow is not None
    skin.follow = np.minimum(skin.follow, smoothstep(0.008, 0.080, neckline(skin.positions, float(body.eyes["l"][1]), dress)))


def build(body: Body, dress: Dress) -> list[Part]:
    skin = body.part
    eye = float(body.eyes["l"][1])
    assert skin.weld is not None
    f = skin.weld[skin.triangles]
    n = skin.normals()
    p = skin.positions.copy()
    level = neckline(p, eye, dress)
    below = (level[f] < 0.03).any(1) & (p[f][:, :, 1].mean(1) < eye - 0.11)
    f = f[below]
    pair = f[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    a = sparse.coo_matrix((np.ones(len(pair)), (pair[:, 0], pair[:, 1])), (len(p), len(p))).tocsr()
    a = ((a + a.T) > 0).astype(float)
    mean = sparse.diags(1 / np.maximum(np.asarray(a.sum(1)).ravel(), 1)) @ a
    rim = level > -0.012
    shell = p + n * THICK
    for _ in range(14):
        shell = np.where(rim[:, None], shell, 0.4 * shell + 0.6 * (mean @ shell))
    shell = np.where(rim[:, None], shell, shell + n * 0.003)
    for _ in range(3):  # smoothing draws it in: keep it off the skin
        shell = shell + n * np.clip(0.0045 - ((shell - p) * n).sum(1), 0, 1)[:, None]
    level = neckline(shell, eye, dress)
    points, faces, cut = list(shell), [], {}

    def crossing(i: int, j: int) -> int:
        key = (min(i, j), max(i, j))
        if key not in cut:
            t = level[key[0]] / (level[key[0]] - level[key[1]])
            cut[key] = len(points)
            points.append(shell[key[0]] * (1 - t) + shell[key[1]] * t)
        return cut[key]

    for t in f:
        inside = [int(i) for i in t if level[i] < 0]
        if len(inside) == 3:
            faces.append(list(map(int, t)))
        elif inside:
            loop: list[int] = []
            for k in range(3):
                i, j = int(t[k]), int(t[(k + 1) % 3])
                if level[i] < 0:
                    loop.append(i)
                if (level[i] < 0) != (level[j] < 0):
                    loop.append(crossing(i, j))
            faces += [[loop[0], loop[k], loop[k + 1]] for k in range(1, len(loop) - 1)]
    used, tri = np.unique(np.array(faces), return_inverse=True)
    q = np.array(points)[used]
    uv = np.stack([0.5 + q[:, 0] * 2.0, 0.04 + (eye - 0.10 - q[:, 1]) * 3.2], 1)
    cloth = Part("cloth", q, atlas.place(uv, atlas.CLOTH), tri.reshape(-1, 3), follow=np.zeros(len(q)))

    ring = np.array([points[i] for i in cut.values()])
    axis = np.array([0, 0, ring[:, 2].mean()])
    angle = np.arctan2(ring[:, 0], ring[:, 2] - axis[2])
    order = np.argsort(angle)
    count = 72
    phi = np.linspace(-np.pi, np.pi, count, endpoint=False)
    line = np.stack([np.interp(phi, angle[order], ring[order][:, k], period=2 * np.pi) for k in range(3)], 1)
    for _ in range(6):
        line = (np.roll(line, 1, 0) + 2 * line + np.roll(line, -1, 0)) / 4
    out = line - [0, 0, axis[2]]
    out[:, 1] = 0
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    up = np.array([0, 1.0, 0.25])
    up = up / np.linalg.norm(up)
    profile = [(0.0012, -0.006), (0.0042, -0.003), (0.0050, 0.004), (0.0030, 0.0095), (0.0002, 0.0105), (-0.0022, 0.004)]
    rows = np.stack([line + out * o + up * (h * dress.collar) for o, h in profile])
    rows = np.concatenate([rows, rows[:, :1]], 1)
    m = count + 1
    row, column = np.meshgrid(np.arange(len(profile) - 1), np.arange(count), indexing="ij")
    corner = (row * m + column).ravel()
    cells = np.stack([corner, corner + 1, corner + m + 1, corner + m], 1)
    flat = np.stack(
        np.broadcast_arrays(np.linspace(0.0, 1, m)[None], np.linspace(0.975, 0.999, len(profile))[:, None]), 2
    ).reshape(-1, 2)
    weld = np.arange(len(profile) * m)
    weld[m - 1 :: m] = np.arange(len(profile)) * m
    collar = Part(
        "cloth", rows.reshape(-1, 3), atlas.place(flat, atlas.CLOTH), triangles(cells), weld=weld, follow=np.zeros(len(weld))
    )
    return [cloth, collar]


def uncovered(body: Body, dress: Dress) -> None:
    """Drop the skin that the top hides."""
    skin = body.part
    eye = float(body.eyes["l"][1])
    hidden = (neckline(skin.positions, eye, dress) < -0.016) & (skin.positions[:, 1] < eye - 0.13)
    skin.triangles = skin.triangles[~hidden[skin.triangles].all(1)]
