"""The written set, and the measuring itself. How well the reader does on the corpora is in docs/measurements.md."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from animacy import tsv
from animacy.errors import UsageError
from animacy.read import TextReader
from animacy.read.evaluate import COLUMNS, KINDS, Case, agrees, cases, on_corpora, written
from animacy.types import EMOTIONS, Sentence, Word

DATA = Path(__file__).parent / "data"
WRITTEN = DATA / "read_written.tsv"
OWN = Path(__file__).parent.parent / "src/animacy/train/own_feeling.tsv"

# Right of 12 as measured, less one to three. The rules of focus, of named feelings, of idioms and of irony were made with its
# failures in view. What is low is a weakness that is known.
LEAST = {
    "named feeling": (11, 11),
    "situation without a feeling word": (6, 9),
    "negation": (9, 10),
    "idiom": (11, 11),
    "irony": (10, 10),
    "turn within the sentence": (8, 9),
    "contrast": (11, 11),
    "particle": (11, 11),
    "writer's sign": (11, 11),
    "heat": (11, 11),
    "all": (109, 114),
}


def test_the_written_set_is_well_formed() -> None:
    found = cases(WRITTEN)
    assert Counter(c.language for c in found) == {"en": 120, "zh": 120}
    assert set(Counter((c.language, c.phenomenon) for c in found).values()) == {12}
    assert {c.phenomenon for c in found} == LEAST.keys() - {"all"}
    assert {c.kind for c in found} == KINDS.keys()
    assert len({c.text for c in found}) == len(found)
    assert {c.expected for c in found if c.kind == "emotion"} == set(EMOTIONS)
    for case in found:
        assert case.reason.strip()
        assert ("\u4e00" <= case.text.strip("*")[0] <= "\u9fff") == (case.language == "zh")


def test_no_sentence_of_the_set_is_trained_on() -> None:
    trained = {line.split("\t")[1] for line in OWN.read_text(encoding="utf-8").splitlines()[1:]}
    elsewhere = {line.split("\t")[2] for line in (DATA / "read_emotion.tsv").read_text(encoding="utf-8").splitlines()[1:]}
    assert not {c.text for c in cases(WRITTEN)} & (trained | elsewhere)


def test_agreement_does_not_fall() -> None:
    found = written(WRITTEN, TextReader())
    for language, index in (("en", 0), ("zh", 1)):
        assert found[language].keys() == LEAST.keys()
        for name, agreement in found[language].items():
            print(f"{language} {name}: {agreement}")
            assert agreement.of == (120 if name == "all" else 12)
            assert agreement.right >= LEAST[name][index], (language, name)


def test_focus_is_found_where_the_rules_say_in_sentences_that_they_were_not_written_for() -> None:
    found = written(DATA / "read_focus.tsv", TextReader())
    assert (found["en"]["all"].of, found["zh"]["all"].of) == (30, 28)
    assert found["en"]["all"].right >= 29
    assert found["zh"]["all"].right >= 26


def sentence(stresses: tuple[float, ...] = (0.5,), excitement: float = 0.3, **emotion: float) -> Sentence:
    text = " ".join("abcdef"[: len(stresses)])
    words = tuple(Word(text[2 * i], 2 * i, 2 * i + 1, s) for i, s in enumerate(stresses))
    return Sentence(text, 0, len(text), "en", dict.fromkeys(EMOTIONS, 0.0) | emotion, 0.0, excitement, words)


@pytest.mark.parametrize(
    ("kind", "expected", "read", "right"),
    [
        ("emotion", "joy", sentence(joy=0.6, fear=0.4), True),
        ("emotion", "joy", sentence(joy=0.4, fear=0.6), False),
        ("excitement", "high", sentence(excitement=0.6), True),
        ("excitement", "low", sentence(excitement=0.6), False),
        ("excitement", "low", sentence(excitement=0.2), True),
        ("focus", "b", sentence((0.3, 0.9, 0.5)), True),
        ("focus", "b", sentence((0.3, 0.4, 0.5)), False),
    ],
)
def test_what_agreement_is(kind: str, expected: str, read: Sentence, right: bool) -> None:
    assert agrees(Case("en", "none", kind, expected, read.text, "because"), [read]) is right


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("en\ta\temotion\tjoy\tHello.", "needed 6 columns"),
        ("en\ta\temotion\tjoy\tHello.\t ", "none of them empty"),
        ("fr\ta\temotion\tjoy\tHello.\tb", "needed en or zh"),
        ("en\ta\tmood\tjoy\tHello.\tb", "focus"),
        ("en\ta\temotion\tenvy\tHello.\tb", "surprise"),
        ("en\ta\texcitement\tjoy\tHello.\tb", "high, low"),
        ("en\ta\tfocus\the\tHello.\tb", "once"),
        ("en\ta\tfocus\tno\tno, no.\tb", "once"),
    ],
)
def test_a_wrong_line_of_a_written_set_is_named(tmp_path: Path, row: str, message: str) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("\t".join(COLUMNS) + "\n" + row + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"line 2.*{message}"):
        cases(file)


def test_what_is_no_written_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        cases(tmp_path / "none.tsv")
    (tmp_path / "a.tsv").write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 1: needed the columns"):
        cases(tmp_path / "a.tsv")
    (tmp_path / "a.tsv").write_text("\t".join(COLUMNS) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no sentences"):
        cases(tmp_path / "a.tsv")
    (tmp_path / "a.tsv").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read"):
        cases(tmp_path / "a.tsv")
    monkeypatch.setattr(tsv, "MOST", 100)
    (tmp_path / "a.tsv").write_text("\t".join(COLUMNS) + "\n" + "a" * 100, encoding="utf-8")
    with pytest.raises(UsageError, match="more than 100 characters"):
        cases(tmp_path / "a.tsv")


def small_corpora(folder: Path) -> None:
    """The corpora's formats with a few lines of our own."""
    feelings = [
        (3, "I am so happy today"),
        (5, "she felt sad and alone"),
        (0, "i am angry with you"),
        (4, "the bus is at nine"),
    ]
    for part in ("train", "dev"):
        lines = [f"{text} {k}\t{label}\tid{k}\n" for k in range(6) for label, text in feelings]
        (folder / f"goemotions_ekman_{part}.tsv").write_text("".join(lines), encoding="utf-8")
    rows = [
        f'"{text}, {k}",{3 + (label == 3) - (label == 5)},{3 + (label in (0, 3))},3\n'
        for k in range(3)
        for label, text in feelings
    ]
    (folder / "emobank_dev.csv").write_text("text,V,A,D\n" + "".join(rows), encoding="utf-8")
    rng = np.random.default_rng(0)
    blocks = []
    for _ in range(60):
        words = [("the", 0), (str(rng.choice(["cat", "dog", "house"])), 2), ("is", 0), (str(rng.choice(["green", "old"])), 1)]
        blocks.append("<file>\ta\n" + "".join(f"{w}\t{p}\t0\t{p + 0.1}\t0\n" for w, p in words) + ".\tNA\tNA\tNA\tNA\n")
    (folder / "helsinki_prosody_train.txt").write_text("".join(blocks), encoding="utf-8")


