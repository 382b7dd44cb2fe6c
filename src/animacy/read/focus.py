"""What a sentence is about: words in contrast, what focus words point at, and words that are strong by themselves.

After Rooth (1992), "A theory of focus interpretation", focus evokes alternatives. Where the text names the alternative ("tea,
not coffee") the two are found by what the clauses share; else by the particles that associate with focus (Koenig 1991, "The
meaning of focus particles"; for Mandarin Paris 1979 on lian...dou, Paul and Whitman 2008 on shi...de). What is not in focus
steps back: English and Mandarin both narrow what follows a focus (Xu 1999, "Effects of tone and focus").
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .script import word_list, word_set
from .words import Token

ASSERTED, REJECTED, POINTED, STRONG = 0.94, 0.86, 0.9, 0.86
"""Stress of the word that holds in a contrast, of the one that does not, of what a particle points at, of a strong word."""
BESIDE = 0.05  # so much less than the focus everything that is not in focus has
BEHIND = 0.8  # share of its stress that a word keeps behind what holds in a contrast, in its clause


def focused(words: Sequence[Token], language: str) -> dict[int, float]:
    """The words in focus with the stress of each; empty where nothing tells."""
    return _english(words) if language == "en" else _mandarin(words)


def narrowed(weights: Sequence[float], focus: dict[int, float], words: Sequence[Token]) -> list[float]:
    """The stresses of a sentence with its foci: they stand out, what is beside and behind them steps back."""
    if not focus:
        return list(weights)
    cap = min(max(focus.values()) - BESIDE, min(focus.values()) - 0.01)
    found = []
    behind = False
    for i, (weight, word) in enumerate(zip(weights, words, strict=True)):
        if i in focus:
            found.append(focus[i])
            behind = focus[i] >= ASSERTED
        else:
            found.append(min(weight, cap) * (BEHIND if behind else 1.0))
        behind = behind and not word.after
    return found


def _clauses(words: Sequence[Token], openers: frozenset[str]) -> list[range]:
    """Stretches between punctuation, or before a conjunction that opens one."""
    found, start = [], 0
    for i, word in enumerate(words):
        if i > start and word.text.lower() in openers:
            found.append(range(start, i))
            start = i
        if word.after:
            found.append(range(start, i + 1))
            start = i + 1
    return [*found, range(start, len(words))] if start < len(words) else found


def _fields(text: str) -> dict[str, str]:
    """Word -> its field, for lines of words that are alternatives to each other."""
    return {word: line for line in text.strip().splitlines() for word in word_list(line)}


# --- English -------------------------------------------------------------------------------------------------------------

_FIELD = _fields(
    """
