"""How often samples are tested and written by order of triangles: what sorting could save a rasteriser. On the CPU, exact.

python benchmarks/overdraw.py [--avatar default] [--size 512] [--frames 4]

Tested: samples inside a triangle that is not dropped. Written: those of them that are nearer than what was there.
Covered: those that any triangle covers, as many as the best order would write. Numbers are of a frame of 4 size^2 samples.
"""

from __future__ import annotations

import argparse
from typing import Any

import numba
import numpy as np

from animacy import bench
from animacy.avatar import find, load
from animacy.render.cpu import project
from animacy.render.shading import scene


@numba.njit
def drawn(order, boxes, triangles, fixed, near, depth):  # type: ignore[no-untyped-def]
    tested = written = 0
    for f in order:
        if boxes[f, 0] < 0:
            continue
        i, j, k = triangles[f]
        x0, y0, x1, y1, x2, y2 = fixed[i, 0], fixed[i, 1], fixed[j, 0], fixed[j, 1], fixed[k, 0], fixed[k, 1]
        w0, w1, w2 = near[i], near[j], near[k]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area < 0:
            x1, y1, x2, y2, w1, w2, area = x2, y2, x1, y1, w2, w1, -area
        gx = ((w1 - w0) * (y2 - y0) - (w2 - w0) * (y1 - y0)) / area
        gy = ((w2 - w0) * (x1 - x0) - (w1 - w0) * (x2 - x0)) / area
        for row in range(boxes[f, 0], boxes[f, 1] + 1):
            for column in range(boxes[f, 2], boxes[f, 3] + 1):
                x, y = column * 256 + 128, row * 256 + 128
                a = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
                b = (x0 - x2) * (y - y2) - (y0 - y2) * (x - x2)
                c = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
                if a >= 0 and b >= 0 and c >= 0:
                    tested += 1
                    w = w0 + (x - x0) * gx + (y - y0) * gy
                    if w > depth[row, column]:
                        depth[row, column] = w
                        written += 1
    return tested, written


def morton(centres: Any, samples: int) -> Any:
    x, y = np.clip(centres[:, :2] / samples * 1023, 0, 1023).astype(np.int64).T
    return sum((x >> b & 1) << (2 * b) | (y >> b & 1) << (2 * b + 1) for b in range(10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatar", default="default")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=4)
    arguments = parser.parse_args()
    s, motion = scene(load(find(arguments.avatar)), arguments.size), bench.talking(arguments.frames)
    side, count = 2 * arguments.size, len(s.triangles)
    group = np.concatenate([np.full(end - first, i) for i, (first, end, _, _) in enumerate(s.ranges)])
    holes = np.concatenate([np.full(end - first, cutout) for first, end, _, cutout in s.ranges])
    rest = project(s, np.zeros(52, np.float32), np.zeros(6, np.float32))[0]
    centres = rest[s.triangles][:, :, :3].mean(1)
    orders = {
        "as drawn": np.arange(count),
        "Morton order, in groups": np.lexsort((morton(centres, side), group)),
        "front to back at rest, in groups": np.lexsort((-centres[:, 2], group)),
        "the same, but those with holes last": np.lexsort((-centres[:, 2], holes)),
        "front to back in each frame": None,
    }
    sums = {name: np.zeros(3) for name in orders}
    for weights, pose in zip(motion.weights, motion.pose, strict=True):
        vertices, fixed, listed = project(s, weights, pose)
        boxes = np.full((count, 4), -1, np.int64)
        boxes[listed[:, 0]] = listed[:, 1:]
        near = vertices[:, 2].astype(np.float64)
        for name, order in orders.items():
            if order is None:
                order = np.argsort(-near[s.triangles].mean(1))
            depth = np.zeros((side, side))
            sums[name] += *drawn(order, boxes, s.triangles, fixed.astype(np.int64), near, depth), (depth > 0).sum()
    for name, (tested, written, covered) in sums.items():
        n = arguments.frames
        print(f"{name:36} tested {tested / n:9.0f}  written {written / n:9.0f}  covered {covered / n:9.0f}")


if __name__ == "__main__":
    main()
