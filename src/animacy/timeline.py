"""Everything that was performed, with times in seconds from the video's start: the file that `--timeline` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .errors import AnimacyError
from .read import score_of
from .send.partial import PartialFile
from .types import ARKIT, Motion, Score, Sentence, Speech


class Timeline:
    """Collects a performance, stretch by stretch. About 250 bytes a frame."""

    def __init__(self, fps: int) -> None:
        self.fps = fps
        self.words: list[dict[str, Any]] = []
        self.phones: list[dict[str, Any]] = []
        self._sentences: list[Sentence] = []
        self._weights: list[NDArray[np.float32]] = []
        self._pose: list[NDArray[np.float32]] = []
        self._samples = 0  # exact, in units of 1 / rate
        self._rate = 0
        self._base = 0  # index of the current sentence's first word

    def add(self, sentence: Sentence | None, speech: Speech, motion: Motion) -> None:
        """Take the next stretch. Stretches of one sentence follow one another."""
        if self._rate not in (0, speech.rate):
            raise ValueError(f"speech at {speech.rate} Hz after speech at {self._rate} Hz")
        self._rate = speech.rate
        if sentence is not None:
            if not self._sentences or sentence is not self._sentences[-1]:
                self._base = len(self.words)
                self._sentences.append(sentence)
                start = self._at(0)
                self.words += [{"text": w.text, "start": start, "end": start} for w in sentence.words]
            for word in speech.words:
                self.words[self._base + word.word].update(start=self._at(word.start), end=self._at(word.end))
            self.phones += [
                {"symbol": p.symbol, "start": self._at(p.start), "end": self._at(p.end), "word": self._base + p.word}
                for p in speech.phones
            ]
        self._samples += len(speech.samples)
        self._weights.append(motion.weights)
        self._pose.append(motion.pose)

    @property
    def duration(self) -> float:
        """Seconds of sound."""
        return round(self._samples / self._rate, 6) if self._rate else 0.0

    @property
    def motion(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights [T, 52] and pose [T, 6] of all frames."""
        return np.concatenate(self._weights), np.concatenate(self._pose)

    @property
    def score(self) -> Score:
        return score_of(tuple(self._sentences))

    def write(self, file: IO[str]) -> None:
        """Write the JSON object, row by row."""
        file.write(f'{{"fps": {self.fps}, "duration": {self.duration},\n')
        for key, value in (("score", self.score.as_json()), ("words", self.words), ("phones", self.phones)):
            file.write(f'"{key}": {_dump(value)},\n')
        file.write(f'"motion": {{"names": {json.dumps(ARKIT)},\n')
        _rows(file, "weights", self._weights)
        file.write(",\n")
        _rows(file, "pose", self._pose)
        file.write("}}\n")

    def _at(self, sample: int) -> float:
        return round((self._samples + sample) / self._rate, 6)


def save(timeline: Timeline, file: PartialFile) -> None:
    """Write `timeline` into `file`, which the caller keeps. Raises AnimacyError when the disk refuses."""
    try:
        with Path(file.partial).open("w", encoding="utf-8") as out:
            timeline.write(out)
    except OSError as error:
        raise AnimacyError(f"{file.path} cannot be written: {error.strerror}") from error


def _dump(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # A lone surrogate in the text has no UTF-8: escape it, as JSON allows.
    return text if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text) else json.dumps(value)


def _rows(file: IO[str], key: str, blocks: list[NDArray[np.float32]]) -> None:
    file.write(f'"{key}": [')
    comma = ""
    for block in blocks:
        for row in block.tolist():
            file.write(comma + "[" + ", ".join(f"{x:.5g}" for x in row) + "]")
            comma = ",\n"
    file.write("]")
