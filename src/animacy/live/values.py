"""What a live session gives: moments to be shown and heard, and events that tell what was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..types import Sentence


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame's instant and the sound from there to the next frame's."""

    number: int  # shows at number / fps after the session's `opened`
    epoch: int
    weights: NDArray[np.float32]  # [52], 0..1, order ARKIT
    pose: NDArray[np.float32]  # [6], order POSE
    samples: NDArray[np.float32]  # [N] mono, -1..1; zeros at rest


@dataclass(frozen=True, slots=True)
class Event:
    """What was heard: each kind once its time has come, in order of time.

    "started" and "finished" frame each text that was said; "failed" comes in place of "finished", or of both, where it could
    not be said, and `text` tells why. "interrupted" tells from when on nothing older is heard; nothing of an older epoch
    follows it, and a text that it cut off does not finish. Of one output are "output_failed", `text` tells why it was closed,
    "output_lost", where its server is gone and is tried again, and "output_back".
    """

    kind: Literal[
        "started", "sentence", "word", "finished", "failed", "interrupted", "output_failed", "output_lost", "output_back"
    ]
    epoch: int
    say: int  # what `say` gave for the text; 0 for an interruption
    time: float  # seconds after the session's first frame
    text: str = ""  # of the sentence or the word; of "failed" and "output_failed", why
    start: int = 0  # of the sentence or the word in the text given to `say` without its markup, in characters
    end: int = 0
    sentence: Sentence | None = None  # of "sentence": what was read, with the stress of each word
    output: str = ""  # of "output_...": which one it was
