"""Are phones where they are heard? Judged by pocketsphinx's forced alignment and by energy onsets (benchmarks/align.py)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from animacy.speak import Kokoro

pytestmark = pytest.mark.slow
SHIFT = 0.2  # seconds; times so wrong have to fail the bars


@pytest.fixture(scope="module")
def align() -> ModuleType:
    pytest.importorskip("pocketsphinx", reason="the aligner is not installed")
    path = Path(__file__).parent.parent / "benchmarks" / "align.py"
    spec = importlib.util.spec_from_file_location("align", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["align"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("voice", ["af_heart", "am_michael"])
def test_english_phones_start_where_the_aligner_hears_them(
    align: ModuleType, voice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    speeches, _ = align.say(Kokoro(voice), align.TEST)
    errors = align.phone_errors(speeches)
    with capsys.disabled():
        print(f"\n{voice}: phone {errors}")
    assert len(errors.seconds) > 900
    assert errors.median <= align.MEDIAN_BAR
    assert errors.ninety <= align.NINETY_BAR
    wrong = align.phone_errors(speeches[:5], shift=SHIFT)
    assert wrong.median > align.MEDIAN_BAR
    assert wrong.ninety > align.NINETY_BAR


@pytest.mark.parametrize("voice", ["zf_xiaoxiao", "zm_yunxi"])
def test_mandarin_words_after_a_pause_start_with_the_sound(
    align: ModuleType, voice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    speeches, marks = align.say(Kokoro(voice), align.MANDARIN)
    errors = align.word_errors(speeches, marks)
    with capsys.disabled():
        print(f"\n{voice}: word {errors}")
    assert len(errors.seconds) > 20
    assert errors.median <= align.MANDARIN_BAR
    assert align.word_errors(speeches, marks, shift=SHIFT).median > align.MANDARIN_BAR


def test_calibration_and_test_sentences_are_different(align: ModuleType) -> None:
    assert not set(align.TEST) & set(align.CALIBRATION)
    assert not set(align.MANDARIN) & set(align.MANDARIN_CALIBRATION)
