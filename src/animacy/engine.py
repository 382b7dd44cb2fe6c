"""The line, a stage a line: what was read is spoken, moved, drawn and painted, sent."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np

from .ahead import ahead
from .stages import FaceStage, Mover, Sink, Speaker
from .timeline import Timeline
from .types import Sentence, Speech


@dataclass(frozen=True, slots=True)
class Line:
    """The stages after `read`, wired once. `sinks` each get every frame and every sample."""

    speaker: Speaker
    mover: Mover
    face: FaceStage
    sinks: tuple[Sink, ...]
    lead: float = 0.3  # seconds of idle face before the first word ...
    tail: float = 0.7  # ... and after the last


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a performance has come."""

    position: int  # characters of the text that are performed
    seconds: float  # of video
    frames: int


def perform(
    sentences: Iterator[Sentence],
    line: Line,
    *,
    timeline: Timeline | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Perform what a Reader reads, frames following the speech as it is made. Memory does not grow with the text.

    `sentences` are read and spoken in a thread of their own, at most two stretches ahead of the frames. `timeline` collects
    what was performed (it does grow). `report` is called after each batch of frames. Raises what the stages raise; closing the
    sinks is the caller's.
    """
    position = frames = samples = 0
    with ahead(_stretches(sentences, line), bound=2) as stretches:
        for sentence, speech in stretches:
            motion = line.mover.move(sentence, speech)
            if timeline is not None:
                timeline.add(sentence, speech, motion)
            for sink in line.sinks:
                sink.hear(speech)
            samples += len(speech.samples)
            if sentence is not None and speech.words:
                position = sentence.words[speech.words[-1].word].end
            for faces in line.face.paint(motion.batches(line.face.batch)):
                for sink in line.sinks:
                    sink.send(faces)
                frames += len(faces)
                report(Progress(position, samples / speech.rate, frames))
    return Progress(position, samples / line.speaker.rate, frames)


def _stretches(sentences: Iterator[Sentence], line: Line) -> Generator[tuple[Sentence | None, Speech], None, None]:
    """All that is heard, in order, between two silences."""
    silent = True
    for sentence in sentences:
        if silent:  # not before the first sentence is there: a text with nothing to say shall fail before anything is sent
            yield None, silence(line.lead, line.speaker.rate)
            silent = False
        for speech in line.speaker.speak(sentence):
            yield sentence, speech
    yield None, silence(line.tail, line.speaker.rate)


def silence(seconds: float, rate: int) -> Speech:
    """A stretch in which nothing is said."""
    return Speech(np.zeros(round(seconds * rate), np.float32), rate, (), ())
