"""The GPU's face stage from motion to I420, its kernels on the host: against the CPU's path; and what chooses between them."""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import cuda_on_host
import synthetic
from animacy import engine, render
from animacy.avatar import Avatar
from animacy.errors import AnimacyError, UsageError
from animacy.face import Drawn, make_face
from animacy.live import Scheduler, Session
from animacy.live.stream import Stream
from animacy.render.cpu import CpuRenderer
from animacy.send import Mp4
from animacy.send.yuv import i420_over
from animacy.types import Faces, Frames, Motion
from test_engine import Beeps, Words
from test_gpu import kernels as kernels
from test_live_session import Clock, Tone
from test_render import motion

torch = pytest.importorskip("torch", reason="needs pip install 'animacy[train]'")

from animacy.gpu import stage  # noqa: E402
from animacy.train import generator  # noqa: E402

SIZE = 64


class HostRuntime:
    """A contracts.Runtime whose device is the host: all is done at once."""

    name = "host"

    def __init__(self) -> None:
        self.memory: list[Any] = []
        self.captured = 0
        self.closed = False

    def stream(self) -> int:
        return 0

    def event(self) -> object:
        return self

    def record(self, event: object, stream: int) -> None: ...
    def wait(self, stream: int, event: object) -> None: ...
    def synchronise(self, event: object) -> None: ...

    def device(self, count: int) -> int:
        self.memory.append(np.zeros(count, np.uint8))
        return int(self.memory[-1].ctypes.data)

    def pinned(self, count: int) -> Any:
        return np.zeros(count, np.uint8)

    def download(self, source: int, to: Any, stream: int) -> None:
        to[:] = np.frombuffer((ctypes.c_uint8 * len(to)).from_address(source), np.uint8)

    def upload(self, source: Any, to: int, stream: int) -> None:
        ctypes.memmove(to, source.ctypes.data, source.nbytes)

    def copy(self, source: int, to: int, count: int, stream: int) -> None:
        ctypes.memmove(to, source, count)

    def elapsed(self, first: object, last: object) -> float:
        return 0.0

    def capture(self, stream: int, work: Callable[[], Any]) -> Any:
        self.captured += 1
        return work

    def replay(self, graph: Any, stream: int) -> None:
        graph()

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Avatar:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    network = generator.Network(generator.Shape(SIZE, 4, (8, 8, 12, 16), 1.0)).eval()
    path = tmp_path_factory.mktemp("network") / "lite.onnx"
    generator.export(network, path, SIZE, half=False)
    weights = dataclasses.replace(synthetic.generator("lite"), size=SIZE, weights=path.read_bytes())
    return dataclasses.replace(synthetic.avatar(rings=12, sectors=24, texture=64), generators=(weights,))


@pytest.fixture
def on_gpu(kernels: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> HostRuntime:
    """The machine has a GPU with CUDA, which is the host."""
    runtime = HostRuntime()
    monkeypatch.setattr(stage, "CupyDevice", lambda: cuda_on_host.HostDevice(kernels))
    monkeypatch.setattr(stage, "Cuda", lambda asleep: runtime)
    monkeypatch.setattr(render, "cuda_missing", lambda: None)
    opened = stage.opened
    monkeypatch.setattr(stage, "opened", lambda *given, **more: opened(*given, **more, torch_device="cpu"))
    return runtime


def on_cpu(avatar: Avatar, size: int, frames: Motion) -> np.ndarray:
    """[B, size * 3 / 2, size] as `animacy say` makes them on a CPU."""
    background = np.asarray(Image.fromarray(avatar.background).resize((size, size), Image.Resampling.LANCZOS))
    out = np.empty((len(frames), size * 3 // 2, size), np.uint8)
    with make_face(avatar, size, rasteriser="cpu", backend="onnx") as face:
        painted = [f for faces in face.paint(frames.batches(8)) for f in faces.rgba]
    for rgba, i420 in zip(painted, out, strict=True):
        i420_over(rgba, background, i420)
    return out


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(a.astype(float) - b).mean(), 1e-9)))


