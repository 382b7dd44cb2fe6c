"""What the mouth does for each phone: IPA symbol -> articulatory targets.

Targets are six numbers that a speaker controls (jaw, spread, funnel, pucker, teeth, tongue), not 52 weights; `mouth.py` turns
them into weights. Vowel targets follow the vowel chart (height -> jaw, rounding -> funnel and pucker); the scale is set so
that the widest vowel parts the lips by about 13 mm on a head whose jawOpen parts them by 34 mm at 1.
Dominance, after Cohen and Massaro (1993), "Modeling coarticulation in synthetic visual speech", says how firmly a phone holds
its targets against its neighbours: a /k/ lets the lips do what the vowels around it want, a /w/ does not.
"""

from __future__ import annotations

import logging
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

log = logging.getLogger(__name__)

Contact = Literal["", "lips", "teeth"]


@dataclass(frozen=True, slots=True)
class Viseme:
    """Targets, each 0..1; `jaw_hold`, `lips_hold` are dominances, about 1 for a stressed vowel."""

    jaw: float  # how far the jaw drops
    spread: float = 0.0  # lip corners drawn apart
    funnel: float = 0.0  # lips turned out
    pucker: float = 0.0  # lips drawn together
    teeth: float = 0.2  # lips parted off the teeth without the jaw
    tongue: float = 0.0  # tip shown between the teeth
    jaw_hold: float = 1.0
    lips_hold: float = 1.0
    contact: Contact = ""  # "lips": p b m; "teeth": f v
    vowel: bool = False
    length: float = 1.0  # share of the time it takes where a symbol names several sounds


def _vowel(jaw: float, spread: float = 0.0, funnel: float = 0.0, pucker: float = 0.0, teeth: float = 0.3) -> Viseme:
    rounded = max(funnel, pucker) > 0.2
    return Viseme(jaw, spread, funnel, pucker, teeth, lips_hold=1.4 if rounded else 0.8, vowel=True, length=1.6)


_LIPS = Viseme(0.03, teeth=0.0, jaw_hold=1.3, lips_hold=0.5, contact="lips")
_TEETH = Viseme(0.05, teeth=0.1, jaw_hold=1.3, lips_hold=0.8, contact="teeth")
_DENTAL = Viseme(0.11, spread=0.1, teeth=0.45, tongue=0.6, jaw_hold=1.2, lips_hold=0.7)
_ALVEOLAR = Viseme(0.06, spread=0.1, teeth=0.35, jaw_hold=0.6, lips_hold=0.25)
_LATERAL = Viseme(0.10, spread=0.1, teeth=0.4, tongue=0.25, jaw_hold=0.7, lips_hold=0.3)
_SIBILANT = Viseme(0.035, spread=0.3, teeth=0.5, jaw_hold=1.6, lips_hold=0.7)
_POSTALVEOLAR = Viseme(0.05, funnel=0.5, pucker=0.15, teeth=0.4, jaw_hold=1.5, lips_hold=1.4)
_RETROFLEX = Viseme(0.06, funnel=0.3, pucker=0.1, teeth=0.35, jaw_hold=1.3, lips_hold=0.8)
_PALATAL = Viseme(0.045, spread=0.4, teeth=0.4, jaw_hold=1.3, lips_hold=0.8)
_VELAR = Viseme(0.09, teeth=0.25, jaw_hold=0.35, lips_hold=0.12)
_GLOTTAL = Viseme(0.12, teeth=0.25, jaw_hold=0.08, lips_hold=0.05)
_RHOTIC = Viseme(0.07, funnel=0.35, pucker=0.25, teeth=0.2, jaw_hold=0.8, lips_hold=1.0)

