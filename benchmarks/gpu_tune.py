"""Which variants of drawing and painting are the fastest on this GPU, and whether all of them draw the same.

    python benchmarks/gpu_tune.py --out FILE.json [--parts bits,draw,network,whole,split,autotune] [--seconds 190]
        [--before DIR]

Parts run in order; a variant that fails is reported and the others go on; nothing begins after --seconds. The file is written
anew after each variant. Everything is compiled first, side by side, in processes of their own that fill the compilers' caches.
--before: a folder with the kernels that the new ones have to agree with bit for bit and are timed beside, of commit b02340e:

    git archive b02340e src/animacy/gpu | tar x --strip-components 3 -C DIR

Without it variants are held against the first of them.
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
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from animacy import bench
from animacy.avatar import bundle
from animacy.gpu import cuda, device
from animacy.render import shading

SIZE = 512
# WALK: pixels walk over triangles (1), SORTed from the front to the back or not, or triangles' rows compete for samples (0).
# Blocks at least that find what is nearest, and that shade, at once on a processor. ftz: numbers below 1e-38 are 0.
VARIANTS: dict[str, dict[str, int]] = {
    "e": {"WALK": 1, "SORT": 1, "FIND_BLOCKS": 4, "SHADE_BLOCKS": 3},
    "f": {"WALK": 1, "SORT": 0, "FIND_BLOCKS": 4, "SHADE_BLOCKS": 4, "ftz": 1},
    "g": {"WALK": 0, "FIND_BLOCKS": 4, "SHADE_BLOCKS": 3, "ftz": 1},
    "h": {"WALK": 1, "SORT": 1, "REFRESH": 4, "FIND_BLOCKS": 5, "SHADE_BLOCKS": 2, "ftz": 1},
}
SECTIONS = ("ready", "whole", "cutouts", "written")  # of `visibility`, as picture.cu counts cycles in them
best = ["e"]  # the fastest variant that was measured
old: list[Path] = []  # the folder of kernels as they were, if it was given
BEGAN = time.perf_counter()
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


def told(what: str) -> None:
    print(f"{time.perf_counter() - BEGAN:6.1f} s  {what}", flush=True)


@functools.cache
def before() -> Any:
    """cuda.py as it was."""
    spec = importlib.util.spec_from_file_location("animacy.gpu.cuda_before", old[0] / "cuda.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[spec.name] = module  # type: ignore[union-attr]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    module.scene = scene  # type: ignore[attr-defined]
    return module


def variants() -> tuple[str, ...]:
    return (*(["before"] if old else []), *VARIANTS)


def use(variant: str) -> Any:
    """Let devices made from now on compile a variant; gives the module whose CudaRenderer goes with it."""
    device.source, modules = PRESENT
    device.MODULES.clear()
    device.MODULES.update(modules)
    names, options = modules["picture"]
    if variant == "before":
        device.MODULES["geometry"] = (("deform", "project", "setup", "allot", "fill"), ())
        device.MODULES["picture"] = (("draw", "visibility", "shade"), options)

        def source(module: str) -> str:
            folder = device.HERE if module == "convert" else old[0]
            return (folder / "common.cu").read_text() + (folder / f"{module}.cu").read_text()

        device.source = source
        return before()
    how = dict(VARIANTS[variant])
    flush = ("--ftz=true",) if how.pop("ftz", 0) else ()
    device.MODULES["picture"] = (names, (*options, *flush, *(f"-D{k}={v}" for k, v in how.items())))
    return cuda


def counting() -> Any:
    """The module of the variant in use that counts cycles."""
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
def renderer(variant: str, avatar: str, batch: int, **more: Any) -> Iterator[tuple[Any, Any]]:
    module = use(variant)
    on = device.CupyDevice()
    try:
        with module.CudaRenderer(loaded(avatar), SIZE, batch, device=on, **more) as made:
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


def drawn(variant: str, avatar: str) -> tuple[Any, Any]:
    """Numbers of the samples and the network's input of 4 frames, by both ways, which have to agree."""
    with renderer(variant, avatar, 4) as (on, made):
        numbers = on.zeros((4, 2 * SIZE, 2 * SIZE), np.uint32)
        folded, halves = (on.zeros((4, SIZE // 4, SIZE // 4, 160), np.float16) for _ in range(2))
        made.place(made.upload(bench.talking(4, 3)))
        made.draw(4, folded=folded)
        made.number(4, numbers)
        made.shade(4, numbers, folded=halves)
        found = on.copy_out(numbers, 4, 0), on.copy_out(folded, 4, 0)
        apart = np.abs(found[1].astype(np.float32) - on.copy_out(halves, 4, 0).astype(np.float32)).max()
        if apart > 1.01 / 127:
            told(f"  {variant}: one pass and two differ by {apart * 255:.1f} steps")
        return found


def bits(report: dict[str, Any], save: Callable[[], None]) -> None:
    for avatar in ("default", "leo"):
        expected = drawn(variants()[0], avatar)
        for variant in VARIANTS:
            with guarded(report, f"{avatar} {variant}"):
                numbers, folded = drawn(variant, avatar)
                steps = np.abs(folded.astype(np.float32) - expected[1].astype(np.float32)) * 255
                row = {
                    "samples": int(numbers.size),
                    "samples_that_differ": int((numbers != expected[0]).sum()),
                    "input_that_differs": int((steps > 0).sum()),
                    "most_steps": round(float(steps.max()), 2),
                }
                report[f"{avatar} {variant}"] = row
                told(f"  {avatar} {variant}: {row}")
                save()


def draw(report: dict[str, Any], save: Callable[[], None]) -> None:
    whole: dict[str, float] = {}
    for variant in variants():
        for avatar, batches in (("default", (16, 64)), ("leo", (64,))):
            with guarded(report, f"{variant} {avatar}"), renderer(variant, avatar, 64) as (on, made):
                for batch in batches:
                    us = drawing_us(on, made, batch)
                    report[f"{variant} {avatar} {batch}"] = us
                    told(f"  {variant} {avatar} {batch}, us a frame: {us}")
                    save()
                if variant != "before":
                    whole[variant] = whole.get(variant, 0.0) + us["whole"]
                    report[f"{variant} {avatar} sections"] = found = sections(on, made, 64)
                    told(f"    sections of visibility, %: {found}")
                    save()
    if whole:
        best[0] = min(whole, key=whole.__getitem__)
        told(f"  the fastest: {best[0]}")


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
    with renderer(best[0], "default", batch) as (on, made):
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
        (64, (*(["before compiled"] if old else []), f"{best[0]} compiled", f"{best[0]} fused")),
        (16, (f"{best[0]} fused",)),
    ):
        for name in kinds:
            variant, kind = name.split()
            name = f"{batch} {name}"
            with guarded(report, name):
                module = use(variant)
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


def split(report: dict[str, Any], save: Callable[[], None]) -> None:
    """PyTorch's compiler with the upsampling's products moved before it, as fused.py does."""
    import torch
    import torch.nn.functional as F

    from animacy.gpu import torch as on_torch
    from animacy.gpu.fused import halves_of_rows

    class Up(torch.nn.Module):
        def __init__(self, conv: Any, old: int) -> None:
            super().__init__()
            self.old = torch.nn.Conv2d(old, conv.out_channels, 3, 1, 1)
            self.old.weight.data, self.old.bias.data = conv.weight.data[:, -old:].clone(), conv.bias.data.clone()
            self.up = torch.nn.Parameter(halves_of_rows(conv.weight.data[:, :-old]).flatten(0, 1))

        def forward(self, low: Any, high: Any) -> Any:
            y, n = F.conv2d(low, self.up, padding=1), self.old.out_channels
            h, w = low.shape[2:]
            y = torch.stack([y[:, :n, :h, :w], y[:, n : 2 * n, :h, 1:], y[:, 2 * n : 3 * n, 1:, :w], y[:, 3 * n :, 1:, 1:]], 2)
            y = y.reshape(-1, n, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(-1, n, 2 * h, 2 * w)
            return F.leaky_relu(y + self.old(high), 0.1)

    class Split(on_torch.Folded):
        def __init__(self, network: Any) -> None:
            super().__init__(network)
            n = network
            self.ups = torch.nn.ModuleList(
                Up(up[0][0], old) for up, old in (
                    (n.up2, n.down2[0][0].out_channels), (n.up1, n.down1[0][0].out_channels), (n.leave, n.enter[0].out_channels)
                )
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            n = self.network
            a = n.enter(x)
            b = n.down1(a)
            c = n.down2(b)
            d = n.down3(c)
            c = n.up2[1](self.ups[0](d, c))
            b = n.up1[1](self.ups[1](c, b))
            return x[:, : self.painted] + n.applied(x, n.leave[2](n.leave[1](self.ups[2](b, a))))

    plain = on_torch.Folded
    net, x = network_and_input(16)
    on_torch.Folded = Split  # type: ignore[misc]
    try:
        for batch in (16, 64):
            with guarded(report, str(batch)):
                report[str(batch)] = painting_us(generator(net, batch, "compiled"), batch)
                told(f"  split {batch}: {report[str(batch)]} us a frame")
                save()
    finally:
        on_torch.Folded = plain  # type: ignore[misc]
    with guarded(report, "psnr"):
        with torch.no_grad():
            a, b = (
                k(copy.deepcopy(louder(net)).float()).cuda().eval()(x[:2].permute(0, 3, 1, 2).float()) for k in (plain, Split)
            )
        report["largest difference in FP32"] = float((a - b).abs().max())
        told(f"  split: largest difference in FP32 {report['largest difference in FP32']:.2e}")


def autotune(report: dict[str, Any], save: Callable[[], None]) -> None:
    """PyTorch's compiler, told to try its own templates for convolutions: minutes."""
    import torch

    net, _ = bench._network(loaded("default"), SIZE)
    plain = torch.compile
    torch.compile = functools.partial(plain, mode="max-autotune-no-cudagraphs")
    try:
        for batch in (64, 16):
            with guarded(report, str(batch)):
                report[str(batch)] = painting_us(generator(net, batch, "compiled"), batch)
                told(f"  max-autotune {batch}: {report[str(batch)]} us a frame")
                save()
    finally:
        torch.compile = plain


@contextmanager
def guarded(report: dict[str, Any], name: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        report[name] = {"error": traceback.format_exc()}
        print(report[name]["error"], flush=True)


def warm(what: str) -> None:
    """Fill the compilers' caches with a share of what the parts need."""
    kind, _, share = what.partition(":")
    if kind == "picture":
        use(share)
        device.CupyDevice().close()
        if share != "before":
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


PARTS: dict[str, Callable[[dict[str, Any], Callable[[], None]], None]] = {
    "bits": bits, "draw": draw, "network": network, "whole": whole, "split": split, "autotune": autotune
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
    shares = [f"picture:{v}" for v in variants()]
    if {"network", "whole"} & set(parts):
        shares += ["compiled:", *(f"fused:{i}/9" for i in range(9))]
    told("compiling")
    running = {share: subprocess.Popen([sys.executable, __file__, "--warm", share, *before_too], stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True) for share in shares}  # fmt: skip
    for share, process in running.items():
        try:
            said = process.communicate(timeout=max(1.0, 75 - (time.perf_counter() - BEGAN)))[0]
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()[0] + " (took too long)"
        if process.returncode:
            told(f"  {share} failed: {said[-1500:]}")
    cuda.scene = scene
    report: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.resume else {}

    def save() -> None:
        if arguments.out:
            arguments.out.write_text(json.dumps(report, indent=1, default=str) + "\n")

    if not arguments.resume:
        with guarded(report, "machine"):
            report["machine"] = bench.machine()
    for i, part in enumerate(parts):
        if time.perf_counter() - BEGAN > arguments.seconds:
            told(f"{part} is left out: {arguments.seconds} s are over")
            continue
        told(part)
        report[part] = {}
        with guarded(report, f"{part}, error"):
            PARTS[part](report[part], save)
        save()
        if parts[i + 1 :] and arguments.out and not healthy():
            told("the GPU refuses this process; the other parts go to a new one")
            left = str(max(1.0, arguments.seconds - (time.perf_counter() - BEGAN)))
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
