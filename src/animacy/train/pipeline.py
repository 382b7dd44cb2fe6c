"""`animacy train`: motions -> traced frames -> networks -> figures, in one folder that a killed run goes on in.

The folder gets motions.npz; 512/ and 256/, the frames (see data.py); for each network NAME (lite, full) NAME/state.pt and
NAME/curve.jsonl while it learns, then NAME.onnx (weights in FP16), NAME.fp32.onnx, NAME.training.json, and from the held-out
frames NAME.report.json, NAME.sheet.png and NAME.curve.png. portraits/ holds the teacher's pictures of the poses that
portraits.py names, NAME.portraits.jpg the plain render and what the network paints beside them.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..avatar import Avatar, GeneratorWeights, Training, find
from ..avatar import load as load_avatar
from ..avatar import save as save_avatar
from ..errors import AnimacyError, UsageError
from . import data, evaluate, portraits

if TYPE_CHECKING:  # Mitsuba and ONNX Runtime are loaded where they are needed
    from ..generate.onnx import OnnxGenerator
    from .teacher import Teacher

SIZES = {"lite": 256, "full": 512}
HAIRS = 5  # seed of the hairs: always the same ones, as a network knows where each lies, and others cost it 3 dB at first
STAGES = ("motions", "trace", "fit", "judge")


@dataclass(frozen=True, slots=True)
class Plan:
    """What `animacy train` is asked for. Each bundle tells the command of its own weights."""

    avatar: str
    folder: Path
    networks: tuple[str, ...] = ("lite", "full")
    pairs: Path | None = None  # frames of your own, in place of traced ones
    until: str = "judge"  # the last of STAGES that runs
    scale: float = 1.0  # of the usual number of motions, about 1,300 frames
    # Samples a pixel of frames to train on: noise averages out, but takes contrast from hair (sRGB is concave): of the energy
    # of its edges a third at 12 samples and 512 pixels, where few frames teach as much as many. ...
    spp: int = 48
    spp_held_out: int = 128  # ... and of those to judge by, at the largest size
    hairs: int = 24_000
    variant: str = "cuda_ad_rgb"
    processes: int = 2  # that trace, on the GPUs in turn
    trace_minutes: float | None = None  # frames not begun by then are given up
    fit_minutes: float | None = None  # for each network; the networks learn at the same time on a GPU
    steps: int = 40_000
    rate: float = 5e-4
    begin: Path | None = None  # a folder with NAME.onnx to go on from, in place of random networks
    device: str = "cuda"
    compiled: bool = False
    seed: int = 0


Report = Callable[[str], None]


def run(plan: Plan, report: Report) -> None:
    """All stages up to `plan.until`; what the folder holds already is not made again. Raises AnimacyError, UsageError."""
    last = STAGES.index(plan.until)
    plan.folder.mkdir(parents=True, exist_ok=True)
    if plan.pairs is None:
        motions(plan, report)
        if last >= 1:
            trace(plan, report)
    if last >= 2:
        fit(plan, report)
    if last >= 3:
        for name in plan.networks:
            judge(plan, name, report)


def motions(plan: Plan, report: Report) -> None:
    path = plan.folder / "motions.npz"
    if path.exists():
        return
    report("speaking the texts")
    found = data.motions(data.spoken(lambda text: report(f"  {text}"), plan.seed), seed=plan.seed, scale=plan.scale)
    part = path.with_suffix(".part.npz")
    found.save(part)
    part.replace(path)
    report(f"{path}: {len(found)} frames, {int(found.held_out.sum())} of them held out")


def trace(plan: Plan, report: Report) -> None:
    """Trace the frames in processes, each begun again as long as frames appear: a GPU's driver has killed one at times."""
    frames = data.Motions.load(plan.folder / "motions.npz")
    avatar = load_avatar(find(plan.avatar))
    sizes = sorted({SIZES[n] for n in plan.networks}, reverse=True)
    folders = {s: plan.folder / str(s) for s in sizes}
    for size, folder in folders.items():
        if (folder / "trimmed").exists():
            return
        spps = {"spp": plan.spp, "spp_held_out": plan.spp_held_out}
        data.describe(folder, avatar, frames, size=size, seed=plan.seed, **spps)
    marks = folders[sizes[0]] / "frames"
    for mark in marks.glob("*.tried"):  # of a run that was killed
        mark.unlink()
    context = multiprocessing.get_context("spawn")
    began = time.monotonic()
    limit = plan.trace_minutes * 60 if plan.trace_minutes is not None else float("inf")

    def there() -> int:
        return len(list((folders[sizes[-1]] / "frames").glob("*.npz")))

    def start(k: int) -> Any:
        left = limit - (time.monotonic() - began)
        process = context.Process(target=_trace, args=(plan, folders, (k, plan.processes), left), daemon=True)
        process.start()
        return process

    running = {k: start(k) for k in range(plan.processes)}
    had = dict.fromkeys(running, (-1, 0))  # frames when a process last failed, and how often it has since one was made
    told = time.monotonic()
    while running:
        time.sleep(0.5)
        if time.monotonic() - told > 20:
            told = time.monotonic()
            report(f"  {there()} of {len(frames)} frames after {told - began:.0f} s")
        for k, process in list(running.items()):
            if process.is_alive():
                continue
            del running[k]
            if process.exitcode and time.monotonic() - began < limit:
                had[k] = (there(), had[k][1] + 1 if there() <= had[k][0] else 1)
                if had[k][1] == 3:
                    raise AnimacyError(f"tracing process {k} failed three times with no frame between; see its message above")
                report(f"  tracing process {k} ended with {process.exitcode}; starting it again")
                running[k] = start(k)
    failed = len(list(marks.glob("*.tried")))
    if failed:
        report(f"at {failed} frames a process failed; they are given up")
    if plan.trace_minutes is not None or failed:
        for folder in folders.values():
            count = data.trim(folder)
            (folder / "trimmed").touch()
            report(f"{folder}: {count} of {len(frames)} frames were traced; those are used")
    report(f"traced in {time.monotonic() - began:.0f} s")


