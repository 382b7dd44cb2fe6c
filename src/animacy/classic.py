"""The slow path, whole: what every figure of the fast one is held against, and what its pictures are compared with.

One frame at a time, as such systems are first written: OpenGL draws, glReadPixels brings the picture to the CPU, OpenCV
resizes it, NumPy normalises and transposes it, it is uploaded, a framework paints in FP32, the painted frame is downloaded,
laid over the background, and OpenCV converts it to I420 (BT.601, limited range: the one it knows).

`tuned` does the same steps as well as a CPU and separate copies allow: page-locked and reused buffers, copies that need not be
waited for one by one, one pass of compiled code for each step, channels-last and cuDNN's choice of algorithm in the framework.
Neither computes in TF32 or FP16, and neither draws the next frame while one is painted: that is what the fast path is about.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .errors import AnimacyError
from .generate.onnx import _as_input, _as_rgba
from .kernels import cacheable
from .render import Drawing
from .types import Conditions, Motion

STEPS = ("render and read back", "resize", "normalise", "upload", "infer", "download", "to image", "composite", "convert")


class Inference(Protocol):
    """A framework that paints: `x` float32 [1, 10, S, S] -> float32 [1, 4, S, S]."""

    size: int  # S
    host: NDArray[np.float32]  # [1, 10, S, S] from which it uploads best

    def upload(self, x: NDArray[np.float32]) -> Any: ...
    def infer(self, x: Any) -> Any: ...
    def download(self, y: Any) -> NDArray[np.float32]:
        """Valid until the next call."""


class Classic:
    """Draws, paints and converts frames one by one.

    renderer: draws at its own `size`, which is that of the frames given out, too (even). network: paints at another perhaps.
    background: [M, M, 3] uint8 sRGB. Raises AnimacyError where OpenCV is missing.
    """

    def __init__(self, renderer: Drawing, network: Inference, background: NDArray[np.uint8], *, tuned: bool = False) -> None:
        self._cv = _opencv()
        self._renderer, self._network, self.size = renderer, network, renderer.size
        if self.size % 2:
            raise AnimacyError(f"frames of {self.size} pixels have no I420; needed an even size")
        self.paint: Callable[..., NDArray[np.uint8]] = self._tuned if tuned else self._plain
        self._background = self._scaled(background, self.size)
        size, side = self.size, network.size
        if tuned:
            self._drawn = _conditions(size)
            self._scaled_to = self._drawn if size == side else _conditions(side)
            self._painted = np.empty((side, side, 4), np.uint8)
            self._frame = self._painted if size == side else np.empty((size, size, 4), np.uint8)
            self._rgb = np.empty((size, size, 3), np.uint8)
            self._i420 = np.empty((size * 3 // 2, size), np.uint8)

    def _scaled(self, image: NDArray[np.uint8], size: int, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        how = self._cv.INTER_AREA if image.shape[0] >= size else self._cv.INTER_LINEAR
        scaled: NDArray[np.uint8] = self._cv.resize(image, (size, size), out, interpolation=how)
        return scaled

    def _plain(self, motion: Motion, mark: Callable[[str], None] = lambda step: None) -> NDArray[np.uint8]:
        """I420 uint8 [H * 3 / 2, W] of `motion`'s one frame; `mark` is told each of STEPS when it is done."""
        side = self._network.size
        drawn = self._renderer.render(motion)
        mark("render and read back")
        shaded, unlit, normal = (self._scaled(x[0], side) for x in (drawn.shaded, drawn.unlit, drawn.normal))
        mark("resize")
        colours = np.concatenate([shaded, unlit], -1).astype(np.float32) / 255
        normals = (normal.astype(np.float32) - 128) / 127
        x = np.ascontiguousarray(np.concatenate([colours, normals], -1).transpose(2, 0, 1))[None]
        mark("normalise")
        on_device = self._network.upload(x)
        mark("upload")
        y = self._network.infer(on_device)
        mark("infer")
        image = self._network.download(y)[0].transpose(1, 2, 0)
        mark("download")
        image = np.clip(image, 0, 1)
        image[..., :3] = np.minimum(image[..., :3], image[..., 3:])
        rgba = self._scaled((image * 255 + 0.5).astype(np.uint8), self.size)
        mark("to image")
        rest = 1 - rgba[..., 3:].astype(np.float32) / 255
        rgb = np.clip(rgba[..., :3] + self._background * rest + 0.5, 0, 255).astype(np.uint8)
        mark("composite")
        i420: NDArray[np.uint8] = self._cv.cvtColor(rgb, self._cv.COLOR_RGB2YUV_I420)
        mark("convert")
        return i420

    def _tuned(self, motion: Motion, mark: Callable[[str], None] = lambda step: None) -> NDArray[np.uint8]:
        """The same; what it gives is valid until the next call."""
        side = self._network.size
        drawn, scaled = self._drawn, self._scaled_to
        if hasattr(self._renderer, "render_into"):
            self._renderer.render_into(motion, drawn)
        else:
            drawn = self._renderer.render(motion)
            scaled = drawn if self.size == side else scaled
        mark("render and read back")
        if scaled is not drawn:
            for a, b in ((drawn.shaded, scaled.shaded), (drawn.unlit, scaled.unlit), (drawn.normal, scaled.normal)):
                self._scaled(a[0], side, b[0])
        mark("resize")
        x = self._network.host
        _as_input(scaled.shaded, scaled.unlit, scaled.normal, x)
        mark("normalise")
        on_device = self._network.upload(x)
        mark("upload")
        y = self._network.infer(on_device)
        mark("infer")
        image = self._network.download(y)
        mark("download")
        _as_rgba(image[0], self._painted.view("<u4")[..., 0])
        if self._frame is not self._painted:
            self._scaled(self._painted, self.size, self._frame)
        mark("to image")
        _over(self._frame, self._background, self._rgb)
        mark("composite")
        self._cv.cvtColor(self._rgb, self._cv.COLOR_RGB2YUV_I420, self._i420)
        mark("convert")
        return self._i420


