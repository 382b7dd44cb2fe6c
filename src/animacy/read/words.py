"""Words: where each stands in the text, how a reader says it, and which punctuation follows."""

from __future__ import annotations

import logging
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..types import Language
from . import english, mandarin
from .marks import Style
from .script import HAN, folded, word_list, word_set

_LONGEST = 60  # letters or characters of one word; a longer run is cut


@dataclass(slots=True)
class Token:
    """A word under construction; offsets count from the start of the piece of text that `tokens` was given."""

    text: str
    start: int
    end: int
    spoken: str
    language: Language
    kind: str  # "word", "number", "letters" (said one by one), "address", "symbol"
    after: str = ""
    loud: bool = False  # written in capitals or between asterisks, for emphasis
    tag: str = ""  # jieba's part of speech, Mandarin only
    phonemes: str = ""  # from here on what only markup gives
    pause: float | None = None
    boundary: float | None = None
    style: Style | None = None


_MARK = "\u0300-\u036f\u200b-\u200d\u2060\u00ad\ufe0e\ufe0f"  # combining and invisible: part of the word around them
_LETTER = f"(?![{HAN}¹²³¼½¾\u2070-\u2089\u2150-\u215f\u2460-\u24ff])[^\\W\\d_]"  # superscripts are no letters
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\u00ad\ufe0e\ufe0f\u202a-\u202e\u2066-\u2069\ufeff]")
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,60}(?:\.\d{1,40})?|(?<![\w.])\.\d{1,40})"
# A hyphen is a sign where nothing stands before it, and after the Mandarin words that lead up to a value.
_SIGN = r"(?:(?:(?<![\w.,)\]%])|(?<=[是为到至温约达]))[-+]|(?<=[" + HAN + r"])-(?=[\d.]{1,9}\s?[°℃℉]))?"
_UNITS = "|".join(sorted(map(re.escape, {*english.UNITS, *mandarin.UNITS}), key=len, reverse=True))
_CURRENCY = r"(?:US\$|[$£€¥₹₩₽฿])"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"
_MONTHS = {name[:3].lower(): name for name in english.MONTHS}
_END = r"(?![\w])"
_END_ASCII = r"(?![A-Za-z0-9_])"

