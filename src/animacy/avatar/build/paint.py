"""The textures: colour, relief, roughness and openness of everything, drawn by code from the position on the head.

Values are noise and smooth masks over the 3D rest position, so that the seams of the UV map do not show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from . import atlas
from .body import Body, smoothstep
from .hair import CARDS, VARIANTS
from .identity import Colour, Identity
from .mouth import LOWER, UPPER
from .part import Floats

REFERENCE = (0.80, 0.605, 0.51)  # colour of the skin on which the shades of lids and freckles were chosen
Image32 = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Canvas:
    size: int
    albedo: Image32  # [N, N, 4] sRGB 0..1 and cutout
    height: Image32  # [N, N] metres above the mesh
    rough: Image32  # [N, N]
    open: Image32  # [N, N]
    texel: Image32  # [N, N] metres across a texel

    @staticmethod
    def blank(size: int) -> Canvas:
        plane = np.ones((size, size), np.float32)
        return Canvas(size, np.ones((size, size, 4), np.float32), plane * 0, plane * 0.5, plane * 1, plane * 2e-4)

    def box(self, box: tuple[float, float, float, float], margin: int = 2) -> tuple[tuple[slice, slice], Floats, Floats]:
        """The texels of a rectangle of the atlas, with u and v inside of it (a little beyond 0..1 on the margin)."""
        n = self.size
        x0, y0, x1, y1 = int(box[0] * n) - margin, int(box[1] * n) - margin, int(box[2] * n) + margin, int(box[3] * n) + margin
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, n), min(y1, n)
        v, u = np.mgrid[y0:y1, x0:x1] + 0.5
        return (slice(y0, y1), slice(x0, x1)), (u / n - box[0]) / (box[2] - box[0]), (v / n - box[1]) / (box[3] - box[1])


def noise(p: Floats, size: float, seed: int, octaves: int = 1) -> Floats:
    """Smooth noise of about -1..1 [N] at points [N, D], with features of `size` in their unit."""
    rng = np.random.default_rng(seed)
    n = 64 if p.shape[1] == 3 else 512
    total, gain = np.zeros(len(p)), 1.0
    for _ in range(octaves):
        lattice = rng.uniform(-1, 1, (n,) * p.shape[1]).astype(np.float32)
        total += gain * map_coordinates(lattice, (p / size + rng.uniform(0, n)).T % n, order=1, mode="grid-wrap")
        size, gain = size / 2, gain * 0.55
    return np.asarray(total * 1.3)


def blob(p: Floats, centre: tuple[float, float, float], radius: tuple[float, float, float]) -> Floats:
    """A Gaussian about `centre`, mirrored in x."""
    q = (np.stack([np.abs(p[:, 0]), p[:, 1], p[:, 2]], 1) - centre) / radius
    return np.asarray(np.exp(-(q**2).sum(1)))


def mix(a: Floats, b: Colour | Floats, t: Floats) -> Floats:
    return np.asarray(a + (np.asarray(b) - a) * np.asarray(t)[..., None])


def brows(who: Identity, side: int, scale: int = 20) -> tuple[Floats, tuple[float, float]]:
    """Coverage [H, W] of the brow's hairs in a frontal window of 80 x 30 mm, `scale` pixels a millimetre (y down)."""
    rng = np.random.default_rng(who.seed + 10 + side)
    image = Image.new("L", (80 * scale, 30 * scale))
    pen = ImageDraw.Draw(image)
    x, low, thick = who.brows.shape
    for _ in range(who.brows.hairs):
        s = rng.uniform(0, 1) ** 0.93
        at = x[0] + s * (x[-1] - x[0])
        base, t = np.interp(at, x, low), np.interp(at, x, thick)
        h = rng.beta(1.5, 1.7)
        start = np.array([at, base + t * h])
        lean = np.interp(s, [0, 0.15, 0.5, 1], [1.35, 0.75, 0.30, -0.25]) - 0.75 * (h - 0.4) * np.clip(s * 2, 0, 1)
        lean += rng.normal(0, 0.10)
        length = rng.uniform(3.2, 5.6) * np.interp(s, [0, 0.5, 1], [0.85, 1.0, 0.7])
        bend = -0.5 * lean
        k = np.linspace(0, 1, 6)
        a = lean + bend * k
        pts = start + np.cumsum(np.stack([np.cos(a), np.sin(a)], 1) * length / 6, 0)
        xy = [((px + 0) * scale, (30 - py) * scale) for px, py in pts]
        shade = int(np.interp(s, [0, 0.10, 0.3, 1], [70, 130, 200, 200]))
        for (ax, ay), (bx, by), w in zip(xy[:-1], xy[1:], np.linspace(0.34, 0.12, 5), strict=True):
            pen.line([ax, ay, bx, by], fill=shade, width=max(1, int(w * who.brows.weight * scale)))
    cover = gaussian_filter(np.asarray(image, np.float32) / 255, 0.09 * scale)
    return np.clip(1.1 * cover + 0.22 * gaussian_filter(cover, 1.0 * scale), 0, 1), (80.0, 30.0)


