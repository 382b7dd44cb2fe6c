"""The CUDA kernels on a GPU: how long each takes, and whether its pictures are the CPU's.

    python benchmarks/gpu_kernels.py --output FILE.json [--only times parity ...] [--seconds 80]

Parts run in order; one that fails is reported and the others go on, and none begins after --seconds. The file is written anew
after each part. Exit status 1 if a part failed or a check did not hold. `touch` runs every kernel on small frames, for NVIDIA's
checkers:

    compute-sanitizer --tool memcheck --error-exitcode 9 python benchmarks/gpu_kernels.py --only touch
    compute-sanitizer --tool racecheck --error-exitcode 9 python benchmarks/gpu_kernels.py --only touch
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from animacy.avatar import bundle
from animacy.generate.onnx import as_input_slow, as_rgba_slow
from animacy.gpu import twins
from animacy.gpu.convert import Layout, Tensors, Video, i420, nv12
from animacy.gpu.cuda import CudaRenderer
from animacy.gpu.device import CupyDevice
from animacy.render.cpu import CpuRenderer
from animacy.types import Motion

FIELDS = ("shaded", "unlit", "normal")
WARM, ROUNDS = 5, 31
avatars: dict[str, Any] = {}


def avatar(name: str) -> Any:
    if name not in avatars:
        avatars[name] = bundle.load(bundle.find(name))
    return avatars[name]


def small(name: str) -> Any:
    """The same with small textures, which are quick to make ready."""
    a = avatar(name)
    return dataclasses.replace(a, albedo=a.albedo[::16, ::16].copy(), surface=a.surface[::16, ::16].copy())


def motion(count: int, seed: int, wide: float = 1.0) -> Motion:
    rng = np.random.default_rng(seed)
    weights = rng.random((count, 52)) * (rng.random((count, 52)) < 0.3)
    pose = wide * rng.normal(0, 1, (count, 6)) * [0.1, 0.15, 0.05, 0.003, 0.003, 0.003]
    return Motion(weights.astype(np.float32), pose.astype(np.float32), 0, 25)


class Timed:
    """A CupyDevice that times each launch by CUDA events, while `on`."""

    def __init__(self, device: CupyDevice) -> None:
        self._device, self.on = device, False
        self.events: list[tuple[str, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def launch(self, kernel: str, grid: Any, block: Any, arguments: Any, stream: int) -> None:
        if not self.on:
            return self._device.launch(kernel, grid, block, arguments, stream)
        with timed(self._device, stream) as pair:
            self._device.launch(kernel, grid, block, arguments, stream)
        self.events.append((kernel, *pair))
        return None

    def medians(self) -> dict[str, float]:
        """Milliseconds of each kernel."""
        import cupy

        times: dict[str, list[float]] = {}
        for kernel, begin, end in self.events:
            end.synchronize()
            times.setdefault(kernel, []).append(cupy.cuda.get_elapsed_time(begin, end))
        self.events.clear()
        return {k: round(float(np.median(v)), 5) for k, v in times.items()}


@contextmanager
def timed(device: Any, stream: int) -> Iterator[list[Any]]:
    import cupy

    pair, on = [cupy.cuda.Event(), cupy.cuda.Event()], device._stream(stream)
    pair[0].record(on)
    yield pair
    pair[1].record(on)


def whole(device: Any, call: Callable[[], Any], stream: int, times: int = 20) -> float:
    """Milliseconds of `call`, which launches on `stream`: median over rounds of `times` in a row."""
    import cupy

    found = []
    for _ in range(7):
        with timed(device, stream) as pair:
            for _ in range(times):
                call()
        pair[1].synchronize()
        found.append(cupy.cuda.get_elapsed_time(*pair) / times)
    return round(float(np.median(found[2:])), 5)


def times(device: CupyDevice) -> dict[str, Any]:
    """Milliseconds a batch, by kernel, size and batch; `frame_us` of the whole as a CUDA graph."""
    import cupy

    found: list[dict[str, Any]] = []
    stream = cupy.cuda.Stream(non_blocking=True)
    for name, size, batches in (("default", 512, (1, 4, 16, 64)), ("leo", 512, (16,)), ("default", 256, (1, 16, 64))):
        with CudaRenderer(avatar(name), size, max(batches), device=(timer := Timed(device))) as gpu:
            folded = device.zeros((max(batches), size // 4, size // 4, 160), np.float16)
            for batch in batches:
                gpu.upload(motion(batch, batch), stream.ptr)

                def drawn(gpu: Any = gpu, batch: int = batch, folded: Any = folded) -> None:
                    gpu.place(batch, stream.ptr)
                    gpu.draw(batch, folded=folded, stream=stream.ptr)

                for _ in range(WARM):
                    drawn()
                timer.on = True
                for _ in range(ROUNDS):
                    drawn()
                timer.on = False
                row: dict[str, Any] = {"avatar": name, "size": size, "batch": batch, "kernel_ms": timer.medians()}
                row["listed"] = int(device.copy_out(gpu._on["counts"], batch, stream.ptr).max())
                row["room"] = gpu._room
                row["launched_ms"] = whole(device, drawn, stream.ptr)
                with stream:
                    stream.begin_capture()
                    drawn()
                    graph = stream.end_capture()
                ms = whole(device, lambda graph=graph: graph.launch(stream), stream.ptr)  # type: ignore[misc]
                row["drawn_graph_ms"] = ms
                row["drawn_frame_us"] = round(1000 * ms / batch, 2)
                found.append(row)
                print(row, flush=True)
    return {"rows": found, "held": all(r["listed"] <= r["room"] for r in found)}


def conversion_times(device: CupyDevice) -> dict[str, Any]:
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    size, found = 512, []
    rng = np.random.default_rng(0)
    background = rng.integers(0, 256, (size, size, 3), np.uint8)
    for batch in (1, 16, 64):
        tiles = device.array(rng.integers(0, 256, (batch, size, size, 4), np.uint8))
        for method, out in (("area", 512), ("area", 256), ("bilinear", 512), ("bilinear", 384)):
            for order, layout in (("chw", Layout.chw(4, out, out)), ("folded", Layout.hwc(4, out, out, 4))):
                to = device.zeros((batch, out, out, 4), np.float16)
                tensors = Tensors(size, size, [(0, 0, size, size)] * batch, out, out, layout, scale=[1 / 255] * 4, bias=[0] * 4,
                                  method=method, device=device)  # type: ignore[arg-type]  # fmt: skip
                ms = whole(device, lambda: tensors.into(to, tiles, stream=stream.ptr), stream.ptr)  # noqa: B023
                found.append({"kernel": "tensor", "batch": batch, "to": out, "method": method, "order": order, "ms": ms})
        picture = device.array(rng.random((batch, size, size, 4)).astype(np.float16))
        given = device.array(rng.random((batch, size // 4, size // 4, 160)).astype(np.float16))
        for name, layout, base in (
            ("chw", Layout.chw(4, size, size), None),
            ("folded", Layout.hwc(4, size, size, 4), None),
            ("folded correction", Layout.hwc(4, size, size, 4), Layout.hwc(10, size, size, 4)),
        ):
            for out in (512, 384, 256):
                planes = nv12(out, out)
                video = Video(background, layout, out, out, planes, base=base, device=device)
                to = device.zeros((batch, planes.frame), np.uint8)
                given_ = given if base else None
                ms = whole(device, lambda: video.into(to, picture, batch, base=given_, stream=stream.ptr), stream.ptr)  # noqa: B023
                found.append({"kernel": "video", "batch": batch, "to": out, "from": name, "ms": ms})
    for row in found:
        print(row, flush=True)
    return {"rows": found, "held": True}


def parity(device: CupyDevice) -> dict[str, Any]:
    """The share of pixels off by more than 2/255 from the CPU's, in the worst frame; the bar is 0.01."""
    found, held = [], True
    for name in bundle.shipped():
        for size in (512, 256):
            cases = {"rest": motion(1, 0, 0.0), "talking": motion(4, 1), "turned": motion(4, 2, 4.0)}
            rest = cases["rest"]
            cases["rest"] = Motion(rest.weights * 0, rest.pose * 0, 0, 25)
            with CpuRenderer(avatar(name), size) as cpu, CudaRenderer(avatar(name), size, 4, device=device) as gpu:
                for case, frames in cases.items():
                    a, b = cpu.render(frames), gpu.render(frames)
                    row: dict[str, Any] = {"avatar": name, "size": size, "case": case}
                    for f in FIELDS:
                        off = np.abs(getattr(a, f).astype(int) - getattr(b, f)).max(-1)
                        row[f] = {"worst_share": float((off > 2).mean((1, 2)).max()), "max": int(off.max())}
                        held &= row[f]["worst_share"] < 0.01
                    held &= bool(b.shaded[..., 3].any())
                    found.append(row)
                    print(row, flush=True)
    return {"rows": found, "held": held}


