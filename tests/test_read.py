"""The reader: offsets, sentences, languages, bad input."""

import json
import logging
import marshal
import os
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from animacy.errors import UsageError
from animacy.read import TextReader, parse_emotion, words
from animacy.read.reader import score_of
from animacy.read.split import sentence_spans
from animacy.types import EMOTIONS, Sentence


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader()


def spans(text: str) -> list[str]:
    return [text[a:b] for a, b, _ in sentence_spans(text)]


def check(text: str, sentences: list[Sentence]) -> None:
    """What every reading of every text must keep to."""
    end = 0
    for s in sentences:
        assert s.text == text[s.start : s.end]
        assert s.start >= end
        end = s.end
        assert set(s.emotion) == set(EMOTIONS)
        assert sum(s.emotion.values()) == pytest.approx(1, abs=1e-4)
        assert -1 <= s.valence <= 1
        assert 0 <= s.excitement <= 1
        assert s.words
        at = s.start
        for w in s.words:
            assert w.text == text[w.start : w.end]
            assert at <= w.start < w.end <= s.end
            at = w.end
            assert 0 <= w.stress <= 1
            assert w.spoken.strip()
            assert not {unicodedata.category(c) for c in w.spoken} & {"Cc", "Cs", "Cf"}
            assert w.after in ("", ",", ".", "?", "!", ";", ":", "—", "…")
            assert w.language in ("en", "zh")
        assert s.words[-1].after
        assert sum(len(w.spoken) + 1 for w in s.words) <= 500


NASTY = (
    "hello world Dr. U.S. $3.50 2026-11-24 10:30 你好 今天 3.5kg 第2 50% — … ... \r\n \n\n \t ( ) \" ' “ ”"
    " 。 ！ ？ ， 😀 👨‍👩‍👧 "
    "e\u0301 \u200b \u202e \ud800 \x00 \x07 ﬁ ½ ² @a #b http:// a@b.c +1 -5 1/0 0/0 1:99 99999999999999999999 ¥ $ VIII '90s "
    "O'Neil co-op A&B C++ ～ 1,2,3 . .. .5 5. -- - _ * < > = Ω ß İ ǆ א ب 한 の x v1 V. p. No. St. 12:30-1:30 ½x 5% °C"
)
PIECES = st.one_of(
    st.characters(),
    st.sampled_from(
        [
            *NASTY.split(" "),
            *(" ", "\n", "a" * 500, "1" * 300, "的" * 300, "x@" * 50),
        ]
    ),
)


def test_an_address_of_nothing_to_say_is_no_word() -> None:
    (sentence,) = TextReader().read("see http://\x1b now")
    assert [w.text for w in sentence.words] == ["see", "now"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=25).map("".join))
