"""The teacher: an avatar's frames, path-traced with Mitsuba 3, to the pixel where the rasteriser draws them.

The scene is made once per avatar; a frame moves vertices, normals and hairs in it (building a second scene in one CUDA process
has crashed). Light: the bundle's distant lights become rectangles that give the same irradiance at the head, its sky
and ground an environment. Skin: a principled surface with the bundle's albedo, normal map and roughness; at 256 pixels
a frame a pixel is 1.6 mm wide, more than light travels under skin (red 1 to 2 mm), so scattering is left to the
flatness term (Hanrahan & Krueger's approximation) and to the soft lights. Hair and lashes: curves grown along the bundle's
cards; brows: curves that grow where the texture paints them and lie on the skin as it moves. Eyes: a glossy coat,
its normals bent as the cornea bends them. Lips and the lids' rims: a clear coat where the bundle's roughness says wet.

Needs `pip install mitsuba==3.9.1`. Variants: cuda_ad_rgb (a GPU with OptiX), llvm_ad_rgb (CPU, libLLVM 19 named by
DRJIT_LIBLLVM_PATH), scalar_rgb (CPU, slow, needs nothing).
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..avatar import Avatar
from ..errors import AnimacyError, UsageError
from ..render import geometry
from . import strands

Floats = NDArray[np.float32]
VARIANTS = ("cuda_ad_rgb", "llvm_ad_rgb", "scalar_rgb")
BOUNCES = 6  # hair passes light on, and dark hair needs few bounces
BRIGHTEST = 4.0  # of a sample: the rare path through hairs to a light would take thousands of samples to average out
DISTANCE, KEY, OTHER = 1.7, 0.32, 0.2  # metres: how far the lights stand from the head, half their sides
SHADES = 4  # of hair ...
CONTRAST = 2.0  # ... and by how much more they differ than the texture's means along a hair: light blurs them again
POINTS = 11  # of a hair; 5 of a lash
# Spans of the B-spline that is drawn for each between two of them. Where hair was drawn in spans of 20 to 40 mm (Ani's),
# about one ray in 300 million ended OptiX with an illegal address, and the process with it (an H100, driver 580.159.04); where
# in spans of up to 15 mm, none of 30 billion did. Mitsuba's straight curves do not end it either, but have no frame
# along the hair.
FINER = 3
CORNEA = np.radians(33.0)  # polar angle on the eyeball where the cornea ends
# What lies within the mouth shines with this much of its linear albedo, by material: light that enters teeth, gums, tongue and
# cheeks elsewhere comes out there. Lit through the opening alone they are black in a mouth that photographs show red.
GLOW = {"tooth": 0.22, "gum": 0.20, "tongue": 0.28}
ENAMEL = 1.45  # by how much the linear albedo of teeth is raised
BULGE = 0.5  # how much steeper the cornea's normals are: 12 mm eyeball over 7.8 mm cornea


class Teacher:
    """Paints frames of one avatar.

    size: pixels of the square frame. variant: one of VARIANTS. hairs: strands on the head, 0 for a bald one.
    seed: of the hairs. The same arguments give the same picture on the same variant. Raises UsageError for a variant that is
    unknown, AnimacyError where Mitsuba is missing.
    """

    def __init__(self, avatar: Avatar, size: int, *, variant: str = "cuda_ad_rgb", hairs: int = 24_000, seed: int = 0) -> None:
        if variant not in VARIANTS:
            raise UsageError(f"variant {variant!r} is unknown; give one of {', '.join(VARIANTS)}")
        try:
            import mitsuba
        except ImportError:
            raise AnimacyError("the teacher needs Mitsuba 3: pip install 'animacy[train]'") from None
        mitsuba.set_variant(variant)
        self.size, self._mi, self._avatar = size, mitsuba, avatar
        self._rig = geometry.rig(avatar)
        self._surfaces = [
            _Surface(avatar, i)
            for i, m in enumerate(avatar.materials)
            if m.kind != "hair" and not m.cutout and (avatar.material == i).any()
        ]
        rest = geometry.deform(self._rig, np.zeros((1, 52), np.float32), np.zeros((1, 6), np.float32))
        curves = _curves(avatar, rest[1][0], hairs, np.random.default_rng(seed)) if hairs else {}
        self._curves = {name: hair for name, (hair, _) in curves.items()}
        scene: dict[str, Any] = {
            "type": "scene",
            # for scalar_rgb: of what a ray hits first, the depth tells alpha
            "integrator": {"type": "aov", "aovs": "depth:depth", "seen": {"type": "path", "max_depth": BOUNCES}},
            "sensor": _sensor(mitsuba, avatar, size),
            "sky": _sky(mitsuba, avatar),
        }
        for i, _ in enumerate(avatar.lights):
            scene[f"light{i}"] = mitsuba.load_dict(_light(mitsuba, avatar, i))
        for surface in self._surfaces:
            scene[surface.name] = surface.mesh(mitsuba, *(x[0] for x in rest))
        for name, (hair, colour) in curves.items():
            scene[name] = mitsuba.load_dict(_curve(hair.points(rest[0][0], rest[1][0]), _hair_bsdf(colour)))
        self._path = mitsuba.load_dict({"type": "path", "max_depth": BOUNCES})
        # Shapes are made above, one by one: load_dict makes many in any order, and emitters are drawn by their number.
        self._scene = mitsuba.load_dict(scene)
        self._parameters = mitsuba.traverse(self._scene)

    def paint(self, weights: Floats, pose: Floats, *, spp: int, seed: int) -> NDArray[np.uint8]:
        """One frame [S, S, 4]: sRGB, premultiplied alpha, row 0 on top; of `weights` [52] and `pose` [6].

        spp: samples a pixel. seed: of their noise.
        """
        return developed(self.passes(weights, pose, spp=spp, seed=seed).mean(0))

    def shoot(
        self, weights: Floats, pose: Floats, sizes: tuple[int, ...], *, spp: int, seed: int
    ) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """The frame at each of `sizes`, which halve the teacher's; (of all samples [s, s, 4], of each half [2, s, s, 4]).

        The halves' noise is independent: how much of a frame is noise can be told from them.
        """
        passes = self.passes(weights, pose, spp=spp, seed=seed)
        found = []
        for size in sizes:
            k = self.size // size
            small = passes.reshape(len(passes), size, k, size, k, 4).mean((2, 4)) if k > 1 else passes
            half = max(1, len(small) // 2)
            found.append((developed(small.mean(0)), np.stack([developed(x.mean(0)) for x in (small[:half], small[-half:])])))
        return found

    def passes(self, weights: Floats, pose: Floats, *, spp: int, seed: int) -> Floats:
        """The same frame as independent noisy pictures [P, S, S, 4], linear and premultiplied, whose mean it is."""
        p = self._parameters
        moved = geometry.deform(self._rig, weights[None], pose[None])
        positions, normals = moved[0][0], moved[1][0]
        for surface in self._surfaces:
            v, n = surface.moved(positions, normals)
            p[f"{surface.name}.vertex_positions"] = np.ascontiguousarray(v, np.float32).ravel()
            p[f"{surface.name}.vertex_normals"] = np.ascontiguousarray(n, np.float32).ravel()
        for name, hair in self._curves.items():
            p[f"{name}.control_points"] = _drawn(hair.points(positions, normals)).ravel()
        p.update()
        each = max(1, min(8, spp // 2))  # stratified within a pass
        return np.stack([self._pass(each, (seed * 4099 + k) % 2**32) for k in range(max(1, spp // each))])

    def _pass(self, spp: int, seed: int) -> Floats:
        """The mean [S, S, 4] of `spp` samples a pixel, none of them brighter than BRIGHTEST."""
        mi = self._mi
        if mi.variant() == "scalar_rgb":
            shots = (np.array(mi.render(self._scene, spp=1, seed=(seed * 31 + k) % 2**32), np.float32) for k in range(spp))
            found = (np.where(shot[..., -1:] > 0, np.insert(shot[..., :3], 3, 1, -1), 0) for shot in shots)
            return np.asarray(sum(calmed(shot) for shot in found) / spp, np.float32)
        import drjit

        count = self.size**2 * spp
        sampler = self._scene.sensors()[0].sampler().clone()
        sampler.set_sample_count(spp)
        sampler.set_samples_per_wavefront(spp)
        sampler.seed(drjit.opaque(mi.UInt32, seed), count)  # a literal would be compiled into a kernel of its own
        pixel = drjit.arange(mi.UInt32, count) // spp
        row = pixel // self.size
        at = (mi.Vector2f(pixel - row * self.size, row) + sampler.next_2d()) / self.size
        ray, _ = self._scene.sensors()[0].sample_ray_differential(0.0, 0.5, at, mi.Point2f(0.5))
        light, _, _ = self._path.sample(self._scene, sampler, ray)
        valid = self._scene.ray_test(ray)  # the sky, which is behind all, is not painted
        channels = [drjit.select(valid, c, 0.0) for c in (light.x, light.y, light.z)]
        peak = drjit.maximum(drjit.maximum(*channels[:2]), channels[2])
        share = drjit.select(drjit.isfinite(peak), drjit.minimum(1.0, BRIGHTEST / drjit.maximum(peak, 1e-6)), 0.0) / spp
        values = [*(c * share for c in channels), drjit.select(valid, 1.0, mi.Float(0.0)) / spp]
        drjit.eval(values)  # together: one by one each would trace the paths again
        sums = [drjit.block_reduce(drjit.ReduceOp.Add, x, spp) for x in values]
        return np.stack([np.array(x, np.float32) for x in sums], -1).reshape(self.size, self.size, 4)


def calmed(sample: Floats) -> Floats:
    """One sample a pixel [S, S, 4], with colours dimmed to BRIGHTEST."""
    light = np.nan_to_num(sample[..., :3], posinf=0)
    share = np.minimum(1, BRIGHTEST / np.maximum(light.max(-1, keepdims=True), 1e-6))
    return np.asarray(np.concatenate([light * share, sample[..., 3:]], -1))


def developed(image: Floats) -> NDArray[np.uint8]:
    """Linear premultiplied RGBA [H, W, 4] on the rasteriser's film (shading.py), as premultiplied sRGB bytes."""
    alpha = np.clip(image[..., 3:], 0, 1)
    colour = np.maximum(np.nan_to_num(image[..., :3]), 0) / np.maximum(alpha, 1e-4)
    peak = colour.max(-1, keepdims=True)
    bright = np.where(peak > 0.6, 1 - 0.16 / np.maximum(peak - 0.2, 0.4), peak)
    white = np.where(peak > 0.6, 1 - 1 / (1 + 0.25 * (peak - bright)), 0)
    colour = colour * bright / np.maximum(peak, 1e-6)
    colour = np.clip(colour + (bright - colour) * white, 0, 1)
    encoded = np.where(colour <= 0.0031308, 12.92 * colour, 1.055 * np.power(np.maximum(colour, 1e-8), 1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * np.concatenate([encoded * alpha, alpha], -1)), np.uint8)


