"""Who is built: every choice that makes one face differ from another, read from a TOML file (identities/*.toml).

A section is a dataclass, a key a field. A field without a default must be given; one with a default may be left out.
"""

# ruff: noqa: RUF009 (the calls in the sections make fields)
from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import AnimacyError, UsageError
from ...types import ARKIT
from .part import Floats

IDENTITIES = Path(__file__).parent / "identities"
Colour = tuple[float, float, float]  # sRGB, 0..1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(low: float, high: float, whole: bool = False, default: Any = MISSING) -> Any:
    def read(value: Any) -> float:
        if not _is_number(value) or not low <= value <= high or (whole and not isinstance(value, int)):
            raise ValueError(f"{'a whole number' if whole else 'a number'} from {low:g} to {high:g}")
        return int(value) if whole else value

    return field(default=default, metadata={"read": read})


def _colour() -> Any:
    def read(value: Any) -> Colour:
        if not isinstance(value, list) or len(value) != 3 or not all(_is_number(x) and 0 <= x <= 1 for x in value):
            raise ValueError("a colour: three numbers from 0 to 1")
        return (value[0], value[1], value[2])

    return field(metadata={"read": read})


def _choice(*names: str) -> Any:
    def read(value: Any) -> str:
        if value not in names:
            raise ValueError(" or ".join(repr(n) for n in names))
        return str(value)

    return field(metadata={"read": read})


def _array(*shape: tuple[int, int], default: Any = MISSING) -> Any:
    """Numbers in nested lists, whose lengths are within `shape`."""

    def read(value: Any) -> Floats:
        try:
            a = np.array(value, float)
        except (TypeError, ValueError):
            a = np.array(np.nan)
        if a.ndim != len(shape) or not all(lo <= n <= hi for n, (lo, hi) in zip(a.shape, shape, strict=True)):
            a = np.array(np.nan)
        if not np.isfinite(a).all() or np.abs(a).max() > 1000:
            sizes = " x ".join(str(lo) if lo == hi else f"{lo} to {hi}" for lo, hi in shape)
            raise ValueError(f"{sizes} numbers within -1000 and 1000")
        return a

    return field(default=default, metadata={"read": read})


def _weights() -> Any:
    def read(value: Any) -> Mapping[str, float]:
        if not isinstance(value, dict) or not value or not all(_is_number(x) and -2 <= x <= 2 for x in value.values()):
            raise ValueError("a table of weights from -2 to 2")
        return dict(value)

    return field(metadata={"read": read})


def _strengths() -> Any:
    def read(value: Any) -> Mapping[str, float]:
        if not isinstance(value, dict) or not all(k in ARKIT and _is_number(x) and 0.2 <= x <= 3 for k, x in value.items()):
            raise ValueError("a table of ARKit's shapes, each a number from 0.2 to 3")
        return dict(value)

    return field(default_factory=dict, metadata={"read": read})


@dataclass(frozen=True, slots=True, kw_only=True)
class Phenotype:
    targets: Mapping[str, float] = _weights()  # target of the wheel (without .target.gz) -> weight; `l-` brings its twin
    shapes: Mapping[str, float] = _strengths()  # ARKit shape -> how far it moves, as a share of the wheel's; 1 where not named


@dataclass(frozen=True, slots=True, kw_only=True)
class Skin:
    colour: Colour = _colour()
    lips: Colour = _colour()
    blush: Colour = _colour()  # where blood shows: cheeks, tip of the nose, chin, ears
    freckles: float = _number(0, 1)
    stubble: float = _number(0, 1, default=0.0)  # how much a shaved beard shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    iris: Colour = _colour()
    ring: Colour = _colour()
    lashes: float = _number(0.2, 1.5, default=1.0)  # their length, as a share of the default avatar's
    lash_line: float = _number(0, 1, default=1.0)  # how dark the lids are along the lashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hair:
    style: str = _choice("long", "short")  # hair.py, crop.py
    colour: Colour = _colour()
    light: Colour = _colour()
    gloss: float = _number(0, 3, default=1.0)  # how bright its highlights are, as a share of the default avatar's
    scalp: float = _number(0, 1)  # how dark the skin is where hair grows
    volume: float = _number(0, 60)  # millimetres by which hair stands off the crown
    guides: Floats = _array((3, 12), (4, 16), (3, 3))  # strands; millimetres (aside, above the eyes, world z) from root to end
    parting: float = _number(-60, 60, default=0.0)  # long: millimetres to her left
    layers: int = _number(3, 12, whole=True, default=8)  # short: rows of hair from the forehead to the nape
    sweep: float = _number(-1, 1, default=0.0)  # short: how far hair on top is combed to the right (+) or left
    sides: float = _number(1, 20, default=4.0)  # short: millimetres of hair about the ears and in the neck


