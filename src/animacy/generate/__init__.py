"""Conditions -> Faces: a bundle's network paints, or the shaded picture is shown as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from ..avatar import Avatar, GeneratorWeights
from ..errors import AnimacyError, UsageError
from ..types import Conditions, Faces

__all__ = ["Painter", "Shaded", "make_generator"]


class Painter(Protocol):
    """A stages.Generator that says which conditions it takes."""

    @property
    def size(self) -> int | None:
        """Pixels a side of the conditions; None: of any size, and the faces are of the same."""

    def generate(self, conditions: Conditions) -> Faces: ...


class Shaded:
    """A Generator that paints nothing: its faces are the rasteriser's shaded colour."""

    size = None

    def generate(self, conditions: Conditions) -> Faces:
        return Faces(conditions.shaded)


def make_generator(
    name: Literal["auto", "none", "lite", "full"] | str,
    avatar: Avatar,
    size: int,
    stage: Callable[[str], None] = lambda name: None,
) -> Painter:
    """What paints `avatar` in frames of `size` pixels a side; render its conditions at its `size`, where it has one.

    "auto" takes the bundle's lite network up to 256 pixels and its full one above, the only one where it has one, and none
    where it has none. "none" shows the shaded render. `stage` is told once who paints. Raises UsageError for another name, and
    for a network that the bundle has not; AnimacyError for one that does not work.
    """
    if name not in ("auto", "none", "lite", "full"):
        raise UsageError(f"generator {name!r} is unknown; give auto, none, lite or full")
    if name == "none":
        stage("painting: none, as asked for")
        return Shaded()
    if name == "auto" and not avatar.generators:
        stage("painting: none, the bundle has no network")
        return Shaded()
    there = {g.name: g for g in avatar.generators}
    wanted = ("lite" if size <= 256 else "full") if name == "auto" else name
    if wanted in there:
        weights, remark = there[wanted], ""
    elif name == "auto":
        weights, remark = avatar.generators[0], f", the bundle has no {wanted}"
    else:
        names = ", ".join(there) or "no network"
        raise UsageError(
            f"--generator {name}: the bundle of {avatar.name!r} has {names}; give {', '.join(('auto', 'none', *there))}"
        )
    stage(f"painting: {weights.name}{remark}")
    return _network(weights, avatar.name, size)


def _network(weights: GeneratorWeights, avatar: str, size: int) -> Painter:
    from .onnx import OnnxGenerator  # imports ONNX Runtime and Numba
    from .resized import Resized

    source = f"{weights.name}.onnx of the avatar {avatar!r}"
    painter = OnnxGenerator(weights.weights, source=source)
    if painter.size != weights.size:
        raise AnimacyError(f"{source} paints {painter.size}x{painter.size}, its avatar.json says {weights.size}")
    return painter if painter.size == size else Resized(painter, size)
