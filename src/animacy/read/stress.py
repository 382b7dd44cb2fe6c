"""How much each word stands out, 0..1; a half and more is what a listener would call stressed.

English: a small network over what is known of the word and its neighbours and what the sentence encoder makes of it, trained on
read speech (MODEL.md). Mandarin: rules
on the part of speech, as there is no free corpus of Mandarin prominence; content words stand out, particles do not, focus
words pass their weight to what follows. In both, what is in focus (focus.py) stands out, what was said in the sentences before
steps back, and the writer's own emphasis (capitals, *asterisks*) wins.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ..types import Language
from .encoder import WIDTH, Encoded
from .feeling import head
from .focus import BEHIND, DEMONSTRATIVES, focused, narrowed
from .script import word_set
from .words import Token

Array = NDArray[np.float32]

LOUD = 0.92  # at least, of a word that the writer marked
UNMARKED = 0.7  # the most stress of words beside one that the writer marks
GIVEN = 0.75  # share of its stress that a word keeps that was said in the sentences before
PER_WORD = 8
WINDOW = 2
FEATURES = PER_WORD * (2 * WINDOW + 1) + 6
INPUTS = FEATURES + WIDTH

Rates = Mapping[str, tuple[float, float]]
"""Word (or "-" and its last three letters) -> (log-odds of being prominent, log of how often it was seen)."""

# Jieba's tags: particles, prepositions, conjunctions, pronouns, measure words, directions and auxiliaries are light.
_LIGHT = {"u": 0.08, "y": 0.08, "k": 0.08, "p": 0.18, "c": 0.2, "r": 0.25, "q": 0.2, "f": 0.25, "e": 0.5, "o": 0.6, "x": 0.3}
_HEAVY = {
    "n": 0.6,
    "v": 0.48,
    "a": 0.66,
    "d": 0.45,
    "m": 0.55,
    "t": 0.55,
    "s": 0.5,
    "i": 0.7,
    "l": 0.65,
    "z": 0.65,
    "b": 0.55,
    "j": 0.6,
}
_LIGHT_WORDS = word_set(
    "是 有 在 了 着 过 的 地 得 吗 呢 吧 啊 呀 嘛 就 也 都 还 会 能 要 把 被 给 让 说 去 来 到 "
    "上 下 里 中 和 与 我 你 他 她 它 们 我们 你们 他们 她们 这 那 一个 个 很"
)
_FOCUS = word_set(
    "只 才 就 连 最 不是 而是 只有 就是 绝对 绝 根本 从来 居然 竟然 终于 甚至 更 太 真 真是 非常 特别 "
    "极其 千万 必须 一定 没有 不 别 谁 什么 怎么 为什么 哪里 几"
)


def stresses(words: Sequence[Token], language: Language, states: Array, given: Collection[str] = ()) -> list[float]:
    """The stress of each word of a sentence.

    states: [N, WIDTH] float32, as `states_of` gives them. `given` holds the words (as `content` gives them) that were said just
    before.
    """
    weights = _english(words, states) if language == "en" else _mandarin(words)
    if given:
        weights = [w * GIVEN if key_of(word) in given else w for w, word in zip(weights, words, strict=True)]
    if any(word.loud for word in words):
        weights = _signed(weights, words)
    else:
        weights = narrowed(weights, focused(words, language), words)
    if max(weights) < 0.5:  # every sentence has a peak: its last word that is not light, else its heaviest
        weights[max(range(len(words)), key=lambda i: (weights[i] > 0.25, weights[i] + 0.01 * i))] = 0.6
    return weights


def _signed(weights: Sequence[float], words: Sequence[Token]) -> list[float]:
    """The stresses of a sentence in which the writer marks words: the others step back, most of all those behind."""
    found, behind = [], False
    for weight, word in zip(weights, words, strict=True):
        found.append(max(LOUD, weight) if word.loud else min(weight, UNMARKED) * (BEHIND if behind else 1.0))
        behind = (behind or word.loud) and not word.after
    return found


def states_of(encoded: Encoded, text: str, spans: Sequence[tuple[int, int]]) -> Array:
    """[N, WIDTH] float32: the mean state of the pieces of each word, which stands at its span of `text`; the sentence's, where
    the encoder saw none of it. What was encoded is `text` with other white space, and without signs of emphasis, at most.
    """
    ink, own = _ink(text), _ink(encoded.text)
    begins, ends = own[encoded.spans[:, 0]], own[encoded.spans[:, 1]]
    found = np.zeros((len(spans), WIDTH), np.float32)
    if not len(encoded.states):  # of some signs the encoder knows no piece
        return found
    for k, (start, end) in enumerate(spans):
        inside = (begins < ink[end]) & (ends > ink[start])
        found[k] = (encoded.states[inside] if inside.any() else encoded.states).mean(0)
    return found


def _ink(text: str) -> NDArray[np.int64]:
    """How many characters that are printed, signs of emphasis aside, stand before each place of `text`, and in all of it."""
    return np.cumsum([0, *(c.isprintable() and c not in " *_" for c in text)])


def inputs(words: Sequence[Token], states: Array) -> Array:
    """What the networks of stress.npz see of an English sentence: [N, INPUTS] float32."""
    rates, _ = load_weights()
    return np.concatenate([features([_key(w) for w in words], [w.after for w in words], rates), states], axis=1)


def _english(words: Sequence[Token], states: Array) -> list[float]:
    weights = [float(p) for p in probabilities(inputs(words, states), load_weights()[1], "stress")]
    _compounds(words, weights)
    for i, word in enumerate(words):
        if word.kind in ("number", "letters", "address") or (word.language == "zh" and len(word.text) > 1):
            weights[i] = max(weights[i], 0.55)
        elif word.kind == "symbol":
            weights[i] = min(weights[i], 0.2)
    return weights


# Of two nouns with these as the second the first is stressed (Giegerich 2004, "Compound or phrase?"): vehicles, rooms,
# containers and tools made for something, agents. Not what the corpus shows to go either way: an elm tree, the kitchen door.
_HEADS = word_set(
    "van truck bus bike station shop store office room pool bag box cup pot bottle basket card ticket machine engine brush "
    "knife alarm bell cream juice driver player dealer keeper maker"
)
_MADE_FOR = word_set("room pool machine bag pot card")  # a waiting room, a washing machine
_NO_FIRST = word_set(  # no nouns, or ones that say what a thing is made of: a GLASS BOX
    "the this that these those not but two three four five six seven eight nine ten half must whose our your his her its my "
    "their new old young good bad big small large little long short high low tall wide great nice fine early late fast slow "
    "hot cold warm cool dry wet clean dirty dark bright red blue green yellow black white brown grey gray pink purple "
    "orange open closed empty full busy quiet loud heavy strong weak soft hard poor rich cheap free public private whole "
    "main own same other last next first second third few many several some any each every another all both such rare "
    "strange broken wrong right left front back local happy sad angry pretty ugly lovely funny tiny huge lucky deep plain "
    "simple round square flat thin thick sharp sweet sour bitter fresh wild safe real true false favourite favorite only "
    "extra modern secret superior one over under behind after before iron glass metal steel gold silver plastic paper "
    "leather stone brick cotton silk velvet marble tin clay cardboard"
)
_ADJECTIVAL = re.compile(r".{2,}(?:ous|ful|less|able|ible|ive|ish|ly|ical|est|'s|s'|ed)$")
COMPOUND = 0.08  # so much less than its first part has the rest of a compound


def _compounds(words: Sequence[Token], weights: list[float]) -> None:
    """The first part of a compound is its peak: an ICE cream van, a BUS station."""
    first = -1  # where the compound that ends before word i begins
    for i in range(1, len(words)):
        key, before = words[i].text.lower(), words[i - 1].text.lower()
        head = key if key in _HEADS else key[:-1]  # buses are left out, vans are not
        noun = (
            head in _HEADS
            and not words[i - 1].after
            and words[i - 1].kind == "word"
            and before.isalpha()
            and len(before) > 2
            and weights[i - 1] >= 0.4  # what is light is no noun
            and before not in _NO_FIRST
            and not _ADJECTIVAL.match(before)
            and (not before.endswith("ing") or head in _MADE_FOR)
        )
        if not noun:
            first = -1
            continue
        first = i - 1 if first < 0 else first
        peak = max(weights[first : i + 1])
        weights[first] = peak
        for k in range(first + 1, i + 1):
            weights[k] = min(weights[k], peak - COMPOUND)


def content(words: Sequence[Token], weights: Sequence[float]) -> set[str]:
    """The words of a sentence that the next ones may take as given: what stood out, without plural's s."""
    return {key_of(word) for word, weight in zip(words, weights, strict=True) if weight >= 0.45 and len(key_of(word)) > 1}


