"""What drawing with OpenGL takes on this GPU, by how triangles are found and in what chunks, and the face stage with the best.

    python benchmarks/gpu_gl.py --out FILE.json [--parts same,draw,whole] [--seconds 200] [--prepare fused] [--size 512]

same: whether "raster" and "compute" draw what the CUDA kernels and the CPU draw. draw: microseconds a frame of drawing alone,
of batches of 16 and 64, from which FIND, AT_ONCE and LIT of gpu/opengl.py are chosen; where the time goes, by timestamps of
OpenGL; and what single changes would save. whole: the face stage's frames a second with the two best variants of `draw`, with
the fastest of the other kind, with two other ways for OpenGL and CUDA to share the GPU, with nothing drawn, and with the CUDA
rasteriser.

Parts run in order; what fails is reported and the rest goes on; no figure begins after --seconds. The file is written anew
after each. The network's kernels are compiled first, side by side, as gpu_tune.py does it. --software tries all that needs no
CUDA on whatever OpenGL is here: for finding mistakes, not for figures.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import functools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from parts import Part, Save, compiled, fused_shares, guarded, passed, run, told

from animacy import bench
from animacy.avatar import find, load
from animacy.gpu import opengl
from animacy.render import cpu, shading
from animacy.render.cpu import CpuRenderer, project

FIELDS = ("shaded", "unlit", "normal")
WHOLE = 70  # seconds that `whole` is thought to take
HALF_DEPTHS = {"depth of 24 bits": 0x81A6, "depth of 16 bits": 0x81A5}  # GL_DEPTH_COMPONENT24, 16
asked = argparse.Namespace()  # what main parsed


def late(part: str = "") -> bool:
    """Whether nothing more begins; `draw` leaves time for `whole`."""
    left = asked.seconds - passed()
    return left < (WHOLE if part == "draw" and "whole" in asked.parts else 0)


@functools.cache
def face(name: str = "default") -> Any:
    return load(find(name))


scene = functools.cache(shading.scene)  # of every renderer here: avatars compare by identity


@functools.cache
def vertices(count: int) -> list[Any]:
    """Of the talking motion's first frames."""
    made, motion = scene(face(), asked.size), bench.talking(count)
    return [project(made, motion.weights[i], motion.pose[i])[0] for i in range(count)]


def opened(frames: int, **how: Any) -> opengl.GlBatch:
    return opengl.GlBatch(face(), asked.size, frames, device=None if asked.software else 0, software=asked.software, **how)


@contextmanager
def ready(frames: int, **how: Any) -> Iterator[opengl.GlBatch]:
    with opened(frames, **how) as batch, batch.context:
        for i, placed in enumerate(vertices(frames)):
            batch.buffer.write(placed, offset=i * batch.vertex_bytes)
        yield batch
        if batch.context.error != "GL_NO_ERROR":
            raise RuntimeError("OpenGL says that something failed")


@functools.cache
def function(name: str, *kinds: Any) -> Any:
    return opengl._function(ctypes.CDLL("libEGL.so.1"), name, None, *kinds)