def beard_shadow(p: Floats, seed: int) -> Floats:
    """Where a shaved beard shows [N], 0..1: jaw, chin and upper lip. `p` [N, 3]: millimetres aside, above the eyes, world z."""
    x = np.abs(p[:, 0])
    top = np.interp(x, [0, 14, 26, 40, 55, 64, 80], [-47, -50, -60, -66, -52, -28, -18])  # the line of the cheek
    area = smoothstep(3, -9, p[:, 1] - top) * smoothstep(-150, -122, p[:, 1]) * smoothstep(40, 58, p[:, 2])
    area *= 1 - 0.6 * smoothstep(9, 16, x) * smoothstep(30, 22, x) * smoothstep(-78, -84, p[:, 1]) * smoothstep(
        -98, -90, p[:, 1]
    )
    return area * np.clip(0.72 + 0.20 * noise(p, 6, seed + 13, 2) + 0.30 * noise(p, 0.8, seed + 14), 0, 1)


def skin(canvas: Canvas, body: Body, who: Identity, open_: Floats, scalp: Floats) -> None:
    """`open_` [V] openness, `scalp` [V] 0..1 how much hair grows there."""
    part = body.part
    n = canvas.size
    columns = np.column_stack(
        [part.positions, part.normals(), np.minimum(body.lip_ring, 20), np.minimum(body.lid_ring, 20), body.upper, open_, scalp]
    )
    image = np.zeros((n, n, columns.shape[1]), np.float32)
    covered = np.zeros((n, n), np.uint8)
    atlas.draw(part.uv, part.triangles, columns, image, covered)
    at = covered > 0
    g = image[at].astype(float)
    eye = (body.eyes["l"] + body.eyes["r"]) / 2
    p = (g[:, :3] - [0, eye[1], 0]) * 1000  # millimetres: aside, above the eyes, world z
    lip, lid, up, scalp_t = g[:, 6], g[:, 7], g[:, 8], g[:, 10]
    ex = body.eyes["l"][0] * 1000
    seed = who.seed * 100
    tone = np.array(who.skin.colour) / REFERENCE

    c = np.tile(who.skin.colour, (len(p), 1)).astype(float)
    c *= (
        1 + 0.030 * noise(p, 22, seed, 3)[:, None] * [0.8, 1.0, 1.1] + 0.022 * noise(p, 3.0, seed + 1, 2)[:, None] * [0.6, 1, 1]
    )
    c *= 1 + 0.020 * noise(p, 0.7, seed + 2)[:, None]
    c *= 1 + 0.018 * smoothstep(25, 50, p[:, 1])[:, None] * [0.4, 0.5, -0.8]  # a forehead is yellower
    face = smoothstep(40, 80, p[:, 2])
    red = (
        0.62 * blob(p, (41, -33, 88), (22, 17, 40))
        + 0.30 * blob(p, (0, -34, 150), (12, 11, 24))
        + 0.16 * blob(p, (0, -84, 120), (15, 11, 40))
    )
    red += 0.5 * smoothstep(66, 74, np.abs(p[:, 0])) * blob(p, (76, -20, 20), (16, 42, 40))  # ears
    red *= 1 + 0.25 * noise(p, 6, seed + 3, 2)
    c = mix(c, who.skin.blush, np.clip(0.68 * red, 0, 0.6))
    under = blob(p, (ex - 2, -15, 110), (15, 5.5, 30)) * face
    c = mix(c, tone * (0.70, 0.47, 0.45), 0.22 * under)
    lidskin = blob(p, (ex, 8, 115), (17, 6, 30)) * face
    c = mix(c, tone * (0.66, 0.44, 0.40), 0.30 * lidskin)
    c = mix(c, tone * (0.78, 0.55, 0.48), 0.30 * blob(p, (10, -47, 125), (7, 6, 30)))
    beard = who.skin.stubble * beard_shadow(p, seed)
    c = mix(c, np.array(who.hair.colour) * 0.6 + np.array(who.skin.colour) * 0.25, beard)
    rng = np.random.default_rng(seed + 5)
    freckles = np.zeros(len(p))
    spots = np.stack([rng.normal(0, 30, 90), rng.normal(-24, 11, 90)], 1)
    for x, y in spots:
        r = rng.uniform(0.35, 0.8)
        freckles = np.maximum(freckles, rng.uniform(0.1, 0.5) * np.exp(-((p[:, 0] - x) ** 2 + (p[:, 1] - y) ** 2) / r**2))
    c = mix(c, tone * (0.60, 0.38, 0.27), who.skin.freckles * freckles * face)

    # lips: rings of the mesh; their edge is soft
    edge = np.where(up > 0.5, 6.4, 7.0)
    body_of_lip = smoothstep(0, 1.4, edge - lip + 0.25 * noise(p, 2.2, seed + 6))
    lines = noise(np.stack([p[:, 0] * 1.0, p[:, 1] * 0.10, p[:, 2] * 0.3], 1), 0.75, seed + 7, 2)
    lipc = np.tile(who.skin.lips, (len(p), 1)) * (1 + 0.05 * lines[:, None])
    lipc *= (0.90 + 0.10 * smoothstep(1.5, 4.5, lip))[:, None]
    lipc = mix(lipc, np.minimum(np.array(who.skin.lips) * 1.12, 1), 0.5 * smoothstep(2.5, 4.5, lip) * (1 - up))
    c = mix(
        c,
        np.array(who.skin.colour) * [1.04, 1.05, 1.05],
        0.30 * smoothstep(2.2, 0.3, np.abs(lip - edge - 1.0)) * (lip < 12) * up,
    )
    # the upper lip's underside lies in shadow: without help it reads as a gap
    lipc *= (1 + 0.30 * up * smoothstep(5.5, 2.5, lip) - 0.05 * (1 - up) * smoothstep(4.5, 2.0, lip))[:, None]
    c = mix(c, lipc, body_of_lip)

    # lids: a wet rim, the roots of the lashes, the caruncle
    near_lid = lid < 12
    rim = smoothstep(2.1, 1.2, lid)
    c = mix(c, tone * (0.80, 0.55, 0.51), rim)
    above = smoothstep(-1.0, 1.5, p[:, 1] + 0.22 * (np.abs(p[:, 0]) - ex) * -0.3)
    spread = np.abs(lid - np.where(above > 0.5, 2.7, 2.25)) / np.where(above > 0.5, 1.7, 0.9)
    root = smoothstep(1.0, 0.1, spread) * near_lid
    c = mix(c, np.array(who.brows.colour) * 0.6, root * (0.25 + 0.62 * above) * who.eyes.lash_line)
    crease = smoothstep(2.4, 0.2, np.abs(lid - 6.5)) * above * near_lid * smoothstep(ex - 13, ex - 6, np.abs(p[:, 0]))
    c = mix(c, tone * (0.42, 0.25, 0.20), 0.50 * crease)
    inner = smoothstep(ex - 8.5, ex - 10.5, np.abs(p[:, 0])) * (lid < 2.5)
    c = mix(c, (0.78, 0.42, 0.40), 0.8 * inner)
    wet = np.maximum(rim, inner)

    # the cavity and sockets darken inwards
    box = canvas.box(atlas.CAVITY)[0]
    mask = np.zeros((n, n), bool)
    mask[box] = True
    cavity = mask[at]
    c[cavity] = mix(
        np.tile((0.40, 0.14, 0.12), (int(cavity.sum()), 1)), (0.17, 0.05, 0.045), smoothstep(126, 104, p[cavity, 2])
    )
    mask[:] = False
    mask[canvas.box(atlas.SOCKET)[0]] = True
    c[mask[at]] = (0.62, 0.38, 0.35)

    # brows and the scalp's hair, seen from the front
    hairs = np.zeros(len(p))
    for side in (1, -1):
        cover, (_, high) = brows(who, side)
        scale = cover.shape[0] / high
        here = (p[:, 2] > 70) & (side * p[:, 0] > 2) & (p[:, 1] > 0) & (p[:, 1] < 30)
        q = p[here]
        hairs[here] = map_coordinates(cover, [(high - q[:, 1]) * scale, side * q[:, 0] * scale], order=1, mode="constant")
    c = mix(c, who.brows.colour, 0.90 * hairs)
    strands = noise(np.stack([p[:, 0] * 0.25, p[:, 1] * 0.6, p[:, 2]], 1), 0.9, seed + 8, 2)
    if who.hair.style == "short":  # roots show at its edge, which no sheet of hair hides
        strands = noise(p * [1.0, 0.22, 0.30], 0.55, seed + 8, 2)
        scalp_t = scalp_t + 0.45 * strands * scalp_t * (1 - scalp_t)
    scalp_t = smoothstep(0.10, 1.10, scalp_t + 0.10 * strands * (scalp_t > 0.02))
    c = mix(c, np.array(who.hair.colour) * (0.75 + 0.2 * strands[:, None]), who.hair.scalp * scalp_t)

    o = np.clip(g[:, 9], 0, 1)
    o = np.where(
        lip < 3.5, np.maximum(o, np.interp(lip, [0.8, 3.0], [0.10, 0.62])), o
    )  # the rings that touch at rest are open in speech
    canvas.albedo[at, :3] = np.clip(c, 0.01, 1)
    if who.hair.style == "short":
        o = o * (1 - 0.8 * scalp_t)  # light from behind does not reach what stands under hair
    canvas.open[at] = np.where(cavity, 0.36, o)
    tzone = (
        blob(p, (0, 40, 130), (26, 26, 60))
        + 1.1 * blob(p, (0, -22, 145), (9, 24, 40))
        + 0.5 * blob(p, (0, -85, 130), (12, 9, 40))
    )
    rough = 0.64 - 0.08 * np.clip(tzone, 0, 1) + 0.04 * blob(p, (45, -35, 90), (22, 22, 50)) + 0.03 * noise(p, 2.0, seed + 9)
    rough = rough + (0.47 + 0.06 * lines - rough) * body_of_lip
    rough = rough + (0.16 - rough) * wet
    rough = rough + (0.7 - rough) * np.maximum(hairs, scalp_t)
    rough = rough + 0.10 * smoothstep(-105, -135, p[:, 1])
    rough[cavity | (lip < 3.3)] = 0.9  # no light from behind glints on the rims within
    canvas.rough[at] = rough
    relief = 0.030 * noise(p, 0.9, seed + 11, 2) + 0.045 * noise(p, 2.4, seed + 12, 2)
    relief = relief * (1 - body_of_lip) + 0.075 * lines * body_of_lip + 0.12 * hairs
    canvas.height[at] = relief / 1000 * np.where(near_lid & (lid < 5), 0.3, 1.0)
    uv_area = _texel_size(part.positions, part.uv, part.triangles, n)
    size = np.zeros((n, n, 1), np.float32)
    atlas.draw(part.uv, part.triangles, uv_area[:, None], size, np.zeros((n, n), np.uint8))
    canvas.texel[at] = size[at][:, 0]
    # beyond the islands the nearest skin goes on, so that coarser levels of the texture take no white in at the seams
    row, column = distance_transform_edt(~at, return_distances=False, return_indices=True)
    for plane in (canvas.albedo, canvas.height, canvas.rough, canvas.open, canvas.texel):
        plane[:] = plane[row, column]


