"""The line's contracts: one method each. A stage is swapped by passing another object that has the method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from .types import Conditions, Faces, Frames, Heard, Motion, Sentence, Speech


class Reader(Protocol):
    def read(self, text: str) -> Iterator[Sentence]:
        """Read `text` sentence by sentence, lazily. Offsets count characters of `text`, without its markup if it has any.

        Raises UsageError if there is nothing to say.
        """


class Speaker(Protocol):
    rate: int  # samples a second of every Speech given

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        """Say one sentence as one or more stretches, in order; together they cover each word once."""


class Mover(Protocol):
    def move(self, sentence: Sentence | None, speech: Speech, heard: Heard | None = None) -> Motion:
        """Move the face for the next stretch of speech; without a sentence the stretch is silence and the face idles, or it is
        speech from elsewhere, whose mouth was `heard`.

        Gives the frames whose instant falls into the stretch, which begins where the one before ended.
        """


class Renderer(Protocol):
    def render(self, motion: Motion) -> Conditions:
        """Rasterise a batch of frames."""


class Generator(Protocol):
    def generate(self, conditions: Conditions) -> Faces:
        """Paint a batch of frames."""


class FaceStage(Protocol):
    """A Renderer and a Generator in one, as which a GPU draws and paints without a picture on the host in between."""

    batch: int  # frames at once, at most

    def paint(self, motions: Iterable[Motion]) -> Iterator[Faces | Frames]:
        """Draw and paint batches of 1 to `batch` frames, in order. Use what comes before asking for the next.

        Batches may be asked for ahead of those that are given.
        """


class Sink(Protocol):
    def send(self, faces: Faces | Frames) -> None:
        """Take the next frames of the video, in order."""

    def hear(self, speech: Speech) -> None:
        """Take the next stretch of sound, in order, ahead of its frames."""
