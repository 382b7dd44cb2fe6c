# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""Train the network of `animacy.hear` on clips that hear_clips.py made: sound in, the mouth that `animacy.move` makes out.

python -m animacy.train.hear --clips FOLDER --out FOLDER

Two quiet cores, no GPU: 15 minutes. FOLDER gets network.onnx and network.json. Same clips and arguments, same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..hear.clips import LEVEL, Clip, level_of, load, mouth_of
from ..hear.features import BANDS, HOP, RATE, Features
from ..hear.network import AHEAD, OUTPUTS
from .hear_network import DILATIONS, FIRST, Net, export

Array = NDArray[np.float32]

LENGTH = 400  # hops of one example, 4 s
TOLD = 250  # steps between two figures
VARIANTS = {"kokoro": 4, "espeak": 2}  # of each clip, by voice, room and microphone; 2 of another engine's
HELD = ("af_sky", "am_fenrir", "bf_lily", "zf_xiaoyi", "zm_yunyang")  # voices that are only judged by


def resampled(samples: Array, ratio: float) -> Array:
    """`samples` at `ratio` times as many a second."""
    at = np.arange(int(len(samples) * ratio)) / ratio
    found: Array = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return found


def at_rate(samples: Array, given: int) -> Array:
    """`samples` at RATE, by the Fourier transform."""
    size = round(len(samples) * RATE / given)
    spectrum = np.fft.rfft(samples)
    bins = size // 2 + 1
    spectrum = spectrum[:bins] if len(spectrum) >= bins else np.pad(spectrum, (0, bins - len(spectrum)))
    found: Array = (np.fft.irfft(spectrum, size) * (size / len(samples))).astype(np.float32)
    return found