one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand million
first second third fourth fifth last next
monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays
january february march april june july august september october november december
yesterday today tomorrow tonight
morning afternoon evening night noon midnight
second seconds minute minutes hour hours day days week weeks month months year years
north south east west
left right straight
red blue green yellow black white brown grey gray pink purple orange
in on under over above below behind beside inside outside near at into onto beneath
before after during until since
with without
for against
to from
up down
big small large little tall short long huge tiny
old new young
good bad better worse
i you he she we they
me him her us them
my your his our their
mine yours hers ours theirs
here there
this that these those
always never sometimes often rarely
"""
)
_ARTICLES = word_set("a an the")
_SUBJECTS = word_set("i you he she it we they this that who")
_POSSESSIVES = word_set("my your his her its our their")
_OWN = word_set("mine yours his hers ours theirs")
_AUXILIARIES = word_set(
    "am is are was were be been being do does did have has had can could will would shall should may might must"
)
_TAKEN_UP = word_set("it's he's she's they're that's")  # the subject of the clause before
_ANAPHORS = word_set("it them him one ones so")
_LIGHT = (
    _ARTICLES | _SUBJECTS | _POSSESSIVES | _AUXILIARIES | _ANAPHORS
    | word_set("of")
    | word_set("to in on at by for from with and or but as if than then there me us not just only even too very so that's it's")
)  # fmt: skip
_BEFORE_NOUN = word_set(
    "first last next same other own few best worst most little small big old new young good bad great long short whole single"
)
_PARTICLES = word_set("only even merely solely especially particularly just")
_STRONG = word_set("never nobody nothing none nowhere neither everybody everyone everything twice thrice both")
_REFLEXIVES = word_set("myself yourself himself herself itself ourselves yourselves themselves")
_DEGREES = word_set("very so really extremely absolutely utterly quite terribly incredibly truly")
_BUT = word_set("but")
_NO_ALL = word_set("at after above")


def _negated(word: str) -> bool:
    return word in ("not", "never", "cannot") or word.endswith("n't")


def _english(words: Sequence[Token]) -> dict[int, float]:
    keys = [w.text.lower().replace("’", "'") for w in words]
    clauses = _clauses(words, _BUT)
    focus: dict[int, float] = {}
    _contrasts(keys, clauses, focus)
    _answers(keys, clauses, focus)
    _possessors(keys, clauses, focus)
    _pointed(keys, words, clauses, focus)
    if not focus:
        asked = words[-1].after == "?"
        for i, _ in enumerate(keys):
            if _strong(keys, words, i, asked):
                focus[i] = STRONG
    return focus


def _contrasts(keys: list[str], clauses: list[range], focus: dict[int, float]) -> None:
    """X, not Y; not X but Y; it isn't X, it's Y; X instead of Y; she bought it, she didn't rent it."""
    for before, clause in pairwise(clauses):
        own = [keys[i] for i in clause]
        others = [keys[i] for i in before]
        if own[0] in ("not", "never") or (own[0] == "and" and own[1:2] == ["not"]):
            _oppose(keys, range(before.start, clause.start), clause, focus, last=True)
        elif any(map(_negated, own[1:3])) and own[0] in others and own[0] in _SUBJECTS and not any(map(_negated, others)):
            _oppose(keys, before, clause, focus, last=False)
        elif any(map(_negated, others)) and (
            (own[0] == "but" and "not" in others and len(own) > 1 and own[1] not in _SUBJECTS)
            or (_bare(own[0]) == _bare(others[0]) and _bare(own[0]) in _SUBJECTS and own[0] != "i")
            or (own[0] in _TAKEN_UP and len(own) < 5)
        ):
            start = next(i for i in before if _negated(keys[i]))
            _oppose(keys, clause, range(start, before.stop), focus, last=True)
    for i in range(1, len(keys) - 2):
        if (keys[i], keys[i + 1]) in (("instead", "of"), ("rather", "than")):
            clause = next(c for c in clauses if i in c)
            _oppose(keys, range(clause.start, i), range(i + 2, clause.stop), focus, last=True)


def _bare(word: str) -> str:
    return word.split("'")[0]


def _oppose(keys: list[str], holds: Sequence[int], denied: Sequence[int], focus: dict[int, float], last: bool) -> None:
    """Find what in `denied` is new, and what in `holds` it stands against: of one field, else between the same neighbours."""
    said = {keys[i] for i in holds}
    line = [i for i in denied if not _negated(keys[i]) and keys[i] not in ("and", "but", "do", "does", "did")]
    new = [i for i in line if keys[i] not in said and keys[i] not in _ARTICLES | _ANAPHORS]
    pairs = []
    for at in new:
        k = line.index(at)
        left = keys[line[k - 1]] if k else ""
        right = keys[line[k + 1]] if k + 1 < len(line) else ""
        own = [i for i in holds if _FIELD.get(keys[i], keys[i]) == _FIELD.get(keys[at], "")]
        beside = [i for i in holds if i - 1 in holds and left and keys[i - 1] == left]
        beside += [i for i in holds if i + 1 in holds and right and keys[i + 1] == right]
        beside = [i for i in beside if keys[i] not in _ARTICLES and keys[i] not in {keys[j] for j in line}]
        if own or beside:
            pairs.append(((own or beside)[-1], at))
    heavy = [i for i in holds if keys[i] not in _LIGHT and not _negated(keys[i])]
    if not pairs and last and heavy and (rest := [i for i in new if keys[i] not in _LIGHT]):
        pairs = [(heavy[-1], rest[-1])]
    for held, other in pairs:
        focus[held] = ASSERTED
        focus.setdefault(other, REJECTED)


