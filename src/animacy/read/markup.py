"""Markup -> what the author says about a text, and back: a subset of SSML 1.1, and the same in brackets (docs/markup.md).

Nothing that is written is dropped in silence: what no stage can carry out is an error that names its line and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from ..errors import UsageError
from ..move.expression import NAMED, named
from ..speak.mandarin import from_pinyin
from ..speak.phones import from_ipa
from ..types import ARKIT, EMOTIONS, Language, Score, Sentence, Word
from . import english, mandarin
from .feeling import parse_emotion
from .marks import Break, Marked, MarkedSentence, Style, Unit
from .script import folded, shorten
from .words import mark_in, said_for, tokens

MARKUPS = ("auto", "none", "plain", "ssml")
"""How a text may be marked. "auto": "ssml" if it begins with <speak, "plain" if it holds [/] or [pause, else "none"."""

_DEEPEST = 32  # elements in one another
_LONGEST = 2_000_000  # characters of a text with its markup
_LONGEST_UNIT = 200  # characters of what is one word, and of what is said for it
_LONGEST_PAUSE = 60.0  # seconds

EMPHASIS = {"strong": 0.95, "moderate": 0.75, "none": 0.3, "reduced": 0.1}
STRENGTHS = {"none": 0.0, "x-weak": 0.15, "weak": 0.25, "medium": 0.45, "strong": 0.8, "x-strong": 1.3}  # seconds
RATES = {"x-slow": 0.6, "slow": 0.8, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.6}
VOLUMES = {"x-soft": -12.0, "soft": -6.0, "medium": 0.0, "default": 0.0, "loud": 4.0, "x-loud": 8.0}  # dB

# The shapes of the face that keep a weight that is given: the others are moved by speech, gaze and blinks.
_MOVED = re.compile("eyeBlink|eyeLook|jawOpen|mouthClose|mouthFunnel|tongueOut")
_HELD = {name for name in ARKIT if not _MOVED.match(name)}
SHAPES: Mapping[str, tuple[str, ...]] = {name: (name,) for name in ARKIT if name in _HELD} | {
    name.removesuffix("Left"): (name, name.removesuffix("Left") + "Right")
    for name in ARKIT
    if name in _HELD and name.removesuffix("Left") + "Right" in _HELD and name.endswith("Left")
}
"""What <expression> takes: ARKit's names, and those of both sides without Left or Right."""

_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "speak": ("version", "xmlns", "xml:lang", "xml:space"),
    "p": ("xml:lang",),
    "s": ("xml:lang", "emotion", "valence", "excitement", "pause", "words"),
    "w": ("xml:lang", "say", "ph", "after", "boundary", "stress", "pause", "rate", "volume", "emotion", "face"),
    "emphasis": ("level",),
    "break": ("time", "strength"),
    "prosody": ("rate", "volume", "pitch"),
    "say-as": ("interpret-as", "format"),
    "phoneme": ("alphabet", "ph"),
    "sub": ("alias",),
    "lang": ("xml:lang",),
    "emotion": ("name", "strength", "weights"),
    "expression": ("name", "strength", "weights"),
}
_INSTEAD = {
    "voice": "give --voice to the whole performance",
    "audio": "only speech is performed",
    "mark": "--timeline tells when each word is heard",
}
_UNITS = ("w", "say-as", "phoneme", "sub")  # hold text alone, and are one word
_AFTER = ("", ",", ".", "?", "!", ";", ":", "—", "…")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,25})?|\.[0-9]{1,25})(?:[eE][+-]?[0-9]{1,3})?")
_TIME = re.compile(r"\+?([0-9]{1,7}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(ms|s)")


def check_markup(markup: str) -> None:
    """Raise UsageError unless `markup` is one of MARKUPS."""
    if markup not in MARKUPS:
        raise UsageError(f"markup {shorten(markup)!r} is not known: --markup takes {', '.join(MARKUPS)}")


