"""The voices that ship: Kokoro-82M style vectors by hexgrad (Apache-2.0), as float16."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..types import Language


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice. It can say both languages; `language` is the one that it was recorded in."""

    name: str
    language: Language
    sex: Literal["woman", "man"]
    description: str
    gain: float  # brings its speech to -20 dBFS RMS (speech only), measured
    pitch: float  # Hz, the middle of its speech: geometric mean over three sentences by pYIN
    offset: float  # seconds added to the model's phone times, measured against an aligner (benchmarks/align.py)


VOICES: dict[str, Voice] = {
    v.name: v
    for v in (
        Voice("af_heart", "en", "woman", "American English, warm and even", 1.26, 202.0, -0.068),
        Voice("am_michael", "en", "man", "American English, calm and low", 1.36, 115.0, -0.075),
        Voice("zf_xiaoxiao", "zh", "woman", "Mandarin, bright and clear", 0.57, 237.0, -0.052),
        Voice("zm_yunxi", "zh", "man", "Mandarin, young and lively", 0.93, 168.0, -0.049),
    )
}
"""The voices that ship, by name."""


def find(name: str) -> Voice:
    """The voice of that name. Raises UsageError, listing the voices, if there is none."""
    if name not in VOICES:
        raise UsageError(f"no voice named {name!r}; the voices are {', '.join(VOICES)}: see `animacy voices`")
    return VOICES[name]


def voice_for(language: str) -> str:
    """The name of the voice that speaks `language` ("en" or "zh") unless another is asked for.

    Raises UsageError if no voice speaks it.
    """
    for v in VOICES.values():
        if v.language == language:
            return v.name
    raise UsageError(
        f"no voice speaks {language!r}; Kokoro here speaks en and zh, espeak-ng others: pip install 'animacy[espeak]'"
    )


def style(name: str) -> NDArray[np.float32]:
    """The voice's style vectors: [510, 256], row n for a phrase of n + 1 phoneme tokens."""
    with files(__package__).joinpath("styles", f"{find(name).name}.npz").open("rb") as f:
        table: NDArray[np.float32] = np.load(f, allow_pickle=False)["style"].astype(np.float32)
    return table