def _texel_size(p: Floats, uv: Floats, f: NDArray[np.int64], n: int) -> Floats:
    """Metres across a texel, at each vertex."""
    area = np.linalg.norm(np.cross(p[f[:, 1]] - p[f[:, 0]], p[f[:, 2]] - p[f[:, 0]]), axis=1)
    a, b = (uv[f[:, 1]] - uv[f[:, 0]]) * n, (uv[f[:, 2]] - uv[f[:, 0]]) * n
    flat = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    top, low = np.zeros(len(p)), np.full(len(p), 1e-12)
    for k in range(3):
        np.add.at(top, f[:, k], area)
        np.add.at(low, f[:, k], flat)
    return np.asarray(np.clip(np.sqrt(top / low), 2e-5, 2e-3))


def eye(canvas: Canvas, who: Identity) -> None:
    at, u, v = canvas.box(atlas.EYE)
    x, y = (u - 0.5) / 0.49, -(v - 0.5) / 0.49
    angle = np.hypot(x, y) * 98  # degrees from the pupil's middle
    phi = np.arctan2(y, x)
    q = np.stack([np.cos(phi) * 40, np.sin(phi) * 40, angle * 0.6], -1).reshape(-1, 3)
    seed = who.seed * 100 + 50
    fibre = noise(q, 3.0, seed, 3).reshape(u.shape)
    fine = noise(q * [1, 1, 0.4], 1.3, seed + 1, 2).reshape(u.shape)
    iris, pupil = 24.5, 9.4
    white = np.tile((0.76, 0.72, 0.69), (*u.shape, 1)).astype(float)
    vein = np.abs(noise(np.stack([x, y], -1).reshape(-1, 2) * 60, 2.2, seed + 2, 3).reshape(u.shape))
    white = mix(
        white,
        (0.78, 0.42, 0.38),
        0.30 * smoothstep(0.10, 0.0, vein) * smoothstep(34, 60, angle) + 0.22 * smoothstep(35, 75, angle),
    )
    c = np.tile(who.eyes.iris, (*u.shape, 1)) * (1 + 0.28 * fibre + 0.20 * fine)[..., None]
    c = mix(c, np.array(who.eyes.iris) * [1.55, 1.45, 1.25], 0.65 * smoothstep(16.5, 10.5, angle + 1.5 * fibre))
    c = mix(c, who.eyes.ring, smoothstep(18.0, 22.8, angle + 0.9 * fibre) * 0.92)
    # light enters above and is thrown to the far side of the iris
    c *= (0.86 + 0.36 * smoothstep(8, -14, y * 98) * smoothstep(25, 12, angle))[..., None]
    c = mix(c, (0.012, 0.010, 0.010), smoothstep(pupil + 0.9, pupil - 0.6, angle))
    c = mix(c, white, smoothstep(iris - 1.0, iris + 1.3, angle))
    c *= (1 - 0.58 * smoothstep(4, 17, y * 98))[..., None] * (1 - 0.16 * smoothstep(25, 45, np.abs(x) * 98))[..., None]
    canvas.albedo[at] = np.concatenate([np.clip(c, 0, 1), np.ones((*u.shape, 1))], -1)
    canvas.rough[at] = 0.08
    canvas.open[at] = (
        1 - 0.55 * smoothstep(8, 25, y * 98) - 0.15 * smoothstep(12, 26, -y * 98) - 0.25 * smoothstep(28, 50, np.abs(x) * 98)
    )