@dataclass(frozen=True, slots=True, kw_only=True)
class Brows:
    colour: Colour = _colour()
    hairs: int = _number(50, 3000, whole=True)
    weight: float = _number(0.2, 3, default=1.0)  # how thick a hair is drawn
    shape: Floats = _array((3, 3), (4, 12))  # millimetres: from the middle of the face; lower edge above the eyes; thickness


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    colour: Colour = _colour()
    neckline: float = _number(100, 220)  # millimetres below the eyes, at world z 0 in the middle
    slope: float = _number(0, 1)  # how steeply it falls to the front
    flare: float = _number(0, 4)  # how steeply it rises towards the shoulders, ...
    width: float = _number(20, 120)  # ... from this many millimetres aside on
    collar: float = _number(0.3, 3, default=1.0)  # height of the roll, as a share of the default avatar's
    knit: float = _number(0, 1, default=1.0)  # depth of the stitches
    gauge: float = _number(0.3, 4, default=1.0)  # fineness of the stitches


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    near: Colour = _colour()  # behind the head
    far: Colour = _colour()  # at the corners


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    distance: float = _number(500, 2000, default=1140.0)  # millimetres from the world's axis to the camera
    middle: float = _number(-200, 200, default=36.0)  # millimetres below the eyes


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    name: str
    seed: int
    phenotype: Phenotype
    skin: Skin
    eyes: Eyes
    hair: Hair
    brows: Brows
    dress: Dress
    backdrop: Backdrop
    frame: Frame


SECTIONS: Mapping[str, Callable[..., Any]] = {
    "phenotype": Phenotype,
    "skin": Skin,
    "eyes": Eyes,
    "hair": Hair,
    "brows": Brows,
    "dress": Dress,
    "backdrop": Backdrop,
    "frame": Frame,
}


def identity(who: str) -> Identity:
    """The identity of that name, or of a .toml file.

    Raises UsageError for an unknown name, AnimacyError for a file that cannot be read or a key that is missing, unknown or
    out of range.
    """
    known = sorted(p.stem for p in IDENTITIES.glob("*.toml"))
    if not who.endswith(".toml") and who not in known:
        raise UsageError(f"identity {who!r} is unknown; give {', '.join(known)} or a .toml file")
    path = Path(who) if who.endswith(".toml") else IDENTITIES / f"{who}.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AnimacyError(f"{path}: cannot be read as TOML ({error}); see docs/avatar.md") from error
    name, seed = data.pop("name", None), data.pop("seed", None)
    if not isinstance(name, str) or not name.strip():
        raise AnimacyError(f"{path}: name is {name!r}; give a text")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 10**6:
        raise AnimacyError(f"{path}: seed is {seed!r}; give a whole number from 0 to 999999")
    for key in data:
        if key not in SECTIONS:
            raise AnimacyError(f"{path}: {key} is unknown; the sections are {', '.join(SECTIONS)}")
    return Identity(
        name=name, seed=seed, **{key: _section(path, key, kind, data.get(key, {})) for key, kind in SECTIONS.items()}
    )


def _section(path: Path, section: str, kind: Callable[..., Any], table: Any) -> Any:
    if not isinstance(table, dict):
        raise AnimacyError(f"{path}: {section} is {table!r}; give a section [{section}]")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise AnimacyError(f"{path}: {section}.{key} is unknown; the keys are {', '.join(known)}")
    values = {}
    for key, f in known.items():
        if key in table:
            try:
                values[key] = f.metadata["read"](table[key])
            except ValueError as error:
                given = repr(table[key])
                given = given if len(given) < 60 else given[:57] + "..."
                raise AnimacyError(f"{path}: {section}.{key} is {given}; give {error}") from error
        elif f.default is MISSING and f.default_factory is MISSING:
            raise AnimacyError(f"{path}: {section}.{key} is missing")
    made = kind(**values)
    if isinstance(made, Brows) and not (np.diff(made.shape[0]) > 0).all():
        raise AnimacyError(f"{path}: brows.shape has a first row that does not rise; give it from the middle outwards")
    return made