# Tried in order at a digit, a sign or a currency mark. Each gives one word, except telephone numbers: one a group.
_NUMERIC: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("ymd", rf"(?P<y>[12]\d{{3}})(?P<s>[-/.])(?P<m>0?[1-9]|1[0-2])(?P=s)(?P<d>0?[1-9]|[12]\d|3[01]){_END_ASCII}"),
        ("mdy", rf"(?P<a>\d{{1,2}})(?P<s>[/.-])(?P<b>\d{{1,2}})(?P=s)(?P<y>(?:19|20)\d\d){_END_ASCII}"),
        ("times", r"(?P<a>(?:[01]?\d|2[0-4]):[0-5]\d)\s?[-–~—]\s?(?P<b>(?:[01]?\d|2[0-4]):[0-5]\d)(?![\d:])"),
        ("rating", r"(?P<a>\d{1,3}\.\d{1,2})/(?P<b>\d{1,3})(?![\d/.])"),
        (
            "time",
            rf"(?P<h>[01]?\d|2[0-4]):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?(?:\s?(?P<half>[AaPp]\.?[Mm]\.?){_END_ASCII})?(?![\d:]){_END_ASCII}",
        ),
        ("clock", rf"(?P<h>1[0-2]|0?[1-9])\s?(?P<half>[AaPp](?:\.[Mm]\.|[Mm])){_END_ASCII}"),
        ("moneys", rf"(?P<c>{_CURRENCY})(?P<a>{_NUMBER})[-–]{_CURRENCY}?(?P<b>{_NUMBER})(?![\d-])"),
        (
            "money",
            rf"(?P<sign>[-+]?){_CURRENCY.replace('(?:', '(?P<c>')}\s?(?P<n>[-+]?{_NUMBER})"
            rf"(?:\s?(?P<g>thousand|million|billion|trillion|[kKmMbBT]n?{_END_ASCII}|千万|百万|十万|万亿|[万亿千]))?",
        ),
        (
            "phone",
            r"(?:\+\d{1,3}[ -]?)?(?:\(\d{2,4}\)[ -]?|\d{3}[ -])\d{3,4}[ -]\d{3,4}(?![\d-])|\+\d[\d -]{6,18}\d|1[3-9]\d{9}(?!\d)"
            r"|0\d{2,3}-\d{7,8}(?!\d)|\d{3}-\d{4}(?![\d-])|(?<!\d)400-\d{3}-\d{4}",
        ),
        ("feet", r"(?P<a>\d)'(?P<b>\d{1,2})\""),
        ("sides", r"(?P<a>\d{1,5})[x×](?P<b>\d{1,5})" + _END_ASCII),
        ("vulgar", r"(?P<w>\d{1,3})?\s?(?P<f>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])"),
        ("hash", r"#(?P<n>\d{1,9})" + _END_ASCII),
        ("score", r"(?P<a>\d{1,3}):(?P<b>\d{1,3})(?![\d:])"),
        ("version", rf"\d+\.\d+\.\d+(?:\.\d+)*{_END_ASCII}"),
        ("range", rf"(?P<a>{_NUMBER})%?\s?[–~—]\s?(?P<b>{_NUMBER})(?P<u>\s?(?:{_UNITS}){_END_ASCII}|[%‰°])?"),
        ("range", rf"(?P<a>{_NUMBER})%?-(?P<b>{_NUMBER})(?P<u>\s?(?:{_UNITS}){_END_ASCII}|[%‰°])?(?!-?\d)"),
        ("decade", rf"'?(?P<n>(?:1[0-9]|20)\d0|[1-9]0)'?s{_END}"),
        ("ordinal", rf"(?P<n>\d{{1,9}}|\d{{1,3}}(?:,\d{{3}})+)(?:st|nd|rd|th|ST|ND|RD|TH){_END_ASCII}"),
        ("big", rf"(?P<n>{_NUMBER})(?P<g>M|B|bn){_END_ASCII}"),
        ("fold", rf"(?P<n>{_NUMBER})x{_END_ASCII}"),
        ("unit", rf"(?P<n>{_SIGN}{_NUMBER})\s?(?P<u>°\s?[CF]|{_UNITS}){_END_ASCII}"),
        ("unit", rf"(?P<n>{_SIGN}{_NUMBER})\s?(?P<u>[%‰°℃℉])"),
        ("fraction", rf"(?P<w>\d{{1,3}} )?(?P<a>\d{{1,3}})/(?P<b>\d{{1,3}})(?![\d/]){_END_ASCII}"),
        ("mixed", r"\d{1,30}[A-Za-z][A-Za-z0-9]{0,30}"),
        ("number", rf"{_SIGN}{_NUMBER}"),
    )
)
_STARTS_NUMERIC = re.compile(
    rf"{_SIGN}(?:{_CURRENCY}\s?[-+]?)?\.?\d|[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞]|(?<!\w)#\d|'\d0s"
    rf"|[-+]{_CURRENCY}\s?\d|\(\d{{3}}\) ?\d{{3}}-\d{{4}}|(?<![\w)])\+\d"
)

_TOKEN = re.compile(
    "|".join(
        (
            r"(?P<url>(?:https?://|www\.)[^\s<>\"'，。、；！？（）\u3400-\u9fff]+(?<![.,;:!?)]))",
            r"(?P<email>[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+)",
            r"(?P<domain>(?<![A-Za-z0-9_.])[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.(?:com|org|net|edu|gov|io|ai|cn|dev|app|co\.uk)"
            r"(?![A-Za-z0-9_])(?:/[^\s<>\"'，。、；！？（）\u3400-\u9fff]*(?<![.,;:!?)]))?)",
            r"(?P<joined>(?<![A-Za-z0-9_&])[A-Z]{1,3}&[A-Z]{1,3}(?![A-Za-z0-9_&])|(?<![A-Za-z0-9_])C\+\+(?![A-Za-z0-9_])|(?<![A-Za-z0-9_])[CF]#(?![A-Za-z0-9_]))",
            r"(?P<tagged>[#@](?=[^\W_]))",
            r"(?P<version>(?<![A-Za-z0-9_.])[vV]\d{1,9}(?:\.\d{1,9}){0,9}(?![A-Za-z0-9_]))",
            rf"(?P<numeric>{_STARTS_NUMERIC.pattern})",
            rf"(?P<han>[{HAN}]+)",
            # U.S. and e.g., and the short forms in english.ABBREVIATIONS that own their full stop
            r"(?P<dotted>(?<![A-Za-z0-9_])(?:[A-Za-z]\.){2,}|(?<![A-Za-z0-9_])(?:[Pp]h\.D\.))",
            r"(?P<slashed>(?<![A-Za-z0-9_])(?:w/o|w/|b/c)(?=\s))",
            rf"(?P<word>{_LETTER}(?:{_LETTER}|[{_MARK}])*"
            rf"(?:['-](?:{_LETTER}|[{_MARK}])+)*(?:\d[A-Za-z0-9]*)?(?:(?<=[sS])'(?![A-Za-z0-9_]))?)",
            r"(?P<symbol>[&+=×÷%±≈≤≥≠]|~(?=\s?[\d$£€¥])|(?<=\w)[²³]|(?<=\d )x(?= \d)"
            r"|(?<=\d)\s?[*/](?=\s?\d)|<(?=\s?\d)|>(?=\s?\d))",
        )
    )
)
_SYMBOLS: dict[str, tuple[str, str]] = {
    "&": ("and", "和"),
    "+": ("plus", "加"),
    "=": ("equals", "等于"),
    "×": ("times", "乘以"),
    "*": ("times", "乘以"),
    "÷": ("divided by", "除以"),
    "/": ("divided by", "除以"),
    "%": ("percent", "百分号"),
    "<": ("is less than", "小于"),
    ">": ("is greater than", "大于"),
    "~": ("about", "约"),
    "±": ("plus or minus", "正负"),
    "≈": ("is about", "约等于"),
    "≤": ("is at most", "小于等于"),
    "≥": ("is at least", "大于等于"),
    "≠": ("is not", "不等于"),
    "²": ("squared", "平方"),
    "³": ("cubed", "立方"),
    "x": ("times", "乘以"),
}
_WEEKDAYS = word_set("Mon Tue Tues Wed Thu Thur Thurs Fri")
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        word_list(
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma "
            "tau upsilon phi chi psi omega"
        ),
        strict=True,
    )
)
_YEAR_LED = word_set(
    "in since by from until till of year during before after around circa mid early late summer winter spring fall"
)
_DECADE_LED = word_set("the his her their my your our its early mid late in")
_NUMBERED = word_set("boeing airbus flight room route highway area apartment suite bus channel")
_NAMES_BEFORE_ROMAN = word_set(
    "war chapter part act volume phase type world king queen pope book class stage level figure section appendix"
)