def us(batch: opengl.GlBatch, frames: int) -> tuple[float, float, float]:
    """Microseconds a frame of submit until glFinish: median and least; and the CPU's until it returns."""
    finish = function("glFinish")
    repeats, rounds = max(1, asked.frames // frames), []
    for _ in range(asked.rounds + 3):
        finish()
        began = time.perf_counter()
        for _ in range(repeats):
            batch.submit(frames)
        returned = time.perf_counter()
        finish()
        rounds.append((time.perf_counter() - began, returned - began))
    times = np.array(rounds[3:]) * 1e6 / repeats / frames
    return tuple(round(float(x), 2) for x in (*np.median(times, 0), times[:, 0].min()))  # type: ignore[return-value]


def passes(batch: opengl.GlBatch, frames: int) -> dict[str, float]:
    """Microseconds a frame of each pass by OpenGL's timestamps, medians of a few batches. They keep passes apart."""
    u, p = ctypes.c_uint, ctypes.c_void_p
    make, stamp = function("glGenQueries", ctypes.c_int, p), function("glQueryCounter", u, u)
    get, drop = function("glGetQueryObjectui64v", u, u, p), function("glDeleteQueries", ctypes.c_int, p)
    stamps: list[tuple[str, Any]] = []
    names = {batch._light: "light"}
    if batch.find == "compute":
        names |= {program: name for (program, _), name in zip(batch._passes, ("sort", "nearest"), strict=True)}
    use, dispatch, draw, current = batch._use, batch._dispatch, batch._find, [0]

    def marked(name: str) -> None:
        made = u()
        make(1, ctypes.byref(made))
        stamp(made.value, 0x8E28)  # GL_TIMESTAMP
        stamps.append((name, made))

    def using(program: int) -> None:
        current[0] = program
        use(program)

    def dispatched(*groups: int) -> None:
        dispatch(*groups)
        marked(names[current[0]])

    def drawn(start: int, count: int) -> None:
        if batch.find == "raster":
            marked("before")
            draw(start, count)
            marked("draw")
        else:
            draw(start, count)

    batch._use, batch._dispatch, batch._find = using, dispatched, drawn
    found: dict[str, list[float]] = defaultdict(list)
    try:
        for i in range(7):
            stamps.clear()
            marked("before")
            batch.submit(frames)
            function("glFinish")()
            nanoseconds, value = [], ctypes.c_uint64()
            for _, query in stamps:
                get(query.value, 0x8866, ctypes.byref(value))  # GL_QUERY_RESULT
                nanoseconds.append(value.value)
                drop(1, ctypes.byref(query))
            took: dict[str, float] = defaultdict(float)
            for (name, _), a, b in zip(stamps[1:], nanoseconds, nanoseconds[1:], strict=False):
                took[name] += (b - a) / 1000 / frames
            if i >= 2:
                for name, value_ in took.items():
                    found[name].append(value_)
    finally:
        batch._use, batch._dispatch, batch._find = use, dispatch, draw
    return {name: round(float(np.median(values)), 2) for name, values in found.items() if name != "before"}


def same(report: dict[str, Any], save: Save) -> None:
    motion = bench.talking(4, 3)
    with CpuRenderer(face(), asked.size) as renderer:
        drawn: dict[str, Any] = {"cpu": renderer.render(motion)}
    if not asked.software:
        with guarded(report, "cuda"):
            from animacy.gpu.cuda import CudaRenderer

            with CudaRenderer(face(), asked.size, 4) as renderer:
                drawn["cuda"] = renderer.render(motion)
    for find_ in opengl.AT_ONCE:
        for lit in (1, 2):
            name = f"{find_}, lit {lit}"
            with guarded(report, name), opened(4, find=find_, lit=lit) as batch:
                report["on"] = batch.info
                drawn[name] = batch.render(motion)
                if batch.context.error != "GL_NO_ERROR":
                    raise RuntimeError("OpenGL says that something failed")
    for name, picture in drawn.items():
        for other in ("cpu", "cuda"):
            if other in drawn and name not in ("cpu", other):
                off = [np.abs(getattr(picture, f).astype(int) - getattr(drawn[other], f)) for f in FIELDS]
                report[f"{name} against {other}"] = found = {
                    "values_that_differ": int(sum((x > 0).sum() for x in off)),
                    "of": int(sum(x.size for x in off)),
                    "most": int(max(x.max() for x in off)),
                    "pixels_off_by_more_than_2": round(max(float((x.max(-1) > 2).mean()) for x in off), 7),
                }
                told(f"  {name} against {other}: {found}")
                save()


def variants() -> list[tuple[int, dict[str, Any]]]:
    """Those that matter most come first, if time is short."""
    lists = {"compute": ((16, 64, 4, 32, 8, 2, 1), (16, 4, 8, 1)), "raster": ((4, 8, 2, 16, 1, 64), (4, 16, 2))}
    first = [(64, {"find": "compute", "at_once": 16, "lit": 2}), (64, {"find": "raster", "at_once": 4, "lit": 2})]
    rest = [
        (frames, {"find": find_, "at_once": n, "lit": 1})
        for k, frames in enumerate((64, 16))
        for find_ in ("compute", "raster")
        for n in lists[find_][k]
    ]
    return rest[:1] + first + rest[1:]


def named(frames: int, how: dict[str, Any]) -> str:
    return f"{frames} frames, {how['find']}, {how['at_once']} at once, lit {how['lit']}"


def draw(report: dict[str, Any], save: Save) -> None:
    for frames, how in variants():
        if late("draw"):
            break
        name = named(frames, how)
        with guarded(report, name), ready(frames, **how) as batch:
            whole, cpu_us, least = us(batch, frames)
            report[name] = {"frames": frames, "how": how, "us": whole, "least_us": least, "cpu_us": cpu_us}
            save()
            report[name]["passes_us"] = passes(batch, frames)
        told(f"  {name}: {report[name] if 'error' not in report[name] else 'failed'}")
        save()
    single(report, save)


def reordered(key: Callable[[Any, Any], Any]) -> Callable[[Any, int], Any]:
    """Scenes whose triangles are drawn in another order within their groups; key: of centres on the screen [F, 3]."""

    def made(avatar: Any, size: int) -> Any:
        s = scene(avatar, size)
        rest, _, _ = project(s, np.zeros(52, np.float32), np.zeros(6, np.float32))
        centres = rest[s.triangles][:, :, :3].mean(1)
        group = np.concatenate([np.full(end - first, i) for i, (first, end, _, _) in enumerate(s.ranges)])
        order = np.lexsort((key(centres, size), group))
        return dataclasses.replace(s, triangles=np.ascontiguousarray(s.triangles[order]), material=s.material[order])

    return made


def morton(centres: Any, size: int) -> Any:
    x, y = np.clip(centres[:, :2] / (2 * size) * 1023, 0, 1023).astype(np.int64).T
    return sum((x >> b & 1) << (2 * b) | (y >> b & 1) << (2 * b + 1) for b in range(10))


def single(report: dict[str, Any], save: Save) -> None:
    """One change each to drawing in chunks of 4, batches of 64: whether it pays is what is asked, not what it draws."""
    frames, how = 64, {"find": "raster", "at_once": 4}
    found = report.setdefault("single changes", {})

    def timed(name: str, prepare: Callable[[Any], None] = lambda batch: None) -> None:
        if late("draw"):
            return
        with guarded(found, name), ready(frames, **how) as batch:
            prepare(batch)
            found[name] = us(batch, frames)[0]
            told(f"  {name}: {found[name]}")
        save()

    timed("none")
    for name, depth in HALF_DEPTHS.items():
        kept, opengl.DEPTH = opengl.DEPTH, depth
        try:
            timed(name)
        finally:
            opengl.DEPTH = kept
    for name, key in (("in Morton order", morton), ("front to back", lambda centres, size: -centres[:, 2])):
        opengl.scene = reordered(key)  # type: ignore[attr-defined]
        try:
            timed(name)
        finally:
            opengl.scene = scene  # type: ignore[attr-defined]
    mask = function("glColorMask", *[ctypes.c_ubyte] * 4)
    timed("no numbers written", lambda batch: mask(0, 0, 0, 0))


class Together(opengl.GlRasteriser):
    """Leaves it to the driver when OpenGL and CUDA see each other's work."""

    def draw(self, motion: Any, out: int, stream: int) -> int:
        gl, done = self._gl, self._drawn
        with gl.context:
            with self._shared.map(stream) as pointer:
                if done:
                    self._runtime.copy(pointer + gl.output_at, out, done * gl.output_bytes, stream)
                if motion is not None:
                    self._projector.project(motion, pointer, stream)
            if motion is not None:
                gl.submit(len(motion))
        self._drawn = 0 if motion is None else len(motion)
        return done


class InTurns(opengl.GlRasteriser):
    """Lets OpenGL and CUDA work one after the other alone."""

    def draw(self, motion: Any, out: int, stream: int) -> int:
        self._runtime.settle()  # type: ignore[attr-defined]
        done = super().draw(motion, out, stream)
        if motion is not None:
            with self._gl.context:
                self._gl.context.finish()
        return done


def whole(report: dict[str, Any], save: Save) -> None:
    from animacy.gpu import cuda, pipeline
    from animacy.gpu.pipeline import CudaRasteriser

    cuda.scene = scene  # type: ignore[attr-defined]
    network, report["network"] = bench._network(face(), asked.size)
    drawn = asked.report.get("draw", {})
    for frames in (64, 16):
        if late():
            return
        rows = sorted(
            (r for r in drawn.values() if isinstance(r, dict) and r.get("frames") == frames and "us" in r),
            key=lambda r: r["us"],
        )
        ways = [r["how"] for r in rows[:2]]
        ways += [r["how"] for r in rows if r["how"]["find"] != rows[0]["how"]["find"]][:1] if rows else [{}]
        generator = {"compiled": asked.prepare == "compiled", "fused": asked.prepare == "fused", "slots": 3}
        with guarded(report, f"{frames} frames"), bench.Fast(face(), asked.size, frames, "gl", generator, network) as fast:
            told(f"  the stage for {frames} frames is ready")
            own = fast.rasteriser
            projector: Any = own._projector
            assert isinstance(projector, pipeline.CudaProjector)

            def timed(name: str, fast: Any = fast, frames: int = frames) -> None:
                repeats = 60 if frames == 64 else 150
                stages = fast.stages(15)
                report[name] = {
                    "frames_per_s": [round(fast.rate(repeats, fetch=False)) for _ in range(3)],
                    "fetched": round(fast.rate(repeats, fetch=True)),
                    "us_a_frame": {k: round(1000 * v["p50_ms"] / frames, 2) for k, v in stages.items()},
                }
                told(f"  {name}: {report[name]}")
                save()

            kinds = [(way, opengl.GlRasteriser) for way in ways]
            kinds[1:1] = [(ways[0], InTurns), (ways[0], Together)]
            for way, kind in kinds:
                name = f"{frames} frames, gl, {way or 'as shipped'}, {kind.__name__}"
                if late():
                    break
                with guarded(report, name), opened(frames, **way) as gl, kind(gl, projector, fast.runtime) as rasteriser:
                    fast.rasteriser = rasteriser
                    try:
                        timed(name)
                    finally:
                        fast.runtime.settle()
                        fast.rasteriser = own
            own._gl.submit = lambda count: None
            with guarded(report, f"{frames} frames, gl, nothing drawn"):
                timed(f"{frames} frames, gl, nothing drawn")
            with guarded(report, f"{frames} frames, cuda"):
                fast.rasteriser = CudaRasteriser(projector._renderer, fast.runtime)
                try:
                    timed(f"{frames} frames, cuda")
                finally:
                    fast.runtime.settle()
                    fast.rasteriser = own


PARTS: dict[str, Part] = {"same": same, "draw": draw, "whole": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--seconds", type=float, default=200.0)
    parser.add_argument("--prepare", choices=("fused", "compiled", "plain"), default="fused", help="the network of `whole`")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9, help="of which a figure of `draw` is the median")
    parser.add_argument("--frames", type=int, default=256, help="a round")
    parser.add_argument("--software", action="store_true")
    parser.parse_args(namespace=asked)
    opengl.scene = cpu.scene = scene  # type: ignore[attr-defined]
    report: dict[str, Any] = {"machine": bench.guarded(bench.machine)}
    asked.report = report

    def save() -> None:
        asked.out.write_text(json.dumps(report, indent=1, default=str) + "\n")

    parts = asked.parts.split(",")
    if "whole" in parts and asked.prepare == "fused" and not asked.software:
        with guarded(report, "compiling"):
            compiled(fused_shares())
    for part in parts:
        if late():
            told(f"{part} is left out: {asked.seconds} s are over")
            continue
        run(part, PARTS[part], report, save)
    told("done")


if __name__ == "__main__":
    main()
