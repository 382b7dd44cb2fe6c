"""Scripts and languages: what each letter belongs to, and which of the two languages a stretch of text is in."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from ..errors import UsageError
from ..types import Language


def word_set(text: str) -> frozenset[str]:
    """The words of a list written as text."""
    return frozenset(text.split())


def word_list(text: str) -> tuple[str, ...]:
    """The same, in order."""
    return tuple(text.split())


HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Han characters, as the inside of a regular expression's class."""

_LATIN = "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1d00-\u1dbf\u1e00-\u1eff\u2c60-\u2c7f\ua722-\ua7ff"
# Letters that NFKC folds to Latin ones: ligatures, full width, and the mathematical alphabets that people write names in.
_LATIN_LOOKALIKE = "\u2100-\u214f\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff"
_GREEK = "\u0370-\u03ff\u1f00-\u1fff\u00b5"

LATIN_WORD = re.compile(f"[{_LATIN}{_LATIN_LOOKALIKE}]+")
HAN_CHARACTER = re.compile(f"[{HAN}]")
_FOREIGN = re.compile(f"(?![{_LATIN}{_LATIN_LOOKALIKE}{HAN}])[^\\W\\d_]+")
_GREEK_LETTER = re.compile(f"[{_GREEK}]")

# Where the script's Unicode name is not what a person would call the language.
_NAMES = {
    "CYRILLIC": "Cyrillic (Russian, Ukrainian, ...)",
    "ARABIC": "Arabic script",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "KATAKANA-HIRAGANA": "Japanese",
    "HALFWIDTH": "Japanese",
    "HANGUL": "Korean",
    "DEVANAGARI": "Devanagari (Hindi, ...)",
    "GREEK": "Greek",
    "MODIFIER": "phonetic letters",
}
_LANGUAGES = {"en": "English", "zh": "Mandarin"}


def name_of_script(letter: str) -> str:
    """The script or language of one letter in words, e.g. "Korean" for "한"."""
    first = unicodedata.name(letter, "UNKNOWN").split()[0]
    return _NAMES.get(first, first.capitalize())


def foreign_words(text: str) -> list[str]:
    """The words that neither English nor Mandarin can read, in order; single Greek letters can be (pi, mu)."""
    return [w for w in _FOREIGN.findall(text) if w[0].isalpha() and not (len(w) == 1 and _GREEK_LETTER.match(w))]


def check_readable(text: str) -> None:
    """Raise UsageError where a tenth or more of the text's words are in a script that no voice here speaks.

    Below that, a foreign name in a text is left out, which `TextReader` says in the log.
    """
    foreign = foreign_words(text)
    if not foreign:
        return
    # A Han character counts as half a word, which is about what it is.
    readable = sum(1 for _ in LATIN_WORD.finditer(text)) + len(HAN_CHARACTER.findall(text)) / 2
    if len(foreign) * 9 < readable:
        return
    names = Counter(name_of_script(w[0]) for w in foreign)
    found = " and ".join(name for name, _ in names.most_common(2))
    raise UsageError(
        f"the text is in {found} ({shorten(foreign[0])!r} ...), which has no voice here: "
        "give English or Mandarin (--language en, zh or auto)"
    )


def check_language(language: str) -> None:
    """Raise UsageError unless `language` is "auto", "en" or "zh"."""
    if language not in ("auto", *_LANGUAGES):
        raise UsageError(f"language {shorten(language)!r} is not known: --language takes en (English), zh (Mandarin) or auto")


def language_of(text: str, default: Language) -> Language:
    """The language of most of the text; `default` where it has no letters.

    A Latin word weighs as much as two Han characters: "我的iPhone坏了" is Mandarin, "Meet me at 故宫 tomorrow" is English.
    """
    latin = sum(1 for _ in LATIN_WORD.finditer(text))
    han = len(HAN_CHARACTER.findall(text))
    if latin == han == 0:
        return default
    return "zh" if han >= 2 * latin or (han >= 4 and han > latin) else "en"


def shorten(text: str, limit: int = 24) -> str:
    """The text cut to `limit` characters, for messages; what cannot be printed is replaced."""
    printable = "".join(c if c.isprintable() else "\ufffd" for c in text[: limit + 1])
    return printable if len(text) <= limit else printable[:limit] + "..."


@lru_cache(maxsize=4096)
def fold(character: str) -> str:
    """One character brought to its plain form, always one character long so that offsets stay true.

    Full width, compatibility and mathematical forms become ASCII; curly quotes straight; the minus sign a hyphen.
    """
    simple = _FOLDS.get(character)
    if simple is not None:
        return simple
    if unicodedata.category(character) == "No":  # superscripts and circled numbers mean something else than their digit
        return character
    if unicodedata.decimal(character, None) is not None:
        return str(unicodedata.decimal(character))
    folded = unicodedata.normalize("NFKC", character)
    return folded if len(folded) == 1 else character


_FOLDS = {"‘": "'", "’": "'", "ʼ": "'", "＇": "'", "−": "-", "‐": "-", "‑": "-", "﹣": "-", "－": "-", "“": '"', "”": '"'}


def folded(text: str) -> str:
    """`text` with every character folded: same length."""
    if text.isascii():
        return text
    return "".join(map(fold, text))