def tokens(piece: str, language: Language) -> list[Token]:
    """The words of a sentence in order, with what follows each. `language` is the sentence's: digits are said in it.

    The last word's `after` is what the text has there, which may be nothing.
    """
    plain = folded(piece)
    shouting = _is_shouting(plain)
    found: list[Token] = []
    position = 0
    while match := _TOKEN.search(plain, position):
        begin, end = match.span()
        kind = str(match.lastgroup)
        before = len(found)
        if kind == "numeric":
            numeric = _numeric(piece, plain, begin, language, found)
            if not numeric:
                position = begin + 1
                continue
            found += numeric
            end = numeric[-1].end
        elif kind == "han":
            found += _mandarin(piece, begin, end, bool(found) and found[-1].kind == "number" and found[-1].end == begin)
        elif kind == "tagged":
            position = end
            continue
        elif token := _READERS[kind](piece, plain, begin, end, language, shouting, found):
            found.append(token)
            end = token.end
        if before and len(found) > before:
            last = found[before - 1]
            last.after = mark_in(plain[last.end : found[before].start])
        position = end
    if found:
        found[-1].after = mark_in(plain[found[-1].end :])
        _emphasis(plain, found)
    return found


def said_for(text: str, language: Language) -> str:
    """What the reader says for `text` by itself; "" where it finds no word in it."""
    return " ".join(t.spoken for t in tokens(text, language))


def _is_shouting(plain: str) -> bool:
    """Whether most of the words are in capitals, so that capitals say nothing about one of them."""
    words = re.findall(r"[A-Za-z]{2,}", plain)
    words = [w for w in words if w not in english.SPELLED and w not in english.SAID_AS_WORDS]
    capital: int = sum(w.isupper() for w in words)
    return capital >= 2 and capital * 2 > len(words)


_AFTER = (("?", "?？⁇⁈"), ("!", "!！‼⁉"), ("…", "…"), (".", ".。．｡"), (";", ";；"), (":", ":："), ("—", "—–"), (",", ",，、､"))


def mark_in(gap: str) -> str:
    """The punctuation of a folded gap between words, as one of "" , . ? ! ; : — …"""
    if not gap or gap == " ":
        return ""
    if "..." in gap or ". . ." in gap or "。。" in gap:
        return "…" if not any(c in gap for c in "?!？！") else "?" if "?" in gap or "？" in gap else "!"
    for mark, written in _AFTER:
        if any(c in gap for c in written):
            return mark
    if "--" in gap or " - " in gap:
        return "—"
    return "," if any(c in gap for c in "()[]{}（）【】") else ""


def _emphasis(plain: str, found: list[Token]) -> None:
    for token in found:
        left = plain[max(0, token.start - 2) : token.start]
        right = plain[token.end : token.end + 1]
        if (left.endswith("*") and right == "*") or (left.endswith("_") and right == "_"):
            token.loud = True


