"""Mandarin words -> Kokoro's phonemes: pinyin by phrase, readings by context, tone sandhi, then IPA with tone arrows.

Pinyin comes from pypinyin's phrase dictionary (MIT). The rules here settle what it leaves open: particles that are also
content words, single characters whose reading hangs on their neighbours, neutral tones and sandhi (Duanmu, The Phonology of
Standard Chinese, 2nd ed., chapters 2 and 11). Kokoro v1.0 marks tones with arrows behind the nucleus: → 1st, ↗ 2nd, ↓ 3rd,
↘ 4th, nothing for the neutral tone, and writes ts, tɕ and tʂ as ʦ, ʨ and ꭧ.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

_TONES = {1: "→", 2: "↗", 3: "↓", 4: "↘", 5: ""}
_INITIALS = {
    "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l",
    "g": "k", "k": "kʰ", "h": "x", "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "r": "ɻ", "z": "ʦ", "c": "ʦʰ", "s": "s",
}  # fmt: skip
_FINALS = {  # "0" marks where the tone goes
    "a": "a0", "o": "wo0", "e": "ɤ0", "ai": "ai0", "ei": "ei0", "ao": "au0",
    "ou": "ou0", "an": "a0n", "en": "ə0n", "ang": "a0ŋ",
    "eng": "ə0ŋ", "ong": "ʊ0ŋ", "i": "i0", "ia": "ja0", "ie": "je0", "iao": "jau0", "iou": "jou0", "iu": "jou0", "ian": "jɛ0n",
    "in": "i0n", "iang": "ja0ŋ", "ing": "i0ŋ", "iong": "jʊ0ŋ", "u": "u0", "ua": "wa0", "uo": "wo0", "uai": "wai0",
    "uei": "wei0", "ui": "wei0", "uan": "wa0n", "uen": "wə0n", "un": "wə0n", "uang": "wa0ŋ", "ueng": "wə0ŋ", "v": "y0",
    "ve": "ɥe0", "van": "ɥɛ0n", "vn": "y0n", "er": "ɚ0", "ê": "ɛ0", "io": "jɔ0",
}  # fmt: skip
_WHOLE = {"m": "m0", "n": "n0", "ng": "ŋ0", "hm": "hm0", "hng": "hŋ0", "o": "ɔ0", "r": "ɚ0"}

_PARTICLES = {
    "的": "de5", "了": "le5", "着": "zhe5", "们": "men5", "吗": "ma5", "呢": "ne5",
    "吧": "ba5", "啊": "a5", "呀": "ya5", "嘛": "ma5",
    "地": "de5", "得": "de5", "么": "me5", "个": "ge5", "哦": "o5", "啦": "la5", "哇": "wa5", "喽": "lou5",
}  # fmt: skip
_DIGITS = frozenset("零一二三四五六七八九十百千万亿两〇点第")
_VERBS_OF_OWING = "钱书债款给清你我他她它"
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Syllable:
    """One syllable: pinyin without tone (ü as v), tone 1..5 as it is spoken, and the index of its word."""

    pinyin: str
    tone: int
    word: int


def pronounce(words: Sequence[str], pauses: Sequence[bool]) -> list[str]:
    """Give each word its phonemes, in the order given; characters that are not Mandarin are passed over.

    words: what is said, e.g. ["银行", "行长"]; pauses: whether a pause follows each, over which no sandhi reaches.
    """
    said = [""] * len(words)
    for syllable in read(words, pauses):
        said[syllable.word] += spell(syllable)
    return said


def read(words: Sequence[str], pauses: Sequence[bool]) -> list[Syllable]:
    """The syllables of words that are said together, with the tones that are heard (after sandhi)."""
    spoken: list[Syllable] = []
    for start, end in _stretches(pauses, len(words)):
        text = "".join("".join(_HAN.findall(w)) for w in words[start:end])
        owner = [k for k in range(start, end) for _ in _HAN.findall(words[k])]
        pinyin = _pinyin(text, owner)
        syllables = [Syllable(p[:-1], int(p[-1]), k) for p, k in zip(pinyin, owner, strict=True)]
        spoken += _sandhi(syllables, text)
    return spoken


def spell(syllable: Syllable) -> str:
    """Kokoro's symbols for one syllable."""
    pinyin, tone = syllable.pinyin, _TONES[syllable.tone]
    if pinyin in _WHOLE:
        return _WHOLE[pinyin].replace("0", tone)
    erized = pinyin.endswith("r") and pinyin != "er"
    pinyin = pinyin.removesuffix("r") if erized else pinyin
    initial, final = _split(pinyin)
    if final == "i" and initial in {"zh", "ch", "sh", "r", "z", "c", "s"}:
        body = "ɨ0"
    else:
        body = _FINALS[final]
        if initial in {"b", "p", "m", "f"} and final == "o":
            body = "wo0"
    return _INITIALS.get(initial, "") + body.replace("0", tone) + ("ɚ" if erized else "")


