"""Light that is baked: ambient occlusion and the key light's soft shadow, by casting rays with Embree."""

from __future__ import annotations

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh

from .part import Floats, Ints, Part


class Occluders:
    def __init__(self, parts: list[Part]) -> None:
        self.scene = rtcore_scene.EmbreeScene()
        for p in parts:
            TriangleMesh(self.scene, p.positions.astype(np.float32)[p.triangles])

    def hit(self, origin: Floats, direction: Floats, within: float) -> Floats:
        """1 where a ray meets something nearer than `within` metres."""
        distance = self.scene.run(origin.astype(np.float32), direction.astype(np.float32), query="DISTANCE")
        return np.asarray((distance < within).astype(float))


def sphere(count: int) -> Floats:
    """Evenly spread unit vectors (a Fibonacci lattice)."""
    k = np.arange(count) + 0.5
    z, phi = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    return np.stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z], 1)


def openness(occluders: Occluders, p: Floats, n: Floats, rays: int = 160, within: float = 0.12) -> Floats:
    """Share [V] of the cosine-weighted sky about `n` that is not blocked within `within` metres."""
    total, blocked = np.zeros(len(p)), np.zeros(len(p))
    for d in sphere(rays):
        cos = np.clip(n @ d, 0, None)
        at = np.flatnonzero(cos > 0.02)
        blocked[at] += cos[at] * occluders.hit(p[at] + n[at] * 4e-4, np.broadcast_to(d, (len(at), 3)).copy(), within)
        total += cos
    return np.asarray(1 - blocked / np.maximum(total, 1e-9))


def sunlight(occluders: Occluders, p: Floats, n: Floats, direction: Floats, size: float = 0.22, samples: int = 64) -> Floats:
    """Share [V] of a soft light (a disc of `size` radians about `direction`) that reaches each point."""
    side = np.cross(direction, [0, 1.0, 0])
    side /= np.linalg.norm(side)
    up = np.cross(side, direction)
    k = np.arange(samples) + 0.5
    r, phi = np.sqrt(k / samples) * size, np.pi * (1 + 5**0.5) * k
    lit = np.zeros(len(p))
    for a, b in zip(r * np.cos(phi), r * np.sin(phi), strict=True):
        d = direction + a * side + b * up
        d /= np.linalg.norm(d)
        lit += 1 - occluders.hit(p + n * 8e-4 + d * 6e-4, np.broadcast_to(d, p.shape).copy(), 1.0)
    return lit / samples


def smooth(values: Floats, part: Part, rounds: int) -> Floats:
    """Average over neighbours, `rounds` times."""
    weld = np.arange(len(values)) if part.weld is None else part.weld
    f: Ints = weld[part.triangles]
    pair = np.unique(np.sort(np.concatenate([f[:, :2], f[:, 1:], f[:, ::2]]), 1), axis=0)
    for _ in range(rounds):
        total, count = values.copy(), np.ones(len(values))
        for i, j in ((0, 1), (1, 0)):
            np.add.at(total, pair[:, i], values[pair[:, j]])
            np.add.at(count, pair[:, i], 1)
        values = (total / count)[weld]
    return values
