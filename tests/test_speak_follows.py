"""The voice follows the score, by `animacy evaluate voice`: what it measures, and what the voice reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from animacy.errors import UsageError
from animacy.read import TextReader
from animacy.speak import evaluate, make_speaker
from animacy.speak.phones import VOWELS
from animacy.types import Phone, Sentence, Speech, TimedWord

PAIRS = Path(__file__).with_name("data") / "voice_pairs.tsv"
RATE = 24_000
VOWEL = next(v for v in VOWELS if v == "ɑ")


class Humming:
    """A Speaker: every word is a vowel of harmonics, which by a stress of 1 is 1.5 times as long, an octave higher and 6 dB
    louder than by none. `deaf`: all are said alike.
    """

    rate = RATE

    def __init__(self, deaf: bool = False) -> None:
        self.deaf = deaf

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        sounds, at, phones = [], 0, []
        for k, word in enumerate(sentence.words):
            stress = 0.5 if self.deaf else word.stress
            lively = 0.3 if self.deaf else sentence.excitement
            times = np.arange(int(RATE * 0.3 * (1 + 0.5 * stress) / (0.9 + 0.4 * lively))) / RATE
            hertz = 120 * 2 ** (stress + lively * (k % 2))
            sounds.append(sum(np.sin(2 * np.pi * n * hertz * times) / n for n in range(1, 6)) * 0.05 * 2 ** (stress + lively))
            phones.append(Phone(VOWEL, at, at + len(times), k))
            at += len(times)
        samples = np.concatenate(sounds).astype(np.float32)
        yield Speech(samples, RATE, tuple(phones), tuple(TimedWord(p.word, p.start, p.end) for p in phones))


def test_the_pairs_are_forty_and_each_word_is_one_in_both_readings() -> None:
    reader, found = TextReader(), evaluate.pairs(PAIRS)
    assert [sum(p.language == language for p in found) for language in ("en", "zh")] == [20, 20]
    for pair in found:
        for word in (pair.one, pair.other):
            (sentence,) = reader.read(pair.text.replace(word, f"*{word}*"))
            assert {pair.one, pair.other} < {w.text for w in sentence.words}
            assert max(sentence.words, key=lambda w: w.stress).text == word


def test_a_voice_that_follows_is_told_from_one_that_does_not() -> None:
    found = evaluate.voice(PAIRS, {"en": Humming()}, TextReader())["en"]
    assert {found["stress"][name] for name in ("longer", "higher", "louder", "all")} == {1.0}
    assert {found["excitement"][name] for name in ("faster", "wider", "louder")} == {1.0}
    deaf = evaluate.voice(PAIRS, {"en": Humming(deaf=True)}, TextReader())["en"]
    assert deaf["stress"]["one of them"] == 0.0
    assert deaf["excitement"]["faster and wider"] == 0.0


def test_what_is_measured_is_what_was_said() -> None:
    (sentence,) = TextReader().read("Boats paint boats.")
    words = tuple(replace(w, stress=s) for w, s in zip(sentence.words, (0.0, 1.0, 0.0), strict=True))
    found = [evaluate.measured(Humming().speak(replace(sentence, words=words, excitement=0.0)), k) for k in (0, 1)]
    assert found[1].seconds / found[0].seconds == pytest.approx(1.5, rel=0.01)
    assert found[1].hertz / found[0].hertz == pytest.approx(2.0, rel=0.05)
    assert found[1].decibels - found[0].decibels == pytest.approx(6.0, abs=0.3)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("en\tA dog.\tA", "4 columns"),
        ("fr\tA dog.\tA\tdog", "en or zh"),
        ("en\tA dog.\tA\tcat", "once"),
        ("en\tA dog.\tdog\tdog", "once"),
    ],
)
def test_a_wrong_line_of_pairs_is_named(tmp_path: Path, row: str, message: str) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("\t".join(evaluate.COLUMNS) + "\n" + row + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"line 2.*{message}"):
        evaluate.pairs(file)


@pytest.mark.slow
def test_stressed_words_stand_out_and_excitement_is_heard() -> None:
    """On 40 pairs: higher and louder in 90 % each, and by two of the three in 95 %; faster and wider in 95 %."""
    speaker = make_speaker(None)
    found = evaluate.voice(PAIRS, {"en": speaker, "zh": speaker}, TextReader())
    for language, by in found.items():
        print(f"\n{language}: {by}")
        for name, least in (("higher", 0.9), ("louder", 0.9), ("one of them", 0.95), ("two of them", 0.95), ("longer", 0.8)):
            assert by["stress"][name] >= least, (language, name)
        assert by["excitement"]["faster and wider"] >= 0.95, language