@example("0;0;1,2,3" + "1" * 300)  # the last cut leaves much of what came before
def test_offsets_are_true_for_any_text(reader: TextReader, text: str) -> None:
    try:
        sentences = list(reader.read(text))
    except UsageError as error:
        message = str(error)
    else:
        message = ""
        check(text, sentences)
    assert message == "" or message.isprintable()  # one line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
        ("Dr. Smith met Mr. and Mrs. Jones. They talked.", ["Dr. Smith met Mr. and Mrs. Jones.", "They talked."]),
        ("It is 3.5 m long, e.g. a car. See p. 5.", ["It is 3.5 m long, e.g. a car.", "See p. 5."]),
        (
            "The U.S. Army left. He lives in the U.S. He is happy.",
            ["The U.S. Army left.", "He lives in the U.S.", "He is happy."],
        ),
        ("J. K. Rowling wrote it.", ["J. K. Rowling wrote it."]),
        ('"Stop!" he said. "Why?" she asked.', ['"Stop!" he said.', '"Why?" she asked.']),
        ("Well... maybe. Wait... Who is it?", ["Well... maybe.", "Wait...", "Who is it?"]),
        ("We meet at 5 p.m. on Monday. At 6 p.m. we go.", ["We meet at 5 p.m. on Monday.", "At 6 p.m. we go."]),
        ("Great! 🎉 Next one.", ["Great! 🎉", "Next one."]),
        ("A heading\n\nThe text below it.", ["A heading", "The text below it."]),
        ("- milk\n- two eggs\n- bread", ["- milk", "- two eggs", "- bread"]),
        (
            "This line was wrapped by an editor that breaks at about sixty\nFive characters or so. Next.",
            ["This line was wrapped by an editor that breaks at about sixty\nFive characters or so.", "Next."],
        ),
        ("你好。今天天气很好！你呢？", ["你好。", "今天天气很好！", "你呢？"]),
        ("他说：“我不去。”然后走了。", ["他说：“我不去。”", "然后走了。"]),
        ("我……我不知道。", ["我……我不知道。"]),
        ("我用Python 3.11写的。It works! 真的吗？", ["我用Python 3.11写的。", "It works!", "真的吗？"]),
        ("i went home. it was fun", ["i went home.", "it was fun"]),
        ("What?! No way!!!", ["What?!", "No way!!!"]),
        ("1. Open the lid. 2. Pour.", ["1. Open the lid.", "2. Pour."]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert spans(text) == expected


def test_a_run_on_text_is_cut_between_words_or_at_clauses() -> None:
    text = "word " * 1000
    pieces = spans(text)
    assert all(len(p) <= 400 for p in pieces)
    assert " ".join(pieces).split() == text.split()
    assert all(len(p) <= 400 for p in spans("的" * 5000))


@pytest.mark.parametrize(
    "unit",
    [
        "word ",
        "Hello there. ",
        "你好。",
        "a",
        "\n",
        " ",
        "....",
        "1",
        "好",
        "\"'",
        "(",
        "a.",
        "x@",
        "- ",
        "e\u0301",
        "#",
        "\n \n",
    ],
)
def test_splitting_takes_linear_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    began = time.process_time()
    sum(1 for _ in sentence_spans(text))
    assert time.process_time() - began < 30  # seconds, on a busy machine; a quadratic pass takes hours


def test_the_first_sentence_of_a_megabyte_comes_at_once(reader: TextReader) -> None:
    text = "The quick brown fox jumps over the lazy dog, says 你好. " * 20_000
    began = time.process_time()
    first = next(iter(reader.read(text)))
    assert first.start == 0
    assert time.process_time() - began < 2  # seconds; the whole text takes minutes


def test_reading_is_lazy(reader: TextReader) -> None:
    assert isinstance(reader.read("One. Two."), Iterator)


@pytest.mark.parametrize(
    "text", ["", " \n\t", "😀😀", "...", "!?", "—", "\ud800", "\x00\x01", "。。。", "🎉 ... 🎉", "()", "²", "\u200b"]
)
def test_nothing_to_say_is_a_usage_error(reader: TextReader, text: str) -> None:
    with pytest.raises(UsageError, match=r"nothing to say in .*: give words in English or Mandarin"):
        reader.read(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Привет, как дела?", "Cyrillic"),
        ("مرحبا بالعالم", "Arabic"),
        ("こんにちは、元気ですか", "Japanese"),
        ("今日はとても暑いですね", "Japanese"),
        ("안녕하세요 여러분", "Korean"),
        ("שלום עולם", "Hebrew"),
        ("नमस्ते दुनिया", "Hindi"),
        ("สวัสดีชาวโลก", "Thai"),
        ("Καλημέρα κόσμε", "Greek"),
    ],
)
def test_another_language_is_named_with_the_remedy(reader: TextReader, text: str, name: str) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        reader.read(text)
    assert "English or Mandarin (--language" in str(caught.value)


def test_a_foreign_name_is_left_out_and_logged(reader: TextReader, caplog: pytest.LogCaptureFixture) -> None:
    text = "The city of Kyiv, which its people write Київ, lies on both banks of a wide river and is very old indeed."
    with caplog.at_level(logging.WARNING):
        (sentence,) = reader.read(text)
    assert "Київ" not in [w.text for w in sentence.words]
    assert "Київ" in caplog.text


def test_unknown_language_names_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"'fr'.*en .*zh .*auto"):
        TextReader("fr")


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("Hello. 你好。", ["en", "zh"]),
        ("我的iPhone坏了。", ["zh"]),
        ("Meet me at 故宫 tomorrow morning.", ["en"]),
        ("今天是个好日子。2026！", ["zh", "zh"]),
        ("Good day. 42!", ["en", "en"]),
        ("Ça va très bien.", ["en"]),
    ],
)
def test_each_sentence_has_its_language(reader: TextReader, text: str, languages: list[str]) -> None:
    assert [s.language for s in reader.read(text)] == languages


def test_words_of_mixed_text_keep_their_own_language(reader: TextReader) -> None:
    (sentence,) = reader.read("我的iPhone有3个app。")
    assert {w.text: w.language for w in sentence.words} == {
        "我": "zh",
        "的": "zh",
        "iPhone": "en",
        "有": "zh",
        "3": "zh",
        "个": "zh",
        "app": "en",
    }


def test_a_forced_language_says_the_digits() -> None:
    (sentence,) = TextReader("zh").read("42")
    assert sentence.words[0].spoken == "四十二"


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("Yes, I do; but why: tell me!", [",", "", ";", "", ":", "", "!"]),
        ("好，走吧。", [",", "", "."]),
        ("Wait — what", ["—", "."]),
        ("Well… no", ["…", "."]),
        ("He (the boss) left.", [",", "", ",", "."]),
        ("Really?!", ["?"]),
        ("你好，世界！", [",", "!"]),
        ("one - two", ["—", "."]),
    ],
)
def test_punctuation_is_mapped(reader: TextReader, text: str, marks: list[str]) -> None:
    (sentence,) = reader.read(text)
    assert [w.after for w in sentence.words] == marks


