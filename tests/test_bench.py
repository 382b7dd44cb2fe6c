"""What the benchmark measures and how it fails, without a GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import synthetic
from animacy import bench
from animacy.avatar import save
from animacy.classic import STEPS, OnnxInference
from animacy.cli import main
from animacy.errors import AnimacyError, UsageError
from animacy.render.cpu import CpuRenderer


def test_the_classic_path_is_timed_whole_and_by_step() -> None:
    pytest.importorskip("cv2")
    avatar = synthetic.avatar(rings=6, sectors=8, texture=16)
    data = synthetic.network(np.eye(4, 10), np.zeros(4), 32)
    settled: list[int] = []
    with CpuRenderer(avatar, 32, threads=1) as renderer:
        report = bench.time_classic(
            renderer, OnnxInference(data, 1), avatar, tuned=False, frames=5, settle=lambda: settled.append(1)
        )
    assert tuple(report["steps"]) == STEPS
    assert len(settled) == 5 * len(STEPS)
    assert 0 < report["p50_ms"] <= report["p99_ms"]
    assert report["frames_per_s"] > 0


def test_a_cpu_is_measured_and_labelled_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cv2")
    from dataclasses import replace

    avatar = synthetic.avatar(rings=6, sectors=8, texture=16)
    save(replace(avatar, generators=(synthetic.generator("lite"),)), tmp_path / "face")
    asked = ["bench", "stages", "--device", "cpu", "--sizes", "256", "--repeats", "3", "--avatar", str(tmp_path / "face")]
    assert main([*asked, "--json"]) == 0
    import json

    report = json.loads(capsys.readouterr().out)
    size = report["sizes"]["256"]
    assert report["device"] == "cpu" and "CPU alone" in size["note"]
    for path in ("classic", "classic_tuned", "cpu"):
        assert size[path]["frames_per_s"] > 0, size[path]
    assert size["cpu"]["ratio_to_classic"] > 0 and size["cpu"]["ratio_to_classic_tuned"] > 0
    assert report["machine"]["commit"] and report["machine"]["packages"]["numpy"]


@pytest.mark.parametrize("arguments", [["stages"], ["streams"]])
def test_without_a_gpu_it_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from animacy.gpu.runtime import Cuda

    try:
        Cuda().close()
    except AnimacyError:
        assert main(["bench", *arguments]) == 1
        message = capsys.readouterr().err.strip().splitlines()
        assert len(message) == 1 and "--device cpu" in message[0]
    else:
        pytest.skip("there is a GPU")


@pytest.mark.parametrize(
    "asked",
    [
        {"device": "tpu"},
        {"device": "cpu", "sizes": (300,)},
        {"device": "cpu", "batches": (65,)},
        {"repeats": 1},
        {"prepared": "crayon"},
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(asked: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="needed"):
        bench.stages(**asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="needed"):
        bench.streams(0)


def test_numbers_are_numbers() -> None:
    assert main(["bench", "stages", "--batches", "1,many"]) == 2


WORKER = "print('ready', flush=True); print(float(input()) * 10, flush=True)"


def test_processes_begin_together_and_are_added_up() -> None:
    report = bench.streams(3, seconds=2, command=[sys.executable, "-c", WORKER])
    assert report["frames_per_s"] == 60
    assert report["frames_per_s_of_each"] == [20, 20, 20]


@pytest.mark.parametrize(
    ("code", "said"), [("raise SystemExit('no memory')", "no memory"), ("print('ready')", "before it was done")]
)
def test_a_process_that_fails_is_told(code: str, said: str) -> None:
    with pytest.raises(AnimacyError, match=said):
        bench.streams(2, seconds=1, command=[sys.executable, "-c", code])


def test_mps_has_folders_of_its_own_and_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    tool = tmp_path / "nvidia-cuda-mps-control"
    tool.write_text(f'#!/bin/sh\necho "$1 $CUDA_MPS_PIPE_DIRECTORY" >>{log}\n[ "$1" = -d ] || cat >>{log}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with bench.mps() as environment:
        pipe = Path(environment["CUDA_MPS_PIPE_DIRECTORY"])
        assert pipe.is_dir()
    assert not pipe.exists()
    assert log.read_text().split() == ["-d", str(pipe), str(pipe), "quit"]
    tool.write_text("#!/bin/sh\necho no driver >&2\nexit 1\n")
    with pytest.raises(AnimacyError, match="no driver"), bench.mps():
        pass
    tool.unlink()
    with pytest.raises(AnimacyError, match="missing"), bench.mps():
        pass


def test_a_failing_part_is_reported_in_its_place() -> None:
    def fails() -> None:
        raise ValueError("two\nlines")

    assert bench.guarded(fails) == {"error": "ValueError: two lines"}


def test_software_opengl_is_no_baseline() -> None:
    pytest.importorskip("moderngl", reason="OpenGL is an extra")
    from animacy.render.gl import open_context

    try:
        context = open_context()
    except AnimacyError as error:
        pytest.skip(str(error))
    software = "llvmpipe" in context.info["GL_RENDERER"]
    context.release()
    if not software:
        pytest.skip("OpenGL is on a GPU here")
    with pytest.raises(AnimacyError, match="no fair baseline"):
        bench.classic_renderer(synthetic.avatar(rings=6, sectors=8, texture=16), 32)