def bald(avatar: Avatar) -> NDArray[np.bool_]:
    """[F] the triangles that the teacher draws as surfaces, not as hair."""
    surface = np.array([m.kind != "hair" and not m.cutout for m in avatar.materials])
    return np.asarray(surface[avatar.material])


class _Surface:
    """One material's triangles, each in four: Phong tessellation (Boubekeur & Alexa 2008) rounds the silhouette."""

    def __init__(self, avatar: Avatar, material: int) -> None:
        self.avatar, self.material = avatar, avatar.materials[material]
        self.name = f"surface{material}"
        triangles = avatar.triangles[avatar.material == material].astype(np.int64)
        self.used, local = np.unique(triangles, return_inverse=True)
        f = local.reshape(triangles.shape)
        edges = np.sort(np.stack([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]], 1), -1)
        self.edges, middle = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
        a, b, c = (middle.reshape(-1, 3) + len(self.used)).T
        i, j, k = f.T
        self.triangles = np.concatenate([np.stack(t, 1) for t in ((i, a, c), (a, j, b), (c, b, k), (a, b, c))])
        uv = avatar.uv[self.used]
        self.uv = np.concatenate([uv, uv[self.edges].mean(1)])
        self.balls = _balls(avatar.positions[self.used], f) if self.material.kind == "eye" else []

    def moved(self, positions: Floats, normals: Floats) -> tuple[Floats, Floats]:
        p, n = positions[self.used], normals[self.used]
        for ball, pole in self.balls:
            n[ball] = _cornea(n[ball], n[pole])
        ends, sides = p[self.edges], n[self.edges]
        middle = ends.mean(1)
        if self.material.kind != "eye":
            high = ((middle[:, None] - ends) * sides).sum(-1, keepdims=True)
            middle = middle - 0.75 * (high * sides).mean(1)
        between = sides.mean(1)
        between /= np.linalg.norm(between, axis=1, keepdims=True) + 1e-9
        return np.concatenate([p, middle]), np.concatenate([n, between])

    def mesh(self, mi: Any, positions: Floats, normals: Floats, tangents: Floats) -> Any:
        v, n = self.moved(positions, normals)
        properties = mi.Properties()
        properties["mesh_bsdf"] = mi.load_dict(self.bsdf(mi))
        if glow := GLOW.get(self.material.name, 0):
            light = (self.avatar.albedo[..., :3] / 255.0) ** 2.2 * glow
            radiance = {"type": "bitmap", "bitmap": mi.Bitmap(light.astype(np.float32)), "raw": True, "wrap_mode": "clamp"}
            properties["mesh_emitter"] = mi.load_dict({"type": "area", "radiance": radiance, "sampling_weight": 0.0})
        mesh = mi.Mesh(
            self.name, len(v), len(self.triangles), has_vertex_normals=True, has_vertex_texcoords=True, props=properties
        )
        p = mi.traverse(mesh)
        p["vertex_positions"], p["vertex_normals"] = v.astype(np.float32).ravel(), n.astype(np.float32).ravel()
        p["vertex_texcoords"], p["faces"] = self.uv.astype(np.float32).ravel(), self.triangles.astype(np.uint32).ravel()
        p.update()
        return mesh

    def bsdf(self, mi: Any) -> dict[str, Any]:
        """The bundle's textures, cut to the part of the atlas that the material uses, on a principled surface."""
        kind, avatar = self.material.kind, self.avatar
        surface = avatar.surface.astype(np.float32) / 255
        relief = np.empty((*surface.shape[:2], 3), np.float32)
        hand = np.sign(np.median(avatar.tangents[self.used, 3]))  # Mitsuba's bitangent is normal x tangent
        relief[..., 0] = (surface[..., 0] * 255 - 128) / 127
        relief[..., 1] = hand * (surface[..., 1] * 255 - 128) / 127
        relief[..., 2] = np.sqrt(np.clip(1 - relief[..., 0] ** 2 - relief[..., 1] ** 2, 0.04, 1))
        rough = np.clip(surface[..., 2:3], 0.12, 1)
        specular = float(np.clip(self.material.specular / 0.08, 0, 1))  # reflectance at normal incidence is 0.08 of it
        base: dict[str, Any] = {
            "type": "principled",
            "base_color": _texture(mi, _brighter(avatar.albedo[..., :3], ENAMEL if kind == "tooth" else 1.0), raw=False),
            "roughness": _texture(mi, rough, raw=True),
            "specular": specular,
        }
        if kind == "skin":
            wet = np.clip((0.56 - rough) / 0.10, 0, 1) * (surface[..., 2:3] > 0.02)
            base |= {"flatness": 0.6, "sheen": 0.05, "clearcoat": _texture(mi, 0.45 * wet, raw=True), "clearcoat_gloss": 0.88}
        elif kind == "tooth":
            base |= {"flatness": 0.5, "specular": 0.5, "roughness": 0.35}
        elif kind == "cloth":
            base |= {"sheen": 0.5, "specular": 0.15}
        elif kind == "eye":
            base |= {"roughness": 0.07, "specular": 0.5, "flatness": 0.3}
        if kind not in ("eye", "tooth"):  # the cornea is smooth, and so is enamel
            base = {"type": "normalmap", "normalmap": _texture(mi, relief * 0.5 + 0.5, raw=True), "bsdf": base}
        return {"type": "twosided", "bsdf": base}


