# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""Persons' recordings to learn from, whose text is known: what Tux Paint's stamps are called, and what the fish of Fish Fillets
say, in eleven languages.

python -m animacy.train.hear_persons --out FOLDER --network NETWORK.pt.. [--stamps FOLDER] [--fish FOLDER] [--threads N]

FOLDER gets NAME.wav and NAME.json for each (hear/clips.py). Which sounds a text has espeak-ng tells (GPL-3, the extra
`espeak`); when, NETWORKs that train/hear.py made of synthesis alone, by the best path through their names of the rows' sounds.
Recordings that do not fit their text are left out. What is there is kept, so that a killed run goes on.

Both are of Debian: tuxpaint-stamps-default, fillets-ng-data with -cs and -nl (GPL-2). Nothing of them is in this project: they
are used for their sound.
"""

from __future__ import annotations

import argparse
import logging
import pickle
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import AnimacyError, UsageError
from ..hear.clips import LEVEL, Clip, level_of, save
from ..hear.features import HOP, RATE, Features
from ..hear.file import opened
from ..hear.network import AHEAD
from ..hear.people import Phones, packaged
from ..move.visemes import visemes
from ..read import make_reader
from ..speak.espeak import Espeak
from ..stages import Reader
from ..types import Phone, Speech
from .hear_data import SOUNDS, at_rate, name_of
from .hear_network import Net

# Languages that stamps are named in, as espeak-ng has them, and that fish speak
STAMPS = ("be", "bg", "ca", "da", "el", "es", "fr", "nl", "ro", "ru")
FISH = ("cs", "nl")
PACKAGES = "tuxpaint-stamps-default fillets-ng-data fillets-ng-data-cs fillets-ng-data-nl"
EDGE = 0.3  # s of silence at either end of a recording
LEAST_ROWS = 2  # that a sound lasts
PAUSE = float(np.log(0.02))  # how likely a pause between two words is
FITS = -1.6  # nepers a row below the likeliest names, at which a recording does not fit its text


class Spoken(NamedTuple):
    """A recording: `language` is espeak-ng's."""

    name: str
    file: Path
    voice: str
    language: str
    text: str


def stamps(folder: Path) -> Iterator[Spoken]:
    """What each of Tux Paint's stamps is called, in each language that somebody says it in."""
    for about in sorted(folder.rglob("*.txt")):
        lines = about.read_text(encoding="utf-8", errors="replace").splitlines()
        texts = dict(re.findall(r"^([a-z]+)\.utf8=\s*(.+)$", "\n".join(lines[1:]), re.M))
        for language in STAMPS:
            sound = about.with_name(f"{about.stem}_desc_{language}.ogg")
            if language in texts and sound.is_file():
                name = "-".join(about.relative_to(folder).with_suffix("").parts)
                yield Spoken(f"stamps-{language}-{name}", sound, f"stamps-{language}", language, texts[language])


def fish(folder: Path) -> Iterator[Spoken]:
    """What is said in Fish Fillets' levels."""
    for language in FISH:
        for script in sorted((folder / "script").rglob(f"*dialogs_{language}.lua")):
            level = script.parent.relative_to(folder / "script")
            lines = script.read_text(encoding="utf-8")
            for own, font, text in re.findall(
                r'dialogId\("([^"]+)",\s*"([^"]+)",\s*"[^"]*"\)\s*dialogStr\("((?:[^"\\]|\\.)*)"\)', lines
            ):
                sound = folder / "sound" / level / language / f"{own}.ogg"
                if sound.is_file():
                    name = "-".join([*level.parts, own])
                    yield Spoken(f"fish-{language}-{name}", sound, f"fish-{language}-{font}", language, text.replace("\\", " "))


class Part(NamedTuple):
    """One sound of the IPA in a phone: its number in SOUNDS, and how many rows espeak-ng says it for."""

    sound: int
    rows: float
    phone: int


def parts_of(phones: Sequence[Phone], rate: int) -> list[Part]:
    found = []
    for k, phone in enumerate(phones):
        own = visemes(phone.symbol)
        rows = (phone.end - phone.start) / rate * RATE / HOP
        whole = sum(v.length for v in own)
        found += [Part(SOUNDS[name_of(v, phone.symbol)], rows * v.length / whole, k) for v in own]
    return found