def _word(piece: str, plain: str, begin: int, end: int, language: Language, shouting: bool, found: list[Token]) -> Token | None:
    end = min(end, begin + _LONGEST)
    written = plain[begin:end]
    # A full stop that belongs to an abbreviation: Dr. Smith
    if plain[end : end + 1] == "." and (written + ".").lower() in english.ABBREVIATIONS and _owns_stop(written, plain, end):
        end += 1
        spoken = english.ABBREVIATIONS[(written + ".").lower()]
        if written.lower() == "st" and not plain[end : end + 2].strip()[:1].isupper():
            spoken = "Street"
        return Token(piece[begin:end], begin, end, spoken, "en", "word")
    lower = written.lower()
    if written == "St" and plain[end : end + 1] == ".":  # at the end of a sentence
        return Token(piece[begin:end], begin, end, "Street", "en", "word")
    if written in _WEEKDAYS or (written in ("Sat", "Sun") and re.match(r"[.–-]", plain[end:])):
        end += plain[end : end + 1] == "." and bool(plain[end + 1 :].strip())
        return Token(piece[begin:end], begin, end, english.DAYS[lower], "en", "word")
    if lower in english.ABBREVIATIONS and lower not in ("co", "al"):
        return Token(piece[begin:end], begin, end, english.ABBREVIATIONS[lower], "en", "word")
    if lower in ("p", "pp") and re.match(r"\.\s?\d", plain[end:]):
        return Token(piece[begin : end + 1], begin, end + 1, "page" if lower == "p" else "pages", "en", "word")
    if lower in ("no", "nos") and re.match(r"\.\s?\d", plain[end:]):
        return Token(piece[begin : end + 1], begin, end + 1, "number" if lower == "no" else "numbers", "en", "word")
    if (
        written[:3].lower() in _MONTHS
        and re.fullmatch(_MONTH, written)
        and (
            (written != "May" and re.match(r"\.?\s?\d", plain[end:]))
            or (found and found[-1].kind == "number" and written not in ("May", "Mar", "Jan"))
        )
    ):
        end += plain[end : end + 1] == "."
        return Token(piece[begin:end], begin, end, _MONTHS[written[:3].lower()], "en", "word")
    if len(written) == 1 and (greek := _GREEK.get(lower)):
        return Token(piece[begin:end], begin, end, greek, "en", "word")
    if len(written) == 1 and not re.match(r"[A-Za-z\u00c0-\u024f]", written):
        return None  # a letter of another script
    if not re.match(r"[A-Za-z\u00aa-\u024f\u1d00-\u1eff\ufb00-\ufb06\u2c60-\u2c7f\ua722-\ua7ff\u0250-\u02af]", written):
        return None
    if re.search(r"\d", written):
        spoken = english.mixed(written) if language == "en" else mandarin.mixed(written)
        return Token(piece[begin:end], begin, end, _clean(spoken), "en", "number")
    letters = written.removesuffix("'s")
    if "-" not in written and letters.isupper():
        value = english.roman(written)
        if (
            value
            and found
            and (len(written) > 1 or (written == "V" and not found[-1].text.endswith(".")))
            and (found[-1].text[:1].isupper() or found[-1].text.lower() in _NAMES_BEFORE_ROMAN)
            and not found[-1].text.isupper()
            and not found[-1].after
            and found[-1].language == "en"
            and value < 100
        ):
            named = found[-1].text.lower() in _NAMES_BEFORE_ROMAN
            spoken = english.cardinal(value) if named else "the " + english.ordinal(value)
            return Token(piece[begin:end], begin, end, spoken, "en", "number")
        if len(letters) > 1 and _is_spelled(letters, shouting):
            spoken = english.spell(letters) + ("'s" if letters != written else "")
            return Token(piece[begin:end], begin, end, spoken, "en", "letters")
        if len(letters) > 1 and letters not in english.SAID_AS_WORDS:
            return Token(piece[begin:end], begin, end, _clean(written), "en", "word", loud=language == "en" and not shouting)
    elif "-" in written and any(part in english.SPELLED for part in written.split("-")):
        parts = [english.spell(p) if p in english.SPELLED or len(p) == 1 else p for p in written.split("-")]
        return Token(piece[begin:end], begin, end, _clean(" ".join(parts)), "en", "letters")
    elif re.fullmatch(r"[A-Z]{2,}s", written) and written[:-1] in english.SPELLED:
        return Token(piece[begin:end], begin, end, english.spell(written[:-1]) + "s", "en", "letters")
    return Token(piece[begin:end], begin, end, _clean(written), "en", "word")


