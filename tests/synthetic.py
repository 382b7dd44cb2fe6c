"""A made-up avatar for tests: a ball of a head on a cloth slab, with eyes, a tooth, a strip of hair, and 52 distinct shapes;
and made-up networks that paint it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from animacy.avatar import Avatar, Camera, GeneratorWeights, Light, Material, Training
from animacy.types import ARKIT

SKIN, EYE, TOOTH, HAIR, CLOTH = range(5)


def ball(
    radius: float, centre: tuple[float, float, float], rings: int, sectors: int
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Positions [V, 3], uv [V, 2], tangents [V, 3], triangles [F, 3] of a closed ball with a seam at the back."""
    v, u = np.mgrid[0 : rings + 1, 0 : sectors + 1]
    theta, phi = np.pi * v / rings, 2 * np.pi * u / sectors  # from the top; from the back, over the speaker's right
    directions = np.stack([-np.sin(theta) * np.sin(phi), np.cos(theta), -np.sin(theta) * np.cos(phi)], -1)
    # The viewer sees the speaker's right on the left, so u runs from the image's left to its right.
    tangents = np.stack([-np.cos(phi), 0 * phi, np.sin(phi)], -1)
    a = (v * (sectors + 1) + u)[:-1, :-1].ravel()
    b, c = a + 1, a + sectors + 1
    d = c + 1
    triangles = np.concatenate([np.stack([a, c, b], -1)[sectors:], np.stack([b, c, d], -1)[:-sectors]])
    uv = np.stack([u / sectors, v / rings], -1)
    return (radius * directions + centre).reshape(-1, 3), uv.reshape(-1, 2), tangents.reshape(-1, 3), triangles


def slab(x: tuple[float, float], y: tuple[float, float], z: float, steps: int = 4) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """The same of a flat grid that faces +z."""
    v, u = np.mgrid[0 : steps + 1, 0 : steps + 1] / steps
    positions = np.stack([x[0] + (x[1] - x[0]) * u, y[1] + (y[0] - y[1]) * v, 0 * u + z], -1).reshape(-1, 3)
    i = np.arange((steps + 1) ** 2).reshape(steps + 1, steps + 1)
    a, b, c, d = (q.ravel() for q in (i[:-1, :-1], i[:-1, 1:], i[1:, :-1], i[1:, 1:]))
    triangles = np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)])
    tangents = np.tile([1.0, 0.0, 0.0], (len(positions), 1))
    return positions, np.stack([u, v], -1).reshape(-1, 2), tangents, triangles