class OnnxInference:
    """ONNX Runtime on the CPU as the framework, for machines without PyTorch or a GPU: nothing is copied up or down.

    network: an .onnx file's path or contents. Raises AnimacyError for what ONNX Runtime does not read.
    """

    def __init__(self, network: bytes | str | Path, threads: int | None = None) -> None:
        from .generate.onnx import OnnxGenerator

        inner = OnnxGenerator(network, threads)  # checks the ports and warms up
        self._session, self.size = inner._session, inner.size
        self.host = np.zeros((1, 10, self.size, self.size), np.float32)

    def upload(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return x

    def infer(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        y: NDArray[np.float32] = self._session.run(["rgba"], {"conditions": x})[0]
        return y

    def download(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        return y


def i420_601_slow(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What OpenCV's RGB2YUV_I420 does, from the standard: [H, W, 3] -> [H * 3 / 2, W], BT.601 limited range.

    OpenCV takes chroma from each square's upper left pixel alone, so that only flat colours agree in chroma with a mean.
    """
    r, g, b = np.moveaxis(rgb.astype(float) / 255, -1, 0)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    planes = [16 + 219 * luma, *(128 + 224 * d[::2, ::2] for d in ((b - luma) / 1.772, (r - luma) / 1.402))]
    return np.concatenate([np.rint(p).astype(np.uint8).ravel() for p in planes]).reshape(-1, rgb.shape[1])


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise AnimacyError("the classic path needs OpenCV: pip install opencv-python-headless") from error
    return cv2


def _conditions(size: int) -> Conditions:
    shape = (1, size, size)
    return Conditions(*(np.zeros((*shape, n), np.uint8) for n in (4, 4, 2)))


@njit(nogil=True, cache=cacheable())
def _over(rgba: Any, background: Any, rgb: Any) -> None:  # pragma: no cover  (compiled)
    for y in range(rgba.shape[0]):
        for x in range(rgba.shape[1]):
            rest = 255 - np.int32(rgba[y, x, 3])
            for c in range(3):
                under = (np.int32(background[y, x, c]) * rest + 127) // 255
                rgb[y, x, c] = min(np.int32(255), np.int32(rgba[y, x, c]) + under)
