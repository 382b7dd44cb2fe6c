"""The sound alone, as a WAV file."""

from __future__ import annotations

import wave
from pathlib import Path
from types import TracebackType

import numpy as np

from ..errors import AnimacyError
from ..types import Faces, Speech
from .partial import PartialFile


class Wav:
    """16-bit mono PCM at `rate`. A `with` block that ends well leaves the file at `path`; any other leaves nothing."""

    def __init__(self, path: str | Path, rate: int) -> None:
        self._file = PartialFile(Path(path))
        self._wave = wave.open(str(self._file.partial), "wb")  # noqa: SIM115  closed by close()
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(rate)

    def hear(self, speech: Speech) -> None:
        try:
            self._wave.writeframes(np.rint(np.clip(speech.samples, -1, 1) * 32767).astype("<i2").tobytes())
        except OSError as error:
            raise AnimacyError(f"{self._file.path} cannot be written: {error.strerror}") from error

    def send(self, faces: Faces) -> None:
        """A picture makes no sound."""

    def __enter__(self) -> Wav:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._wave.close()
        except OSError as failure:
            self._file.discard()
            if kind is None:
                raise AnimacyError(f"{self._file.path} cannot be written: {failure.strerror}") from failure
        if kind is None:
            self._file.keep()
        else:
            self._file.discard()