@pytest.mark.parametrize("size", [SIZE, 96, 48])
def test_frames_of_the_gpu_are_those_of_the_cpu(avatar: Avatar, on_gpu: HostRuntime, size: int) -> None:
    frames = motion(7, seed=3)
    with make_face(avatar, size, rasteriser="cuda", backend="torch", gpu_batches=(1, 2, 4)) as face:
        assert face.batch == 4
        painted = [p.i420.copy() for p in face.paint(frames.batches(4)) if isinstance(p, Frames)]
    assert on_gpu.closed and on_gpu.captured == 9  # each size of batch, once for each slot
    assert [len(p) for p in painted] == [4, 3]
    expected = on_cpu(avatar, size, frames)
    found = [psnr(a, b) for a, b in zip(np.concatenate(painted), expected, strict=True)]
    assert min(found) >= (40 if size == SIZE else 33), found  # other sizes are scaled by other filters
    assert psnr(painted[0][0], expected[4]) < min(found) - 3  # another frame is not


def test_batches_are_cut_rather_than_padded_far() -> None:
    parts = stage.cuts((1, 4, 16, 64))
    assert [parts[n] for n in (1, 2, 5, 15, 16, 17, 32, 33, 60, 64)] == [
        [1], [4], [4, 1], [16], [16], [16, 1], [16, 16], [16, 16, 1], [64], [64],
    ]  # fmt: skip
    for count, sizes in enumerate(parts):
        assert count <= sum(sizes) < count + min(sizes, default=1), (count, sizes)  # the last alone is padded
    assert all(len(sizes) == 1 for sizes in stage.cuts(range(1, 65))[1:])


def test_cut_batches_are_the_same_frames_in_order(avatar: Avatar, on_gpu: HostRuntime) -> None:
    frames = motion(9, seed=3)
    with make_face(avatar, SIZE, rasteriser="cuda", backend="torch", gpu_batches=(1, 4, 16)) as face:
        one = [np.array(p.i420) for n in frames.batches(1) for p in face.paint([n]) if isinstance(p, Frames)]
        cut = [np.array(p.i420) for p in face.paint([frames]) if isinstance(p, Frames)]
        with pytest.raises(AnimacyError, match="17 frames came to a stage of 1 to 16"):
            list(face.paint([motion(17)]))
    assert [len(p) for p in cut] == [4, 4, 1]
    assert np.abs(np.concatenate(cut).astype(int) - np.concatenate(one)).max() <= 1


def test_nothing_is_compiled_or_allocated_once_the_stage_is_open(avatar: Avatar, on_gpu: HostRuntime) -> None:
    with make_face(avatar, SIZE, rasteriser="cuda", backend="torch", gpu_batches=(1, 4)) as face:
        captured, held = on_gpu.captured, len(on_gpu.memory)
        for count in (1, 2, 4, 4, 4, 3):
            list(face.paint([motion(count)]))
        assert (on_gpu.captured, len(on_gpu.memory)) == (captured, held)


def test_a_film_is_the_same_by_gpu_and_by_cpu(avatar: Avatar, on_gpu: HostRuntime, tmp_path: Path) -> None:
    films = []
    for rasteriser, backend in (("cuda", "torch"), ("cpu", "onnx")):
        path = tmp_path / f"{rasteriser}.mp4"
        with (
            make_face(avatar, SIZE, rasteriser=rasteriser, backend=backend) as face,
            Mp4(path, SIZE, 25, avatar.background) as film,
        ):
            line = engine.Line(Beeps(), Nodding(), face, (film,))
            done = engine.perform(Words().read("one two three\nfour"), line)
        with av.open(str(path)) as container:
            films.append([f.to_ndarray(format="yuv420p") for f in container.decode(video=0)])
        assert len(films[-1]) == done.frames > 40
    assert min(psnr(a, b) for a, b in zip(*films, strict=True)) >= 38  # the encoder adds its own


