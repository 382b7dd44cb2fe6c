"""How fast the face stage is, stage by stage: the classic path beside the fast one, in one run.

On a GPU, stages are timed by CUDA events and paths by the clock, after a warm-up. Without one, `device="cpu"` times what a CPU
can do, and says so. Whatever fails is reported where its figure would stand, and the rest goes on.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .avatar import Avatar, find, load
from .classic import STEPS, Classic, Inference, OnnxInference
from .errors import AnimacyError, UsageError
from .render import Drawing
from .types import Motion

BATCHES = (1, 4, 16, 64)
NAMES = {256: "lite", 512: "full"}
PACKAGES = ("numpy", "onnxruntime", "torch", "cuda-bindings", "cupy-cuda13x", "moderngl", "tensorrt", "opencv-python-headless")
Report = dict[str, Any]


def talking(count: int, seed: int = 0) -> Motion:
    """Frames of random talking motion."""
    rng = np.random.default_rng(seed)
    weights = rng.random((count, 52)) * (rng.random((count, 52)) < 0.3)
    pose = rng.normal(0, 1, (count, 6)) * [0.1, 0.15, 0.05, 0.003, 0.003, 0.003]
    return Motion(weights.astype(np.float32), pose.astype(np.float32), 0, 25)


def spread(times: Sequence[float]) -> Report:
    """Median and 99th percentile, rounded, of milliseconds."""
    p50, p99 = np.percentile(np.asarray(times), [50, 99])
    return {"p50_ms": round(float(p50), 4), "p99_ms": round(float(p99), 4)}


def guarded(part: Callable[[], Any]) -> Any:
    """What `part` gives, or {"error": why it failed}."""
    try:
        return part()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}


def machine() -> Report:
    """What a figure was measured on: card, driver, processor, versions, commit."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    here = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    card = [x.strip() for x in _said(query).splitlines()[0].split(",")] if _said(query) else []
    cpu = [x for x in _said(["cat", "/proc/cpuinfo"]).splitlines() if x.startswith("model name")]
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "card": card[0] if card else None,
        "driver": card[1] if len(card) > 1 else None,
        "processor": cpu[0].split(":", 1)[1].strip() if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "packages": packages,
        "commit": _said(here) or __version__,
    }


