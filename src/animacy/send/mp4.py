"""Frames and sound -> an MP4 file: H.264 (yuv420p, BT.709) and AAC (48 kHz), index in front."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from PIL import Image

from ..errors import AnimacyError, UsageError
from ..types import Faces, Frames, Speech
from .partial import PartialFile
from .yuv import i420_over

BT709 = 1  # the value of colour primaries, transfer and matrix alike in ITU-T H.273
LIMITED = 1  # AVCOL_RANGE_MPEG
AUDIO_RATE = 48000
AAC_FRAME = 1024  # samples that AAC-LC takes at a time


class Mp4:
    """A sink that writes `path`. A `with` block that ends well leaves the file there; any other leaves nothing.

    size: pixels a side, even. background: [M, M, 3] uint8 sRGB, scaled to `size`.
    Sound comes ahead of its frames (`hear` before `send`); both start at 0. Raises UsageError for an impossible size or
    path, AnimacyError when the disk refuses.
    """

    def __init__(self, path: str | Path, size: int, fps: int, background: NDArray[np.uint8]) -> None:
        if size % 2 or not 64 <= size <= 2048:
            raise UsageError(f"--size {size}: needed an even number from 64 to 2048")
        self._i420 = np.empty((size * 3 // 2, size), np.uint8)
        self._background = np.asarray(Image.fromarray(background).resize((size, size), Image.Resampling.LANCZOS))
        # Compile (or load) the kernel now, not between the first sentence and its first frame.
        i420_over(np.zeros((size, size, 4), np.uint8), self._background, self._i420)
        self._frames = 0
        self._samples = 0
        self._encoded = 0
        self._rate, self._fps = 0, fps  # samples a second: the first speech tells
        self._resampler = AudioResampler("fltp", "mono", AUDIO_RATE, frame_size=AAC_FRAME)
        self._file = PartialFile(Path(path))
        try:
            # Sound for a whole phrase is muxed before its first frame: the muxer has to hold it back, however long.
            # Absolute, as FFmpeg takes what stands before a colon for a protocol.
            self._container = av.open(
                str(self._file.partial.absolute()),
                "w",
                format="mp4",
                options={"movflags": "+faststart", "max_interleave_delta": "0"},
            )
            video = self._container.add_stream("libx264", rate=fps)
            video.width = video.height = size
            video.pix_fmt = "yuv420p"
            # Two seconds between key frames: a player can seek, and the still background costs little.
            video.options = {"preset": "veryfast", "crf": "19", "g": str(2 * fps)}
            video.codec_context.color_primaries = video.codec_context.color_trc = video.codec_context.colorspace = BT709
            video.codec_context.color_range = LIMITED
            audio = self._container.add_stream("aac", rate=AUDIO_RATE)
            audio.codec_context.layout = "mono"
            audio.codec_context.bit_rate = 96_000
            self._video, self._audio = video, audio
        except BaseException:
            self._file.discard()
            raise

    @property
    def frames(self) -> int:
        """How many frames were sent."""
        return self._frames

    @property
    def encoded(self) -> int:
        """How many frames have left the encoder, which looks some frames ahead."""
        return self._encoded

    def hear(self, speech: Speech) -> None:
        if self._rate not in (0, speech.rate):
            raise ValueError(f"speech at {speech.rate} Hz after speech at {self._rate} Hz")
        self._rate = speech.rate
        if not len(speech.samples):
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(speech.samples[None], np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._samples, Fraction(1, self._rate)
        self._samples += len(speech.samples)
        self._encode_audio(frame)

    def send(self, faces: Faces | Frames) -> None:
        for face in faces.rgba if isinstance(faces, Faces) else faces.i420:
            if isinstance(faces, Faces):
                i420_over(face, self._background, self._i420)
            finished = self._i420 if isinstance(faces, Faces) else face
            if finished.shape != self._i420.shape:
                raise ValueError(f"frames of {finished.shape[1]} pixels came to a film of {self._i420.shape[1]}")
            frame = av.VideoFrame.from_ndarray(finished, format="yuv420p")
            frame.pts, frame.time_base = self._frames, Fraction(1, self._fps)
            frame.colorspace, frame.color_range = BT709, LIMITED
            self._frames += 1
            self._write(self._video, frame)

    def _encode_audio(self, frame: av.AudioFrame | None) -> None:
        for block in self._resampler.resample(frame):
            self._write(self._audio, block)

    def _write(self, stream: av.VideoStream | av.AudioStream, frame: av.VideoFrame | av.AudioFrame | None) -> None:
        try:
            packets = stream.encode(frame)  # type: ignore[arg-type]  # each stream gets its own kind
            self._container.mux(packets)
        except OSError as error:
            raise AnimacyError(f"{self._file.path} cannot be written: {error.strerror}") from error
        if stream is self._video:
            self._encoded += len(packets)

    def __enter__(self) -> Mp4:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._encode_audio(None)
                self._write(self._audio, None)
                self._write(self._video, None)
                self._container.close()
                self._file.keep()
        except OSError as failure:
            raise AnimacyError(f"{self._file.path} cannot be written: {failure.strerror}") from failure
        finally:
            # Where it failed, the container is not closed: that would write the index of a file that is thrown away.
            self._file.discard()  # after keep() there is nothing left under the partial name
