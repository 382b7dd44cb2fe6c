"""Feeling -> facial action units -> weights, and how fast they come and go. The one table of what a face does for a feeling.

Action units are FACS's (Ekman and Friesen, "Facial Action Coding System", 1978; Ekman, Friesen and Hager, 2002). Which of them
an emotion shows is after EMFACS (Friesen and Ekman, 1983) and the prototypes of Du, Tao and Martinez, "Compound facial
expressions of emotion" (PNAS 2014), as both are commonly cited. How strongly is ours: the presenter's register,
with only what can be held while speaking, so that lips part (AU 25, 26) by hardly more than speech parts them. Mixed emotions
add up: a compound shows the units of both its parts, which is what Du et al. found. docs/performance-of-text.md has it all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..types import ARKIT, EMOTIONS

Array = NDArray[np.float64]

# FACS action unit -> the ARKit shape that comes closest, without its side
SHAPES = {
    1: "browInnerUp",
    2: "browOuterUp",
    4: "browDown",
    5: "eyeWide",
    6: "cheekSquint",
    7: "eyeSquint",
    9: "noseSneer",
    10: "mouthUpperUp",
    12: "mouthSmile",
    14: "mouthDimple",
    15: "mouthFrown",
    17: "mouthShrugLower",
    20: "mouthStretch",
    24: "mouthPress",
    26: "jawOpen",
    43: "eyeBlink",
}

# action units at full strength, as weights; "L" or "R" before a unit, as in FACS: on that side of the speaker's alone
UNITS: Mapping[str, Mapping[str, float]] = {
    "anger": {"4": 0.95, "5": 0.30, "7": 0.45, "9": 0.32, "15": 0.18, "24": 0.36},
    "disgust": {"4": 0.40, "6": 0.30, "7": 0.62, "9": 0.80, "10": 0.28, "15": 0.42},
    "fear": {"1": 0.85, "2": 0.35, "4": 0.28, "5": 0.65, "20": 0.42, "26": 0.04},
    "joy": {"2": 0.10, "6": 0.60, "7": 0.22, "12": 0.66, "14": 0.12},
    "neutral": {},
    "sadness": {"1": 0.85, "4": 0.25, "15": 0.62, "17": 0.20, "43": 0.10},
    "surprise": {"1": 0.80, "2": 0.75, "5": 0.60, "26": 0.08},
    # what an author may ask for by name: [smirk:0.8], <expression name="smirk" strength="0.8">
    "smile": {"6": 0.20, "12": 0.50},  # polite; with AU 6 in full it is felt (Ekman, Davidson and Friesen, 1990)
    "grin": {"6": 0.60, "7": 0.20, "10": 0.10, "12": 0.75},
    "smirk": {"L12": 0.55, "L14": 0.35, "R12": 0.08, "L6": 0.15, "7": 0.15},
    "contempt": {"L14": 0.65, "L12": 0.20, "L10": 0.12, "7": 0.20, "R4": 0.15},  # one-sided (Ekman and Friesen, 1986)
    "doubt": {"1": 0.12, "L2": 0.65, "R4": 0.45, "R7": 0.30, "15": 0.20, "17": 0.25},  # one brow up, one down
    "resignation": {"1": 0.35, "2": 0.25, "15": 0.45, "17": 0.50},  # the mouth shrug (Debras, 2017)
    "concern": {"1": 0.60, "4": 0.35, "7": 0.10, "24": 0.12},  # sympathy (Eisenberg et al., 1989)
    "puzzlement": {"4": 0.55, "7": 0.35, "24": 0.10},  # Rozin and Cohen, 2003
    "interest": {"1": 0.35, "2": 0.40, "5": 0.15, "12": 0.12},  # Izard, 1979
    "determination": {"4": 0.45, "7": 0.30, "17": 0.15, "24": 0.40},  # Darwin, 1872, chapter 9
    "embarrassment": {"6": 0.15, "12": 0.35, "14": 0.15, "24": 0.35},  # a smile held down (Keltner, 1995)
    "awe": {"1": 0.60, "2": 0.50, "5": 0.40},  # Du et al., 2014, as are the last two
    "delight": {"1": 0.45, "2": 0.45, "5": 0.25, "6": 0.25, "12": 0.55},  # happily surprised
    "dismay": {"1": 0.30, "4": 0.55, "7": 0.15, "10": 0.22, "15": 0.20},  # appalled
}

NAMED = tuple(name for name in UNITS if name not in EMOTIONS)
"""The expressions that an author can ask for by name."""

OPPOSITES = (("mouthSmile", "mouthFrown"), ("browDown", "browOuterUp"))  # a named expression takes these from the sentence's

# s from 10 to 90 % of an emotion as it comes, and as it goes. A rise of 0.2 to 0.9 s is taken for real; sadness is told best
# when slow, disgust when quick (Recio, Schacht and Sommer, 2013); surprise is the briefest (Ekman, 2003). The rest is by eye.
TIMES: Mapping[str, tuple[float, float]] = {
    "anger": (0.45, 0.90),
    "disgust": (0.40, 0.70),
    "fear": (0.38, 0.80),
    "joy": (0.50, 1.00),
    "neutral": (0.50, 0.60),
    "sadness": (0.90, 1.20),
    "surprise": (0.35, 0.60),
}
ASKED = (0.40, 0.70)  # of what an author asks for on a word, which is short
LEFT = 0.03  # of its strength that the speaker's left side shows more, and the right side less (Borod et al., 1997)

INDEX = {name: i for i, name in enumerate(ARKIT)}


def _weights(name: str) -> dict[str, float]:
    """The ARKit weights of one row of UNITS."""
    weights: dict[str, float] = {}
    for unit, weight in UNITS[name].items():
        shape = SHAPES[int(unit.lstrip("LR"))]
        sides = {"L": ("Left",), "R": ("Right",)}.get(unit[0], ("", "Left", "Right"))
        weights |= {shape + side: weight for side in sides if shape + side in INDEX}
    return weights


def _matrix() -> Array:
    rows = np.zeros((len(EMOTIONS), len(ARKIT)))
    for row, emotion in enumerate(EMOTIONS):
        for name, weight in _weights(emotion).items():
            rows[row, INDEX[name]] = weight
    return rows


MATRIX = _matrix()  # [7, 52]


def expression(emotion: Mapping[str, float], valence: float, excitement: float) -> Array:
    """The face [52] to be held for a sentence read so.

    Readers are seldom sure: emotion weights of 0.3 should hardly show and 0.8 should be clear, so they are bent by a power.
    Valence adds a trace of smile or frown where no emotion is named; excitement, 0..1, scales it all by 0.75 to 1.25.
    """
    strength = np.array([float(emotion.get(name, 0.0)) for name in EMOTIONS])
    face: Array = (strength**1.3) @ MATRIX
    smile, frown = (("mouthSmile", 0.10), ("mouthFrown", 0.07))
    name, most = smile if valence > 0 else frown
    for side in ("Left", "Right"):
        face[INDEX[name + side]] = max(face[INDEX[name + side]], most * abs(valence))
    result: Array = np.clip(face * (0.75 + 0.5 * excitement), 0.0, 1.0)
    return result


def pace(emotion: Mapping[str, float]) -> tuple[float, float]:
    """Seconds, 10 to 90 %, in which a mixture of emotions comes and goes: the mean of its parts."""
    shares = {name: float(emotion.get(name, 0.0)) for name in EMOTIONS}
    total = sum(shares.values())
    if total <= 0.0:
        return TIMES["neutral"]
    onset, decay = (sum(share * TIMES[name][k] for name, share in shares.items()) / total for k in (0, 1))
    return onset, decay


def named(name: str, strength: float) -> dict[str, float]:
    """The ARKit weights of one of NAMED at `strength`, 0..1, with what it takes from the sentence's expression at 0."""
    weights = {shape: round(strength * weight, 4) for shape, weight in _weights(name).items()}
    for pair in OPPOSITES:
        for one, other in (pair, pair[::-1]):
            for side in ("Left", "Right"):
                if one + side in weights:
                    weights.setdefault(other + side, 0.0)
    return weights
