"""Emotion -> facial action units -> weights.

Action units of the six emotions after Ekman and Friesen, "Facial Action Coding System" (1978) and its investigator's guide
(2002), in the presenter's register: only those that can be held while speaking. ARKit's shapes are close to single action
units: browInnerUp AU1, browOuterUp AU2, browDown AU4, eyeWide AU5, cheekSquint AU6, eyeSquint AU7, noseSneer AU9,
mouthUpperUp AU10, mouthSmile AU12, mouthDimple AU14, mouthFrown AU15, mouthLowerDown AU16, mouthShrugLower AU17,
mouthStretch AU20, mouthPress AU24, jawOpen AU26.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..types import ARKIT, EMOTIONS

Array = NDArray[np.float64]

# weights at full strength (1.0); names without a side stand for both
UNITS: dict[str, dict[str, float]] = {
    "anger": {"browDown": 0.75, "eyeWide": 0.15, "eyeSquint": 0.35, "mouthPress": 0.30, "noseSneer": 0.20, "mouthFrown": 0.15},
    "disgust": {
        "noseSneer": 0.65,
        "mouthUpperUp": 0.24,
        "mouthFrown": 0.30,
        "browDown": 0.35,
        "cheekSquint": 0.25,
        "eyeSquint": 0.25,
    },
    "fear": {
        "browInnerUp": 0.70,
        "browOuterUp": 0.30,
        "browDown": 0.20,
        "eyeWide": 0.55,
        "mouthStretch": 0.28,
        "jawOpen": 0.03,
    },
    "joy": {"mouthSmile": 0.56, "cheekSquint": 0.50, "eyeSquint": 0.20, "mouthDimple": 0.12, "browOuterUp": 0.10},
    "neutral": {},
    "sadness": {"browInnerUp": 0.70, "browDown": 0.18, "mouthFrown": 0.55, "mouthShrugLower": 0.15, "eyeBlink": 0.10},
    "surprise": {"browInnerUp": 0.65, "browOuterUp": 0.60, "eyeWide": 0.45, "jawOpen": 0.07},
}

INDEX = {name: i for i, name in enumerate(ARKIT)}


def _matrix() -> Array:
    rows = np.zeros((len(EMOTIONS), len(ARKIT)))
    for row, emotion in enumerate(EMOTIONS):
        for name, weight in UNITS[emotion].items():
            for full in (name, name + "Left", name + "Right"):
                if full in INDEX:
                    rows[row, INDEX[full]] = weight
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
