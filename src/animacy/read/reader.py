"""The reader: one pass over the text, a sentence at a time. What the author marked wins over what the models find."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from ..errors import UsageError
from ..stages import Reader
from ..types import Language, Score, Sentence, Word
from .boundary import boundaries
from .feeling import Feelings, complete, valence_of_emotion
from .marks import Marked, MarkedSentence, Unit
from .markup import check_markup, parse
from .script import check_language, check_readable, folded, foreign_words, language_of, shorten
from .stress import LOUD, content, states_of, stresses
from .words import Token, mark_in, said_for, tokens

_log = logging.getLogger(__name__)
BACK = 0.7  # the most stress of words beside one that the author stresses strongly
REMEMBERED = 2  # sentences whose words are given to the one that follows
# Share of the way from one sentence's excitement to the next one's that it goes: what stirs is felt at once, and what it has
# stirred dies down slowly, into what comes next (Zillmann, 1971, "Excitation transfer").
STIR, SETTLE = 0.65, 0.5
_SPOKEN_LIMIT = 400  # of one sentence, as _size counts


class TextReader:
    """Reads English and Mandarin, also mixed.

    `language` decides how digits are said where the text does not tell ("auto": by the sentence, else by the one before);
    `emotion` (weights from `parse_emotion`) takes the place of what the model finds, in every sentence, and valence follows it.
    `markup` is one of MARKUPS: how the author's marks are written (docs/markup.md), "none" where brackets are mere brackets.
    Raises UsageError for an unknown language, emotion or markup.
    """

    def __init__(self, language: str = "auto", emotion: Mapping[str, float] | None = None, markup: str = "none") -> None:
        check_language(language)
        check_markup(markup)
        self._language = language
        self._markup = markup
        self._emotion = None if emotion is None else complete(emotion)
        self._feelings = Feelings()

    def read(self, text: str) -> Iterator[Sentence]:
        """Read `text` sentence by sentence, lazily. Offsets count characters of `text`, or of what is left without its markup.

        Raises UsageError at once if there is nothing to say, if the text is in another script or if its markup is wrong.
        """
        marked = parse(text, self._markup)
        check_readable(marked.shadow)
        sentences = self._sentences(marked)
        first = next(sentences, None)
        if first is None:
            given = f"{shorten(text.strip())!r}" if text.strip() else "an empty text"
            raise UsageError(f"nothing to say in {given}: give words in English or Mandarin")
        return _chain(first, sentences)

    def _sentences(self, marked: Marked) -> Iterator[Sentence]:
        text = marked.text
        usual: Language = "zh" if self._language == "zh" else "en"
        if self._language == "auto":
            usual = language_of(text[:2000], usual)
        breaks = 0  # how many of the marked ones are taken
        recent: deque[set[str]] = deque(maxlen=REMEMBERED)
        excitement: float | None = None  # of the sentence before
        for start, end, whole, said in marked.spans():
            piece = text[start:end]
            language = self._language_of(marked, start, end, said, usual)
            if left_out := foreign_words(marked.shadow[start:end]):
                _log.warning("left out %r: only English and Mandarin are read", shorten(left_out[0]))
            found = _tokens(marked, start, end, language, said)
            if not found:
                continue
            usual = language
            if not found[-1].after:
                found[-1].after = "." if whole else ","
            pause = said.pause if said else 0.0
            while breaks < len(marked.breaks) and marked.breaks[breaks].owner <= end:
                at = marked.breaks[breaks]
                before = [t for t in found if start + t.end <= at.at] if at.owner > start else []
                if before:
                    before[-1].pause = (before[-1].pause or 0.0) + at.seconds
                else:  # nothing was said yet that it could follow
                    pause += at.seconds
                breaks += 1
            for part, begin, stop in _cut(found, len(piece)):
                sentence = self._sentence(piece, start, begin, stop, part, language, said, set().union(*recent), excitement)
                excitement = sentence.excitement
                recent.append(content(part, [w.stress for w in sentence.words]))
                yield replace(sentence, pause=pause) if pause else sentence
                pause = 0.0

    def _language_of(self, marked: Marked, start: int, end: int, said: MarkedSentence | None, usual: Language) -> Language:
        if said is not None and said.language:
            return said.language
        styles = {style.language for _, style in marked.styles_in(start, end)}
        if len(styles) == 1 and (only := styles.pop()):
            return only
        return language_of(marked.shadow[start:end], usual) if self._language == "auto" else usual

    def _sentence(
        self,
        piece: str,
        offset: int,
        begin: int,
        end: int,
        part: list[Token],
        language: Language,
        said: MarkedSentence | None,
        given: set[str],
        before: float | None,
    ) -> Sentence:
        text = piece[begin:end]
        feeling, encoded = self._feelings.read(text)
        emotion, valence, excitement = feeling.emotion, feeling.valence, feeling.excitement
        if before is not None:  # it builds and ebbs over a passage
            excitement = before + (STIR if excitement > before else SETTLE) * (excitement - before)
        if self._emotion is not None:
            emotion, valence = self._emotion, valence_of_emotion(self._emotion)
        of_words = [t.style.emotion if t.style else None for t in part]
        if said is not None and said.emotion is not None:
            emotion, valence = said.emotion, valence_of_emotion(said.emotion)
        elif of_words[0] is not None and all(e == of_words[0] for e in of_words):  # so it is the sentence's
            emotion, valence = of_words[0], valence_of_emotion(of_words[0])
            of_words = [None] * len(part)
        elif feeling.turn is not None and self._emotion is None and not any(of_words):  # each clause shows its own
            turn, first = feeling.turn
            of_words = [first if t.start - begin < turn else None for t in part]
        if said is not None:
            valence = valence if said.valence is None else said.valence
            excitement = excitement if said.excitement is None else said.excitement
        states = states_of(encoded, text, [(t.start - begin, t.end - begin) for t in part])
        read = zip(part, stresses(part, language, states, given), boundaries(part, language, states), of_words, strict=True)
        words = tuple(_word(token, offset, stress, boundary, felt) for token, stress, boundary, felt in read)
        if max(w.stress for w in words) > LOUD and any(t.style and (t.style.stress or 0) > LOUD for t in part):
            words = tuple(  # beside what the author stresses strongly, the rest steps back
                w if t.style and t.style.stress is not None else replace(w, stress=min(w.stress, BACK))
                for w, t in zip(words, part, strict=True)
            )
        return Sentence(text, offset + begin, offset + end, language, emotion, valence, excitement, words)


def _word(t: Token, offset: int, stress: float, boundary: float, emotion: Mapping[str, float] | None) -> Word:
    word = Word(t.text, offset + t.start, offset + t.end, stress, t.spoken, t.language, t.after, t.pause)
    word = replace(word, boundary=boundary if t.boundary is None else t.boundary)
    if t.style is None:
        return word if emotion is None else replace(word, emotion=emotion)
    return replace(
        word,
        stress=stress if t.style.stress is None else t.style.stress,
        rate=t.style.rate,
        volume=t.style.volume,
        phonemes=t.phonemes,
        emotion=emotion,
        face=t.style.face,
    )


def _tokens(marked: Marked, start: int, end: int, language: Language, said: MarkedSentence | None) -> list[Token]:
    """The words of a sentence with what the author says about them; text between two marks is read by itself."""
    piece = marked.text[start:end]
    if not marked.styles:
        return tokens(piece, language)
    units = marked.units_in(start, end)
    styles = marked.styles_in(start, end)
    edges = {0, len(piece)}
    edges |= {at - start for (_, a), (at, b) in pairwise(styles) if a.language != b.language}
    edges |= {b.at - start for b in marked.breaks_in(start, end)}
    edges |= {e - start for u in units for e in (u.start, u.end)}
    own = {u.start - start: u for u in units}
    found: list[Token] = []
    plain = folded(piece)
    for begin, stop in pairwise(sorted(edges)):
        spoken_in = marked.style_at(start + begin).language or language
        before = len(found)
        if begin in own:
            found.append(_unit(own[begin], piece, begin, stop, spoken_in))
        elif not (said is not None and said.units_only):
            for token in tokens(piece[begin:stop], spoken_in):
                token.start, token.end = token.start + begin, token.end + begin
                found.append(token)
        if 0 < before < len(found):
            found[before - 1].after = mark_in(plain[found[before - 1].end : found[before].start])
    if found:
        found[-1].after = mark_in(plain[found[-1].end :])
    for token in found:
        token.style = marked.style_at(start + (token.start + token.end) // 2)
        unit = own.get(token.start)
        if unit is not None and unit.after is not None:
            token.after = unit.after
        if unit is not None:
            token.boundary = unit.boundary
    return found


def _unit(unit: Unit, piece: str, begin: int, end: int, language: Language) -> Token:
    text = piece[begin:end]
    spoken = unit.mandarin if language == "zh" else unit.english
    read = tokens(text, language)
    kind = read[0].kind if len(read) == 1 else "word"
    of_word = unit.language or (read[0].language if read else language)
    tag = read[0].tag if len(read) == 1 else ""
    return Token(text, begin, end, spoken or said_for(text, language), of_word, kind, "", False, tag, unit.phonemes)


def _chain(first: Sentence, rest: Iterator[Sentence]) -> Iterator[Sentence]:
    yield first
    yield from rest


def _cut(found: list[Token], length: int) -> Iterator[tuple[list[Token], int, int]]:
    """Cut the words of a sentence of `length` characters where its spoken form is too long: (words, start, end) of each part.

    Where possible the cut is after punctuation.
    """
    part: list[Token] = []
    begin = size = 0
    for token in found:
        while part and size + _size(token) > _SPOKEN_LIMIT:  # what is left of the last cut may be too long still
            cut = next((i + 1 for i in range(len(part) - 1, len(part) // 3, -1) if part[i].after), len(part))
            part[cut - 1].after = part[cut - 1].after or ","
            yield part[:cut], begin, part[cut - 1].end
            part = part[cut:]
            begin = part[0].start if part else token.start
            size = sum(map(_size, part))
        part.append(token)
        size += _size(token)
    yield part, begin, length


def _size(token: Token) -> int:
    """How long a word is to say, in Latin characters: a Han character is about four."""
    return sum(4 if "\u3400" <= c <= "\u9fff" else 1 for c in token.spoken) + 1


def read_score(text: str, language: str = "auto", emotion: Mapping[str, float] | None = None, markup: str = "none") -> Score:
    """Read a whole text at once. For many texts make one TextReader and call `score_of` on what it reads."""
    return score_of(tuple(TextReader(language, emotion, markup).read(text)))


def make_reader(language: str = "auto", emotion: Mapping[str, float] | None = None, markup: str = "none") -> Reader:
    """The reader for `language`: "auto", "en" and "zh" are read in full, any other BCP 47 tag as far as it goes.

    Raises UsageError for what is no tag, and where markup is asked for in such another language.
    """
    if language in ("auto", "en", "zh"):
        return TextReader(language, emotion, markup)
    if markup in ("plain", "ssml"):
        raise UsageError(f"--markup {markup} with --language {shorten(language)}: markup is read in English and Mandarin alone")
    from .other import OtherReader

    return OtherReader(language, emotion)


def score_of(sentences: tuple[Sentence, ...]) -> Score:
    """The sentences as a Score, in the language that most of the text is in."""
    size: Counter[Language] = Counter()
    for sentence in sentences:
        size[sentence.language] += len(sentence.text) * (3 if sentence.language == "zh" else 1)
    return Score(size.most_common(1)[0][0] if size else "en", sentences)