def _clean(written: str) -> str:
    return _INVISIBLE.sub("", written)


def _owns_stop(written: str, plain: str, end: int) -> bool:
    """Whether the full stop at `end` is the abbreviation's alone; one that also ends the sentence stays outside."""
    rest = plain[end + 1 :].lstrip()
    lower = written.lower()
    if not rest:
        return lower in ("etc", "inc", "ltd", "corp", "jr", "sr", "e.g", "i.e")
    if lower in (
        "co",
        "fig",
        "figs",
        "ch",
        "vol",
        "al",
        "ave",
        "col",
        "gen",
        "rep",
        "sen",
        "est",
        "pp",
        "mt",
        "rd",
        "hon",
        "gov",
    ):
        return rest[0].isupper() or rest[0].isdigit()
    return True


def _is_spelled(letters: str, shouting: bool) -> bool:
    if letters in english.SAID_AS_WORDS:
        return False
    if letters in english.SPELLED:
        return not shouting or letters.lower() not in (
            "us",
            "it",
            "who",
            "am",
            "hi",
            "la",
            "ad",
            "rip",
            "er",
            "ct",
            "sec",
            "pin",
        )
    if "-" in letters or "'" in letters:
        return False
    vowels = sum(c in "AEIOUY" for c in letters)
    if not vowels:
        return len(letters) > 1 and not re.fullmatch(r"[HMSTZ]+", letters)  # HMM, SHH, PSST
    return False if shouting or len(letters) > 3 else letters.lower() not in _COMMON_SHORT


# Words of up to three letters: in capitals they are more likely emphasis than initials.
_COMMON_SHORT = word_set(
    "a i am an as at be by do go he if in is it me my no of oh ok on or so to up us we ah aw ha hi hey yes yay wow ow the "
    "and for are but not you all any can had her was one our out day get has him his how man new now old see two way who "
    "boy did its let put say she too use dad mom big end far few got own run sit set sun top try why ask bad bed box car "
    "cut dog eat eye fun god hot job lot low may met oil pay red saw sea six son ten war win won yet ago air arm art bar "
    "bit bus buy cry die dry due egg fat fit fix fly gas guy hat hit ill key kid law lay led leg lie lip map mix mum net "
    "off odd pan per pig pot raw rid row sad sex shy sky tax tea tie tip toe via wet wit zoo ugh huh aha meh nah yep yup "
    "nope eww boo omg lol aww mad gun ice add aid age ban bag bet bye cat cup ear era fan fed fee hug jam jet joy lab mud "
    "nor nut pop rat sin spy tap toy van vow web"
)


def _dotted(piece: str, plain: str, begin: int, end: int, language: Language, shouting: bool, found: list[Token]) -> Token:
    written = plain[begin:end]
    rest = plain[end:].strip("\"')] \n")
    if not rest and written.lower() not in ("e.g.", "i.e."):
        end -= 1  # the last full stop ends the sentence
    spoken = english.ABBREVIATIONS.get(written.lower()) or english.spell(written)
    if written == "Ph.D.":
        spoken = "P H D"
    return Token(piece[begin:end], begin, end, spoken, "en", "letters" if len(spoken) > 1 and spoken.isupper() else "word")


def _joined(piece: str, plain: str, begin: int, end: int, language: Language, shouting: bool, found: list[Token]) -> Token:
    """Letters and marks that are said one by one: Q&A, AT&T, C++, C#."""
    names = {"&": "and", "+": "plus", "#": "sharp"}
    spoken = " ".join(names.get(c, c) for c in plain[begin:end])
    return Token(piece[begin:end], begin, end, spoken, "en", "letters")


def _slashed(piece: str, plain: str, begin: int, end: int, language: Language, shouting: bool, found: list[Token]) -> Token:
    return Token(piece[begin:end], begin, end, english.ABBREVIATIONS[plain[begin:end].lower()], "en", "word")


def _address(
    piece: str, plain: str, begin: int, end: int, language: Language, shouting: bool, found: list[Token]
) -> Token | None:
    spoken = english.address(plain[begin:end])
    return Token(piece[begin:end], begin, end, spoken, "en", "address") if spoken.strip() else None


def _version(piece: str, plain: str, begin: int, end: int, language: Language, shouting: bool, found: list[Token]) -> Token:
    written = plain[begin:end]
    spoken = english.mixed(written) if language == "en" else "版本" + mandarin.version(written)
    return Token(piece[begin:end], begin, end, spoken, language, "number")


