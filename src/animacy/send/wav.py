"""The sound alone, as a WAV file."""

from __future__ import annotations

import wave
from pathlib import Path
from types import TracebackType

import numpy as np

from ..errors import AnimacyError
from ..types import Faces, Frames, Speech
from .partial import PartialFile

LONGEST = (1 << 32) - 64  # bytes of samples: sizes are 32 bits wide, and the header counts into one of them


class Wav:
    """16-bit mono PCM at the speech's rate. A `with` block that ends well leaves the file at `path`; any other leaves nothing.

    Raises UsageError for an impossible path, AnimacyError when the disk refuses or the sound outgrows a WAV file.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = PartialFile(Path(path))
        self._bytes = 0
        self._rate = 0
        try:
            self._wave = wave.open(str(self._file.partial), "wb")  # noqa: SIM115  closed by __exit__
            self._wave.setnchannels(1)
            self._wave.setsampwidth(2)
        except BaseException:
            self._file.discard()
            raise

    def hear(self, speech: Speech) -> None:
        if self._rate not in (0, speech.rate):
            raise ValueError(f"speech at {speech.rate} Hz after speech at {self._rate} Hz")
        if not self._rate:
            self._rate = speech.rate
            self._wave.setframerate(speech.rate)
        self._bytes += 2 * len(speech.samples)
        if self._bytes > LONGEST:
            raise AnimacyError(f"{self._file.path} cannot be written: a WAV file holds 4 GiB at most; leave --wav out")
        try:
            self._wave.writeframes(np.rint(np.clip(speech.samples, -1, 1) * 32767).astype("<i2").tobytes())
        except OSError as error:
            raise AnimacyError(f"{self._file.path} cannot be written: {error.strerror}") from error

    def send(self, faces: Faces | Frames) -> None:
        """A picture makes no sound."""

    def __enter__(self) -> Wav:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if not self._rate:
                self._wave.setframerate(24000)  # of nothing; the format has to say one
            self._wave.close()
            if kind is None:
                self._file.keep()
        except OSError as failure:
            if kind is None:  # else something else has failed first, and is being told
                raise AnimacyError(f"{self._file.path} cannot be written: {failure.strerror}") from failure
        finally:
            self._file.discard()  # after keep() there is nothing left under the partial name
