"""How well the reader reads: on the development files of the corpora, and on a set of sentences written by hand.

Imported for `animacy evaluate` alone. What is trained lies in animacy.train.read, and so do the corpora's formats.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import tsv
from ..errors import UsageError
from ..types import EMOTIONS, Sentence
from . import stress
from .feeling import Feelings
from .reader import TextReader
from .script import shorten

HEATED = 0.45
"""Excitement from here on counts as high; prose without heat is read as about 0.3."""

KINDS = {"emotion": EMOTIONS, "excitement": ("high", "low"), "focus": ()}
COLUMNS = ["language", "phenomenon", "kind", "expected", "text", "reason"]
_FILES = ("goemotions_ekman_train.tsv", "goemotions_ekman_dev.tsv", "emobank_dev.csv", "helsinki_prosody_train.txt")


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence with what a person would say of it."""

    language: str  # "en" or "zh"
    phenomenon: str  # what makes it easy or hard, e.g. "irony"
    kind: str  # of KINDS: what is asked
    expected: str  # the likeliest emotion; "high" or "low"; the word that stands out most
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Agreement:
    right: int
    of: int

    def __str__(self) -> str:
        return f"{self.right} of {self.of}"


def cases(path: Path) -> list[Case]:
    """The sentences of a TSV file with a line of COLUMNS above. Raises UsageError that names the line which is wrong."""
    found = []
    for where, row in tsv.sentences(path, COLUMNS):
        case = Case(*row)
        if case.kind not in KINDS:
            raise UsageError(f"{where}: kind {shorten(case.kind)!r}: needed one of {', '.join(KINDS)}")
        if case.kind == "focus":
            if len(_places(case)) != 1:
                raise UsageError(f"{where}: {shorten(case.expected)!r} must stand in the text once")
        elif case.expected not in KINDS[case.kind]:
            wanted = ", ".join(KINDS[case.kind])
            raise UsageError(f"{where}: {shorten(case.expected)!r} expected: needed one of {wanted}")
        found.append(case)
    return found


def _places(case: Case) -> list[tuple[int, int]]:
    """Where the expected word stands."""
    edge = "[A-Za-z']" if case.language == "en" else "(?!)"
    return [m.span() for m in re.finditer(f"(?<!{edge}){re.escape(case.expected)}(?!{edge})", case.text)]


def agrees(case: Case, sentences: Iterable[Sentence]) -> bool:
    """Whether what was read out of the case's text is what is expected."""
    sentences = list(sentences)
    if case.kind == "emotion":
        total = {e: sum(len(s.text) * s.emotion[e] for s in sentences) for e in EMOTIONS}
        return max(total, key=lambda e: total[e]) == case.expected
    if case.kind == "excitement":
        length = sum(len(s.text) for s in sentences)
        heat = sum(len(s.text) * s.excitement for s in sentences) / length
        return (heat >= HEATED) == (case.expected == "high")
    ((start, end),) = _places(case)
    words = [w for s in sentences for w in s.words]
    own = max((w.stress for w in words if w.start < end and start < w.end), default=0.0)
    return own >= max(w.stress for w in words)


def written(path: Path, reader: TextReader | None = None) -> dict[str, dict[str, Agreement]]:
    """Agreement on the sentences of `path`: language -> phenomenon -> how many of how many, and "all" at the end."""
    reader = reader or TextReader()
    hits: dict[str, dict[str, list[bool]]] = {}
    for case in cases(path):
        hit = agrees(case, reader.read(case.text))
        for name in (case.phenomenon, "all"):
            hits.setdefault(case.language, {}).setdefault(name, []).append(hit)
    return {
        language: {name: Agreement(sum(by[name]), len(by[name])) for name in [*(n for n in by if n != "all"), "all"]}
        for language, by in hits.items()
    }


def on_corpora(folder: Path) -> dict[str, Any]:
    """The figures on the development files in `folder` (formats: animacy.train.read). Six minutes on one core.

    The shipped stress was trained on all sentences of its corpus. So "prominence" is of weights that are fitted here on the
    85 % which training keeps while measuring, and judged by the other 15 %; "prominence_shipped" has seen what it is judged by.
    Raises UsageError where a file is missing or is not in its format.
    """
    for name in _FILES:
        if not (folder / name).is_file():
            raise UsageError(f"--data {folder}: no {name} in it; needed {', '.join(_FILES)}")
    try:
        return _on_corpora(folder)
    except (ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
        raise UsageError(f"--data {folder}: a file is not in its format ({error})") from error


def _on_corpora(folder: Path) -> dict[str, Any]:
    from ..train import read as training

    feelings = Feelings()
    texts, labels = training.goemotions(folder / "goemotions_ekman_dev.tsv")
    found = np.array([[f.emotion[e] for e in EMOTIONS] for f in map(feelings.of, texts)], np.float32)
    f1, each = training.macro_f1(found == found.max(1, keepdims=True), labels)

    prose, mood = training.emobank(folder / "emobank_dev.csv")
    felt = np.array([[f.valence, f.excitement] for f in map(feelings.of, prose)])
    valence, arousal = (float(np.corrcoef(felt[:, i], mood[:, i])[0, 1]) for i in (0, 1))

    sentences = training.helsinki(folder / "helsinki_prosody_train.txt")
    states = training.word_states(sentences, None)
    kept, held = ([(sentences[i], states[i]) for i in part] for part in training.parted(len(sentences)))
    fitted = training.fit_stress([s for s, _ in kept], [h for _, h in kept], training.frequencies(folder))

    def figures(rates: Any, weights: Any) -> dict[str, float]:
        return training.stress_figures([s for s, _ in held], [h for _, h in held], rates, weights)

    apart = figures(*fitted)
    return {
        "emotion_macro_f1": round(f1, 4),
        "emotion_f1": dict(zip(EMOTIONS, each, strict=True)),
        "valence_pearson": round(valence, 4),
        "arousal_pearson": round(arousal, 4),
        "prominence": round(apart["right"], 4),
        "prominence_shipped": round(figures(*stress.load_weights())["right"], 4),
        "boundary_precision": round(apart["boundary precision"], 4),
        "boundary_recall": round(apart["boundary recall"], 4),
        "sentence_ms": round(milliseconds(prose[:200]), 2),
        "sentences": {"emotion": len(texts), "valence and arousal": len(prose), "prominence": len(held)},
    }


def milliseconds(texts: list[str]) -> float:
    """The median time of a processor to read one of the sentences in `texts`, all of the reader, once it is loaded. It reads on
    one core; what else the machine does counts little.
    """
    reader = TextReader()
    list(reader.read("This loads what is loaded late."))
    taken = []
    for text in texts:
        begin = time.process_time()
        sentences = list(reader.read(text))
        taken.append((time.process_time() - begin) / len(sentences))
    return 1000 * float(np.median(taken))
