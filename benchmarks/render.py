"""Milliseconds a frame of both renderers at 256 and 512 pixels, on the default avatar.

    python benchmarks/render.py [--avatar BUNDLE] [--threads 1] [--repeats 20] [--output FILE.json]

Random talking motion, in batches of 8. Each figure: median, minimum and 95th percentile over the batches, after two to warm up.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

import animacy.avatar
from animacy.errors import AnimacyError
from animacy.render.cpu import CpuRenderer
from animacy.types import Motion

BATCH = 8


def motion(seed: int) -> Motion:
    rng = np.random.default_rng(seed)
    weights = rng.random((BATCH, 52)) * (rng.random((BATCH, 52)) < 0.3)
    pose = rng.normal(0, 1, (BATCH, 6)) * [0.1, 0.15, 0.05, 0.003, 0.003, 0.003]
    return Motion(weights.astype(np.float32), pose.astype(np.float32), 0, 25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatar", type=Path, default=Path(animacy.avatar.__file__).parent / "default")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU renderer")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--output", type=Path, help="JSON goes here, else to standard output")
    args = parser.parse_args()

    avatar = animacy.avatar.load(args.avatar)
    results = []
    for kind in ("cpu", "gl"):
        for size in (256, 512):
            start = time.perf_counter()
            try:
                if kind == "cpu":
                    renderer = CpuRenderer(avatar, size, threads=args.threads)
                else:
                    from animacy.render.gl import GlRenderer

                    renderer = GlRenderer(avatar, size)
            except AnimacyError as error:
                print(error, file=sys.stderr)
                continue
            ready = time.perf_counter() - start
            with renderer:
                times = []
                for i in range(args.repeats + 2):
                    frames = motion(i)
                    start = time.perf_counter()
                    conditions = renderer.render(frames)
                    times.append((time.perf_counter() - start) / BATCH * 1e3)
                median, p95 = np.percentile(times[2:], [50, 95])
                results.append(
                    {
                        "renderer": kind,
                        "info": renderer.info,
                        "size": size,
                        "ready_s": round(ready, 2),
                        "ms_median": round(float(median), 2),
                        "ms_min": round(min(times[2:]), 2),
                        "ms_p95": round(float(p95), 2),
                        "covered": round(float((conditions.shaded[..., 3] > 0).mean()), 3),
                    }
                )
    report = {
        "machine": {
            "cpu": processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.system(),
        },
        "avatar": {"name": avatar.name, "triangles": len(avatar.triangles), "vertices": len(avatar.positions)},
        "batch": BATCH,
        "repeats": args.repeats,
        "results": results,
    }
    text = json.dumps(report, indent=1)
    if args.output:
        args.output.write_text(text + "\n")
    else:
        print(text)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [x.split(":", 1)[1].strip() for x in info.read_text().splitlines() if x.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
