"""`animacy train`: from a folder of frames to networks, figures and a bundle that carries them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import synthetic
from animacy import cli
from animacy.avatar import load, save
from animacy.errors import AnimacyError, UsageError
from animacy.train import data, pipeline, portraits
from animacy.types import Motion

SIZE = pipeline.SIZES["lite"]


class Painter:
    """Paints the shaded frame without its green, so that a network of one convolution can be right."""

    def __init__(self, avatar):
        from animacy.render.cpu import CpuRenderer

        self.renderer = CpuRenderer(avatar, SIZE, threads=1)

    def shoot(self, weights, pose, sizes, *, spp, seed):
        shaded = self.renderer.render(Motion(weights[None], pose[None], 0, 25)).shaded[0].copy()
        shaded[..., 1] = 0
        return [(shaded, np.stack([shaded] * 2)) for _ in sizes]


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A folder of 6 frames, of which the last two are held out, and the avatar's bundle."""
    top = tmp_path_factory.mktemp("train")
    avatar = synthetic.avatar(8, 12)
    save(avatar, top / "face")
    rng = np.random.default_rng(0)
    weights, pose = np.zeros((6, 52), np.float32), rng.normal(0, 0.1, (6, 6)).astype(np.float32)
    pose[:, 3:] = 0
    motions = data.Motions(weights, pose, np.array(["speech"] * 6), np.arange(6) >= 4, np.arange(6) == 5)
    data.describe(top / "pairs", avatar, motions, size=SIZE, spp=2, spp_held_out=2, seed=0)
    data.make({SIZE: top / "pairs"}, avatar, motions, Painter(avatar), spp=2, spp_held_out=2)
    return top


def plan(frames, out, **more):
    given = {"avatar": str(frames / "face"), "folder": out, "networks": ("lite",), "pairs": frames / "pairs", "device": "cpu"}
    return pipeline.Plan(**(given | more))


def trained(folder, seconds=90):
    """What `fit` leaves behind, but for a network that paints without green."""
    folder.mkdir(exist_ok=True)
    (folder / "lite.onnx").write_bytes(synthetic.network(synthetic.GREENLESS, np.zeros(4), SIZE))
    record = {"name": "lite", "size": SIZE, "gflop": 0.01, "frames": 4, "seconds": seconds, "seed": 3, "card": "none"}
    (folder / "lite.training.json").write_text(json.dumps(record))
    (folder / "lite").mkdir(exist_ok=True)
    (folder / "lite" / "curve.jsonl").write_text(
        "".join(json.dumps({"step": s, "loss": 1 / s}) + "\n" for s in (100, 200, 300))
    )


def test_held_out_frames_are_judged_beside_the_plain_render(frames, tmp_path):
    trained(tmp_path / "run")
    lines = []
    found = pipeline.judge(plan(frames, tmp_path / "run"), "lite", lines.append)
    assert found["frames"] == 2
    assert found["generator"]["frame"]["psnr"] > 45
    assert found["shaded"]["frame"]["psnr"] < 30
    assert json.loads((tmp_path / "run" / "lite.report.json").read_text()) == found
    for name, size in (("sheet", (3 * SIZE, 2 * SIZE)), ("curve", (640, 360))):
        with Image.open(tmp_path / "run" / f"lite.{name}.png") as image:
            assert image.size == size
    with Image.open(tmp_path / "run" / "lite.portraits.jpg") as image:
        assert image.width > 5 * 128
        assert np.asarray(image).std() > 10
    assert any("shaded" in line and "PSNR" in line for line in lines)


def test_the_command_judges_and_puts_the_network_into_the_bundle(frames, tmp_path, capsys):
    trained(tmp_path / "run")
    bundle = tmp_path / "mine"
    save(synthetic.avatar(8, 12), bundle)
    given = ["train", str(bundle), "-o", str(tmp_path / "run"), "--pairs", str(frames / "pairs"), "--networks", "lite"]
    assert cli.main([*given, "--evaluate", "--into", str(bundle)]) == 0
    assert "PSNR" in capsys.readouterr().out
    (weights,) = load(bundle).generators
    assert (weights.name, weights.size, weights.training.seed, weights.training.hours) == ("lite", SIZE, 3, 0.025)
    assert weights.psnr > 45
    assert weights.weights == (tmp_path / "run" / "lite.onnx").read_bytes()
    # and without weights in the folder the bundle's are judged
    assert cli.main([*given[:2], "-o", str(tmp_path / "other"), *given[4:], "--evaluate"]) == 0
    assert (tmp_path / "other" / "lite.report.json").exists()


