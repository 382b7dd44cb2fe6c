"""Draw docs/performance.png from the results of gpu_face.py. Needs matplotlib.

python benchmarks/chart.py benchmarks/results/gpu-face-h100.json docs/performance.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot as plt


def main() -> None:
    source, target = (Path(x) for x in sys.argv[1:3])
    found = json.loads(source.read_text())["stages"]["sizes"]["512"]
    bars = [
        ("classic", found["classic"]["frames_per_s"]),
        ("classic, tuned", found["classic_tuned"]["frames_per_s"]),
        ("classic, tuned, TF32", found["classic_tuned_tf32"]["frames_per_s"]),
    ]
    bars += [(f"CUDA, batches of {n}", row["frames_per_s"]) for n, row in found["fast"]["cuda"].items() if "error" not in row]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.6), width_ratios=(3, 2), layout="constrained")
    names, values = zip(*bars, strict=True)
    drawn = left.barh(names, values, color=["#888"] * 3 + ["#2a7"] * (len(bars) - 3))
    left.bar_label(drawn, [f"{v:,.0f}" for v in values], padding=4)
    left.set(xscale="log", xlim=(8, 30_000), xlabel="frames a second, 512x512, motion in, NV12 out (logarithmic)")
    left.invert_yaxis()
    low = [0.0] * 4
    batches = [n for n in ("1", "4", "16", "64") if "error" not in found["fast"]["cuda"].get(n, {"error": ""})]
    for stage, colour in (("draw", "#59a"), ("infer", "#c75"), ("nv12", "#555")):
        took = [1000 * found["fast"]["cuda"][n]["stages"][stage]["p50_ms"] / int(n) for n in batches]
        right.bar(batches, took, bottom=low[: len(batches)], label=stage, color=colour)
        low = [a + b for a, b in zip(low, took, strict=False)]
    right.set(xlabel="frames a batch", ylabel="microseconds a frame, one after another")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=100)


if __name__ == "__main__":
    main()
