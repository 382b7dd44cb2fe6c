# mypy: disable-error-code="misc,call-overload,no-any-return,no-untyped-call,import-not-found,unused-ignore"
"""The network in PyTorch: FP16, channels-last, between folded pixels, compiled, and replayed as a CUDA graph for each batch.

A framed network spends its first and last layer moving pixels into channels and back. Here the kernels before and after it read
and write folded pixels (`DeviceGenerator`), so that the network is convolutions alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import AnimacyError
from ..train.generator import CHANNELS, SHAPES, Network, Shape
from ..types import Conditions, Faces
from .weights import read_weights

BATCHES = (1, 4, 16, 64)


def network_of(data: bytes, source: str = "network") -> tuple[Network, int]:
    """The network in an .onnx file's contents, and the pixels a side that it paints. Raises AnimacyError as read_weights."""
    found = read_weights(data, source)
    network = Network(Shape(found.size, found.fold, found.widths, 0))
    try:
        network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in found.state.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise AnimacyError(f"{source} is of another architecture ({reason}); paint with --generator-backend onnx") from error
    return network.eval(), found.size


def stand_in(name: str, seed: int = 0) -> tuple[Network, int]:
    """An untrained network of a bundle's "lite" or "full": as much work, and a picture that is a little off the shaded one."""
    shape = SHAPES[name]
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    network = Network(shape).eval()
    torch.random.set_rng_state(state)
    return network, shape.size


def preparation(device: str = "cuda") -> tuple[str, str]:
    """How "auto" makes a network ready on `device`, and why: "fused" where Triton can work there, else "plain".

    PyTorch's own compiler would do no more there: for a GPU it writes Triton, too.
    """
    if not device.startswith("cuda") or not torch.cuda.is_available():
        return "plain", "PyTorch sees no GPU"
    if find_spec("triton") is None:
        return "plain", "Triton is missing"
    major, minor = torch.cuda.get_device_capability(device)
    if major < 8:
        return "plain", f"Triton needs compute capability 8.0, this GPU has {major}.{minor}"
    return "fused", "by Triton"


class Eager:
    """The framework of classic.py: one frame, FP32, a kernel at a time.

    tuned: channels-last, cuDNN tries its algorithms, page-locked memory and copies that are not waited for one by one.
    tf32: let tensor cores round the factors to 10 bits, as PyTorch's own default does; off, FP32 is FP32.
    """

    def __init__(self, network: Network, size: int, device: str = "cuda", *, tuned: bool = False, tf32: bool = False) -> None:
        self.size, self._device, self._tuned, self._tf32 = size, device, tuned, tf32
        self._gpu = device.startswith("cuda")
        self._network = copy.deepcopy(network).float().to(device)
        self._layout = torch.channels_last if tuned else torch.contiguous_format
        self._network = self._network.to(memory_format=self._layout)
        pinned = self._gpu and tuned
        self._host = torch.zeros((1, CHANNELS, size, size), pin_memory=pinned)
        self.host: NDArray[np.float32] = self._host.numpy()
        if tuned:
            self._staged = torch.zeros((1, CHANNELS, size, size), device=device)
            self._input = torch.zeros_like(self._staged, memory_format=torch.channels_last)
            self._framed = torch.zeros((1, 4, size, size), device=device)
            self._output = torch.zeros((1, 4, size, size), pin_memory=pinned)

    def upload(self, x: NDArray[np.float32]) -> Tensor:
        if not self._tuned:
            return torch.from_numpy(x).to(self._device)
        if x is not self.host:
            self._host.copy_(torch.from_numpy(x))
        self._staged.copy_(self._host, non_blocking=True)
        return self._input.copy_(self._staged)  # to channels-last, where a GPU does it in no time

    def infer(self, x: Tensor) -> Tensor:
        # allow_tf32 is the older name of the switch; every PyTorch from 2.6 on has it.
        with (
            torch.no_grad(),
            torch.backends.cudnn.flags(enabled=True, benchmark=self._tuned, deterministic=False, allow_tf32=self._tf32),
        ):
            return self._network(x)

    def download(self, y: Tensor) -> NDArray[np.float32]:
        if not self._tuned:
            return y.cpu().numpy()
        self._framed.copy_(y)  # back from channels-last
        self._output.copy_(self._framed, non_blocking=True)
        if self._gpu:
            torch.cuda.current_stream().synchronize()
        return self._output.numpy()


