"""Where phrases end with no punctuation to say so, how strongly, and what voice and face make of it.

The sentences were written for these tests, each with the reason why a reader parts it there, or does not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from animacy.read import TextReader, score_as_markup, score_of
from animacy.read.boundary import FELT, PAUSED
from animacy.speak.prosody import accents, mark_after
from animacy.types import Sentence, Word


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader()


def one(reader: TextReader, text: str) -> Sentence:
    (sentence,) = reader.read(text)
    return sentence


def parted(reader: TextReader, text: str, least: float) -> list[str]:
    """The words with a boundary of `least` and more behind them, without those that punctuation follows."""
    return [w.text for w in one(reader, text).words if not w.after and w.boundary >= least]


@pytest.mark.parametrize(
    ("text", "word", "reason"),
    [
        ("The man who repairs our old piano every spring has moved to the coast.", "spring", "long subject before its verb"),
        ("Everybody in the whole village was waiting at the harbour.", "village", "long subject before its verb"),
        ("The tickets that you ordered in January will arrive next week.", "January", "subject with a clause in it"),
        ("We wanted to leave before sunset but the engine would not start.", "sunset", "but opens a clause"),
        ("She closed all the windows because a storm was coming.", "windows", "because opens a clause"),
        ("He washed the dishes and his sister dried them.", "dishes", "and opens a clause"),
        ("When the concert ended everyone stood up and cheered.", "ended", "a clause in front"),
        ("If you lose your key at the beach call me before noon.", "beach", "a clause in front"),
        ("At the end of the long corridor there was a small green door.", "corridor", "a long phrase in front"),
        ("住在河边的那位老医生每天都去钓鱼。", "医生", "带的字结构的长主语在谓语之前"),
        ("他昨天买的那件大衣今天就坏了。", "大衣", "带的字结构的长主语在谓语之前"),
        ("我很想帮你但是我没有钱。", "你", "但是之前"),
        ("下雨的时候我们就待在家里。", "时候", "时间分句之后"),
        ("如果你不舒服我们就改天再去。", "舒服", "条件分句之后"),
        ("因为飞机晚点所以他没赶上会议。", "晚点", "所以之前"),
    ],
)
def test_a_voice_pauses_where_a_long_part_ends(reader: TextReader, text: str, word: str, reason: str) -> None:
    behind = one(reader, text).words
    least = PAUSED - 0.05 if text[0].isascii() else PAUSED  # what is learned is not exact
    assert next(w.boundary for w in behind if w.text.endswith(word)) >= least, reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The dog barked.", "a short subject"),
        ("He gave me a book.", "a few words of one breath"),
        ("I like tea and coffee.", "and joins two words"),
        ("They sat in the waiting room.", "a compound is one thing"),
        ("She bought a coffee machine.", "a compound is one thing"),
        ("我的书在桌子上。", "主语短"),
        ("她喜欢喝茶。", "几个字一口气"),
        ("爸爸和妈妈都来了。", "和连接两个词"),
    ],
)
def test_what_is_short_or_one_thing_is_not_parted(reader: TextReader, text: str, reason: str) -> None:
    assert parted(reader, text, PAUSED) == [], reason


@pytest.mark.parametrize(
    "text",
    [
        "My neighbour drives an ice cream van in the summer because it makes the children happy.",
        "The woman at the ticket office told us that the last train to the airport leaves at ten.",
        "There was nobody in the waiting room of the bus station when we arrived at midnight.",
    ],
)
def test_no_boundary_lies_within_a_compound_or_behind_what_leans_on_the_next_word(reader: TextReader, text: str) -> None:
    found = parted(reader, text, FELT)
    assert found
    assert not {w.lower() for w in found} & {"ice", "cream", "ticket", "waiting", "bus", "the", "an", "of", "at", "to", "last"}


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("An ice cream van stopped outside.", "ice", "van"),
        ("She works in a shoe shop.", "shoe", "shop"),
        ("The fire engine came at once.", "fire", "engine"),
        ("Put it in the washing machine.", "washing", "machine"),
    ],
)
def test_a_compound_has_its_peak_on_its_first_part(reader: TextReader, text: str, first: str, second: str) -> None:
    stress = {w.text: w.stress for w in one(reader, text).words}
    assert stress[first] > stress[second]


def test_pauses_without_punctuation_keep_apart_and_are_weaker_than_a_comma(reader: TextReader) -> None:
    text = (
        "The people who had come from every part of the country to see the new bridge were standing on the bank of the river "
        "and waiting for the mayor who had promised to open it before noon."
    )
    words = one(reader, text).words
    at = [i for i, w in enumerate(words) if w.boundary >= PAUSED]
    assert len(at) >= 4  # of 34 words; the last is the full stop
    assert min(np.diff(at[:-1])) >= 4
    assert all(w.boundary < 0.7 for w in words if not w.after)


def test_punctuation_says_how_strong_a_boundary_is(reader: TextReader) -> None:
    first, second, third, last = (w.boundary for w in one(reader, "Yes, no; maybe: never.").words)
    assert first < second == third < last == 1.0


def test_the_boundary_can_be_given_and_survives_as_markup(reader: TextReader) -> None:
    sentence = one(TextReader(markup="ssml"), '<speak>We <w boundary="0.6">met</w> there.</speak>')
    assert [w.boundary for w in sentence.words] == [0.0, 0.6, 1.0]
    score = score_of(
        tuple(reader.read("The man who repairs our old piano every spring has moved. 住在河边的那位老医生每天都去钓鱼。"))
    )
    assert max(w.boundary for s in score.sentences for w in s.words if not w.after) >= PAUSED
    again = TextReader(markup="ssml").read(score_as_markup(score))
    assert [[w.boundary for w in s.words] for s in again] == [[w.boundary for w in s.words] for s in score.sentences]


def test_a_word_before_a_boundary_is_drawn_out_and_a_strong_one_heard_as_a_pause() -> None:
    text, owners = "hˈWs rˈɛd", [0] * 5 + [1] * 4
    words = [Word("house", 0, 5, 0.5), Word("red", 6, 9, 0.5)]
    plain = accents(text, owners, words, 0.3).length
    before = [replace(words[0], boundary=0.4), words[1]]
    drawn = accents(text, owners, before, 0.3).length
    assert drawn[0] == plain[0]  # the onset stays
    assert (drawn[1:4] > 1.15 * plain[1:4]).all()
    np.testing.assert_array_equal(drawn[4:], plain[4:])
    assert mark_after(before[0]) == ""
    assert mark_after(replace(words[0], boundary=0.55)) == ","
    assert mark_after(replace(words[0], boundary=0.55, pause=0.0)) == ""  # the author wins