def aligned(logs: NDArray[np.floating], parts: Sequence[Part], words: Sequence[int]) -> tuple[NDArray[np.int64], float]:
    """The best path of `parts` through `logs` [T, sounds], log probabilities of each row's sound, 0 among them for silence.

    words: of which word each part is; between two of them there may be silence, as there may before and after all.
    Returns each part's first row and the one after its last, [parts, 2], and how many nepers a row that path lies below the
    likeliest sounds. Raises AnimacyError where there are too few rows.
    """
    if len(logs) < LEAST_ROWS * len(parts) + 1:
        raise AnimacyError(f"{len(logs)} rows for {len(parts)} sounds")
    # States: silence, LEAST_ROWS of the first part, silence, and so on. Each may stay, or go on by one; over silence by two
    owner = np.array([-1, *(o for k in range(len(parts)) for o in (*[k] * LEAST_ROWS, -1))])
    sound = np.array([0, *(o for p in parts for o in (*[p.sound] * LEAST_ROWS, 0))])
    silent = owner < 0
    mean = np.array([max(p.rows - LEAST_ROWS, 0.5) for p in parts])
    last = np.append(owner[:-1] != owner[1:], False) & ~silent
    stay = np.where(silent, np.log(0.9), np.where(last, np.log(mean / (mean + 1.0))[owner], -np.inf))
    on = np.where(silent, np.log(0.1), np.where(last, -np.log(mean + 1.0)[owner], 0.0))
    enter = np.where(silent, PAUSE, 0.0)
    enter[0] = enter[-1] = 0.0
    within = np.append(np.append(False, np.array(words)[1:] == np.array(words)[:-1]), False)
    enter[silent] = np.where(within, -np.inf, enter[silent])
    score = np.full(len(owner), -np.inf)
    score[:2] = logs[0, sound[:2]]
    back = np.zeros((len(logs), len(owner)), np.int64)
    for t in range(1, len(logs)):
        ways = np.full((3, len(owner)), -np.inf)
        ways[0] = score + stay
        ways[1, 1:] = score[:-1] + on[:-1] + enter[1:]
        ways[2, 2:] = np.where(silent[1:-1], score[:-2] + on[:-2], -np.inf)
        back[t] = ways.argmax(0)
        score = ways.max(0) + logs[t, sound]
    path = np.empty(len(logs), np.int64)
    at = len(owner) - 1 - int(score[-2] > score[-1])
    for t in range(len(logs) - 1, -1, -1):
        path[t] = at
        at -= back[t, at]
    own = owner[path]
    firsts = np.searchsorted(np.maximum.accumulate(own), np.arange(len(parts)))
    below = logs[np.arange(len(logs)), sound[path]] - logs.max(1)
    return np.stack([firsts, firsts + np.bincount(own[own >= 0])], 1), float(below[own >= 0].mean())