class Nodding:
    """A Mover of frames that differ."""

    def __init__(self) -> None:
        self.samples = self.frames = 0

    def move(self, sentence: Any, speech: Any) -> Motion:
        self.samples += len(speech.samples)
        count = self.samples * 25 // speech.rate - self.frames
        self.frames += count
        return motion(count, seed=self.frames)


def test_live_sessions_are_painted_by_the_gpu_as_by_the_cpu(avatar: Avatar, on_gpu: HostRuntime) -> None:
    shown: dict[str, list[np.ndarray]] = {}
    for rasteriser, backend in (("cuda", "torch"), ("cpu", "onnx")):
        clock = Clock()
        background = np.asarray(Image.fromarray(avatar.background).resize((SIZE, SIZE), Image.Resampling.LANCZOS))
        with (
            make_face(avatar, SIZE, rasteriser=rasteriser, backend=backend, batch=4, gpu_batches=(1, 4)) as face,
            Session(Tone(), clock=clock, avatar="a") as one,
            Session(Tone(), clock=clock, seed=1, avatar="a") as two,
        ):
            scheduler = Scheduler({"a": face}, clock)
            streams = [Still(session, SIZE, {"a": background}, clock) for session in (one, two)]
            for session, stream in zip((one, two), streams, strict=True):
                scheduler.add(session, stream)
            for _ in range(3):
                scheduler.tick()
                clock.now += 0.04
            shown[rasteriser] = [i420 for stream in streams for _, _, i420 in stream._faces]
            for stream in streams:
                stream.close()
    assert len(shown["cuda"]) == len(shown["cpu"]) == 14  # three due, four ahead, of two
    assert min(psnr(a, b) for a, b in zip(shown["cuda"], shown["cpu"], strict=True)) >= 40


class Still(Stream):
    """A Stream whose faces stay where they are."""

    def _run(self) -> None:
        self.ended.set()


def test_finished_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="32 pixels came to a film of 64"),
        Mp4(tmp_path / "a.mp4", 64, 25, np.zeros((64, 64, 3), np.uint8)) as film,
    ):
        film.send(Frames(np.zeros((1, 48, 32), np.uint8)))
    assert not list(tmp_path.iterdir())


def test_auto_takes_cuda_where_it_is_and_says_so_once(avatar: Avatar, on_gpu: HostRuntime) -> None:
    told: list[str] = []
    with make_face(avatar, SIZE, backend="torch", gpu_batches=(1,), stage=told.append) as face:
        assert isinstance(face, stage.OnGpu)
    assert [line for line in told if line.startswith("drawing")] == [
        "drawing: CUDA, a GPU is there; frames stay on the GPU until they are video"
    ]


def test_how_the_network_was_made_ready_is_told(avatar: Avatar, on_gpu: HostRuntime) -> None:
    """The host is no GPU to PyTorch."""
    for prepared, expected in (("auto", ["the network: plain, PyTorch sees no GPU"]), ("plain", [])):
        told: list[str] = []
        with make_face(avatar, SIZE, backend="torch", gpu_batches=(1,), prepared=prepared, stage=told.append):
            pass
        assert [line for line in told if line.startswith("the network")] == expected


def test_auto_fuses_where_triton_can_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from animacy.gpu import torch as on_torch

    assert on_torch.preparation("cpu") == ("plain", "PyTorch sees no GPU")
    there: dict[str, Any] = {"triton": object(), "capability": (9, 0)}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: there["capability"])
    monkeypatch.setattr(on_torch, "find_spec", there.get)
    assert on_torch.preparation()[0] == "fused"
    there["capability"] = (7, 5)
    assert on_torch.preparation() == ("plain", "Triton needs compute capability 8.0, this GPU has 7.5")
    there["triton"] = None
    assert on_torch.preparation() == ("plain", "Triton is missing")