def _answers(keys: list[str], clauses: list[range], focus: dict[int, float]) -> None:
    """A clause of a subject and an auxiliary alone: "he did" stresses who, "I can" whether, where who was said before."""
    for before, clause in pairwise(clauses):
        own = [i for i in clause if keys[i] not in ("but", "and", "yes", "no", "so")]
        if len(own) == 2 and keys[own[0]] in _SUBJECTS and (keys[own[1]] in _AUXILIARIES or _negated(keys[own[1]])):
            same = keys[own[0]] in {keys[i] for i in before}
            focus[own[1 if same else 0]] = REJECTED if focus else ASSERTED


def _possessors(keys: list[str], clauses: list[range], focus: dict[int, float]) -> None:
    """Yours ... mine: the owners are set against each other."""
    found = [i for i, key in enumerate(keys) if key in _OWN]
    parted = [i for i in found if next(c for c in clauses if i in c) != next(c for c in clauses if found[0] in c)]
    if parted and keys[parted[0]] != keys[found[0]]:
        focus[found[0]], focus[parted[0]] = ASSERTED, REJECTED


def _pointed(keys: list[str], words: Sequence[Token], clauses: list[range], focus: dict[int, float]) -> None:
    """only Anna, even the children; "I only want coffee" points past the verb to the end of the clause."""
    for clause in clauses:
        for i in clause:
            if keys[i] not in _PARTICLES or words[i].after or i + 1 not in clause:
                continue
            rest = range(i + 1, clause.stop)
            before = keys[i - 1] if i > clause.start else ""
            counted = words[rest[0]].kind == "number" or "three" in _FIELD.get(keys[rest[0]], "")
            if keys[i] == "just" and not counted and keys[rest[0]] not in ("a", "an", "the"):
                continue
            if keys[rest[0]] in ("if", "when", "though", "because", "so", "then", "as"):
                continue
            if before in _SUBJECTS and not counted and keys[rest[0]] not in _ARTICLES:
                heavy = [k for k in rest if keys[k] not in _LIGHT]
                chosen = heavy[-1:]
            else:
                chosen = []
                for k in rest:
                    if keys[k] in _LIGHT and chosen:
                        break
                    if keys[k] not in _LIGHT:
                        chosen = [k]
                        if not (
                            keys[k] in _BEFORE_NOUN or keys[k].endswith("est") or words[k].kind == "number" or keys[k] in _FIELD
                        ):
                            break
            for k in chosen:
                focus.setdefault(k, POINTED)


def _strong(keys: list[str], words: Sequence[Token], i: int, asked: bool) -> bool:
    """Words that are stressed for what they are: none, all, twice; a final too; not where it could be n't; DO believe."""
    key, before = keys[i], keys[i - 1] if i else ""
    after = keys[i + 1] if i + 1 < len(keys) and not words[i].after else ""
    if key in _STRONG:
        return not (key == "both" and not after)
    if key == "all":
        return before not in _NO_ALL and after not in ("right", "but", "")
    if key in ("too", "either"):
        return bool(words[i].after) and i > 1
    if key in _REFLEXIVES:
        return before in ("it", "that", "this") or (
            0 < i <= 3 and after != "" and before not in _AUXILIARIES and after not in _LIGHT
        )
    if key == "not":
        return before in ("must", "shall", "may", "will") or (before == "do" and i == 1)
    if key in ("do", "does", "did"):
        return before in _SUBJECTS and not asked and after not in _LIGHT and after != "" and not _negated(after)
    return key in _DEGREES and words[i].after == "," and i + 1 < len(keys)


