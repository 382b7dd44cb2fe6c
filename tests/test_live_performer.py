"""What a Performer does for a live face: a few frames at a time, back again, cut off; and a source that is polled."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from animacy.ahead import ahead
from animacy.move import Performer
from animacy.move.performer import BACK
from animacy.types import ARKIT, Motion, Speech
from test_move import RATE, perform, say, sentence, silence

SYMBOLS = "h ɛ l oʊ m aɪ w ɝ l d p ɑ m ɑ"


def begun() -> tuple[Performer, Speech]:
    performer, speech = Performer(), say(SYMBOLS)
    performer.move(None, silence(1.0))
    performer.begin(sentence("joy", 0.8, 0.6, (0.9,)), speech)
    return performer, speech


def joined(parts: list[Motion]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([m.weights for m in parts]), np.concatenate([m.pose for m in parts])


def test_frame_by_frame_as_in_one() -> None:
    speech = say(SYMBOLS)
    whole = perform((None, silence(1.0)), (sentence("joy", 0.8, 0.6, (0.9,)), speech))
    performer, _ = begun()
    weights, pose = joined([performer.advance(min(700, len(speech.samples) - i)) for i in range(0, len(speech.samples), 700)])
    assert np.allclose(weights, whole.weights[25:], atol=1e-6)
    assert np.allclose(pose, whole.pose[25:], atol=1e-6)


@pytest.mark.parametrize("frames", [1, 7, BACK])
def test_goes_back(frames: int) -> None:
    """What was given is given again."""
    performer, _ = begun()
    start = RATE + 2 * RATE // 25
    performer.advance(start - RATE)
    step = frames * RATE // 25
    first = performer.advance(step)
    performer.back(start)
    again = performer.advance(step)
    assert again.first == first.first == 27 and len(again) == frames
    assert np.array_equal(first.weights, again.weights)
    assert np.array_equal(first.pose, again.pose)


def test_cannot_go_far_back_or_ahead() -> None:
    performer, speech = begun()
    performer.advance(len(speech.samples))
    for sample in (RATE + len(speech.samples) + 1, 0):
        with pytest.raises(ValueError, match="cannot go back"):
            performer.back(sample)


def test_cut_off_it_speaks_on_as_if_it_had_rested() -> None:
    performer, _ = begun()
    performer.advance(RATE // 2)
    performer.cut()
    assert not performer._parts and not performer._pauses
    performer.move(None, silence(3.0))
    assert not performer._cuts
    jaw = ARKIT.index("jawOpen")
    motion = performer.move(sentence(), say("m ɑ m ɑ"))
    assert motion.weights[0, jaw] < 0.02 < 0.15 < motion.weights[:, jaw].max()


def test_polling_does_not_wait() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        time.sleep(0.1)
        yield 2
        raise OSError("no more")

    with ahead(numbers(), 4) as source:  # type: ignore[arg-type]
        assert next(source) == 1
        assert source.poll() is None
        assert next(source) == 2
        with pytest.raises(OSError, match="no more"):
            next(source)
        assert source.poll() is None and list(source) == []
