"""Sentences: where one ends and the next begins, in one pass over the text, lazily."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .script import HAN, word_set

LIMIT = 380
"""The most characters that a sentence may have. Longer ones are cut at a clause, else between words, else anywhere."""

_CLOSERS = "\"'”’»›)\\]）】」』》〉*_~"
_EMOJI = "\u200d\u20e3\u2600-\u27bf\u2b00-\u2bff\ufe0f\U0001f000-\U0001faff"
# No possessive quantifiers: Python 3.11 before 3.11.5 gets them wrong. Nothing follows, so that nothing is ever taken back.
_CANDIDATE = re.compile(f"[.。．｡!！?？‼⁇⁈⁉…]+[{_CLOSERS}]*(?:[ \u3000]?[{_EMOJI}]+)?|[,;:，；：、—]+|\\s+")
_NOT_SPACE = re.compile(r"\S")
_WORD_BEFORE = re.compile(r"[^\W\d_](?:[\w'’.-]*\w)?$")

# A full stop after these does not end a sentence.
_ABBREVIATIONS = word_set(
    "mr mrs ms mx dr prof rev hon st sr jr gen col capt lt sgt maj cmdr gov sen rep pres messrs mme mlle e.g i.e cf viz vs "
    "approx dept est fig figs ed eds trans vol vols ch sec no nos p pp art al mt ft ave blvd rd"
)
# These may end one: they do where a capital follows.
_AMBIGUOUS = word_set(
    "etc inc ltd co corp u.s u.k u.n e.u u.s.a d.c a.m p.m ph.d m.d b.a m.a b.sc m.sc b.c a.d jan feb mar apr jun jul aug "
    "sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun sr jr esq hr hrs min mins sec secs in lb lbs oz"
)
_BEFORE_NUMBER = word_set("no nos p pp fig figs vol vols ch sec art jan feb mar apr jun jul aug sep sept oct nov dec")
_STARTERS = word_set(
    "the a an i he she it we they you this that these those there here what who when where why how if in on at but and so "
    "however then as after before my his her our their its"
)
_HAN_START = re.compile(f"[{HAN}]")


def sentence_spans(text: str) -> Iterator[tuple[int, int, bool]]:
    """Give (start, end, whole) of each sentence in order; the spans hold no outer white space and never overlap.

    `whole` is False where a sentence longer than LIMIT was cut here. Spans may hold nothing to say (a line of dashes).
    Time is linear in the length of the text, and the first span is given without looking at the rest.
    """
    start = 0  # of the sentence under way
    clause = space = 0  # the latest places to cut it
    for match in _CANDIDATE.finditer(text):
        begin, end = match.span()
        while begin - start > LIMIT:
            cut = clause if clause > start else space if space > start else start + LIMIT
            yield from _trimmed(text, start, cut, whole=False)
            start = cut
        mark = match.group()
        if mark[0] in ",;:，；：、—":
            if begin - start > LIMIT // 4 and not (end < len(text) and text[end].isdigit()):
                clause = end
            continue
        if mark[0].isspace():
            space = end
            if "\n" not in mark and "\r" not in mark and "\u2028" not in mark and "\u2029" not in mark:
                continue
            if not _line_ends(text, mark, start, begin, end):
                continue
        elif not _ends(text, mark, start, begin, end):
            continue
        yield from _trimmed(text, start, end, whole=True)
        start = clause = space = end
    while len(text) - start > LIMIT:
        cut = clause if clause > start else space if space > start else start + LIMIT
        yield from _trimmed(text, start, cut, whole=False)
        start = cut
    yield from _trimmed(text, start, len(text), whole=True)


def _trimmed(text: str, start: int, end: int, whole: bool) -> Iterator[tuple[int, int, bool]]:
    piece = text[start:end]
    inner = piece.strip()
    if inner:
        start += len(piece) - len(piece.lstrip())
        yield start, start + len(inner), whole


def _ends(text: str, mark: str, start: int, begin: int, end: int) -> bool:
    """Whether the run of full stops, question or exclamation marks at begin:end ends the sentence."""
    after = text[end] if end < len(text) else "\n"
    following = _NOT_SPACE.search(text, end)
    if following is None:
        return True
    first = text[following.start()]
    stops = mark.rstrip(_CLOSERS.replace("\\", ""))
    quoted = len(stops) < len(mark)
    if any(c in mark for c in "。．｡！？"):
        return not (quoted and first in "，,。、；：）)") and first not in "，、"
    if "…" in mark or ".." in mark:
        # A pause inside a thought, unless a new sentence visibly begins.
        return after.isspace() and first.isupper() and text[following.start() : following.start() + 2] not in ("I ", "I'")
    if "!" in mark or "?" in mark or any(c in mark for c in "‼⁇⁈⁉"):
        if quoted and first.islower():
            return False  # "Stop!" he said.
        return after.isspace() or not (after.isalnum() and after.isascii()) or after.isupper()
    if not after.isspace() and not _HAN_START.match(after) and not quoted:
        return False  # 3.14, example.com, U.S.A
    if quoted and not after.isspace() and not _HAN_START.match(after):
        return False
    if quoted and first.islower():
        return False
    return not _abbreviated(text, start, begin, following.start(), mark)


def _abbreviated(text: str, start: int, begin: int, following: int, mark: str) -> bool:
    """Whether the single full stop at `begin` belongs to an abbreviation or an initial inside the sentence."""
    if mark[0] != "." or (len(mark) > 1 and mark[1] == "."):
        return False
    before = _WORD_BEFORE.search(text[max(start, begin - 24) : begin])
    first = text[following]
    if before is None:
        # "1. Open the lid": a list's number is read with its line.
        head = text[start:begin].strip()
        return head.isdigit() and len(head) <= 2
    word = before.group()
    lower = word.lower()
    if lower in _BEFORE_NUMBER:
        return first.isdigit()
    if len(word) == 1:
        # An initial (J. K. Rowling), but not the pronoun, nor "plan B." before a sentence's usual first word.
        return word.isupper() and first.isupper() and word != "I" and _word_at(text, following) not in _STARTERS
    if lower in _AMBIGUOUS:
        if not (first.isupper() or first in "\"'“‘(" or _HAN_START.match(first)):
            return True
        return "." in lower and lower not in ("a.m", "p.m") and _word_at(text, following) not in _STARTERS
    return lower in _ABBREVIATIONS


def _word_at(text: str, position: int) -> str:
    return re.split(r"[^\w']", text[position : position + 16], maxsplit=1)[0].lower()


def _line_ends(text: str, mark: str, start: int, begin: int, end: int) -> bool:
    """Whether the white space at begin:end, which holds a line's end, ends the sentence.

    A blank line does. A single line's end does unless the text looks as if an editor had wrapped it there.
    """
    if mark.count("\n") + mark.count("\u2029") > 1 or mark.replace("\r\n", "\n").count("\r") > 1:
        return True
    if begin <= start or end >= len(text):
        return True
    first, last = text[end], text[begin - 1]
    if _HAN_START.match(last) or _HAN_START.match(first):
        return True
    if first.islower() or last in ",;，；、":
        return False
    line = begin - max(text.rfind("\n", start, begin) + 1, start)
    return line < 55