def from_pinyin(text: str) -> str:
    """Kokoro's symbols for pinyin with tone numbers as they are to be heard, e.g. "chong2 qing4".

    Raises ValueError that names the first syllable that is none.
    """
    syllables = text.lower().replace("u:", "ü").split()
    said = ""
    for written in syllables:
        try:
            if not re.fullmatch("[a-zêü]{1,6}[1-5]", written):
                raise KeyError(written)
            said += spell(Syllable(written[:-1], int(written[-1]), 0))
        except (KeyError, IndexError):
            raise ValueError(f"{written!r} is no syllable of pinyin with its tone, such as qing4") from None
    if not said:
        raise ValueError("there is no syllable in it")
    return said


def _split(pinyin: str) -> tuple[str, str]:
    """Initial and full final of written pinyin: yi -> i, wu -> u, ju -> jü, liu -> liou."""
    if pinyin.startswith("y"):
        rest = pinyin[1:]
        if rest[0] == "u":
            return "", "v" + rest[1:]  # yu, yue, yuan, yun
        return "", rest if rest[0] == "i" else {"ou": "iou", "o": "io"}.get(rest, "i" + rest)
    if pinyin.startswith("w"):
        rest = pinyin[1:]
        return "", rest if rest == "u" else {"ei": "uei", "en": "uen"}.get(rest, "u" + rest)
    for initial in _INITIALS:
        if pinyin.startswith(initial):
            rest = pinyin[len(initial) :]
            if initial in {"j", "q", "x"} and rest.startswith("u"):
                rest = "v" + rest[1:]
            return initial, rest.replace("ü", "v")
    return "", pinyin


def _stretches(pauses: Sequence[bool], count: int) -> list[tuple[int, int]]:
    cuts = [0, *(i + 1 for i in range(count) if pauses[i]), count]
    return [(a, b) for a, b in pairwise(cuts) if a < b]


def _pinyin(text: str, owner: Sequence[int]) -> list[str]:
    """One numbered pinyin a character. Our phrases first, longest first; then the word's reading; then the context's."""
    from pypinyin import Style, lazy_pinyin

    phrases, neutral = _table("readings.txt"), _table("neutral.txt")
    result: list[str] = [""] * len(text)
    i = 0
    while i < len(text):
        end = i + 1
        while end < len(text) and owner[end] == owner[i]:
            end += 1
        word = text[i:end]
        got = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)
        if len(got) != len(word):
            got = [lazy_pinyin(c, style=Style.TONE3, neutral_tone_with_five=True)[0] for c in word]
        if len(word) > 1 and word in neutral:
            got[-1] = got[-1][:-1] + "5"
        result[i:end] = got
        for k in range(i, end):
            chosen = _by_context(text, k, k - i, len(word))
            if chosen:
                result[k] = chosen
        i = end
    for k in range(len(text)):
        for length in (4, 3, 2):
            phrase = phrases.get(text[k : k + length])
            # A phrase may join words, but not take the second half of one and the first half of the next.
            if phrase and len(phrase.split()) == length and k + length <= len(text) and _whole(owner, k, k + length):
                result[k : k + length] = phrase.split()
                break
    known = re.compile(r"^[a-zü]+[1-5]$")
    return [p if known.match(p) else "ə5" if not p else (p + "5" if known.match(p + "5") else "e5") for p in result]


def _whole(owner: Sequence[int], start: int, end: int) -> bool:
    """Whether start..end cuts no word at one of its edges, or lies within one word."""
    if owner[start] == owner[end - 1]:
        return True
    return (start == 0 or owner[start - 1] != owner[start]) and (end == len(owner) or owner[end] != owner[end - 1])


