# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""Pack CMU Sphinx' English model (PyPI `pocketsphinx`, BSD-2-Clause) for hear/people.py.

python -m animacy.train.hear_people --model .../pocketsphinx/model/en-us --clips FOLDER --data hear-data.npz -o people.npz

`--clips`: any speech, of which is learnt how the bands of hear/features.py make up Sphinx' filters. `--data`: what the network
is trained on, whose mean cepstra are taken for those of a voice of which nothing was heard yet.
"""

from __future__ import annotations

import argparse
import math
import struct
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..hear.clips import load
from ..hear.features import DEPTH, HIGH, HOP, LOW, RATE, Powers
from ..hear.people import BEGIN, END, FAINT, MIDDLE, PHONES, SPEECH, STATES, cosines
from .hear import Data, pool
from .hear_data import at_rate

Array = NDArray[np.float32]

FILTERS, LOWEST, HIGHEST, SIZE = 25, 130.0, 6800.0, 410  # Sphinx' filters, Hz, and samples of its window
STREAMS, LENGTH = 3, 13
STEP = 1024.0 * math.log(1.0001)  # of a mixture's weights, which are kept as logarithms
FLOOR = 1e-4  # of variances
NOISE, RARE = ("+NSN+", "+SPN+"), 0.05  # phones that are noise, and how much less often they come


def numbers(path: Path) -> Array:
    """Means, or variances: [42, 3, N, 13]."""
    data = path.read_bytes()
    at = data.index(b"endhdr\n") + 7 + 4
    phones, streams, count = struct.unpack_from("<3i", data, at)
    assert struct.unpack_from(f"<{streams}i", data, at + 12) == (LENGTH,) * STREAMS
    at += 12 + 4 * streams + 4
    return np.frombuffer(data, "<f4", phones * streams * count * LENGTH, at).reshape(phones, streams, count, LENGTH)


def mixture(path: Path, sides: Array) -> Array:
    """[42, 3, N, STATES]: of each phone's begin, end and middle, where `sides` [42, STATES, senones] tells what they are of."""
    data, at = path.read_bytes(), 0
    while size := struct.unpack_from("<i", data, at)[0]:
        at += 4 + size
    count, states = struct.unpack_from("<2i", data, at + 4)
    kept = np.frombuffer(data, np.uint8, STREAMS * count * states, at + 12).reshape(STREAMS, count, states)
    own = np.exp(-STEP * kept[:, :, : sides.shape[2]].astype(np.float32))
    found: Array = np.einsum("kij,scj->ksci", sides, own, optimize=True).astype(np.float32)
    return found


def definition(path: Path) -> tuple[list[str], Array]:
    """The names of the phones; and, of the senones that phones in context are of, what each has in a phone's begin by the phone
    before it, its end by the phone that follows, and its middle: [42, STATES, senones], each adding up to 1."""
    data = path.read_bytes()
    assert data[:4] == b"BMDF"
    at = 12 + struct.unpack_from("<i", data, 8)[0]
    phones, contexts, states, own, senones, _, sequences, _, trees, _ = struct.unpack_from("<10i", data, at)
    assert (phones, states, own) == (PHONES, 3, 3 * PHONES)
    at += 40
    first, names = at, []
    for _ in range(phones):
        end = data.index(b"\0", at)
        names.append(data[at:end].decode())
        at = end + 1
    at = first + (at - first + 3) // 4 * 4 + 8 * trees
    kept = np.dtype(
        [("sequence", "<i4"), ("transitions", "<i4"), ("where", "u1"), ("phone", "u1"), ("left", "u1"), ("right", "u1")]
    )
    each = np.frombuffer(data, kept, contexts, at)[phones:]
    sequence = np.frombuffer(data, "<u2", sequences * states, at + kept.itemsize * contexts + 4).reshape(-1, states)
    sides = np.zeros((phones, STATES, senones), np.float32)
    heard = sequence[each["sequence"]]
    np.add.at(sides, (each["phone"], BEGIN.start + each["left"].astype(int), heard[:, 0]), 1.0)
    np.add.at(sides, (each["phone"], END.start + each["right"].astype(int), heard[:, 2]), 1.0)
    for k in range(phones):  # contexts that there are none of, and the middle, as without any
        for part, state in ((BEGIN, 0), (END, 2), (slice(MIDDLE, STATES), 1)):
            none = sides[k, part].sum(1) == 0.0
            sides[k, part][none, 3 * k + state] = 1.0
    return names, sides / sides.sum(2, keepdims=True)


def transitions(path: Path) -> Array:
    """[42, 3, 4]: from begin, middle and end to each of them, and out."""
    data = path.read_bytes()
    at = data.index(b"endhdr\n") + 7 + 4
    shape = struct.unpack_from("<3i", data, at)
    own = np.frombuffer(data, "<f4", math.prod(shape), at + 16).reshape(shape)
    return own / own.sum(2, keepdims=True)


