"""A face tracker that was not written here (MediaPipe) measures expressions in plain frames. Run with -s for the figures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from animacy.avatar import find, load, shipped
from animacy.generate import make_generator
from animacy.move import Performer
from animacy.move.expression import NAMED, named
from animacy.render.cpu import CpuRenderer
from animacy.types import ARKIT, EMOTIONS, Motion, Phone, Sentence, Speech, TimedWord, Word

pytest.importorskip("mediapipe", reason="the face tracker is not installed; `make test` installs it")
from tracker import Track, track

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MediaPipe's own
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

RATE = 24_000


def mixture(emotion: str, amount: float) -> dict[str, float]:
    return {e: amount * (e == emotion) + (1.0 - amount) * (e == "neutral") for e in EMOTIONS}


def seen(rows: list[NDArray[np.float32]], size: int, avatar: str = "default", generator: str = "none") -> Track:
    """The tracker's view of weights [52], head and gaze straight on."""
    face = load(find(avatar))
    painter = make_generator(generator, face, size)
    weights = np.stack(rows)
    weights[:, [i for i, n in enumerate(ARKIT) if n.startswith("eyeLook")]] = 0.0
    motion, frames = Motion(weights, np.zeros((len(rows), 6), np.float32), 0, 25), []
    with CpuRenderer(face, size, threads=2) as renderer:
        for part in motion.batches(8):
            rgba = painter.generate(renderer.render(part)).rgba.astype(np.uint16)
            frames.extend((rgba[..., :3] + (255 - rgba[..., 3:]) * 120 // 255).astype(np.uint8))
    found = track(frames)
    assert (found.faces == 1).all()
    return found


def measured(points: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Lengths between landmarks as shares of the face's height [T]: up is more."""

    def apart(a: int, b: int) -> NDArray[np.float64]:
        return np.asarray(np.linalg.norm(points[:, a, :2] - points[:, b, :2], axis=1))

    face, y = apart(10, 152), points[:, :, 1]
    return {
        "eye opening": (apart(159, 145) + apart(386, 374)) / 2 / face,
        "inner brow": (y[:, 133] - y[:, 55] + y[:, 362] - y[:, 285]) / 2 / face,
        "outer brow": (y[:, 33] - y[:, 46] + y[:, 263] - y[:, 276]) / 2 / face,
        "mouth corner": ((y[:, 13] + y[:, 14]) / 2 - (y[:, 61] + y[:, 291]) / 2) / face,
        "mouth width": apart(61, 291) / face,
    }


# what the map of action units says about each: +1 up or wider, -1 down or narrower
MAP = {
    "anger": {"inner brow": -1, "outer brow": -1},
    "disgust": {"inner brow": -1, "eye opening": -1, "mouth corner": -1},
    "fear": {"inner brow": 1, "eye opening": 1, "mouth width": 1},
    "joy": {"mouth corner": 1, "mouth width": 1, "eye opening": -1},
    "sadness": {"inner brow": 1, "mouth corner": -1, "eye opening": -1},
    "surprise": {"inner brow": 1, "outer brow": 1, "eye opening": 1},
}
LEAST = {"eye opening": 0.003, "inner brow": 0.01, "outer brow": 0.008, "mouth corner": 0.007, "mouth width": 0.008}


@pytest.mark.parametrize("avatar", shipped())
@pytest.mark.parametrize(("generator", "size"), [("none", 384), ("lite", 256)])
def test_the_face_moves_as_the_map_says_and_more_for_more(avatar: str, generator: str, size: int) -> None:
    silent = Speech(np.zeros(3 * RATE, np.float32), RATE, (), ())
    cases = [("neutral", 1.0), *itertools.product(MAP, (0.5, 1.0))]
    rows = []
    for emotion, amount in cases:
        words = (Word("Yes", 0, 3, 0.5, "yes"),)
        sentence = Sentence("Yes.", 0, 4, "en", mixture(emotion, amount), 0.0, 0.5, words)
        rows.append(Performer(25, 3).move(sentence, silent).weights[-1])
    figures = measured(seen(rows, size, avatar, generator).landmarks)
    wrong = []
    for emotion, signs in MAP.items():
        for name, sign in signs.items():
            none, half, full = (float(figures[name][cases.index(c)]) for c in (cases[0], (emotion, 0.5), (emotion, 1.0)))
            print(f"{emotion:9} {name:13} {none:.4f} {half:.4f} {full:.4f}")
            if not sign * none < sign * half < sign * full or sign * (full - none) <= LEAST[name]:
                wrong.append((emotion, name, none, half, full))
    assert not wrong


SPOKEN = ("m", "ɑ", "p", "iː", "b", "uː", "m", "æ", "b", "ɑ")


def said(emotion: str, face: dict[str, float] | None) -> list[NDArray[np.float32]]:
    """Weights at the centre of each phone of SPOKEN, said after a second in which the expression comes."""
    words = tuple(Word(t, 2 * i, 2 * i + 1, 0.5, t, face=face) for i, t in enumerate("ab"))
    sentence = Sentence("a b", 0, 3, "en", mixture(emotion, 1.0), 0.0, 0.8, words)
    step, performer = RATE // 10, Performer(50, 3)
    before = Speech(np.zeros(RATE, np.float32), RATE, (), (TimedWord(0, 0, RATE),))
    phones = tuple(Phone(s, (i + 2) * step, (i + 3) * step, 1) for i, s in enumerate(SPOKEN))
    samples = np.zeros((len(SPOKEN) + 5) * step, np.float32)
    hum = np.arange(len(SPOKEN) * step)
    samples[2 * step : 2 * step + len(hum)] = 0.1 * np.sin(2 * np.pi * 150 * hum / RATE)
    performer.move(sentence, before)
    speech = Speech(samples, RATE, phones, (TimedWord(1, 2 * step, (len(SPOKEN) + 2) * step),))
    weights = performer.move(sentence, speech).weights
    return [weights[round((p.start + p.end) / 2 / RATE * 50)] for p in phones]


@pytest.mark.parametrize("avatar", shipped())
def test_lips_close_on_bilabials_under_every_expression(avatar: str) -> None:
    """At the phone's centre the gap is under 15 % of what the last vowel shows under the same expression."""
    cases = [(e, None) for e in EMOTIONS] + [("neutral", name) for name in NAMED]
    shown = [i for i, s in enumerate(SPOKEN) if s in "pbm"] + [len(SPOKEN) - 1]
    rows = []
    for emotion, name in cases:
        weights = said(emotion, named(name, 1.0) if name else None)
        rows += [weights[i] for i in shown]
    gaps = seen(rows, 512, avatar).lip_gap.reshape(len(cases), len(shown))  # a smaller picture is too coarse for the tracker
    for (emotion, name), gap in zip(cases, gaps, strict=True):
        print(f"{name or emotion:14} closed to {gap[:-1].max() / gap[-1]:.1%} of {gap[-1]:.4f}")
        assert gap[-1] > 0.05, name or emotion
        assert gap[:-1].max() < 0.15 * gap[-1], name or emotion