def avatar(rings: int = 24, sectors: int = 48, texture: int = 256, seed: int = 0) -> Avatar:
    rng = np.random.default_rng(seed)
    parts = [  # geometry, material, corner and side of its place in the texture, follow
        (ball(0.1, (0, 0, 0), rings, sectors), SKIN, (0, 0), 0.5, 1.0),
        (ball(0.02, (-0.04, 0.03, 0.085), 12, 16), EYE, (0.5, 0), 0.25, 1.0),
        (ball(0.02, (0.04, 0.03, 0.085), 12, 16), EYE, (0.5, 0), 0.25, 1.0),
        (slab((-0.02, 0.02), (-0.05, -0.04), 0.1), TOOTH, (0.75, 0), 0.25, 1.0),
        (slab((-0.06, 0.06), (0.02, 0.12), 0.104), HAIR, (0.5, 0.5), 0.5, 1.0),
        (slab((-0.2, 0.2), (-0.2, -0.1), -0.02), CLOTH, (0, 0.5), 0.5, 0.0),
    ]
    positions, uv, tangents, triangles, material, follow = [], [], [], [], [], []
    count = 0
    for (p, t, tan, f), kind, corner, side, share in parts:
        positions.append(p)
        uv.append(np.array(corner) + side * (0.02 + 0.96 * t))
        tangents.append(np.column_stack([tan, -np.ones(len(p))]))
        triangles.append(f + count)
        material.append(np.full(len(f), kind))
        follow.append(np.full(len(p), share))
        count += len(p)
    rest = np.concatenate(positions).astype(np.float32)
    follows = np.concatenate(follow).astype(np.float32)
    follows[: len(positions[0])] = np.clip((rest[: len(positions[0]), 1] + 0.1) / 0.05, 0, 1)  # the ball's foot is the neck
    _, first, same = np.unique(rest.round(6), axis=0, return_index=True, return_inverse=True)
    # Shapes: each one pushes its own spot of the ball outwards, spread over the face in a spiral.
    spots = np.arange(len(ARKIT))
    radius, turn = np.sqrt((spots + 0.5) / len(ARKIT)) * 0.8, spots * 2.4
    centres = 0.1 * np.stack([radius * np.cos(turn), radius * np.sin(turn), np.sqrt(1 - radius**2)], -1)
    vertex, delta, start = [], [], [0]
    for centre in centres:
        reach = np.exp(-(np.linalg.norm(rest - centre, axis=1) ** 2) / (2 * 0.02**2))
        moved = np.flatnonzero(reach > 0.05)
        vertex.append(moved)
        delta.append(0.015 * reach[moved, None] * centre / 0.1)
        start.append(start[-1] + len(moved))
    y, x = np.mgrid[0:texture, 0:texture] / texture
    albedo = np.empty((texture, texture, 4), np.uint8)
    noise = 12 * np.sin(40 * x) * np.sin(33 * y) + rng.normal(0, 4, (texture, texture))
    albedo[..., :3] = np.clip(np.array([205, 160, 140]) + noise[..., None], 0, 255)
    albedo[..., 3] = 255
    half, quarter = texture // 2, texture // 4
    albedo[:quarter, half:, :3] = 235
    albedo[10 : quarter - 10, half + quarter // 2 - 6 : half + quarter // 2 + 6, :3] = 40
    albedo[half:, half:, :3] = np.clip(np.array([70, 45, 30]) + noise[half:, half:, None], 0, 255)
    albedo[half:, half:, 3] = np.where(np.sin(120 * x[half:, half:]) > 0, 255, 0)
    albedo[half:, :half, :3] = (60, 80, 120)
    surface = np.empty_like(albedo)
    surface[..., 0] = 128 + 20 * np.sin(60 * x)
    surface[..., 1] = 128 + 20 * np.sin(50 * y)
    surface[..., 2] = 120
    surface[..., 3] = 255 - 60 * (y < 0.25)
    sun = np.clip(0.5 + 5 * rest[:, 0] + 5 * rest[:, 1], 0, 1)
    return Avatar(
        name="Synthetic",
        licence="CC0-1.0",
        provenance=("made by tests/synthetic.py",),
        frame_size=256,
        camera=Camera((0, 0.0, 0.8), (0, -0.02, 0), 22, 0.5, 1.1),
        lights=(
            Light((0.48, 0.6, 0.64), (1.6, 1.5, 1.4)),
            Light((-0.8, 0.0, 0.6), (0.3, 0.33, 0.4)),
            Light((-0.6, 0.48, -0.64), (0.8, 0.8, 0.9)),
        ),
        sky=(0.25, 0.27, 0.3),
        ground=(0.12, 0.1, 0.09),
        materials=(
            Material("skin", "skin", 0.04, (0.5, 0.25, 0.15), False, False),
            Material("eyes", "eye", 0.04, (0.2, 0.1, 0.1), False, False),
            Material("teeth", "tooth", 0.06, (0.3, 0.25, 0.2), False, False),
            Material("fringe", "hair", 0.05, (0.3, 0.3, 0.3), True, True),
            Material("shirt", "cloth", 0.03, (0.1, 0.1, 0.1), False, False),
        ),
        pivot=(0, -0.08, -0.02),
        positions=rest,
        uv=np.concatenate(uv).astype(np.float32),
        tangents=np.concatenate(tangents).astype(np.float32),
        triangles=np.concatenate(triangles).astype(np.int32),
        material=np.concatenate(material).astype(np.uint8),
        weld=_earliest(first, same.ravel()),
        follow=follows,
        sun=sun.astype(np.float32),
        shape_start=np.array(start, np.int32),
        shape_vertex=np.concatenate(vertex).astype(np.int32),
        shape_delta=np.concatenate(delta).astype(np.float32),
        albedo=albedo,
        surface=surface,
        background=np.full((texture, texture, 3), 90, np.uint8),
    )


def _earliest(first: NDArray, same: NDArray) -> NDArray[np.int32]:
    return first[same].astype(np.int32)


def network(weight: NDArray, bias: NDArray, size: int = 16, inputs: int = 10, outputs: int = 4) -> bytes:
    """An .onnx file's contents: one 1x1 convolution. weight [4, 10], bias [4]."""
    graph = helper.make_graph(
        [helper.make_node("Conv", ["conditions", "w", "b"], ["rgba"])],
        "tiny",
        [helper.make_tensor_value_info("conditions", TensorProto.FLOAT, ["batch", inputs, size, size])],
        [helper.make_tensor_value_info("rgba", TensorProto.FLOAT, ["batch", outputs, size, size])],
        [
            numpy_helper.from_array(weight.astype(np.float32)[..., None, None], "w"),
            numpy_helper.from_array(bias.astype(np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


# Paints what it is shown, without green: who painted can be seen.
GREENLESS = np.diag([1, 0, 1, 1, 0, 0, 0, 0, 0, 0])[:4]


def generator(name: str, weights: bytes | None = None) -> GeneratorWeights:
    """A generator of a bundle, by default one that takes all green away."""
    size = {"lite": 256, "full": 512}[name]
    training = Training("made-up frames", "CC0-1.0", "0123abc", 7, "python -m animacy.train", 1.5, "a card")
    return GeneratorWeights(name, size, 0.005, 31.25, 0.9375, training, weights or network(GREENLESS, np.zeros(4), size))