def markup_of(text: str, markup: str = "auto") -> str:
    """What "auto" stands for with this text; any other of MARKUPS as it is. Raises UsageError for an unknown one."""
    check_markup(markup)
    if markup != "auto":
        return markup
    if re.match(r"[\ufeff\s]{0,1000}<speak[\s>/]", text):
        return "ssml"
    return "plain" if re.search(r"\[/\]|\[pause[\s\]]", text) else "none"  # who writes these means them


def spoken_text(text: str, markup: str) -> str:
    """`text` without its markup: what the offsets of a score count in. Raises UsageError where the markup is wrong."""
    return parse(text, markup).text


def parse(text: str, markup: str) -> Marked:
    """Read markup. Raises UsageError with line and column where it is wrong or asks for what has no effect."""
    markup = markup_of(text, markup)
    if markup == "none":
        return Marked(text)
    if len(text) > _LONGEST:
        raise UsageError(f"the text has {len(text)} characters with its markup, the limit is {_LONGEST}: split it")
    return _ssml(text) if markup == "ssml" else _plain(text)


@dataclass(frozen=True, slots=True)
class _Place:
    line: int  # from 1
    column: int  # from 1

    def error(self, message: str) -> UsageError:
        return UsageError(f"markup, line {self.line}, column {self.column}: {message}")


@dataclass(slots=True)
class _Element:
    name: str
    given: Mapping[str, str]
    place: _Place
    start: int  # in the text
    style: Style  # that holds inside


