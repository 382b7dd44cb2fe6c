"""All that is to be measured of the face stage on a GPU machine, in one run.

    python benchmarks/gpu_face.py --out FILE.json [--minutes 4] [--parts parity,copies,...] [--prepare fused] [--avatar NAME]

Every part is guarded: one that fails is reported with its traceback, and the rest goes on. FILE.json is written after each.
A part that would begin after `minutes` is left out and named. Parts, in order: parity (fast against classic on the same motion,
each frame of a batch against the same frame alone), stages (512 pixels, with the ladder), copies (what a profile of 100 batches
copies), memory (batch after batch, free device memory), small (256 pixels), streams (4 processes without and with MPS), reopen.
What OpenGL's drawing takes: gpu_gl.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from animacy import bench
from animacy.avatar import find, load
from animacy.classic import Classic
from animacy.types import Motion

SIZE = 512


def psnr(a: Any, b: Any) -> float:
    error = np.square(a.astype(float) - b).mean()
    return round(float(99 if error == 0 else 10 * np.log10(255**2 / error)), 2)


def joined(motions: list[Motion]) -> Motion:
    return Motion(np.concatenate([m.weights for m in motions]), np.concatenate([m.pose for m in motions]), 0, 25)


def parity(face: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    import cv2

    from animacy.gpu.torch import Eager

    network, _ = bench._network(face, SIZE)
    singles = bench.talking(16).batches(1)
    with bench.classic_renderer(face, SIZE) as renderer:
        classic = Classic(renderer, Eager(network, SIZE), face.background)
        slow = [classic.paint(m).copy() for m in singles]
    how = {"compiled": False, "slots": 2}
    found: dict[str, Any] = {}
    for rasteriser in ("cuda", "gl"):
        try:
            with bench.Fast(face, SIZE, 64, rasteriser, how, network, "601") as fast:
                pipeline = fast.pipeline(True)
                many = joined(singles * 4)
                (frames,) = (p.video.copy() for p in pipeline.paint([many]))
                alone = [p.video[0].copy() for p in pipeline.paint(singles)]
        except Exception:
            found[rasteriser] = {"error": traceback.format_exc()}
            continue
        rgb = [
            (cv2.cvtColor(a, cv2.COLOR_YUV2RGB_NV12), cv2.cvtColor(b, cv2.COLOR_YUV2RGB_I420))
            for a, b in zip(frames, slow, strict=False)
        ]
        off = [np.abs(a[:SIZE].astype(int) - b[:SIZE]) for a, b in zip(frames, slow, strict=False)]
        chroma = [
            np.abs(a[SIZE:].reshape(-1, 2).T.ravel().astype(int) - b[SIZE:].ravel()) for a, b in zip(frames, slow, strict=False)
        ]
        found[rasteriser] = {
            "lowest_psnr_rgb_db": min(psnr(a, b) for a, b in rgb),
            "lowest_psnr_luma_db": min(psnr(a[:SIZE], b[:SIZE]) for a, b in zip(frames, slow, strict=False)),
            "most_luma_off": max(int(x.max()) for x in off),
            "luma_off_by_more_than_2": round(float(np.mean([(x > 2).mean() for x in off])), 6),
            "most_chroma_off": max(int(x.max()) for x in chroma),
            "chroma_note": "OpenCV takes chroma from one pixel of four, the fast path from their mean",
            "batch_64_equals_batch_1": max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(frames, alone, strict=False)),
            "first_and_last_of_64": int(np.abs(frames[15].astype(int) - frames[63]).max()),
        }
    return found


def stages(face: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    return bench.stages(
        batches=(1, 4, 16, 64), sizes=(SIZE,), avatar=arguments.avatar, repeats=50, prepared=arguments.prepare, tell=told
    )


def small(face: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    return bench.stages(
        batches=(1, 16, 64), sizes=(256,), avatar=arguments.avatar, repeats=50, prepared="plain", ladder=False, tell=told
    )


def copies(face: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    network, _ = bench._network(face, SIZE)
    found: dict[str, Any] = {}
    for rasteriser in ("cuda", "gl"):
        try:
            with bench.Fast(face, SIZE, 16, rasteriser, {"compiled": False, "slots": 3}, network) as fast:
                fast.rate(8, fetch=True)
                with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
                    fast.rate(100, fetch=True)
                events = Counter(e.name for e in profile.events() if e.name.startswith("Memcpy"))
                found[rasteriser] = {"batches": 108, **events}
        except Exception:
            found[rasteriser] = {"error": traceback.format_exc()}
    return found


def memory(face: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    network, _ = bench._network(face, SIZE)
    with bench.Fast(face, SIZE, 16, "cuda", {"compiled": False, "slots": 3}, network) as fast:
        fast.rate(50, fetch=True)
        before = fast.runtime.free()
        pipeline, motion = fast.pipeline(True), bench.talking(16)
        at = [fast.runtime.free()]
        for _ in range(10):
            for _painted in pipeline.paint(motion for _ in range(arguments.batches // 10)):
                pass
            at.append(fast.runtime.free())
        return {"batches": arguments.batches, "free_before_mib": before >> 20, "free_mib": [x >> 20 for x in at]}


def streams(face: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        f"{processes} processes{', MPS' if use else ''}": bench.guarded(
            lambda processes=processes, use=use: bench.streams(processes, use_mps=use, seconds=4, avatar=arguments.avatar)
        )
        for processes, use in ((1, False), (4, False), (4, True))
    }


def reopen(face: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Free memory of the GPU and resident memory of this process, before and while a renderer is opened, used and closed."""
    import importlib

    from animacy.gpu.runtime import Cuda

    module = importlib.import_module("animacy.gpu.cuda")
    kept = module.scene(face, 256)
    module.scene = lambda avatar, size: kept  # 0.4 s on a CPU; what is opened and closed is what is on the GPU
    free, resident = [], []
    with Cuda() as runtime:
        device = importlib.import_module("animacy.gpu.device").CupyDevice()
        for i in range(arguments.times + 1):
            with module.CudaRenderer(face, 256, 4, device=device) as renderer, Cuda() as other:
                renderer.render(bench.talking(4))
                other.device(1 << 20)
            if i % max(1, arguments.times // 10) == 0:
                free.append(runtime.free() >> 20)
                resident.append(round(_resident()))
                told(f"opened and closed {i + 1} times: {free[-1]} MiB free, {resident[-1]} MiB resident")
    return {"times": arguments.times, "free_mib": free, "resident_mib": resident}


def _resident() -> float:
    """MiB of this process in memory."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


PARTS: dict[str, Callable[[Any, argparse.Namespace], Any]] = {
    "parity": parity,
    "stages": stages,
    "copies": copies,
    "memory": memory,
    "small": small,
    "streams": streams,
    "reopen": reopen,
}


def told(what: str) -> None:
    print(f"{time.perf_counter() - BEGAN:6.1f} s  {what}", file=sys.stderr, flush=True)


BEGAN = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--avatar", default="default")
    parser.add_argument("--prepare", default="auto", help="how the network of the part stages is made ready")
    parser.add_argument("--batches", type=int, default=2000, help="of the part memory")
    parser.add_argument("--times", type=int, default=100, help="of the part reopen")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": bench.machine()}
    face = load(find(arguments.avatar))
    for name in arguments.parts.split(","):
        began = time.perf_counter()
        if began - BEGAN > arguments.minutes * 60:
            report[name] = {"left out": f"{arguments.minutes} minutes were over"}
        else:
            told(name)
            try:
                report[name] = PARTS[name](face, arguments)
            except Exception:
                report[name] = {"error": traceback.format_exc()}
                print(report[name]["error"], file=sys.stderr, flush=True)
            report.setdefault("took_s", {})[name] = round(time.perf_counter() - began, 1)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({k: v for k, v in report.items() if k != "stages"}, indent=1)[:4000])


if __name__ == "__main__":
    main()