def key_of(word: Token) -> str:
    key = word.text.lower()
    return key[:-1] if len(key) > 3 and key.endswith("s") and not key.endswith("ss") else key


def _key(word: Token) -> str:
    """What the table knows the word by: what is said, where something else is said than written."""
    spoken = word.spoken.lower().replace("’", "'")
    return spoken.rsplit(" ", 1)[-1] if " " in spoken else spoken


def features(words: Sequence[str], after: Sequence[str], rates: Rates) -> Array:
    """[N, FEATURES] float32 for the words of a sentence, in lower case, with the punctuation after each."""
    return context([rate_of(w, rates) for w in words], words, after)


def rate_of(word: str, rates: Rates) -> tuple[float, float, float]:
    """The word's log-odds, how often it was seen (log), and the log-odds of words that end alike."""
    odds, seen = rates.get(word, (math.nan, 0.0))
    ending, _ = rates.get("-" + word[-3:], (0.3, 0.0))
    return (ending if math.isnan(odds) else odds), seen, ending


def context(known: Sequence[tuple[float, float, float]], words: Sequence[str], after: Sequence[str]) -> Array:
    """[N, FEATURES] float32: each word and its two neighbours on either side, and its place in the sentence."""
    n = len(words)
    alone = np.zeros((n + 2 * WINDOW, PER_WORD), np.float32)
    alone[:WINDOW, 7] = alone[n + WINDOW :, 7] = 1  # outside the sentence
    seen: dict[str, int] = {}
    repeated = [seen.setdefault(w, i) < i for i, w in enumerate(words)]
    for i, ((odds, count, ending), word) in enumerate(zip(known, words, strict=True)):
        alone[i + WINDOW] = (
            odds,
            count,
            ending,
            min(len(word), 14) / 7,
            bool(after[i]),
            after[i] in (".", "?", "!", "…"),
            repeated[i],
            0,
        )
    place = np.array(
        [
            [
                i == 0,
                i == n - 1,
                i / max(n - 1, 1),
                math.log1p(n) / 3,
                math.log1p(_since(after, i)) / 2,
                math.log1p(_until(after, i)) / 2,
            ]
            for i in range(n)
        ],
        np.float32,
    ).reshape(n, 6)
    return np.concatenate([*(alone[k : k + n] for k in range(2 * WINDOW + 1)), place], axis=1)


