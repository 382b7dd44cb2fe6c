"""A bundle's network in ONNX Runtime, on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numba import njit
from numpy.typing import NDArray

from ..errors import AnimacyError
from ..kernels import cacheable
from ..types import Conditions, Faces

MAX_FILE = 64 << 20


class OnnxGenerator:
    """Paints faces with `network`: `conditions` float32 [B, 10, S, S] -> `rgba` float32 [B, 4, S, S].

    network: an .onnx file's path, or its bytes; `source` is what errors call the bytes. threads: of ONNX Runtime; by default
    one per core. `size`: pixels a side that the network takes and paints. Raises AnimacyError for what is missing, too large,
    no network or one of other inputs and outputs.
    """

    def __init__(self, network: bytes | str | Path, threads: int | None = None, *, source: str = "network") -> None:
        data, source = (network, source) if isinstance(network, bytes) else (_contents(Path(network)), str(network))
        if len(data) > MAX_FILE:
            raise AnimacyError(f"{source} has {len(data)} bytes, the limit of a network is {MAX_FILE}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads if threads is not None else os.cpu_count() or 1
        options.log_severity_level = 3
        # Speech, drawing and the encoder want the cores between two frames: no thread waits for work by spinning.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own kinds share no base class but this one
            reason = " ".join(str(error).split())[:300]
            raise AnimacyError(f"{source} is no network that ONNX Runtime reads: {reason}") from error
        ports = [*self._session.get_inputs(), *self._session.get_outputs()]
        found = [(p.name, list(p.shape[1:])) for p in ports]
        size = ports[0].shape[-1] if ports and ports[0].shape else None
        if not isinstance(size, int) or found != [("conditions", [10, size, size]), ("rgba", [4, size, size])]:
            raise AnimacyError(f"{source} has the ports {found}; needed conditions [B, 10, S, S] and rgba [B, 4, S, S]")
        self.size = size
        self._source = source
        self.generate(_blank(size))  # compile (or load) the kernels and settle the session now, not at the first frame

    def generate(self, conditions: Conditions) -> Faces:
        """Paint a batch. Raises AnimacyError where the frames are not of `size`, or the network fails at its work."""
        count, height, width = conditions.shaded.shape[:3]
        if (height, width) != (self.size, self.size):
            raise AnimacyError(f"frames of {width}x{height} came to a network that paints {self.size}x{self.size}")
        x = np.empty((1, 10, height, width), np.float32)
        rgba = np.empty((count, height, width, 4), np.uint8)
        for i in range(count):  # a frame at a time: a CPU gains nothing from batches, and what it works on stays in its caches
            _as_input(conditions.shaded[i : i + 1], conditions.unlit[i : i + 1], conditions.normal[i : i + 1], x)
            try:
                (y,) = self._session.run(["rgba"], {"conditions": x})
            except Exception as error:
                reason = " ".join(str(error).split())[:300]
                raise AnimacyError(f"{self._source} failed to paint: {reason}") from error
            if y.shape != (1, 4, height, width):  # what the file says about its output binds no one
                raise AnimacyError(f"{self._source} painted {list(y.shape)}, needed {[1, 4, height, width]}")
            _as_rgba(y[0], rgba[i].view("<u4")[..., 0])
        return Faces(rgba)


def as_input(conditions: Conditions) -> NDArray[np.float32]:
    """[B, 10, S, S]: shaded RGBA, unlit RGB and depth in 0..1, normal x and y in -1..1."""
    count, height, width = conditions.shaded.shape[:3]
    x = np.empty((count, 10, height, width), np.float32)
    _as_input(conditions.shaded, conditions.unlit, conditions.normal, x)
    return x


def as_input_slow(conditions: Conditions) -> NDArray[np.float32]:
    """The readable twin of `as_input`."""
    colours = np.concatenate([conditions.shaded, conditions.unlit], -1) / 255
    normals = (conditions.normal.astype(np.float32) - 128) / 127
    return np.concatenate([colours, normals], -1).transpose(0, 3, 1, 2).astype(np.float32)


def as_rgba_slow(y: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[4, H, W] as a network paints -> [H, W, 4]: the readable twin of what `OnnxGenerator.generate` gives out."""
    y = np.clip(np.nan_to_num(y.transpose(1, 2, 0)), 0, 1)
    y[..., :3] = np.minimum(y[..., :3], y[..., 3:])  # premultiplied: colour never exceeds alpha
    return (y * 255 + 0.5).astype(np.uint8)


def _contents(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE:
            raise AnimacyError(f"{path} has {path.stat().st_size} bytes, the limit of a network is {MAX_FILE}")
        return path.read_bytes()
    except OSError as error:
        raise AnimacyError(f"{path}: {error.strerror or error}; give the path of a generator's .onnx file") from error


def _blank(size: int) -> Conditions:
    shape = (1, size, size)
    return Conditions(np.zeros((*shape, 4), np.uint8), np.zeros((*shape, 4), np.uint8), np.full((*shape, 2), 128, np.uint8))


@njit(nogil=True, cache=cacheable())
def _as_input(shaded: Any, unlit: Any, normal: Any, x: Any) -> None:  # pragma: no cover  (compiled)
    count, height, width = shaded.shape[0], shaded.shape[1], shaded.shape[2]
    for n in range(count):
        for i in range(height):
            for c in range(4):
                for j in range(width):
                    x[n, c, i, j] = shaded[n, i, j, c] * np.float32(1 / 255)
            for c in range(4):
                for j in range(width):
                    x[n, 4 + c, i, j] = unlit[n, i, j, c] * np.float32(1 / 255)
            for c in range(2):
                for j in range(width):
                    x[n, 8 + c, i, j] = np.float32(np.int32(normal[n, i, j, c]) - 128) * np.float32(1 / 127)


@njit(nogil=True, cache=cacheable())
def _as_rgba(y: Any, pixels: Any) -> None:  # pragma: no cover  (compiled)
    """pixels: [H, W] uint32, R in the low byte. Written whole and without branches, 20 times as fast as channel by channel."""
    zero, one, scale, half = np.float32(0), np.float32(1), np.float32(255), np.float32(0.5)
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            r, g, b, a = y[0, i, j], y[1, i, j], y[2, i, j], y[3, i, j]
            a = a if a > zero else zero  # so is what is no number
            a = a if a < one else one
            r = r if r > zero else zero
            g = g if g > zero else zero
            b = b if b > zero else zero
            r = r if r < a else a  # premultiplied: colour never exceeds alpha
            g = g if g < a else a
            b = b if b < a else a
            low = np.uint32(r * scale + half) | np.uint32(g * scale + half) << np.uint32(8)
            pixels[i, j] = low | np.uint32(b * scale + half) << np.uint32(16) | np.uint32(a * scale + half) << np.uint32(24)
