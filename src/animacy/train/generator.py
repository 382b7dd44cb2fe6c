# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""The generator: a U-Net that folds pixels into channels first, trained to paint what the teacher traces.

It gives a correction to the shaded render, so that it begins as good as that and spends itself on the difference: what is
added to each pixel, and by how much the pixel's own colours, shaded and unlit, are scaled there. Scaling keeps a silhouette, or
fades a drawn strand, at the pixel's own precision, which passes no layer of a quarter of the side.
It folds because a GPU works channels faster than pixels: the same cost buys a wider view.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import AnimacyError, UsageError
from .data import PARTS, Pairs

LEADING = 24  # frames that lead the textures' weight, and are not learnt from
CHANNELS = 10  # of Conditions: shaded RGBA, unlit RGB and depth, normal xy
SCALED = 8  # of them, by a gain for each folded pixel; the second four are added to the first


@dataclass(frozen=True, slots=True)
class Shape:
    """What distinguishes one size of network from another."""

    size: int  # pixels of the frame it is made for
    fold: int  # pixels a side that become channels
    widths: tuple[int, int, int, int]  # channels, from the folded frame down
    gflop: float  # most that a frame may cost

    @property
    def step(self) -> int:
        """Pixels of which a frame's side is a multiple."""
        return 8 * self.fold


SHAPES = {
    "lite": Shape(256, 4, (32, 48, 96, 128), 1.5),
    "full": Shape(512, 4, (64, 112, 224, 256), 25.0),
}


def _conv(a: int, b: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1), nn.LeakyReLU(0.1))


class _Block(nn.Module):
    """Two convolutions, added to what comes in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(width, width), nn.Conv2d(width, width, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.body(x), 0.1)


class Network(nn.Module):
    """[B, 10, S, S] conditions in 0..1 (normals in -1..1) -> [B, 4, S, S] premultiplied sRGB and alpha, 0..1."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c, d = shape.widths
        self.fold = shape.fold
        self.enter = nn.Sequential(nn.Conv2d(CHANNELS * shape.fold**2, a, 1), nn.LeakyReLU(0.1), _Block(a))
        self.down1 = nn.Sequential(_conv(a, b, 2), _Block(b))
        self.down2 = nn.Sequential(_conv(b, c, 2), _Block(c))
        self.down3 = nn.Sequential(_conv(c, d, 2), _Block(d), _Block(d))
        self.up2 = nn.Sequential(_conv(d + c, c), _Block(c))
        self.up1 = nn.Sequential(_conv(c + b, b), _Block(b))
        self.leave = nn.Sequential(_conv(b + a, a), _Block(a), nn.Conv2d(a, 4 * shape.fold**2 + SCALED, 3, 1, 1))
        last = self.leave[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :4] + F.pixel_shuffle(self.correction(F.pixel_unshuffle(x, self.fold)), self.fold)

    def correction(self, folded: Tensor) -> Tensor:
        """[B, 10 f f, S/f, S/f] folded conditions -> [B, 4 f f, S/f, S/f], what is added to the folded shaded render."""
        a = self.enter(folded)
        b = self.down1(a)
        c = self.down2(b)
        d = self.down3(c)
        c = self.up2(torch.cat([F.interpolate(d, scale_factor=2.0, mode="nearest"), c], 1))
        b = self.up1(torch.cat([F.interpolate(c, scale_factor=2.0, mode="nearest"), b], 1))
        return self.applied(folded, self.leave(torch.cat([F.interpolate(b, scale_factor=2.0, mode="nearest"), a], 1)))

    def applied(self, folded: Tensor, out: Tensor) -> Tensor:
        """The correction that the last convolution's `out` [B, 4 f f + 8, S/f, S/f] means: added numbers, and gains."""
        added = 4 * self.fold**2
        scaled = folded[:, : 2 * added] * out[:, added:].repeat_interleave(self.fold**2, 1)
        return out[:, :added] + scaled[:, :added] + scaled[:, added:]


