"""Languages that only espeak-ng speaks are read as far as words go."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from animacy.errors import UsageError
from animacy.read import make_reader, score_of
from animacy.types import EMOTIONS

FRENCH = "L'été, c'est «formidable» ! Où est-il allé ?\nПривет, мир…"


def test_words_keep_their_offsets_apostrophes_and_marks() -> None:
    sentences = list(make_reader("fr").read(FRENCH))
    words = [w for s in sentences for w in s.words]
    assert [w.text for w in words] == ["L'été", "c'est", "formidable", "Où", "est-il", "allé", "Привет", "мир"]
    assert all(FRENCH[w.start : w.end] == w.text for w in words)
    assert [w.after for w in words] == [",", "", "!", "", "", "?", ",", "…"]
    assert {w.language for w in words} == {"fr"}
    assert score_of(tuple(sentences)).language == "fr"
    assert sum(sentences[0].emotion.values()) == pytest.approx(1)


def test_a_given_emotion_holds() -> None:
    (sentence,) = make_reader("de", {"joy": 0.8}).read("Guten Tag zusammen")
    assert sentence.emotion["joy"] == pytest.approx(0.8)
    assert sentence.valence > 0
    assert set(sentence.emotion) == set(EMOTIONS)


def test_a_run_on_sentence_is_cut() -> None:
    sentences = list(make_reader("it").read("bella " * 300))
    assert len(sentences) >= 5
    assert sum(len(s.words) for s in sentences) == 300


@pytest.mark.parametrize("text", ["", " ", "!!!", "🎉"])
def test_nothing_to_say_is_refused_at_the_call(text: str) -> None:
    with pytest.raises(UsageError, match="nothing to say"):
        make_reader("fr").read(text)


@pytest.mark.parametrize("tag", ["", "Klingon", "e", "fr_FR", "../x"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(UsageError, match="--language"):
        make_reader(tag)


@given(st.text())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        sentences = list(READER.read(text))
    except UsageError:
        return
    at = 0
    for sentence in sentences:
        assert text[sentence.start : sentence.end] == sentence.text
        for word in sentence.words:
            assert at <= word.start < word.end
            assert text[word.start : word.end] == word.text
            at = word.end


READER = make_reader("fr")
