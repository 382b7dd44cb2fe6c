"""What drawing and painting take on this GPU, kernel by kernel and layer by layer, beside what they took before.

    python benchmarks/gpu_tune.py --out FILE.json [--parts bits,draw,network,whole] [--seconds 190] [--before DIR]

bits: whether the same is drawn, bit for bit. draw: microseconds a frame of each kernel, and where the one that finds what is
nearest spends them. network: compiled and fused, and what each layer's methods take. whole: the face stage.

Parts run in order; what fails is reported and the rest goes on; nothing begins after --seconds. The file is written anew after
each figure. Everything is compiled first, side by side, in processes of their own that fill the compilers' caches.
--before: a folder with the rasteriser of another commit, which is held against the present one and timed beside it:

    git archive COMMIT src/animacy/gpu | tar x --strip-components 3 -C DIR

Without it `bits` has nothing to compare and is left out.
"""

from __future__ import annotations

import argparse
import copy
import functools
import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from parts import Part, compiled, fused_shares, guarded, passed, run, told

from animacy import bench
from animacy.avatar import bundle
from animacy.gpu import cuda, device
from animacy.render import shading

SIZE = 512
SECTIONS = ("ready", "whole", "cutouts", "written")  # of `visibility`, as picture.cu counts cycles in them
old: list[Path] = []  # the folder of --before, if it was given
PRESENT = (device.source, dict(device.MODULES))


@functools.cache
def loaded(name: str) -> Any:
    return bundle.load(bundle.find(name))


scenes: dict[tuple[int, int], Any] = {}


def scene(avatar: Any, size: int) -> Any:
    """As the renderers ask for it: made once."""
    if (id(avatar), size) not in scenes:
        scenes[id(avatar), size] = shading.scene(avatar, size)
    return scenes[id(avatar), size]


