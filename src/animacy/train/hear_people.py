# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""Pack CMU Sphinx' English model (PyPI `pocketsphinx`, BSD-2-Clause) for hear/people.py.

python -m animacy.train.hear_people --model .../pocketsphinx/model/en-us/en-us --clips FOLDER --data hear-data.npz -o people.npz

`--clips`: any speech, of which is learnt how the bands of hear/features.py make up Sphinx' filters. `--data`: what the network
is trained on, whose mean cepstra are taken for those of a voice of which nothing was heard yet.
"""

from __future__ import annotations

import argparse
import itertools
import math
import struct
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..hear.clips import load
from ..hear.features import DEPTH, HIGH, HOP, LOW, RATE, Powers
from ..hear.people import SPEECH, STATES, cosines
from .hear import Data, pool
from .hear_data import at_rate

Array = NDArray[np.float32]

FILTERS, LOWEST, HIGHEST, SIZE = 25, 130.0, 6800.0, 410  # Sphinx' filters, Hz, and samples of its window
STREAMS, LENGTH = 3, 13
STEP = 1024.0 * math.log(1.0001)  # of a mixture's weights, which are kept as logarithms
FLOOR = 1e-4  # of variances
QUIET, RARE = (b"+NSN+", b"+SPN+"), 0.05  # phones that are noise, and how much less often they come


def numbers(path: Path) -> Array:
    """Means, or variances: [42, 3, N, 13]."""
    data = path.read_bytes()
    at = data.index(b"endhdr\n") + 7 + 4
    phones, streams, count = struct.unpack_from("<3i", data, at)
    assert struct.unpack_from(f"<{streams}i", data, at + 12) == (LENGTH,) * STREAMS
    at += 12 + 4 * streams + 4
    return np.frombuffer(data, "<f4", phones * streams * count * LENGTH, at).reshape(phones, streams, count, LENGTH)


def mixture(path: Path, phones: int) -> Array:
    """[42, 3, N, STATES]: of each phone's states without context, which are the first of all."""
    data, at = path.read_bytes(), 0
    while size := struct.unpack_from("<i", data, at)[0]:
        at += 4 + size
    count, states = struct.unpack_from("<2i", data, at + 4)
    kept = np.frombuffer(data, np.uint8, STREAMS * count * states, at + 12).reshape(STREAMS, count, states)
    own = kept[:, :, : phones * STATES].reshape(STREAMS, count, phones, STATES)
    return np.exp(-STEP * own.astype(np.float32)).transpose(2, 0, 1, 3)


def names(path: Path, phones: int) -> list[bytes]:
    data = path.read_bytes()
    return data[data.index(b"+NSN+") :].split(b"\0", phones)[:phones]


def transitions(path: Path, phones: list[bytes]) -> Array:
    """[126, 126]: each phone's own, and from its last to any phone's first."""
    data = path.read_bytes()
    at = data.index(b"endhdr\n") + 7 + 4
    shape = struct.unpack_from("<3i", data, at)
    own = np.frombuffer(data, "<f4", math.prod(shape), at + 16).reshape(shape)
    own = own / own.sum(2, keepdims=True)
    found = np.zeros((len(phones), STATES, len(phones), STATES))
    for k, (row, after) in itertools.product(range(len(phones)), ((k, k2) for k in range(STATES) for k2 in range(STATES))):
        found[k, row, k, after] = own[k, row, after]
    found[:, :, :, 0] += own[:, :, STATES, None] / len(phones)
    found[:, :, [phones.index(name) for name in QUIET]] *= RARE
    flat = found.reshape(len(phones) * STATES, -1)
    return (flat / flat.sum(1, keepdims=True)).astype(np.float32)


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
    means, variances = (numbers(arguments.model / name) for name in ("means", "variances"))
    phones = names(arguments.model / "mdef", len(means))
    made = bands(arguments.clips)
    rows = pool(Data(arguments.data, torch.device("cpu")), 64, (77, 0))[0].transpose(1, 2).numpy()
    power = np.exp((rows - 1.5) * 4.0)
    loud = power[power.sum(2) > SPEECH]
    usual = (np.log(np.maximum(loud - DEPTH, 0.1 * DEPTH) @ made.T) @ cosines(FILTERS).T).mean(0)
    np.savez_compressed(
        arguments.out,
        means=means.astype(np.float16),
        precisions=(1.0 / np.maximum(variances, FLOOR)).astype(np.float16),
        mixture=mixture(arguments.model / "sendump", len(phones)).astype(np.float16),
        bands=made,
        usual=usual,
        transitions=transitions(arguments.model / "transition_matrices", phones),
    )
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB, {len(phones)} phones")


if __name__ == "__main__":
    main()
