"""Festival as a speaker to learn from: what it is asked, what is made of its answer, and that every phone of it has a shape."""

from __future__ import annotations

import logging
import re
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from animacy.errors import AnimacyError
from animacy.move.visemes import VISEMES, visemes
from animacy.read import make_reader
from animacy.train import festival, hear_clips
from animacy.types import Sentence, Speech

PHONES = {own.package: own.phones for own in festival.VOICES.values()}
# What each kind of sound is called, of which lips show most, in the sets that have it
MET = {
    "festvox-kdlpc16k": ("p b m em", "f v"), "festvox-italp16k": ("p b m", "f v nf"),
    "festvox-suopuhe-lj": ("p b m p: b: m:", "f v f: v:"), "festvox-czech-ph": ("p b m", "f v"),
    "festvox-ru": ("p pp b bb m mm", "f ff v vv"), "festival-hi festvox-hi-nsk": ("p b m bh", "f v"),
    "festvox-ca-ona-hts": ("p b m", "f"),
}  # fmt: skip
ROUND = {
    "festvox-kdlpc16k": "ao ow oy uh uw w", "festvox-italp16k": "o O u o1 O1 u1 w",
    "festvox-suopuhe-lj": "o u y 7 o: u: y: 7: w",
    "festvox-czech-ph": "o o: u u:", "festvox-ru": "oo uu u ur", "festival-hi festvox-hi-nsk": "oh oo uh uw aw w",
    "festvox-ca-ona-hts": "o o1 O O1 u u1 w",
}  # fmt: skip
SILENT = {"pau", "h#", "brth", "#", "##", "_", "x"}


@pytest.fixture(scope="module")
def installed() -> None:
    try:
        festival.check()
    except AnimacyError as error:
        pytest.skip(str(error))


def sentence(text: str, language: str = "en") -> Sentence:
    return next(iter(make_reader(language).read(text)))


def said(voice: str, text: str = "My brother bought a small boat.", pitch: float = 1.0) -> Speech:
    (speech,) = festival.Festival(voice, pitch).speak(sentence(text, festival.VOICES[voice].language))
    return speech


@pytest.mark.parametrize("package", PHONES)
def test_every_phone_is_in_the_chart(package: str, caplog: pytest.LogCaptureFixture) -> None:
    visemes.cache_clear()
    with caplog.at_level(logging.WARNING):
        for name, symbol in PHONES[package].items():
            if symbol:
                assert all(v in VISEMES.values() for v in visemes(symbol)), name
            else:
                assert name in SILENT
    assert not caplog.records


@pytest.mark.parametrize("package", MET)
def test_lips_and_teeth_meet_where_they_should_and_nowhere_else(package: str) -> None:
    lips, teeth = (set(names.split()) for names in MET[package])
    for name, symbol in PHONES[package].items():
        contacts = {v.contact for v in visemes(symbol) if v.contact} if symbol else set()
        assert contacts == ({"lips"} if name in lips else {"teeth"} if name in teeth else set()), name
    for name in ROUND[package].split():
        assert any(max(v.funnel, v.pucker) >= 0.3 for v in visemes(PHONES[package][name])), name


def test_phone_sets_are_whole(installed: None) -> None:
    """Each voice's own list of its phones, of which none may be missing."""
    for name, own in festival.VOICES.items():
        listed = """(mapcar (lambda (p) (format t "phone %s\\n" (car p))) (cadr (assoc 'phones (PhoneSet.description nil))))"""
        there = re.findall(r"phone (\S+)", festival._asked(f"(voice_{name}) {listed}".encode()))
        assert len(there) > 20 and not set(there) - set(own.phones), name


@given(st.text())
@example("segment a 1 2 3\nsegment b 1.5 2\nsegment b 1.5 99999999999999999999\nsegment b -1.5 2\nSIOD ERROR: x")
def test_any_answer_is_read(told: str) -> None:
    for name, end, token in festival.segments(told):
        assert name and end >= 0.0 and token >= 0


@given(st.text(), st.sampled_from(sorted({own.coding for own in festival.VOICES.values()})))
@example('") (system "x") \\', "ascii")
def test_no_text_leaves_its_scheme_string(text: str, coding: str) -> None:
    found = festival.encoded(text, coding)
    found.decode(coding)
    assert not set(found) & set(b'"\\()\n\r\0;')


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", max_size=12))
def test_words_of_no_language_are_spelt_for_voices_of_other_scripts(word: str) -> None:
    assert festival.spelt(word, "it") == word
    for language in ("ru", "hi"):
        assert not re.search("[a-z]", festival.spelt(word, language))
    assert festival.spelt("пять", "ru") == "пять"