def _said(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def time_classic(
    renderer: Drawing,
    network: Inference,
    avatar: Avatar,
    *,
    tuned: bool,
    frames: int = 60,
    settle: Callable[[], None] = lambda: None,
) -> Report:
    """The classic path on `frames` frames: once as it runs, once with each step waited for (`settle`) and timed."""
    path = Classic(renderer, network, avatar.background, tuned=tuned)
    motions = talking(frames).batches(1)
    for motion in motions[: max(3, frames // 10)]:
        path.paint(motion)
    whole: list[float] = []
    for motion in motions:
        began = time.perf_counter()
        path.paint(motion)
        whole.append((time.perf_counter() - began) * 1e3)
    steps: dict[str, list[float]] = {step: [] for step in STEPS}
    last = 0.0

    def mark(step: str) -> None:
        nonlocal last
        settle()
        now = time.perf_counter()
        steps[step].append((now - last) * 1e3)
        last = now

    for motion in motions:
        last = time.perf_counter()
        path.paint(motion, mark)
    figures = spread(whole)
    return {**figures, "frames_per_s": round(1e3 / float(np.mean(whole)), 1), "steps": {k: spread(v) for k, v in steps.items()}}


def _ratios(report: Report, classic: Any, tuned: Any) -> Report:
    rate = report.get("frames_per_s")
    for name, base in (("ratio_to_classic", classic), ("ratio_to_classic_tuned", tuned)):
        if rate and isinstance(base, dict) and base.get("frames_per_s"):
            report[name] = round(rate / base["frames_per_s"], 2)
    return report


def stages(
    device: str = "cuda",
    *,
    batches: Sequence[int] = BATCHES,
    sizes: Sequence[int] = (256, 512),
    avatar: str = "default",
    repeats: int = 50,
    compiled: bool = True,
    ladder: bool = True,
    tell: Callable[[str], None] = lambda what: None,
) -> Report:
    """Every stage at every batch and size. device: "cuda", or "cpu" for what a CPU can do.

    Raises UsageError for what cannot be asked for, AnimacyError where the device is missing.
    """
    if device not in ("cuda", "cpu"):
        raise UsageError(f"--device {device}: needed cuda or cpu")
    if any(size not in NAMES for size in sizes) or any(not 1 <= b <= 64 for b in batches) or repeats < 2 or not batches:
        raise UsageError("needed sizes of 256 and 512, batches of 1 to 64, and 2 repeats or more")
    face = load(find(avatar))
    report: Report = {"machine": machine(), "device": device, "avatar": face.name, "triangles": len(face.triangles)}
    if device == "cuda":
        _require_gpu()
    run = _on_gpu if device == "cuda" else _on_cpu
    report["sizes"] = {
        str(size): run(face, size, tuple(batches), repeats=repeats, compiled=compiled, ladder=ladder, tell=tell)
        for size in sizes
    }
    return report


def _require_gpu() -> None:
    from .gpu.runtime import Cuda

    try:
        Cuda().close()
    except AnimacyError as error:
        raise AnimacyError(f"no GPU to measure ({error}); give --device cpu to time the CPU") from error


# On the CPU


def _on_cpu(
    face: Avatar, size: int, batches: tuple[int, ...], *, repeats: int, tell: Callable[[str], None], **rest: Any
) -> Report:
    from .generate.onnx import OnnxGenerator
    from .render.cpu import CpuRenderer

    data, source = _onnx_of(face, size)
    found: Report = {"network": source, "note": "a CPU alone: no figure of this run says anything about a GPU"}

    def classic(tuned: bool) -> Report:
        with ExitStack() as stack:
            renderer: Drawing
            try:
                from .render.gl import GlRenderer

                renderer = stack.enter_context(GlRenderer(face, size, batch=1))
            except AnimacyError:
                renderer = stack.enter_context(CpuRenderer(face, size))
            report = time_classic(renderer, OnnxInference(data), face, tuned=tuned, frames=repeats)
            return {"renderer": renderer.info, **report}

    for name, tuned in (("classic", False), ("classic_tuned", True)):
        tell(f"{size}: {name.replace('_', ', ')}")
        found[name] = guarded(lambda tuned=tuned: classic(tuned))  # type: ignore[misc]

    def cpu() -> Report:
        from .send.yuv import i420_over

        painter = OnnxGenerator(data, source=source)
        background = np.zeros((size, size, 3), np.uint8)
        out = np.empty((size * 3 // 2, size), np.uint8)
        times: dict[str, list[float]] = {"render": [], "generate": [], "convert": []}
        with CpuRenderer(face, size) as renderer:
            for i in range(repeats + 2):
                marks = [time.perf_counter()]
                conditions = renderer.render(talking(1, i))
                marks.append(time.perf_counter())
                rgba = painter.generate(conditions).rgba[0]
                marks.append(time.perf_counter())
                i420_over(rgba, background, out)
                marks.append(time.perf_counter())
                for name, a, b in zip(times, marks[:-1], marks[1:], strict=True):
                    times[name].append((b - a) * 1e3)
        kept = {name: values[2:] for name, values in times.items()}
        total = sum(float(np.mean(v)) for v in kept.values())
        return {"frames_per_s": round(1e3 / total, 1), "stages": {k: spread(v) for k, v in kept.items()}}

    tell(f"{size}: the CPU path")
    found["cpu"] = _ratios(guarded(cpu), found["classic"], found["classic_tuned"])
    return found


def _onnx_of(face: Avatar, size: int) -> tuple[bytes, str]:
    """The bundle's network, or an untrained one of its shape, and what it is."""
    for weights in face.generators:
        if weights.name == NAMES[size]:
            return weights.weights, f"{weights.name}.onnx of {face.name}"
    try:
        from .gpu.torch import stand_in
        from .train.generator import export
    except ImportError as error:
        raise AnimacyError(
            f"the bundle has no {NAMES[size]} network, and a stand-in needs PyTorch: pip install torch"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        network, side = stand_in(NAMES[size])
        export(network, Path(folder) / "network.onnx", side, half=False)
        return (Path(folder) / "network.onnx").read_bytes(), f"stand-in for {NAMES[size]}, untrained"


# On a GPU


def _network(face: Avatar, size: int) -> tuple[Any, str]:
    torch_side = importlib.import_module("animacy.gpu.torch")
    for weights in face.generators:
        if weights.name == NAMES[size]:
            return torch_side.network_of(weights.weights)[0], f"{weights.name}.onnx of {face.name}"
    return torch_side.stand_in(NAMES[size])[0], f"stand-in for {NAMES[size]}, untrained"


def classic_renderer(face: Avatar, size: int) -> Drawing:
    """OpenGL on the GPU, a frame at a time; on CUDA's GPU where EGL tells which that is. Raises AnimacyError for software."""
    from .gpu.opengl import egl_device
    from .render import SOFTWARE
    from .render.gl import GlRenderer

    try:
        number: int | None = egl_device(0)
    except AnimacyError:  # the classic path shares nothing with CUDA: any GPU of EGL's will do, and `renderer` says which
        number = None
    renderer = GlRenderer(face, size, batch=1, device=number)
    if any(name in renderer.info.lower() for name in SOFTWARE):
        renderer.close()
        raise AnimacyError(f"OpenGL is software here ({renderer.info}): that would be no fair baseline; see `animacy doctor`")
    return renderer


class Fast:
    """The fast path put together, for a block: `with Fast(...) as fast`.

    rasteriser: "cuda", "gl" (vertices by kernels) or "gl-host" (vertices by the CPU). generator: keyword arguments of
    TorchGenerator. standard: of the NV12.
    """

    def __init__(
        self,
        face: Avatar,
        size: int,
        batch: int,
        rasteriser: str,
        generator: dict[str, Any],
        network: Any,
        standard: str = "709",
    ) -> None:
        self._stack = ExitStack()
        with self._stack:
            enter = self._stack.enter_context
            from .gpu import pipeline
            from .gpu.runtime import Cuda

            device = importlib.import_module("animacy.gpu.device").CupyDevice()
            self._stack.callback(device.close)
            self.runtime = runtime = enter(Cuda())
            self.rasteriser: Any
            if rasteriser != "gl-host":
                renderer = enter(importlib.import_module("animacy.gpu.cuda").CudaRenderer(face, size, batch, device=device))
            if rasteriser == "cuda":
                self.rasteriser = pipeline.CudaRasteriser(renderer, runtime)
            else:
                from .gpu.opengl import GlBatch, GlRasteriser, HostProjector

                gl = enter(GlBatch(face, size, batch, device=0))
                projector: Any = (
                    HostProjector(face, size, batch, runtime)
                    if rasteriser == "gl-host"
                    else pipeline.CudaProjector(renderer, runtime)
                )
                self.rasteriser = enter(GlRasteriser(gl, projector, runtime))
            torch_side = importlib.import_module("animacy.gpu.torch")
            self.generator: Any = torch_side.TorchGenerator(network, size, (batch,), **generator)
            cv2 = importlib.import_module("cv2")
            background = cv2.resize(face.background, (size, size), interpolation=cv2.INTER_AREA)
            self.converter: Any = pipeline.OverBackground(background, self.generator, device, standard)
            self.batch = batch
            self._pipeline = pipeline
            self._stack = self._stack.pop_all()

    def __enter__(self) -> Fast:
        return self

    def __exit__(self, *error: object) -> None:
        self.runtime.settle()
        self.generator = self.converter = None
        self._stack.close()
        gc.collect()  # what PyTorch holds for graphs goes with them
        importlib.import_module("torch").cuda.empty_cache()

    def pipeline(self, fetch: bool) -> Any:
        return self._pipeline.FacePipeline(
            self.rasteriser, self.generator, self.converter, self.runtime, batch=self.batch, fetch=fetch
        )

    def rate(self, repeats: int, *, fetch: bool) -> float:
        """Frames a second through the pipeline, by the clock."""
        pipeline = self.pipeline(fetch)
        motions = [talking(self.batch, i) for i in range(8)]
        for _ in pipeline.paint(motions[i % 8] for i in range(8)):
            pass
        self.runtime.settle()
        began = time.perf_counter()
        for _ in pipeline.paint(motions[i % 8] for i in range(repeats)):
            pass
        self.runtime.settle()
        return repeats * self.batch / (time.perf_counter() - began)

    def stages(self, repeats: int) -> Report:
        """Milliseconds a batch of each stage alone, by CUDA events on one stream."""
        runtime, generator = self.runtime, self.generator
        stream, marks = runtime.stream(), [runtime.event() for _ in range(4)]
        out = runtime.device(self.batch * generator.size**2 * 3 // 2)
        times: dict[str, list[float]] = {"draw": [], "infer": [], "nv12": [], "whole": []}
        for i in range(repeats + 5):
            runtime.record(marks[0], stream)
            self.rasteriser.draw(talking(self.batch, i % 8), generator.input(0), stream)
            runtime.record(marks[1], stream)
            generator.enqueue(self.batch, 0, stream)
            runtime.record(marks[2], stream)
            self.converter.video(generator.output(0), self.batch, out, stream)
            runtime.record(marks[3], stream)
            runtime.synchronise(marks[3])
            if i >= 5:
                for name, a, b in (("draw", 0, 1), ("infer", 1, 2), ("nv12", 2, 3), ("whole", 0, 3)):
                    times[name].append(runtime.elapsed(marks[a], marks[b]))
        self.rasteriser.draw(None, generator.input(0), stream)
        runtime.settle()
        return {name: spread(values) for name, values in times.items()}


def time_fast(
    face: Avatar, size: int, batch: int, rasteriser: str, generator: dict[str, Any], network: Any, repeats: int
) -> Report:
    """The fast path: its stages, and frames a second with NV12 left on the device and brought to the host."""
    with Fast(face, size, batch, rasteriser, generator, network) as fast:
        stages = fast.stages(repeats)
        rate = fast.rate(repeats, fetch=False)
        return {
            "frames_per_s": round(rate, 1),
            "ms_a_frame": round(1e3 / rate, 5),
            "frames_per_s_fetched": round(fast.rate(repeats, fetch=True), 1),
            "stages": stages,
        }


def _on_gpu(
    face: Avatar,
    size: int,
    batches: tuple[int, ...],
    *,
    repeats: int,
    compiled: bool,
    ladder: bool,
    tell: Callable[[str], None],
) -> Report:
    network, source = _network(face, size)
    found: Report = {"network": source}
    torch_side = importlib.import_module("animacy.gpu.torch")
    torch = importlib.import_module("torch")

    def classic(tuned: bool, tf32: bool) -> Report:
        with classic_renderer(face, size) as renderer:
            eager = torch_side.Eager(network, size, tuned=tuned, tf32=tf32)
            report = time_classic(renderer, eager, face, tuned=tuned, frames=max(20, repeats), settle=torch.cuda.synchronize)
            return {"renderer": renderer.info, **report}

    for name, tuned, tf32 in (("classic", False, False), ("classic_tuned", True, False), ("classic_tuned_tf32", True, True)):
        tell(f"{size}: {name.replace('_', ', ')}")
        found[name] = guarded(lambda tuned=tuned, tf32=tf32: classic(tuned, tf32))  # type: ignore[misc]

    def rated(rasteriser: str, batch: int, **how: Any) -> Report:
        report = guarded(lambda: time_fast(face, size, batch, rasteriser, how, network, repeats))
        return _ratios(report, found["classic"], found["classic_tuned"])

    best = {"compiled": compiled, "slots": 3}
    found["fast"] = {}
    for rasteriser in ("cuda", "gl"):
        found["fast"][rasteriser] = {}
        for batch in batches:
            tell(f"{size}: {rasteriser}, batches of {batch}")
            found["fast"][rasteriser][str(batch)] = rated(rasteriser, batch, **best)
    if ladder:
        many = 16 if 16 in batches else batches[-1]
        plain = {"compiled": False, "graph": False, "half": False, "channels_last": False, "slots": 1}
        rungs: list[tuple[str, str, int, dict[str, Any]]] = [
            ("interop", "gl-host", 1, plain),
            ("kernels", "gl", 1, plain),
            ("batching", "gl", many, plain),
            ("fp16, channels last", "gl", many, {**plain, "half": True, "channels_last": True}),
            ("graph", "gl", many, {"compiled": False, "slots": 1}),
            ("compile", "gl", many, {"compiled": compiled, "slots": 1}),
            ("overlap", "gl", many, best),
            ("cuda rasteriser", "cuda", many, best),
        ]
        found["ladder"] = [
            {"step": name, "frames_per_s": found[name].get("frames_per_s")} for name in ("classic", "classic_tuned")
        ]
        for name, rasteriser, batch, how in rungs:
            tell(f"{size}: ladder, {name}")
            report = rated(rasteriser, batch, **how)
            found["ladder"].append({"step": name, "batch": batch, **{k: v for k, v in report.items() if k != "stages"}})
    return found


# Several processes on one card


@contextmanager
def mps() -> Iterator[dict[str, str]]:
    """An MPS daemon of our own, in a folder of its own, for the block; gives the environment that its clients need.

    Changes none of the card's settings. Raises AnimacyError where the daemon is missing or does not start.
    """
    control = shutil.which("nvidia-cuda-mps-control")
    if control is None:
        raise AnimacyError("nvidia-cuda-mps-control is missing: it comes with NVIDIA's driver; run without --mps")
    with tempfile.TemporaryDirectory(prefix="animacy-mps-") as folder:
        ours = {"CUDA_MPS_PIPE_DIRECTORY": f"{folder}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{folder}/log"}
        for path in ours.values():
            Path(path).mkdir()
        environment = {**os.environ, **ours}
        started = subprocess.run([control, "-d"], env=environment, capture_output=True, text=True, timeout=30)
        if started.returncode:
            raise AnimacyError(
                f"MPS does not start ({' '.join((started.stderr or started.stdout).split())[:200]}); run without --mps"
            )
        try:
            yield ours
        finally:
            subprocess.run([control], input="quit\n", env=environment, capture_output=True, text=True, timeout=60)


def streams(
    processes: int,
    *,
    use_mps: bool = False,
    batch: int = 16,
    size: int = 512,
    seconds: float = 5.0,
    rasteriser: str = "cuda",
    avatar: str = "default",
    command: Sequence[str] | None = None,
) -> Report:
    """`processes` at once, each with the whole face stage, for `seconds`. command: what is run in place of `work`, for tests.

    Raises UsageError for what cannot be asked for, AnimacyError where the GPU or MPS is missing or a process fails.
    """
    if not 1 <= processes <= 48 or not 1 <= batch <= 64 or size not in NAMES or not 0 < seconds <= 600:
        raise UsageError("needed 1 to 48 processes, a batch of 1 to 64, a size of 256 or 512, and up to 600 seconds")
    if command is None:
        asked = json.dumps([avatar, size, batch, rasteriser])
        code = f"from animacy.bench import work; work(*{asked})"
        command = [sys.executable, "-c", code]
        _require_gpu()
    with ExitStack() as stack:
        environment = {**os.environ, **(stack.enter_context(mps()) if use_mps else {})}
        workers = [
            subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(processes)
        ]
        stack.callback(_ended, workers)
        for worker in workers:  # all are ready before any begins
            assert worker.stdout is not None
            if worker.stdout.readline().strip() != "ready":
                assert worker.stderr is not None
                worker.kill()
                reason = " ".join(worker.stderr.read().split())[-300:]
                raise AnimacyError(f"a process of the benchmark failed: {reason}")
        for worker in workers:
            assert worker.stdin is not None
            with suppress(BrokenPipeError):  # one that has ended gives no rate, which is told below
                worker.stdin.write(f"{seconds}\n")
                worker.stdin.flush()
        rates = []
        for worker in workers:
            assert worker.stdout is not None
            line = worker.stdout.readline()
            if not line:
                raise AnimacyError("a process of the benchmark ended before it was done; run it with fewer processes")
            rates.append(float(line))
    return {
        "machine": machine(),
        "processes": processes,
        "mps": use_mps,
        "batch": batch,
        "size": size,
        "rasteriser": rasteriser,
        "frames_per_s": round(sum(rates), 1),
        "frames_per_s_of_each": [round(r, 1) for r in rates],
    }


def _ended(workers: list[subprocess.Popen[str]]) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
            try:
                worker.wait(20)
            except subprocess.TimeoutExpired:
                worker.kill()
        with suppress(BrokenPipeError):
            worker.communicate()


def work(avatar: str, size: int, batch: int, rasteriser: str) -> None:
    """One process of `streams`: says "ready", waits for a number of seconds on standard input, says its frames a second."""
    face = load(find(avatar))
    network, _ = _network(face, size)
    with Fast(face, size, batch, rasteriser, {"compiled": False, "slots": 3}, network) as fast:
        fast.rate(8, fetch=True)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        seconds = float(sys.stdin.readline())
        pipeline, motions = fast.pipeline(True), [talking(batch, i) for i in range(8)]
        frames, began = 0, time.perf_counter()

        def until() -> Iterator[Motion]:
            i = 0
            while time.perf_counter() - began < seconds:
                yield motions[i % 8]
                i += 1

        for painted in pipeline.paint(until()):
            frames += len(painted.motion)
        sys.stdout.write(f"{frames / (time.perf_counter() - began)}\n")
        sys.stdout.flush()