@functools.cache
def before(name: str) -> Any:
    """A module of animacy.gpu as it was."""
    spec = importlib.util.spec_from_file_location(f"animacy.gpu.{name}_before", old[0] / f"{name}.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[spec.name] = module  # type: ignore[union-attr]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    if name == "cuda":
        module.scene = scene  # type: ignore[attr-defined]
    return module


def versions() -> tuple[str, ...]:
    return ("before", "now") if old else ("now",)


def use(version: str) -> Any:
    """Let devices made from now on compile the rasteriser of a version; gives the module whose CudaRenderer goes with it."""
    device.source, modules = PRESENT
    device.MODULES.clear()
    device.MODULES.update(modules)
    if version == "now":
        return cuda
    device.MODULES.update({name: how for name, how in before("device").MODULES.items() if name != "convert"})

    def source(module: str) -> str:
        folder = device.HERE if module == "convert" else old[0]
        return (folder / "common.cu").read_text() + (folder / f"{module}.cu").read_text()

    device.source = source
    return before("cuda")


def counting() -> Any:
    """The module that counts cycles."""
    import cupy

    options = ("--std=c++17", *device.MODULES["picture"][1], "-DCLOCKS=1")
    return cupy.RawModule(code=device.source("picture"), options=options, backend="nvrtc")


def sections(on: Any, made: Any, batch: int) -> dict[str, float]:
    """The share of their time, in %, that warps of `visibility` spend in each section, waiting included."""
    import cupy

    module = counting()
    plain, on._kernels["visibility"] = on._kernels["visibility"], module.get_function("visibility")
    numbers = on.zeros((batch, 2 * SIZE, 2 * SIZE), np.uint32)
    clocks = cupy.ndarray((len(SECTIONS),), np.uint64, module.get_global("clocks"))
    try:
        made.number(batch, numbers)
        on.copy_out(numbers, 1, 0)
        clocks[:] = 0
        made.number(batch, numbers)
        on.copy_out(numbers, 1, 0)
    finally:
        on._kernels["visibility"] = plain
    found = clocks.get().astype(float)
    return {name: round(100 * float(x / found.sum()), 1) for name, x in zip(SECTIONS, found, strict=True)}


@contextmanager
def renderer(version: str, avatar: str, batch: int) -> Iterator[tuple[Any, Any]]:
    module = use(version)
    on = device.CupyDevice()
    try:
        with module.CudaRenderer(loaded(avatar), SIZE, batch, device=on) as made:
            yield on, made
    finally:
        on.close()


def graph_us(stream: Any, call: Callable[[], Any], repeats: int = 4, rounds: int = 9) -> float:
    """Microseconds of `call`, which launches on `stream`, as a graph: the median."""
    import cupy

    call()
    call()
    stream.synchronize()
    with stream:
        stream.begin_capture()
        for _ in range(repeats):
            call()
        graph = stream.end_capture()
    times = []
    for _ in range(rounds + 2):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record(stream)
        graph.launch(stream)
        end.record(stream)
        end.synchronize()
        times.append(1000 * cupy.cuda.get_elapsed_time(begin, end) / repeats)
    return float(np.median(times[2:]))


def drawn(version: str, avatar: str) -> tuple[Any, Any]:
    """Numbers of the samples and the network's input of 4 frames."""
    with renderer(version, avatar, 4) as (on, made):
        numbers = on.zeros((4, 2 * SIZE, 2 * SIZE), np.uint32)
        folded = on.zeros((4, SIZE // 4, SIZE // 4, 160), np.float16)
        made.place(made.upload(bench.talking(4, 3)))
        made.draw(4, folded=folded)
        made.number(4, numbers)
        return on.copy_out(numbers, 4, 0), on.copy_out(folded, 4, 0)


def bits(report: dict[str, Any], save: Callable[[], None]) -> None:
    if not old:
        told("  left out: nothing was given with --before")
        return
    for avatar in ("default", "leo"):
        with guarded(report, avatar):
            (numbers, folded), expected = drawn("now", avatar), drawn("before", avatar)
            steps = np.abs(folded.astype(np.float32) - expected[1].astype(np.float32)) * 255
            report[avatar] = {
                "samples": int(numbers.size),
                "samples_that_differ": int((numbers != expected[0]).sum()),
                "input_that_differs": int((steps > 0).sum()),
                "most_steps": round(float(steps.max()), 2),
            }
            told(f"  {avatar}: {report[avatar]}")
            save()


def draw(report: dict[str, Any], save: Callable[[], None]) -> None:
    for version in versions():
        for avatar, batches in (("default", (16, 64)), ("leo", (64,))):
            with guarded(report, f"{version} {avatar}"), renderer(version, avatar, 64) as (on, made):
                for batch in batches:
                    us = drawing_us(on, made, batch)
                    report[f"{version} {avatar} {batch}"] = us
                    told(f"  {version} {avatar} {batch}, us a frame: {us}")
                    save()
                if version == "now":
                    report[f"{version} {avatar} sections"] = found = sections(on, made, 64)
                    told(f"    sections of visibility, %: {found}")
                    save()


def drawing_us(on: Any, made: Any, batch: int) -> dict[str, float]:
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    numbers = on.zeros((batch, 2 * SIZE, 2 * SIZE), np.uint32)
    folded = on.zeros((batch, SIZE // 4, SIZE // 4, 160), np.float16)
    made.upload(bench.talking(batch, 1), stream.ptr)
    calls: dict[str, Callable[[], Any]] = {
        "place": lambda: made.place(batch, stream.ptr),
        "visibility": lambda: made.number(batch, numbers, stream.ptr),
        "shade": lambda: made.shade(batch, numbers, folded=folded, stream=stream.ptr),
    }
    us = {name: round(graph_us(stream, call) / batch, 2) for name, call in calls.items()}
    return us | {"whole": round(sum(us.values()), 2)}


def network_and_input(batch: int) -> tuple[Any, Any]:
    import torch

    network, _ = bench._network(loaded("default"), SIZE)
    with renderer("now", "default", batch) as (on, made):
        folded = on.zeros((batch, SIZE // 4, SIZE // 4, 160), np.float16)
        made.place(made.upload(bench.talking(batch, 1)))
        made.draw(batch, folded=folded)
        x = torch.from_numpy(on.copy_out(folded, batch, 0)).cuda()
    return network, x


def louder(network: Any) -> Any:
    """The same with a correction that counts: untrained, its last layer gives next to nothing."""
    import torch

    other = copy.deepcopy(network)
    torch.manual_seed(5)
    torch.nn.init.normal_(other.leave[-1].weight, std=0.05)
    return other


def psnr(generator_of: Callable[[Any], Any], network: Any, x: Any) -> float:
    """Of a generator of 16 frames against FP32, over the first 4."""
    import torch

    from animacy.gpu.torch import Folded

    generator = generator_of(network)
    generator._in[0][:16].copy_(x[:16].permute(0, 3, 1, 2))
    generator.enqueue(16, 0, torch.cuda.current_stream().cuda_stream)
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):
        expected = Folded(network).cuda().float()(x[:4].permute(0, 3, 1, 2).float())
    error = (generator._out[0][:4].float() - expected).square().mean().item()
    return round(-10 * math.log10(max(error, 1e-12)), 1)


def painting_us(generator: Any, batch: int) -> float:
    import torch

    stream = torch.cuda.Stream()
    times = []
    for i in range(14):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.stream(stream):
            begin.record()
        generator.enqueue(batch, 0, stream.cuda_stream)
        with torch.cuda.stream(stream):
            end.record()
        end.synchronize()
        if i >= 4:
            times.append(1000 * begin.elapsed_time(end) / batch)
    return round(float(np.median(times)), 2)


def generator(network: Any, batch: int, kind: str, slots: int = 1) -> Any:
    from animacy.gpu.torch import TorchGenerator

    return TorchGenerator(network, SIZE, (batch,), slots=slots, compiled=kind == "compiled", fused=kind == "fused")


def network(report: dict[str, Any], save: Callable[[], None]) -> None:
    import torch

    net, x = network_and_input(16)
    for kind in ("compiled", "fused"):
        for batch in (16, 64):
            with guarded(report, f"{kind} {batch}"):
                made = generator(net, batch, kind)
                row: dict[str, Any] = {"us_a_frame": painting_us(made, batch)}
                told(f"  {kind} {batch}: {row}")
                if made.fused:
                    row["layers"] = layers(made.fused[batch, 0], batch)
                report[f"{kind} {batch}"] = row
                save()
                del made
                torch.cuda.empty_cache()
        with guarded(report, f"{kind} against FP32"):
            loud = louder(net)
            report[f"{kind} psnr"] = [
                psnr(lambda n, kind=kind: generator(n, 16, kind), net, x),  # type: ignore[misc]
                *([] if kind == "compiled" else [psnr(lambda n, kind=kind: generator(n, 16, kind), loud, x)]),  # type: ignore[misc]
            ]
            told(f"  {kind}: {report[f'{kind} psnr']} dB against FP32")
            save()


def layers(fused: Any, batch: int) -> dict[str, Any]:
    """Microseconds a frame of each layer's best methods, TFLOP/s, and why others failed."""
    found = {}
    for layer in fused.layers:
        best: dict[str, float] = {}
        for name, ms in sorted(layer.times.items(), key=lambda item: item[1]):
            kind = "wide" if name.endswith("wide") else name.split()[0]
            if kind not in best:
                best[kind] = round(1000 * ms / batch, 2)
        n, c, h, w = layer.weight.shape
        rate = 2e-6 * n * c * h * w * layer.out.shape[1] * layer.out.shape[2] / (1000 * layer.times[layer.method] / batch)
        found[layer.name] = {"method": layer.method, **best, "tflops_as_if_plain": round(rate)}
        told(f"    {layer.name:16} {found[layer.name]}")
        if layer.failed:
            found[layer.name]["failed"] = layer.failed
    failed = {k: v for layer in fused.layers for k, v in layer.failed.items()}
    for name, why in failed.items():
        told(f"    failed: {name}: {why}")
    return found


def whole(report: dict[str, Any], save: Callable[[], None]) -> None:
    face = loaded("default")
    net, _ = bench._network(face, SIZE)
    plain = cuda.CudaRenderer
    for batch, kinds in (
        (64, (*(["before compiled"] if old else []), "now compiled", "now fused")),
        (16, ("now fused",)),
    ):
        for name in kinds:
            version, kind = name.split()
            name = f"{batch} {name}"
            with guarded(report, name):
                module = use(version)
                cuda.CudaRenderer = module.CudaRenderer  # type: ignore[misc]
                how = {"compiled": kind == "compiled", "fused": kind == "fused", "slots": 3}
                try:
                    with bench.Fast(face, SIZE, batch, "cuda", how, net) as fast:
                        rate = fast.rate(60 if batch == 64 else 150, fetch=False)
                        fetched = fast.rate(60 if batch == 64 else 150, fetch=True)
                        stages = fast.stages(20)
                finally:
                    cuda.CudaRenderer = plain  # type: ignore[misc]
                us = {k: round(1000 * v["p50_ms"] / batch, 2) for k, v in stages.items()}
                report[name] = {"frames_per_s": round(rate), "fetched": round(fetched), "us_a_frame": us}
                told(f"  {name}: {report[name]}")
                save()


def warm(what: str) -> None:
    """Fill the compilers' caches with a share of what the parts need."""
    kind, _, share = what.partition(":")
    if kind == "picture":
        use(share)
        device.CupyDevice().close()
        if share == "now":
            counting().get_function("visibility")
    elif kind == "compiled":
        net, _ = bench._network(loaded("default"), SIZE)
        for batch in (16, 64):
            generator(net, batch, "compiled")
    else:
        import torch

        from animacy.gpu.fused import Fused

        net, _ = bench._network(loaded("default"), SIZE)
        mine, of = (int(n) for n in share.split("/"))
        seen = [0]

        def choose(layer: Any, methods: dict[str, Any], batch: int) -> str:
            seen[0] += 1
            if seen[0] % of == mine:
                for name, method in methods.items():
                    if name.startswith(("triton", "cudnn")):
                        try:
                            method(batch)
                        except Exception as error:
                            print(f"{layer.name} {name}: {error}"[:300], flush=True)
            return "cudnn"

        with torch.no_grad():
            Fused(net, torch.zeros(16, 128, 128, 160, device="cuda", dtype=torch.float16),
                  torch.zeros(16, 128, 128, 64, device="cuda", dtype=torch.float16), choose=choose)  # fmt: skip


PARTS: dict[str, Part] = {
    "bits": bits, "draw": draw, "network": network, "whole": whole
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--parts", default="bits,draw,network,whole")
    parser.add_argument("--seconds", type=float, default=190.0)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--warm", help=argparse.SUPPRESS)
    parser.add_argument("--resume", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.before:
        old.append(arguments.before)
    before_too = ["--before", str(arguments.before)] if arguments.before else []
    if arguments.warm:
        warm(arguments.warm)
        return
    parts = arguments.parts.split(",")
    shares = [f"picture:{v}" for v in versions()]
    if {"network", "whole"} & set(parts):
        shares += ["compiled:", *fused_shares()]
    compiled(shares, before_too)
    cuda.scene = scene
    report: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.resume else {}

    def save() -> None:
        if arguments.out:
            arguments.out.write_text(json.dumps(report, indent=1, default=str) + "\n")

    if not arguments.resume:
        with guarded(report, "machine"):
            report["machine"] = bench.machine()
    for i, part in enumerate(parts):
        if passed() > arguments.seconds:
            told(f"{part} is left out: {arguments.seconds} s are over")
            continue
        run(part, PARTS[part], report, save)
        if parts[i + 1 :] and arguments.out and not healthy():
            told("the GPU refuses this process; the other parts go to a new one")
            left = str(max(1.0, arguments.seconds - passed()))
            given = [
                "--out",
                str(arguments.out),
                "--parts",
                ",".join(parts[i + 1 :]),
                "--seconds",
                left,
                "--resume",
                *before_too,
            ]
            subprocess.run([sys.executable, __file__, *given], check=False)
            return
    told("done")


def healthy() -> bool:
    """Whether CUDA still does what this process asks: after a kernel's fault it does not."""
    import torch

    try:
        torch.zeros(1, device="cuda").cpu()
    except Exception:
        return not torch.cuda.is_available()
    return True


if __name__ == "__main__":
    main()
