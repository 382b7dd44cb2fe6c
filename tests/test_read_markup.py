"""What an author marks: both ways of writing it, what it does to score, speech and face, and how it fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from animacy.errors import UsageError
from animacy.move import Performer
from animacy.move.expression import NAMED, named
from animacy.read import TextReader, markup_of, parse_emotion, score_as_markup, score_of, spoken_text
from animacy.read.markup import MARKUPS, SHAPES, parse
from animacy.speak import Kokoro
from animacy.speak.mandarin import from_pinyin
from animacy.speak.phones import from_ipa
from animacy.types import ARKIT, EMOTIONS, Score, Sentence, Speech, TimedWord, Word

Read = Callable[..., Score]


@pytest.fixture(scope="module")
def read() -> Read:
    reader = TextReader()

    def with_markup(text: str, markup: str = "ssml") -> Score:
        reader._markup = markup  # the model is loaded once
        return score_of(tuple(reader.read(text)))

    return with_markup


@pytest.fixture(scope="module")
def heart() -> Kokoro:
    return Kokoro("af_heart", threads=1)


def word(score: Score, text: str) -> Word:
    (found,) = [w for s in score.sentences for w in s.words if w.text == text]
    return found


# The same, written both ways: element, bracket, and what the word W is then.
BOTH: list[tuple[str, str, dict[str, object]]] = [
    ('<emphasis level="strong">W</emphasis>', "[*]W[/]", {"stress": 0.95}),
    ("<emphasis>W</emphasis>", "[+]W[/]", {"stress": 0.75}),
    ('<emphasis level="none">W</emphasis>', "[=]W[/]", {"stress": 0.3}),
    ('<emphasis level="reduced">W</emphasis>', "[-]W[/]", {"stress": 0.1}),
    ('W<break time="500ms"/>', "W[pause 500ms]", {"pause": 0.5}),
    ('W <break time="0.5s"/> <break strength="strong"/>', "W [pause .5s] [pause strong]", {"pause": 1.3}),
    ("W<break/>", "W[pause]", {"pause": 0.45}),
    ('W<break strength="none"/>', "W[pause none]", {"pause": 0.0}),
    ('<prosody rate="slow">W</prosody>', "[rate slow]W[/]", {"rate": 0.8}),
    ('<prosody rate="+20%">W</prosody>', "[rate 1.2]W[/]", {"rate": 1.2}),
    ('<prosody volume="loud">W</prosody>', "[volume loud]W[/]", {"volume": 4.0}),
    ('<prosody volume="-3dB" pitch="medium">W</prosody>', "[volume -3dB]W[/]", {"volume": -3.0}),
    ('<emotion name="joy" strength="0.7">W</emotion>', "[joy:0.7]W[/]", {"emotion": parse_emotion("joy:0.7")}),
    (
        '<emotion weights="joy:0.5,fear:0.2">W</emotion>',
        "[joy:0.5,fear:0.2]W[/]",
        {"emotion": parse_emotion("joy:0.5,fear:0.2")},
    ),
    (
        '<expression weights="mouthSmile:0.8,browDownLeft:0.1">W</expression>',
        "[face mouthSmile:0.8,browDownLeft:0.1]W[/]",
        {"face": {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "browDownLeft": 0.1}},
    ),
    (
        '<expression name="smirk" strength="0.5">W</expression>',
        "[smirk:0.5]W[/]",
        {"face": named("smirk", 0.5)},
    ),
    ('<sub alias="Mr. 12">W</sub>', "[say Mr. 12]W[/]", {"spoken": "Mister twelve"}),
    ('<phoneme ph="ˈwɑːt">W</phoneme>', "[ipa ˈwɑːt]W[/]", {"phonemes": "ˈwɑːt", "language": "en"}),
]


@pytest.mark.parametrize(("element", "bracket", "expected"), BOTH)
def test_both_ways_of_writing_say_the_same(read: Read, element: str, bracket: str, expected: dict[str, object]) -> None:
    ssml = read(f"<speak>One {element} here, two.</speak>")
    plain = read(f"One {bracket} here, two.", "plain")
    assert ssml.sentences == plain.sentences
    found = word(ssml, "W")
    assert {name: getattr(found, name) for name in expected} == expected
    bare = word(read("One W here, two.", "none"), "W")
    fields = ("stress", "pause", "rate", "volume", "emotion", "face", "phonemes", "spoken", "after")
    changed = {n for n in fields if getattr(found, n) != getattr(bare, n)}
    assert changed <= {*expected, "after", *(("stress",) if "spoken" in expected else ())}
    others = {w.text: w for s in ssml.sentences for w in s.words if w.text != "W"}
    assert all(w.emotion is None and w.face is None and w.pause is None and w.rate == 1 for w in others.values())


@pytest.mark.parametrize(
    ("kind", "text", "english", "mandarin"),
    [
        ("digits", "1024", "one zero two four", "一零二四"),
        ("telephone", "110", "one one zero", "幺幺零"),
        ("characters", "a1c", "A one C", "A 一 C"),
        ("cardinal", "1,250", "one thousand two hundred fifty", "一千二百五十"),
        ("cardinal", "-2026", "minus two thousand twenty six", "负两千零二十六"),
        ("ordinal", "21", "twenty first", "第二十一"),
        ("date", "2026-11-24", "November twenty fourth, twenty twenty six", "二零二六年十一月二十四日"),
        ("date dmy", "3/4/2026", "April third, twenty twenty six", "二零二六年四月三日"),
        ("date md", "3/4", "March fourth", "三月四日"),
    ],
)
def test_say_as_says_it_in_the_sentences_language(read: Read, kind: str, text: str, english: str, mandarin: str) -> None:
    name, _, form = kind.partition(" ")
    attribute = f' format="{form}"' if form else ""
    element = f'<say-as interpret-as="{name}"{attribute}>{text}</say-as>'
    assert word(read(f"<speak>We say {element} aloud.</speak>"), text).spoken == english
    assert word(read(f"<speak>我们说{element}好吗？</speak>"), text).spoken == mandarin
    assert word(read(f"We say [{kind}]{text}[/] aloud.", "plain"), text).spoken == english


def test_pinyin_and_languages(read: Read) -> None:
    found = word(read('<speak>去<phoneme alphabet="pinyin" ph="chong2 qing4">重庆</phoneme>。</speak>'), "重庆")
    assert (found.phonemes, found.language) == ("chong2 qing4", "zh")
    assert word(read('<speak>We have <lang xml:lang="zh-CN">12</lang> left.</speak>'), "12").spoken == "十二"
    assert word(read("我有[en]12[/]个。", "plain"), "12").spoken == "twelve"
    (sentence,) = read('<speak xml:lang="zh">OK 12</speak>').sentences
    assert sentence.language == "zh"
    assert read('<speak xml:lang="en-GB"><s>12</s><s xml:lang="cmn">12</s></speak>').sentences[1].words[0].spoken == "十二"


def test_paragraphs_and_sentences_end_where_the_author_ends_them(read: Read) -> None:
    score = read("<speak><p>No stop here</p><p>Next <emphasis>one</emphasis></p><s>A. B. C</s>\n<s>你好</s>\n  </speak>")
    assert [s.text for s in score.sentences] == ["No stop here", "Next one", "A. B. C", "你好"]
    text = spoken_text("<speak>I met\n  Anna &amp; Tom\n\nHome.</speak>", "ssml")
    score = read("<speak>I met\n  Anna &amp; Tom\n\nHome.</speak>")
    assert [s.text for s in score.sentences] == [text] == ["I met\n  Anna & Tom\n\nHome."]  # a line's end is a mere space


def test_what_is_one_word_is_never_cut(read: Read) -> None:
    score = read('<speak>See <sub alias="the end">A. Now! B\n\nC</sub> soon. Yes.</speak>')
    assert [s.text for s in score.sentences] == ["See A. Now! B\n\nC soon.", "Yes."]
    assert word(score, "A. Now! B\n\nC").spoken == "the end"
    score = read("<speak>一" + "我" * 375 + '<sub alias="Tolstoy">Толстой, граф</sub>。</speak>')
    assert word(score, "Толстой, граф").spoken == "Tolstoy"


def test_an_emotion_around_all_of_a_sentence_is_the_sentences(read: Read) -> None:
    score = read('<speak><emotion name="anger">Stay here. Now, <emotion name="joy">please</emotion>!</emotion> Fine.</speak>')
    first, second, third = score.sentences
    assert first.emotion == parse_emotion("anger")
    assert first.valence == pytest.approx(-0.9)
    assert all(w.emotion is None for w in first.words)
    assert [w.emotion for w in second.words] == [parse_emotion("anger"), parse_emotion("joy")]
    assert third.emotion["neutral"] < 1
    own = read('<speak><s emotion="sadness:0.6" excitement="0.9" valence="0.1">Fine.</s></speak>').sentences[0]
    assert (own.emotion["sadness"], own.excitement, own.valence) == (0.6, 0.9, 0.1)


def test_the_author_wins_over_the_emotion_of_the_performance() -> None:
    first, second = TextReader(emotion={"joy": 1.0}, markup="plain").read("[fear]Run.[/] Rest.")
    assert (first.emotion["fear"], second.emotion["joy"]) == (1.0, 1.0)


def test_a_pause_before_the_first_word_is_the_sentences(read: Read) -> None:
    assert read("[pause 2s]Hello.", "plain").sentences[0].pause == 2
    first, second = read('<speak>One.<break time="1s"/> Two.</speak>').sentences
    assert (first.words[-1].pause, second.pause) == (1, 0)
    first, second = read("<speak>One.</speak>".replace("One.", '"One." "<break time="1s"/>Two."')).sentences
    assert first.words[-1].pause == 1


@pytest.mark.parametrize(
    "text", ["[joy] Hello there.", "a [1] b [*] c [/ d]", "[paused] x", "<b>Bold</b>", "x <speak> y", "<speaker>Hi</speaker>"]
)
def test_plain_text_is_safe_with_brackets(read: Read, text: str) -> None:
    assert markup_of(text) == "none"
    assert read(text, "auto") == read(text, "none")
    assert spoken_text(text, "auto") == text


@pytest.mark.parametrize("text", ["[joy:0.9]Hello[/] there.", "One. [pause 1s] Two.", "One. [pause] Two."])
def test_who_closes_a_mark_or_asks_for_a_pause_means_it(read: Read, text: str) -> None:
    assert markup_of(text) == "plain"
    assert read(text, "auto") == read(text, "plain")
    assert "[" in read(text, "none").sentences[0].text + read(text, "none").sentences[-1].text
    with pytest.raises(UsageError, match="line 1, column 1: "):
        read("[1]" + text, "auto")


def test_what_begins_with_speak_is_markup(read: Read) -> None:
    assert markup_of(" \n<speak>Hi</speak>") == "ssml"
    assert markup_of("\ufeff<speak version='1.0'>") == "ssml"
    assert markup_of("<speak>Hi</speak>", "none") == "none"
    assert read("\n<speak>Hi.</speak>", "auto").sentences[0].text == "Hi."
    assert read('<?xml version="1.0" encoding="latin-1"?>\n<!-- é --><speak>你好。</speak>').sentences[0].text == "你好。"


def test_a_doubled_bracket_is_a_bracket(read: Read) -> None:
    assert spoken_text("See [[1] and [[*] [[/].", "plain") == "See [1] and [*] [/]."


WRONG = [
    ("ssml", "<speak>a\n 你 <bold>b</bold></speak>", "line 2, column 4", "<bold> has no effect"),
    ("ssml", "\n\n  <speak><voice name='x'>a</voice></speak>", "line 3, column 10", "--voice"),
    ("ssml", "<speak><audio src='x'/></speak>", "column 8", "only speech"),
    ("ssml", "<p>a</p>", "column 1", "<speak>"),
    ("ssml", "Hello", "line 1", "well-formed"),
    ("ssml", "", "line 1", "no element"),
    ("ssml", "<speak>a", "line 1", "<speak> of line 1 is open"),
    ("ssml", "<speak><p>a</speak>", "line 1", "mismatched tag; <p> of line 1 is open"),
    ("ssml", "<speak>&nbsp;</speak>", "column 8", "&amp;"),
    ("ssml", "<speak>a \ud800 b</speak>", "column 10", "surrogate"),
    ("ssml", "<!DOCTYPE x [<!ENTITY a 'b'>]><speak>&a;</speak>", "line 1", "document type"),
    ("ssml", "<speak><p a='1'>a</p></speak>", "column 8", "'a' has no effect in <p>"),
    ("ssml", "<speak><p><p>a</p></p></speak>", "column 11", "inside <p>"),
    ("ssml", "<speak><s><p>a</p></s></speak>", "column 11", "inside <s>"),
    ("ssml", "<speak><speak>a</speak></speak>", "column 8", "inside <speak>"),
    ("ssml", "<speak><sub alias='b'><emphasis>a</emphasis></sub></speak>", "column 23", "text alone"),
    ("ssml", "<speak><break>a</break></speak>", "column 8", "holds text"),
    ("ssml", "<speak>a<break time='5'/></speak>", "column 9", "0.5s or 500ms"),
    ("ssml", "<speak>a<break time='61s'/></speak>", "column 9", "60s"),
    ("ssml", "<speak>a<break time='40s'/> <break time='40s'/></speak>", "column 29", "between two words"),
    ("ssml", "<speak>a<break strength='big'/></speak>", "column 9", "x-strong"),
    ("ssml", "<speak><emphasis level='huge'>a</emphasis></speak>", "column 8", "moderate"),
    ("ssml", "<speak><prosody pitch='high'>a</prosody></speak>", "column 8", "no voice here can"),
    ("ssml", "<speak><prosody>a</prosody></speak>", "column 8", "rate or volume"),
    ("ssml", "<speak><prosody rate='9'>a</prosody></speak>", "column 8", "0.5 to 2"),
    ("ssml", "<speak><prosody rate='quick'>a</prosody></speak>", "column 8", "x-fast"),
    ("ssml", "<speak><prosody volume='99dB'>a</prosody></speak>", "column 8", "+12dB"),
    ("ssml", "<speak><prosody volume='silent'>a</prosody></speak>", "column 8", "x-soft"),
    ("ssml", "<speak><lang>a</lang></speak>", "column 8", "names no language"),
    ("ssml", "<speak xml:lang='fr'>a</speak>", "column 1", "en or zh"),
    ("ssml", "<speak><sub>a</sub></speak>", "column 8", "alias"),
    ("ssml", "<speak><sub alias='!'>a</sub></speak>", "column 8", "no word"),
    ("ssml", "<speak><sub alias='a'> </sub></speak>", "column 8", "holds no text"),
    ("ssml", f"<speak><sub alias='a'>{'b' * 201}</sub></speak>", "column 8", "at most 200"),
    ("ssml", "<speak><w>!</w></speak>", "column 8", "nothing to say"),
    ("ssml", "<speak><w say='26'>a</w></speak>", "column 8", "in words"),
    ("ssml", "<speak><w after='@'>a</w></speak>", "column 8", "needed one of"),
    ("ssml", "<speak><w stress='2'>a</w></speak>", "column 8", "from 0 to 1"),
    ("ssml", "<speak><w stress='nan'>a</w></speak>", "column 8", "from 0 to 1"),
    ("ssml", "<speak><s words='all'>a</s></speak>", "column 8", "marked"),
    ("ssml", "<speak><emotion name='envy'>a</emotion></speak>", "column 8", "surprise"),
    ("ssml", "<speak><emotion name='joy' strength='2'>a</emotion></speak>", "column 8", "from 0 to 1"),
    ("ssml", "<speak><expression>a</expression></speak>", "column 8", "weights"),
    ("ssml", "<speak><expression weights='jawOpen:1'>a</expression></speak>", "column 8", "moved by speech"),
    ("ssml", "<speak><expression weights='ear:1'>a</expression></speak>", "column 8", "ARKit"),
    ("ssml", "<speak><expression name='joy'>a</expression></speak>", "column 8", "smirk"),
    ("ssml", "<speak><expression name='awe' strength='2'>a</expression></speak>", "column 8", "from 0 to 1"),
    ("ssml", "<speak><expression name='awe' weights='cheekPuff:1'>a</expression></speak>", "column 8", "one of them"),
    ("ssml", "<speak><phoneme ph='t1'>a</phoneme></speak>", "column 8", "'1' is no sound"),
    ("ssml", "<speak><phoneme alphabet='x-sampa' ph='t'>a</phoneme></speak>", "column 8", "pinyin"),
    ("ssml", "<speak><phoneme alphabet='pinyin' ph='qin'>a</phoneme></speak>", "column 8", "qing4"),
    ("ssml", "<speak><say-as interpret-as='digits'>a1</say-as></speak>", "column 8", "more than digits"),
    ("ssml", "<speak><say-as interpret-as='date'>2026-02-30</say-as></speak>", "column 8", "no date"),
    ("ssml", "<speak><say-as interpret-as='money'>5</say-as></speak>", "column 8", "cardinal"),
    ("ssml", "<speak><say-as interpret-as='ordinal' format='x'>5</say-as></speak>", "column 8", "no effect"),
    ("ssml", "<speak>" + "<emphasis>" * 32 + "a", "column 318", "32 marks"),
    ("plain", "a [foo] b", "column 3", "[[ for a bracket"),
    ("plain", "a\n\nb [joy]c", "line 3, column 3", "not closed"),
    ("plain", "a [/]", "column 3", "closes nothing"),
    ("plain", "a [joy\n]b[/]", "column 3", "[mark]"),
    ("plain", "a [", "column 3", "[mark]"),
    ("plain", "[joy:2]a[/]", "column 1", "0 to 1"),
    ("plain", "[smirk:]a[/]", "column 1", "0 to 1"),
    ("plain", "[pause 99s]a", "column 1", "60s"),
    ("plain", "[say x][*]a[/][/]", "column 8", "text alone"),
]  # fmt: skip


@pytest.mark.parametrize(("markup", "text", "place", "message"), WRONG)
def test_what_is_wrong_is_told_with_its_place(markup: str, text: str, place: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, markup)
    told = str(caught.value)
    assert place in told
    assert message in told
    assert told.isprintable()  # one line


@pytest.mark.parametrize("markup", ["ssml", "plain"])
def test_markup_without_words_has_nothing_to_say(read: Read, markup: str) -> None:
    with pytest.raises(UsageError, match="nothing to say"):
        read("<speak><p/><s> </s><break/></speak>" if markup == "ssml" else "[pause] [joy][/]", markup)


def test_an_unknown_markup_is_refused() -> None:
    with pytest.raises(UsageError, match="auto, none, plain, ssml"):
        TextReader(markup="html")


PIECES = [
    "<speak>", "</speak>", "<p>", "</p>", "<s words='marked'>", "<s emotion='joy:1' pause='1'>", "</s>",
    "<w stress='1'>", "</w>", "<break/>", "<break time='1s'/>", "<emphasis>", "</emphasis>",
    "<sub alias='an alias'>", "</sub>", "<say-as interpret-as='", "date'>", "digits'>", "</say-as>",
    "<prosody rate='+10%'>", "</prosody>", "<emotion name='joy'>", "</emotion>", "&lt;", "&#10;",
    "<phoneme ph='təˈ'>", "</phoneme>", "<![CDATA[", "]]>", "<!--", "-->", "<?xml", "?>", "<!DOCTYPE a [",
    "<lang xml:lang='zh'>", "[joy:0.7]", "[/]", "[*]", "[pause 0.5s]", "[pause", "]", "[[", "[say so]",
    "[date]", "[ipa ə]", "[face mouthSmile:1]", "[awe:0.5]", "[rate 0.7]", "[volume +3dB]", "[zh]", "2026-11-24", "12",
    "你好。", "Hello there. ", "Dr.", "\n", " ", "!", "😀", "Привет",
]  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(MARKUPS),
    st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=14).map("".join)),
    st.booleans(),
)
def test_nothing_but_usage_errors_come_out_of_any_text(markup: str, text: str, wrapped: bool) -> None:
    try:
        marked = parse(f"<speak>{text}</speak>" if wrapped else text, markup)
    except UsageError as error:
        message = str(error)
    else:
        message = ""
    assert message == "" or message.isprintable()
    if message:
        return
    assert all(0 <= u.start < u.end <= len(marked.text) for u in marked.units)
    end = 0
    for start, stop, _, _ in marked.spans():
        assert end <= start < stop <= len(marked.text)
        assert not any(u.start < stop < u.end for u in marked.units)
        end = stop


WRITTEN = [
    "Hello, ", "Dr. Smith ", "paid $3.50! ", "我的iPhone坏了。", "第2天", "NASA ", "C++ ", "\r\n", "\n\n", "\t",
    "(415) 555-2671 ", "“quoted” ", "*so* ", "5% ", "& ", "“", "a<b>c ", "...", "Ω ", "2026-11-24 ", "一",
    "1/2 ", "[[", "[pause 0.25s]", "[*]very[/] ", "[joy:0.7,fear:0.1]now[/] ", "[say so be it]12[/] ",
    "[rate 1.3]go[/] ", "[volume -3dB]low[/] ", "[ipa ˈhɛloʊ]hi[/] ", "[pinyin ni3 hao3]你好[/]",
    "[face mouthSmile:0.5]x[/] ", "[doubt:0.5]y[/] ", "[zh]3[/] ",
]  # fmt: skip
LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="[\ufffe\uffff"), max_size=8)
MARKED = st.lists(st.one_of(st.sampled_from(WRITTEN), LETTERS), max_size=12).map("".join)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(MARKED)
def test_a_score_comes_back_from_its_markup(read: Read, text: str) -> None:
    try:
        score = read(text, "plain")
    except UsageError:
        return
    again = read(score_as_markup(score), "auto")
    assert again == score
    assert again.as_json() == score.as_json()


def test_a_score_of_many_sentences_comes_back(read: Read) -> None:
    text = "Well, Mr. Green (42) said: “it's 5°C”... " + "He went on and on, " * 60 + "and 然后他说：“我不去。” Fine! " * 5
    score = read(text, "none")
    assert len(score.sentences) > 8
    assert read(score_as_markup(score)) == score


def test_what_xml_cannot_hold_is_told(read: Read) -> None:
    with pytest.raises(UsageError, match=r"U\+0000"):
        score_as_markup(read("Hello \0 there.", "none"))
    french = replace(read("Bonjour.", "none").sentences[0], language="fr")
    with pytest.raises(UsageError, match="English or Mandarin"):
        score_as_markup(Score("fr", (french,)))


def test_marks_are_read_in_linear_time() -> None:
    def seconds(count: int) -> float:
        begin = time.perf_counter()
        marked = parse("[*]go[/] on [pause 0.1s][say it]x[/]. " * count, "plain")
        list(marked.spans())
        return time.perf_counter() - begin

    seconds(50)
    assert seconds(4000) < 20 * max(seconds(400), 0.02)


# What the marks do


def spoken(heart: Kokoro, sentence: Sentence) -> tuple[list[Speech], dict[str, tuple[float, float]]]:
    """What is said, and when each word is heard, in seconds."""
    stretches, times, at = list(heart.speak(sentence)), {}, 0.0
    for speech in stretches:
        times |= {sentence.words[w.word].text: (at + w.start / speech.rate, at + w.end / speech.rate) for w in speech.words}
        at += speech.duration
    assert [w.word for s in stretches for w in s.words] == list(range(len(sentence.words)))
    return stretches, times


@pytest.mark.parametrize("pause", [0.4, 1.5])
def test_a_pause_is_heard(heart: Kokoro, read: Read, pause: float) -> None:
    _, times = spoken(heart, read(f"This is one [pause {pause}s]and this was two.", "plain").sentences[0])
    assert times["and"][0] - times["one"][1] == pytest.approx(pause, abs=0.12)


def test_no_pause_joins_and_ends_at_once(heart: Kokoro, read: Read) -> None:
    with_comma, _ = spoken(heart, read("Well, I see.", "none").sentences[0])
    without, times = spoken(heart, read("Well[pause none], I see[pause none].", "plain").sentences[0])
    assert sum(s.duration for s in without) < sum(s.duration for s in with_comma) - 0.4
    assert times["I"][0] - times["Well"][1] < 0.1


def test_a_pause_before_the_first_word_is_heard(heart: Kokoro, read: Read) -> None:
    stretches, times = spoken(heart, read("[pause 1s]Hello you.", "plain").sentences[0])
    assert times["Hello"][0] == pytest.approx(1.12, abs=0.1)
    assert not stretches[0].samples[: round(1.05 * heart.rate)].any()


def test_rate_stretches_words(heart: Kokoro, read: Read) -> None:
    _, slow = spoken(heart, read("Say it, [rate 0.6]beautiful weather,[/] now.", "plain").sentences[0])
    _, fast = spoken(heart, read("Say it, [rate 1.5]beautiful weather,[/] now.", "plain").sentences[0])
    short, long = (t["weather"][1] - t["beautiful"][0] for t in (fast, slow))
    assert short < 0.6 * long


@pytest.mark.parametrize("decibels", [-12, 6])
def test_volume_is_heard_and_nothing_clips(heart: Kokoro, read: Read, decibels: int) -> None:
    (usual,), times = spoken(heart, read("This is wonderful again.", "none").sentences[0])
    (changed,), _ = spoken(heart, read(f"This is [volume {decibels}dB]wonderful[/] again.", "plain").sentences[0])
    begin, end = (round(t * heart.rate) for t in times["wonderful"])
    inner, outer = slice(begin + 400, end - 400), slice(0, begin - 400)

    def level(speech: Speech, part: slice) -> float:
        return 10 * np.log10(float(np.square(speech.samples[part], dtype=np.float64).mean()))

    assert level(changed, inner) - level(usual, inner) == pytest.approx(decibels, abs=1.5)
    assert np.array_equal(usual.samples[outer], changed.samples[outer])
    assert np.abs(changed.samples).max() < 0.99


def test_phonemes_are_those_that_are_given(heart: Kokoro, read: Read) -> None:
    (speech,), _ = spoken(heart, read("A [ipa təˈmɑːtəʊ]tomato[/].", "plain").sentences[0])
    assert "".join(p.symbol for p in speech.phones if p.word == 1) == "təmɑtoʊ"
    (speech,), _ = spoken(heart, read("去[pinyin zhong4 qing4]重庆[/]。", "plain").sentences[0])
    assert "".join(p.symbol for p in speech.phones if p.word == 1) == "ʈʂʊŋtɕʰiŋ"


@pytest.mark.parametrize(("ipa", "symbols"), [("ˈtʃɜːtʃ", "ˈʧɜʧ"), ("ɡoʊ", "ɡO"), ("ˈbʌt.n̩", "ˈbʌtᵊn"), ("ɹeɪdʒ", "ɹAʤ")])
def test_ipa_as_dictionaries_write_it(ipa: str, symbols: str) -> None:
    assert from_ipa(ipa) == symbols


@pytest.mark.parametrize("wrong", ["", "y5", "qing", "qing6", "zzz1", "wu 4", "重"])
def test_what_is_no_pinyin_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="syllable"):
        from_pinyin(wrong)


def test_espeak_takes_pauses_rates_and_volume_and_refuses_phonemes(read: Read) -> None:
    pytest.importorskip("espeakng_loader", reason="the espeak extra is not installed")
    from animacy.speak.espeak import Espeak

    espeak = Espeak("en-us")
    sentence = read("[pause 1s]One [pause 1s][rate 0.6]two[/] [volume -12dB]three[/].", "plain").sentences[0]
    one, two, three = espeak.speak(sentence)
    assert [w.word for s in (one, two, three) for w in s.words] == [0, 1, 2]
    assert one.phones[0].start / espeak.rate == pytest.approx(1.12, abs=0.1)
    assert (len(one.samples) - one.phones[-1].end + two.phones[0].start) / espeak.rate == pytest.approx(1.0, abs=0.12)
    assert np.abs(three.samples).max() < 0.4 * np.abs(one.samples).max()
    with pytest.raises(UsageError, match="--voice"):
        list(espeak.speak(read("[ipa ə]a[/] b.", "plain").sentences[0]))


def face(sentence: Sentence, heart: Kokoro) -> tuple[np.ndarray, dict[str, tuple[float, float]]]:
    """Weights [T, 52] at 25 frames a second."""
    stretches, times = spoken(heart, sentence)
    performer = Performer(25)
    return np.concatenate([performer.move(sentence, s).weights for s in stretches]), times


def test_the_face_follows_the_emotion_of_a_word(heart: Kokoro, read: Read) -> None:
    text = "We waited for hours and hours, {}until you came at last{}, and that was that."
    frown = ARKIT.index("browDownLeft")
    plain, times = face(read("[neutral]" + text.format("", "") + "[/]", "plain").sentences[0], heart)
    angry, _ = face(read("[neutral]" + text.format("[anger]", "[/]") + "[/]", "plain").sentences[0], heart)
    during, before = round(times["last"][0] * 25), round(times["waited"][1] * 25)
    assert angry[during, frown] > 0.4
    assert plain[during, frown] < 0.05
    assert angry[before, frown] == pytest.approx(plain[before, frown], abs=0.02)
    assert angry[-1, frown] < angry[during, frown] / 2


def test_the_face_holds_the_shapes_that_are_given(heart: Kokoro, read: Read) -> None:
    text = "[neutral]We waited, {}for hours and hours{}.[/]"
    puffed, times = face(read(text.format("[face cheekPuff:0.8]", "[/]"), "plain").sentences[0], heart)
    assert puffed[round(times["hours"][1] * 25) - 2, ARKIT.index("cheekPuff")] == pytest.approx(0.8, abs=0.15)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_expression_shows_as_strongly_as_asked(name: str) -> None:
    """On a word of a sentence in another mood, and not on the one before."""
    words = (Word("a", 0, 1, 0.3, "a"), Word("b", 2, 3, 0.3, "b"))
    sad = {e: 0.6 * (e == "sadness") + 0.4 * (e == "neutral") for e in EMOTIONS}
    bare = Sentence("a b", 0, 3, "en", sad, 0.0, 0.5, words)
    speech = Speech(np.zeros(72_000, np.float32), 24_000, (), (TimedWord(0, 0, 36_000), TimedWord(1, 36_000, 70_000)))

    def shown(strength: float) -> np.ndarray:
        face = named(name, strength)
        return Performer(25).move(replace(bare, words=(words[0], replace(words[1], face=face))), speech).weights

    half, full, without = shown(0.5), shown(1.0), Performer(25).move(bare, speech).weights
    assert np.array_equal(full[:30], without[:30])
    for shape, weight in named(name, 1.0).items():
        k = ARKIT.index(shape)
        assert full[-1, k] == pytest.approx(weight, abs=0.12), shape
        assert full[-1, k] >= half[-1, k] or weight == 0.0


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_every_shape_that_is_taken_shows(name: str) -> None:
    words = (Word("a", 0, 1, 0.3, "a"),)
    calm = {e: float(e == "neutral") for e in EMOTIONS}
    bare = Sentence("a", 0, 1, "en", calm, 0.0, 0.5, words)
    marked = replace(bare, words=(replace(words[0], face=dict.fromkeys(SHAPES[name], 1.0)),))
    speech = Speech(np.zeros(48_000, np.float32), 24_000, (), ())
    timed = replace(speech, words=(TimedWord(0, 0, 40_000),))
    without, shown = Performer(25).move(bare, timed).weights[-1], Performer(25).move(marked, timed).weights[-1]
    for shape in SHAPES[name]:
        assert shown[ARKIT.index(shape)] > without[ARKIT.index(shape)] + 0.5


# The command


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "animacy", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300)


def test_the_command_reads_markup_and_writes_it(tmp_path: Path) -> None:
    (tmp_path / "a.ssml").write_text("<?xml version='1.0'?>\n<speak>I did <emphasis level='strong'>not</emphasis> go.</speak>")
    score = json.loads(run("read", "--file", "a.ssml", "--json", cwd=tmp_path).stdout)
    assert score["sentences"][0]["words"][2] == {"text": "not", "start": 6, "end": 9, "stress": 0.95}
    written = run("read", "--file", "a.ssml", "--ssml", cwd=tmp_path).stdout
    again = run("read", written, "--json", cwd=tmp_path)
    assert json.loads(again.stdout) == score
    marked = run("read", "[joy]Hi[/]", "--json", cwd=tmp_path)
    assert json.loads(marked.stdout)["sentences"][0]["emotion"]["joy"] == 1
    bare = run("read", "[joy]Hi[/]", "--markup", "none", "--json", cwd=tmp_path)
    assert json.loads(bare.stdout)["sentences"][0]["end"] == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("say", "<speak><b>Hi</b></speak>", "-o", "a.mp4"), "line 1, column 8"),
        (("read", "[oh]Hi", "--markup", "plain"), "column 1"),
        (("read", "Hi", "--markup", "plain", "--language", "fr"), "English and Mandarin alone"),
        (("read", "<speak>Hi</speak>", "--language", "fr"), "English and Mandarin alone"),
        (("read", "Hi", "--json", "--ssml"), "one of them"),
        (("read", "--input", "x", "--ssml"), "--ssml writes one text"),
    ],
)
def test_the_command_refuses_in_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"animacy: .+\n", done.stderr), done.stderr
    assert message in done.stderr
    assert not list(tmp_path.iterdir())