def bigram(path: Path, names: list[str]) -> Array:
    """[42, 42]: how often each phone follows each, half as Sphinx' grammar of English phones has it, half all alike."""
    from pocketsphinx import Config, LogMath, NGramModel

    logs = LogMath()
    grammar = NGramModel(Config(), logs, str(path))
    told = np.array([[logs.exp(grammar.prob([after, before])) for after in names] for before in names])
    noise = np.array([name in NOISE for name in names])
    alike = np.where(noise, RARE, 1.0)
    told[:, noise] = 0.0
    told = np.where(noise[:, None], alike, told)  # nothing is known of what follows noise
    found: Array = (0.5 * told / told.sum(1, keepdims=True) + 0.5 * alike / alike.sum()).astype(np.float32)
    return found


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + hertz / 700.0)


def _centres(low: float, high: float, count: int) -> NDArray[np.float64]:
    ends = _mel(np.array([low, high]))
    return np.linspace(float(ends[0]), float(ends[1]), count + 2)[1:-1]


def filtered(samples: Array) -> NDArray[np.float64]:
    """log power [T, FILTERS] as Sphinx has it, of windows that begin at k * HOP."""
    low, high = _mel(np.array([LOWEST, HIGHEST]))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, FILTERS + 2) / 2595.0) - 1.0)
    edges = np.floor(edges / (RATE / 512) + 0.5) * (RATE / 512)
    bins = np.arange(257) * RATE / 512
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(np.minimum(rising, falling), 0.0) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    sound = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1]).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(sound, SIZE)[::HOP] * np.hamming(SIZE)
    return np.log(np.square(np.abs(np.fft.rfft(windows, 512, axis=1))) @ filters.T + 1e-13)


def bands(folder: Path, most: int = 60) -> Array:
    """[FILTERS, BANDS] that make Sphinx' filters of the power of ours, by what `most` clips of `folder` have in both."""
    given, wanted = [], []
    clips = list(load(folder))
    for k in np.random.default_rng(0).permutation(len(clips))[:most]:
        samples = at_rate(clips[k].speech.samples, clips[k].speech.rate)
        own, other = Powers().add(samples[SIZE // 2 :]), filtered(samples)
        size = min(len(own), len(other))
        given.append(own[:size])
        wanted.append(other[:size])
    x = torch.from_numpy(np.concatenate(given)).double()
    y = torch.from_numpy(np.concatenate(wanted))
    loud = x.sum(1) > 1e-5 * x.sum(1).max()
    x, y = x[loud], y[loud]
    ours, theirs = _centres(LOW, HIGH, x.shape[1]), _centres(LOWEST, HIGHEST, FILTERS)
    apart = np.abs(ours - theirs[:, None])
    near = torch.from_numpy((apart < 220.0).astype(float))  # mel
    start = np.log(np.maximum(1.0 - apart / 100.0, 1e-3))
    level = y.mean(0).numpy() - np.log(x.numpy() @ np.exp(start).T + 1e-9).mean(0)
    logs = torch.tensor(start + level[:, None], requires_grad=True)
    optimiser = torch.optim.Adam([logs], 0.05)
    torch.manual_seed(0)
    for _ in range(400):
        k = torch.randint(len(x), (4000,))
        loss = torch.square(torch.log(x[k] @ (torch.exp(logs) * near).T + 1e-9) - y[k]).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    print(f"filters from bands: {loss.item() ** 0.5:.2f} nepers off")
    return (torch.exp(logs) * near).detach().numpy().astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = arguments.model / "en-us"
    means, variances = (numbers(model / name) for name in ("means", "variances"))
    phones, sides = definition(model / "mdef")
    made = bands(arguments.clips)
    rows = pool(Data(arguments.data, torch.device("cpu")), 64, (77, 0))[0].transpose(1, 2).numpy()
    power = np.exp((rows - 1.5) * 4.0)
    loud = power[power.sum(2) > SPEECH]
    usual = (np.log(np.maximum(loud - DEPTH, FAINT) @ made.T) @ cosines(FILTERS).T).mean(0)
    np.savez_compressed(
        arguments.out,
        means=means.astype(np.float16),
        precisions=(1.0 / np.maximum(variances, FLOOR)).astype(np.float16),
        mixture=mixture(model / "sendump", sides).astype(np.float16),
        bands=made,
        usual=usual,
        transitions=transitions(model / "transition_matrices"),
        bigram=bigram(arguments.model / "en-us-phone.lm.bin", phones),
    )
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB, {len(phones)} phones")


if __name__ == "__main__":
    main()