def _brighter(albedo: NDArray[np.uint8], glow: float) -> NDArray[np.uint8]:
    if glow == 1:
        return albedo
    linear = (albedo / 255.0) ** 2.2 * glow
    return np.rint(255 * np.minimum(linear, 0.92) ** (1 / 2.2)).astype(np.uint8)


def _texture(mi: Any, image: NDArray[Any], raw: bool) -> dict[str, Any]:
    """uint8 sRGB, or float values as they are."""
    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(image)), "raw": raw, "wrap_mode": "clamp"}


def _balls(positions: NDArray[np.float32], triangles: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], int]]:
    """Each eyeball's vertices and the one at its pole, which lies furthest to the front."""
    left = positions[:, 0] > positions[:, 0].mean()
    return [(v, int(v[positions[v, 2].argmax()])) for v in (np.flatnonzero(left), np.flatnonzero(~left)) if len(v)]


def _cornea(normals: Floats, gaze: Floats) -> Floats:
    """A sphere's normals as a cornea over its front bends them: more than the sphere's inside, level where it ends."""
    cosine = (normals @ gaze)[:, None]
    x = np.clip(np.arccos(np.clip(cosine, -1, 1)) / CORNEA, 0, 1)
    bent = normals + BULGE * (1 - x * x) ** 2 * (normals - cosine * gaze)
    return np.asarray(bent / np.linalg.norm(bent, axis=1, keepdims=True), np.float32)


