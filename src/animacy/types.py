"""The values that travel down the line, each with shape, dtype, unit and range.

Score -> Speech -> Motion -> Conditions -> Faces. All are immutable records; arrays inside them are to be treated as read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Language = str
"""A BCP 47 tag. "en" and "zh" are read and spoken in full, others by espeak-ng alone."""

EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
"""Ekman's six emotions and neutral, in the order of every emotion vector in the project."""

# Apple's ARFaceAnchor.BlendShapeLocation, in the order of Unreal's EARFaceBlendShape. Left is the speaker's left. The CSV
# files of Live Link Face have jawRight before jawLeft, and mouthRight before mouthLeft: go by names there.
ARKIT = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)
"""The 52 ARKit blendshape names, in the order of every weight vector in the project."""

POSE = ("pitch", "yaw", "roll", "x", "y", "z")
"""Head pose: radians, then metres. Pitch > 0 looks down, yaw > 0 turns to the speaker's left, roll > 0 tilts the crown to
the speaker's right; x to the speaker's left, y up, z forward."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the text. `start` and `end` count characters of the text as it was given, without its markup."""

    text: str  # those characters
    start: int
    end: int
    stress: float  # 0..1, prominence
    spoken: str = ""  # what a reader says for it, e.g. "twenty six" for "26"; equal to `text` where nothing is rewritten
    language: Language = "en"  # of this word: a Mandarin sentence may hold English words
    after: str = ""  # punctuation that follows, one of "" , . ? ! ; : — …  (these also in Mandarin)
    # What an author may add by markup.
    pause: float | None = None  # 0..60 s of silence after the word, in place of what its punctuation gives; 0: none at all
    rate: float = 1.0  # 0.5..2, of the usual pace
    volume: float = 0.0  # -24..12 dB
    phonemes: str = ""  # in place of what the speaker finds: IPA, or for a word in "zh" pinyin such as "chong2 qing4"
    emotion: Mapping[str, float] | None = None  # while the word is said, in place of the sentence's; keys EMOTIONS
    face: Mapping[str, float] | None = None  # ARKit weights 0..1, in place of the expression's while it is said
    # A reader's, too, but an author may set it:
    boundary: float = 0.0  # 0..1, how strong the boundary behind the word is; 1 ends a sentence

    def as_json(self) -> dict[str, Any]:
        marks = {
            "pause": self.pause,
            "rate": self.rate if self.rate != 1.0 else None,
            "volume": self.volume or None,
            "phonemes": self.phonemes or None,
            "emotion": None if self.emotion is None else {name: round(float(self.emotion[name]), 4) for name in EMOTIONS},
            "face": None if self.face is None else dict(self.face),
            "boundary": round(self.boundary, 4) or None,
        }
        word = {"text": self.text, "start": self.start, "end": self.end, "stress": round(self.stress, 4)}
        return word | {name: value for name, value in marks.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with what the reader made of it. `start` and `end` as a Word's."""

    text: str
    start: int
    end: int
    language: Language  # of most of the sentence
    emotion: Mapping[str, float]  # keys EMOTIONS, each 0..1, summing to 1
    valence: float  # -1..1
    excitement: float  # 0..1
    words: tuple[Word, ...]  # never empty
    pause: float = 0.0  # 0..60 s of silence before it, beside what is there anyway

    def as_json(self) -> dict[str, Any]:
        before = {"pause": self.pause} if self.pause else {}
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "emotion": {name: round(float(self.emotion[name]), 4) for name in EMOTIONS},
            "valence": round(self.valence, 4),
            "excitement": round(self.excitement, 4),
            **before,
            "words": [w.as_json() for w in self.words],
        }


@dataclass(frozen=True, slots=True)
class Score:
    """What was read from one text: the sentences in order. `as_json` gives the schema of `animacy read --json`."""

    language: Language
    sentences: tuple[Sentence, ...]

    def as_json(self) -> dict[str, Any]:
        return {"language": self.language, "sentences": [s.as_json() for s in self.sentences]}


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone. `start` and `end` count samples from the first sample of the speech that holds it."""

    symbol: str  # IPA, without tone and stress marks, e.g. "p", "ʂ", "aɪ", "ɝ"
    start: int
    end: int
    word: int  # index into the sentence's words


@dataclass(frozen=True, slots=True)
class TimedWord:
    """When a word of the sentence is heard. `start` and `end` count samples from the speech's first sample."""

    word: int  # index into the sentence's words
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Speech:
    """A stretch of speech: a sentence, or a phrase of one. Phones are ordered and do not overlap; gaps are silence.

    It begins and ends in silence, so that stretches can be played one after another.
    """

    samples: NDArray[np.float32]  # [N] mono, -1..1
    rate: int  # samples a second
    phones: tuple[Phone, ...]
    words: tuple[TimedWord, ...]

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of the mouth in a stretch of speech from elsewhere (`animacy.hear`), one row each 10 ms.

    Row k is for `first` + 0.01 * k seconds after the stretch's first sample.
    """

    # six articulators, contact of the lips, contact of lip and teeth, speaking (move/mouth.py)
    mouth: NDArray[np.float32]  # [K, 9], 0..1
    excitement: NDArray[np.float32]  # [K], 0..1
    stress: NDArray[np.float32]  # [K], 0..1: 0 but where a stressed vowel has its middle
    first: float = 0.0  # seconds


@dataclass(frozen=True, slots=True)
class Motion:
    """Face and head per video frame. Frame i shows the instant (first + i) / fps of the video."""

    weights: NDArray[np.float32]  # [T, 52], 0..1, order ARKIT
    pose: NDArray[np.float32]  # [T, 6], order POSE
    first: int  # number of the first frame in the video
    fps: int

    def __len__(self) -> int:
        return len(self.weights)

    def batches(self, size: int) -> list[Motion]:
        """The same frames in order, `size` at a time (the last may be shorter)."""
        return [
            Motion(self.weights[i : i + size], self.pose[i : i + size], self.first + i, self.fps)
            for i in range(0, len(self), size)
        ]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the rasteriser gives the generator for a batch of frames: ten channels. Row 0 is on top."""

    shaded: NDArray[np.uint8]  # [B, H, W, 4] sRGB, premultiplied; A is coverage (the mask)
    unlit: NDArray[np.uint8]  # [B, H, W, 4] sRGB texture, premultiplied; A is depth, 255 near to 0 far, 0 where empty
    normal: NDArray[np.uint8]  # [B, H, W, 2] view-space x (right) and y (up), 128 = 0, 1..255 = -1..1; 128 where empty


@dataclass(frozen=True, slots=True)
class Faces:
    """Painted frames, ready to be laid over a background."""

    rgba: NDArray[np.uint8]  # [B, H, W, 4] sRGB, premultiplied alpha, row 0 on top

    def __len__(self) -> int:
        return len(self.rgba)


@dataclass(frozen=True, slots=True)
class Frames:
    """Finished frames of video, over their background, as encoders take them."""

    i420: NDArray[np.uint8]  # [B, H * 3 / 2, W]: the planes Y, Cb and Cr of a frame one after another; BT.709, limited range

    def __len__(self) -> int:
        return len(self.i420)