def _symbol(
    piece: str, plain: str, begin: int, end: int, language: Language, shouting: bool, found: list[Token]
) -> Token | None:
    written = plain[begin:end].strip()
    begin = end - len(written)
    left, right = plain[:begin].rstrip()[-1:], plain[end:].lstrip()[:1]
    if written in "~±":
        left = "0"
    elif written in "²³":
        right = "0"
    if not (left.isalnum() or left in ")%²³") or not (right.isalnum() or right in "(-$£€¥"):
        return None  # not between two things that it could join
    if written == "/" and plain[begin - 1] != " ":
        return None
    en, zh = _SYMBOLS[written]
    return Token(piece[begin:end], begin, end, en if language == "en" else zh, language, "symbol")


_READERS: dict[str, Callable[[str, str, int, int, Language, bool, list[Token]], Token | None]] = {
    "joined": _joined,
    "url": _address,
    "email": _address,
    "domain": _address,
    "version": _version,
    "dotted": _dotted,
    "slashed": _slashed,
    "word": _word,
    "symbol": _symbol,
}


def _numeric(piece: str, plain: str, begin: int, language: Language, found: list[Token]) -> list[Token]:
    """Read what stands at a digit, a sign or a currency mark; empty where none of the patterns fits."""
    for kind, pattern in _NUMERIC:
        match = pattern.match(plain, begin)
        if match is None:
            continue
        say = _say_english if language == "en" else _say_mandarin
        previous = found[-1] if found and not plain[found[-1].end : begin].strip() else None
        if kind == "phone":
            return list(_phone(piece, match, language))
        spoken = say(kind, match.groupdict(), match.group(), plain[match.end() : match.end() + 12], previous)
        if spoken is None:
            continue
        end = match.end()
        return [Token(piece[begin:end], begin, end, spoken, language, "number")]
    return []


def _phone(piece: str, match: re.Match[str], language: Language) -> Iterator[Token]:
    """A telephone number, one word a group: readers pause between the groups."""
    for group in re.finditer(r"\+?\d+", match.group()):
        begin, end = match.start() + group.start(), match.start() + group.end()
        written = group.group()
        if language == "en":
            spoken = ("plus " if written[0] == "+" else "") + english.digits(written)
        else:
            spoken = ("加" if written[0] == "+" else "") + mandarin.phone(written)
        yield Token(piece[begin:end], begin, end, spoken, language, "number")


def _month_day(a: int, b: int) -> tuple[int, int] | None:
    """Month and day of the two numbers in front of a year: month first, unless it cannot be."""
    if 1 <= a <= 12 and 1 <= b <= 31:
        return a, b
    return (b, a) if 1 <= b <= 12 and 1 <= a <= 31 else None