def batches(device: CupyDevice) -> dict[str, Any]:
    """The same bytes in batches of 1, 16 and 64, as tile 0 and tile 63, in halves, folded, and with full lists."""
    found: dict[str, bool] = {}
    for name in bundle.shipped():
        size, frames = 256, motion(64, 3)
        drawn = {}
        for batch in (1, 16, 64):
            with CudaRenderer(small(name), size, batch, device=device) as gpu:
                drawn[batch] = gpu.render(frames)
                if batch != 64:
                    continue
                one = Motion(np.repeat(frames.weights[:1], 64, 0), np.repeat(frames.pose[:1], 64, 0), 0, 25)
                tiles = gpu.render(one)
                found[f"{name}: tile 0 is tile 63"] = all(
                    np.array_equal(getattr(tiles, f)[0], getattr(tiles, f)[63])
                    and np.array_equal(getattr(tiles, f)[0], getattr(drawn[1], f)[0])
                    for f in FIELDS
                )
                folded = device.zeros((64, size // 4, size // 4, 160), np.float16)
                numbers = device.zeros((64, 2 * size, 2 * size), np.uint32)
                gpu.place(gpu.upload(frames))
                gpu.draw(64, folded=folded)
                first = device.copy_out(folded, 64, 0)
                expected = twins.fold(as_input_slow(drawn[64]).astype(np.float16), 4)
                found[f"{name}: folded is the pictures folded"] = np.array_equal(first, expected)
                gpu.number(64, numbers)
                gpu.shade(64, numbers, folded=folded)
                found[f"{name}: two halves are the whole"] = np.array_equal(first, device.copy_out(folded, 64, 0))
                for _ in range(3):
                    gpu.place(64)
                    gpu.draw(64, folded=folded)
                found[f"{name}: again the same"] = np.array_equal(first, device.copy_out(folded, 64, 0))
                gpu._room = 50
                gpu.place(4)
                gpu.draw(4, folded=folded)
                found[f"{name}: full lists change nothing"] = np.array_equal(first[:4], device.copy_out(folded, 4, 0))
        for batch in (16, 64):
            found[f"{name}: batch {batch} is batch 1"] = all(
                np.array_equal(getattr(drawn[1], f), getattr(drawn[batch], f)) for f in FIELDS
            )
    print(found, flush=True)
    return {"rows": found, "held": all(found.values())}


def conversions(device: CupyDevice) -> dict[str, Any]:
    """The largest difference from the twins: steps of a byte, or of FP16."""
    rng = np.random.default_rng(4)
    found: dict[str, float] = {}
    picture = rng.uniform(-0.1, 1.1, (3, 4, 64, 96)).astype(np.float16)
    background = rng.integers(0, 256, (64, 96, 3), np.uint8)
    there, faces = device.array(picture), device.zeros((3, 64, 96, 4), np.uint8)
    for width, height, method in (
        (96, 64, "area"),
        (48, 32, "area"),
        (95, 63, "area"),
        (37, 21, "bilinear"),
        (131, 77, "bilinear"),
    ):
        for standard in ("709", "601"):
            for full in (False, True):
                for make in (nv12, i420):
                    planes = make(width, height)
                    video = Video(background, Layout.chw(4, 64, 96), width, height, planes, method=method, standard=standard,
                                  full=full, device=device)  # type: ignore[arg-type]  # fmt: skip
                    out = device.zeros((3, planes.frame), np.uint8)
                    video.into(out, there, 3)
                    worst = 0
                    for frame, p in zip(device.copy_out(out, 3, 0).astype(int), picture, strict=True):
                        luma, cb, cr = twins.video(p, background, width, height, method, standard, full)  # type: ignore[arg-type]
                        rows = np.arange(len(cb))[:, None] * planes.chroma_step + np.arange(cb.shape[1]) * planes.apart
                        y = np.arange(height)[:, None] * planes.luma_step + np.arange(width)
                        for at, plane in ((y, luma), (planes.cb + rows, cb), (planes.cr + rows, cr)):
                            worst = max(worst, int(np.abs(frame[at] - plane).max()))
                    found[f"{make.__name__} {width}x{height} {method} {standard} {'full' if full else 'limited'}"] = worst
    video.faces_into(faces, there, 3)
    expected = np.stack([as_rgba_slow(p.astype(np.float32)) for p in picture])
    found["paint"] = int(np.abs(device.copy_out(faces, 3, 0).astype(int) - expected).max())
    tiles = rng.integers(0, 256, (2, 70, 90, 4), np.uint8)
    for method, width, height in (("area", 40, 24), ("area", 80, 60), ("bilinear", 40, 24), ("bilinear", 100, 88)):
        crop, scale, bias = (5, 7, 80, 60), np.full(4, 1 / 127, np.float32), np.full(4, 1.0, np.float32)
        out = device.zeros((2, height // 4, width // 4, 64), np.float16)
        Tensors(90, 70, [crop] * 2, width, height, Layout.hwc(4, height, width, 4), scale=scale, bias=bias, method=method,
                device=device).into(out, device.array(tiles))  # type: ignore[arg-type]  # fmt: skip
        theirs = np.stack([twins.tensor(t, crop, width, height, method, scale, bias) for t in tiles])  # type: ignore[arg-type]
        ours = device.copy_out(out, 2, 0).view(np.int16).astype(int)
        found[f"tensor {width}x{height} {method}"] = int(np.abs(ours - twins.fold(theirs, 4).view(np.int16)).max())
    print({k: v for k, v in found.items() if v}, flush=True)
    return {"rows": found, "held": max(found.values()) <= 1}


def touch(device: CupyDevice) -> dict[str, Any]:
    """Every kernel, on small frames of odd sizes; for checkers."""
    for name in bundle.shipped():
        for size, batch in ((60, 3), (65, 9)):
            with CudaRenderer(small(name), size, batch, device=device) as gpu:
                gpu.render(motion(batch, size, 3.0))
                numbers = device.zeros((batch, 2 * size, 2 * size), np.uint32)
                shaded = device.zeros((batch, size, size, 4), np.uint8)
                folded = None if size % 4 else device.zeros((batch, size // 4, size // 4, 160), np.float16)
                gpu.number(batch, numbers)
                gpu.shade(batch, numbers, shaded=shaded, folded=folded)
                gpu._room = 20
                gpu.place(batch)
                gpu.draw(batch, shaded=shaded, folded=folded)
                device.copy_out(shaded, batch, 0)
    return {"held": conversions(device)["held"]}


def memory(device: CupyDevice) -> dict[str, Any]:
    """Device memory over 2,000 batches, and over 20 renderers with a device each."""
    import cupy

    def free() -> int:
        return int(cupy.cuda.runtime.memGetInfo()[0])

    with CudaRenderer(small("default"), 256, 16, device=device) as gpu:
        folded = device.zeros((16, 64, 64, 160), np.float16)
        frames = [motion(16, i) for i in range(8)]

        def run(count: int) -> None:
            for i in range(count):
                gpu.place(gpu.upload(frames[i % 8]))
                gpu.draw(16, folded=folded)
            device.copy_out(folded, 1, 0)

        run(10)
        before, began = free(), time.perf_counter()
        run(2000)
        seconds, after = time.perf_counter() - began, free()
    opened = []
    for _ in range(20):
        with CudaRenderer(small("default"), 64, 2) as gpu:
            gpu.render(motion(2, 1))
        opened.append(free())
    print(before, after, opened[0], opened[-1], flush=True)
    return {
        "batches": {"before": before, "after": after, "host_ms_per_batch": round(seconds / 2, 4)},
        "opened": opened,
        "held": before == after and opened[2] - opened[-1] <= 4 << 20,
    }


PARTS = {f.__name__: f for f in (times, conversion_times, batches, conversions, parity, memory, touch)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON goes here, too")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=80, help="no part begins after that")
    args = parser.parse_args()
    began = time.perf_counter()
    device = CupyDevice()
    report: dict[str, Any] = {"machine": machine(device), "ready_s": round(time.perf_counter() - began, 2), "parts": {}}
    for name in args.only:
        start = time.perf_counter()
        if start - began > args.seconds:
            result: dict[str, Any] = {"held": False, "error": f"not begun: {args.seconds:g} s were over"}
        else:
            try:
                result = PARTS[name](device)
            except Exception as error:
                traceback.print_exc()
                result = {"held": False, "error": f"{type(error).__name__}: {error}"}
        report["parts"][name] = {"seconds": round(time.perf_counter() - start, 2), **result}
        print(f"{name}: {'held' if result['held'] else 'FAILED'}, {time.perf_counter() - start:.1f} s", flush=True)
        if args.output:
            args.output.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if all(p["held"] for p in report["parts"].values()) else 1


def machine(device: CupyDevice) -> dict[str, Any]:
    import cupy

    runtime = cupy.cuda.runtime
    return {
        "gpu": device.info,
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "nvrtc": list(cupy.cuda.nvrtc.getVersion()),
        "cupy": cupy.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    raise SystemExit(main())
