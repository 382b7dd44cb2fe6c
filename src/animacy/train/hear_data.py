"""Clips -> one small file that a network is trained from anywhere: what each row of sound holds, and the mouth over it.

python -m animacy.train.hear_data --clips FOLDER.. [--judge FOLDER..] [--music MINUTES] --out hear-data.npz

`--clips` are learnt from, but for the voices that are held out; `--judge` are of engines that are only judged by. `--music` is
made by formula (hear_music.py). The file holds, over all rows of 10 ms, N in all, K clips:

    power    [N, 40] uint8   dB of each band above -110, in steps of 0.75; speech of a clip is at -20 dBFS
    mouth    [N, 9] uint8    what `animacy.move` makes of the phones, hear/clips.py's `mouth_of`, 0..255
    sound    [N] uint8       the row's sound of the IPA, 0 for none
    offsets  [K + 1] int64   clip k is the rows from offsets[k] to offsets[k + 1]
    group    [K] str         "kokoro", "espeak", "festival", "person", "music": learnt from; "held": held-out voices;
                             an engine's name: judged by
    voice    [K] str
    sounds   [] int64        how many there are, 0 among them

Before each learned clip lie 0 to 0.6 s of silence, so that beginnings are learned.
Power and not sound, as it takes an eighth of the room and a graphics card can make other voices, rooms and levels of it.
Same clips and arguments, same file.
"""

from __future__ import annotations

import argparse
import multiprocessing
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..hear.clips import LEVEL, Clip, level_of, load, mouth_of
from ..hear.features import BANDS, HOP, RATE, Powers
from ..hear.network import OUTPUTS
from ..move.visemes import VISEMES, Viseme, visemes
from .hear_clips import HELD
from .hear_music import music

Bytes = NDArray[np.uint8]

FLOOR, GRAIN = -110.0, 0.75  # dB
SOUNDS = {symbol: k for k, symbol in enumerate(VISEMES, 1)}  # the number of each sound of the IPA chart
PIECE = 20.0  # s of one piece of music
LEAD = 61  # rows of silence, and more, that no clip has before it


class Rows(NamedTuple):
    """One clip's rows: power [T, BANDS], mouth [T, OUTPUTS], sound [T]."""

    power: Bytes
    mouth: Bytes
    sound: Bytes


def at_rate(samples: NDArray[np.float32], given: int) -> NDArray[np.float32]:
    """`samples` at RATE, by the Fourier transform."""
    size = round(len(samples) * RATE / given)
    spectrum = np.fft.rfft(samples)
    bins = size // 2 + 1
    spectrum = spectrum[:bins] if len(spectrum) >= bins else np.pad(spectrum, (0, bins - len(spectrum)))
    found: NDArray[np.float32] = (np.fft.irfft(spectrum, size) * (size / len(samples))).astype(np.float32)
    return found


def _power(samples: NDArray[np.float32]) -> Bytes:
    decibels = 10.0 * np.log10(Powers().add(samples) + 1e-12)
    found: Bytes = np.clip(np.rint((decibels - FLOOR) / GRAIN), 0, 255).astype(np.uint8)
    return found


def rows_of(clip: Clip, lead: int = 0) -> Rows:
    """What is heard, and what the mouth does, at the instants (k - lead) * HOP / RATE."""
    samples = at_rate(clip.speech.samples, clip.speech.rate)
    samples = samples * np.float32(LEVEL / max(level_of(samples, RATE), 1e-6))
    power = _power(np.concatenate([np.zeros(lead * HOP, np.float32), samples]))
    mouth = mouth_of(clip, (np.arange(len(power)) - lead) * (HOP / RATE))
    sound = np.zeros(len(power), np.uint8)
    step = HOP / RATE * clip.speech.rate  # samples a row
    for phone in clip.speech.phones:
        parts = visemes(phone.symbol)
        edges = np.cumsum([0.0, *(v.length for v in parts)])
        edges = lead + np.rint((phone.start + edges / edges[-1] * (phone.end - phone.start)) / step).astype(int)
        for v, a, b in zip(parts, edges[:-1], edges[1:], strict=True):
            sound[a:b] = SOUNDS[name_of(v, phone.symbol)]
    return Rows(power, np.rint(255.0 * mouth).astype(np.uint8), sound)