def mouth(canvas: Canvas) -> None:
    at, u, v = canvas.box(atlas.TEETH)
    # both rows unrolled, the upper one above: v runs from the gum to the edge, the arch goes back into the dark
    lower = v > 0.5
    v = np.clip(np.where(lower, v - 0.52, v - 0.02) / 0.46, 0, 1)
    arch = np.abs(u - 0.5) / 0.49
    gaps = [np.cumsum(row) / sum(row) for row in (UPPER, LOWER)]
    apart = [np.min(np.abs(arch[..., None] - np.r_[0, g]), -1) for g in gaps]
    gap = np.where(lower, apart[1], apart[0])
    c = np.tile((0.83, 0.80, 0.745), (*u.shape, 1)).astype(float)
    c = mix(c, (0.72, 0.61, 0.50), 0.7 * smoothstep(0.55, 0.0, v))
    c = mix(c, (0.72, 0.72, 0.72), 0.5 * smoothstep(0.80, 1.0, v))
    c = mix(c, (0.42, 0.28, 0.22), 0.38 * smoothstep(0.020, 0.0, gap))
    c = mix(c, (0.30, 0.17, 0.14), 0.80 * smoothstep(0.45, 0.95, arch))
    canvas.albedo[at] = np.concatenate([c, np.ones((*u.shape, 1))], -1)
    shade = (0.30 + 0.45 * smoothstep(0.1, 0.95, v)) * np.where(lower, 0.62, 1.0)  # the lips stand before the gums
    canvas.rough[at], canvas.open[at] = 0.25, shade * (1 - 0.80 * smoothstep(0.22, 0.80, arch))
    at, u, v = canvas.box(atlas.GUM)
    c = mix(np.tile((0.62, 0.30, 0.29), (*u.shape, 1)).astype(float), (0.25, 0.08, 0.08), smoothstep(0.5, 0.9, v))
    canvas.albedo[at] = np.concatenate([c, np.ones((*u.shape, 1))], -1)
    canvas.rough[at], canvas.open[at] = 0.35, 0.30
    at, u, v = canvas.box(atlas.TONGUE)
    bumps = noise(np.stack([u, v], -1).reshape(-1, 2) * 100, 1.2, 77, 2).reshape(u.shape)
    c = np.tile((0.60, 0.27, 0.26), (*u.shape, 1)) * (1 + 0.06 * bumps)[..., None]
    canvas.albedo[at] = np.concatenate([np.clip(c, 0, 1), np.ones((*u.shape, 1))], -1)
    canvas.rough[at], canvas.open[at] = 0.85, 0.30
    canvas.height[at] = bumps * 4e-5