VISEMES: dict[str, Viseme] = {
    # vowels, from close to open; front, central, back
    "i": _vowel(0.08, spread=0.5, teeth=0.4),
    "y": _vowel(0.07, funnel=0.2, pucker=0.65, teeth=0.1),
    "ɪ": _vowel(0.14, spread=0.3),
    "ʏ": _vowel(0.12, funnel=0.2, pucker=0.5, teeth=0.15),
    "e": _vowel(0.19, spread=0.35),
    "ø": _vowel(0.18, funnel=0.3, pucker=0.4, teeth=0.2),
    "ɛ": _vowel(0.26, spread=0.25),
    "œ": _vowel(0.26, funnel=0.35, pucker=0.25, teeth=0.2),
    "æ": _vowel(0.35, spread=0.25, teeth=0.35),
    "ɶ": _vowel(0.35, funnel=0.3, pucker=0.15, teeth=0.2),
    "a": _vowel(0.39, spread=0.08),
    "ɨ": _vowel(0.11, spread=0.2),
    "ʉ": _vowel(0.09, funnel=0.25, pucker=0.5, teeth=0.15),
    "ɘ": _vowel(0.16, spread=0.1),
    "ɵ": _vowel(0.16, funnel=0.3, pucker=0.3, teeth=0.2),
    "ə": _vowel(0.16),
    "ɜ": _vowel(0.22),
    "ɞ": _vowel(0.23, funnel=0.3, pucker=0.2, teeth=0.2),
    "ɐ": _vowel(0.30),
    "ɚ": _vowel(0.15, funnel=0.3, pucker=0.12, teeth=0.25),
    "ɝ": _vowel(0.18, funnel=0.35, pucker=0.15, teeth=0.25),
    "ɯ": _vowel(0.09, spread=0.25),
    "u": _vowel(0.08, funnel=0.35, pucker=0.6, teeth=0.1),
    "ʊ": _vowel(0.14, funnel=0.35, pucker=0.35, teeth=0.15),
    "ɤ": _vowel(0.20, spread=0.12),
    "o": _vowel(0.20, funnel=0.4, pucker=0.4, teeth=0.15),
    "ʌ": _vowel(0.30),
    "ɔ": _vowel(0.31, funnel=0.4, pucker=0.2, teeth=0.2),
    "ɑ": _vowel(0.41),
    "ɒ": _vowel(0.36, funnel=0.3, pucker=0.1, teeth=0.2),
    "ɿ": _vowel(0.07, spread=0.3, teeth=0.45),  # Mandarin si, as Sinologists write it
    "ʅ": _vowel(0.08, funnel=0.2, spread=0.1, teeth=0.4),  # Mandarin shi
    # labials
    **dict.fromkeys("pbmɓʙɸβ", _LIPS),
    **dict.fromkeys("fvɱʋⱱ", _TEETH),
    "w": Viseme(0.05, funnel=0.3, pucker=0.8, teeth=0.0, jaw_hold=1.0, lips_hold=1.8),
    "ʍ": Viseme(0.05, funnel=0.3, pucker=0.8, teeth=0.0, jaw_hold=1.0, lips_hold=1.8),
    "ɥ": Viseme(0.045, funnel=0.2, pucker=0.75, teeth=0.0, jaw_hold=1.0, lips_hold=1.6),
    # coronals
    **dict.fromkeys("θð", _DENTAL),
    **dict.fromkeys("tdnɾrɗ", _ALVEOLAR),
    **dict.fromkeys("lɫɬɮɺ", _LATERAL),
    **dict.fromkeys(("s", "z", "ts", "dz"), _SIBILANT),
    **dict.fromkeys(("ʃ", "ʒ", "tʃ", "dʒ", "ʧ", "ʤ"), _POSTALVEOLAR),
    **dict.fromkeys(("ʂ", "ʐ", "ʈʂ", "tʂ", "ɖʐ", "dʐ", "ꭧ", "ʈ", "ɖ", "ɳ", "ɭ", "ɽ"), _RETROFLEX),
    **dict.fromkeys(("ɕ", "ʑ", "tɕ", "dʑ", "ʨ", "ʥ", "c", "ɟ", "ç", "ʝ", "ɲ", "ʎ", "cç"), _PALATAL),
    "j": Viseme(0.06, spread=0.45, teeth=0.35, jaw_hold=0.9, lips_hold=0.7),
    **dict.fromkeys("ɹɻ", _RHOTIC),
    # behind the teeth: the lips are free
    **dict.fromkeys("kgɡŋxɣɰɴqɢχʁɠʟ", _VELAR),
    **dict.fromkeys("hɦħʕʔʡʜʢ", _GLOTTAL),
    # modified symbols that differ in more than degree
    "ɹ̩": _vowel(0.07, spread=0.3, teeth=0.45),
    "z̩": _vowel(0.07, spread=0.3, teeth=0.45),
    "ɻ̩": _vowel(0.08, funnel=0.2, spread=0.1, teeth=0.4),
    "ʐ̩": _vowel(0.08, funnel=0.2, spread=0.1, teeth=0.4),
    "ᵻ": _vowel(0.14, spread=0.2),
    "ᵊ": _vowel(0.15),
    "ɫ̩": _LATERAL,
}

_SPELT = {"g": "ɡ", "ˈ": "", "ˌ": "", "ʦ": "ts", "ʣ": "dz", "ᵿ": "ʊ", "ɩ": "ɪ", "ɷ": "ʊ", "ɼ": "r"}
_LONGEST = max(map(len, VISEMES))


@lru_cache(maxsize=1024)
def visemes(symbol: str) -> tuple[Viseme, ...]:
    """The one or more visemes of an IPA symbol in the order in which they are said: "aɪ" is two, "tʃ" one.

    Length marks, tie bars, aspiration, tones and other diacritics change nothing. A letter that is not in the chart is taken
    for the plain letter it is made of, or else for a schwa; the log says so, once a symbol.
    """
    text = unicodedata.normalize("NFD", "".join(_SPELT.get(c, c) for c in symbol))
    text = "".join(c for c in text if c not in "͜͡")
    found: list[Viseme] = []
    strange = ""
    while text:
        for size in range(min(_LONGEST, len(text)), 0, -1):
            if text[:size] in VISEMES:
                found.append(VISEMES[text[:size]])
                break
        else:
            size = 1
            if unicodedata.category(text[0]) not in ("Mn", "Lm", "Sk", "Nd", "Po", "Zs", "Sm", "No"):
                strange += text[0]
                plain = text[0].lower()
                found.append(VISEMES.get(plain, VISEMES["ə"]))
        text = text[size:]
    if strange or not found:
        log.warning("phone %r: %r is not in the IPA chart; the mouth takes the nearest shape", symbol, strange or symbol)
    return tuple(found) or (VISEMES["ə"],)


def is_vowel(symbol: str) -> bool:
    return any(v.vowel for v in visemes(symbol))
