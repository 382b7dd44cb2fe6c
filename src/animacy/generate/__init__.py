"""Conditions -> Faces. Until a bundle carries a network's weights, the shaded picture is shown as it is."""

from __future__ import annotations

from ..types import Conditions, Faces

__all__ = ["Shaded"]


class Shaded:
    """A Generator that paints nothing: its faces are the rasteriser's shaded colour."""

    def generate(self, conditions: Conditions) -> Faces:
        return Faces(conditions.shaded)
