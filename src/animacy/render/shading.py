"""What every renderer draws: the one specification that cpu.py, shaders/*.glsl and gpu/*.cu follow line by line.

**Visibility.** The frame is drawn at twice its size, one sample in each quarter of a pixel. A sample holds the nearest triangle
over its centre; corners are snapped to 1/256 of a sample, and centres on an edge belong to the triangle whose top or left edge
it is. Depth is compared as 1/w, which is linear on the screen. Triangles seen from behind are dropped unless their material is
two-sided; samples of a cutout material are dropped where the albedo's alpha is under one half. Triangles with a corner nearer
than half of camera.near, or far out of the frame, are dropped whole.

**Surfaces.** Of each pixel, the samples of one triangle are interpolated once, at their mean (perspective-correct). Triangles
of one material whose texture coordinates lie within a few texels are one surface: their attributes are averaged by samples.
Each surface is textured and lit once; the pixel is the mean over its samples. So edges get four levels of coverage, and
shading costs little more than once a pixel.

**Textures** are read bilinearly, in sRGB, from one level of a box-filtered pyramid, fixed for each material when the renderer
is made: the level whose texels are about as large as pixels, by the ratio of areas over the material's front-facing triangles
at rest.

**Light**, in linear colour and view space (x right, y up, z to the viewer). N is the normal with the normal map, G without;
V points to the eye, L to a light of colour C, H halfway; a is the albedo, r the roughness, o the texture's ambient occlusion,
s the baked share of the key light (o for other lights), w the material's wrap per channel, f0 its specular; x+ is max(x, 0).

- Diffuse: a C s' (n + w)+ / (1 + w)^2. n is N.L moved towards G.L by 1.5 w (at most all of it), as light that scatters under
  the skin blurs small relief, red most; s' = s + (sqrt(s) - s) w, as it softens the shadow's edge, too, with a warm rim.
  (1 + w)^2 keeps the energy.
- Ambient: a (ground + (sky - ground)(1 + N.up)/2) o', o' being the cubic of o and a for several bounces by Jimenez et al. 2016
  (Practical real-time strategies for accurate indirect occlusion): coloured folds light themselves, so occlusion on skin is
  reddish.
- Specular: C s (N.L)+ F D, with o^2 and the root of the key's s for s of other lights (no lamp glints in a fold), and
  F = f0 + (1 - f0)(1 - L.H)^5 and, A being r^2 (0.02 at least),
  D = A^2 / (((N.H)^2 (A^2 - 1) + 1)^2 4 max((L.H)^2, 0.1) (r + 0.5)): GGX, with the visibility term of Karis (Physically based
  shading on mobile, 2014). Skin has two lobes, 0.8 of r and 0.2 of 0.6 r: an oily film over a rougher base. Surroundings
  are mirrored, too: the ambient light in the mirror direction times (f0 + (max(1 - r, f0) - f0)(1 - N.V)^5) o, and
  0.3 of that on hair and cloth.
- Hair, after Kajiya & Kay 1989, with the two shifted highlights that Marschner et al. 2003 measured. T is the strand,
  S2 = 1 - (T.L)^2: diffuse a C s' (0.6 sqrt(S2) (N.L + 0.5)+ / 1.5 + 0.4 (n + w)+ / (1 + w)^2);
  highlights f0 C s (G.L + 0.35)+ / 1.35 times
  3.5 (1 - (T1.H)^2)^60 in white and 7 (1 - (T2.H)^2)^10 in sqrt(a), T1 and T2 being T leaning by -0.12 and +0.16 towards G.
- Eye: in place of the specular lobe the cornea (G) mirrors each light as a box with soft edges, the tangents of whose
  half-width and half-height are 0.20 and 0.34 for the key and half of that for the others, of radiance 22 C F(G.V). The
  shadow does not darken it below 0.3.
- Cloth: in place of the specular lobe a sheen, 0.35 (1 - N.V)^3 sqrt(a) times the ambient and the lights' diffuse light.

**Film.** Colours below 0.6 stay. Above, the largest channel p becomes q = 1 - 0.16 / (p - 0.2) and all are scaled with it, then
moved towards white by 1 - 1 / (1 + 0.25 (p - q)): highlights roll off and keep their hue at first. Then sRGB.

**Outputs** are means over a pixel's four samples, the empty ones counting as zero: shaded, premultiplied in sRGB, with
coverage; unlit, premultiplied, with depth (far - z) / (far - near) clamped to 0..1; N's x and y, 128 + 127 of them.

The sRGB curves are polynomials fitted here, near enough (0.02/255 encoding, 0.002 decoding) and equal in both languages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..avatar import Avatar
from ..avatar.bundle import KINDS
from . import geometry

SUBPIXEL = 256  # parts of a sample to which corners are snapped
GUARD = 8.0  # frame widths from the centre beyond which a corner drops its triangle
MERGE = 3.0  # texels of a material's level within which texture coordinates are one surface's

# Columns of a projected vertex, 16 float32 or one cache line.
X, Y, Z_INVERSE, NX, NY, NZ, TX, TY, TZ, HAND, U, V, SUN = range(13)
VERTEX = 16


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """All that does not change from frame to frame, for one avatar at one size."""

    size: int
    rig: geometry.Rig
    view: NDArray[np.float32]  # [3, 4] world to view space
    focal: float  # samples: x_sample = size + focal * x / -z
    near: float
    far: float
    nearest: float  # triangles that come closer are dropped
    triangles: NDArray[np.int32]  # [F, 3] in drawing order: solid before cutout, one-sided before two-sided
    material: NDArray[np.int32]  # [F]
    ranges: tuple[tuple[int, int, bool, bool], ...]  # (first, end, two_sided, cutout)
    static: NDArray[np.float32]  # [V, 4] handedness, u, v, sun
    materials: NDArray[np.float32]  # [M, 8] kind, specular, wrap r g b, two_sided, cutout, merge distance in uv
    levels: NDArray[np.int32]  # [M, 2] first texel and side of the material's texture level
    albedo: NDArray[np.uint8]  # [texels, 4] all levels, one after another
    surface: NDArray[np.uint8]  # [texels, 4]
    lights: NDArray[np.float32]  # [L, 12] direction in view space, colour, the two sides of its softbox
    ambient: NDArray[np.float32]  # [3, 3] up in view space, sky, ground


def scene(avatar: Avatar, size: int) -> Scene:
    """The `Scene` of `avatar` at `size` pixels square."""
    camera = avatar.camera
    eye, target = np.array(camera.position), np.array(camera.target)
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(back, right), back])
    view = np.column_stack([axes, -axes @ eye]).astype(np.float32)
    focal = size / np.tan(np.radians(camera.fov_degrees) / 2)

    two_sided = np.array([m.two_sided for m in avatar.materials])[avatar.material]
    cutout = np.array([m.cutout for m in avatar.materials])[avatar.material]
    group = two_sided + 2 * cutout
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(5))
    ranges = tuple((int(ends[g]), int(ends[g + 1]), bool(g & 1), bool(g & 2)) for g in range(4) if ends[g] < ends[g + 1])
    triangles = np.ascontiguousarray(avatar.triangles[order])
    material = avatar.material[order].astype(np.int32)

    side = avatar.albedo.shape[0]
    pyramid = [(avatar.albedo, avatar.surface)]
    while pyramid[-1][0].shape[0] > 1 and pyramid[-1][0].shape[0] % 2 == 0:
        albedo, surface = pyramid[-1]
        pyramid.append((_halved(albedo, srgb=True), _halved(surface, srgb=False)))
    level = _levels(avatar, view, focal / 2, triangles, material, len(pyramid) - 1)
    used = sorted(set(level.tolist()))
    starts = dict(zip(used, np.cumsum([0] + [(side >> k) ** 2 for k in used]).tolist(), strict=False))
    materials = np.array(
        [
            [KINDS.index(m.kind), m.specular, *m.wrap, m.two_sided, m.cutout, MERGE / (side >> k)]
            for m, k in zip(avatar.materials, level.tolist(), strict=True)
        ],
        np.float32,
    )
    return Scene(
        size=size,
        rig=geometry.rig(avatar),
        view=view,
        focal=float(focal),
        near=camera.near,
        far=camera.far,
        nearest=camera.near / 2,
        triangles=triangles,
        material=material,
        ranges=ranges,
        static=np.column_stack([avatar.tangents[:, 3], avatar.uv, avatar.sun]).astype(np.float32),
        materials=materials,
        levels=np.array([[starts[k], side >> k] for k in level.tolist()], np.int32),
        albedo=np.concatenate([pyramid[k][0].reshape(-1, 4) for k in used]),
        surface=np.concatenate([pyramid[k][1].reshape(-1, 4) for k in used]),
        lights=np.array([[*(axes @ x.direction), *x.colour, *_sides(axes @ x.direction)] for x in avatar.lights], np.float32),
        ambient=np.array([axes @ [0.0, 1.0, 0.0], avatar.sky, avatar.ground], np.float32),
    )


def _sides(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two unit vectors [6] across `direction`, the first one level."""
    side = np.cross([0.0, 1.0, 0.0] if abs(direction[1]) < 0.99 else [0.0, 0.0, 1.0], direction)
    side /= np.linalg.norm(side)
    return np.concatenate([side, np.cross(direction, side)])