@lru_cache(maxsize=4096)
def name_of(viseme: Viseme, symbol: str) -> str:
    """Which sound of the chart `viseme` is of in a phone: p, b and m look alike, but sound unlike. For a phone that the chart
    has not, any that looks so."""
    alike = [name for name, own in VISEMES.items() if own == viseme]
    return max((name for name in alike if name in symbol), key=len, default=alike[0])


def _led(given: tuple[Clip, int]) -> Rows:
    return rows_of(*given)


def _tune(seed: tuple[int, int]) -> Rows:
    power = _power(music(PIECE, np.random.default_rng(seed)))
    return Rows(power, np.zeros((len(power), OUTPUTS), np.uint8), np.zeros(len(power), np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--judge", type=Path, nargs="*", default=[])
    parser.add_argument("--music", type=float, default=30.0, help="minutes of it (%(default)s)")
    parser.add_argument("--most", type=float, default=1e9, help="minutes of each engine that is learnt from")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    groups: list[str] = []
    voices: list[str] = []
    parts: list[Rows] = []
    minutes: dict[str, float] = {}
    clips = [c for folder in arguments.clips for c in load(folder)]
    clips = [clips[k] for k in np.random.default_rng(arguments.seed).permutation(len(clips))]
    chosen = []
    for clip in clips:
        if any("(" in phone.symbol for phone in clip.speech.phones):
            continue  # espeak-ng's name of another language, in which it says a word
        group = "held" if clip.voice in HELD else clip.engine
        if minutes.get(group, 0.0) < arguments.most:
            minutes[group] = minutes.get(group, 0.0) + clip.speech.duration / 60.0
            chosen.append((group, clip))
    leads = [
        0 if group == "held" else int(np.random.default_rng((arguments.seed, k)).integers(LEAD))
        for k, (group, _) in enumerate(chosen)
    ]
    chosen += [(clip.engine, clip) for folder in arguments.judge for clip in load(folder)]
    leads += [0] * (len(chosen) - len(leads))
    with multiprocessing.Pool(arguments.threads) as pool:
        given = ((clip, lead) for (_, clip), lead in zip(chosen, leads, strict=True))
        for (group, clip), rows in zip(chosen, pool.imap(_led, given, chunksize=16), strict=True):
            groups.append(group)
            voices.append(clip.voice)
            parts.append(rows)
        pieces = round(60.0 * arguments.music / PIECE)
        for rows in pool.imap(_tune, ((arguments.seed, k) for k in range(pieces))):
            groups.append("music")
            voices.append("")
            parts.append(rows)
    order = np.argsort(np.array(groups), kind="stable")  # so that a group's clips lie together
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    part = arguments.out.with_name("." + arguments.out.name)
    np.savez_compressed(
        part,
        power=np.concatenate([parts[k].power for k in order]),
        mouth=np.concatenate([parts[k].mouth for k in order]),
        sound=np.concatenate([parts[k].sound for k in order]),
        offsets=np.cumsum([0, *(len(parts[k].power) for k in order)]),
        group=np.array([groups[k] for k in order]),
        voice=np.array([voices[k] for k in order]),
        sounds=np.int64(len(SOUNDS) + 1),
    )
    part.rename(arguments.out)
    told = {
        g: round(sum(len(p.power) for p, h in zip(parts, groups, strict=True) if h == g) / 6000, 1) for g in sorted(set(groups))
    }
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB, minutes {told}")


if __name__ == "__main__":
    assert BANDS == 40
    main()