class Folded(nn.Module):
    """Network between folded pixels: [B, 10 F F, s, s] -> [B, 4 F F, s, s]. The same numbers, without moving any."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, self.painted = network, 4 * network.fold**2

    def forward(self, x: Tensor) -> Tensor:
        return x[:, : self.painted] + self.network.correction(x)


class _Step(nn.Module):
    """One batch from buffer to buffer, in one piece for the compiler: its last kernel writes where it is wanted."""

    def __init__(self, folded: Folded, kind: torch.dtype) -> None:
        super().__init__()
        self.folded, self.kind = folded, kind

    def forward(self, x: Tensor, out: Tensor) -> None:
        out.copy_(self.folded(x.to(self.kind)))


class TorchGenerator:
    """A DeviceGenerator, and a Generator for Conditions on the host.

    network: as `network_of` gives it. batches: how many frames may be painted at once; others are padded up to the next of
    them. slots: sets of buffers. compiled: by PyTorch's compiler, some ten seconds for each batch size. graph: as CUDA graphs.
    half: FP16. fused: by fused.py instead, each layer in the way that is fastest on this GPU. report: told what is made ready.
    Everything is allocated, compiled and captured here, nothing later.
    Raises AnimacyError where the device is missing, cannot do what is asked for, or its memory is too small.
    """

    def __init__(
        self,
        network: Network,
        size: int,
        batches: Sequence[int] = BATCHES,
        *,
        slots: int = 2,
        device: str = "cuda",
        compiled: bool = True,
        graph: bool = True,
        half: bool = True,
        channels_last: bool = True,
        fused: bool = False,
        report: Callable[[str], None] = lambda what: None,
    ) -> None:
        self._gpu = device.startswith("cuda")
        if self._gpu and not torch.cuda.is_available():
            raise AnimacyError("PyTorch sees no GPU here; paint with --generator-backend onnx, or see `animacy doctor`")
        if fused and not self._gpu:
            raise AnimacyError("a network is fused on a GPU alone; give --prepare compiled or --prepare plain")
        self.size, self.fold, self.slots = size, network.fold, slots
        self.batches = tuple(sorted(set(batches)))
        self._device = device
        kind = torch.float16 if half else torch.float32
        self._type = torch.float16 if self._gpu else kind  # of the buffers: the kernels about it speak FP16
        self._tf32 = half
        side, most, squares = size // network.fold, self.batches[-1], network.fold**2
        layout = torch.channels_last if channels_last else torch.contiguous_format
        step = _Step(Folded(copy.deepcopy(network)), kind).to(device=device, dtype=kind, memory_format=layout).eval()
        run: Callable[[Tensor, Tensor], Any] = step
        self._network = network if fused else None
        self.fused: dict[tuple[int, int], Any] = {}  # by batch and slot
        if compiled and not fused:
            # Each batch size is compiled for itself, and a compiler that gives up raises.
            for name in ("recompile_limit", "cache_size_limit"):
                if hasattr(torch._dynamo.config, name):
                    setattr(torch._dynamo.config, name, max(64, getattr(torch._dynamo.config, name)))
            run = torch.compile(step, dynamic=False, fullgraph=True)
        self._run = run
        try:
            self._in = [self._buffer(most, CHANNELS * squares, side) for _ in range(slots)]
            self._out = [self._buffer(most, 4 * squares, side) for _ in range(slots)]
            self._graphs: dict[tuple[int, int], Any] = {}
            self._streams: dict[int, Any] = {}
            for batch in self.batches:
                report(f"{'fusing' if fused else 'compiling' if compiled else 'preparing'} the network for batches of {batch}")
                self._settle(batch, graph and self._gpu)
        except torch.OutOfMemoryError as error:
            raise AnimacyError(f"batches of {most} frames do not fit the GPU's memory; give smaller ones") from error

    def _buffer(self, batch: int, channels: int, side: int) -> Tensor:
        # Rows, columns, channels in memory, whatever the network's own layout: that is what the kernels write.
        shape = (batch, side, side, channels)
        return torch.zeros(shape, dtype=self._type, device=self._device).permute(0, 3, 1, 2)

    def _settle(self, batch: int, graph: bool) -> None:
        with torch.no_grad(), self._fast():
            if not self._gpu:
                self._run(self._in[0][:batch], self._out[0][:batch])
                return
            stream = torch.cuda.Stream()
            if self._network is not None:
                make = import_module("animacy.gpu.fused").Fused
                for slot in range(self.slots):
                    x, out = (b[slot][:batch].permute(0, 2, 3, 1) for b in (self._in, self._out))
                    self.fused[batch, slot] = make(self._network, x, out, like=self.fused.get((batch, 0)))
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for slot in range(self.slots):  # compiles, and lets cuDNN choose
                    for _ in range(3):
                        self._paint(batch, slot)
            stream.synchronize()
            for slot in range(self.slots if graph else 0):
                captured = torch.cuda.CUDAGraph()
                # One pool for all: they run one after another on one stream, so what one leaves free another may use.
                pool = next(iter(self._graphs.values())).pool() if self._graphs else None
                with torch.cuda.graph(captured, pool=pool, stream=stream):
                    self._paint(batch, slot)
                self._graphs[batch, slot] = captured
            stream.synchronize()

    def _fast(self) -> AbstractContextManager[Any]:
        return (
            torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=self._tf32)
            if self._gpu
            else nullcontext()
        )

    def input(self, slot: int) -> int:
        return self._in[slot].data_ptr()

    def output(self, slot: int) -> int:
        return self._out[slot].data_ptr()

    def enqueue(self, batch: int, slot: int, stream: int) -> None:
        batch = self._rounded(batch)
        if not self._gpu:
            with torch.no_grad():
                self._run(self._in[slot][:batch], self._out[slot][:batch])
            return
        if stream not in self._streams:
            self._streams[stream] = torch.cuda.ExternalStream(stream) if stream else torch.cuda.default_stream()
        with torch.cuda.stream(self._streams[stream]):
            captured = self._graphs.get((batch, slot))
            if captured is not None:
                captured.replay()
            else:
                with torch.no_grad(), self._fast():
                    self._paint(batch, slot)

    def _paint(self, batch: int, slot: int) -> None:
        if (batch, slot) in self.fused:
            self.fused[batch, slot]()
        else:
            self._run(self._in[slot][:batch], self._out[slot][:batch])

    def _rounded(self, batch: int) -> int:
        for fits in self.batches:
            if batch <= fits:
                return fits
        raise AnimacyError(f"a batch of {batch} frames came to a network made ready for {self.batches[-1]}; give fewer")

    def generate(self, conditions: Conditions) -> Faces:
        """Paint a batch from and to the host: for parity, and for `animacy say`. Raises AnimacyError for another size."""
        count, height, width = conditions.shaded.shape[:3]
        if (height, width) != (self.size, self.size):
            raise AnimacyError(f"frames of {width}x{height} came to a network that paints {self.size}x{self.size}")
        rgba = np.empty((count, height, width, 4), np.uint8)
        most = self.batches[-1]
        for first in range(0, count, most):
            part = slice(first, first + most)
            colours = np.concatenate([conditions.shaded[part], conditions.unlit[part]], -1)
            x = torch.from_numpy(np.concatenate([colours, conditions.normal[part]], -1)).to(self._device)
            x = x.permute(0, 3, 1, 2).float()
            x = torch.cat([x[:, :8] / 255, (x[:, 8:] - 128) / 127], 1)
            n = len(x)
            self._in[0][:n].copy_(F.pixel_unshuffle(x, self.fold))
            if self._gpu:
                self.enqueue(n, 0, torch.cuda.current_stream().cuda_stream)
            else:
                self.enqueue(n, 0, 0)
            y = F.pixel_shuffle(self._out[0][:n].float(), self.fold).nan_to_num(0, 1, 0).clamp(0, 1)
            y = torch.cat([torch.minimum(y[:, :3], y[:, 3:]), y[:, 3:]], 1)
            rgba[part] = (y * 255 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy()
        return Faces(rgba)
