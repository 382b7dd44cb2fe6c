"""How near a generator comes to the teacher on motions that it was never trained on, and how near the shaded render comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..errors import AnimacyError
from .data import PARTS, Pairs

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
JUDGED = ("hair", "lashes", "brows", "teeth")  # the parts whose sharpness is told


def evaluate(pairs: Pairs, painted: Bytes) -> dict[str, Any]:
    """Figures of `painted` [H, 4, S, S], the held-out frames in order, and of the shaded render on the same frames.

    PSNR in dB and SSIM of frames laid over middle grey, by region: frame, face (from the brows to the chin), mouth, eyes.
    sharpness: energy of the edges over the teacher's, by part: hair, lashes, brows, teeth; 1 is as sharp. flicker: mean
    absolute change from one frame to the next over the teacher's, of held-out frames that are neighbours; flicker_rms: the same
    of root mean squares. noise: PSNR of the teacher's own noise, by region.

    All but `flicker` are against the teacher without its noise. Squares of differences, variances and edges are products of
    two pictures with independent noise, the halves A and B of the teacher's samples: the mean of (x - A)(x - B) is that of
    (x - teacher)^2 for a teacher of endless samples. Where a folder has no halves, the noise counts as error.
    Raises AnimacyError if nothing is held out.
    """
    held = np.flatnonzero(pairs.motions.held_out)
    if len(held) != len(painted) or not len(held):
        raise AnimacyError(f"{len(painted)} painted frames for {len(held)} held-out ones; needed one each, and at least one")
    teacher = over_grey(pairs.target[held])
    half, other = (over_grey(pairs.halves[held, k]) for k in range(2))
    masks = _masks(pairs.regions[held], teacher.shape[-1])
    parts = {name: _near(pairs.parts[held] == PARTS.index(name), teacher.shape[-1]) for name in JUDGED}
    pairs_of = np.flatnonzero(pairs.motions.follows[held])
    first, second = _slopes(half), _slopes(other)
    true = first[0] * second[0] + first[1] * second[1]
    report: dict[str, Any] = {"frames": len(held), "size": teacher.shape[-1], "spp": pairs.manifest.get("spp_held_out")}
    for name, frames in (("generator", over_grey(painted)), ("shaded", over_grey(pairs.conditions[held, :4]))):
        square: Floats = ((frames - half) * (frames - other)).mean(1, dtype=np.float32)
        similar = ssim(frames, half, other)
        figures: dict[str, Any] = {}
        for region, mask in masks.items():
            each = _psnr(square, mask)
            figures[region] = {
                "psnr": round(float(np.mean(each)), 2),
                "psnr_lowest": round(float(np.min(each)), 2),
                "ssim": round(float(similar[mask].mean()), 4),
            }
        down, right = _slopes(frames)
        energy = down * down + right * right
        figures["sharpness"] = {
            part: round(float(energy[m].mean() / true[m].mean()), 3) for part, m in parts.items() if m.sum() > 100
        }
        if len(pairs_of):
            change, own, a, b = (x[pairs_of] - x[pairs_of - 1] for x in (frames, teacher, half, other))
            figures["flicker"] = round(float(np.abs(change).mean() / np.abs(own).mean()), 3)
            figures["flicker_rms"] = round(float(np.sqrt((change**2).mean() / max((a * b).mean(), 1e-9))), 3)
        report[name] = figures
    noise = ((half - other) ** 2).mean(1) / 4
    report["noise"] = {region: round(float(np.mean(_psnr(noise, mask))), 2) for region, mask in masks.items()}
    return report


def _psnr(square: Floats, mask: NDArray[np.bool_]) -> list[float]:
    return [-10 * np.log10(max(float(s[m].mean()), 1e-9)) for s, m in zip(square, mask, strict=True)]


def _slopes(x: Floats) -> tuple[Floats, Floats]:
    """[N, S, S] each: how luma changes down and to the right."""
    luma = x.mean(1)
    down, right = (np.diff(luma, axis=k, append=np.take(luma, [-1], k)) for k in (1, 2))
    return down, right


def _near(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """[N, S, S] grown by as much as hairs stand off what is drawn of them."""
    for _ in range(max(1, size // 256)):
        mask = mask | np.roll(mask, 1, 1) | np.roll(mask, -1, 1)
        mask = mask | np.roll(mask, 1, 2) | np.roll(mask, -1, 2)
    return mask


def light(x: Floats) -> Floats:
    """Linear light of sRGB, both 0..1."""
    return np.asarray(np.where(x > 0.04045, ((np.maximum(x, 0.04045) + 0.055) / 1.055) ** 2.4, x / 12.92), np.float32)


def encoded(x: Floats) -> Floats:
    """sRGB of linear light; negative light goes on as it was near 0."""
    return np.asarray(np.where(x > 0.0031308, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055, 12.92 * x), np.float32)


def over_grey(frames: Bytes) -> Floats:
    """[N, 3, S, S] 0..1 from premultiplied [N, 4, S, S]."""
    x = frames.astype(np.float32) / 255
    return np.asarray(x[:, :3] + 0.5 * (1 - x[:, 3:]))


def ssim(a: Floats, b: Floats, again: Floats | None = None) -> Floats:
    """[N, S, S] structural similarity of luma (Wang et al. 2004: Gaussian of 1.5 pixels over 11, K 0.01 and 0.03).

    again: `b` with other noise; the similarity is then to what both show.
    """
    luma = np.array([0.299, 0.587, 0.114], np.float32)[None, :, None, None]
    x, y, z = ((v * luma).sum(1) for v in (a, b, b if again is None else again))
    kernel = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    kernel = (kernel / kernel.sum()).astype(np.float32)

    def blur(image: Floats) -> Floats:
        for axis in (1, 2):
            width = [(5, 5) if k == axis else (0, 0) for k in range(3)]
            wide = np.pad(image, width, mode="symmetric")
            image = sum(w * np.take(wide, np.arange(i, i + image.shape[axis]), axis) for i, w in enumerate(kernel))
        return image

    mx, my, mz = blur(x), blur(y), blur(z)
    vx, vy = blur(x * x) - mx * mx, np.maximum(blur(y * z) - my * mz, 0)
    my = np.asarray((my + mz) / 2, np.float32)
    both = blur((x * (y + z) / 2).astype(np.float32)) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return np.asarray((2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2)), np.float32)


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


def curve(rows: list[dict[str, float]], path: Path, size: tuple[int, int] = (640, 360)) -> None:
    """A PNG of the loss over the steps, the loss on a logarithmic axis."""
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    steps, loss = np.array([r["step"] for r in rows]), np.array([r["loss"] for r in rows])
    low, high = np.log10(max(loss.min(), 1e-6)), np.log10(max(loss.max(), 1e-6)) + 1e-3
    x = 50 + (steps / steps.max()) * (size[0] - 70)
    y = 20 + (high - np.log10(np.maximum(loss, 1e-6))) / (high - low) * (size[1] - 60)
    pen.rectangle((50, 20, size[0] - 20, size[1] - 40), outline="grey")
    pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill="darkblue")
    for at, text in (((5, 15), f"{10**high:.3g}"), ((5, size[1] - 45), f"{10**low:.3g}"), ((50, size[1] - 30), "0")):
        pen.text(at, text, fill="black")
    pen.text((size[0] - 120, size[1] - 30), f"{int(steps.max())} steps", fill="black")
    image.save(path)
