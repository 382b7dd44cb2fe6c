"""Kokoro's phoneme symbols: their numbers in the model, and the IPA phones that they spell."""

from __future__ import annotations

from dataclasses import dataclass

# The vocabulary of Kokoro-82M v1.0 (config.json of hexgrad/Kokoro-82M, Apache-2.0), without symbols that neither language uses.
TOKENS: dict[str, int] = {
    ";": 1, ":": 2, ",": 3, ".": 4, "!": 5, "?": 6, "—": 9, "…": 10, " ": 16, "ʦ": 20, "ʨ": 21, "ꭧ": 23, "A": 24, "I": 25,
    "O": 31, "T": 36, "W": 39, "Y": 41, "ᵊ": 42, "a": 43, "b": 44, "d": 46, "e": 47,
    "f": 48, "h": 50, "i": 51, "j": 52, "k": 53,
    "l": 54, "m": 55, "n": 56, "o": 57, "p": 58, "s": 61, "t": 62, "u": 63, "v": 64,
    "w": 65, "x": 66, "y": 67, "z": 68, "ɑ": 69,
    "ɐ": 70, "æ": 72, "ɔ": 76, "ɕ": 77, "ð": 81, "ʤ": 82, "ə": 83, "ɚ": 85, "ɛ": 86, "ɜ": 87, "ɡ": 92, "ɥ": 99, "ɨ": 101,
    "ɪ": 102, "ŋ": 112, "θ": 119, "ɹ": 123, "ɻ": 126, "ʂ": 130, "ʃ": 131, "ʧ": 133, "ʊ": 135, "ʌ": 138, "ɤ": 140, "ʒ": 147,
    "ˈ": 156, "ˌ": 157, "ʰ": 162, "↓": 169, "→": 171, "↗": 172, "↘": 173, "ᵻ": 177,
}  # fmt: skip

STRESS = "ˈˌ"
TONES = "→↗↓↘"
_NUCLEI = "AIOWYaeiouyɑæɐɔəɛɜɪʊʌᵻᵊ"
PAUSES = ",.?!;:—…"

# What one phone is spelled by, where that is not its own IPA letter. Longest first.
_SPELLINGS = {
    "ʦʰ": "tsʰ", "ꭧʰ": "ʈʂʰ", "ʨʰ": "tɕʰ", "pʰ": "pʰ", "tʰ": "tʰ", "kʰ": "kʰ", "ai": "aɪ", "ei": "eɪ", "au": "aʊ", "ou": "oʊ",
    "ɜɹ": "ɝ", "əɹ": "ɚ", "A": "eɪ", "I": "aɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "ʤ": "dʒ", "ʧ": "tʃ", "T": "ɾ", "ʦ": "ts",
    "ʨ": "tɕ", "ꭧ": "ʈʂ", "ᵊ": "ə", "ᵻ": "ɪ", "ɐ": "ə", "ɜ": "ɝ",
}  # fmt: skip
VOWELS = frozenset(["a", "e", "i", "o", "u", "y", "ɑ", "æ", "ɔ", "ə", "ɚ", "ɛ", "ɝ", "ɪ", "ʊ", "ʌ", "ɤ", "ɹ̩", "ɻ̩",
                    "eɪ", "aɪ", "oʊ", "aʊ", "ɔɪ"])  # fmt: skip
SYMBOLS = VOWELS | frozenset(
    ["b", "d", "f", "h", "j", "k", "kʰ", "l", "m", "n", "p", "pʰ", "s", "t", "tʰ", "v", "w", "x", "z", "ɕ", "ð", "ɡ", "ɥ", "ŋ",
     "θ", "ɹ", "ɻ", "ʂ", "ʃ", "ʒ", "ɾ", "dʒ", "tʃ", "ts", "tsʰ", "tɕ", "tɕʰ", "ʈʂ", "ʈʂʰ"]
)  # fmt: skip
"""Every symbol that a Phone of this engine can have."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """One phone and the tokens start..end of the string that spell it. Marks of stress and tone belong to their vowel."""

    symbol: str
    start: int
    end: int


# How IPA as dictionaries write it is spelled here, longest first; other letters stand for themselves.
_IPA = {
    "n̩": "ᵊn", "l̩": "ᵊl", "m̩": "ᵊm", "eɪ": "A", "aɪ": "I", "oʊ": "O", "əʊ": "O", "aʊ": "W", "ɔɪ": "Y", "tʃ": "ʧ", "dʒ": "ʤ",
    "ɝ": "ɜɹ", "ɚ": "əɹ", "r": "ɹ", "g": "ɡ", "ɾ": "T", "ɒ": "ɑ", "e": "ɛ", "ʔ": "t", "ɫ": "l", "'": "ˈ",
}  # fmt: skip


def from_ipa(ipa: str) -> str:
    """Kokoro's symbols for English IPA with stress marks; ties, length marks and syllable dots are passed over.

    Raises ValueError that names the first sign for which Kokoro has none.
    """
    written = "".join(c for c in ipa if c not in "ː.͡ \t\n")
    ps, i = "", 0
    while i < len(written):
        size = 2 if written[i : i + 2] in _IPA else 1
        ps += _IPA.get(written[i : i + size], written[i : i + size])
        i += size
    for c in ps:
        if c not in STRESS and (c not in TOKENS or c in PAUSES or c in TONES):
            raise ValueError(f"{c!r} is no sound that the voices know in English IPA")
    if not phones(ps):
        raise ValueError("there is no sound in it")
    if unknown := [p.symbol for p in phones(ps) if p.symbol not in SYMBOLS]:
        raise ValueError(f"{unknown[0]!r} is no sound that the voices know in English IPA")
    return ps


def emphasise(ps: str) -> str:
    """Give an English word a primary stress if it has none."""
    if "ˈ" in ps:
        return ps
    if "ˌ" in ps:
        return ps.replace("ˌ", "ˈ", 1)
    at = next((i for i, c in enumerate(ps) if c in _NUCLEI), None)
    return ps if at is None else ps[:at] + "ˈ" + ps[at:]


def phones(ps: str) -> list[Spelled]:
    """Group a string of Kokoro symbols into IPA phones; spaces and punctuation belong to none."""
    found: list[Spelled] = []
    i, start = 0, 0
    while i < len(ps):
        if ps[i] in STRESS:
            i += 1
            continue
        if ps[i] in TONES:
            if found:
                found[-1] = Spelled(found[-1].symbol, found[-1].start, i + 1)
            i = start = i + 1
            continue
        if ps[i] == " " or ps[i] in PAUSES:
            i = start = i + 1
            continue
        size = 2 if ps[i : i + 2] in _SPELLINGS else 1
        # ə before ɹ and a vowel is a schwa and an onset (around), not one r-coloured vowel (better).
        if ps[i : i + 2] == "əɹ" and i + 2 < len(ps) and (ps[i + 2] in STRESS or ps[i + 2] in _NUCLEI):
            size = 1
        spelling = ps[i : i + size]
        symbol = _SPELLINGS.get(spelling, spelling)
        if symbol == "ɨ":
            symbol = "ɹ̩" if found and found[-1].symbol in {"ts", "tsʰ", "s"} else "ɻ̩"
        found.append(Spelled(symbol, start, i + size))
        i = start = i + size
    return found