def lashes(canvas: Canvas, who: Identity) -> None:
    """Hairs on a clear ground: the upper fringe in the upper half, roots at its bottom; the lower one below."""
    at, u, _ = canvas.box(atlas.LASH, 0)
    rng = np.random.default_rng(who.seed + 30)
    high, wide = u.shape
    zoom = 4
    image = Image.new("L", (wide * zoom, high * zoom))
    pen = ImageDraw.Draw(image)
    for top, number, root in ((0.01, 30, 0.024), (0.51, 19, 0.015)):
        for k in range(number):
            x = (k + 0.5 + rng.uniform(-0.25, 0.25)) / number
            length = rng.uniform(0.70, 0.97) if k % 2 else rng.uniform(0.5, 0.75)
            s = np.linspace(0, 1, 9)
            lean = (x - 0.4) * 0.06 + rng.normal(0, 0.012)
            px = (x + lean * s**1.5) * wide * zoom
            py = (top + 0.48 * (1 - s * length)) * high * zoom
            half = root / 2 * wide * zoom * (1 - 0.80 * s)
            pen.polygon([*zip(px - half, py, strict=True), *zip((px + half)[::-1], py[::-1], strict=True)], fill=255)
        pen.rectangle(
            [0, (top + (0.435 if top < 0.3 else 0.465)) * high * zoom, wide * zoom, (top + 0.48) * high * zoom], fill=255
        )
    cover = np.asarray(image.resize((wide, high), Image.Resampling.BOX), np.float32) / 255
    canvas.albedo[at] = np.concatenate([np.tile(np.array(who.brows.colour) * 0.55, (high, wide, 1)), cover[..., None]], -1)
    canvas.rough[at], canvas.open[at] = 0.6, 0.8


