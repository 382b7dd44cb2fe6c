"""Emotion, valence, excitement and stress against what people would say, in both languages."""

from pathlib import Path

import pytest

from animacy.read import TextReader
from animacy.read.feeling import Feelings
from animacy.types import Sentence

ROWS = [line.split("\t") for line in (Path(__file__).parent / "data/read_emotion.tsv").read_text("utf-8").splitlines()[1:]]


@pytest.fixture(scope="module")
def feelings() -> Feelings:
    return Feelings()


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader()


@pytest.mark.parametrize(("language", "least"), [("en", 0.9), ("zh", 0.85)])
def test_emotions_agree_with_a_hand_written_set(feelings: Feelings, language: str, least: float) -> None:
    rows = [(emotion, text) for lang, emotion, text in ROWS if lang == language]
    wrong = []
    for emotion, text in rows:
        found = feelings.of(text).emotion
        if max(found, key=lambda name: found[name]) != emotion:
            wrong.append((emotion, text))
    print(f"{language}: {len(rows) - len(wrong)} of {len(rows)} right; wrong: {wrong}")
    assert len(rows) == 60
    assert 1 - len(wrong) / len(rows) >= least


@pytest.mark.parametrize("text", [text for _, emotion, text in ROWS if emotion == "neutral"])
def test_plain_information_is_clearly_neutral(feelings: Feelings, text: str) -> None:
    found = feelings.of(text)
    assert found.emotion["neutral"] > 0.6
    assert 0.1 < found.excitement < 0.5


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("I'm so happy to see you!", "joy"),
        ("今天真是太开心了！", "joy"),
        ("I am furious, how dare you!", "anger"),
        ("你太过分了，我真的很生气！", "anger"),
        ("I feel so sad and lonely.", "sadness"),
        ("我好难过，忍不住哭了。", "sadness"),
    ],
)
def test_clear_feelings_come_out_clearly(feelings: Feelings, text: str, emotion: str) -> None:
    assert feelings.of(text).emotion[emotion] > 0.6


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("WE WON!!!", 0.8, 1.0),
        ("我们赢了！！！", 0.8, 1.0),
        ("she fell quietly asleep", 0.0, 0.2),
        ("她静静地睡着了", 0.0, 0.2),
        ("The committee will publish its report on Tuesday.", 0.15, 0.45),
    ],
)
def test_excitement_follows_the_heat_of_the_text(feelings: Feelings, text: str, low: float, high: float) -> None:
    assert low <= feelings.of(text).excitement <= high


@pytest.mark.parametrize(
    ("better", "worse"),
    [("This is wonderful.", "This is terrible."), ("这太棒了。", "这太糟糕了。"), ("I love you.", "I hate you.")],
)
def test_valence_has_the_right_sign(feelings: Feelings, better: str, worse: str) -> None:
    assert feelings.of(better).valence > 0.2
    assert feelings.of(worse).valence < -0.2


def test_capitals_and_marks_raise_excitement(feelings: Feelings) -> None:
    calm, loud = feelings.of("We are going home."), feelings.of("WE ARE GOING HOME!!!")
    assert loud.excitement > calm.excitement + 0.2


def stress(sentence: Sentence) -> dict[str, float]:
    return {w.text: w.stress for w in sentence.words}


@pytest.mark.parametrize(
    ("text", "strong", "weak"),
    [
        ("The cat sat on the mat.", ["cat", "mat"], ["The", "on"]),
        ("She never wanted to go to the hospital.", ["never", "hospital"], ["to", "the"]),
        ("我昨天在北京买了新电脑。", ["昨天", "北京", "电脑"], ["在", "了"]),
        ("这是我们的老师。", ["老师"], ["的", "是"]),
        ("只有你才明白。", ["只有", "明白"], []),
    ],
)
def test_content_words_stand_out(reader: TextReader, text: str, strong: list[str], weak: list[str]) -> None:
    (sentence,) = reader.read(text)
    found = stress(sentence)
    assert all(found[w] >= 0.5 for w in strong), found
    assert all(found[w] < 0.4 for w in weak), found


def test_the_writers_emphasis_wins(reader: TextReader) -> None:
    (capitals,) = reader.read("I did NOT say that he was right.")
    (starred,) = reader.read("I *did* say that.")
    assert stress(capitals)["NOT"] > 0.9
    assert stress(starred)["did"] > 0.9


@pytest.mark.parametrize("text", ["It is.", "He was there.", "的", "in", "我的。"])
def test_every_sentence_has_a_peak(reader: TextReader, text: str) -> None:
    (sentence,) = reader.read(text)
    assert max(w.stress for w in sentence.words) >= 0.5


@pytest.mark.parametrize(
    ("text", "first", "last", "behind"),
    [
        ("The party was fun, but I missed my brother the whole time.", "joy", "sadness", "but"),
        ("I liked him until he stole my idea.", "joy", "anger", "until"),
        ("我们赢了比赛，大家都很开心，可是教练第二天就去世了。", "joy", "sadness", "可是"),
    ],
)
def test_where_a_sentence_turns_each_clause_has_its_feeling(
    reader: TextReader, text: str, first: str, last: str, behind: str
) -> None:
    (sentence,) = reader.read(text)
    turn = next(i for i, w in enumerate(sentence.words) if w.text == behind)
    assert max(sentence.emotion, key=lambda name: sentence.emotion[name]) == last
    for word in sentence.words[:turn]:
        assert word.emotion is not None
        assert max(word.emotion, key=lambda name: word.emotion[name]) == first  # type: ignore[index]
    assert all(word.emotion is None for word in sentence.words[turn:])


def test_the_author_wins_over_a_turn(reader: TextReader) -> None:
    text = "The party was fun, but I missed my brother the whole time."
    for sentence in (*TextReader(emotion={"joy": 1.0}).read(text), *TextReader(markup="plain").read(f"[fear] {text} [/]")):
        assert all(w.emotion is None for w in sentence.words)


def test_a_sentence_that_stays_the_same_has_one_feeling(reader: TextReader) -> None:
    (sentence,) = reader.read("The bus is late, but it is clean.")
    assert all(w.emotion is None for w in sentence.words)


@pytest.mark.parametrize("text", ["The concert was *glorious*!", "The concert was _glorious_!", "演出*太精彩*了！"])
def test_signs_of_emphasis_do_not_hide_a_feeling(feelings: Feelings, text: str) -> None:
    plain = feelings.of(text.replace("*", "").replace("_", ""))
    assert feelings.of(text).emotion["joy"] == pytest.approx(plain.emotion["joy"]) and plain.emotion["joy"] > 0.5
