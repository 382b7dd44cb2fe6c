"""Pictures to tensors and tensors to video on the GPU, one kernel each: convert.cu, whose twins are in twins.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError, UsageError
from .device import Device, Pointer

Method = Literal["area", "bilinear"]
METHODS = ("area", "bilinear")
BITS = 16  # of the fraction of a matrix's numbers, as in send/yuv.py
BLOCK = (32, 8, 1)
MAX_SIDE = 16384  # so that a product of two sides stays within 32 bits


@dataclass(frozen=True, slots=True)
class Layout:
    """How FP16 pictures lie in memory: steps from one to the next, in elements.

    With a fold, a pixel stands for fold x fold ones, whose channels follow one another as pixel_unshuffle orders them.
    """

    frame: int
    row: int
    column: int
    channel: int
    fold: int = 1

    @classmethod
    def chw(cls, channels: int, height: int, width: int) -> Layout:
        """[B, C, H, W]."""
        return cls(channels * height * width, width, 1, height * width)

    @classmethod
    def hwc(cls, channels: int, height: int, width: int, fold: int = 1) -> Layout:
        """[B, H / fold, W / fold, C fold fold]. Raises UsageError where the fold does not divide the sides."""
        if height % fold or width % fold:
            raise UsageError(f"{width}x{height} cannot be folded by {fold}; needed sides that it divides")
        deep = channels * fold * fold
        return cls(height // fold * (width // fold) * deep, width // fold * deep, deep, 1, fold)


@dataclass(frozen=True, slots=True)
class Planes:
    """How frames of video lie in memory, in bytes. Chroma begins at `cb` and `cr` within a frame, a pixel every `apart`."""

    frame: int
    luma_step: int
    chroma_step: int
    cb: int
    cr: int
    apart: int


def nv12(width: int, height: int, pitch: int | None = None) -> Planes:
    """Y, then rows of Cb and Cr in turn. Odd sides: chroma has (side + 1) / 2. `pitch`: bytes of a row, by default no gap."""
    pitch = pitch if pitch is not None else width + width % 2
    if pitch < width + width % 2:
        raise UsageError(f"rows of {pitch} bytes cannot hold {width} pixels of NV12; give {width + width % 2} or more")
    return Planes(pitch * (height + (height + 1) // 2), pitch, pitch, pitch * height, pitch * height + 1, 2)


def i420(width: int, height: int, pitch: int | None = None) -> Planes:
    """Y, Cb, Cr one after another. `pitch`: bytes of a row of Y, by default its width; of chroma (pitch + 1) / 2."""
    pitch = pitch if pitch is not None else width
    if pitch < width:
        raise UsageError(f"rows of {pitch} bytes cannot hold {width} pixels of I420; give {width} or more")
    step, rows = (pitch + 1) // 2, (height + 1) // 2
    return Planes(pitch * height + 2 * step * rows, pitch, step, pitch * height, pitch * height + step * rows, 1)


def matrix(standard: Literal["709", "601"], full: bool) -> NDArray[np.int32]:
    """[3, 4] offset and shares of R, G and B in Y, Cb and Cr, the shares times 2^16. ITU-R BT.709-6, BT.601-7."""
    if standard not in ("709", "601"):
        raise UsageError(f"colour standard {standard!r} is unknown; give 709 or 601")
    kr, kb = (0.2126, 0.0722) if standard == "709" else (0.299, 0.114)
    kg = 1 - kr - kb
    luma, chroma = (255, 255) if full else (219, 224)
    y = np.array([kr, kg, kb])
    rows = np.stack(
        [y * luma, (np.array([0, 0, 1]) - y) * chroma / (2 - 2 * kb), (np.array([1, 0, 0]) - y) * chroma / (2 - 2 * kr)]
    )
    offsets = [[0 if full else 16], [128], [128]]
    return np.concatenate([offsets, np.rint(rows / 255 * (1 << BITS))], 1).astype(np.int32)


class Tensors:
    """RGBA8 tiles (or of 1 to 4 channels) -> crop, resize, normalise, FP16 in any layout: one kernel.

    crops: of each frame of the batch left, top, width and height within a source of `source_width` x `source_height`; scale,
    bias: per channel, y = x scale + bias of bytes x. Tables go to `device` once, here, and go with it.
    Raises UsageError for what does not fit.
    """

    def __init__(
        self,
        source_width: int,
        source_height: int,
        crops: Sequence[tuple[int, int, int, int]],
        width: int,
        height: int,
        layout: Layout,
        *,
        scale: Sequence[float],
        bias: Sequence[float],
        method: Method = "area",
        device: Device,
    ) -> None:
        _check_method(method)
        if not 1 <= len(scale) <= 4 or len(bias) != len(scale):
            raise UsageError(f"{len(scale)} scales and {len(bias)} biases; give as many of each, one per channel, 1 to 4")
        _check_sides(width, height)
        _check_sides(source_width, source_height)
        if not crops:
            raise UsageError("no crops; give one for each frame of a batch")
        for left, top, w, h in crops:
            if left < 0 or top < 0 or w < 1 or h < 1 or left + w > source_width or top + h > source_height:
                raise UsageError(f"crop {(left, top, w, h)} does not lie within {source_width}x{source_height}")
        self.batch = len(crops)
        self._device = device
        self._size = (width, height)
        self._channels, self._method = len(scale), METHODS.index(method)
        self._source = (source_width, source_height)
        self._tables = [
            self._device.array(np.array(crops, np.int32)),
            self._device.array(np.array([*scale, *bias], np.float32)),
            self._device.array(_as_array(layout)),
        ]

    def into(
        self,
        out: Pointer,
        source: Pointer,
        *,
        count: int | None = None,
        pixel_step: int = 4,
        row_step: int | None = None,
        frame_step: int | None = None,
        stream: int = 0,
    ) -> None:
        """Convert `count` frames (by default the batch); steps of `source` in bytes, by default without gaps."""
        count = self.batch if count is None else count
        if not 1 <= count <= self.batch:
            raise UsageError(f"{count} frames came to a conversion of 1 to {self.batch}")
        row = pixel_step * self._source[0] if row_step is None else row_step
        frame = row * self._source[1] if frame_step is None else frame_step
        crops, scale_bias, layout = self._tables
        self._device.launch("tensor", _grid(*self._size, count), BLOCK, (
            source, np.int64(frame), np.int64(row), np.int32(pixel_step), np.int32(self._channels), crops,
            *(np.int32(x) for x in self._size), np.int32(self._method), scale_bias, layout, out), stream)  # fmt: skip


class Video:
    """What a network painted -> over a background, resized, NV12 or I420: one kernel; or faces as RGBA8: another one.

    background [S, S, 3] uint8, of the network's size (height and width may differ). layout: how the network's four channels
    lie; base: if it gives a correction to its input, how the input's first four lie. width, height: of the video. planes: as
    `nv12` or `i420` make them. Tables go to `device` once, here, and go with it. Raises UsageError for what does not fit.
    """

    def __init__(
        self,
        background: NDArray[np.uint8],
        layout: Layout,
        width: int,
        height: int,
        planes: Planes,
        *,
        base: Layout | None = None,
        method: Method = "area",
        standard: Literal["709", "601"] = "709",
        full: bool = False,
        device: Device,
    ) -> None:
        _check_method(method)
        table = matrix(standard, full)
        if background.ndim != 3 or background.shape[2] != 3 or background.dtype != np.uint8:
            raise UsageError(f"the background is {background.dtype} {list(background.shape)}; needed uint8 [H, W, 3]")
        _check_sides(width, height)
        _check_sides(*background.shape[1::-1])
        self._device = device
        self._from, self._to, self._planes = (background.shape[1], background.shape[0]), (width, height), planes
        self._method = METHODS.index(method)
        self._background = self._device.array(np.ascontiguousarray(background))
        self._matrix = self._device.array(table)
        self._layouts = [self._device.array(_as_array(x if x is not None else layout)) for x in (layout, base)]
        self._corrects = base is not None

    def into(self, out: Pointer, picture: Pointer, count: int, *, base: Pointer = None, stream: int = 0) -> None:
        """Frames of video into `out` from `count` pictures [FP16], and what they correct."""
        p = self._planes
        grid = _grid((self._to[0] + 1) // 2, (self._to[1] + 1) // 2, count)
        self._device.launch("video", grid, BLOCK, (
            *self._painted(picture, base), *(np.int32(x) for x in self._from), self._background,
            *(np.int32(x) for x in self._to), np.int32(self._method), self._matrix, out,
            *(np.int64(x) for x in (p.frame, p.luma_step, p.chroma_step, p.cb, p.cr)), np.int32(p.apart)), stream)  # fmt: skip

    def faces_into(self, out: Pointer, picture: Pointer, count: int, *, base: Pointer = None, stream: int = 0) -> None:
        """Faces [count, H, W, 4] uint8 as types.Faces has them, at the network's size, without the background."""
        self._device.launch("paint", _grid(*self._from, count), BLOCK, (
            *self._painted(picture, base), *(np.int32(x) for x in self._from), out), stream)  # fmt: skip

    def _painted(self, picture: Pointer, base: Pointer) -> tuple[Any, ...]:
        if self._corrects != (base is not None):
            raise AnimacyError("a network that corrects its input needs its input, one that does not needs none")
        return picture, self._layouts[0], base, self._layouts[1]


def _as_array(layout: Layout) -> NDArray[np.int64]:
    return np.array([layout.frame, layout.row, layout.column, layout.channel, layout.fold], np.int64)


def _check_sides(width: int, height: int) -> None:
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise UsageError(f"a picture of {width}x{height} cannot be converted; give sides from 1 to {MAX_SIDE}")


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise UsageError(f"method {method!r} is unknown; give {' or '.join(METHODS)}")


def _grid(width: int, height: int, count: int) -> tuple[int, int, int]:
    return -(-width // BLOCK[0]), -(-height // BLOCK[1]), count