def _say_english(kind: str, part: dict[str, Any], written: str, following: str, previous: Token | None) -> str | None:
    match kind:
        case "ymd":
            return english.date(int(part["y"]), int(part["m"]), int(part["d"]))
        case "mdy":
            pair = _month_day(int(part["a"]), int(part["b"]))
            return english.date(int(part["y"]), *pair) if pair else None
        case "time":
            return english.time(int(part["h"]), int(part["m"]), int(part["s"]) if part["s"] else None, part["half"] or "")
        case "times":
            return " to ".join(english.time(int(part[k].split(":")[0]), int(part[k].split(":")[1])) for k in "ab")
        case "rating":
            return f"{english.decimal(part['a'])} out of {english.decimal(part['b'])}"
        case "clock":
            return english.time(int(part["h"]), 0, None, part["half"])
        case "money":
            magnitude = {"万": "ten thousand", "亿": "hundred million", "千": "thousand"}.get(part["g"] or "", part["g"] or "")
            return english.money(part["c"], (part["sign"] or "") + part["n"], magnitude)
        case "moneys":
            return f"{english.decimal(part['a'])} to {english.money(part['c'], part['b'])}"
        case "feet":
            return f"{english.decimal(part['a'])} foot {english.decimal(part['b'])}"
        case "sides":
            a, b = int(part["a"]), int(part["b"])
            return f"{english.year(a)} by {english.year(b)}"
        case "vulgar":
            top, bottom = map(int, unicodedata.normalize("NFKC", part["f"]).split("\u2044"))
            spoken = english.fraction(top, bottom)
            return f"{english.decimal(part['w'])} and {spoken.replace('one ', 'a ', 1)}" if part["w"] else spoken
        case "hash":
            return "number " + english.decimal(part["n"])
        case "big":
            return f"{english.decimal(part['n'])} {english.MAGNITUDES[part['g']]}"
        case "fold":
            return english.decimal(part["n"]) + " times"
        case "score":
            return f"{english.decimal(part['a'])} to {english.decimal(part['b'])}"
        case "version":
            return " point ".join(english.decimal(n) for n in written.split("."))
        case "range":
            unit = (part["u"] or "").strip()
            both_years = all(re.fullmatch(r"(1[1-9]|20)\d\d", part[k]) for k in "ab") and not unit
            low = english.year(int(part["a"])) if both_years else english.decimal(part["a"])
            high = english.year(int(part["b"])) if both_years else english.decimal(part["b"])
            return f"{low} to {high}" + (f" {english.UNITS[unit][1]}" if unit in english.UNITS else "")
        case "decade":
            if len(part["n"]) == 2 and written[0] != "'" and (previous is None or previous.text.lower() not in _DECADE_LED):
                return None  # "1m 20s"
            return english.decade(part["n"])
        case "ordinal":
            return english.ordinal(int(part["n"].replace(",", "")))
        case "unit":
            unit = part["u"].replace("° ", "°")
            if unit not in english.UNITS:
                return None
            if unit == "in" and " " in written and re.match(r"\s\w", following):
                return None  # "5 in the morning"
            return english.measure(part["n"], unit)
        case "fraction":
            top, bottom = int(part["a"]), int(part["b"])
            if (top, bottom) in ((24, 7), (9, 11)) or (top % 10 == bottom % 10 == 0 and top + bottom == 100):
                return f"{english.cardinal(top)} {english.cardinal(bottom)}"  # 24/7, 9/11, 50/50
            whole = f"{english.cardinal(int(part['w']))} and " if part["w"] else ""
            spoken = english.fraction(top, bottom)
            return whole + (spoken.replace("one ", "a ", 1) if whole and top == 1 else spoken)
        case "mixed":
            return english.mixed(written)
    if written[0] not in "+-" and re.fullmatch(r"\d{4}", written) and _is_year(int(written), following, previous):
        return english.year(int(written))
    if previous is not None and previous.text.lower() in _NUMBERED and re.fullmatch(r"[1-9]\d[1-9]", written):
        return english.mixed(written)
    if re.match(rf"\s(?:{'|'.join(english.MONTHS)})\b", following + " ") and re.fullmatch(r"[1-9]|[12]\d|3[01]", written):
        return english.ordinal(int(written))
    if (
        previous is not None
        and previous.text.rstrip(".").capitalize()[:3].lower() in _MONTHS
        and previous.spoken in english.MONTHS
        and re.fullmatch(r"[1-9]|[12]\d|3[01]", written)
    ):
        return english.ordinal(int(written))
    return english.signed(written)


def _is_year(number: int, following: str, previous: Token | None) -> bool:
    """Whether four digits are said in pairs. 1900..2099 are, unless things are counted; others after "in", "since" ..."""
    if not 1100 <= number <= 2099:
        return False
    if previous is not None and previous.text.lower() in _YEAR_LED:
        return True
    counted = re.match(r"\s[a-z]+", following)
    return number >= 1700 and not (number % 100 == 0 and counted)