def test_the_figures_are_those_of_the_files(tmp_path: Path) -> None:
    small_corpora(tmp_path)
    figures = on_corpora(tmp_path)
    assert figures["sentences"] == {"emotion": 24, "valence and arousal": 12, "prominence": 9}
    assert figures["emotion_f1"]["joy"] == 1.0
    assert figures["emotion_macro_f1"] == pytest.approx(np.mean(list(figures["emotion_f1"].values())), abs=1e-3)
    assert figures["valence_pearson"] > 0.8
    assert -1 <= figures["arousal_pearson"] <= 1
    assert figures["prominence"] > 0.9
    assert 0 <= figures["prominence_shipped"] <= 1
    assert 0 < figures["sentence_ms"] < 5000


def test_what_is_no_folder_of_corpora_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no goemotions_ekman_train\.tsv"):
        on_corpora(tmp_path)
    small_corpora(tmp_path)
    (tmp_path / "goemotions_ekman_dev.tsv").write_text("a line without tabs\n", encoding="utf-8")
    with pytest.raises(UsageError, match="not in its format"):
        on_corpora(tmp_path)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "animacy", "evaluate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300)


def test_the_command_tells_agreement_by_phenomenon(tmp_path: Path) -> None:
    lines = ["en\theat\texcitement\thigh\tWE WON!!!\tcapitals", "zh\theat\texcitement\tlow\t她静静地睡着了。\tcalm"]
    file = tmp_path / "a.tsv"
    file.write_text("\n".join(["\t".join(COLUMNS), *lines, ""]), encoding="utf-8")
    done = run("read", "--written", str(file), "--json")
    one = {"heat": {"right": 1, "of": 1}, "all": {"right": 1, "of": 1}}
    assert json.loads(done.stdout) == {"written": {"en": one, "zh": one}}
    assert "en  heat" in run("read", "--written", str(file)).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("read",), "--written"),
        (("read", "--data", "nowhere"), "no goemotions"),
        (("read", "--written", "nowhere"), "cannot be read"),
    ],
)
def test_the_command_refuses_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
