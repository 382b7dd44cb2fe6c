"""The faces by which a stranger would judge an avatar: plain, painted and traced, one above the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..avatar import Avatar
from ..move.expression import expression
from ..move.mouth import mouth_weights
from ..move.visemes import VISEMES
from ..types import ARKIT, Motion

FPS = 25
PHONES = {"ah": "ɑ", "ee": "i", "oo": "u", "f": "f", "m": "m", "th": "θ"}
EMOTIONS = ("joy", "anger", "sadness", "fear", "surprise")


def poses() -> dict[str, Motion]:
    """15 frames by name: neutral, five emotions at full strength, six visemes, eyes closed, both head turns of 20 degrees."""
    still = np.zeros(52)
    found = {"neutral": _one(still)}
    for emotion in EMOTIONS:
        found[emotion] = _one(expression({emotion: 1.0}, 0.0, 0.5))
    for name, phone in PHONES.items():
        v = VISEMES[phone]
        shape = np.array([[v.jaw, v.spread, v.funnel, v.pucker, v.teeth, v.tongue]])
        lips, teeth = (np.array([float(v.contact == kind)]) for kind in ("lips", "teeth"))
        found[name] = _one(mouth_weights(shape, lips, teeth, np.ones(1), still[None])[0])
    closed = still.copy()
    closed[[ARKIT.index("eyeBlinkLeft"), ARKIT.index("eyeBlinkRight")]] = 1
    found["eyes closed"] = _one(closed)
    for name, yaw in (("turned right", -0.35), ("turned left", 0.35)):
        found[name] = _one(still, yaw)
    return found


def _one(weights: NDArray[np.float64], yaw: float = 0.0) -> Motion:
    pose = np.zeros((1, 6), np.float32)
    pose[0, 1] = yaw
    return Motion(weights[None].astype(np.float32), pose, 0, FPS)


def sheet(avatar: Avatar, rows: Mapping[str, Mapping[str, NDArray[np.uint8]]], path: Path, *, side: int = 192) -> None:
    """A JPEG: for each of `rows` (plain, painted, traced) each pose's frame [S, S, 4] over the avatar's backdrop, named.

    Poses stand in three blocks beneath each other. All poses of the first row are shown; where another lacks one, nothing is.
    """
    names = list(next(iter(rows.values())))
    columns = -(-len(names) // 3)
    margin, title = 64, 16
    behind = np.asarray(Image.fromarray(avatar.background).resize((side, side)), np.float32)
    image = Image.new("RGB", (margin + columns * side, 3 * (title + len(rows) * side)), "white")
    pen = ImageDraw.Draw(image)
    for n, name in enumerate(names):
        x, y = margin + n % columns * side, n // columns * (title + len(rows) * side)
        pen.text((x + 4, y + 2), name, fill="black")
        for k, (kind, frames) in enumerate(rows.items()):
            if n % columns == 0:
                pen.text((4, y + title + k * side + side // 2), kind, fill="black")
            if name not in frames:
                continue
            # colour and alpha apart: Pillow takes the colours of an RGBA image as not premultiplied
            small, alpha = (
                np.asarray(Image.fromarray(x).resize((side, side), Image.Resampling.BOX), np.float32)
                for x in (np.ascontiguousarray(frames[name][..., :3]), np.ascontiguousarray(frames[name][..., 3]))
            )
            frame = np.clip(small + behind * (1 - alpha[..., None] / 255), 0, 255)
            image.paste(Image.fromarray(frame.astype(np.uint8)), (x, y + title + k * side))
    image.save(path, quality=92)
