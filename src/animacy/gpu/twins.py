"""The readable twins of convert.cu, in NumPy: within 1 of it everywhere (of a byte, or of FP16's last bit)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..generate.onnx import as_rgba_slow
from .convert import Method


def weights(source: int, target: int, method: Method) -> NDArray[np.float64]:
    """[target, source] shares of source pixels in each target pixel; each row sums to 1.

    area: by how much of the target pixel a source pixel covers. bilinear: between the two nearest centres, edges repeated.
    """
    i, j = np.arange(target)[:, None], np.arange(source)[None, :]
    if method == "area":
        cover = np.minimum((i + 1) * source, (j + 1) * target) - np.maximum(i * source, j * target)
        return np.asarray(np.maximum(cover, 0) / source)
    x = np.clip((i + 0.5) * source / target - 0.5, 0, source - 1)
    return np.asarray(np.maximum(1 - np.abs(x - j), 0))


def resize(image: NDArray[np.uint8], width: int, height: int, method: Method) -> NDArray[np.float64]:
    """[H, W, C] -> [height, width, C]."""
    down, across = weights(image.shape[0], height, method), weights(image.shape[1], width, method)
    return np.asarray(np.einsum("yj,jic,xi->yxc", down, image.astype(np.float64), across, optimize=True))


def tensor(
    image: NDArray[np.uint8],
    crop: tuple[int, int, int, int],
    width: int,
    height: int,
    method: Method,
    scale: NDArray[np.float32],
    bias: NDArray[np.float32],
) -> NDArray[np.float16]:
    """[H, W, C] -> [C, height, width]: crop (left, top, width, height), resize, then x scale + bias of x in 0..255."""
    left, top, w, h = crop
    x = resize(image[top : top + h, left : left + w], width, height, method)
    return np.asarray((x * scale + bias).transpose(2, 0, 1)).astype(np.float16)


def fold(x: NDArray[np.float16], side: int) -> NDArray[np.float16]:
    """[B, C, H, W] -> [B, H / side, W / side, C side side]: torch's pixel_unshuffle, channels last."""
    b, c, h, w = x.shape
    blocks = x.reshape(b, c, h // side, side, w // side, side)
    return np.ascontiguousarray(blocks.transpose(0, 2, 4, 1, 3, 5).reshape(b, h // side, w // side, c * side * side))


def compose(
    picture: NDArray[np.float16], background: NDArray[np.uint8], base: NDArray[np.float16] | None = None
) -> NDArray[np.uint8]:
    """[4, H, W] as a network paints, and what it corrects, over [H, W, 3] -> [H, W, 3]."""
    y = picture.astype(np.float32)
    if base is not None:
        y = y + base.astype(np.float32)
    rgba = as_rgba_slow(y).astype(np.float64)
    return np.asarray(np.rint(np.clip(rgba[..., :3] + background * (1 - rgba[..., 3:] / 255), 0, 255))).astype(np.uint8)


def yuv(rgb: NDArray[np.float64], standard: Literal["709", "601"], full: bool) -> tuple[NDArray[np.uint8], ...]:
    """[H, W, 3] in 0..255 -> Y [H, W], Cb and Cr [ceil(H / 2), ceil(W / 2)], of ITU-R BT.709-6 or BT.601-7.

    Chroma is the mean of each 2x2 block, at an odd edge of what is there of it. full: 0..255 in place of 16..235 and 16..240.
    """
    kr, kb = (0.2126, 0.0722) if standard == "709" else (0.299, 0.114)
    r, g, b = np.moveaxis(rgb / 255, -1, 0)
    luma = kr * r + (1 - kr - kb) * g + kb * b
    planes = [255 * luma if full else 16 + 219 * luma]
    for difference in ((b - luma) / (2 - 2 * kb), (r - luma) / (2 - 2 * kr)):
        h, w = difference.shape
        padded = np.full((h + h % 2, w + w % 2), np.nan)
        padded[:h, :w] = difference
        mean = np.nanmean(padded.reshape(len(padded) // 2, 2, -1, 2), (1, 3))
        planes.append(128 + (255 if full else 224) * mean)
    return tuple(np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in planes)


def video(
    picture: NDArray[np.float16],
    background: NDArray[np.uint8],
    width: int,
    height: int,
    method: Method,
    standard: Literal["709", "601"] = "709",
    full: bool = False,
    base: NDArray[np.float16] | None = None,
) -> tuple[NDArray[np.uint8], ...]:
    """[4, H, W] as a network paints, over [H, W, 3], resized: Y, Cb and Cr as `yuv` gives them."""
    rgb = compose(picture, background, base)
    return yuv(np.floor(resize(rgb, width, height, method) + 0.5), standard, full)
