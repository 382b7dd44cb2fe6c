"""How near a generator comes to the teacher on motions that it was never trained on, and how near the shaded render comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import AnimacyError
from .data import Pairs

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def evaluate(pairs: Pairs, painted: Bytes) -> dict[str, Any]:
    """Figures of `painted` [H, 4, S, S], the held-out frames in order, and of the shaded render on the same frames.

    PSNR in dB and SSIM of frames laid over middle grey, by region: frame, face (from the brows to the chin), mouth, eyes.
    gradient: mean edge strength over the teacher's, 1 is as sharp. flicker: mean change from one frame to the next over the
    teacher's, of held-out frames that are neighbours. Raises AnimacyError if nothing is held out.
    """
    held = np.flatnonzero(pairs.motions.held_out)
    if len(held) != len(painted) or not len(held):
        raise AnimacyError(f"{len(painted)} painted frames for {len(held)} held-out ones; needed one each, and at least one")
    teacher = over_grey(pairs.target[held])
    masks = _masks(pairs.regions[held], teacher.shape[-1])
    pairs_of = np.flatnonzero(pairs.motions.follows[held])
    report: dict[str, Any] = {"frames": len(held), "size": teacher.shape[-1], "spp": pairs.manifest.get("spp_held_out")}
    for name, frames in (("generator", over_grey(painted)), ("shaded", over_grey(pairs.conditions[held, :4]))):
        square = ((frames - teacher) ** 2).mean(1)
        similar = ssim(frames, teacher)
        sharp, true = (_edges(x) for x in (frames, teacher))
        figures: dict[str, Any] = {}
        for region, mask in masks.items():
            each = [-10 * np.log10(max(float(s[m].mean()), 1e-9)) for s, m in zip(square, mask, strict=True)]
            figures[region] = {
                "psnr": round(float(np.mean(each)), 2),
                "psnr_lowest": round(float(np.min(each)), 2),
                "ssim": round(float(similar[mask].mean()), 4),
                "gradient": round(float(sharp[mask].mean() / true[mask].mean()), 3),
            }
        if len(pairs_of):
            change, own = (np.abs(x[pairs_of] - x[pairs_of - 1]).mean() for x in (frames, teacher))
            figures["flicker"] = round(float(change / own), 3)
        report[name] = figures
    return report


def over_grey(frames: Bytes) -> Floats:
    """[N, 3, S, S] 0..1 from premultiplied [N, 4, S, S]."""
    x = frames.astype(np.float32) / 255
    return np.asarray(x[:, :3] + 0.5 * (1 - x[:, 3:]))


def ssim(a: Floats, b: Floats) -> Floats:
    """[N, S, S] structural similarity of luma (Wang et al. 2004: Gaussian of 1.5 pixels over 11, K 0.01 and 0.03)."""
    luma = np.array([0.299, 0.587, 0.114], np.float32)[None, :, None, None]
    x, y = (a * luma).sum(1), (b * luma).sum(1)
    kernel = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    kernel = (kernel / kernel.sum()).astype(np.float32)

    def blur(image: Floats) -> Floats:
        for axis in (1, 2):
            width = [(5, 5) if k == axis else (0, 0) for k in range(3)]
            wide = np.pad(image, width, mode="reflect")
            image = sum(w * np.take(wide, np.arange(i, i + image.shape[axis]), axis) for i, w in enumerate(kernel))
        return image

    mx, my = blur(x), blur(y)
    vx, vy, both = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return np.asarray((2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2)), np.float32)


def _edges(x: Floats) -> Floats:
    """[N, S, S] strength of the edges of luma."""
    luma = x.mean(1)
    down, right = np.gradient(luma, axis=1), np.gradient(luma, axis=2)
    return np.asarray(np.sqrt(down**2 + right**2))


def _masks(regions: Floats, size: int) -> dict[str, NDArray[np.bool_]]:
    """[N, S, S] each. The face spans the boxes of eyes and mouth, half as far again to all sides."""
    masks = {name: np.zeros((len(regions), size, size), bool) for name in ("frame", "face", "mouth", "eyes")}
    masks["frame"][:] = True
    for i, boxes in enumerate(regions):
        low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
        grow = (high - low) * [0.15, 0.28]
        named = [("face", (*(low - grow), *(high + grow))), ("mouth", boxes[2]), ("eyes", boxes[0]), ("eyes", boxes[1])]
        for name, box in named:
            x0, y0, x1, y1 = np.clip(np.rint(box), 0, size).astype(int)
            masks[name][i, y0:y1, x0:x1] = True
    return masks


def sheet(pairs: Pairs, painted: Bytes, path: Path, background: Bytes, *, rows: int = 8, zoom: int = 1) -> None:
    """A PNG of held-out frames, a row each: shaded render | painted | teacher, laid over the avatar's background."""
    held = np.flatnonzero(pairs.motions.held_out)
    size = painted.shape[-1]
    behind = np.asarray(Image.fromarray(background).resize((size, size)), np.float32).transpose(2, 0, 1)
    groups = pairs.motions.group[held]
    chosen: list[int] = []
    for turn in range(rows):  # one of each kind of motion in turn
        for name in dict.fromkeys(groups.tolist()):
            of = np.flatnonzero(groups == name)
            if turn < len(of) and len(chosen) < rows:
                chosen.append(int(of[(turn * 7) % len(of)]))
    lines = []
    for k in chosen:
        frames = (pairs.conditions[held[k], :4], painted[k], pairs.target[held[k]])
        over = [f[:3].astype(np.float32) + behind * (1 - f[3:].astype(np.float32) / 255) for f in frames]
        lines.append(np.concatenate(over, 2))
    image = np.clip(np.concatenate(lines, 1), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(image).resize((image.shape[1] * zoom, image.shape[0] * zoom), Image.Resampling.LANCZOS).save(path)