def _say_mandarin(kind: str, part: dict[str, Any], written: str, following: str, previous: Token | None) -> str | None:
    match kind:
        case "ymd":
            return mandarin.date(int(part["y"]), int(part["m"]), int(part["d"]))
        case "mdy":
            pair = _month_day(int(part["a"]), int(part["b"]))
            return mandarin.date(int(part["y"]), *pair) if pair else None
        case "time":
            return mandarin.time(int(part["h"]), int(part["m"]), int(part["s"]) if part["s"] else None, part["half"] or "")
        case "times":
            return "到".join(mandarin.time(int(part[k].split(":")[0]), int(part[k].split(":")[1])) for k in "ab")
        case "rating":
            return f"{mandarin.decimal(part['a'])}比{mandarin.decimal(part['b'])}"
        case "clock":
            return mandarin.time(int(part["h"]), 0, None, part["half"])
        case "money":
            return mandarin.money(part["c"], (part["sign"] or "") + part["n"], part["g"] or "", following)
        case "moneys":
            return f"{mandarin.decimal(part['a'])}到{mandarin.money(part['c'], part['b'])}"
        case "feet":
            return f"{mandarin.decimal(part['a'])}英尺{mandarin.decimal(part['b'])}英寸"
        case "sides":
            return f"{mandarin.decimal(part['a'])}乘{mandarin.decimal(part['b'])}"
        case "vulgar":
            top, bottom = map(int, unicodedata.normalize("NFKC", part["f"]).split("\u2044"))
            return (f"{mandarin.decimal(part['w'])}又" if part["w"] else "") + mandarin.fraction(top, bottom)
        case "hash":
            return mandarin.decimal(part["n"]) + ("" if following.startswith("号") else "号")
        case "big":
            return mandarin.decimal(part["n"]) + (" M" if part["g"] == "M" else " B")
        case "fold":
            return mandarin.decimal(part["n"], "倍") + "倍"
        case "score":
            return f"{mandarin.decimal(part['a'])}比{mandarin.decimal(part['b'])}"
        case "version":
            return mandarin.version(written)
        case "range":
            unit = (part["u"] or "").strip()
            if unit == "%" or "%" in written:
                return f"{mandarin.percent(part['a'])}到{mandarin.percent(part['b'])}"
            if following.startswith("年") and all(re.fullmatch(r"[12]\d{3}", part[k]) for k in "ab"):
                return f"{mandarin.year(part['a'])}到{mandarin.year(part['b'])}"
            name = mandarin.UNITS.get(unit, "")
            return f"{mandarin.decimal(part['a'], name or following)}到{mandarin.decimal(part['b'], name or following)}{name}"
        case "decade":
            return mandarin.digits(part["n"]) + "年代" if len(part["n"]) == 4 else mandarin.decimal(part["n"]) + "年代"
        case "ordinal":
            return "第" + mandarin.decimal(part["n"])
        case "unit":
            unit = part["u"].replace("° ", "°")
            if unit not in mandarin.UNITS and unit not in "%‰":
                return None
            if (
                unit in ("L", "l", "s", "h", "m", "in", "W", "V", "t")
                and len(unit) == 1
                and following[:1].isalpha()
                and following[:1].isascii()
            ):
                return None
            return mandarin.measure(part["n"], unit)
        case "fraction":
            whole = f"{mandarin.cardinal(int(part['w']))}又" if part["w"] else ""
            return whole + mandarin.fraction(int(part["a"]), int(part["b"]))
        case "mixed":
            number = re.match(r"\d+", written)
            assert number is not None
            return mandarin.decimal(number.group()) + " " + english.mixed(written[number.end() :])
    following = following.lstrip(" ")
    if written.isdigit():
        if (spoken := mandarin.year_before(written, following)) is not None:
            return spoken
        if following.startswith(("室", "房间", "病房", "教室")) and len(written) in (3, 4):
            return mandarin.phone(written)
        if previous is not None and previous.text[-1:] == "第":
            return mandarin.decimal(written)
        if previous is not None and previous.text[-2:] in ("电话", "热线", "拨打", "号码", "房间"):
            return mandarin.phone(written)
    return mandarin.signed(written, following)


def _mandarin(piece: str, begin: int, end: int, after_number: bool) -> Iterator[Token]:
    """Cut a run of Han characters into words."""
    at = begin
    run = piece[begin:end]
    if after_number and run[0] in _MEASURES and not run.startswith(("部分", "个月", "点钟")):
        yield Token(run[0], at, at + 1, run[0], "zh", "word", tag="q")  # 2条狗: jieba alone would see 条狗
        at += 1
        run = run[1:]
    for text, tag in segment(run):
        yield Token(text, at, at + len(text), text, "zh", "word", tag=tag)
        at += len(text)


_MEASURES = frozenset("个条只张本台辆杯瓶碗双对套份家间座棵朵颗匹头支枝首句页遍趟场门节度口片步段组队项款部位名件块次多几余")


def segment(run: str) -> list[tuple[str, str]]:
    """Words and their parts of speech (jieba's tags) of a run of Han characters."""
    return [(pair.word, pair.flag) for pair in _jieba().cut(run)]


def _jieba() -> Any:
    """jieba's tagger, loaded at the first Mandarin sentence (0.5 s) and not before."""
    global _tagger
    if _tagger is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports pkg_resources where that exists
            import jieba
            import jieba.posseg

        jieba.setLogLevel(logging.ERROR)
        dictionary = jieba.Tokenizer()
        # Its own `initialize` trusts a marshal file of a fixed name in the shared /tmp, and its tagger reads it twice
        # more. Here it is read once: lines of a word, its count and its part of speech. What a word begins with counts 0.
        with dictionary.get_dict_file() as file:
            fields = file.read().decode("utf-8").split()
        entries, counts = fields[::3], [int(count) for count in fields[1::3]]
        dictionary.FREQ = dict.fromkeys((word[:n] for word in entries for n in range(1, len(word))), 0)
        dictionary.FREQ.update(zip(entries, counts, strict=True))
        dictionary.total = sum(counts)
        dictionary.initialized = True
        _tagger = jieba.posseg.POSTokenizer.__new__(jieba.posseg.POSTokenizer)  # whose constructor only reads the file
        _tagger.tokenizer = dictionary
        _tagger.word_tag_tab = dict(zip(entries, fields[2::3], strict=True))
    return _tagger


_tagger: Any = None
