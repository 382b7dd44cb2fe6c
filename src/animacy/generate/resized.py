"""Painting at a network's own size, for frames of another."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..types import Conditions, Faces
from . import Painter


class Resized:
    """A Painter that lets `inner` paint and gives its frames at `pixels` a side: by area downwards, bicubic upwards.

    A bicubic rim of the face comes out up to a twelfth brighter, where alpha would overshoot 255 and cannot.
    """

    def __init__(self, inner: Painter, pixels: int) -> None:
        self.size = inner.size
        self._inner, self._pixels = inner, pixels

    def generate(self, conditions: Conditions) -> Faces:
        painted = self._inner.generate(conditions).rgba
        rgba = np.empty((len(painted), self._pixels, self._pixels, 4), np.uint8)
        larger = self._pixels > painted.shape[1]
        times, rest = divmod(painted.shape[1], self._pixels)
        for frame, out in zip(painted, rgba, strict=True):
            # As RGBX: the mode RGBA would be multiplied by alpha, which these colours are already.
            image = Image.frombuffer("RGBX", frame.shape[1::-1], np.ascontiguousarray(frame), "raw", "RGBX", 0, 1)
            if larger:
                image = image.resize(out.shape[:2], Image.Resampling.BICUBIC)
            elif rest:  # Pillow's box takes whole pixels, so that near 1:1 it drops rows; its triangle weighs them by area
                image = image.resize(out.shape[:2], Image.Resampling.BILINEAR)
            else:
                image = image.reduce(times)
            out[:] = np.asarray(image)
            if larger:  # a bicubic edge overshoots; colour never exceeds alpha
                np.minimum(out[..., :3], out[..., 3:], out=out[..., :3])
        return Faces(rgba)