def test_consonants_and_vowels_become_devanagari() -> None:
    assert festival.spelt("prabum", "hi") == "प्राबुम्"
    assert festival.spelt("chaif", "ru") == "чаиф"


def test_accents_that_a_coding_lacks_are_left_out() -> None:
    assert festival.encoded("ř é ż 中", "iso8859-2") == "ř é ż ".encode("iso8859-2")
    assert festival.encoded("café, ř!", "ascii") == b"cafe, r!"


def test_peaks_that_turned_over_are_set_right() -> None:
    t = np.arange(16_000) / 16_000
    loud = (1.3 * np.sin(2 * np.pi * 200 * t) + 0.2 * np.sin(2 * np.pi * 900 * t)).astype(np.float32)
    turned = (loud + 1.0) % 2.0 - 1.0
    assert np.abs(turned - loud).max() > 1.9
    assert np.abs(festival.whole(turned, 16_000) * np.abs(loud).max() - loud).max() < 1e-3
    soft = loud * np.float32(0.5)
    assert (festival.whole(soft, 16_000) == soft).all()
    square = np.sign(np.sin(2 * np.pi * 30 * t)).astype(np.float32) * np.float32(0.9)  # leaps that last are of the sound
    assert (festival.whole(square, 16_000) == square).all()


def _answers(told: str) -> object:
    def asked(script: bytes) -> str:
        found = re.search(rb'utt.save.wave said "([^"]+)"', script)
        assert found is not None
        with wave.open(found[1].decode(), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(16_000)
            out.writeframes(b"\0\0" * 16_000)
        return told

    return asked


def test_times_are_festivals_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence between phones is a gap, a phone of no token is of the word before, and nothing ends after the sound."""
    told = "segment pau 0.100000 0\nsegment b 0.200000 1\nsegment pau 0.300000 0\nsegment ow 0.400000 2\nsegment t 9.000000 0\n"
    monkeypatch.setattr(festival, "_asked", _answers(told))
    speech = said("ked_diphone", "Bob: oat.")
    assert [(p.symbol, p.start, p.end, p.word) for p in speech.phones] == [
        ("b", 1600, 3200, 0), ("oʊ", 4800, 6400, 1), ("t", 6400, 16000, 1),
    ]  # fmt: skip
    assert [(w.word, w.start, w.end) for w in speech.words] == [(0, 1600, 3200), (1, 4800, 16000)]


@pytest.mark.parametrize(("told", "error"), [("segment qq 0.500000 1\n", "'qq'"), ("", "no segments")])
def test_an_unknown_phone_is_no_silence(monkeypatch: pytest.MonkeyPatch, told: str, error: str) -> None:
    monkeypatch.setattr(festival, "_asked", _answers(told))
    with pytest.raises(AnimacyError, match=error):
        said("ked_diphone")


def test_without_festival_one_line_tells_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AnimacyError, match=r"^festival is not installed; .*apt install festival .*festvox-czech-dita[^\n]*$"):
        festival.check()
    monkeypatch.setattr("sys.argv", ["hear_clips", "--out", str(tmp_path), "--kokoro", "0", "--espeak", "0", "--festival", "1"])
    with pytest.raises(SystemExit, match="2"):
        hear_clips.main()
    assert "error: festival is not installed" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("voice", festival.VOICES)
def test_voices_speak(installed: None, voice: str) -> None:
    text = hear_clips.texts()[festival.VOICES[voice].language][0]
    speech = said(voice, text)
    last = 0
    for p in speech.phones:
        assert last <= p.start < p.end <= len(speech.samples)
        last = p.end
    assert {p.word for p in speech.phones} == set(range(len(sentence(text, festival.VOICES[voice].language).words)))
    loud = np.abs(speech.samples) > 0.1 * np.abs(speech.samples).max()
    first, end = speech.phones[0].start / speech.rate, speech.phones[-1].end / speech.rate
    sounds = np.flatnonzero(loud) / speech.rate
    assert first - 0.03 < sounds[0] < first + 0.15 and end - 0.3 < sounds[-1] < end + 0.05


def test_a_voice_says_the_same_again_and_otherwise_where_it_is_asked(installed: None) -> None:
    one, again, higher = said("ked_diphone"), said("ked_diphone"), said("ked_diphone", pitch=1.25)
    assert (one.samples == again.samples).all() and one.phones == again.phones
    assert higher.phones == one.phones and len(higher.samples) == len(one.samples)
    assert (higher.samples != one.samples).any()