@pytest.mark.parametrize("text", ["Don't", "mother-in-law", "café", "O'Neil", "naïve", "rock", "走路", "dogs'"])
def test_plain_words_are_said_as_written(reader: TextReader, text: str) -> None:
    (sentence,) = reader.read(text)
    assert [(w.text, w.spoken) for w in sentence.words] == [(text, text)]


def test_invisible_characters_are_not_said(reader: TextReader) -> None:
    (sentence,) = reader.read("hel\u200blo wor\u00adld")
    assert [w.spoken for w in sentence.words] == ["hello", "world"]


def test_json_has_the_schema(reader: TextReader) -> None:
    score = score_of(tuple(reader.read("I paid $3.50. 太好了！")))
    found = json.loads(json.dumps(score.as_json()))
    assert set(found) == {"language", "sentences"}
    assert set(found["sentences"][0]) == {"text", "start", "end", "emotion", "valence", "excitement", "words"}
    assert [w["text"] for w in found["sentences"][0]["words"]] == ["I", "paid", "$3.50"]


def test_parse_emotion_gives_the_rest_to_neutral() -> None:
    found = parse_emotion("joy:0.5,surprise:0.2")
    assert found["joy"] == 0.5
    assert found["neutral"] == pytest.approx(0.3)
    assert sum(found.values()) == pytest.approx(1)
    assert parse_emotion("anger")["anger"] == 1
    assert tuple(found) == EMOTIONS


@pytest.mark.parametrize(
    "text",
    ["", "happy:1", "joy:2", "joy:x", "joy:-1", "joy:nan", "joy:0.8,anger:0.8", "joy:0.1,joy:0.2", "joy:", ",", "neutral:0"],
)
def test_a_bad_emotion_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_emotion(text)
    assert "joy" in str(caught.value)


def test_a_given_emotion_overrides_the_model() -> None:
    (sentence,) = TextReader(emotion=parse_emotion("sadness:0.9")).read("I'm so happy to see you!")
    assert sentence.emotion["sadness"] == pytest.approx(0.9)
    assert sentence.valence < 0


def test_reading_twice_gives_the_same(reader: TextReader) -> None:
    text = "We won! 我们赢了。 It cost $5."
    assert list(reader.read(text)) == list(reader.read(text))


@pytest.mark.slow
def test_a_megabyte_is_read_in_memory_of_one_sentence() -> None:
    reader = TextReader(emotion=parse_emotion("neutral"))
    text = "A plain line of text that says little, 第3次了。 Then $5 more! " * 3000
    check(text, list(reader.read(text)))


def test_the_dictionary_of_mandarin_trusts_no_shared_folder(tmp_path: Path) -> None:
    planted = tmp_path / "jieba.cache"
    planted.write_bytes(marshal.dumps(({"今": 1}, 1)))  # what anybody could leave there
    program = "from animacy.read import words; words.segment('图书馆里很安静'); print(len(words._jieba().tokenizer.FREQ))"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, encoding="utf-8"
    )
    assert int(done.stdout) > 300_000, done.stderr
    assert list(tmp_path.iterdir()) == [planted]


def test_the_dictionary_is_read_as_its_engine_reads_it() -> None:
    import jieba
    import jieba.posseg

    own, plain = words._jieba(), jieba.Tokenizer()
    frequencies, total = plain.gen_pfdict(plain.get_dict_file())
    assert frequencies == own.tokenizer.FREQ and own.tokenizer.total == total
    assert own.word_tag_tab == jieba.posseg.POSTokenizer(plain).word_tag_tab


PASSAGES = (
    "We waited all morning. Nothing moved. Then, far away, a light! It came closer and closer! They had made it! "
    "Later we sat by the fire. The night was quiet. One by one we fell asleep.",
    "我们等了一上午。什么动静也没有。忽然，远处有一道光！越来越近！他们成功了！后来我们坐在火边。夜很安静。我们慢慢睡着了。",
)


@pytest.mark.parametrize("text", PASSAGES, ids=["en", "zh"])
def test_excitement_builds_and_ebbs_over_a_passage(reader: TextReader, text: str) -> None:
    read = list(reader.read(text))
    alone = [next(iter(reader.read(s.text))).excitement for s in read]
    heat = [s.excitement for s in read]

    def steps(values: list[float]) -> list[float]:
        return [abs(b - a) for a, b in pairwise(values)]

    assert heat[0] == pytest.approx(alone[0])  # nothing is before it
    assert max(steps(heat)) < 0.75 * max(steps(alone))
    assert max(range(8), key=heat.__getitem__) in (3, 4)  # at its height where they come
    assert heat[1] < 0.45 < heat[3]
    assert heat[4] > heat[5] > heat[7]
    assert heat[5] > alone[5]  # not forgotten at once


def test_marked_excitement_is_kept_and_led_on_from() -> None:
    read = list(TextReader(markup="ssml").read('<speak>It was calm. <s excitement="1">It was calm.</s> It was calm.</speak>'))
    first, marked, last = (s.excitement for s in read)
    assert marked == 1.0
    assert first + 0.1 < last < 0.9