def hair(canvas: Canvas, who: Identity) -> None:
    """Columns of strands that run down: ragged ones for cards, from dense to thin, and a wide closed one for the sheet."""
    at, u, v = canvas.box(atlas.HAIR, 0)
    rng = np.random.default_rng(who.seed + 40)
    for k in range(CARDS + 1):
        closed = k == CARDS
        cell = (u * VARIANTS >= k) & ((u * VARIANTS < k + 1) | closed)
        x, y = (u[cell] * VARIANTS - k), v[cell]
        # strands: noise drawn out along v, bent a little, with clumps that draw together towards the tips
        bend = 0.05 * np.sin(y * 3 + rng.uniform(0, 6)) * y
        clump = np.sin((x + bend) * np.pi * 2 * 3.0 + rng.uniform(0, 6)) * 0.035 * y
        q = np.stack([(x + bend + clump) * 100, y * 4.0], 1)
        fine, wide = noise(q, 1.0, 900 + k, 2), noise(q * [1, 0.8], 8.0, 950 + k, 2)
        if closed:  # combed flat on the crown, in locks below
            wide = wide * (0.35 + 0.65 * smoothstep(0.15, 0.45, y))
        tone = np.clip(0.38 + 0.17 * wide + 0.16 * fine, 0, 1)
        ends = 0.14 if who.hair.style == "long" else 0.0  # bleached by the sun
        c = mix(np.tile(who.hair.colour, (len(x), 1)).astype(float), who.hair.light, np.clip(tone + ends * y, 0, 1))
        c *= (0.90 + 0.10 * smoothstep(0.0, 0.10, y) + 0.10 * fine)[:, None]
        shade = 0.80 + 0.18 * wide + 0.10 * fine
        if closed:
            alpha = np.ones(len(x))
            if who.hair.style == "long":
                shade = shade - 0.28 * smoothstep(0.35, 0.65, y)  # under the cards
                c = mix(
                    c, np.array(who.skin.colour) * [0.62, 0.58, 0.54], 0.75 * smoothstep(0.034, 0.022, y + 0.006 * fine)
                )  # the parting
            else:
                shade = shade - 0.30 * smoothstep(0.55, 0.10, y)  # under the row before
                shade = shade + 0.20 * noise(q * [1, 0.5], 4.0, 970, 2)  # locks
        else:
            edge = np.minimum(x, 1 - x) * 2  # 0 at the card's edges, 1 in the middle
            tip = smoothstep(1.0, 0.66 - 0.04 * k, y + 0.10 * wide)
            root = smoothstep(0.0, 0.22, y + 0.06 * fine + 0.04 * wide)
            alpha = (
                (1.5 - 0.18 * k) * smoothstep(0.0, 0.45, edge + 0.18 * fine) * root * (0.3 + 0.7 * tip)
                - 0.45 * (0.5 - 0.5 * fine) * (1 + 0.8 * y)
                + 0.12
            )
            alpha = np.where((y > 0.985) | (y < 0.015), 0, alpha)
        canvas.albedo[at][cell] = np.concatenate([np.clip(c, 0.01, 1), np.clip(alpha, 0, 1)[:, None]], 1)
        canvas.height[at][cell] = 6e-5 * (fine + 1.5 * wide)
        canvas.open[at][cell] = np.clip(shade, 0.1, 1)
    canvas.rough[at] = 0.45


