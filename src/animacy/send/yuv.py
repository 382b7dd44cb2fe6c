"""RGBA over a background -> I420, in one pass over the pixels.

ITU-R BT.709-6, limited range (items 3.2 to 3.5): Y' = 16 + 219 (Kr R' + Kg G' + Kb B'), Cb = 128 + 224 (B' - Y') / 1.8556,
Cr = 128 + 224 (R' - Y') / 1.5748. Chroma is the mean of each 2x2 block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..kernels import cacheable

KR, KG, KB = 0.2126, 0.7152, 0.0722

# The same in fixed point: 16 fractional bits hold every product of 8-bit values exactly enough to be within half a step.
BITS = 16
_Y = [round(k * 219 / 255 * (1 << BITS)) for k in (KR, KG, KB)]
_U = [round(k * 224 / 255 / 1.8556 * (1 << BITS)) for k in (-KR, -KG, 1 - KB)]
_V = [round(k * 224 / 255 / 1.5748 * (1 << BITS)) for k in (1 - KR, -KG, -KB)]
YR, YG, YB = _Y
UR, UG, UB = _U
VR, VG, VB = _V


def i420_over(rgba: NDArray[np.uint8], background: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Lay `rgba` over `background` and convert.

    rgba [H, W, 4] uint8 sRGB, premultiplied; background [H, W, 3] uint8 sRGB; out [H * 3 // 2, W] uint8: the planes Y
    [H, W], U and V [H / 2, W / 2] one after another. H and W are even.
    """
    height, width = rgba.shape[:2]
    if height % 2 or width % 2 or background.shape != (height, width, 3) or out.shape != (height * 3 // 2, width):
        raise ValueError(f"rgba {rgba.shape}, background {background.shape} and out {out.shape} do not fit, or a side is odd")
    _i420_over(rgba, background, out.reshape(-1))


@njit(nogil=True, cache=cacheable())
def _i420_over(rgba: Any, background: Any, out: Any) -> None:  # pragma: no cover  (compiled)
    height, width = rgba.shape[0], rgba.shape[1]
    half, full = 1 << (BITS - 1), np.int64(255)
    u0 = height * width
    v0 = u0 + u0 // 4
    for y in range(0, height, 2):
        for x in range(0, width, 2):
            r4 = g4 = b4 = np.int64(0)
            for dy in range(2):
                for dx in range(2):
                    i, j = y + dy, x + dx
                    rest = 255 - np.int64(rgba[i, j, 3])
                    r, g, b = np.int64(rgba[i, j, 0]), np.int64(rgba[i, j, 1]), np.int64(rgba[i, j, 2])
                    if rest > 0:  # (t + 127) // 255 rounds t / 255
                        r = min(full, r + (np.int64(background[i, j, 0]) * rest + 127) // 255)
                        g = min(full, g + (np.int64(background[i, j, 1]) * rest + 127) // 255)
                        b = min(full, b + (np.int64(background[i, j, 2]) * rest + 127) // 255)
                    out[i * width + j] = 16 + ((YR * r + YG * g + YB * b + half) >> BITS)
                    r4 += r
                    g4 += g
                    b4 += b
            k = (y // 2) * (width // 2) + x // 2
            out[u0 + k] = 128 + ((UR * r4 + UG * g4 + UB * b4 + 4 * half) >> (BITS + 2))
            out[v0 + k] = 128 + ((VR * r4 + VG * g4 + VB * b4 + 4 * half) >> (BITS + 2))


def i420_over_slow(rgba: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The readable twin of `i420_over`, in floating point: within 1 of it everywhere."""
    alpha = rgba[..., 3:].astype(float) / 255
    r, g, b = np.moveaxis(np.clip(rgba[..., :3] + background * (1 - alpha), 0, 255) / 255, -1, 0)
    luma = KR * r + KG * g + KB * b
    planes = [16 + 219 * luma]
    for difference in ((b - luma) / 1.8556, (r - luma) / 1.5748):
        height, width = difference.shape
        planes.append(128 + 224 * difference.reshape(height // 2, 2, width // 2, 2).mean((1, 3)))
    return np.concatenate([np.rint(p).astype(np.uint8).ravel() for p in planes]).reshape(-1, rgba.shape[1])
