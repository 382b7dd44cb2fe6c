"""A bundle's network in ONNX Runtime, on the CPU."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..errors import AnimacyError
from ..types import Conditions, Faces

MAX_FILE = 64 << 20


class OnnxGenerator:
    """Paints faces with the network in `path`: `conditions` float32 [B, 10, S, S] -> `rgba` float32 [B, 4, S, S].

    threads: of ONNX Runtime; by default one per core. `size`: pixels a side that the network paints. Raises AnimacyError
    for a file that is missing, too large, no network or one of other inputs and outputs.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        path = Path(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads if threads is not None else os.cpu_count() or 1
        options.log_severity_level = 3
        try:
            if path.stat().st_size > MAX_FILE:
                raise AnimacyError(f"{path} has {path.stat().st_size} bytes, the limit of a network is {MAX_FILE}")
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except OSError as error:
            raise AnimacyError(f"{path}: {error.strerror or error}; give the path of a generator's .onnx file") from error
        except Exception as error:  # ONNX Runtime's own kinds share no base class but this one
            if isinstance(error, AnimacyError):
                raise
            reason = " ".join(str(error).split())[:300]
            raise AnimacyError(f"{path} is no network that ONNX Runtime reads: {reason}") from error
        ports = [*self._session.get_inputs(), *self._session.get_outputs()]
        found = [(p.name, list(p.shape[1:])) for p in ports]
        size = ports[0].shape[-1]
        if not isinstance(size, int) or found != [("conditions", [10, size, size]), ("rgba", [4, size, size])]:
            raise AnimacyError(f"{path} has the ports {found}; needed conditions [B, 10, S, S] and rgba [B, 4, S, S]")
        self.size = size

    def generate(self, conditions: Conditions) -> Faces:
        """Paint a batch. Raises AnimacyError where the frames are not of `size`."""
        count, height, width = conditions.shaded.shape[:3]
        if (height, width) != (self.size, self.size):
            raise AnimacyError(f"frames of {width}x{height} came to a network that paints {self.size}x{self.size}")
        (y,) = self._session.run(["rgba"], {"conditions": as_input(conditions)})
        y = np.clip(np.asarray(y).transpose(0, 2, 3, 1), 0, 1)
        y[..., :3] = np.minimum(y[..., :3], y[..., 3:])  # premultiplied: colour never exceeds alpha
        return Faces((y * 255 + 0.5).astype(np.uint8)) if count else Faces(np.empty((0, height, width, 4), np.uint8))


def as_input(conditions: Conditions) -> NDArray[np.float32]:
    """[B, 10, S, S]: shaded RGBA, unlit RGB and depth in 0..1, normal x and y in -1..1."""
    count, height, width = conditions.shaded.shape[:3]
    x = np.empty((count, 10, height, width), np.float32)
    x[:, :4] = conditions.shaded.transpose(0, 3, 1, 2)
    x[:, 4:8] = conditions.unlit.transpose(0, 3, 1, 2)
    x[:, :8] *= np.float32(1 / 255)
    x[:, 8:] = conditions.normal.transpose(0, 3, 1, 2)
    x[:, 8:] = (x[:, 8:] - 128) * np.float32(1 / 127)
    return x