def _by_context(text: str, k: int, place: int, length: int) -> str:
    """The reading of a character that stands alone, or that the dictionary reads wrongly within a word; '' for the word's."""
    c = text[k]
    before, after = text[k - 1 : k], text[k + 1 : k + 2]
    alone = length == 1
    if c == "得":
        if (
            alone
            and (not before or before in "我你他她它们也就还都可总" or (after and after in "去走回赶快多好先"))
            and not (before in "跑走说做写唱跳长吃睡" and before)
        ):
            return "dei3"
        return (
            "de5"
            if alone
            or (place == length - 1 and length == 2 and before in "跑走说做写唱跳长吃睡玩干飞来过")
            or (0 < place < length - 1 and length >= 3)
            else ""
        )
    if c == "地":
        return "de5" if alone and before and after and after not in "上下里面是" else ""
    if c == "了":
        return (
            "le5"
            if alone or (place == length - 1 and before not in "不为" and length > 1 and text[k - 1 : k + 1] not in {"明了"})
            else ""
        )
    if c == "着":
        return "zhe5" if alone and before else ""
    if c == "还" and alone:
        return (
            "huan2"
            if after
            and after in _VERBS_OF_OWING
            and after != ""
            and not (after in "你我他她它给清" and before and before in "我你他")
            else "hai2"
        )
    if not alone:
        return _PARTICLES[c] if c == "们" else ""
    for reading, befores, afters in _characters().get(c, ()):
        if (not befores or (before and before in befores)) and (not afters or (after and after in afters)):
            return reading
    return _PARTICLES.get(c, "") if before else ""


def _sandhi(syllables: list[Syllable], text: str) -> list[Syllable]:
    """Tones as they are heard: 一 and 不 first, then the third tone, inside words and then across them from the right."""
    tones = [s.tone for s in syllables]
    count = len(tones)
    for i, c in enumerate(text):
        after = tones[i + 1] if i + 1 < count else 0
        before_c, after_c = text[i - 1 : i], text[i + 1 : i + 2]
        if c == "不" and syllables[i].pinyin == "bu":
            if 0 < i < count - 1 and before_c == after_c:
                tones[i] = 5
            elif after == 4 and tones[i] != 5:
                tones[i] = 2
        elif c == "一" and syllables[i].pinyin == "yi":
            if before_c and before_c == after_c and before_c not in _DIGITS:
                tones[i] = 5
            elif (
                (before_c and before_c in _DIGITS)
                or not after_c
                or (after_c in _DIGITS and after_c not in "百千万亿点")
                or after_c in "月号楼"
            ):
                tones[i] = 1
            elif tones[i] != 5:
                tones[i] = 2 if after == 4 or after_c == "个" else 4
    spans: list[tuple[int, int]] = []
    i = 0
    while i < count:
        end = i + 1
        while end < count and syllables[end].word == syllables[i].word:
            end += 1
        spans.append((i, end))
        i = end
    for start, end in spans:
        if end - start == 3 and tones[start:end] == [3, 3, 3]:
            # 展览馆 (2+1): 2 2 3; 小老虎 (1+2): 3 2 3
            tones[start:end] = [3, 2, 3] if text[start] in "小老好很纸" else [2, 2, 3]
        else:
            for k in range(end - 2, start - 1, -1):
                if tones[k] == 3 and tones[k + 1] == 3:
                    tones[k] = 2
    for (_, end), _next in zip(reversed(spans[:-1]), reversed(spans[1:]), strict=True):
        if tones[end - 1] == 3 and tones[end] == 3:
            tones[end - 1] = 2
            start = next(a for a, b in spans if b == end)
            if end - start >= 2 and tones[end - 2] == 3:
                tones[end - 2] = 2
    return [Syllable(s.pinyin, t, s.word) for s, t in zip(syllables, tones, strict=True)]


@functools.cache
def _table(name: str) -> dict[str, str]:
    """A tab-separated table of this package; its first line is a comment."""
    lines = files(__package__).joinpath("tables", name).read_text(encoding="utf-8").splitlines()[1:]
    return {key: value for key, _, value in (line.partition("\t") for line in lines)}


@functools.cache
def _characters() -> dict[str, list[tuple[str, str, str]]]:
    """Per character, in order: a reading, and the characters of which one has to stand before and behind it (or none)."""
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for line in files(__package__).joinpath("tables", "characters.txt").read_text(encoding="utf-8").splitlines()[1:]:
        c, reading, befores, afters = line.split("\t")
        rows.setdefault(c, []).append((reading, befores, afters))
    return rows