def test_a_folder_without_figures_is_not_adopted(frames, tmp_path):
    trained(tmp_path)
    with pytest.raises(UsageError, match=r"lacks lite\.report\.json; train and judge lite first"):
        pipeline.adopt(plan(frames, tmp_path), frames / "face", "animacy train", "abc", lambda line: None)


def test_no_weights_anywhere_is_said(frames, tmp_path):
    with pytest.raises(UsageError, match=r"neither .*lite\.onnx nor the bundle .* holds a network 'lite'"):
        pipeline.judge(plan(frames, tmp_path), "lite", lambda line: None)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--networks", "tiny"], "--networks tiny: needed lite, full or lite,full"),
        (["--processes", "0"], "--processes 0: needed at least 1"),
        (["--scale", "nan"], "--scale nan: needed at least 0.001"),
        (["--fit-minutes", "nan"], "--fit-minutes nan: needed at least 0"),
        (["--pairs", "nowhere"], "--pairs nowhere: no such folder"),
        (["--into", "nowhere"], "--into nowhere: no bundle's folder"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(given, told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "default", "-o", "out", *given]) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_processes_tell_in_a_line_what_is_wrong_with_frames(frames, tmp_path, capfd):
    pytest.importorskip("torch", reason="needs pip install 'animacy[train]'")
    with pytest.raises(AnimacyError, match="training of lite, full failed; see the message above"):
        pipeline.fit(plan(frames, tmp_path, pairs=tmp_path, networks=("lite", "full"), device="cuda"), lambda line: None)
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 2 and all("no usable manifest.json" in line for line in told)


def test_the_frames_are_traced_fitted_and_judged(frames, tmp_path):
    """The whole command, tiny; a second time it makes nothing again."""
    pytest.importorskip("mitsuba", reason="needs pip install 'animacy[train]'")
    torch = pytest.importorskip("torch", reason="needs pip install 'animacy[train]'")
    torch.set_num_threads(1)
    with np.load(frames / "pairs" / "motions.npz") as file:
        motions = data.Motions(*(file[name] for name in data.Motions.__slots__))
    out = tmp_path / "run"
    out.mkdir()
    motions.save(out / "motions.npz")
    whole = plan(frames, out, pairs=None, spp=2, spp_held_out=2, hairs=20, variant="scalar_rgb", processes=2, steps=2)
    lines: list[str] = []
    pipeline.run(whole, lines.append)
    assert len(data.load(out / str(SIZE)).target) == 6
    assert len(list((out / "portraits").glob("*.png"))) == len(portraits.poses()) == 15
    assert (out / "lite.onnx").stat().st_size < 4e6
    assert json.loads((out / "lite.report.json").read_text())["training"]["frames"] == 4
    times = {p: p.stat().st_mtime_ns for p in [out / "lite.onnx", *(out / str(SIZE) / "frames").iterdir()]}
    pipeline.run(whole, lines.append)
    assert {p: p.stat().st_mtime_ns for p in times} == times


def test_a_process_that_cannot_trace_is_not_started_for_ever(frames, tmp_path):
    pytest.importorskip("mitsuba", reason="needs pip install 'animacy[train]'")
    with np.load(frames / "pairs" / "motions.npz") as file:
        data.Motions(*(file[name] for name in data.Motions.__slots__)).save(tmp_path / "motions.npz")
    bad = plan(frames, tmp_path, pairs=None, variant="no_such", processes=1)
    with pytest.raises(AnimacyError, match="failed three times with no frame between"):
        pipeline.trace(bad, lambda line: None)


def test_plain_targets_are_summed_up_without_sharpness():
    figures = {r: {"psnr": 30.0, "psnr_lowest": 29.0, "ssim": 0.9} for r in ("frame", "face", "mouth", "eyes")}
    found = {"avatar": "a", "network": "lite", "frames": 1, "size": 256, "noise": {"frame": 40.0},
             "generator": figures | {"sharpness": {}}, "shaded": figures | {"sharpness": {"hair": 1.2}}}  # fmt: skip
    text = "\n".join(pipeline.summary(found))
    assert "unknown; flicker unknown" in text
    assert "hair 1.20" in text