def gflop(network: Network, size: int) -> float:
    """Billions of operations for one frame: two for each multiplication of a convolution."""
    total = 0.0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += 2 * output.numel() * module.in_channels * module.kernel_size[0] * module.kernel_size[1]

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.no_grad():
            network(torch.zeros(1, CHANNELS, size, size, device=next(network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return total / 1e9


def as_input(conditions: Tensor) -> Tensor:
    """[B, 10, S, S] uint8 -> float32 as the network takes them."""
    x = conditions.float()
    return torch.cat([x[:, :8] / 255, (x[:, 8:] - 128) / 127], 1)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is trained. Each bundle tells the commit and command of its own weights."""

    steps: int = 8000
    batch: int = 16
    rate: float = 5e-4  # 2e-3 without clipping collapsed (MEASURED, a smaller network)
    decay: float = 0.01
    clip: float = 1.0
    soft: float = 0.5  # errors below count squared: of noisy targets an absolute loss finds the median, which is too dark
    gradient: float = 0.25  # weight of the edges' difference
    motion: float = 0.5  # weight of the difference between neighbouring frames' changes
    texture: float = 100.0  # weight of the local autocovariance's difference; in hair to begin with, and then ...
    sharpness: float = 0.93  # ... led until the energy of hair's edges over the teacher's is this in frames not learnt from
    # Weight of what single pixels stand out by, as a share of the textures': the more those demand, the more a dot would pay.
    lonely: float = 0.045
    focus: float = 4.0  # how much more a pixel of the eyes and the mouth counts
    crop: int = 32  # pixels less a side in training, anywhere in the frame: a pixel's noise then never comes back alike
    lead: int = 10  # steps from one look at the frames that lead the textures' weight to the next
    every: int = 500  # steps from one saved state to the next
    average: float = 0.998  # of the weights over steps: what is kept is their moving mean
    seed: int = 0


def train(
    pairs: Pairs,
    shape: Shape,
    settings: Settings,
    folder: Path,
    *,
    device: str,
    seconds: float = math.inf,
    compiled: bool = False,
    begin: Path | None = None,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Network:
    """The trained network (the moving mean of its weights), on `device`.

    begin: an exported network of the same shape to go on from, in place of a random one.

    Every `settings.every` steps the state goes to `folder`/state.pt, from where a killed run goes on. seconds: the rate falls
    to zero by then, whatever `steps` says. Half of each batch are neighbouring frames. compiled: by PyTorch's compiler, which
    takes a minute and pays off in long runs. Raises UsageError where sizes differ.
    """
    if pairs.manifest["size"] != shape.size:
        raise UsageError(f"frames have {pairs.manifest['size']} pixels, the network is made for {shape.size}")
    if settings.crop % shape.step or settings.crop >= shape.size:
        raise UsageError(f"crop {settings.crop}: needed a multiple of {shape.step} below {shape.size}")
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    network = Network(shape)
    if begin is not None:
        restore(network, begin)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean = {k: v.detach().clone() for k, v in network.state_dict().items()}
    averaged = (list(mean.values()), list(network.state_dict().values()))
    gpu = device.startswith("cuda")
    rate: float | Tensor = torch.tensor(settings.rate, device=device) if gpu else settings.rate
    optimizer = torch.optim.AdamW(
        network.parameters(), rate, weight_decay=settings.decay, betas=(0.9, 0.99), fused=gpu, capturable=gpu
    )
    kept, leading = _split(pairs)
    second = kept[pairs.motions.follows[kept]]
    conditions, target, halves = (torch.from_numpy(x).to(device) for x in (pairs.conditions, pairs.target, pairs.halves))
    hair = torch.from_numpy(pairs.parts == PARTS.index("hair")).to(device)
    # edges' energy in hair, painted and traced, as moving sums; the texture's weight
    energy, texture = torch.zeros(2, device=device), torch.tensor(settings.texture, device=device)
    weight = torch.from_numpy(_focus(pairs, shape.size, settings.focus)).to(device)
    first, spent, state = 0, 0.0, folder / "state.pt"
    if state.exists():
        old = torch.load(state, map_location=device, weights_only=True)
        if old["settings"] != asdict(settings):
            raise UsageError(f"{state} was begun with other settings; give another folder or delete it")
        network.load_state_dict(old["network"])
        optimizer.load_state_dict(old["optimizer"])
        first, spent = old["step"], old["spent"]
        for name, value in old["mean"].items():
            mean[name].copy_(value)
        energy, texture = old["energy"], old["texture"]
        rng = np.random.default_rng((settings.seed, first))
    began = time.monotonic() - spent
    losses: list[dict[str, float]] = []
    step = first
    criterion = _Criterion(network, settings, device)
    if compiled:
        criterion = torch.compile(criterion)  # type: ignore[assignment]
    learn = _Step(criterion, optimizer, settings.clip, gpu)
    while True:
        elapsed = time.monotonic() - began
        done = max(step / settings.steps, elapsed / seconds)
        if done >= 1:
            break
        now = settings.rate * min(1, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = group["lr"].fill_(now) if isinstance(group["lr"], Tensor) else now
        half = settings.batch // 2 if len(second) else 0
        after = rng.choice(second, half // 2) if half else np.empty(0, int)
        single = rng.choice(kept, settings.batch - 2 * len(after))
        index = torch.from_numpy(np.concatenate([after - 1, after, single])).to(device)
        n, side = len(after), shape.size - settings.crop
        # Past the edges by a quarter, so that the frame's own edges come often.
        y, x = np.clip(rng.integers(-settings.crop // 4, settings.crop * 5 // 4 + 1, 2), 0, settings.crop)
        batch = [v[index, ..., y : y + side, x : x + side] for v in (conditions, target, halves, weight, hair)]
        loss = learn(batch, texture, n)
        step += 1
        keep = min(settings.average, step / (step + 10))
        with torch.no_grad():
            if step % settings.lead == 0:
                some = torch.from_numpy(rng.choice(leading, min(8, len(leading)), replace=False)).to(device)
                edges = _edges(network, *(v[some] for v in (conditions, halves, hair)))
                energy.lerp_(edges, max(0.1, settings.lead / step))
                ratio = energy[0] / energy[1].clamp_min(1e-9)
                texture.mul_(torch.exp(0.01 * settings.lead * (settings.sharpness - ratio.clamp(0, 2))))
                texture.clamp_(settings.texture / 20, settings.texture * 40)
            torch._foreach_lerp_(*averaged, 1 - keep)
        if step % 100 == 0:
            value, ratio = float(loss), energy[0] / energy[1].clamp_min(1e-9)
            if not math.isfinite(value):
                raise AnimacyError(f"the loss is {value} at step {step}: lower the rate")
            row = {"step": step, "seconds": round(time.monotonic() - began, 1), "loss": round(value, 5)}
            losses.append(row | {"hair": round(float(ratio), 3), "texture": round(float(texture), 2)})
            report(step, value)
        if step % settings.every == 0:
            folder.mkdir(parents=True, exist_ok=True)
            whole = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "mean": mean, "step": step,
                     "energy": energy, "texture": texture,
                     "spent": time.monotonic() - began, "settings": asdict(settings)}  # fmt: skip
            torch.save(whole, state.with_suffix(".part"))
            state.with_suffix(".part").replace(state)
    network.load_state_dict(mean)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "curve.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in losses)
    return network.eval()


def _split(pairs: Pairs) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(frames to learn from, frames that lead the textures' weight): of those learnt from a network can know each hair in time,
    and is sharp there, demand or not. The second are of the first where there are too few to set some aside.
    """
    kept = np.flatnonzero(~pairs.motions.held_out)
    if not len(kept):
        raise AnimacyError("no frame to train on: all are held out")
    follows = np.append(pairs.motions.follows, False)
    alone = kept[~follows[kept] & ~follows[kept + 1]]
    if len(alone) < 4 * LEADING:
        return kept, kept
    leading = alone[:: len(alone) // LEADING]
    return np.setdiff1d(kept, leading), leading


def _edges(network: Network, conditions: Tensor, halves: Tensor, hair: Tensor) -> Tensor:
    """The energy [2] of hair's edges, painted and traced, as `evaluate` takes it: over grey, in hair and just beside it.

    conditions [B, 10, S, S], halves [B, 2, 4, S, S], uint8; hair [B, S, S] bool.
    """
    kind = conditions.device.type
    with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
        out = network(as_input(conditions).contiguous(memory_format=torch.channels_last)).float().clamp(0, 1)
    luma = [(v[:, :3] + 0.5 * (1 - v[:, 3:])).mean(1) for v in (out, *(halves[:, k].float() / 255 for k in range(2)))]
    reach = 2 * max(1, hair.shape[-1] // 256) + 1
    near = F.max_pool2d(hair[:, None].float(), reach, 1, reach // 2)[:, 0]
    energies = []
    for one, other in ((luma[0], luma[0]), (luma[1], luma[2])):
        down = torch.diff(one, dim=1)[..., :-1] * torch.diff(other, dim=1)[..., :-1]
        right = torch.diff(one, dim=2)[:, :-1] * torch.diff(other, dim=2)[:, :-1]
        energies.append(((down + right) * near[:, :-1, :-1]).mean())
    return torch.stack(energies)


class _Step:
    """One step of learning. On a GPU it is replayed as a CUDA graph: to launch its kernels takes longer than they do."""

    def __init__(self, criterion: nn.Module, optimizer: torch.optim.Optimizer, clip: float, gpu: bool) -> None:
        self._criterion, self._optimizer, self._clip = criterion, optimizer, clip
        self._weights = [p for group in optimizer.param_groups for p in group["params"]]
        self._graph: Any = None
        self._batch: list[Tensor] = []
        self._found = torch.zeros(())
        self._before = 4 if gpu else -1  # steps before it is captured: compilers and cuDNN make their choices in them
        self._stream: Any = torch.cuda.Stream() if gpu else None  # type: ignore[no-untyped-call]

    def __call__(self, batch: list[Tensor], texture: Tensor, after: int) -> Tensor:
        """The loss of the step, good until the next one. texture: always the same tensor, `after` the same number."""
        if self._graph is not None:
            for own, new in zip(self._batch, batch, strict=True):
                own.copy_(new)
            self._graph.replay()
            return self._found
        if self._before < 0:
            return self._run(batch, texture, after)
        if self._before:
            self._before -= 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                found = self._run(batch, texture, after)
            torch.cuda.current_stream().wait_stream(self._stream)
            return found
        self._batch, graph = batch, torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            self._found = self._run(batch, texture, after)
        self._graph = graph
        return self(batch, texture, after)

    def _run(self, batch: list[Tensor], texture: Tensor, after: int) -> Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._criterion(*batch, texture, after)
        loss.backward()
        nn.utils.clip_grad_norm_(self._weights, self._clip)
        self._optimizer.step()
        found: Tensor = loss.detach()
        return found


class _Criterion(nn.Module):
    """The network and its loss, in one piece for the compiler.

    Errors are of linear light, in which the noise of targets has no bias (in sRGB, noise of 28 levels makes hair 8 darker),
    over the slope with which light grows with sRGB about there: to first order they are errors of sRGB.
    """

    def __init__(self, network: Network, settings: Settings, device: str) -> None:
        super().__init__()
        self.network, self.settings = network, settings
        self.amp = device.split(":")[0]

    def forward(
        self, conditions: Tensor, target: Tensor, halves: Tensor, weight: Tensor, hair: Tensor, texture: Tensor, after: int
    ) -> Tensor:
        """conditions [B, 10, S, S], target [B, 4, S, S], halves [B, 2, 4, S, S], uint8; weight [B, S, S]; hair [B, S, S] bool;
        texture: the weight of `_textures` in hair. Of the batch the frames `after`..2 `after` follow the first `after`.
        """
        s = self.settings
        with torch.autocast(self.amp, torch.bfloat16, enabled=self.amp == "cuda", cache_enabled=False):
            x = as_input(conditions).contiguous(memory_format=torch.channels_last)
            out = self.network(x).float()
        y = target.float() / 255
        painted, traced = _light(out[:, :3]), _light(y[:, :3])
        # of what lies around a pixel: by its own slope a single bright pixel would cost less than it is wrong
        colour = (painted - traced) / _slope(_mean(out[:, :3].detach(), 5))
        error = torch.cat([colour, out[:, 3:] - y[:, 3:]], 1)
        none = torch.zeros_like(error)
        loss = (F.huber_loss(error, none, reduction="none", delta=s.soft) * weight[:, None].float()).mean() * 10
        for axis in (2, 3):
            loss = loss + s.gradient * torch.diff(error, dim=axis).abs().mean()
        if after:
            loss = loss + s.motion * (error[after : 2 * after] - error[:after]).abs().mean()
        # Textures and edges as they are seen, in sRGB: in linear light a few glints outweigh all else, and are met by dots.
        luma = [v.mean(1, keepdim=True) for v in (out[:, :3], *(halves[:, k, :3].float() / 255 for k in range(2)))]
        own, a, b = (v - _mean(v, 9) for v in luma)
        # Brows and skin have as much texture as is asked of them long before hair has.
        scale = torch.where(hair[:, None], texture, s.texture)
        dots = scale.clamp_max(4 * s.texture)  # of hair at 256 pixels single pixels are a part: no weight may forbid them
        for x, share in ((luma[0], dots), (F.avg_pool2d(luma[0], 2), F.avg_pool2d(dots, 2))):
            loss = loss + s.lonely * (share * _lonely(x)).mean()
        return loss + _textures(own, a, b, y[:, 3:], scale * weight[:, None].float())


# Lags in pixels, down and to the right, at which textures are compared: all to 2 pixels, some to 16, lest a lattice be painted.
LAGS = (
    *((0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (2, 0), (3, 0), (4, 0), (1, 1), (1, -1), (2, 2), (2, -2)),
    *((1, 2), (1, -2), (2, 1), (2, -1), (3, 3), (3, -3), (4, 4), (4, -4), (0, 8), (8, 0), (8, 8), (8, -8), (0, 16), (16, 0)),
)


def _textures(painted: Tensor, a: Tensor, b: Tensor, alpha: Tensor, weight: Tensor) -> Tensor:
    """How much the local autocovariance of `painted` differs from that of two pictures of the same with independent noise.

    All [B, 1, S, S], details without their local means; what is not opaque by `alpha` does not count: a silhouette is no
    texture; the rest counts by `weight`. What one picture's details have in common with the other's is free of noise, and
    their autocovariance tells how
    strong, how fine and how directed they are. Where a network cannot know where each hair lies, squared errors alone would
    have it paint their mean; dots would meet a demand on edges alone. Autocovariance as a texture's measure: Julesz 1962,
    Portilla and Simoncelli 2000.
    """
    size = painted.shape[-1]
    most = min(16, size // 4)
    lags = [lag for lag in LAGS if max(lag) <= most]
    inner = (..., slice(0, size - most), slice(most, size - most))
    solid = (_windows(alpha[inner]) > 0.995) * _windows(weight[inner])
    total, level = torch.zeros((), device=painted.device), painted
    for n, (down, right) in enumerate(lags):
        there = (..., slice(down, size - most + down), slice(most + right, size - most + right))
        own = _windows(painted[inner] * painted[there])
        true = _windows((a[inner] * b[there] + b[inner] * a[there]) / 2)
        if n == 0:
            level = own.detach() + 4e-4
        total = total + ((own - true) ** 2 / level * solid).mean() * (4 if n == 0 else 1)
    return total / (len(lags) + 3)


def _lonely(x: Tensor) -> Tensor:
    """[B, 1, S, S] by how much pixels are brighter than all of their eight neighbours, or darker, beyond 6 of 255.

    A strand of hair is no such pixel: along it there are others like it. Single dots are, by which a network meets a demand on
    textures at the least cost in squared errors, where it cannot know the strands.
    """
    most = []
    for sign in (1, -1):
        wide = F.pad(sign * x, (1, 1, 1, 1), mode="replicate")
        around = [wide[..., i : i + x.shape[2], j : j + x.shape[3]] for i in range(3) for j in range(3) if (i, j) != (1, 1)]
        highest = around[0]
        for other in around[1:]:
            highest = torch.maximum(highest, other)
        most.append(F.relu(sign * x - highest - 6 / 255))
    return most[0] + most[1]


def _windows(x: Tensor) -> Tensor:
    """Means over windows of 16 pixels, every 8: of squares of 8, so that each pixel is read once."""
    return F.avg_pool2d(F.avg_pool2d(x, 8), 2, 1)


def _mean(x: Tensor, side: int) -> Tensor:
    """[B, C, S, S] means over squares of `side` pixels: down, then across."""
    x = F.avg_pool2d(x, (side, 1), 1, (side // 2, 0), count_include_pad=False)
    return F.avg_pool2d(x, (1, side), 1, (0, side // 2), count_include_pad=False)


def _light(x: Tensor) -> Tensor:
    """Linear light of sRGB; below 0 and above 1 it goes on."""
    return torch.where(x > 0.04045, ((x.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4, x / 12.92)


def _slope(x: Tensor) -> Tensor:
    """By how much `_light` grows with x; never so little that the noise of dark pixels outweighs all."""
    return (2.4 / 1.055 * ((x.clamp(0.04045, 1) + 0.055) / 1.055) ** 1.4).clamp_min(0.2)


def _focus(pairs: Pairs, size: int, most: float) -> NDArray[np.float16]:
    """[N, S, S] 1, and `most` in the boxes of eyes and mouth and on brows."""
    weight = np.where(pairs.parts == PARTS.index("brows"), most, 1.0).astype(np.float16)
    for w, boxes in zip(weight, np.clip(np.rint(pairs.regions), 0, size).astype(int), strict=True):
        for x0, y0, x1, y1 in boxes:
            w[y0:y1, x0:x1] = most
    return weight


def paint(network: Network, conditions: NDArray[np.uint8], batch: int = 16) -> NDArray[np.uint8]:
    """[N, 4, S, S] frames for [N, 10, S, S] conditions, both uint8. Colours never exceed alpha."""
    device = next(network.parameters()).device
    frames = []
    with torch.no_grad():
        for i in range(0, len(conditions), batch):
            y = network(as_input(torch.from_numpy(conditions[i : i + batch]).to(device))).clamp(0, 1)
            y = torch.cat([torch.minimum(y[:, :3], y[:, 3:]), y[:, 3:]], 1)
            frames.append((y * 255).round().byte().cpu().numpy())
    return np.concatenate(frames)


def halved(network: Network, conditions: NDArray[np.uint8]) -> float:
    """PSNR in dB of the frame on which FP16 arithmetic differs most from FP32, over `conditions` [N, 10, S, S]. On a GPU."""
    device = next(network.parameters()).device
    half = copy.deepcopy(network).half()
    lowest = math.inf
    with torch.no_grad():
        for frame in conditions:
            x = as_input(torch.from_numpy(frame[None]).to(device))
            error = (half(x.half()).float().clamp(0, 1) - network(x).clamp(0, 1)).square().mean()
            lowest = min(lowest, -10 * math.log10(max(float(error), 1e-12)))
    return lowest


def restore(network: Network, path: Path) -> None:
    """Fill `network` with the weights of a file that `export` wrote. Raises UsageError where they do not fit."""
    import onnx
    from onnx import numpy_helper

    try:
        found = {w.name.removesuffix("_half"): numpy_helper.to_array(w) for w in onnx.load(str(path)).graph.initializer}
    except Exception as error:  # onnx raises what its parser finds
        raise UsageError(f"{path} cannot be read as a network ({error})") from error
    order = np.arange(CHANNELS * network.fold**2).reshape(CHANNELS, -1).T.ravel()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            given = found.get(name.replace(".body", ""))
            if given is None or given.shape != value.shape:
                raise UsageError(f"{path} has no {name} of shape {tuple(value.shape)}; give a network of the same shape")
            weight = torch.from_numpy(given.astype(np.float32))
            if name == "enter.0.weight":  # `export` turns its channels round for SpaceToDepth
                value[:, torch.from_numpy(order)] = weight
            else:
                value.copy_(weight)


def export(network: Network, path: Path, size: int, *, half: bool) -> None:
    """Write the network as ONNX: `conditions` float32 [B, 10, S, S] -> `rgba` float32 [B, 4, S, S].

    half: weights are kept as FP16 in the file and widened when it is loaded. A GPU's builder may compute in FP16 throughout; a
    CPU, which has no FP16 convolutions, computes in FP32 at its full speed.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    network = network.cpu().float().eval()
    nodes: list[Any] = []
    weights: list[Any] = []

    def keep(name: str, value: NDArray[Any]) -> str:
        if half and value.dtype == np.float32:
            weights.append(numpy_helper.from_array(value.astype(np.float16), name + "_half"))
            nodes.append(helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT))
        else:
            weights.append(numpy_helper.from_array(value, name))
        return name

    def node(kind: str, inputs: list[str], **how: Any) -> str:
        out = f"{kind.lower()}{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [out], **how))
        return out

    def leaky(x: str) -> str:
        return node("LeakyRelu", [x], alpha=0.1)

    def conv(module: nn.Module, x: str, name: str) -> str:
        assert isinstance(module, nn.Conv2d)
        assert module.bias is not None
        side = module.kernel_size[0]
        names = [keep(f"{name}.{k}", v.detach().numpy()) for k, v in (("weight", module.weight), ("bias", module.bias))]
        return node("Conv", [x, *names], kernel_shape=[side, side], strides=list(module.stride), pads=[side // 2] * 4)

    def run(module: nn.Module, x: str, name: str) -> str:
        if isinstance(module, nn.Conv2d):
            return conv(module, x, name)
        if isinstance(module, nn.LeakyReLU):
            return leaky(x)
        if isinstance(module, _Block):
            return leaky(node("Add", [x, run(module.body, x, name)]))
        assert isinstance(module, nn.Sequential)
        for i, part in enumerate(module):
            x = run(part, x, f"{name}.{i}")
        return x

    fold = network.fold
    # Channels of a folded frame run channel, row, column in PyTorch; SpaceToDepth's run row, column, channel.
    order = np.arange(CHANNELS * fold**2).reshape(CHANNELS, fold * fold).T.ravel()
    entry = network.enter[0]
    assert isinstance(entry, nn.Conv2d)
    x = node("SpaceToDepth", ["conditions"], blocksize=fold)
    kept = entry.weight.detach().clone()
    with torch.no_grad():
        entry.weight.copy_(kept[:, torch.from_numpy(order)])
        a = run(network.enter, x, "enter")
        entry.weight.copy_(kept)
    b = run(network.down1, a, "down1")
    c = run(network.down2, b, "down2")
    d = run(network.down3, c, "down3")
    weights.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"))

    def nearest(x: str, scale: str) -> str:
        return node("Resize", [x, "", scale], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    c = run(network.up2, node("Concat", [nearest(d, "twice"), c], axis=1), "up2")
    b = run(network.up1, node("Concat", [nearest(c, "twice"), b], axis=1), "up1")
    a = run(network.leave, node("Concat", [nearest(b, "twice"), a], axis=1), "leave")
    for name, values in (("zero", [0]), ("four", [4]), ("eight", [8]), ("added", [4 * fold**2]), ("all", [4 * fold**2 + 8]),
                         ("axis", [1])):  # fmt: skip
        weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
    weights.append(numpy_helper.from_array(np.array([1, 1, fold, fold], np.float32), "folds"))
    change = node("DepthToSpace", [node("Slice", [a, "zero", "added", "axis"])], blocksize=fold, mode="CRD")
    gains = nearest(node("Slice", [a, "added", "all", "axis"]), "folds")
    scaled = node("Mul", [node("Slice", ["conditions", "zero", "eight", "axis"]), gains])
    for part in (["zero", "four"], ["four", "eight"]):
        change = node("Add", [change, node("Slice", [scaled, *part, "axis"])])
    nodes.append(helper.make_node("Add", [node("Slice", ["conditions", "zero", "four", "axis"]), change], ["rgba"]))
    graph = helper.make_graph(
        nodes,
        "generator",
        [helper.make_tensor_value_info("conditions", TensorProto.FLOAT, ["batch", CHANNELS, size, size])],
        [helper.make_tensor_value_info("rgba", TensorProto.FLOAT, ["batch", 4, size, size])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="animacy", ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
