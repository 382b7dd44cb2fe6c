"""What is no speech, made by formula: chords, tunes, plucked and struck tones, bass, drums, sirens, hum and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..hear.features import RATE

Array = NDArray[np.float32]
Waves = NDArray[np.float64]

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))  # major, minor, two of five tones


def coloured(size: int, tilt: float, rng: np.random.Generator) -> Waves:
    """Noise [size] whose power falls by frequency to the power of `tilt`; RMS 1."""
    spectrum = np.fft.rfft(rng.normal(size=size)) * np.maximum(np.arange(size // 2 + 1), 20.0) ** (-tilt / 2)
    noise = np.fft.irfft(spectrum, size)
    found: Waves = noise / noise.std()
    return found


def _tone(pitch: float, seconds: float, sound: dict[str, float]) -> Waves:
    t = np.arange(int(seconds * RATE)) / RATE
    wobble = sound["vibrato"] * np.sin(2 * np.pi * sound["speed"] * t) + sound["slide"] * np.exp(-t / 0.08)
    phase = 2 * np.pi * pitch * np.cumsum(2.0 ** (wobble / 12)) / RATE
    if sound["fm"] > 0.0:
        wave: Waves = np.sin(phase + sound["fm"] * np.exp(-t / sound["decay"]) * np.sin(sound["ratio"] * phase))
    else:
        wave = np.zeros(len(t))
        for k in range(1, int(sound["partials"]) + 1, 2 if sound["hollow"] else 1):
            if k * pitch > 0.45 * RATE:
                break
            resonance = 1.0 + sound["strength"] * np.exp(-np.square(np.log2(k * pitch / sound["resonance"])) / 0.1)
            wave += np.sin(k * phase) / k ** sound["slope"] * resonance * np.exp(-t * (k - 1) * sound["dulls"])
    shape = np.minimum(t / sound["attack"], 1.0) * np.exp(-t / sound["decay"]) * np.minimum((seconds - t) / 0.01, 1.0)
    found: Waves = wave * shape * (1.0 + sound["tremolo"] * np.sin(2 * np.pi * sound["speed"] * t))
    return found


def _instrument(rng: np.random.Generator) -> dict[str, float]:
    return {
        "vibrato": rng.uniform(0, 0.6) * (rng.random() < 0.4), "speed": rng.uniform(3, 8),
        "slide": rng.normal(0, 3) * (rng.random() < 0.2),
        "fm": rng.uniform(0.5, 6) * (rng.random() < 0.3), "ratio": float(rng.choice([0.5, 1, 2, 3, 1.41, 3.5])),
        "partials": float(rng.integers(1, 30)), "hollow": float(rng.random() < 0.3), "slope": rng.uniform(0.3, 2.0),
        "resonance": 300 * 2 ** rng.uniform(0, 3.5), "strength": rng.uniform(0, 6) * (rng.random() < 0.5),
        "dulls": rng.uniform(0, 3) * (rng.random() < 0.5),
        "attack": 10 ** rng.uniform(-2.7, -0.7), "decay": 10 ** rng.uniform(-1.2, 0.6),
        "tremolo": rng.uniform(0, 0.7) * (rng.random() < 0.25),
    }  # fmt: skip


def _drums(size: int, beat: float, rng: np.random.Generator) -> Waves:
    out = np.zeros(size)
    for _ in range(int(rng.integers(1, 4))):
        every, first = beat * float(rng.choice([0.25, 0.5, 1, 2])), beat * float(rng.choice([0, 0.5, 1]))
        length, fade = rng.uniform(0.05, 0.3), 10 ** rng.uniform(-2.2, -0.9)
        t = np.arange(int(length * RATE)) / RATE
        hit = coloured(len(t), rng.uniform(-0.5, 2), rng) * np.exp(-t / fade)
        if rng.random() < 0.5:  # a skin: a tone that falls
            hit = 0.2 * hit + np.sin(2 * np.pi * np.cumsum(rng.uniform(40, 120) * (1 + 2 * np.exp(-t / 0.02))) / RATE) * np.exp(
                -t / 0.1
            )
        strength = 10 ** (rng.uniform(-16, 0) / 20)
        for at in np.arange(first, size / RATE, every):
            if rng.random() < 0.85:
                start = int(at * RATE)
                out[start : start + len(hit)] += strength * rng.uniform(0.5, 1) * hit[: size - start]
    return out


def music(seconds: float, rng: np.random.Generator) -> Array:
    """[seconds * RATE] of one piece, -1..1, of any level; one in ten is noise or hum alone."""
    size = int(seconds * RATE)
    out = np.zeros(size)
    beat, scale, root = rng.uniform(0.15, 0.7), SCALES[int(rng.integers(len(SCALES)))], rng.uniform(0, 12)
    bare = rng.random() < 0.1
    for part in range(0 if bare else int(rng.integers(1, 6))):
        sound, low = _instrument(rng), float(rng.integers(2, 6))
        voices = int(rng.choice([1, 1, 2, 3, 4])) if part else 3
        lengths, strength, degree, at = (
            rng.choice([0.25, 0.5, 1, 2, 4], 3),
            10 ** (rng.uniform(-16, 0) / 20),
            0,
            rng.uniform(0, beat),
        )
        while at < seconds:
            length = float(np.clip(beat * rng.choice(lengths), 0.05, seconds - at + 0.05))
            degree += int(rng.integers(-2, 3))
            for voice in range(voices):
                octave, step = divmod(degree + 2 * voice, len(scale))
                pitch = 27.5 * 2.0 ** (low + np.clip(octave, -1, 1) + (root + scale[step]) / 12)
                start = int(at * RATE)
                tone = _tone(pitch, length, sound)[: size - start]
                out[start : start + len(tone)] += strength / np.sqrt(voices) * tone
            at += length * (1 + (rng.random() < 0.15))
    if not bare and rng.random() < 0.65:
        out += _drums(size, beat, rng) * 10 ** (rng.uniform(-6, 8) / 20)
    if bare and rng.random() < 0.5:  # the mains
        t = np.arange(size) / RATE
        base = float(rng.choice([50, 60, 100, 120]))
        out += np.asarray(sum(rng.normal() / k * np.sin(2 * np.pi * base * k * t) for k in range(1, 12)))
    if rng.random() < 0.5:  # a room
        tail = rng.normal(size=RATE) * 10 ** (-3.0 * np.arange(RATE) / RATE / rng.uniform(0.2, 1.5))
        tail *= 10 ** (rng.uniform(-15, 0) / 20) / np.sqrt(np.square(tail).sum())
        tail[0] = 1.0
        out = np.fft.irfft(np.fft.rfft(out, 2 * size) * np.fft.rfft(tail, 2 * size), 2 * size)[:size]
    usual = max(float(out.std()), 1e-6)
    out = out / usual + coloured(size, rng.uniform(0, 2), rng) * 10 ** (-(0.0 if bare else rng.uniform(10, 60)) / 20)
    if rng.random() < 0.3:  # it comes, or goes
        fade = np.clip(np.linspace(0.0, 2.0, size), 0.0, 1.0)
        out *= fade if rng.random() < 0.5 else fade[::-1]
    found: Array = np.clip(0.1 * out, -1.0, 1.0).astype(np.float32)
    return found