def _sensor(mi: Any, avatar: Avatar, size: int) -> dict[str, Any]:
    c = avatar.camera
    film = {"type": "hdrfilm", "width": size, "height": size, "rfilter": {"type": "box"}, "pixel_format": "rgba"}
    look = mi.ScalarTransform4f().look_at(origin=list(c.position), target=list(c.target), up=[0, 1, 0])
    return {
        "type": "perspective",
        "fov": c.fov_degrees,
        "fov_axis": "y",
        "near_clip": c.near / 4,
        "to_world": look,
        "film": film,
        "sampler": {"type": "multijitter"},
    }


def light_corners(avatar: Avatar, index: int) -> NDArray[np.float64]:
    """[4, 3] corners of the rectangle that stands for light `index`, in world space."""
    target, direction = np.array(avatar.camera.target), np.array(avatar.lights[index].direction)
    side = np.cross([0.0, 1.0, 0.0], direction)
    side /= np.linalg.norm(side)
    up = np.cross(direction, side)
    half = KEY if index == 0 else OTHER
    centre = target + DISTANCE * direction
    return np.stack([centre + half * (a * side + b * up) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])


def _light(mi: Any, avatar: Avatar, index: int) -> dict[str, Any]:
    corners = light_corners(avatar, index)
    half = KEY if index == 0 else OTHER
    # Radiance x area / distance^2 = irradiance; a distant light of colour C gives pi C on a surface that faces it.
    # Hair passes most light on ahead: from behind it would outshine the face, so that rim lights are halved.
    strength = 1.0 if avatar.lights[index].direction[2] > 0 else 0.5
    radiance = strength * np.pi * np.array(avatar.lights[index].colour) * DISTANCE**2 / (4 * half**2)
    look = mi.ScalarTransform4f().look_at(
        origin=[float(x) for x in corners.mean(0)], target=list(avatar.camera.target), up=[0, 1, 0]
    )
    return {"type": "rectangle", "to_world": look.scale([half, half, 1]),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [float(x) for x in radiance]},
                        "sampling_weight": (3.0, 1.0, 1.0)[min(index, 2)]}}  # fmt: skip