def test_auto_without_cuda_takes_what_there_is_and_says_why(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_opengl() -> None:
        raise AnimacyError("no OpenGL")

    monkeypatch.setattr(render, "cuda_missing", lambda: "no NVIDIA driver")
    monkeypatch.setattr("animacy.render.gl.open_context", no_opengl)
    told: list[str] = []
    with make_face(avatar, SIZE, generator="none", stage=told.append) as face:
        assert isinstance(face, Drawn) and isinstance(next(iter(face.paint([motion(1)]))), Faces)
    (line,) = (line for line in told if line.startswith("drawing"))
    assert line.endswith("no NVIDIA driver, no OpenGL")


def test_what_cuda_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver(name: str) -> None:
        raise OSError(name)

    def no_package(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    def without_gpu(name: str) -> SimpleNamespace:
        return SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: 0)))

    monkeypatch.setattr(render.ctypes, "CDLL", no_driver)
    assert render.cuda_missing() == "no NVIDIA driver"
    monkeypatch.setattr(render.ctypes, "CDLL", lambda name: None)
    monkeypatch.setattr(render.importlib, "import_module", no_package)
    assert "cupy cannot be imported" in str(render.cuda_missing())
    monkeypatch.setattr(render.importlib, "import_module", without_gpu)
    assert render.cuda_missing() == "no GPU"


@pytest.mark.parametrize("network", ["none", "auto"])
def test_cuda_that_cannot_be_had_is_an_error_with_the_remedy(
    avatar: Avatar, monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    told = r"CuPy.*animacy\[gpu\].*--rasteriser cpu.*animacy doctor"
    with (
        pytest.raises(AnimacyError, match=told) as caught,
        make_face(avatar, SIZE, rasteriser="cuda", generator=network, backend="torch"),
    ):
        pass
    assert "\n" not in str(caught.value) and caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("prepared", "remedy"),
    [
        ("compiled", "compiled .* give --prepare plain, or"),
        ("fused", "fused .* give --prepare compiled or --prepare plain, or"),
    ],
)
def test_a_compiler_that_gives_up_is_an_error_with_the_remedy(
    avatar: Avatar, on_gpu: HostRuntime, monkeypatch: pytest.MonkeyPatch, prepared: str, remedy: str
) -> None:
    def failing(*given: Any, **how: Any) -> None:
        raise RuntimeError("no C compiler\nfound")

    monkeypatch.setattr("animacy.gpu.torch.TorchGenerator", failing)
    with (
        pytest.raises(AnimacyError, match=remedy) as error,
        make_face(avatar, SIZE, rasteriser="cuda", backend="torch", prepared=prepared),
    ):
        pass
    assert "RuntimeError: no C compiler found" in str(error.value)
    assert on_gpu.closed


def test_what_cannot_be_fused_is_not_painted_otherwise(avatar: Avatar, on_gpu: HostRuntime) -> None:
    with (
        pytest.raises(AnimacyError, match="on a GPU alone; give --prepare compiled"),
        make_face(avatar, SIZE, rasteriser="cuda", backend="torch", prepared="fused"),
    ):
        pass


def test_names_that_are_unknown_are_refused(avatar: Avatar, on_gpu: HostRuntime) -> None:
    for wrong, told in (
        ({"rasteriser": "crayon"}, "give auto, gl, cuda or cpu"),
        ({"backend": "crayon"}, "crayon"),
        ({"prepared": "crayon", "backend": "torch"}, "give auto, fused, compiled or plain"),
        ({"prepared": "crayon", "rasteriser": "cpu", "backend": "onnx"}, "give auto, fused, compiled or plain"),
    ):
        with pytest.raises(UsageError, match=told), make_face(avatar, SIZE, **wrong):
            pass


def test_a_renderer_of_cuda_serves_a_network_on_the_cpu(
    avatar: Avatar, kernels: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("animacy.gpu.cuda.CupyDevice", lambda: cuda_on_host.HostDevice(kernels))
    with make_face(avatar, SIZE, rasteriser="cuda", backend="onnx") as face, CpuRenderer(avatar, SIZE, threads=1) as cpu:
        assert isinstance(face, Drawn)
        (faces,) = face.paint([motion(2)])
        assert isinstance(faces, Faces) and faces.rgba.shape == (2, SIZE, SIZE, 4)
        assert cpu.size == SIZE