def cloth(canvas: Canvas, who: Identity) -> None:
    at, u, v = canvas.box(atlas.CLOTH)
    q = np.stack([u, v], -1).reshape(-1, 2)
    rib = (v > 0.965) * 1.0
    x, y = u * 150 * who.dress.gauge, v * 190 * who.dress.gauge
    stitch = np.abs(np.sin(np.pi * x)) * (0.65 + 0.35 * np.sin(2 * np.pi * (y + 0.5 * np.abs((x % 1) - 0.5) * 2)))
    stitch = stitch * (1 - rib) + rib * np.abs(np.sin(np.pi * u * 110))
    soft = noise(q * 100, 9, 500, 3).reshape(u.shape)
    c = (
        np.tile(who.dress.colour, (*u.shape, 1))
        * ((1 - 0.16 * who.dress.knit) + 0.16 * who.dress.knit * stitch + 0.04 * soft)[..., None]
    )
    canvas.albedo[at] = np.concatenate([np.clip(c, 0, 1), np.ones((*u.shape, 1))], -1)
    canvas.height[at] = 3.5e-4 * who.dress.knit * stitch
    canvas.texel[at] = 2.6e-4
    canvas.rough[at], canvas.open[at] = 0.85, 0.92


def finish(canvas: Canvas) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """`Avatar.albedo` and `Avatar.surface`."""
    dx = (np.roll(canvas.height, -1, 1) - np.roll(canvas.height, 1, 1)) / (2 * canvas.texel)
    dy = (np.roll(canvas.height, -1, 0) - np.roll(canvas.height, 1, 0)) / (2 * canvas.texel)
    length = np.sqrt(dx**2 + dy**2 + 1)
    normal = np.clip(np.stack([-dx, -dy], -1) / length[..., None], -0.7, 0.7)
    surface = np.concatenate([128 + 127 * normal, 255 * canvas.rough[..., None], 255 * canvas.open[..., None]], -1)
    return (np.clip(canvas.albedo, 0, 1) * 255 + 0.5).astype(np.uint8), np.clip(surface + 0.5, 0, 255).astype(np.uint8)


def backdrop(who: Identity, size: int = 1024) -> NDArray[np.uint8]:
    """A lit studio wall, out of focus."""
    y, x = np.mgrid[0:size, 0:size] / size
    near, far = (np.array(c) for c in (who.backdrop.near, who.backdrop.far))
    r = np.hypot((x - 0.56) * 1.05, y - 0.40)
    c = mix(np.tile(near, (size, size, 1)), far, smoothstep(0.05, 0.85, r))
    soft = gaussian_filter(np.random.default_rng(who.seed).normal(size=(size // 8, size // 8)), 9)
    soft = np.asarray(
        Image.fromarray((soft / np.abs(soft).max()).astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
    )
    c = c + 0.018 * soft[..., None] + np.random.default_rng(1).uniform(-0.5, 0.5, (size, size, 1)) / 255  # no banding
    return (np.clip(c, 0, 1) * 255 + 0.5).astype(np.uint8)
