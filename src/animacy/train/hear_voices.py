"""Rows of hear_data.py as other voices, rooms, microphones, lines and levels would give them, many at once on any device."""

from __future__ import annotations

import math

import torch

from ..hear.features import BANDS, DEPTH, FALLS, FORGETS, HIGH, HOP, LEAST, LOW, RATE, RISES, SOFT, USUAL
from .hear_data import FLOOR, GRAIN

FASTEST = 1.25
ROOM = 64  # rows that a room rings on
SETTLING = 50  # rows, over which the level finds the voice


def _mel(hertz: torch.Tensor) -> torch.Tensor:
    return 2595.0 * torch.log10(1.0 + hertz / 700.0)


def _centres(device: torch.device) -> torch.Tensor:
    """[BANDS] Hz."""
    low, high = (2595.0 * math.log10(1.0 + f / 700.0) for f in (LOW, HIGH))
    mel = torch.linspace(low, high, BANDS + 2, device=device)[1:-1]
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


def power_of(stored: torch.Tensor) -> torch.Tensor:
    """dB of stored uint8."""
    return stored.float() * GRAIN + FLOOR


def rows_of(power: torch.Tensor, settled: torch.Tensor | None = None) -> torch.Tensor:
    """What hear/features.py gives for power [B, T, BANDS]: rows [B, BANDS, T].

    settled [B]: for which the voice was there before, and the level begins where it would be at the end.
    """
    total = power.sum(2)
    steps = [1.0 - math.exp(-HOP / RATE / seconds) for seconds in (RISES, FALLS, FORGETS)]
    logs, least, soft = torch.log(total + 1e-9), math.log(LEAST), math.log(SOFT)
    level = torch.full_like(logs[:, 0], math.log(USUAL))
    levels = torch.empty_like(logs)
    for again in range(1 if settled is None else 2):
        for k in range(logs.shape[1]):
            now = logs[:, k]
            quiet = torch.where(now > level + soft, steps[1], steps[2])
            level = torch.clamp(torch.lerp(level, now, torch.where(now > level, steps[0], quiet)), min=least)
            levels[:, k] = level
        if settled is not None and not again:
            level = torch.where(settled, level, math.log(USUAL))
    return (torch.log(power / torch.exp(levels)[:, :, None] + DEPTH) / 4.0 + 1.5).transpose(1, 2).contiguous()


