"""Train networks on what `full` paints, without its single bright pixels.

    python benchmarks/without_dots.py AVATAR FULL.onnx START.onnx OUT.onnx --motions motions.npz [--steps 300] [--frames 160]

The loss of commit 6824f1f let `full` paint a lattice of bright dots into hair. They are single pixels, which a median of 3x3
finds, and all else is right: so START, which is `full` itself or a `lite`, learns from those frames without them, `lite` from
their mean over 2x2 pixels of linear light. On a CPU; some minutes. Writes OUT.onnx (weights in FP16) and OUT.fp32.onnx.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from animacy.avatar import find, load
from animacy.generate.onnx import OnnxGenerator
from animacy.render.cpu import CpuRenderer
from animacy.train import generator as g
from animacy.train.data import Motions
from animacy.train.evaluate import encoded, light
from animacy.types import Conditions

SPIKE = 14  # of 255: how far a dot stands out of its neighbours' median, in the brightest channel


def without_dots(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[S, S, 4] with single pixels that are brighter than all their neighbours replaced by the neighbours' median."""
    x = frame.astype(np.int16)
    around = np.stack([np.roll(x, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx])
    middle = np.median(around, 0)
    above = x[..., :3] - middle[..., :3]
    dot = (above.max(-1) > SPIKE) & ((x[..., :3] - around[..., :3].max(0)).max(-1) > SPIKE // 2) & (middle[..., 3] > 250)
    return np.where(dot[..., None], middle, x).astype(np.uint8)


def halved(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[S, S, 4] premultiplied sRGB -> [S/2, S/2, 4], the mean of linear light."""
    x = frame.astype(np.float32) / 255
    alpha = x[..., 3:]
    linear = np.concatenate([light(np.minimum(x[..., :3] / np.maximum(alpha, 1e-4), 1)) * alpha, alpha], -1)
    small = linear.reshape(len(x) // 2, 2, len(x) // 2, 2, 4).mean((1, 3))
    colour = encoded(small[..., :3] / np.maximum(small[..., 3:], 1e-4))
    return np.rint(255 * np.concatenate([np.clip(colour, 0, 1) * small[..., 3:], small[..., 3:]], -1)).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("avatar")
    parser.add_argument("full", type=Path)
    parser.add_argument("start", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--motions", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--frames", type=int, default=160)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--batch", type=int, default=2)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    avatar, teacher = load(find(arguments.avatar)), OnnxGenerator(arguments.full)
    size = OnnxGenerator(arguments.start).size
    network = g.Network(next(s for s in g.SHAPES.values() if s.size == size))
    g.restore(network, arguments.start)
    motions = Motions.load(arguments.motions)
    chosen = rng.choice(np.flatnonzero(~motions.held_out), arguments.frames, replace=False)
    conditions = np.empty((len(chosen), 10, size, size), np.uint8)
    target = np.empty((len(chosen), 4, size, size), np.uint8)
    began, dots = time.monotonic(), 0
    with CpuRenderer(avatar, teacher.size) as large, CpuRenderer(avatar, size) as own:
        for k, i in enumerate(chosen):
            found = large.render(motions.motion(int(i)))
            painted = teacher.generate(found).rgba[0]
            clean = without_dots(painted)
            dots += int((clean != painted).any(-1).sum())
            if size != teacher.size:
                found, clean = own.render(motions.motion(int(i))), halved(clean)
            conditions[k] = planes(found)
            target[k] = clean.transpose(2, 0, 1)
            if k % 20 == 0:
                print(
                    f"{time.monotonic() - began:6.0f} s  {k} of {len(chosen)} frames, {dots / (k + 1):.0f} dots a frame",
                    flush=True,
                )
    optimizer = torch.optim.AdamW(network.parameters(), arguments.rate, weight_decay=0.0, betas=(0.9, 0.99))
    side = 256 if size == 512 else 224
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    total = 0.0
    for step in range(arguments.steps):
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * min(1, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * step / arguments.steps))
        index = rng.integers(len(chosen), size=arguments.batch)
        y, x = rng.integers(0, size - side + 1, 2) // 8 * 8
        window = (index, slice(None), slice(y, y + side), slice(x, x + side))
        given = g.as_input(torch.from_numpy(conditions[window])).contiguous(memory_format=torch.channels_last)
        wanted = torch.from_numpy(target[window]).float() / 255
        made = network(given)
        loss = 20 * F.mse_loss(made, wanted) + (made - wanted).abs().mean()
        for axis in (2, 3):
            loss = loss + 0.5 * torch.diff(made - wanted, dim=axis).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        total = float(loss.detach()) if not step else 0.95 * total + 0.05 * float(loss.detach())
        if step % 50 == 49:
            print(f"{time.monotonic() - began:6.0f} s  step {step + 1}, loss {total:.4f}", flush=True)
    g.export(network, arguments.out.with_suffix(".fp32.onnx"), size, half=False)
    g.export(network, arguments.out, size, half=True)


def planes(found: Conditions) -> NDArray[np.uint8]:
    return np.concatenate([found.shaded[0], found.unlit[0], found.normal[0]], -1).transpose(2, 0, 1)


if __name__ == "__main__":
    main()