class Namer:
    """How likely each sound of the IPA is, over rows of 10 ms, by the mean of networks that know their names.

    Raises UsageError where one of `files` is none of train/hear.py's.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._nets = []
        for file in files:
            try:
                state = torch.load(file, map_location="cpu", weights_only=True)
                net = Net(len(SOUNDS) + 1, state["how"]["width"])
                net.load_state_dict(state["net"])
            except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
                raise UsageError(f"--network {file}: {type(error).__name__}; needed a network.pt of train/hear.py") from error
            self._nets.append(net.eval())

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """[T, sounds] log probabilities for samples at RATE, a row each HOP."""
        rows = Features().add(np.concatenate([samples, np.zeros((AHEAD + 3) * HOP, np.float32)]))
        rows = rows[: len(rows) // 2 * 2]
        phones = Phones(packaged()).add(rows)
        given = [torch.from_numpy(np.ascontiguousarray(x.T))[None] for x in (rows, phones)]
        with torch.no_grad():
            told = torch.stack([torch.log_softmax(net(*given)[1], 1)[0] for net in self._nets]).mean(0).numpy().T
        return told[AHEAD:][: len(samples) // HOP + 1]


@cache
def _reads(language: str) -> tuple[Reader, Espeak]:
    return make_reader(language[:2]), Espeak(language)


def phones_of(spoken: Spoken) -> tuple[list[Phone], int]:
    """The phones that espeak-ng says a text in, as long as it says them, their words counted through; and its rate."""
    reader, speaker = _reads(spoken.language)
    phones: list[Phone] = []
    words = 0
    for sentence in reader.read(spoken.text):
        for said in speaker.speak(sentence):
            phones += [replace(phone, word=phone.word + words) for phone in said.phones]
        words += len(sentence.words)
    return phones, speaker.rate


def sound_of(file: Path) -> NDArray[np.float32]:
    """A recording at RATE and LEVEL, without the silence around it but for EDGE."""
    with opened(file) as sound:
        samples = at_rate(np.concatenate(list(sound.pieces)), sound.rate)
    level = level_of(samples, RATE)
    if level <= 0.0:
        raise AnimacyError(f"{file} is silent")
    loud = np.flatnonzero(np.abs(samples) > 0.3 * level)
    edge = round(EDGE * RATE)
    silence = np.zeros(edge, np.float32)  # networks need some before they hear
    samples = np.concatenate([silence, samples, silence])[loud[0] : loud[-1] + 2 * edge]
    return samples * np.float32(LEVEL / level)


def clip_of(spoken: Spoken, namer: Namer) -> tuple[Clip, float]:
    """The recording with its phones, and how well it fits them. Raises AnimacyError where it cannot."""
    phones, rate = phones_of(spoken)
    if len(phones) < 3 or any("(" in p.symbol for p in phones):
        raise AnimacyError(f"espeak-ng cannot read {spoken.text!r}")
    samples = sound_of(spoken.file)
    parts = parts_of(phones, rate)
    edges, fits = aligned(namer(samples), parts, [phones[p.phone].word for p in parts])
    timed = []
    for k, phone in enumerate(phones):
        own = [edges[j] for j, p in enumerate(parts) if p.phone == k]
        timed.append(Phone(phone.symbol, int(own[0][0]) * HOP, min(int(own[-1][1]) * HOP, len(samples)), phone.word))
    speech = Speech(samples, RATE, tuple(timed), ())
    return Clip(spoken.name, "person", spoken.voice, spoken.language[:2], speech), fits


_namer: Namer | None = None


def _begin(files: Sequence[Path]) -> None:
    global _namer
    torch.set_num_threads(1)
    logging.getLogger("animacy").setLevel(logging.ERROR)  # of espeak-ng's rarer phones
    _namer = Namer(files)


def _made(spoken: Spoken) -> tuple[Spoken, Clip | None, float, str]:
    assert _namer is not None
    try:
        clip, fits = clip_of(spoken, _namer)
    except (AnimacyError, ValueError) as error:
        return spoken, None, 0.0, str(error)
    return spoken, clip, fits, ""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", type=Path, nargs="+", required=True, help="network.pt of train/hear.py")
    parser.add_argument("--stamps", type=Path, default=Path("/usr/share/tuxpaint/stamps"))
    parser.add_argument("--fish", type=Path, default=Path("/usr/share/games/fillets-ng"))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args(argv)
    found = [*fish(arguments.fish), *stamps(arguments.stamps)]
    if not found:
        parser.error(f"no recordings in {arguments.stamps}, {arguments.fish}; on Debian: apt install {PACKAGES}, or give both")
    try:
        Namer(arguments.network)  # a pool whose processes cannot begin would wait for ever
    except UsageError as error:
        parser.error(str(error))
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = [own for own in found if not (arguments.out / f"{own.name}.json").exists()]
    with Pool(arguments.threads, _begin, (arguments.network,)) as pool:
        for k, (spoken, clip, fits, why) in enumerate(pool.imap(_made, found, chunksize=8)):
            print(f"{k + 1}/{len(found)} {spoken.name}: {why or round(fits, 2)}", flush=True)
            if clip is not None and fits >= FITS:
                save(clip, arguments.out)


if __name__ == "__main__":
    main()
