"""Train what `animacy.read` knows of feeling and stress, from the corpora that read/MODEL.md names.

python -m animacy.train.read --data FOLDER --out FOLDER [--cache FOLDER]

One core, no GPU: about 15 minutes, of which the embeddings take all but one; with `--cache` they are kept for the next time.
Same data and seed, same weights. Prints the figures on the development files, which are never trained on.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..read import stress
from ..read.feeling import clean, cues, embedder, excitement_of, features, head, probabilities, valence_of
from ..types import EMOTIONS

Array = NDArray[np.float32]


def embeddings(texts: list[str], cache: Path | None) -> Array:
    """[N, 384] float32, from `cache` where it holds them."""
    texts = [clean(t) for t in texts]
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    kept = cache / f"{key}.npy" if cache else None
    if kept and kept.exists():
        return np.asarray(np.load(kept, allow_pickle=False), np.float32)
    model = embedder()
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
    x: Array, y: Array, weight: Array, *, softmax: bool, hidden: int, epochs: int, decay: float, drop: float, seed: int
) -> dict[str, Array]:
    """Fit one head by AdamW on cross-entropy (`softmax`) or squared error; x is standardised, rows weigh `weight`."""
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
            xb = x[rows] * (rng.random((len(rows), d), np.float32) > drop) / np.float32(1 - drop)
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
    rare = target @ (target.mean(0) ** -0.5)  # rarer emotions weigh more, by the root of their rarity
    weight = np.concatenate([rare / rare.mean(), np.full(len(neutral), 0.25), np.full(len(own), 8.0)]).astype(np.float32)
    emotion = fit_head(
        (np.concatenate([x, x_prose[calm], x_own]) - mean) / scale,
        np.concatenate([target, neutral, y_own]),
        weight,
        softmax=True,
        hidden=128,
        epochs=10,
        decay=0.1,
        drop=0.2,
        seed=0,
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


def helsinki(path: Path) -> list[tuple[list[str], list[str], Array]]:
    """Of each sentence its words in lower case, the punctuation after each, and 0 or 1 for each: prominent or not."""
    sentences = []
    for block in path.read_text(encoding="utf-8").split("<file>")[1:]:
        words: list[str] = []
        after: list[str] = []
        marks: list[float] = []
        for line in block.splitlines()[1:]:
            word, prominence, *_ = line.split("\t")
            if prominence == "NA":
                if after:
                    after[-1] = after[-1] or (word[0] if word[0] in ",.?!;:—" else "")
            else:
                words.append(word.lower().strip("'\"") or word)
                after.append("")
                marks.append(float(prominence != "0"))
        if words:
            after[-1] = after[-1] or "."
            sentences.append((words, after, np.array(marks, np.float32)))
    return sentences


def _odds(prominent: float, seen: float, prior: float, strength: float) -> float:
    p = (prominent + strength * prior) / (seen + strength)
    return float(np.log(p / (1 - p)))


def train_stress(data: Path, out: Path) -> None:
    """Train the stress of English words; write `out`/stress.npz and print the figures on 15 % of the sentences, held out."""
    sentences = helsinki(data / "helsinki_prosody_train.txt")
    order = np.random.default_rng(0).permutation(len(sentences))
    held, kept = (
        [sentences[i] for i in order[: len(order) * 15 // 100]],
        [sentences[i] for i in order[len(order) * 15 // 100 :]],
    )
    rates, weights = fit_stress(kept, data)
    hits = base = total = 0.0
    for words, after, marks in held:
        p = stress.probabilities(stress.features(words, after, rates), weights)
        usual = np.array([stress.rate_of(w, rates)[0] > 0 for w in words])
        hits += float(((p > 0.5) == (marks > 0)).sum())
        base += float((usual == (marks > 0)).sum())
        total += len(words)
    print(f"stress: {hits / total:.4f} of the words right; {base / total:.4f} by each word's usual label")

    rates, weights = fit_stress(sentences, data)
    arrays: dict[str, Any] = {k: v.astype(np.float16 if v.ndim == 2 else np.float32) for k, v in weights.items()}
    arrays["words"] = np.array("\n".join(rates))
    arrays["odds"] = np.array([r[0] for r in rates.values()], np.float16)
    arrays["seen"] = np.array([r[1] for r in rates.values()], np.float16)
    np.savez_compressed(out / "stress.npz", **arrays)


def fit_stress(
    sentences: list[tuple[list[str], list[str], Array]], data: Path
) -> tuple[dict[str, tuple[float, float]], dict[str, Array]]:
    prominent: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    common = Counter(
        w for text in goemotions(data / "goemotions_ekman_train.tsv")[0] for w in re.findall(r"[a-z']+", text.lower())
    )
    for words, _, marks in sentences:
        for word, mark in zip(words, marks, strict=True):
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

    x = np.concatenate(
        [
            stress.context([rate(w, m) for w, m in zip(words, marks, strict=True)], words, after)
            for words, after, marks in sentences
        ]
    )
    y = np.concatenate([marks for *_, marks in sentences])
    mean, scale = x.mean(0), x.std(0) + np.float32(1e-3)
    fitted = fit_head(
        (x - mean) / scale,
        np.stack([1 - y, y], 1),
        np.ones(len(y), np.float32),
        softmax=True,
        hidden=48,
        epochs=12,
        decay=0.05,
        drop=0.05,
        seed=0,
    )
    rates = {key: (rate(key, None)[0], frequency(key)) for key in seen if key[0] != "-" and seen[key] > 1}
    rates |= {key: (_odds(prominent[key], seen[key], prior, 4), 0.0) for key in seen if key[0] == "-" and seen[key] > 1}
    known = {w for w in common if common[w] >= 8} - rates.keys()
    rates |= {w: (rate(w, None)[0], frequency(w)) for w in sorted(known)}
    return rates, {"mean": mean, "scale": scale} | {f"stress_{k}": v for k, v in fitted.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--out", type=Path, required=True, help="folder for feeling.npz and stress.npz")
    parser.add_argument("--cache", type=Path, help="folder that keeps the embeddings")
    parser.add_argument("--only", choices=("feeling", "stress"), help="train one of the two")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.only != "stress":
        train_feeling(given.data, given.out, given.cache)
    if given.only != "feeling":
        train_stress(given.data, given.out)


if __name__ == "__main__":
    main()
