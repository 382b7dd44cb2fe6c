"""`python -m animacy.train`: motions -> frames -> weights -> figures.

python -m animacy.train motions --out motions.npz
python -m animacy.train render default --motions motions.npz --out FOLDER --size 256      (again to go on after a kill)
python -m animacy.train fit FOLDER --model lite --out RUN                                 (likewise)
python -m animacy.train evaluate FOLDER --weights RUN/lite.onnx --out RUN --avatar default

`render --processes N` starts N processes that share the frames. See docs/face.md for what it takes and gives.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..avatar import find
from ..avatar import load as load_avatar
from ..errors import AnimacyError
from . import data


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except AnimacyError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _motions(given: argparse.Namespace) -> None:
    found = data.motions(data.spoken(lambda text: print(text, flush=True), given.seed), seed=given.seed)
    found.save(given.out)
    print(f"{given.out}: {len(found)} frames, {int(found.held_out.sum())} of them held out")


def _render(given: argparse.Namespace) -> None:
    from .teacher import Teacher

    avatar = load_avatar(find(given.avatar))
    frames = data.Motions.load(given.motions)
    data.describe(given.out, avatar, frames, size=given.size, spp=given.spp, spp_held_out=given.spp_held_out, seed=given.seed)
    if given.processes > 1:  # a process each, since one drives its GPU at half its speed: the rest is moving hairs on the CPU
        parts = [f"{k}/{given.processes}" for k in range(given.processes)]
        same = ("motions", "out", "size", "spp", "spp_held_out", "hairs", "variant", "seed")
        own = [f"--{name.replace('_', '-')}={getattr(given, name)}" for name in same] + ["--quiet"] * given.quiet
        start = [sys.executable, "-m", "animacy.train", "render", given.avatar, *own]
        running = [subprocess.Popen([*start, f"--part={part}"]) for part in parts]
        failed = [part for part, code in zip(parts, [r.wait() for r in running], strict=True) if code]
        if failed:
            raise AnimacyError(f"{len(failed)} of {len(parts)} processes failed ({', '.join(failed)}); run again to go on")
        return
    part, of = (int(x) for x in given.part.split("/"))
    teacher = Teacher(avatar, given.size, variant=given.variant, hairs=given.hairs, seed=given.seed)
    with tqdm(desc=f"frames {given.part}", file=sys.stderr, mininterval=10, disable=given.quiet) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        data.make(given.out, avatar, frames, teacher, size=given.size, spp=given.spp, spp_held_out=given.spp_held_out,
                  seed=given.seed, part=(part, of), report=report)  # fmt: skip


def _fit(given: argparse.Namespace) -> None:
    from . import generator as g

    pairs = data.load(given.folder)
    shape = g.SHAPES[given.model]
    settings = g.Settings(steps=given.steps, batch=given.batch, rate=given.rate, seed=given.seed)
    began = time.monotonic()

    def report(step: int, loss: float) -> None:
        if step % 500 == 0 and not given.quiet:
            print(f"step {step}, {time.monotonic() - began:.0f} s, loss {loss:.4f}", flush=True)

    limit = given.minutes * 60 if given.minutes else float("inf")
    network = g.train(pairs, shape, settings, given.out, device=given.device, seconds=limit, report=report)
    cost = g.gflop(network, shape.size)
    for half, name in ((False, f"{given.model}.fp32.onnx"), (True, f"{given.model}.onnx")):
        g.export(network, given.out / name, shape.size, half=half)
    print(f"{given.out / given.model}.onnx: {cost:.2f} GFLOP a frame, trained for {time.monotonic() - began:.0f} s")


def _evaluate(given: argparse.Namespace) -> None:
    from ..generate.onnx import OnnxGenerator
    from ..types import Conditions
    from . import evaluate

    pairs = data.load(given.folder)
    held = np.flatnonzero(pairs.motions.held_out)
    generator = OnnxGenerator(given.weights)
    painted = np.empty((len(held), 4, generator.size, generator.size), np.uint8)
    for k, i in enumerate(held):
        c = pairs.conditions[i : i + 1].transpose(0, 2, 3, 1)
        painted[k] = generator.generate(Conditions(c[..., :4], c[..., 4:8], c[..., 8:])).rgba[0].transpose(2, 0, 1)
    report = evaluate.evaluate(pairs, painted)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    evaluate.sheet(pairs, painted, given.out / "sheet.png", load_avatar(find(given.avatar)).background, rows=given.rows)
    print(json.dumps(report, indent=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m animacy.train", description="Teach a network to paint an avatar.")
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("--out", type=Path, required=True, help="file or folder that is written")
        sub.add_argument("--seed", type=int, default=0)
        sub.add_argument("--quiet", action="store_true")
        return sub

    command("motions", _motions, "Speak the texts and choose the frames to learn from.")
    render = command("render", _render, "Trace the frames; what is there already is kept.")
    render.add_argument("avatar", help="`default` or a bundle's path")
    render.add_argument("--motions", type=Path, required=True)
    render.add_argument("--size", type=int, default=256, help="pixels a side")
    render.add_argument("--spp", type=int, default=64, help="samples a pixel of frames to train on ...")
    render.add_argument("--spp-held-out", type=int, default=512, help="... and of frames to judge by")
    render.add_argument("--hairs", type=int, default=30_000)
    render.add_argument("--variant", default="cuda_ad_rgb", help="cuda_ad_rgb, llvm_ad_rgb or scalar_rgb")
    render.add_argument("--part", default="0/1", help="K/N: only the frames i with i %% N == K")
    render.add_argument("--processes", type=int, default=1, help="how many share the frames")
    fit = command("fit", _fit, "Train a network; a killed run goes on where it was.")
    fit.add_argument("folder", type=Path)
    fit.add_argument("--model", choices=("lite", "full"), default="lite")
    fit.add_argument("--steps", type=int, default=20_000)
    fit.add_argument("--minutes", type=float, help="end after this time, whatever --steps says")
    fit.add_argument("--batch", type=int, default=16)
    fit.add_argument("--rate", type=float, default=5e-4)
    fit.add_argument("--device", default="cuda")
    judge = command("evaluate", _evaluate, "Compare with the teacher on held-out frames: report.json and sheet.png.")
    judge.add_argument("folder", type=Path)
    judge.add_argument("--weights", type=Path, required=True, help="an .onnx file")
    judge.add_argument("--avatar", default="default", help="whose background the sheet shows")
    judge.add_argument("--rows", type=int, default=8, help="of the sheet")
    return parser


if __name__ == "__main__":
    sys.exit(main())
