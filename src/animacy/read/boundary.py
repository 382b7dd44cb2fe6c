"""How strong the boundary behind each word is, 0..1: from PAUSED on a voice pauses, from FELT on the word is drawn out.

Punctuation says most of it. Where none stands: English by a network that learned where readers part a sentence (MODEL.md),
helped where a long subject ends and where a clause begins; Mandarin by rules on particles, conjunctions and jieba's tags, as
there is no free corpus. What is short is not parted, and pauses keep apart: phrases of a few words are of one breath (Gee and
Grosjean 1983, "Performance structures").
"""

from __future__ import annotations

from collections.abc import Sequence

from ..types import Language
from .script import word_set
from .stress import Array, inputs, load_weights, probabilities
from .words import Token

LEAST, FELT, PAUSED = 0.2, 0.3, 0.5
MOST = 0.65  # of a boundary that no punctuation marks; a comma's is 0.7
_MARKS = {"": 0.0, ",": 0.7, "—": 0.8, ";": 0.85, ":": 0.85, ".": 1.0, "?": 1.0, "!": 1.0, "…": 1.0}


def boundaries(words: Sequence[Token], language: Language, states: Array) -> list[float]:
    """The boundary behind each word of a sentence. states: [N, WIDTH] float32, as `stress.states_of` gives them."""
    found = _english(words, states) if language == "en" else _mandarin(words)
    sizes = [1 if language == "en" else len(w.text) for w in words]
    found = _spaced(found, words, sizes, 2, 2 if language == "en" else 3, FELT)
    found = _spaced(found, words, sizes, 3, 4, PAUSED)
    found = [min(b, MOST) if b > LEAST else 0.0 for b in found]
    return [_MARKS.get(w.after, 0.7) if w.after else b for b, w in zip(found, words, strict=True)]


def _spaced(found: list[float], words: Sequence[Token], sizes: list[int], edge: int, apart: int, least: float) -> list[float]:
    """Boundaries of `least` and more keep `edge` from punctuation and `apart` from each other, in what `sizes` counts: the
    stronger stays, the others come out below `least`.
    """
    ends = [sum(sizes[: i + 1]) for i in range(len(words))]
    stops = [0, *(end for end, w in zip(ends, words, strict=True) if w.after), ends[-1]]
    kept: list[int] = []
    found = list(found)
    for i in sorted(range(len(words)), key=lambda i: -found[i]):
        if found[i] < least or words[i].after:
            continue
        if min(abs(ends[i] - s) for s in stops) < edge or any(abs(ends[i] - k) < apart for k in kept):
            found[i] = least - 0.05
        else:
            kept.append(ends[i])
    return found


# --- English -------------------------------------------------------------------------------------------------------------

_OPENERS = word_set(
    "and but or so because although though while when whenever whereas if unless until before after since which who where"
)
_FINITE = word_set(
    "is are was were has have had does do did will would can could shall should may might must isn't aren't wasn't weren't "
    "hasn't haven't hadn't doesn't don't didn't won't wouldn't can't couldn't"
)
_FRONTED = word_set("if when whenever while because although though since unless until after before once as")
_PROCLITIC = word_set(  # lean on what follows
    "a an the my your his her its our their this that these those of to in on at by for from with as and but or if than "
    "i you he she it we they who which is are was were be been am has have had do does did will would can could shall should "
    "may might must not very so too no"
)
_ASKING = word_set("what who whom which where when why how do does did is are was were can could will would")
SUBJECT, CLAUSE = 0.12, 0.06  # added where a long subject ends, where a clause begins
_LONG = 4  # words of a subject


def _english(words: Sequence[Token], states: Array) -> list[float]:
    learned = probabilities(inputs(words, states), load_weights()[1], "boundary")
    keys = [w.text.lower().replace("’", "'") for w in words]
    found = []
    start = 0  # of the clause, as far as marks and conjunctions tell
    for i, (word, weight) in enumerate(zip(words, map(float, learned), strict=True)):
        following = keys[i + 1] if i + 1 < len(keys) else ""
        if keys[i] in _PROCLITIC:
            weight = min(weight, LEAST)
        elif weight > LEAST:
            if following in _FINITE and i - start + 1 >= _LONG and keys[start] not in _ASKING:
                weight += SUBJECT
            elif following in _OPENERS or (keys[start] in _FRONTED and i - start + 1 >= _LONG):
                weight += CLAUSE
        found.append(weight)
        if word.after or following in ("and", "but", "or", "so", "because"):
            start = i + 1
    return found