def _sky(mi: Any, avatar: Avatar) -> dict[str, Any]:
    """An environment whose radiance falls linearly from the zenith to the nadir.

    Such a one of mean m and slope d gives the irradiance pi (m + 2/3 d N.up), so the slope is 3/2 of the bundle's.
    """
    sky, ground = np.array(avatar.sky), np.array(avatar.ground)
    up = np.cos(np.pi * (np.arange(32) + 0.5) / 32)[:, None]
    rows = (sky + ground) / 2 + 0.75 * up * (sky - ground)
    image = np.repeat(np.maximum(rows, 0)[:, None], 64, 1).astype(np.float32)
    return {"type": "envmap", "bitmap": mi.Bitmap(image), "sampling_weight": 1.5}


def _curves(
    avatar: Avatar, normals: Floats, count: int, rng: np.random.Generator
) -> dict[str, tuple[strands.Strands, NDArray[np.float64]]]:
    """Hairs and their linear RGB [3], by the names they get in the scene: of each hair and lash material, and of the brows.

    normals: of vertices at rest [V, 3].

    Hair takes its colour from the texture where it runs, in SHADES groups: locks differ, and one can see from the texture how.
    """
    linear = (avatar.albedo[..., :3] / 255.0) ** 2.2
    found: dict[str, tuple[strands.Strands, NDArray[np.float64]]] = {}
    skin = avatar.positions[np.unique(avatar.triangles[avatar.material == _of_kind(avatar, "skin")[0]])]
    for i, m in enumerate(avatar.materials):
        triangles = avatar.triangles[avatar.material == i].astype(np.int64)
        if not len(triangles) or not (m.kind == "hair" or m.cutout):
            continue
        if m.kind == "hair":
            # Closed sheets are the mass of the hair; cards with ragged ends are what lies over it.
            number = count * 2 // 3 if not m.cutout else count // 3
            depth = (-0.002, 0.001) if m.cutout else (-0.0035, 0.001)
            points, radius, root, stray, ragged, overlap = POINTS, 6.5e-5, 0.004, 6e-4, 0.05, 0.006
            thins = (0.12, 0.45)  # hair that is cut: tapered as lashes are it would dissolve above the shoulders
        else:
            number, points, depth = 520, 5, (-1e-4, 1e-4)
            radius, root, stray, ragged, overlap, thins = 4.5e-5, 0.0, 2.5e-4, 0.0, 0.0, (0.25, 0.15)
        grown = strands.grow(avatar.positions, avatar.uv, triangles, number, points, rng, ragged, overlap)
        run = grown.points(avatar.positions, np.zeros_like(avatar.positions))[..., :3]
        ends = run[:: max(1, number // 100), [0, -1]]
        first, last = (np.linalg.norm(ends[:, k, None] - skin, axis=-1).min(1) for k in (0, 1))
        flipped = bool(np.median(last) < np.median(first))
        # Cards may face the head: where it is tells what is outwards.
        end = -1 if flipped else 0
        facing = (normals[grown.vertex[:, end]] * grown.share[:, end, :, None]).sum(1)
        outwards = np.sign(((run[:, end] - skin.mean(0)) * facing).sum(-1, keepdims=True)) if m.kind == "hair" else 1.0
        # Where a long lock begins above another it has to come out from under that one, or it ends in a step.
        length = np.linalg.norm(np.diff(run, axis=1), axis=-1).sum(1)
        lock = m.kind == "hair" and m.cutout
        deep, rises = (np.clip(0.06 * length, root, 0.012), 0.2) if lock else (root, 0.12)
        combed = strands.comb(
            grown, rng, radius=radius, depth=depth, root=deep, stray=stray, flipped=flipped, rises=rises, thins=thins
        )
        combed = dataclasses.replace(combed, lift=(outwards * combed.lift).astype(np.float32))
        if m.kind != "hair":
            found[f"hair{i}"] = combed, _hair_colour(avatar, i)
            continue
        spots = np.einsum("skv,skvc->skc", grown.share, avatar.uv[grown.vertex]) * (len(linear) - 1)
        texels = linear[spots[..., 1].astype(int), spots[..., 0].astype(int)].mean(1)
        tone = texels.mean(1)
        group = np.searchsorted(np.quantile(tone, np.arange(1, SHADES) / SHADES), tone)
        mean = texels.mean(0)
        for k in range(SHADES):
            colour = mean * (texels[group == k].mean(0) / mean) ** CONTRAST
            found[f"hair{i}_{k}"] = combed.chosen(group == k), np.clip(colour, 0.005, 0.9)
    brows = _brows(avatar, rng)
    return found if brows is None else found | {"brows": (brows, brow_paint(avatar)[3])}


def _of_kind(avatar: Avatar, kind: str) -> list[int]:
    return [i for i, m in enumerate(avatar.materials) if m.kind == kind]


def _drawn(points: Floats) -> Floats:
    """Control points [S, K, 4] -> those of the B-splines that are drawn [S, (K - 1) * FINER + 3, 4]: FINER points of each span
    of the spline of `points`, so that spans are shorter, and the ends twice, so that hairs reach them.
    """
    first, last = 2 * points[:, :1] - points[:, 1:2], 2 * points[:, -1:] - points[:, -2:-1]
    p = np.concatenate([first, points, last], 1)
    spans = points.shape[1] - 1
    found = np.empty((len(points), spans * FINER + 3, 4), np.float32)
    for k in range(FINER):
        t = k / FINER
        shares = np.array([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], np.float32) / 6
        found[:, 1 + k : -2 : FINER] = sum(share * p[:, n : n + spans] for n, share in enumerate(shares))
    found[:, 0], found[:, -2:] = points[:, 0], points[:, -1:]
    return found


def _curve(points: Floats, bsdf: dict[str, Any]) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        for strand in _drawn(points):
            file.writelines("{:.7f} {:.7f} {:.7f} {:.8f}\n".format(*tuple(x)) for x in strand)
            file.write("\n")
    return {"type": "bsplinecurve", "filename": str(Path(file.name)), "bsdf": bsdf}


def _hair_colour(avatar: Avatar, material: int) -> NDArray[np.float64]:
    """Linear RGB [3]: the mean of the cards' texture."""
    triangles = avatar.triangles[avatar.material == material]
    spots = (avatar.uv[triangles].mean(1) * (avatar.albedo.shape[0] - 1)).astype(int)
    texels = avatar.albedo[spots[:, 1], spots[:, 0]].astype(float) / 255
    solid = texels[texels[:, 3] > 0.5]
    return np.asarray((np.clip((solid if len(solid) else texels)[:, :3], 0.01, 0.95) ** 2.2).mean(0))


def _hair_bsdf(colour: NDArray[np.float64]) -> dict[str, Any]:
    """Hair that seen in bulk has this colour: Chiang et al. 2016, equation 9."""
    b = 0.35  # azimuthal roughness
    absorbed = (np.log(colour) / (5.969 - 0.215 * b + 2.532 * b**2 - 10.73 * b**3 + 5.574 * b**4 + 0.245 * b**5)) ** 2
    return {"type": "hair", "sigma_a": {"type": "rgb", "value": [float(x) for x in absorbed]}, "longitudinal_roughness": 0.3,
            "azimuthal_roughness": b, "scale_tilt": 2.5}  # fmt: skip


def brow_window(avatar: Avatar) -> NDArray[np.bool_]:
    """[F] the skin's triangles, seen from the front, among which brows lie; none where there is no eye."""
    eye, skin = (np.isin(avatar.material, _of_kind(avatar, k)[:1]) for k in ("eye", "skin"))
    if not eye.any():
        return np.zeros(len(avatar.triangles), bool)
    eyes = avatar.positions[np.unique(avatar.triangles[eye])]
    middle = avatar.positions[avatar.triangles].mean(1) - [0, eyes[:, 1].mean(), eyes[:, 2].mean()]
    aside = np.abs(middle[:, 0])
    return np.asarray(
        skin & (aside > 0.004) & (aside < 0.054) & (middle[:, 1] > 0.004) & (middle[:, 1] < 0.036) & (middle[:, 2] > -0.02)
    )


def brow_paint(avatar: Avatar) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Where the texture shows brows: triangles [F, 3]; points [N, 3] at rest; how much hair each shows [N]; its colour [3]."""
    triangles = avatar.triangles[brow_window(avatar)].astype(np.int64)
    if not len(triangles):
        return triangles, np.empty((0, 3)), np.empty(0), np.full(3, 0.02)
    corners = avatar.positions[triangles].astype(float)
    flat = (corners[:, 1, 0] - corners[:, 0, 0]) * (corners[:, 2, 1] - corners[:, 0, 1])
    flat = flat - (corners[:, 2, 0] - corners[:, 0, 0]) * (corners[:, 1, 1] - corners[:, 0, 1])
    triangles, corners, flat = triangles[flat > 1e-9], corners[flat > 1e-9], flat[flat > 1e-9]
    rng = np.random.default_rng(5)
    chosen = rng.choice(len(triangles), 60_000, p=flat / flat.sum())
    share = rng.dirichlet((1.0, 1.0, 1.0), len(chosen))[..., None]
    points = (corners[chosen] * share).sum(1)
    uv = (avatar.uv[triangles[chosen]] * share).sum(1) * (avatar.albedo.shape[0] - 1)
    texel = (avatar.albedo[uv[:, 1].astype(int), uv[:, 0].astype(int), :3] / 255.0) ** 2.2
    light = texel.mean(1)
    skin, hair = np.median(light), np.quantile(light, 0.004)
    cover = np.clip((0.85 * skin - light) / max(0.85 * skin - hair, 1e-6), 0, 1)
    eye = np.unique(avatar.triangles[np.isin(avatar.material, _of_kind(avatar, "eye"))])
    cover = cover * (points[:, 1] - avatar.positions[eye, 1].mean() > 0.0085)  # below lie the lids with their own dark
    # the ridge of each brow; what is dark elsewhere is no brow
    column = np.clip((np.abs(points[:, 0]) / 0.003).astype(int), 0, 24)
    ridge = np.array(
        [np.average(points[m, 1], weights=cover[m] ** 2 + 1e-9) if (m := column == k).any() else 0 for k in range(25)]
    )
    cover = cover * (np.abs(points[:, 1] - ridge[column]) < 0.006)
    return triangles, points, cover, np.clip(texel[light <= np.quantile(light, 0.01)].mean(0), 0.01, 0.9)


def _brows(avatar: Avatar, rng: np.random.Generator) -> strands.Strands | None:
    """Two brows of about 500 hairs each, dense where the texture is dark; None where it shows none."""
    if not brow_window(avatar).any():
        return None
    triangles, points, cover, _ = brow_paint(avatar)
    if (cover > 0.3).mean() < 0.01:
        return None
    kept = rng.choice(len(points), 1000, p=cover / cover.sum())
    at, side = points[kept, :2], np.sign(points[kept, 0])
    inner, outer = np.quantile(np.abs(at[:, 0]), (0.01, 0.99))
    s = np.clip((np.abs(at[:, 0]) - inner) / (outer - inner), 0, 1)
    # combed up at the inner end and level or down at the outer, the upper hairs less than the lower ones
    lean = np.interp(s, [0, 0.15, 0.5, 1], [1.2, 0.7, 0.3, -0.2]) + rng.normal(0, 0.12, len(s))
    length = rng.uniform(0.003, 0.0052, len(s)) * np.interp(s, [0, 0.5, 1], [0.85, 1.0, 0.7])
    lean = np.where(side > 0, lean, np.pi - lean)
    root = at - 0.4 * length[:, None] * np.stack([np.cos(lean), np.sin(lean)], 1)
    return strands.sprout(avatar.positions, triangles, root, lean, length, 5, rng, radius=4.2e-5, lift=0.0006)
