"""What the doctor tells, and what its exit code says."""

from __future__ import annotations

import sys

import pytest

from animacy import doctor
from animacy.cli import main


def test_every_part_is_told_with_what_brings_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = {name: (works, remark) for name, works, remark in doctor.examine()}
    for name in ("GPU", "CUDA", "EGL's device is CUDA's", "OpenGL and CUDA share memory", "MPS", "TensorRT", "Mesa", "voices"):
        assert name in found
    assert "encoder h264_nvenc" in found and "networks of default" in found
    assert all(remark and "\n" not in remark for works, remark in found.values() if not works)
    for purpose in doctor.NEEDED.values():
        assert set(purpose) <= set(found)
    assert found["voices"][0]


def parts(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    names = sorted({n for needed in doctor.NEEDED.values() for n in needed})
    monkeypatch.setattr(doctor, "examine", lambda: iter([(n, n != missing, "do this") for n in names]))


def test_the_exit_code_tells_whether_what_is_needed_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts(monkeypatch, "CUDA")
    assert main(["doctor"]) == 0
    assert main(["doctor", "--purpose", "gpu"]) == 1
    assert capsys.readouterr().err == "animacy: missing for gpu: CUDA; the table tells what brings each\n"
    parts(monkeypatch, "encoder aac")
    assert main(["doctor"]) == 1
    assert main(["doctor", "--purpose", "gl"]) == 0


def test_a_part_that_fails_in_an_unheard_of_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cupy", "torch", "moderngl", "tensorrt", "tensorrt_bindings", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("PATH", "")
    found = {name: (works, remark) for name, works, remark in doctor.examine()}
    for name in ("GPU", "CUDA kernels", "PyTorch on the GPU", "OpenGL and CUDA share memory", "MPS", "TensorRT"):
        assert not found[name][0]
    assert "pip install tensorrt" in found["TensorRT"][1]
