"""The line, a stage a line: what was read is spoken, moved, drawn and painted, sent."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .ahead import ahead
from .stages import FaceStage, Mover, Sink, Speaker
from .timeline import Timeline
from .types import Heard, Motion, Sentence, Speech


@dataclass(frozen=True, slots=True)
class Line:
    """The stages after `read`, wired once. `sinks` each get every frame and every sample."""

    speaker: Speaker | None  # None: sound comes from elsewhere
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
    what was performed (it does grow). `report` is called after each batch of frames. Raises what the stages raise, and
    ValueError for a line without a speaker. Closing the sinks is the caller's.
    """
    if line.speaker is None:
        raise ValueError("a line without a speaker: it can only follow sound")
    with ahead(_stretches(sentences, line, line.speaker), bound=2) as stretches:
        moved = ((sentence, speech, line.mover.move(sentence, speech)) for sentence, speech in stretches)
        return _show(moved, line, timeline, report)


def follow(
    sound: Generator[tuple[Speech, Heard], None, None],
    line: Line,
    *,
    timeline: Timeline | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Perform speech from elsewhere with what was heard in it, as `perform` does texts; the video is as long as the sound."""
    with ahead(sound, bound=2) as stretches:
        moved = ((None, speech, line.mover.move(None, speech, heard)) for speech, heard in stretches)
        return _show(moved, line, timeline, report)


def _show(
    moved: Iterable[tuple[Sentence | None, Speech, Motion]],
    line: Line,
    timeline: Timeline | None,
    report: Callable[[Progress], None],
) -> Progress:
    position = frames = samples = rate = 0
    for sentence, speech, motion in moved:
        rate = speech.rate
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
            report(Progress(position, samples / rate, frames))
    return Progress(position, samples / max(rate, 1), frames)


def _stretches(
    sentences: Iterator[Sentence], line: Line, speaker: Speaker
) -> Generator[tuple[Sentence | None, Speech], None, None]:
    """All that is heard, in order, between two silences."""
    silent = True
    for sentence in sentences:
        if silent:  # not before the first sentence is there: a text with nothing to say shall fail before anything is sent
            yield None, silence(line.lead, speaker.rate)
            silent = False
        for speech in speaker.speak(sentence):
            yield sentence, speech
    yield None, silence(line.tail, speaker.rate)


def silence(seconds: float, rate: int) -> Speech:
    """A stretch in which nothing is said."""
    return Speech(np.zeros(round(seconds * rate), np.float32), rate, (), ())
