"""How near the mouth that is heard comes to the mouth that `animacy.move` makes of the same phones."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..move.mouth import mouth_weights
from ..move.visemes import visemes
from ..types import ARKIT
from . import file
from .clips import Clip, load, mouth_of
from .listener import STEP, Listener

Array = NDArray[np.float64]

INDEX = {name: i for i, name in enumerate(ARKIT)}
MOVED = (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthSmileLeft", "mouthStretchLeft", "mouthPressLeft", "mouthLowerDownLeft", "mouthUpperUpLeft", "tongueOut",
)  # fmt: skip
"""The weights that speech moves; the right side's are as the left's."""
FPS = 25
CLOSED, OPEN = 0.8, 0.3  # of jawOpen that mouthClose takes back: lips that meet, lips that surely do not
FARTHEST = 25  # steps of lag that are tried on either side, 10 ms each
WIDE = frozenset("aɑæʌɐ")  # vowels that no mouth says shut


def weights_of(rows: NDArray[np.floating]) -> Array:
    """[T, MOVED] of rows [T, 9], on a face without expression."""
    values: Array = np.asarray(rows, np.float64)
    face = np.zeros((len(values), len(ARKIT)))
    whole = mouth_weights(values[:, :6], values[:, 6], values[:, 7], values[:, 8], face)
    found: Array = whole[:, [INDEX[name] for name in MOVED]]
    return found


def heard(samples: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows [K, 9] and excitement [K], one each STEP seconds."""
    listener = Listener(rate)
    parts = [listener.add(samples), listener.end()]
    return np.concatenate([p.mouth for p in parts]), np.concatenate([p.excitement for p in parts])


def likeness(a: Array, b: Array) -> float:
    """Pearson's r over all of [T, W], each column about its own mean: weights that move more count more."""
    a, b = a - a.mean(0), b - b.mean(0)
    return float((a * b).sum() / np.sqrt(np.square(a).sum() * np.square(b).sum() + 1e-12))


def _lag(found: Array, wanted: Array) -> float:
    """Milliseconds by which `found` comes late, by the highest cross-correlation; a parabola between steps."""
    size = len(found)
    scores = []
    for lag in range(-FARTHEST, FARTHEST + 1):
        a, b = (found[lag:], wanted[: size - lag]) if lag >= 0 else (found[: size + lag], wanted[-lag:])
        scores.append(likeness(a, b))
    k = int(np.argmax(scores))
    part = 0.0
    if 0 < k < len(scores) - 1:
        before, top, after = scores[k - 1 : k + 2]
        part = 0.5 * (before - after) / (before - 2 * top + after)
    return 1000 * STEP * (k - FARTHEST + part)


def _contacts(clip: Clip, rows: NDArray[np.float32]) -> tuple[list[float], list[float]]:
    """How closed the lips get at each p, b, m, and how closed they are in the middle of each wide vowel, at FPS's frames."""
    speech = clip.speech
    times = np.arange(int(len(rows) * STEP * FPS)) / FPS
    closed = np.interp(times, STEP * np.arange(len(rows)), rows[:, 6])
    shut, wide = [], []
    for phone in speech.phones:
        start, end = phone.start / speech.rate, phone.end / speech.rate
        if any(v.contact == "lips" for v in visemes(phone.symbol)):
            own = closed[(times >= start - 0.5 / FPS) & (times <= end + 0.5 / FPS)]
            shut += [float(own.max())] if len(own) else []
        elif phone.symbol[:1] in WIDE:
            own = closed[np.abs(times - (start + end) / 2) <= 0.5 / FPS]
            wide += [float(own.min())] if len(own) else []
    return shut, wide


def on_clips(folder: Path, shift: float = 0.0) -> dict[str, Any]:
    """Figures by engine and voice. shift: seconds by which the sound is taken to be late, for a control that has to fail."""
    by: dict[str, list[Clip]] = defaultdict(list)
    for clip in load(folder):
        by[f"{clip.engine} {clip.voice}"].append(clip)
    return {name: _figures(clips, shift) for name, clips in sorted(by.items())}


def _figures(clips: list[Clip], shift: float) -> dict[str, Any]:
    found, wanted, lags, shut, wide = [], [], [], [], []
    asked, told = [], []
    for clip in clips:
        samples, rate = clip.speech.samples, clip.speech.rate
        late = round(shift * rate)
        rows, excitement = heard(np.concatenate([np.zeros(late, np.float32), samples])[: len(samples)], rate)
        own, other = weights_of(rows), weights_of(mouth_of(clip, STEP * np.arange(len(rows))))
        found.append(own)
        wanted.append(other)
        lags.append(_lag(own, other))
        closed, opened = _contacts(clip, rows)
        shut += closed
        wide += opened
        if clip.excitement is not None:
            asked.append(clip.excitement)
            told.append(float(excitement[len(excitement) // 2 :].mean()))
    a, b = np.concatenate(found), np.concatenate(wanted)
    each = {
        name: round(float(np.corrcoef(a[:, k], b[:, k])[0, 1]), 3)
        for k, name in enumerate(MOVED)
        if min(a[:, k].std(), b[:, k].std()) > 1e-4
    }
    figures: dict[str, Any] = {
        "clips": len(clips),
        "seconds": round(len(a) * STEP, 1),
        "r": round(likeness(a, b), 3),
        "r_mean_of_weights": round(float(np.mean(list(each.values()))), 3),
        "lag_ms": round(float(np.median(lags)), 1),
        "bilabials": len(shut),
        "bilabials_closed": round(float(np.mean(np.array(shut) >= CLOSED)), 3) if shut else None,
        "bilabials_median": round(float(np.median(shut)), 3) if shut else None,
        "wide_vowels_open": round(float(np.mean(np.array(wide) < OPEN)), 3) if wide else None,
        "r_by_weight": each,
    }
    if len(asked) > 2 and np.std(asked) > 0.05:
        figures["excitement_r"] = round(float(np.corrcoef(asked, told)[0, 1]), 3)
    return figures


def calm(name: str) -> dict[str, float]:
    """What the mouth does over a file without speech: the 95th percentile and the largest of jawOpen, and of all it moves."""
    with file.opened(name) as sound:
        listener = Listener(sound.rate)
        parts = [listener.add(piece).mouth for piece in sound.pieces]
        rows = np.concatenate([*parts, listener.end().mouth])
    weights = weights_of(rows)
    jaw = weights[:, MOVED.index("jawOpen")]
    return {
        "seconds": round(len(rows) * STEP, 1),
        "jaw_p95": round(float(np.percentile(jaw, 95)), 4),
        "jaw_most": round(float(jaw.max()), 4),
        "all_p95": round(float(np.percentile(weights.max(axis=1), 95)), 4),
    }