class _Builder:
    """Takes elements and text in order, whichever way they are written."""

    def __init__(self, joined: bool) -> None:
        self._joined = joined
        self._pieces: list[str] = []
        self._size = 0
        self._open: list[_Element] = []
        self._styles: list[tuple[int, Style]] = [(0, Style())]
        self._units: list[Unit] = []
        self._breaks: list[Break] = []
        self._bounds: list[int] = []
        self._sentences: list[MarkedSentence] = []
        self._spoken = 0  # behind the latest letter or digit

    def done(self) -> Marked:
        return Marked(
            "".join(self._pieces),
            tuple(self._styles),
            tuple(self._units),
            tuple(self._breaks),
            tuple(self._bounds),
            tuple(self._sentences),
            self._joined,
        )

    @property
    def open(self) -> _Element | None:
        """The innermost element that is not closed."""
        return self._open[-1] if self._open else None

    def add(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        if match := _LAST_WORD.search(text):
            self._spoken = self._size + match.end()
        self._size += len(text)

    def start(self, name: str, given: Mapping[str, str], place: _Place) -> None:
        if name not in _ATTRIBUTES:
            instead = _INSTEAD.get(name, f"known are {', '.join(_ATTRIBUTES)}")
            raise place.error(f"<{shorten(name)}> has no effect here: take it out; {instead}")
        if len(self._open) >= _DEEPEST:
            raise place.error(f"more than {_DEEPEST} marks in one another: close some")
        names = [e.name for e in self._open]
        if names and names[-1] in _UNITS:
            raise place.error(f"<{name}> inside <{names[-1]}>, which holds text alone: put it around")
        if (name in ("p", "s") and "s" in names) or (name == "p" and "p" in names) or (name == "speak" and names):
            raise place.error(f"<{name}> inside <{names[-1]}>: close that first")
        for attribute in given:
            if attribute not in _ATTRIBUTES[name] and not (name == "speak" and attribute.startswith(("xmlns:", "xsi:"))):
                known = ", ".join(_ATTRIBUTES[name])
                raise place.error(f"{shorten(attribute)!r} has no effect in <{name}>: take it out; known are {known}")
        style = self._style(name, given, place)
        if style != self._styles[-1][1]:
            self._set(style)
        if name == "break":
            self._pause(_pause(given, place), self._spoken, place)
        if name in ("p", "s"):
            self._bounds.append(self._size)
        self._open.append(_Element(name, given, place, self._size, style))

    def end(self) -> None:
        element = self._open.pop()
        name, given, place = element.name, element.given, element.place
        if name == "break" and self._size > element.start:
            raise place.error("<break> holds text: close it at once, as <break/>")
        if name in _UNITS:
            self._unit(element)
        if name in ("p", "s"):
            self._bounds.append(self._size)
        if name == "s" and self._text_from(element.start).strip():
            self._sentences.append(
                MarkedSentence(
                    element.start,
                    self._size,
                    _language(given["xml:lang"], place) if "xml:lang" in given else "",
                    _emotion(given["emotion"], place) if "emotion" in given else None,
                    _number("valence", given["valence"], -1, 1, place) if "valence" in given else None,
                    _number("excitement", given["excitement"], 0, 1, place) if "excitement" in given else None,
                    _number("pause", given["pause"], 0, _LONGEST_PAUSE, place) if "pause" in given else 0.0,
                    "words" in given,
                )
            )
        outer = self._open[-1].style if self._open else Style()
        if outer != self._styles[-1][1]:
            self._set(outer)

    def _set(self, style: Style) -> None:
        if self._styles[-1][0] == self._size:
            self._styles.pop()
        self._styles.append((self._size, style))

    def _text_from(self, start: int) -> str:
        pieces: list[str] = []
        left = self._size - start
        for piece in reversed(self._pieces):
            if left <= 0:
                break
            pieces.append(piece[-left:])
            left -= len(piece)
        return "".join(reversed(pieces))

    def _pause(self, seconds: float, owner: int, place: _Place) -> None:
        owner = max(owner, self._breaks[-1].owner) if self._breaks else owner
        here = [b.seconds for b in self._breaks[-_MOST_BREAKS:] if b.owner == owner]
        if len(here) == _MOST_BREAKS or sum(here) + seconds > _LONGEST_PAUSE:
            raise place.error(f"the pause is too long: needed at most {_LONGEST_PAUSE:.0f} s between two words")
        self._breaks.append(Break(self._size, owner, seconds))

    def _style(self, name: str, given: Mapping[str, str], place: _Place) -> Style:
        style = self._open[-1].style if self._open else Style()
        if "xml:lang" in given:
            style = replace(style, language=_language(given["xml:lang"], place))
        if name == "emphasis":
            level = given.get("level", "moderate")
            if level not in EMPHASIS:
                raise place.error(f"emphasis {shorten(level)!r} is not known: needed {', '.join(EMPHASIS)}")
            style = replace(style, stress=EMPHASIS[level])
        elif name == "prosody":
            style = _prosody(style, given, place)
        elif name == "emotion":
            style = replace(style, emotion=_named_emotion(given, place))
        elif name == "expression":
            style = replace(style, face={**(style.face or {}), **_expression(given, place)})
        elif name == "s":
            if given.get("words", "marked") != "marked":
                raise place.error(f'words={shorten(given["words"])!r}: needed "marked", where nothing but <w> is said')
            if "emotion" in given:
                style = replace(style, emotion=None)  # the sentence's own
        elif name == "w":
            if "stress" in given:
                style = replace(style, stress=_number("stress", given["stress"], 0, 1, place))
            if "rate" in given:
                style = replace(style, rate=_number("rate", given["rate"], 0.5, 2, place))
            if "volume" in given:
                style = replace(style, volume=_number("volume", given["volume"], -24, 12, place))
            if "emotion" in given:
                style = replace(style, emotion=_emotion(given["emotion"], place))
            if "face" in given:
                style = replace(style, face=_face(given["face"], place))
        elif name == "lang" and "xml:lang" not in given:
            raise place.error('<lang> names no language: needed xml:lang="en" or "zh"')
        return style

    def _unit(self, element: _Element) -> None:
        place, given = element.place, element.given
        whole = self._text_from(element.start)
        text = whole.strip()
        if not text:
            raise place.error(f"<{element.name}> holds no text: give what is written")
        if len(text) > _LONGEST_UNIT:
            raise place.error(f"<{element.name}> holds {len(text)} characters: needed one word, at most {_LONGEST_UNIT}")
        start = element.start + len(whole) - len(whole.lstrip())
        unit = Unit(start, start + len(text))
        if element.name == "sub":
            if "alias" not in given:
                raise place.error("<sub> has no alias: give what is to be said")
            unit = _said_as(unit, given["alias"], place)
        elif element.name == "say-as":
            en, zh = _say_as(folded(text), given, place)
            unit = replace(unit, english=en, mandarin=zh)
        elif element.name == "phoneme":
            alphabet = given.get("alphabet", "ipa")
            if alphabet not in ("ipa", "pinyin"):
                raise place.error(f"alphabet {shorten(alphabet)!r} is not known: needed ipa (English) or pinyin (Mandarin)")
            unit = _pronounced(unit, text, given.get("ph", ""), "zh" if alphabet == "pinyin" else "en", place)
        else:
            own = _language(given["xml:lang"], place) if "xml:lang" in given else ""
            unit = replace(unit, language=own)
            if "after" in given:
                if given["after"] not in _AFTER:
                    raise place.error(f"after={shorten(given['after'])!r}: needed one of {' '.join(_AFTER[1:])} or nothing")
                unit = replace(unit, after=given["after"])
            if "boundary" in given:
                unit = replace(unit, boundary=_number("boundary", given["boundary"], 0, 1, place))
            if "say" in given:
                if not any(map(str.isalnum, given["say"])) or not _IN_WORDS.fullmatch(given["say"]):
                    raise place.error(f"say={shorten(given['say'])!r}: needed what is said, in words and without digits")
                unit = replace(unit, english=given["say"], mandarin=given["say"])
            if "ph" in given:
                by = own or ("zh" if re.search("[\u3400-\u9fff]", text) else "en")
                unit = _pronounced(unit, text, given["ph"], by, place)
            if "pause" in given:
                self._pause(_number("pause", given["pause"], 0, _LONGEST_PAUSE, place), unit.end, place)
        for language, said in (("en", unit.english), ("zh", unit.mandarin)):
            if not (said.strip() or said_for(text, language)):
                raise place.error(f"nothing to say for {shorten(text)!r}: give what is to be said by <sub alias>")
        self._units.append(unit)


_IN_WORDS = re.compile("[^0-9\x00-\x1f\x7f-\x9f]{1,4000}")
_MOST_BREAKS = 64  # between two words
_LAST_WORD = re.compile(r"\w(?=\W*\Z)")


def _said_as(unit: Unit, alias: str, place: _Place) -> Unit:
    if len(alias) > _LONGEST_UNIT:
        raise place.error(f"the alias has {len(alias)} characters, the limit is {_LONGEST_UNIT}: shorten it")
    said = {language: said_for(alias, language) for language in ("en", "zh")}
    if not all(s.strip() for s in said.values()):
        raise place.error(f"there is no word in the alias {shorten(alias)!r}: give what is to be said")
    return replace(unit, english=said["en"], mandarin=said["zh"])


def _pronounced(unit: Unit, text: str, phonemes: str, language: Language, place: _Place) -> Unit:
    if len(phonemes) > _LONGEST_UNIT:
        raise place.error(f"ph has {len(phonemes)} characters, the limit is {_LONGEST_UNIT}: shorten it")
    try:
        (from_pinyin if language == "zh" else from_ipa)(phonemes)
    except ValueError as error:
        raise place.error(f"ph={shorten(phonemes)!r}: {error}") from None
    said = said_for(text, language) or text
    return replace(unit, english=unit.english or said, mandarin=unit.mandarin or said, language=language, phonemes=phonemes)


def _language(tag: str, place: _Place) -> Language:
    main = tag.lower().replace("_", "-").split("-")[0]
    language = {"en": "en", "zh": "zh", "cmn": "zh"}.get(main)
    if language is None:
        raise place.error(f"xml:lang {shorten(tag)!r} is not spoken in markup: needed en or zh")
    return language


def _number(name: str, text: str, low: float, high: float, place: _Place) -> float:
    value = float(text) if _NUMBER.fullmatch(text.strip()) else float("nan")
    if not low <= value <= high:
        raise place.error(f"{name}={shorten(text)!r}: needed a number from {low} to {high}")
    return value


def _pause(given: Mapping[str, str], place: _Place) -> float:
    """Seconds of a <break>."""
    strength = given.get("strength", "medium")
    if strength not in STRENGTHS:
        raise place.error(f"strength {shorten(strength)!r} is not known: needed {', '.join(STRENGTHS)}")
    if "time" not in given:
        return STRENGTHS[strength]
    match = _TIME.fullmatch(given["time"].strip())
    seconds = float(match[1]) * (0.001 if match[2] == "ms" else 1.0) if match else -1.0
    if not 0 <= seconds <= _LONGEST_PAUSE:
        raise place.error(f"pause {shorten(given['time'])!r}: needed 0s to {_LONGEST_PAUSE:.0f}s, e.g. 0.5s or 500ms")
    return seconds


def _prosody(style: Style, given: Mapping[str, str], place: _Place) -> Style:
    if not given:
        raise place.error("<prosody> asks for nothing: needed rate or volume")
    if given.get("pitch", "medium") not in ("medium", "default"):
        raise place.error(f"pitch {shorten(given['pitch'])!r} has no effect: no voice here can raise or lower it; take it out")
    rate, volume = style.rate, style.volume
    if "rate" in given:
        text = given["rate"].strip()
        number, percent = text.removesuffix("%"), text.endswith("%")
        if text in RATES:
            rate = RATES[text]
        elif _NUMBER.fullmatch(number) and len(number) < 12:
            factor = float(number) / 100 if percent else float(number)
            rate *= 1 + factor if text[0] in "+-" else factor
        else:
            raise place.error(f"rate {shorten(text)!r} is not known: needed 0.5 to 2, 50% to 200%, or {', '.join(RATES)}")
        if not 0.5 <= rate <= 2:
            raise place.error(f"rate {shorten(text)!r} makes {rate:.4g} of the usual pace: needed 0.5 to 2")
    if "volume" in given:
        text = given["volume"].strip()
        number = text.lower().removesuffix("db")
        if text in VOLUMES:
            volume = VOLUMES[text]
        elif number != text and _NUMBER.fullmatch(number.strip()):
            volume += float(number)
        else:
            raise place.error(f"volume {shorten(text)!r} is not known: needed decibels such as +6dB, or {', '.join(VOLUMES)}")
        if not -24 <= volume <= 12:
            raise place.error(f"volume {shorten(text)!r} makes {volume:+.4g} dB: needed -24dB to +12dB")
    return replace(style, rate=rate, volume=volume)


def _emotion(weights: str, place: _Place) -> Mapping[str, float]:
    try:
        return parse_emotion(weights)
    except UsageError as error:
        raise place.error(str(error)) from None


def _named_emotion(given: Mapping[str, str], place: _Place) -> Mapping[str, float]:
    if "weights" in given:
        if len(given) > 1:
            raise place.error("<emotion> has weights beside a name or strength: give one of them")
        return _emotion(given["weights"], place)
    if given.get("name", "") not in EMOTIONS:
        raise place.error(f"emotion {shorten(given.get('name', ''))!r} is not known: choose from {', '.join(EMOTIONS)}")
    return _emotion(f"{given['name']}:{_number('strength', given.get('strength', '1'), 0, 1, place)!r}", place)


def _expression(given: Mapping[str, str], place: _Place) -> dict[str, float]:
    if "weights" in given:
        if len(given) > 1:
            raise place.error("<expression> has weights beside a name or strength: give one of them")
        return _face(given["weights"], place)
    if given.get("name", "") not in NAMED:
        raise place.error(
            f"expression {shorten(given.get('name', ''))!r} is not known: choose from {', '.join(NAMED)}, "
            'or give weights="browInnerUp:0.5,..."'
        )
    return named(given["name"], _number("strength", given.get("strength", "1"), 0, 1, place))


def _face(weights: str, place: _Place) -> dict[str, float]:
    face: dict[str, float] = {}
    for item in weights.split(","):
        name, _, number = (part.strip() for part in item.partition(":"))
        if name not in SHAPES:
            if _MOVED.match(name):
                raise place.error(f"{shorten(name)} is moved by speech, gaze or blinks: a weight for it has no effect")
            raise place.error(f"{shorten(name)!r} is no shape of the face: needed an ARKit name, e.g. browInnerUp:0.5")
        value = _number(name, number, 0, 1, place)
        face |= dict.fromkeys(SHAPES[name], value)
    return face


def _say_as(text: str, given: Mapping[str, str], place: _Place) -> tuple[str, str]:
    """What is said for a folded text in English, and in Mandarin."""
    kind, form = given.get("interpret-as", ""), given.get("format", "")
    if form and kind != "date":
        raise place.error(f"format has no effect with {shorten(kind)}: take it out")
    if kind in ("digits", "telephone"):
        if re.fullmatch(r"[-0-9 .()+/]*[0-9][-0-9 .()+/]*", text):
            return english.digits(text), mandarin.phone(text) if kind == "telephone" else mandarin.digits(text)
        raise place.error(f"{shorten(text)!r} holds more than digits: needed e.g. 0415")
    if kind in ("characters", "spell-out"):
        signs = [c for c in text if c.isalnum()]
        if signs and all(c.isascii() or "\u3400" <= c <= "\u9fff" for c in signs):
            en = " ".join(english.digits(c) if c.isdigit() else c.upper() for c in signs)
            zh = " ".join(mandarin.digits(c) if c.isdigit() else c.upper() for c in signs)
            return en, zh
        raise place.error(f"{shorten(text)!r} cannot be spelled: needed Latin letters, digits or Chinese characters")
    if kind == "cardinal":
        if re.fullmatch(r"[+-]?[0-9]{1,3}(?:,[0-9]{3}){0,4}|[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?", text):
            return english.signed(text), mandarin.signed(text)
        raise place.error(f"{shorten(text)!r} is no number: needed e.g. 1,250")
    if kind == "ordinal":
        if match := re.fullmatch(r"第?([0-9]{1,9})(?:st|nd|rd|th)?", text):
            return english.ordinal(int(match[1])), "第" + mandarin.decimal(str(int(match[1])))
        raise place.error(f"{shorten(text)!r} is no number: needed e.g. 3")
    if kind == "date":
        return _date(text, form, place)
    raise place.error(f"say-as {shorten(kind)!r} is not known: needed digits, telephone, characters, cardinal, ordinal or date")


def _date(text: str, form: str, place: _Place) -> tuple[str, str]:
    numbers = [n for n in re.split(r"[-/. 年月日]+", text) if n]
    order = form or ("ymd" if numbers and len(numbers[0]) == 4 else "mdy"[: len(numbers)])
    if order not in ("ymd", "mdy", "dmy", "md", "dm"):
        raise place.error(f"date format {shorten(order)!r} is not known: needed ymd, mdy, dmy, md or dm")
    found = dict(zip(order, numbers, strict=False))
    if len(numbers) != len(order) or not all(re.fullmatch("[0-9]{1,4}", n) for n in numbers):
        raise place.error(f"{shorten(text)!r} is no date in the form {order}: needed e.g. 2026-11-24 with format ymd")
    year = int(found["y"]) if "y" in found else None
    month, day = int(found["m"]), int(found["d"])
    try:
        date(2000 if year is None else year, month, day)
    except ValueError as error:
        raise place.error(f"{shorten(text)!r} is no date in the form {order}: {error}") from None
    return english.date(year, month, day), mandarin.date(year, month, day)


def _ssml(text: str) -> Marked:
    builder = _Builder(joined=True)
    first = re.match(r"[\ufeff\s]*", text)
    skipped = first.end() if first else 0  # XML allows nothing before its declaration
    before = text[:skipped]
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.ordered_attributes = True

    def place() -> _Place:
        line, column = parser.CurrentLineNumber, parser.CurrentColumnNumber + 1
        return _Place(line + before.count("\n"), column + (len(before) - before.rfind("\n") - 1 if line == 1 else 0))

    def start(name: str, flat: list[str]) -> None:
        if builder.open is None and name != "speak":
            raise place().error(f"the text begins with <{shorten(name)}>: needed <speak> around it all")
        builder.start(name, dict(zip(flat[::2], flat[1::2], strict=True)), place())

    def refuse(*_: object) -> None:
        raise place().error("a document type has no place here: take <!DOCTYPE ...> out")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: builder.end()
    parser.CharacterDataHandler = builder.add
    parser.StartDoctypeDeclHandler = refuse
    try:
        data = text[skipped:].encode()
    except UnicodeEncodeError as error:
        at = skipped + error.start
        raise _place(text, at).error("a lone surrogate is no character: take it out") from None
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        message = str(expat.ErrorString(error.code))
        if "undefined entity" in message:
            message += "; known are &amp; &lt; &gt; &quot; &apos; and &#NUMBER;"
        opened = builder.open
        if opened is not None and ("mismatched" in message or "no element" in message or "unclosed" in message):
            message += f"; <{opened.name}> of line {opened.place.line} is open"
        raise place().error(f"{message}: needed well-formed XML") from None
    return builder.done()


def _place(text: str, at: int) -> _Place:
    return _Place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


_BRACKET = re.compile(r"\[\[|\[")


def _plain(text: str) -> Marked:
    builder = _Builder(joined=False)
    position, line, line_start = 0, 1, 0
    for match in _BRACKET.finditer(text):
        at = match.start()
        builder.add(text[position:at])
        line += text.count("\n", position, at)
        line_start = max(line_start, text.rfind("\n", position, at) + 1)
        place = _Place(line, at - line_start + 1)
        position = match.end()
        if match.group() == "[[":
            builder.add("[")
            continue
        end = text.find("]", position, position + 500)
        inside = text[position:end]
        if end < 0 or "\n" in inside or "[" in inside:
            raise place.error("this bracket is not closed: needed [mark], or [[ for a bracket that is none")
        position = end + 1
        inside = inside.strip()
        if inside == "/":
            if builder.open is None:
                raise place.error("[/] closes nothing: open a mark before it, or write [[/]")
            builder.end()
            continue
        builder.start(*_bracket(inside, place), place)
        if inside.split(maxsplit=1)[0] == "pause":
            builder.end()
    builder.add(text[position:])
    if builder.open is not None:
        raise builder.open.place.error("this mark is not closed: add [/] where it ends")
    return builder.done()


def _bracket(inside: str, place: _Place) -> tuple[str, dict[str, str]]:
    """The element that a bracket stands for."""
    word, _, rest = inside.partition(" ")
    rest = rest.strip()
    emphasis = {"*": "strong", "+": "moderate", "=": "none", "-": "reduced"}
    if inside in emphasis:
        return "emphasis", {"level": emphasis[inside]}
    if word.partition(":")[0] in EMOTIONS:
        return "emotion", {"weights": inside}
    if (name := word.partition(":")[0]) in NAMED and not rest:
        return "expression", {"name": name} | ({"strength": word.partition(":")[2]} if ":" in word else {})
    if inside in ("en", "zh"):
        return "lang", {"xml:lang": inside}
    if inside == "pause" or (word == "pause" and rest in STRENGTHS):
        return "break", {"strength": rest or "medium"}
    if inside in ("digits", "telephone", "characters", "cardinal", "ordinal", "date"):
        return "say-as", {"interpret-as": inside}
    if rest:
        match word:
            case "pause":
                return "break", {"time": rest}
            case "rate" | "volume":
                return "prosody", {word: rest}
            case "say":
                return "sub", {"alias": rest}
            case "ipa" | "pinyin":
                return "phoneme", {"alphabet": word, "ph": rest}
            case "face":
                return "expression", {"weights": rest}
            case "date":
                return "say-as", {"interpret-as": "date", "format": rest}
    raise place.error(f"[{shorten(inside)}] is no mark (docs/markup.md lists them); write [[ for a bracket that is none")


# What XML 1.0 cannot hold, not even as a reference.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def score_as_markup(score: Score) -> str:
    """The score as SSML that says all of it, to be edited and performed: reading it back gives an equal score.

    Raises UsageError for another language than English and Mandarin, and for characters that XML cannot hold.
    """
    pieces, at = ['<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis">'], 0
    for sentence in score.sentences:
        pieces += [" " * (sentence.start - at), *_sentence_as_markup(sentence)]
        at = sentence.end
    return "".join((*pieces, "</speak>\n"))


def _sentence_as_markup(sentence: Sentence) -> Iterator[str]:
    if sentence.language not in ("en", "zh"):
        raise UsageError(f"a score in {shorten(sentence.language)!r} has no markup: needed English or Mandarin")
    given: dict[str, str] = {
        "xml:lang": sentence.language,
        "emotion": _weights_as_text(sentence.emotion),
        "valence": repr(sentence.valence),
        "excitement": repr(sentence.excitement),
    }
    if sentence.pause:
        given["pause"] = repr(sentence.pause)
    yield f'<s{_as_attributes(given)} words="marked">'
    plain, at = folded(sentence.text), 0
    for i, word in enumerate(sentence.words):
        begin, end = word.start - sentence.start, word.end - sentence.start
        last = i + 1 == len(sentence.words)
        gap = plain[end : None if last else sentence.words[i + 1].start - sentence.start]
        yield _as_text(sentence.text[at:begin])
        yield f"<w{_as_attributes(_word_as_given(word, sentence.language, mark_in(gap) or ('.' if last else '')))}>"
        yield _as_text(word.text) + "</w>"
        at = end
    yield _as_text(sentence.text[at:]) + "</s>"


def _word_as_given(word: Word, language: Language, after: str) -> dict[str, str]:
    given = {"stress": repr(word.stress), "boundary": repr(word.boundary)}
    read = tokens(word.text, language)
    if word.spoken != " ".join(t.spoken for t in read):
        given["say"] = word.spoken
    if word.language != (read[0].language if read else language) or word.phonemes:
        given["xml:lang"] = word.language
    if word.after != after:
        given["after"] = word.after
    for name, value, usual in (("pause", word.pause, None), ("rate", word.rate, 1.0), ("volume", word.volume, 0.0)):
        if value != usual:
            given[name] = repr(value)
    if word.phonemes:
        given["ph"] = word.phonemes
    if word.emotion is not None:
        given["emotion"] = _weights_as_text(word.emotion)
    if word.face is not None:
        given["face"] = _weights_as_text(word.face)
    return given


def _weights_as_text(weights: Mapping[str, float]) -> str:
    return ",".join(f"{name}:{weight!r}" for name, weight in weights.items())


def _as_attributes(given: Mapping[str, str]) -> str:
    escapes = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
    return "".join(f" {name}={quoteattr(_holdable(value), escapes)}" for name, value in given.items())


def _as_text(text: str) -> str:
    return escape(_holdable(text), {"\r": "&#13;"})


def _holdable(text: str) -> str:
    if match := _NO_XML.search(text):
        raise UsageError(f"the text holds U+{ord(match.group()):04X}, which markup cannot: take it out of the text")
    return text
