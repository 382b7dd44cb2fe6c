"""Speech with known phones, as files: what the network learns from and is judged by.

NAME.wav is mono 16-bit PCM; NAME.json {"engine", "voice", "language", "phones": [{"symbol", "start", "end"}]}, IPA and
seconds. Any engine or aligner can make them; `excitement` and a phone's `stress`, 0..1, may be left out.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..move.mouth import articulate, segments
from ..types import EMOTIONS, Phone, Sentence, Speech, Word

Array = NDArray[np.float32]

LEVEL = 0.1  # RMS of speech, -20 dBFS, at which the mouth of a clip is made, however loud it is
FPS = 25  # whose frames a contact of the lips must not fall between
QUIET = 0.05  # of the loudest 20 ms, below which is no speech


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance. Stress is by phone, 0..1; None: not known."""

    name: str
    engine: str
    voice: str
    language: str
    speech: Speech
    stress: tuple[float, ...] | None = None
    excitement: float | None = None


def save(clip: Clip, folder: Path) -> None:
    """Write the two files of `clip` into `folder`; the JSON last, so that what has one is whole."""
    rate = clip.speech.rate
    with wave.open(str(folder / f"{clip.name}.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.rint(np.clip(clip.speech.samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())
    phones = [
        {"symbol": p.symbol, "start": round(p.start / rate, 5), "end": round(p.end / rate, 5)} for p in clip.speech.phones
    ]
    if clip.stress is not None:
        phones = [p | {"stress": round(s, 3)} for p, s in zip(phones, clip.stress, strict=True)]
    about: dict[str, object] = {"engine": clip.engine, "voice": clip.voice, "language": clip.language, "phones": phones}
    if clip.excitement is not None:
        about["excitement"] = round(clip.excitement, 3)
    (folder / f"{clip.name}.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> Iterator[Clip]:
    """The clips in `folder`, by name. Raises UsageError where there are none, or one is not as it should be."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise UsageError(f"{folder}: no clips there; needed NAME.json and NAME.wav (hear/clips.py tells what they hold)")
    for file in files:
        yield _read(file)


def _read(file: Path) -> Clip:
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        with wave.open(str(file.with_suffix(".wav")), "rb") as sound:
            if (sound.getnchannels(), sound.getsampwidth()) != (1, 2):
                raise ValueError("not mono 16-bit PCM")
            rate = sound.getframerate()
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / 32768.0
        phones = tuple(
            Phone(p["symbol"], round(p["start"] * rate), round(p["end"] * rate), i) for i, p in enumerate(about["phones"])
        )
        stress = tuple(float(p["stress"]) for p in about["phones"]) if all("stress" in p for p in about["phones"]) else None
        excitement = float(about["excitement"]) if "excitement" in about else None
        speech = Speech(samples, rate, phones, ())
        return Clip(file.stem, about["engine"], about["voice"], about["language"], speech, stress, excitement)
    except (OSError, EOFError, wave.Error, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file}: no clip ({type(error).__name__}: {error}); hear/clips.py tells what it holds") from error


def level_of(samples: Array, rate: int) -> float:
    """RMS of what is loud enough to be speech; 0 for silence."""
    size = rate // 50
    power = np.square(samples[: len(samples) // size * size].reshape(-1, size), dtype=np.float64).mean(axis=1)
    if not len(power) or power.max() <= 0.0:
        return 0.0
    return float(np.sqrt(power[power > QUIET**2 * power.max()].mean()))


def mouth_of(clip: Clip, times: NDArray[np.floating]) -> Array:
    """What `animacy.move` does for the clip's phones at `times` [T], seconds from its first sample.

    [T, 9]: six articulators, contact of the lips, of lip and teeth, and `speaking`; all 0..1.
    """
    speech, sentence = clip.speech, None
    gain = LEVEL / max(level_of(speech.samples, speech.rate), 1e-6)
    speech = Speech(speech.samples * np.float32(gain), speech.rate, speech.phones, ())
    if clip.stress is not None:
        words = tuple(Word("", 0, 0, stress) for stress in clip.stress)
        emotion = {name: float(name == "neutral") for name in EMOTIONS}
        sentence = Sentence("", 0, 0, clip.language, emotion, 0.0, 0.4 if clip.excitement is None else clip.excitement, words)
    shape, lips, teeth, speaking = articulate(segments(sentence, speech, 0.0), np.asarray(times, np.float64), FPS)
    return np.column_stack([shape, lips, teeth, speaking]).astype(np.float32)