def _halved(image: NDArray[np.uint8], srgb: bool) -> NDArray[np.uint8]:
    """One level down: means of 2x2 texels, of colours in linear light."""
    n = image.shape[0] // 2
    x = image.astype(np.float32) / 255
    if srgb:
        x[..., :3] **= 2.2
    x = x.reshape(n, 2, n, 2, 4).mean((1, 3))
    if srgb:
        x[..., :3] **= 1 / 2.2
    halved: NDArray[np.uint8] = np.rint(x * 255).astype(np.uint8)
    return halved


def _levels(
    avatar: Avatar, view: NDArray[np.float32], focal: float, triangles: NDArray[np.int32], material: NDArray[np.int32], top: int
) -> NDArray[np.int64]:
    """Level [M] of the texture pyramid whose texels are about as large as pixels; `focal` is in pixels."""
    p = avatar.positions @ view[:, :3].T + view[:, 3]
    screen = (focal * p[:, :2] / np.minimum(p[:, 2:], -1e-3) * -1).astype(np.float64)
    texels = avatar.uv.astype(np.float64) * avatar.albedo.shape[0]

    def area(points: NDArray[np.float64]) -> NDArray[np.float64]:
        a, b, c = (points[triangles[:, i]] for i in range(3))
        e, f = b - a, c - a
        return (e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0]) / 2

    pixels, cover = area(screen), np.abs(area(texels))
    level = np.zeros(len(avatar.materials), np.int64)
    for m in range(len(level)):
        seen = (material == m) & (pixels > 0)
        if seen.any() and cover[seen].sum() > 0:
            level[m] = np.clip(round(0.5 * np.log2(cover[seen].sum() / pixels[seen].sum())), 0, top)
    return level
