"""Who is built: every choice that makes one face differ from another, in one readable place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Colour = tuple[float, float, float]  # sRGB, 0..1


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    targets: Mapping[str, float]  # modelling target of the wheel (without .target.gz) -> weight; `l-` brings its twin
    skin: Colour
    lips: Colour
    blush: Colour
    iris: Colour
    iris_ring: Colour
    hair: Colour
    hair_light: Colour
    brow: Colour
    cloth: Colour
    backdrop: tuple[Colour, Colour] = ((0.50, 0.51, 0.53), (0.17, 0.185, 0.21))  # behind the head, at the corners
    seed: int = 7


def woman() -> Identity:
    """The default avatar: a young woman, a blend of the base mesh's three ethnic poles, nobody in particular."""
    macro = "macrodetails/"
    return Identity(
        name="Ani",
        targets={
            macro + "caucasian-female-young": 0.55,
            macro + "asian-female-young": 0.30,
            macro + "african-female-young": 0.15,
            macro + "universal-female-young-averagemuscle-averageweight": 1.0,
            "head/head-oval": 0.4,
            "nose/nose-scale-horiz-decr": 0.30,
            "nose/nose-nostrils-width-decr": 0.25,
            "nose/nose-point-up": 0.15,
            "eyes/l-eye-scale-incr": 0.80,
            "mouth/mouth-upperlip-volume-incr": 0.25,
            "mouth/mouth-angles-up": 0.35,
            "chin/chin-width-decr": 0.20,
        },
        skin=(0.80, 0.605, 0.51),
        lips=(0.665, 0.365, 0.335),
        blush=(0.80, 0.44, 0.37),
        iris=(0.40, 0.265, 0.15),
        iris_ring=(0.085, 0.055, 0.040),
        hair=(0.23, 0.150, 0.105),
        hair_light=(0.44, 0.305, 0.21),
        brow=(0.20, 0.130, 0.092),
        cloth=(0.30, 0.42, 0.45),
    )