def _since(after: Sequence[str], i: int) -> int:
    """Words since the latest punctuation before word i."""
    return next((k for k in range(i) if after[i - 1 - k]), i)


def _until(after: Sequence[str], i: int) -> int:
    """Words until the next punctuation after word i."""
    return next((k for k in range(len(after) - i) if after[i + k]), len(after) - i)


def probabilities(x: Array, weights: Mapping[str, Array], name: str) -> Array:
    """[N] float32 of the N words in `x`: how likely each is prominent ("stress") or has a boundary behind it ("boundary")."""
    logits = head(x, weights, name)
    return np.asarray(1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), np.float32)


def _mandarin(words: Sequence[Token]) -> list[float]:
    weights = []
    for i, word in enumerate(words):
        if word.language == "en":
            weight = 0.62
        elif word.kind == "number":
            weight = 0.58
        elif word.kind == "symbol" or word.text in _LIGHT_WORDS:
            weight = 0.15
        else:
            tag = "r" if word.text[0] in DEMONSTRATIVES and word.tag[:1] == "m" else word.tag[:1]  # 这件 points
            if tag == "r" and word.text[0] == "本" and i and (words[i - 1].kind == "number" or words[i - 1].tag[:1] == "m"):
                tag = "n"  # 三|本书, as the dictionary parts it
            weight = _LIGHT.get(tag, _HEAVY.get(tag, 0.5))
            weight += 0.04 * min(len(word.text) - 1, 3)
        if word.text in _FOCUS:
            weight = max(weight, 0.55)
        elif i and words[i - 1].text in _FOCUS and weight > 0.3:
            weight += 0.15
        # The end of a clause carries the new thing.
        content = weight > 0.4
        last = i == len(words) - 2 and words[-1].tag[:1] in ("u", "y")  # but for a particle
        if content and (word.after or last):
            weight += 0.1
        if any(words[k].text == word.text for k in range(i)) and word.text not in _FOCUS:
            weight -= 0.12  # said before
        weights.append(min(max(weight, 0.05), 0.95))
    return weights


@lru_cache(maxsize=1)
def load_weights() -> tuple[dict[str, tuple[float, float]], dict[str, Array]]:
    with resources.files("animacy.read").joinpath("stress.npz").open("rb") as file, np.load(file, allow_pickle=False) as loaded:
        table = zip(str(loaded["words"]).split("\n"), loaded["odds"].tolist(), loaded["seen"].tolist(), strict=True)
        rates = {word: (odds, seen) for word, odds, seen in table}
        names = ("mean", "scale", *(n for n in loaded.files if n.startswith(("stress_", "boundary_"))))
        return rates, {name: loaded[name].astype(np.float32) for name in names}