# --- Mandarin ------------------------------------------------------------------------------------------------------------

_ZH_FIELD = _fields(
    """
上 下 左 右 前 后 里 外 上面 下面 里面 外面 前面 后面 左边 右边 上边 下边 旁边
以前 以后 之前 之后 前 后
昨天 今天 明天 前天 后天 今年 明年 去年
早上 上午 中午 下午 晚上 夜里
星期一 星期二 星期三 星期四 星期五 星期六 星期日 星期天 周一 周二 周三 周四 周五 周六 周日
我 你 他 她 它 我们 你们 他们 她们 咱们 您
大 小 高 矮 长 短 新 旧 老 年轻 好 坏
去 来 买 卖 租 借 送 偷
东 南 西 北
"""
)
_DENIALS = word_set("不是 而不是 并不是 并非 不 不要 不用 别 没 没有 不在 而非")
_DENIES = word_set("不是 而不是 并不是 并非 而非")
_ONLY = word_set("只 只有 只要 只是 仅 仅仅 光 单 唯独 唯有 就 才 甚至 尤其")
_LATE = word_set("才 就")
_ZH_STRONG = word_set(
    "从来 从不 绝对 绝 根本 居然 竟然 竟 到底 究竟 的确 真的 简直 亲自 亲手 亲眼 全部 全都 千万 偏偏 明明 必须 一律 丝毫 也"
)
_ASKING = word_set("谁 什么 哪 哪里 哪儿 怎么 为什么 几 多少")
_ZH_LIGHT_TAGS = ("u", "y", "k", "p", "c", "q", "e", "o", "x")
_ZH_LIGHT = word_set("是 有 在 了 着 过 的 地 得 吗 呢 吧 啊 都 也 就 才 要 把 被 给 让 很 请 人 这 那")
DEMONSTRATIVES = "这那哪每某该"
_ZH_OPENERS = word_set("但是 可是 不过 而是")


def _mandarin(words: Sequence[Token]) -> dict[int, float]:
    keys = [w.text for w in words]
    clauses = _clauses(words, _ZH_OPENERS)
    focus: dict[int, float] = {}
    for before, clause in pairwise(clauses):
        own, others = [keys[i] for i in clause], [keys[i] for i in before]
        if own[0] in _DENIALS:
            _zh_oppose(words, keys, before, clause[1:], focus, last=own[0] in _DENIES)
        elif own[0] in ("是", "而是") and (at := next((i for i in before if keys[i] in _DENIES), None)) is not None:
            _zh_oppose(words, keys, clause[1:], range(at + 1, before.stop), focus, last=True)
        owners = [next((i for i in c[:-1] if keys[i] in _ZH_FIELD["我"] and keys[i + 1] == "的"), -1) for c in (before, clause)]
        if min(owners) >= 0 and keys[owners[0]] != keys[owners[1]] and others[-1] == "的" and owners[0] == before[-2]:
            focus[owners[0]], focus[owners[1]] = ASSERTED, REJECTED
    for clause in clauses:
        _zh_pointed(words, keys, clause, focus)
    asking = [i for i, key in enumerate(keys) if key in _ASKING] if words[-1].after == "?" else []
    if not focus and asking:
        focus[asking[0]] = STRONG
    if not focus:
        for i, key in enumerate(keys):
            if key in _ZH_STRONG and not (key == "也" and (i == 0 or _denied_after(keys, i))):
                focus[i] = STRONG
    return focus


def _denied_after(keys: list[str], i: int) -> bool:
    """也 before a denial (一点也不) is no addition."""
    return i + 1 < len(keys) and keys[i + 1][:1] in "不没"


def _heavy(words: Sequence[Token], i: int) -> bool:
    return words[i].text not in _ZH_LIGHT and words[i].tag[:1] not in _ZH_LIGHT_TAGS