def varied(
    decibels: torch.Tensor,
    mouth: torch.Tensor,
    phone: torch.Tensor,
    others: torch.Tensor,
    begins: torch.Tensor,
    generator: torch.Generator,
    strange: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Windows [B, S, ..] -> rows [B, BANDS, T], mouth [B, OUTPUTS, T], phone [B, T], where T is S / FASTEST.

    decibels [B, S, BANDS]; mouth [B, S, OUTPUTS], 0..1; phone [B, S]; others [B, S, BANDS]: dB of what may sound beside it;
    begins [B]: where nothing was heard before, so that the level begins at the usual one; elsewhere as often as not.
    strange: the share of examples that are also made as another engine would say them (`_strange`).
    Draws from `generator`, which is on the device of all.
    """
    size, span, _ = decibels.shape
    length = int(span / FASTEST) // 2 * 2
    device = decibels.device

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(size, *(shape or (1, 1)), generator=generator, device=device) * (high - low) + low

    def normal(deviation: float, *shape: int) -> torch.Tensor:
        return torch.randn(size, *(shape or (1, 1)), generator=generator, device=device) * deviation

    def sometimes(share: float) -> torch.Tensor:
        return torch.rand(size, 1, 1, generator=generator, device=device) < share

    # the pace, all of it alike
    at = torch.arange(length, device=device) * torch.exp(uniform(math.log(0.8), math.log(FASTEST), 1))
    if strange:  # no two engines hold the same sounds for as long; knots 24 rows apart, moved by so few, stay in order
        sway = _drift((size, length, 1), 24, 1, generator, device)[:, :, 0].clamp(-2.5, 2.5)
        at = (at + uniform(0.0, 3.0, 1) * sway * (uniform(0.0, 1.0, 1) < strange)).clamp(0.0, span - 1.001)
    before = at.long().clamp(max=span - 2)
    part = (at - before)[:, :, None].clamp(max=1.0)

    def taken(values: torch.Tensor) -> torch.Tensor:
        index = before[:, :, None].expand(-1, -1, values.shape[2])
        return torch.lerp(values.gather(1, index), values.gather(1, index + 1), part)

    sound, wanted = taken(decibels), taken(mouth)
    shown = phone.gather(1, torch.round(at).long().clamp(max=span - 1))

    # the length of the throat: what was in a band is heard in another
    centres = _centres(device)
    octaves = torch.log2(centres / 1000.0)
    longer = (normal(0.10) + normal(0.04) * octaves).clamp(-0.24, 0.24)  # its parts not all alike
    warped = (_mel(centres / torch.exp(longer)) - _mel(centres[0])) / (_mel(centres[1]) - _mel(centres[0]))
    warped = warped.clamp(0.0, BANDS - 1.001).expand(-1, length, -1)
    band = warped.long()
    sound = torch.lerp(sound.gather(2, band), sound.gather(2, band + 1), warped - band)

    # harmonics that show less, as of another pitch or a coarse synthesis
    beside_it = torch.cat([sound[:, :, :1], sound, sound[:, :, -1:]], 2)
    blurred = 0.25 * beside_it[:, :, :-2] + 0.5 * sound + 0.25 * beside_it[:, :, 2:]
    sound = torch.lerp(sound, blurred, uniform(0.0, 1.0) * sometimes(0.4))

    if strange:
        sound = torch.where(sometimes(strange), _strange(sound, generator), sound)

    # how much softer the soft is, the microphone, and a line's band
    sound = sound * torch.exp(normal(0.10)) + normal(2.0) * octaves + normal(1.0, 1, BANDS)
    for _ in range(3):
        sound = sound + normal(3.0) * torch.exp(-torch.square(octaves - uniform(-3.0, 3.0)) / 0.5)
    low, high = torch.log2(uniform(40.0, 330.0) / 1000.0), torch.log2(uniform(3.3, 8.0))
    line = 24.0 * torch.relu(low - octaves) + 48.0 * torch.relu(octaves - high)
    sound = sound - line * sometimes(0.35)
    power = 10.0 ** (sound / 10.0)

    # a room
    seconds, early = uniform(0.1, 0.7), uniform(-22.0, -2.0)
    t = torch.arange(1, ROOM, device=device)
    tail = 10.0 ** (-6.0 * t / 100.0 / seconds)
    tail = tail / tail.sum(2, keepdim=True) * 10.0 ** (early / 10.0) * sometimes(0.5)
    spectrum = torch.fft.rfft(torch.nn.functional.pad(tail[:, 0], (1, length)), length + ROOM)
    rung = torch.fft.irfft(torch.fft.rfft(power, length + ROOM, dim=1) * spectrum[:, :, None], length + ROOM, dim=1)
    power = power + torch.relu(rung[:, :length])

    # noise, and music or a hum beside it
    usual = power.sum(2, keepdim=True)
    loud = usual > 0.01 * usual.amax(1, keepdim=True)
    level = (usual * loud).sum(1, keepdim=True) / loud.sum(1, keepdim=True)
    width = torch.diff(centres, append=2 * centres[-1:] - centres[-2:-1])
    noise = width * centres ** -uniform(0.0, 2.0)
    noise = noise / noise.sum(2, keepdim=True)
    rough = torch.randn(size, length, BANDS, 4, generator=generator, device=device).square().mean(3)
    power = power + level * 10.0 ** (-uniform(8.0, 62.0) / 10.0) * noise * rough * sometimes(0.7)
    beside = 10.0 ** (others[:, :length] / 10.0)
    beside = beside / beside.sum(2, keepdim=True).mean(1, keepdim=True).clamp(min=1e-9)
    power = power + level * 10.0 ** (-uniform(6.0, 30.0) / 10.0) * beside * sometimes(0.2)

    power = power * 10.0 ** (uniform(-28.0, 8.0) / 10.0) + 10.0 ** (uniform(-11.0, -7.5)) * noise * rough
    rows = rows_of(power, (uniform(0.0, 1.0)[:, 0, 0] < 0.5) & ~begins) + normal(0.08)
    gone = (torch.arange(BANDS, device=device) - uniform(0.0, BANDS)).abs() < uniform(0.0, 3.0) * sometimes(0.25)
    rows = torch.where(gone.transpose(1, 2), rows.mean((1, 2), keepdim=True), rows)
    return rows, wanted.transpose(1, 2).contiguous(), shown


def _drift(
    shape: tuple[int, int, int], rows: int, bands: int, generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Noise [B, T, F] of deviation 1 or less, that changes over so many rows and bands."""
    size, length, wide = shape
    coarse = torch.randn(size, length // rows + 2, -(-wide // bands) + 1, generator=generator, device=device)

    def drawn(x: torch.Tensor, count: int, step: int) -> torch.Tensor:
        """Along the middle axis. Not `interpolate`, whose way back and forth CUDA adds up in any order."""
        at = torch.arange(count, device=device) / step
        below = at.long()
        return torch.lerp(x[:, below], x[:, below + 1], (at - below)[None, :, None])

    return drawn(drawn(coarse, length, rows).transpose(1, 2), wide, bands).transpose(1, 2)


def _strange(sound: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """dB [B, T, BANDS] as of another synthesis: an envelope of few coefficients, parameters that move slowly, formants that lie
    elsewhere from sound to sound, hiss that is louder or softer against the voice, and contrasts that are more or less."""
    size, length, _ = sound.shape
    device = sound.device

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(size, 1, 1, generator=generator, device=device) * (high - low) + low

    def sometimes(share: float) -> torch.Tensor:
        return torch.rand(size, 1, 1, generator=generator, device=device) < share

    # A cepstrum that ends early, as vocoders keep
    k = torch.arange(BANDS, device=device)
    cosines = torch.cos(math.pi / BANDS * (k + 0.5) * k[:, None]) * math.sqrt(2.0 / BANDS)
    cosines = torch.cat([cosines[:1] / math.sqrt(2.0), cosines[1:]])
    kept = torch.sigmoid((uniform(9.0, 30.0) - k) / 1.5)
    smooth = (sound @ cosines.T * kept) @ cosines
    sound = torch.where(sometimes(0.5), smooth, sound)
    # Movements that statistics have smoothed
    slow = sound
    for _ in range(3):
        wide = torch.cat([slow[:, :1], slow, slow[:, -1:]], 1)
        slow = 0.25 * wide[:, :-2] + 0.5 * slow + 0.25 * wide[:, 2:]
    sound = torch.lerp(sound, slow, uniform(0.0, 1.0) * sometimes(0.5))
    # Spectra that are more alike, or less
    mean = sound.mean(1, keepdim=True)
    sound = mean + (sound - mean) * torch.exp(uniform(-0.25, 0.2))
    # Each sound a little otherwise
    sound = sound + uniform(0.0, 4.0) * _drift((size, length, BANDS), 8, 5, generator, device)
    # Hiss against voice
    half = BANDS // 2
    hiss = torch.sigmoid((sound[:, :, half:].mean(2, keepdim=True) - sound[:, :, :half].mean(2, keepdim=True)) / 4.0)
    slope = torch.linspace(-1.0, 1.0, BANDS, device=device)
    return sound + hiss * (uniform(-8.0, 8.0) + uniform(-6.0, 6.0) * slope)