def _on_card(turn: int) -> None:
    """Leave this process one of the GPUs that CUDA may use, by turns. To be called before anything loads CUDA."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = named.split(",") if named else [str(k) for k in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
    if len(cards) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = cards[turn % len(cards)]


def _trace(plan: Plan, folders: dict[int, Path], part: tuple[int, int], seconds: float) -> None:
    _on_card(part[0])
    from .teacher import Teacher

    began = time.monotonic()
    avatar = load_avatar(find(plan.avatar))
    frames = data.Motions.load(plan.folder / "motions.npz")
    painter = Teacher(avatar, max(folders), variant=plan.variant, hairs=plan.hairs, seed=HAIRS)
    if part[0] == 0:
        _portraits(plan, painter)
    left = seconds - (time.monotonic() - began)
    data.make(
        folders, avatar, frames, painter, spp=plan.spp, spp_held_out=plan.spp_held_out, seed=plan.seed, part=part, seconds=left
    )


def _portraits(plan: Plan, painter: Teacher) -> None:
    folder = plan.folder / "portraits"
    folder.mkdir(exist_ok=True)
    for name, motion in portraits.poses().items():
        path, tries = folder / f"{name}.png", folder / f"{name}.tried"
        if not path.exists() and (not tries.exists() or tries.stat().st_size < 3):  # a driver may end the process
            with tries.open("a") as file:
                file.write(".")
            shot = painter.paint(motion.weights[0], motion.pose[0], spp=2 * plan.spp_held_out, seed=plan.seed)
            Image.fromarray(shot).save(path.with_suffix(".part"), format="PNG")
            path.with_suffix(".part").replace(path)
            tries.unlink()


def fit(plan: Plan, report: Report) -> None:
    """The networks that are not there yet; on a GPU at the same time, in a process each."""
    wanted = [n for n in plan.networks if not (plan.folder / f"{n}.training.json").exists()]
    if plan.device == "cpu" or len(wanted) == 1:
        for name in wanted:
            _fit(plan, name)
        return
    context = multiprocessing.get_context("spawn")
    running = {name: context.Process(target=_fit_alone, args=(plan, name)) for name in wanted}
    for process in running.values():
        process.start()
    for process in running.values():
        process.join()
    failed = [name for name, process in running.items() if process.exitcode]
    if failed:
        raise AnimacyError(f"training of {', '.join(failed)} failed; see the message above; run again to go on")


def _fit_alone(plan: Plan, name: str) -> None:
    """`_fit` in a process of its own, which says in one line what fails, as the command does."""
    try:
        _fit(plan, name)
    except AnimacyError as error:
        sys.exit(f"animacy: {error}")


def _fit(plan: Plan, name: str) -> None:
    _on_card(plan.networks.index(name))
    import torch

    from . import generator as g

    pairs = data.load(folder_of(plan, name))
    shape = g.SHAPES[name]
    batch = 16 if name == "lite" else 8
    settings = g.Settings(steps=plan.steps, batch=batch, rate=plan.rate, seed=plan.seed)
    began = time.monotonic()

    def report(step: int, loss: float) -> None:
        if step % 1000 == 0:
            print(f"  {name}: step {step}, {time.monotonic() - began:.0f} s, loss {loss:.4f}", flush=True)

    seconds = plan.fit_minutes * 60 if plan.fit_minutes is not None else float("inf")
    network = g.train(
        pairs,
        shape,
        settings,
        plan.folder / name,
        device=plan.device,
        seconds=seconds,
        compiled=plan.compiled,
        begin=None if plan.begin is None else plan.begin / f"{name}.onnx",
        report=report,
    )
    spent = time.monotonic() - began
    held = pairs.conditions[pairs.motions.held_out]
    record = {
        "name": name,
        "size": shape.size,
        "gflop": round(g.gflop(network, shape.size), 2),
        "frames": int((~pairs.motions.held_out).sum()),
        "seconds": round(spent),
        "seed": plan.seed,
        "card": torch.cuda.get_device_name() if plan.device.startswith("cuda") else "none",
        "torch": torch.__version__,
        "fp16_psnr": round(g.halved(network, held), 1) if plan.device.startswith("cuda") else None,
    }
    for half, file in ((False, f"{name}.fp32.onnx"), (True, f"{name}.onnx")):
        g.export(network, plan.folder / file, shape.size, half=half)
    (plan.folder / f"{name}.training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"  {name}: {record['gflop']} GFLOP a frame, trained for {spent:.0f} s", flush=True)


def folder_of(plan: Plan, name: str) -> Path:
    return plan.pairs if plan.pairs is not None else plan.folder / str(SIZES[name])


def judge(plan: Plan, name: str, report: Report) -> dict[str, Any]:
    """NAME.report.json, NAME.sheet.png and NAME.curve.png; the weights are the folder's, or else those of the bundle."""
    from ..generate.onnx import OnnxGenerator
    from ..types import Conditions

    pairs = data.load(folder_of(plan, name))
    avatar = load_avatar(find(plan.avatar))
    generator = OnnxGenerator(_weights(plan, avatar, name))
    if pairs.manifest["size"] != generator.size:
        raise UsageError(
            f"{name} paints {generator.size} pixels, the frames have {pairs.manifest['size']}; give frames of that size"
        )
    held = np.flatnonzero(pairs.motions.held_out)
    painted = np.empty((len(held), 4, generator.size, generator.size), np.uint8)
    for k, i in enumerate(held):
        c = pairs.conditions[i : i + 1].transpose(0, 2, 3, 1)
        painted[k] = generator.generate(Conditions(c[..., :4], c[..., 4:8], c[..., 8:])).rgba[0].transpose(2, 0, 1)
    found = {"avatar": plan.avatar, "network": name} | evaluate.evaluate(pairs, painted)
    training = plan.folder / f"{name}.training.json"
    if training.exists():
        found["training"] = json.loads(training.read_text(encoding="utf-8"))
    (plan.folder / f"{name}.report.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    evaluate.sheet(pairs, painted, plan.folder / f"{name}.sheet.png", avatar.background, rows=10)
    _sheet(plan, avatar, generator, plan.folder / f"{name}.portraits.jpg")
    learned = plan.folder / name / "curve.jsonl"
    if learned.exists():
        rows = [json.loads(line) for line in learned.read_text(encoding="utf-8").splitlines()]
        if rows:
            evaluate.curve(rows, plan.folder / f"{name}.curve.png")
    for line in summary(found):
        report(line)
    return found


def _sheet(plan: Plan, avatar: Avatar, generator: OnnxGenerator, path: Path) -> None:
    from ..render.cpu import CpuRenderer

    plain: dict[str, NDArray[np.uint8]] = {}
    painted: dict[str, NDArray[np.uint8]] = {}
    traced: dict[str, NDArray[np.uint8]] = {}
    with CpuRenderer(avatar, generator.size) as renderer:
        for name, motion in portraits.poses().items():
            conditions = renderer.render(motion)
            plain[name] = conditions.shaded[0]
            painted[name] = generator.generate(conditions).rgba[0]
            picture = plan.folder / "portraits" / f"{name}.png"
            if picture.exists():
                with Image.open(picture) as image:
                    traced[name] = np.array(image)
    rows = {"plain": plain, "painted": painted}
    portraits.sheet(avatar, rows | ({"traced": traced} if traced else {}), path)


def adopt(plan: Plan, bundle: Path, command: str, commit: str, report: Report) -> None:
    """Put the folder's networks, with their figures and how they came about, into the bundle folder `bundle`.

    Raises UsageError where a network of `plan.networks` was not trained and judged in the plan's folder.
    """
    avatar = load_avatar(bundle)
    found = {g.name: g for g in avatar.generators}
    for name in plan.networks:
        paths = [plan.folder / f"{name}.{end}" for end in ("onnx", "training.json", "report.json")]
        if lacking := [p.name for p in paths if not p.exists()]:
            raise UsageError(f"{plan.folder} lacks {', '.join(lacking)}; train and judge {name} first")
        record, figures = (json.loads(p.read_text(encoding="utf-8")) for p in paths[1:])
        face = figures["generator"]["face"]
        training = Training(
            data=f"{record['frames']} frames of this avatar, path-traced by animacy.train with Mitsuba 3; no person's picture",
            licence="Apache-2.0",
            commit=commit,
            seed=record["seed"],
            command=command,
            hours=round(record["seconds"] / 3600, 3),
            card=record["card"],
        )
        found[name] = GeneratorWeights(
            name, record["size"], record["gflop"], face["psnr"], face["ssim"], training, paths[0].read_bytes()
        )
    save_avatar(dataclasses.replace(avatar, generators=tuple(found[n] for n in ("lite", "full") if n in found)), bundle)
    report(f"{bundle}: {', '.join(found)}")


def _weights(plan: Plan, avatar: Avatar, name: str) -> bytes | Path:
    own = plan.folder / f"{name}.onnx"
    if own.exists():
        return own
    for weights in avatar.generators:
        if weights.name == name:
            return weights.weights
    raise UsageError(f"neither {own} nor the bundle {plan.avatar} holds a network {name!r}; train it first")


def summary(found: dict[str, Any]) -> list[str]:
    """Lines of a report for people."""
    lines = [f"{found['avatar']} {found['network']}, {found['frames']} held-out frames of {found['size']} pixels"]
    for who in ("generator", "shaded"):
        figures = found[who]
        for region in ("frame", "face", "mouth", "eyes"):
            f = figures[region]
            lines.append(
                f"  {who:<10}{region:<7}PSNR {f['psnr']:5.2f} dB (lowest {f['psnr_lowest']:5.2f})  SSIM {f['ssim']:.3f}"
            )
        sharp = ", ".join(f"{k} {v:.2f}" for k, v in figures["sharpness"].items())
        lines.append(
            f"  {who:<10}edges' energy over the teacher's: {sharp or 'unknown'}; flicker {figures.get('flicker', 'unknown')}"
        )
    lines.append("  the teacher's own noise: " + ", ".join(f"{k} {v:.1f} dB" for k, v in found["noise"].items()))
    return lines