# --- Mandarin ------------------------------------------------------------------------------------------------------------

_JOINTS = word_set(
    "但 但是 可是 不过 然而 而且 并且 所以 因此 因为 由于 于是 然后 后来 结果 虽然 尽管 如果 要是 除非 否则 以便 直到 "
    "反而 甚至 以及 却"
)
_OPENING = word_set("如果 要是 假如 只要 只有 除非 虽然 尽管 既然 因为 由于 即使 就算 不管 无论 每当 当 自从 等")
_ANSWERING = word_set("就 才 还是 还 也 都 却 总 便 仍然 所以 那么 那")
_CLOSING = word_set("时 时候 之后 以后 之前 以前 的话 期间 之际 以来")
_PLACED = word_set("里 上 下 中 内 外 前 后 旁边 旁 门口 附近 里面 上面 下面 外面 前面 后面")
_TAKES = ("v", "d", "t", "p", "a", "r")  # tags that a predicate, or its time and place, may begin with
_TOGETHER = word_set("一起 一块 一同 共同")  # jieba takes some for numbers
_PERSONS = word_set("我 你 您 他 她 我们 你们 他们 她们 咱们")
_FAR = 6  # characters of a subject or topic that is parted from what is said of it


def _mandarin(words: Sequence[Token]) -> list[float]:
    found = [0.0] * len(words)
    keys = [w.text for w in words]
    start = 0
    for i in range(len(words) - 1):
        if words[i].after:
            start = i + 1
            continue
        said = sum(len(k) for k in keys[start : i + 1])  # so far in the clause
        following, tag, next_tag = keys[i + 1], words[i].tag[:1], words[i + 1].tag[:1]
        weight = 0.0
        if following in _JOINTS:
            weight = 0.56
        elif keys[i] in _CLOSING and said >= 4:  # 下雨的时候|, 吃完饭以后|
            weight = 0.55
        elif i > start and _answered(words, keys, start, i):
            weight = 0.54
        elif following in _PERSONS and keys[start][0] in "这那" and said >= 3 and tag in ("n", "r") and keys[i] not in _PERSONS:
            weight = 0.45  # 这本书|我看过
        elif (
            (tag in ("n", "s", "f") or keys[i] in _PERSONS)
            and (next_tag in _TAKES or following in _TOGETHER)
            and following not in ("的", "之")
        ):
            inside = keys[start : i + 1]
            beginning = tag != "r" and not any(w.tag[:1] == "v" for w in words[start : i + 1])
            if said >= _FAR and "的" in inside and _heads(keys, words, start, i):  # 住在楼上的小男孩|每天...
                weight = 0.52
            elif beginning and (said >= _FAR + 2 or (said >= _FAR and following in ("是", "在", "也", "都"))):
                weight = 0.5
            elif keys[i] in _PLACED and inside[0] in ("在", "从") and said >= 4:  # 在公园门口|他...
                weight = 0.45
        elif tag == "t" and i + 1 - start <= 3 and said >= 4 and next_tag not in ("t", "u", "f", "m"):  # 昨天晚上|
            weight = 0.4
        found[i] = weight
        if weight >= PAUSED:
            start = i + 1
    return found


def _answered(words: Sequence[Token], keys: Sequence[str], start: int, i: int) -> bool:
    """Whether the clause that 如果 or 因为 opened ends behind word i: 就, 还是 or a pronoun with one of them follows."""
    if keys[start] not in _OPENING and not (start + 1 < i and keys[start + 1] in _OPENING):
        return False
    rest = list(keys[i + 1 : i + 3])
    pronoun = words[i + 1].tag[:1] == "r" and words[i].tag[:1] not in ("p", "c", "r", "u")
    return (rest[0] in _ANSWERING and words[i].tag[:1] != "r") or (pronoun and len(rest) > 1 and rest[1] in _ANSWERING)


def _heads(keys: Sequence[str], words: Sequence[Token], start: int, i: int) -> bool:
    """Whether word i is the noun that 的 leads up to, and a verb or a long phrase stands before it: no mere 我的书."""
    last = max(k for k in range(start, i + 1) if keys[k] == "的")
    before = sum(len(k) for k in keys[start:last])
    return 0 < i - last <= 3 and before >= 3 and all(w.tag[:1] not in ("v", "d") for w in words[last + 1 : i + 1])
