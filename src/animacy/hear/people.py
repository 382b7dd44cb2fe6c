"""Phones as a model of people's speech hears them: for networks that learnt from synthesis above all.

CMU Sphinx' English acoustic model (mixtures of Gaussians, 42 phones whose begin and end sound as their neighbours have it;
BSD-2-Clause), on the rows that the network is given, in a loop of phones that knows RIGHT rows after an instant and no more,
and which phone follows which, half as English has it and half as any may. No words. How far it is to be believed the networks
have learnt, but for contacts, which it moves as far everywhere (train/hear_network.py).
train/hear_people.py packs the model.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .features import DEPTH

Array = NDArray[np.float32]

PHONES = 42
# States of a phone: its begin, by what is before it, its end, by what follows, and its middle
BEGIN, END, MIDDLE, STATES = slice(0, PHONES), slice(PHONES, 2 * PHONES), 2 * PHONES, 2 * PHONES + 1
CEPSTRA = 13  # coefficients of a row
EDGE = 3  # rows on either side of one, of which its deltas are made
RIGHT = 6  # rows after an instant that the loop of phones waits for
BEHIND = EDGE + RIGHT  # rows that what is told lies behind
FAINT = 3e-7  # of the level, below which a band counts as silent
SPEECH = 0.003  # of the level, above which a row counts for the microphone's colour
BEFORE, REMEMBERS = 30.0, 500.0  # rows: what the usual colour weighs, and those that it is made of at most
SCALE = 0.3  # of a row's log-likelihoods, as rows are not independent of each other
LEAST, NEPERS = 1e-4, 4.61  # of a probability that is told, and nepers that are told as 1
UNKNOWN = 0.0  # what is told where nothing is known yet


def told(probability: Array) -> Array:
    """Of a probability 0..1 what the network is given: about -1 for none, 1 for certain, 0 for 0.01."""
    found: Array = (np.log(probability + np.float32(LEAST)) * np.float32(1.0 / NEPERS) + np.float32(1.0)).astype(np.float32)
    return found


class Model:
    """What train/hear_people.py packed. Raises UsageError where `path` holds no such thing."""

    def __init__(self, path: Path) -> None:
        try:
            with np.load(path) as file:
                means, precisions = (file[k].astype(np.float32) for k in ("means", "precisions"))  # [42, 3, N, 13]
                self.mixture: Array = file["mixture"].astype(np.float32)  # [42, 3, N, STATES]
                self.bands: Array = file["bands"].astype(np.float32)  # [25, BANDS]: power of bands -> of Sphinx' filters
                self.usual: Array = file["usual"].astype(np.float32)  # [13]
                self.transitions: Array = file["transitions"].astype(np.float32)  # [42, 3, 4]: begin, middle, end, out
                self.bigram: Array = file["bigram"].astype(np.float32)  # [42, 42]: which phone follows which
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(f"{path}: {type(error).__name__}: {error}; needed a file of train/hear_people.py") from error
        phones, streams, count, _ = means.shape
        self.shape = (phones, streams, count)
        by = np.concatenate([-0.5 * precisions, means * precisions], 3)  # of x squared, and of x
        self.by = np.ascontiguousarray(by.transpose(1, 3, 0, 2).reshape(streams, 2 * CEPSTRA, phones * count))
        constant = -0.5 * (np.square(means) * precisions - np.log(precisions / (2.0 * math.pi))).sum(3)
        self.constant: Array = constant.transpose(1, 0, 2).reshape(streams, 1, phones * count)
        self.cosines = cosines(len(self.bands)).T

    def likelihoods(self, x: Array) -> Array:
        """[T, 42, STATES] log-likelihoods of x [T, 3, 13]: cepstra, how they change, and how that does."""
        phones, streams, count = self.shape
        found = np.zeros((phones, len(x), STATES), np.float32)
        for s in range(streams):
            each = np.concatenate([np.square(x[:, s]), x[:, s]], 1) @ self.by[s] + self.constant[s]
            each = each.reshape(len(x), phones, count).transpose(1, 0, 2)
            top = each.max(2, keepdims=True)
            found += np.log(np.exp(each - top) @ self.mixture[:, s] + np.float32(1e-30)) + top
        return found.transpose(1, 0, 2)

    def forward(self, likely: Array) -> Array:
        """[42, STATES]: how likely each state is a row after `likely` [42, STATES]."""
        begin, end, middle = likely[:, BEGIN], likely[:, END], likely[:, MIDDLE]
        begun, own = begin.sum(1), self.transitions
        found = np.empty_like(likely)
        found[:, BEGIN] = begin * own[:, 0, 0, None] + (end * own[:, 2, 3, None]).T
        found[:, MIDDLE] = middle * own[:, 1, 1] + begun * own[:, 0, 1]
        found[:, END] = end * own[:, 2, 2, None] + (middle * own[:, 1, 2] + begun * own[:, 0, 2])[:, None] * self.bigram
        return found

    def backward(self, likely: Array) -> Array:
        """[T, 42, STATES]: how likely what follows is from each state, where a row later it is `likely` from each."""
        begin, end, middle = likely[:, :, BEGIN], likely[:, :, END], likely[:, :, MIDDLE]
        ends, own = (end * self.bigram).sum(2), self.transitions
        found = np.empty_like(likely)
        found[:, :, BEGIN] = begin * own[:, 0, 0, None] + (middle * own[:, 0, 1] + ends * own[:, 0, 2])[:, :, None]
        found[:, :, MIDDLE] = middle * own[:, 1, 1] + ends * own[:, 1, 2]
        found[:, :, END] = end * own[:, 2, 2, None] + begin.transpose(0, 2, 1) * own[:, 2, 3, None]
        return found


@lru_cache(maxsize=1)
def packaged() -> Model:
    """The model that ships, loaded once a process."""
    with as_file(files(__package__).joinpath("people.npz")) as path:
        return Model(path)


class Phones:
    """How likely each phone is, for rows that come piece by piece; the same whatever the pieces."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._sum, self._count = model.usual * BEFORE, BEFORE
        self._cepstra = np.zeros((0, CEPSTRA), np.float32)
        shape = (0, model.shape[0], STATES)
        self._own, self._forward = np.zeros(shape, np.float32), np.zeros(shape, np.float32)  # of the last RIGHT rows
        self._last: Array = np.full(shape[1:], 1.0 / (shape[1] * STATES), np.float32)

    def add(self, rows: Array) -> Array:
        """[K, phones] for rows [K, BANDS]: `told` of each phone BEHIND rows before each; UNKNOWN where there was none yet."""
        if not len(rows):
            return np.zeros((0, self._model.shape[0]), np.float32)
        cepstra = self._plain(rows)
        if not len(self._cepstra):
            self._cepstra = np.repeat(cepstra[:1], 2 * EDGE, 0)
        whole = np.concatenate([self._cepstra, cepstra])
        self._cepstra = whole[-2 * EDGE :]
        c = [whole[k : k + len(rows)] for k in range(2 * EDGE + 1)]
        x = np.stack([c[3], c[5] - c[1], (c[6] - c[2]) - (c[4] - c[0])], 1)
        likely = SCALE * self._model.likelihoods(x)
        own = np.exp(np.maximum(likely - likely.max((1, 2), keepdims=True), -60.0))  # by a row alone
        ahead = np.empty_like(own)  # by all until it
        for k, by in enumerate(own):
            found = self._model.forward(self._last) * by + np.float32(1e-12)
            ahead[k] = self._last = found / found.sum()
        own, ahead = np.concatenate([self._own, own]), np.concatenate([self._forward, ahead])
        known = max(len(own) - RIGHT, 0)
        after = np.ones_like(own[:known])
        for k in range(RIGHT, 0, -1):
            after = self._model.backward(own[k : k + known] * after)
            after /= after.max((1, 2), keepdims=True)
        state = ahead[:known] * after
        self._own, self._forward = own[known:], ahead[known:]
        unknown = np.full((len(rows) - known, len(self._last)), UNKNOWN, np.float32)
        return np.concatenate([unknown, told(state.sum(2) / state.sum((1, 2))[:, None])])

    def _plain(self, rows: Array) -> Array:
        """Cepstra less what the microphone and the voice are like as a whole, as far as is known of it."""
        power = np.exp((rows - np.float32(1.5)) * np.float32(4.0))
        filters = np.maximum(power - np.float32(DEPTH), np.float32(FAINT)) @ self._model.bands.T
        cepstra = np.log(filters) @ self._model.cosines
        found: Array = np.empty_like(cepstra)
        for k, loud in enumerate(power.sum(1) > SPEECH):
            found[k] = cepstra[k] - self._sum / self._count
            if loud:
                less = min(REMEMBERS / (self._count + 1.0), 1.0)
                self._sum, self._count = (self._sum + cepstra[k]) * np.float32(less), (self._count + 1.0) * less
        return found


def cosines(filters: int) -> NDArray[np.float32]:
    """[13, filters]: log power of filters -> cepstra, the higher ones lifted by Sphinx' 22."""
    k = np.arange(CEPSTRA)[:, None]
    each = np.cos(math.pi / filters * (np.arange(filters) + 0.5) * k) * math.sqrt(2.0 / filters)
    each[0] *= math.sqrt(0.5)
    lifted: Array = (each * (1.0 + 11.0 * np.sin(k * math.pi / 22.0))).astype(np.float32)
    return lifted