def _counts(word: Token) -> bool:
    """A number, or one with its measure; 这件 is tagged as one, but points."""
    return word.kind == "number" or (word.tag[:1] == "m" and word.text[0] not in DEMONSTRATIVES)


def _zh_field(word: Token) -> str:
    if _counts(word):
        return "number"
    if word.text in _ZH_FIELD:
        return _ZH_FIELD[word.text]
    return _ZH_FIELD["上"] if len(word.text) == 2 and word.text[1] in "上下里外" and word.tag[:1] in ("s", "n", "f") else ""


def _zh_oppose(
    words: Sequence[Token], keys: list[str], holds: Sequence[int], denied: Sequence[int], focus: dict[int, float], last: bool
) -> None:
    """As _oppose; words that share a character at the same end (红色 and 蓝色) are alternatives, too."""
    said = {keys[i] for i in holds}
    line = [i for i in denied if keys[i] not in _DENIALS]
    pairs = []
    for at in [i for i in line if keys[i] not in said and (_heavy(words, i) or _zh_field(words[i]))]:
        k = line.index(at)
        left = keys[line[k - 1]] if k else ""
        right = keys[line[k + 1]] if k + 1 < len(line) else ""
        own = [i for i in holds if _zh_field(words[at]) and _zh_field(words[i]) == _zh_field(words[at])]
        size = len(keys[at])
        alike = [
            i for i in holds
            if len(keys[i]) == size > 1 and keys[i] != keys[at] and (keys[i][-1] == keys[at][-1] or keys[i][0] == keys[at][0])
        ]  # fmt: skip
        beside = [i for i in holds if i - 1 in holds and left and keys[i - 1] == left and _heavy(words, i)]
        beside += [i for i in holds if i + 1 in holds and right and keys[i + 1] == right and _heavy(words, i)]
        if found := own or alike or beside:
            pairs.append((found[-1], at))
    heavy = [i for i in holds if _heavy(words, i)]
    if not pairs and last and heavy and (rest := [i for i in line if _heavy(words, i)]):
        pairs = [(heavy[-1], rest[-1])]
    for held, other in pairs:
        focus[held] = ASSERTED
        focus.setdefault(other, REJECTED)


def _zh_pointed(words: Sequence[Token], keys: list[str], clause: range, focus: dict[int, float]) -> None:
    """连 X 都; 只有 X; 只 V X; X 才, X 就 of times and amounts; 是 X ... 的; ... 的是 X."""
    for i in clause:
        rest = range(i + 1, clause.stop)
        heavy = [k for k in rest if _heavy(words, k)]
        if keys[i] == "连":
            stop = next((k for k in rest if keys[k] in ("都", "也")), clause.stop)
            if stop < clause.stop and (inside := [k for k in heavy if k < stop]):
                focus.setdefault(inside[-1], POINTED)
        elif keys[i] in _LATE and i > clause.start and _timed(words[i - 1]):
            focus.setdefault(i - 1, POINTED)
        elif keys[i] in _ONLY and heavy:
            counted = next((k for k in rest if _counts(words[k])), None)
            verb = words[heavy[0]].tag[:1] == "v"
            if counted is not None and not verb and any(words[k].tag[:1] == "v" for k in range(i + 1, counted)):
                counted = None  # 只有小王买了三本: it is 小王 that is picked
            if keys[i] in ("就", "才", "单", "光") and counted is None and i > clause.start:
                continue
            focus.setdefault(heavy[-1] if verb and counted is None else heavy[0] if counted is None else counted, POINTED)
        elif keys[i] == "是" and i > clause.start:
            if keys[i - 1] == "的" and heavy:
                focus.setdefault(heavy[-1], POINTED)
            elif keys[clause[-1]] == "的" and len(rest) > 2 and not any(k in focus for k in clause):
                focus.setdefault(rest[0], POINTED)


def _timed(word: Token) -> bool:
    return word.kind == "number" or word.tag[:1] in ("t", "m") or (len(word.text) > 1 and word.text in _ZH_FIELD["昨天"])
