# mypy: disable-error-code="misc,no-untyped-call,no-untyped-def,import-not-found,unused-ignore,untyped-decorator,operator,index"
"""The network in Triton: each convolution with its bias, residual and LeakyReLU in one pass, pixels between them padded.

A compiled network writes what a convolution gives, and reads and writes it once more to add the bias and bend it: at 128x128x64
these passes take a fifth of the time. Here a convolution is a product of matrices over pixels whose columns are found where
they lie (NHWC, a border of zeros about each frame, so that no bound is tested): the three pixels of a row of the filter are one
run of memory. After an upsampling by two, an output pixel of each of the four phases sees 2x2 pixels of the smaller picture,
with weights summed beforehand: 4 products instead of 9, and neither the enlarged picture nor its concatenation is ever written.

At 64 channels such products wait for what they read, each pixel nine times. Wide ones make two neighbouring pixels at once, as
if they were one of twice the channels: of each row four pixels are read, not twice three, for a third more products, by zeros.

Each layer is timed when it is made ready, by this and by cuDNN with one pass after it, and the faster stays.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from ..train.generator import Network

SLACK = 256  # numbers behind a buffer: the last run of a row may read on, into weights of zero
SLOPE = tl.constexpr(0.1)
# Pixels, channels and products at a time; warps; loads under way.
TILES = (
    (128, 64, 64, 4, 3),
    (128, 64, 64, 4, 4),
    (256, 64, 64, 8, 3),
    (128, 64, 64, 8, 3),
    (128, 64, 32, 4, 5),
    (128, 128, 64, 8, 3),
    (128, 128, 32, 4, 4),
    (256, 128, 64, 8, 3),
    (128, 256, 64, 8, 3),
)


@triton.jit
def convolve(
    low, high, weights, bias, residual, out,
    pixels, height, width, channels, room,
    low_batch, low_row, low_pixel, low_steps,
    high_batch, high_row, high_pixel, high_rows, high_steps,
    out_batch, out_row, out_pixel,
    residual_batch, residual_row, residual_pixel,
    STRIDE: tl.constexpr, UP: tl.constexpr, WIDE: tl.constexpr, LEAKY: tl.constexpr, RESIDUAL: tl.constexpr,
    SQUARES: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr,
):  # fmt: skip
    """`pixels` = batch x height x width output pixels of one phase, or runs of WIDE. Rows of `weights` have `room` numbers.

    SQUARES, if not 0: after N channels come the 8 of gains, by which the drawn pixels in `residual` count, as in `applied`.
    """
    phase = tl.program_id(2)
    m = tl.program_id(1) * M + tl.arange(0, M)
    n = tl.program_id(0) * N + tl.arange(0, N)
    k = tl.arange(0, K)
    at = tl.minimum(m, pixels - 1)
    x, y, b = at % width, (at // width) % height, at // (width * height)
    down, right = phase // (2 // WIDE), phase % (2 // WIDE)
    total = tl.zeros((M, N), tl.float32)
    g = tl.arange(0, 16)
    gains = tl.zeros((M, 16), tl.float32)
    product = 0
    if UP:
        rows = 2 * low_steps + high_rows * high_steps
        weights += phase * rows * K * room
        begin = low + b * low_batch + (y + down) * low_row + (x + right) * low_pixel
        for i in range(0, 2 * low_steps):
            run = (i // low_steps) * low_row + (i % low_steps) * K
            a = tl.load(begin[:, None] + (run + k)[None, :])
            w = tl.load(weights + (i * K + k)[:, None] * room + n[None, :])
            total = tl.dot(a, w, total)
        product = 2 * low_steps
        y, x = 2 * y + down, 2 * x + right
    else:
        x = x * WIDE
    begin = high + b * high_batch + y * (STRIDE * high_row) + x * (STRIDE * high_pixel)
    for i in range(0, high_rows * high_steps):
        run = (i // high_steps) * high_row + (i % high_steps) * K
        a = tl.load(begin[:, None] + (run + k)[None, :])
        w = tl.load(weights + ((product + i) * K + k)[:, None] * room + n[None, :])
        total = tl.dot(a, w, total)
        if SQUARES:
            w = tl.load(weights + ((product + i) * K + k)[:, None] * room + (N + g)[None, :])
            gains = tl.dot(a, w, gains)
    there = (m < pixels)[:, None] & (n < channels)[None, :]
    total += tl.load(bias + n, mask=n < channels, other=0.0)[None, :]
    if RESIDUAL:
        from_ = residual + b * residual_batch + y * residual_row + x * residual_pixel
        total += tl.load(from_[:, None] + n[None, :], mask=there, other=0.0).to(tl.float32)
    if SQUARES:
        from_ = residual + b * residual_batch + y * residual_row + x * residual_pixel
        gains += tl.load(bias + N + g, mask=g < 8, other=0.0)[None, :]
        found = gains.to(tl.float16)  # each to its channels: a product with ones and zeros
        of = tl.dot(found, (g[:, None] == (n // SQUARES)[None, :]).to(tl.float16))
        total += (1.0 + of) * tl.load(from_[:, None] + n[None, :], mask=there, other=0.0).to(tl.float32)
        of = tl.dot(found, (g[:, None] == (n // SQUARES)[None, :] + 4).to(tl.float16))
        total += of * tl.load(from_[:, None] + (N + n)[None, :], mask=there, other=0.0).to(tl.float32)
    if LEAKY:
        total = tl.maximum(total, SLOPE * total)
    to = out + b * out_batch + y * out_row + x * out_pixel
    tl.store(to[:, None] + n[None, :], total.to(tl.float16), mask=there)


@triton.jit
def finish(
    low, high, bias, residual, out, count, height, width,
    out_batch, out_row, out_pixel, residual_batch, residual_row, residual_pixel,
    CHANNELS: tl.constexpr, UP: tl.constexpr, LEAKY: tl.constexpr, RESIDUAL: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """After cuDNN: high [B, height, width, CHANNELS], low (of an upsampling) [B, height/2 + 1, width/2 + 1, 4 CHANNELS]."""
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    there = i < count
    n, pixel = i % CHANNELS, i // CHANNELS
    x, y, b = pixel % width, (pixel // width) % height, pixel // (width * height)
    total = tl.load(high + i, mask=there, other=0.0).to(tl.float32) + tl.load(bias + n)
    if UP:
        phase = (y % 2) * 2 + x % 2
        row = (b * (height // 2 + 1) + y // 2 + y % 2) * (width // 2 + 1) + x // 2 + x % 2
        total += tl.load(low + row * (4 * CHANNELS) + phase * CHANNELS + n, mask=there, other=0.0).to(tl.float32)
    if RESIDUAL:
        total += tl.load(residual + b * residual_batch + y * residual_row + x * residual_pixel + n, mask=there, other=0.0)
    if LEAKY:
        total = tl.maximum(total, SLOPE * total)
    tl.store(out + b * out_batch + y * out_row + x * out_pixel + n, total.to(tl.float16), mask=there)


@triton.jit
def scale(
    x, raw, bias, out, count, x_batch, x_row, x_pixel, raw_pixel, out_pixel, height, width,
    ADDED: tl.constexpr, SQUARES: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """After cuDNN: what the last convolution gives, raw [B, height, width, ADDED + 8], on what was drawn, as in `applied`."""
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    there = i < count
    n, pixel = i % ADDED, i // ADDED
    column, row, b = pixel % width, (pixel // width) % height, pixel // (width * height)
    drawn = x + b * x_batch + row * x_row + column * x_pixel + n
    found = raw + pixel * raw_pixel
    gain, most = found + ADDED + n // SQUARES, bias + ADDED + n // SQUARES
    shaded = tl.load(drawn, mask=there, other=0.0).to(tl.float32)
    unlit = tl.load(drawn + ADDED, mask=there, other=0.0).to(tl.float32)
    total = tl.load(found + n, mask=there, other=0.0).to(tl.float32) + tl.load(bias + n) + shaded
    total += shaded * (tl.load(gain, mask=there, other=0.0).to(tl.float32) + tl.load(most))
    total += unlit * (tl.load(gain + 4, mask=there, other=0.0).to(tl.float32) + tl.load(most + 4))
    tl.store(out + pixel * out_pixel + n, total.to(tl.float16), mask=there)


_cudnn: dict[str, Any] = {}  # its handle, once it is needed


def _later(make: Callable[[], Callable[[int], None]]) -> Callable[[int], None]:
    """What `make` gives, made at the first call."""
    made: list[Callable[[int], None]] = []

    def run(batch: int) -> None:
        if not made:
            made.append(make())
        made[0](batch)

    return run


class Padded:
    """A batch of pictures [B, H, W, C] FP16 within a border of zeros."""

    def __init__(self, batch: int, height: int, width: int, channels: int, device: str) -> None:
        shape = (batch, height + 2, width + 2, channels)
        self.memory = torch.zeros(math.prod(shape) + SLACK, dtype=torch.float16, device=device)
        self.whole = self.memory[: math.prod(shape)].view(shape)
        self.inside = self.whole[:, 1:-1, 1:-1]


def halves_of_rows(weight: Tensor) -> Tensor:
    """[N, C, 3, 3] of a convolution after an upsampling by two -> [4, N, C, 2, 2], one for each phase, before it."""
    # Of three neighbouring rows that an even output row sees, the last two are one row of the smaller picture; of an odd one's,
    # the first two.
    sums = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], dtype=weight.dtype)
    parts = [torch.einsum("ncyx,iy,jx->ncij", weight, sums[down], sums[right]) for down in (0, 1) for right in (0, 1)]
    return torch.stack(parts)


def widened(left: Tensor, right: Tensor) -> Tensor:
    """[N, C, h, w] of a pixel and of the one to its right -> [2 N, C, h, w + 1]: of both at once."""
    return torch.cat([F.pad(left, (0, 1)), F.pad(right, (1, 0))])


@dataclass(eq=False)
class Layer:
    """A convolution of `high` [B, H, W, C], and of `low` [B, H/2, W/2, C'] as if enlarged and put before it."""

    name: str
    weight: Tensor  # [N, C' + C, k, k] FP32
    bias: Tensor  # [N] FP32
    high: Tensor  # where its filter begins to read, [B, H + 2, W + 2, C], or without a border for k = 1
    out: Tensor  # [B, H / stride, W / stride, N], perhaps within a border
    stride: int = 1
    leaky: bool = True
    low: Tensor | None = None  # [B, H / 2 + 2, W / 2 + 2, C']
    residual: Tensor | None = None  # as `out`; for `squares`, what was drawn [B, H, W, 2 (N - 8) and more]
    squares: int = 0  # of the last layer: pixels of a fold, each channel of which has a gain among the last 8; `out` has N - 8
    packed: dict[tuple[int, int], Tensor] = field(default_factory=dict)  # by products at a time and pixels at once
    method: str = ""
    run: Callable[[int], None] = lambda batch: None
    times: dict[str, float] = field(default_factory=dict)  # milliseconds, by method
    failed: dict[str, str] = field(default_factory=dict)  # why others have none

    def __post_init__(self) -> None:
        device, channels = self.out.device, self.high.shape[3]
        self.old = self.weight[:, -channels:].contiguous()
        self.up = None if self.low is None else halves_of_rows(self.weight[:, :-channels])
        self.bias = self.bias.to(device)
        self.biases = self.bias, self.bias.repeat(2)  # of one pixel, and of two

        def half(weight: Tensor) -> Tensor:
            return weight.to(device, torch.float16).contiguous(memory_format=torch.channels_last)

        self.old_half = half(self.old)
        self.up_half = None if self.up is None else half(self.up.flatten(0, 1))

    def room(self, wide: int) -> int:
        """Numbers of a row of packed weights."""
        if self.squares:
            return len(self.weight) + 8  # gains take 16
        n = wide * len(self.weight)
        return -(-n // 64) * 64 if n <= 64 else -(-n // 128) * 128

    def steps(self, k: int, wide: int) -> tuple[int, int]:
        """Products of K that a row of the filter takes, of `low` and of `high`."""
        low = 0 if self.low is None else -(-(wide + 1) * self.low.shape[3] // k)
        return low, -(-(self.weight.shape[3] + wide - 1) * self.high.shape[3] // k)

    def pack(self, k: int, wide: int) -> Tensor:
        """[phases, products, room] FP16: the weights in the order in which pixels are read, each row filled up with zeros."""
        if (k, wide) not in self.packed:

            def rows(weight: Tensor) -> Tensor:  # [N, C, h, w] -> [h * steps * k, room]
                n, c, h, w = weight.shape
                flat = weight.permute(2, 3, 1, 0).reshape(h, w * c, n)
                return F.pad(flat, (0, self.room(wide) - n, 0, -(w * c) % k)).flatten(0, 1)

            old = rows(self.old if wide == 1 else widened(self.old, self.old))
            ups: Any = self.up
            if self.up is not None and wide == 2:
                ups = [widened(self.up[0], self.up[1]), widened(self.up[2], self.up[3])]
            phases = [old] if ups is None else [torch.cat([rows(part), old]) for part in ups]
            self.packed[k, wide] = torch.stack(phases).to(self.out.device, torch.float16)
        return self.packed[k, wide]

    def triton(self, batch: int, tile: tuple[int, int, int, int, int], wide: int = 1) -> None:
        m, n, k, warps, stages = tile
        height, width = self.out.shape[1:3]
        phases = 1
        if self.low is not None:
            height, width, phases = height // 2, width // 2, 4 // wide
        else:
            width //= wide
        pixels, channels, residual = batch * height * width, wide * self.out.shape[3], self.residual
        low, high = self.steps(k, wide)
        columns = 1 if self.squares else self.room(wide) // n
        convolve[(columns, triton.cdiv(pixels, m), phases)](
            self.low, self.high, self.pack(k, wide), self.biases[wide - 1], residual, self.out,
            pixels, height, width, channels, self.room(wide),
            *(self.low.stride()[:3] if self.low is not None else (0, 0, 0)), low,
            *self.high.stride()[:3], self.weight.shape[2], high,
            *self.out.stride()[:3], *(residual.stride()[:3] if residual is not None else (0, 0, 0)),
            STRIDE=self.stride, UP=self.low is not None, WIDE=wide, LEAKY=self.leaky,
            RESIDUAL=residual is not None and not self.squares, SQUARES=self.squares, M=m, N=n, K=k,
            num_warps=warps, num_stages=stages)  # fmt: skip

    def cudnn(self, batch: int) -> None:
        def convolved(x: Tensor, weight: Tensor, stride: int) -> Tensor:
            return F.conv2d(x[:batch].permute(0, 3, 1, 2), weight, stride=stride).contiguous(memory_format=torch.channels_last)

        high = convolved(self.high, self.old_half, self.stride)
        low = None if self.low is None or self.up_half is None else convolved(self.low, self.up_half, 1)
        height, width = self.out.shape[1:3]
        count, residual = batch * height * width * self.out.shape[3], self.residual
        if self.squares and residual is not None:
            scale[(triton.cdiv(count, 1024),)](
                residual, high, self.bias, self.out, count, *residual.stride()[:3], high.stride(3), self.out.stride(2),
                height, width, ADDED=self.out.shape[3], SQUARES=self.squares, SIZE=1024, num_warps=4)  # fmt: skip
            return
        finish[(triton.cdiv(count, 2048),)](
            low, high, self.bias, residual, self.out, count, height, width, *self.out.stride()[:3],
            *(residual.stride()[:3] if residual is not None else (0, 0, 0)), CHANNELS=len(self.weight),
            UP=low is not None, LEAKY=self.leaky, RESIDUAL=residual is not None, SIZE=2048, num_warps=8)  # fmt: skip

    def frontend(self, batch: int, mode: str) -> Callable[[int], None]:
        """cuDNN's own fusion, by the package nvidia-cudnn-frontend: one kernel, where it has one."""
        cudnn = import_module("cudnn")
        kind = cudnn.data_type
        if "handle" not in _cudnn:
            _cudnn["handle"] = cudnn.create_handle()
        handle = _cudnn["handle"]
        graph = cudnn.pygraph(
            io_data_type=kind.HALF, intermediate_data_type=kind.FLOAT, compute_data_type=kind.FLOAT, handle=handle
        )
        n, half = len(self.weight), self.old_half

        def tensor(name: str, x: Tensor, data_type: Any = kind.HALF) -> Any:
            return graph.tensor(name=name, dim=list(x.shape), stride=list(x.stride()), data_type=data_type)

        high, out = self.high[:batch].permute(0, 3, 1, 2), self.out[:batch].permute(0, 3, 1, 2)
        bias = self.bias.view(1, n, 1, 1).contiguous(memory_format=torch.channels_last)
        x, w, b = (
            tensor("x", high),
            tensor("w", half),
            graph.tensor(name="b", dim=[1, n, 1, 1], stride=[n, 1, n, n], data_type=kind.FLOAT),
        )
        given = {x: high, w: half, b: bias}
        y = graph.conv_fprop(image=x, weight=w, padding=[0, 0], stride=[self.stride] * 2, dilation=[1, 1])
        y = graph.bias(input=y, bias=b)
        if self.residual is not None:
            residual = self.residual[:batch].permute(0, 3, 1, 2)
            r = tensor("r", residual)
            given[r] = residual
            y = graph.add(a=y, b=r)
        if self.leaky:
            y = graph.leaky_relu(input=y, negative_slope=SLOPE.value)
        y.set_output(True).set_data_type(kind.HALF).set_dim(list(out.shape)).set_stride(list(out.stride()))
        given[y] = out
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([getattr(cudnn.heur_mode, mode)])
        graph.check_support()
        graph.build_plans()
        workspace = torch.empty(max(graph.get_workspace_size(), 1), dtype=torch.uint8, device=out.device)

        def run(batch: int) -> None:
            cudnn.set_stream(handle=handle, stream=torch.cuda.current_stream().cuda_stream)
            graph.execute(given, workspace, handle=handle)

        return run

    @property
    def can_be_wide(self) -> bool:
        """Whether two neighbouring pixels of what it writes, and of what it adds, are one run of memory."""
        n = len(self.weight)
        runs = all(x is None or x.stride(2) == n for x in (self.out, self.residual))
        return runs and not self.squares and self.stride == 1 and self.weight.shape[2] > 1 and self.out.shape[2] % 2 == 0

    def methods(self, batch: int) -> dict[str, Callable[[int], None]]:
        """By name. Some may not do on this GPU: they raise at their first call."""
        found: dict[str, Callable[[int], None]] = {"cudnn": self.cudnn}
        if self.low is None and not self.squares and find_spec("cudnn") is not None:
            for mode in ("A", "B"):
                found[f"frontend {mode}"] = _later(lambda mode=mode: self.frontend(batch, mode))
        for tile in TILES:
            n, k = tile[1:3]
            whole = self.weight.shape[2] > 1 or self.high.shape[3] % k == 0  # without a border there is no slack behind, either
            room = self.out.shape[3] if self.squares else self.room(1)
            if whole and (n == room if room < 256 else n > 64):
                found["triton " + "x".join(map(str, tile))] = lambda batch, tile=tile: self.triton(batch, tile)
            room = self.room(2)
            if self.can_be_wide and n == room:
                found["triton " + "x".join(map(str, tile)) + " wide"] = lambda batch, tile=tile: self.triton(batch, tile, 2)
        return found


class Fused:
    """`Network` from folded pixels to folded pixels: x [B, s, s, 10 F F], out [B, s, s, 4 F F], FP16, NHWC, one place each.

    batch: frames, always as many. choose: of each layer's methods one, told (layer, methods, batch); by default the fastest.
    """

    def __init__(
        self,
        network: Network,
        x: Tensor,
        out: Tensor,
        *,
        choose: Callable[[Layer, dict[str, Callable[[int], None]], int], str] | None = None,
        like: Fused | None = None,  # of the same network and batch: its choices and its buffers
    ) -> None:
        batch, side, device = len(x), x.shape[1], str(x.device)
        self.batch = batch
        self.layers: list[Layer] = []
        n: Any = copy.deepcopy(network).float().cpu()
        widths = [n.enter[0].out_channels, *(d[0][0].out_channels for d in (n.down1, n.down2, n.down3))]
        # Of each level what is kept for the way up, and two to go to and fro between.
        self.kept: list[list[Padded]] = (
            like.kept
            if like
            else [[Padded(batch, side >> i, side >> i, w, device) for _ in range(3)] for i, w in enumerate(widths)]
        )
        kept = self.kept

        def add(name: str, conv: Any, high: Tensor, to: Tensor, **more: Any) -> None:
            stride = conv.stride[0]
            self.layers.append(Layer(name, conv.weight.detach(), conv.bias.detach(), high, to, stride, **more))

        def block(name: str, body: Any, level: int, source: int, to: int, between: int) -> None:
            p = kept[level]
            add(f"{name} first", body.body[0][0], p[source].whole, p[between].inside)
            add(f"{name} second", body.body[1], p[between].whole, p[to].inside, residual=p[source].inside)

        def half(name: str, level: int, conv: Any) -> None:
            add(name, conv, kept[level - 1][0].whole, kept[level][1].inside)

        add("enter", n.enter[0], x, kept[0][1].inside)
        block("enter", n.enter[2], 0, 1, 0, 2)
        for level, down in enumerate((n.down1, n.down2, n.down3), 1):
            half(f"down{level}", level, down[0][0])
            block(f"down{level}", down[1], level, 1, 0, 2)
        block("down3 again", n.down3[2], 3, 0, 1, 2)
        small = kept[3][1]
        for level, up in ((2, n.up2), (1, n.up1), (0, n.leave)):
            p = kept[level]
            name = f"up{level}" if level else "leave"
            add(name, up[0][0], p[0].whole, p[1].inside, low=small.whole)
            block(name, up[1], level, 1, 0, 2)
            small = p[0]
        add("leave last", n.leave[2], small.whole, out, leaky=False, residual=x, squares=network.fold**2)
        for i, layer in enumerate(self.layers):
            methods = layer.methods(batch)
            best = like.layers[i].method if like else (choose or fastest)(layer, methods, batch)
            layer.method, layer.run = best, methods[best]
            needed = {(int(best.split("x")[2]), 2 if best.endswith("wide") else 1)} if best.startswith("triton") else set()
            layer.packed = {key: v for key, v in layer.packed.items() if key in needed}

    def __call__(self) -> None:
        for layer in self.layers:
            layer.run(self.batch)


def fastest(layer: Layer, methods: dict[str, Callable[[int], None]], batch: int) -> str:
    """By timing each; one that cannot be had on this GPU is left out."""
    for name, method in methods.items():
        try:
            layer.times[name] = milliseconds(lambda method=method: method(batch))
        except Exception as error:  # too much shared memory, a fusion that cuDNN lacks: many kinds with no common base
            layer.failed[name] = " ".join(f"{type(error).__name__}: {error}".split())[:160]
    return min(layer.times, key=layer.times.__getitem__)


def milliseconds(work: Callable[[], Any], repeats: int = 4, rounds: int = 7) -> float:
    """Of `work` on the GPU, as a graph, since launches from Python take longer than some layers: the median."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            work()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(repeats):
            work()
    times = []
    with torch.cuda.stream(stream):
        for _ in range(rounds):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            graph.replay()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) / repeats)
    return float(sorted(times)[rounds // 2])
