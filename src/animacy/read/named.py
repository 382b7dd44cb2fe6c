"""Feelings that a text names, and whether it says or denies them: "furious", "not angry", 没有生气.

An embedding keeps that a feeling is spoken of better than that it is denied (Kassner and Schuetze 2020, "Negated and misprimed
probes"), so this is read from the words. Only words that name a feeling by themselves are here; what else they mean is rare.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from ..types import EMOTIONS
from .idioms import idioms
from .script import word_list, word_set

_ENGLISH = {
    "joy": "happy happily glad gladly delighted thrilled joyful cheerful overjoyed ecstatic pleased elated proud",
    "anger": "angry angrily furious furiously outraged livid enraged irate fuming infuriated infuriating infuriates incensed",
    "fear": "afraid scared frightened frightening frightens terrified terrifying terrifies petrified fearful panicked",
    "sadness": "sad sadly miserable heartbroken heartbreaking unhappy gloomy lonely depressed sorrowful mournful tearful",
    "surprise": "surprised surprising surprisingly astonished astonishing amazed stunned startled flabbergasted astounded",
    "disgust": "disgusting disgusted disgusts revolting revolted repulsive repulsed nauseating sickening vile nauseated",
}
_MANDARIN = {
    "joy": "开心 高兴 快乐 欣喜 愉快 喜悦 自豪 欢喜",
    "anger": "生气 愤怒 气愤 恼火 发火 恼怒 气得 火冒三丈",
    "fear": "害怕 恐惧 可怕 吓人 惊恐 胆怯 恐怖",
    "sadness": "难过 伤心 悲伤 悲痛 心碎 沮丧 忧伤 悲哀",
    "surprise": "惊讶 吃惊 意外 惊奇 震惊 诧异 惊喜",
    "disgust": "恶心 反胃 厌恶 作呕 嫌恶",
}
_OF = {word: name for table in (_ENGLISH, _MANDARIN) for name, words in table.items() for word in word_list(words)}
_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?|[,;:.!?—]", re.IGNORECASE)
_HAN_WORD = re.compile("|".join(w for w in _OF if not w.isascii()))
_NOT = re.compile(r"(?:not|never|no|nothing|nobody|hardly|without|nor|cannot)|\w+n['’]?t", re.IGNORECASE)
_HAN_NOT = re.compile(
    r"(?:不是很|并不|并没有|从不|没有|没|不|别|毫无)(?:那么|再|怎么|会|太|觉得|感到|让人|令人|是|该|用|必|需要|值得){0,2}$"
)
_MOST = word_set("so this that such")  # never so happy: the most; not so happy: denied
_HAN_MORE = re.compile(r"(?:没有?|不曾|未曾)[^，。；]{0,3}(?:这么|这样|如此|更|过这么)$|不得不$|不禁$|无不$|何尝不$|[好忍]不$")
_REACH = 3  # words in front in which a denial counts

SAID, DENIED, TOLD = 0.35, 0.6, 0.6  # shares of the emotions that what is named, denied, or told by an idiom or irony makes up
LEFT = 0.2  # share of its weight that a denied emotion keeps


def named(text: str) -> list[tuple[str, bool]]:
    """The emotions that `text` names, each with whether it denies it. In a question nothing is denied."""
    asked = text.rstrip("\"'”’ )」").endswith(("?", "？"))
    found = []
    words = [m.group().lower() for m in _WORD.finditer(text)]
    for i, word in enumerate(words):
        if word not in _OF:
            continue
        before = []
        for other in reversed(words[max(i - _REACH, 0) : i]):
            if not other[0].isalpha() or other in ("but", "and", "or"):
                break
            before.append(other)
        more = "only" in before or "more" in before or ("never" in before and _MOST & set(before))
        denied = any(_NOT.fullmatch(b) for b in before) and not more
        found.append((_OF[word], denied and not asked))
    for match in _HAN_WORD.finditer(text):
        before_it = text[max(match.start() - 8, 0) : match.start()]
        denied = bool(_HAN_NOT.search(before_it)) and not _HAN_MORE.search(before_it)
        found.append((_OF[match.group()], denied and not asked))
    return found


def with_named(emotion: NDArray[np.float32], text: str, blame: str | None = None) -> NDArray[np.float32]:
    """`emotion` ([7] float32, summing to 1) with what the text names said more, and what it denies taken back.

    A denied joy is a sadness, any other denied feeling is calm. What an idiom tells counts more than a name.
    `blame`: the emotion of praise that is meant as blame, if it is; then nothing else counts.
    """
    found = named(text)
    said = {name for name, denied in found if not denied}
    taken = {name for name, denied in found if denied} - said
    told = idioms(text)
    share = TOLD if told else SAID if said else DENIED
    said = told or said
    if blame is not None:
        said, taken, share = {blame}, {"joy"}, TOLD
    emotion = emotion.astype(np.float32)
    for name in taken:
        emotion[EMOTIONS.index(name)] *= LEFT
    target = np.zeros(len(EMOTIONS), np.float32)
    for name in said or {"sadness" if name == "joy" else "neutral" for name in taken}:
        target[EMOTIONS.index(name)] = 1
    if target.any():
        emotion = (1 - share) * emotion / max(float(emotion.sum()), 1e-6) + share * target / target.sum()
    return np.asarray(emotion / emotion.sum(), np.float32)