def _coloured(size: int, tilt: float, rng: np.random.Generator) -> Array:
    """Noise whose power falls by frequency to the power of `tilt`; RMS 1."""
    spectrum = np.fft.rfft(rng.normal(size=size)) * np.maximum(np.arange(size // 2 + 1), 20.0) ** (-tilt / 2)
    noise = np.fft.irfft(spectrum, size)
    found: Array = (noise / noise.std()).astype(np.float32)
    return found


def heard_elsewhere(samples: Array, rng: np.random.Generator) -> Array:
    """Speech at RATE as another room, microphone and line would give it, at a level of its own."""
    out = samples.astype(np.float64)
    if rng.random() < 0.5:  # a room: 60 dB in 0.1 to 0.6 s
        seconds = rng.uniform(0.1, 0.6)
        tail = rng.normal(size=int(seconds * RATE)) * 10 ** (-3.0 * np.arange(int(seconds * RATE)) / RATE / seconds)
        tail[: int(rng.uniform(0.001, 0.01) * RATE)] = 0.0
        tail *= 10 ** (rng.uniform(-20, -3) / 20) / np.sqrt(np.square(tail).sum())
        tail[0] = 1.0
        size = len(out) + len(tail)
        out = np.fft.irfft(np.fft.rfft(out, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    spectrum = np.fft.rfft(out)
    frequencies = np.fft.rfftfreq(len(out), 1 / RATE)
    octaves = np.log2(np.maximum(frequencies, 50.0) / 1000.0)
    decibels = rng.normal(0, 1.5) * octaves  # the microphone's tilt, and its bumps
    for _ in range(3):
        decibels += rng.normal(0, 2.5) * np.exp(-np.square(octaves - rng.uniform(-3, 3)) / 0.5)
    if rng.random() < 0.4:  # a line's band
        low, high = rng.uniform(40, 320), rng.uniform(3300, 7900)
        decibels -= 24.0 * np.maximum(np.log2(low / np.maximum(frequencies, 1.0)), 0.0)
        decibels -= 48.0 * np.maximum(np.log2(np.maximum(frequencies, 1.0) / high), 0.0)
    out = np.fft.irfft(spectrum * 10 ** (np.maximum(decibels, -100.0) / 20), len(out))
    level = level_of(out.astype(np.float32), RATE)
    if rng.random() < 0.8:
        noise = _coloured(len(out), rng.uniform(0.0, 2.0), rng)
        out = out + noise * level * 10 ** (-rng.uniform(8, 50) / 20)
    gain = LEVEL * 10 ** (rng.uniform(-28, 8) / 20) / max(level, 1e-6)
    return np.clip(out * gain, -1.0, 1.0).astype(np.float32)


def music(seconds: float, rng: np.random.Generator) -> Array:
    """What is no speech: chords, tunes, bass, drums and hum, or noise alone."""
    size = int(seconds * RATE)
    out = np.zeros(size)
    beat = rng.uniform(0.15, 0.6)
    for part in range(int(rng.integers(0, 5))):
        base, vibrato = 55.0 * 2 ** rng.uniform(0, 4.5), rng.uniform(0, 0.02)
        partials = int(rng.integers(1, 14))
        slope, decay = rng.uniform(0.5, 2.0), rng.uniform(0.08, 2.0)
        strength = 10 ** (rng.uniform(-14, 0) / 20)
        at = rng.uniform(0, beat)
        while at < seconds:
            length = min(beat * float(rng.choice([0.5, 1, 2, 4])), seconds - at)
            t = np.arange(int(length * RATE)) / RATE
            for note in base * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 12], 1 + 2 * (part == 0)) / 12):
                phase = 2 * np.pi * note * (t + vibrato * np.sin(2 * np.pi * 5 * t) / 30)
                tone = sum(np.sin(k * phase) / k**slope for k in range(1, partials + 1) if k * note < RATE / 2)
                shape = np.minimum(t / rng.uniform(0.003, 0.08), 1.0) * np.exp(-t / decay)
                shape *= np.minimum((length - t) / 0.01, 1.0)
                start = int(at * RATE)
                out[start : start + len(t)] += strength * (tone * shape)[: size - start]
            at += length * (1 + (rng.random() < 0.2))
    if rng.random() < 0.6:
        for at in np.arange(rng.uniform(0, beat), seconds, beat * rng.choice([0.25, 0.5, 1.0])):
            hit = rng.normal(size=int(rng.uniform(0.03, 0.2) * RATE))
            hit *= np.exp(-np.arange(len(hit)) / RATE / rng.uniform(0.01, 0.06)) * rng.uniform(0.2, 1.0)
            start = int(at * RATE)
            out[start : start + len(hit)] += hit[: size - start]
    out += _coloured(size, rng.uniform(0, 2), rng) * 10 ** (-rng.uniform(10, 60) / 20)
    if rng.random() < 0.15:
        out *= 0.0
    out *= 10 ** (rng.uniform(-50, 0) / 20) * 0.3 / max(np.abs(out).max(), 1e-6)
    return out.astype(np.float32)


def example(clip: Clip, rng: np.random.Generator) -> tuple[Array, Array]:
    """One way that a clip may sound: rows [K, BANDS], and the mouth [K, OUTPUTS] AHEAD hops before each."""
    speed = float(np.exp(rng.uniform(np.log(0.86), np.log(1.16))))
    samples = resampled(at_rate(clip.speech.samples, clip.speech.rate), 1.0 / speed)
    lead = int(rng.uniform(0.0, 0.6) * RATE) // HOP * HOP
    samples = np.concatenate([np.zeros(lead, np.float32), samples, np.zeros((AHEAD + 2) * HOP, np.float32)])
    rows = Features().add(heard_elsewhere(samples, rng))
    times = (np.arange(len(rows)) - AHEAD - lead // HOP) * (HOP / RATE) * speed
    mouth = mouth_of(clip, times)
    mouth[times < 0] = 0.0
    return rows, mouth


def examples(clips: list[Clip], seed: int, processes: int) -> tuple[Array, Array]:
    """All clips in all their variants behind one another, in random order, with what is no speech between them."""
    rows, mouths = [], []
    rng = np.random.default_rng((seed, 1))
    order = [(i, v) for i, clip in enumerate(clips) for v in range(VARIANTS.get(clip.engine, 2))]
    began = time.monotonic()
    given = [(clips[order[k][0]], (seed, 2, *order[k])) for k in rng.permutation(len(order))]
    with multiprocessing.Pool(processes) as pool:
        for n, (x, y) in enumerate(pool.imap(_made, given, chunksize=8)):
            rows.append(x)
            mouths.append(y)
            if n % 500 == 0:
                print(f"example {n} of {len(order)}, {time.monotonic() - began:.0f} s", flush=True)
    return np.concatenate(rows), np.concatenate(mouths)


def _made(given: tuple[Clip, tuple[int, ...]]) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """An example, and behind some of them what is no speech."""
    rng = np.random.default_rng(given[1])
    x, y = example(given[0], rng)
    if rng.random() < 0.12:
        noise = Features().add(music(rng.uniform(2, 6), rng))
        x, y = np.concatenate([x, noise]), np.concatenate([y, np.zeros((len(noise), OUTPUTS), np.float32)])
    return x.astype(np.float16), y.astype(np.float16)


def batches(rows: Array, mouths: Array, size: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    starts = np.arange(int(rng.integers(LENGTH)), len(rows) - LENGTH, LENGTH)
    rng.shuffle(starts)
    for i in range(0, len(starts) - size + 1, size):
        own = starts[i : i + size]
        x = np.stack([rows[s : s + LENGTH] for s in own]).astype(np.float32)
        y = np.stack([mouths[s : s + LENGTH] for s in own]).astype(np.float32)
        x += rng.normal(0, 0.08, (size, 1, 1)).astype(np.float32)  # a gain that was taken wrongly
        yield torch.from_numpy(x).transpose(1, 2).contiguous(), torch.from_numpy(y).transpose(1, 2).contiguous()


SCALE = torch.tensor([0.11, 0.13, 0.13, 0.18, 0.11, 0.12]).view(1, 6, 1)  # how far each articulator usually moves


def loss_of(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Of logits [B, OUTPUTS, T] against what is wanted, after the first half second, in which nothing is known yet."""
    found, wanted = found[:, :, 50:], wanted[:, :, 50:]
    shape = torch.sigmoid(found[:, :6])
    loss = torch.square((shape - wanted[:, :6]) / SCALE.to(found.device)).mean()
    gates = nn.functional.binary_cross_entropy_with_logits(found[:, 6:], wanted[:, 6:], reduction="none").mean((0, 2))
    return loss + 3.0 * gates[0] + 2.0 * gates[1] + 0.7 * gates[2]


def agreement(net: Net, clips: list[Clip], seed: int) -> dict[str, float]:
    """Pearson's r of each output over clips that were not learnt from."""
    net.eval()
    found, wanted = [], []
    with torch.no_grad():
        for i, clip in enumerate(clips):
            x, y = example(clip, np.random.default_rng((seed, 3, i)))
            given = torch.from_numpy(x.T[None].copy()).to(next(net.parameters()).device)
            out = torch.sigmoid(net(given))[0].cpu().numpy().T
            found.append(out[30:])
            wanted.append(y[30:])
    a, b = np.concatenate(found), np.concatenate(wanted)
    net.train()
    names = ("jaw", "spread", "funnel", "pucker", "part", "tongue", "lips", "teeth", "speaking")
    return {name: round(float(np.corrcoef(a[:, k], b[:, k])[0, 1]), 3) for k, name in enumerate(names)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2_436, help="of 64 s of speech each (%(default)s)")
    parser.add_argument("--rate", type=float, default=2e-3, help="of learning, which falls to 0 (%(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="PyTorch's: cpu or cuda")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    clips = list(load(arguments.clips))
    held = [c for c in clips if c.voice in HELD]
    learnt = [c for c in clips if c.voice not in HELD]
    minutes = {
        e: round(sum(c.speech.duration for c in learnt if c.engine == e) / 60, 1) for e in sorted({c.engine for c in learnt})
    }
    print(f"{len(learnt)} clips to learn from, minutes {minutes}; {len(held)} held out", flush=True)
    rows, mouths = examples(learnt, arguments.seed, arguments.threads)
    print(f"{len(rows) / 6000:.0f} minutes of examples", flush=True)
    net = Net()
    size = 16  # examples a step
    optimiser = torch.optim.AdamW(net.parameters(), arguments.rate, weight_decay=1e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, arguments.rate, total_steps=arguments.steps + 10, pct_start=0.1)
    net.to(arguments.device)
    rng = np.random.default_rng((arguments.seed, 4))
    began = time.monotonic()
    endless = itertools.chain.from_iterable(batches(rows, mouths, size, rng) for _ in itertools.count())
    total = 0.0
    for step, (x, y) in enumerate(itertools.islice(endless, arguments.steps), 1):
        loss = loss_of(net(x.to(arguments.device)), y.to(arguments.device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        plan.step()
        total += float(loss.detach())
        if step % TOLD == 0:
            told = agreement(net, held[:40], arguments.seed) if held else {}
            print(f"step {step}: loss {total / TOLD:.4f}, {time.monotonic() - began:.0f} s, {told}", flush=True)
            total = 0.0
            export(net.cpu(), arguments.out / "network.onnx")  # so that a run that is ended leaves one
            net.to(arguments.device).train()
    net.cpu()
    export(net, arguments.out / "network.onnx")
    about = {
        "clips": len(learnt),
        "minutes": minutes,
        "held_voices": list(HELD),
        "seed": arguments.seed,
        "steps": arguments.steps,
        "variants": VARIANTS,
        "sha256": hashlib.sha256((arguments.out / "network.onnx").read_bytes()).hexdigest(),
        "held_out_r": agreement(net, held, arguments.seed) if held else {},
        "parameters": sum(p.numel() for p in net.parameters()),
        "receptive_field_ms": 10 * (FIRST + 2 * sum(DILATIONS)),
        "bands": BANDS,
    }
    (arguments.out / "network.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
