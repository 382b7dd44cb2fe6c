"""Networks in ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import synthetic
from animacy.errors import AnimacyError, UsageError
from animacy.generate import Shaded, make_generator
from animacy.generate.onnx import OnnxGenerator, as_input, as_input_slow, as_rgba_slow
from animacy.generate.resized import Resized
from animacy.types import Conditions, Faces
from synthetic import network


def frames(count=3, size=16, seed=0):
    rng = np.random.default_rng(seed)
    return Conditions(*(rng.integers(0, 256, (count, size, size, c), np.uint8) for c in (4, 4, 2)))


def test_a_random_network_paints_what_its_numbers_say():
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(0, 0.2, (4, 10)), np.array([0.2, 0.3, 0.4, 0.9])
    c = frames()
    painted = OnnxGenerator(network(weight, bias), threads=1).generate(c).rgba
    x = np.concatenate([c.shaded / 255, c.unlit / 255, (c.normal.astype(float) - 128) / 127], -1)
    y = np.clip(x @ weight.T + bias, 0, 1)
    y[..., :3] = np.minimum(y[..., :3], y[..., 3:])
    assert painted.dtype == np.uint8
    assert np.abs(painted - 255 * y).max() < 0.51


def test_a_network_that_copies_gives_the_shaded_frame_back():
    c = frames()
    shaded = c.shaded.copy()
    shaded[..., :3] = np.minimum(shaded[..., :3], shaded[..., 3:])  # as the rasteriser gives them
    copy = np.eye(4, 10)
    painted = OnnxGenerator(network(copy, np.zeros(4))).generate(Conditions(shaded, c.unlit, c.normal))
    np.testing.assert_array_equal(painted.rgba, shaded)


def test_normals_are_level_at_128():
    c = frames(1)
    level = as_input(Conditions(c.shaded, c.unlit, np.full_like(c.normal, 128)))
    assert level.shape == (1, 10, 16, 16)
    assert (level[:, 8:] == 0).all()


def test_no_frames_are_painted_as_none():
    generator = OnnxGenerator(network(np.eye(4, 10), np.zeros(4)))
    assert generator.generate(frames(0)).rgba.shape == (0, 16, 16, 4)


def test_frames_of_another_size_are_refused():
    generator = OnnxGenerator(network(np.eye(4, 10), np.zeros(4)))
    assert generator.size == 16
    with pytest.raises(AnimacyError, match=r"32x32 came to a network that paints 16x16"):
        generator.generate(frames(1, 32))


def test_networks_with_other_ports_are_refused():
    with pytest.raises(AnimacyError, match=r"^lite\.onnx has the ports .* needed conditions \[B, 10, S, S\]"):
        OnnxGenerator(network(np.eye(4, 9), np.zeros(4), inputs=9), source="lite.onnx")


def test_a_network_may_come_as_a_file_or_as_its_bytes(tmp_path):
    data = network(np.eye(4, 10), np.full(4, 0.1))
    (tmp_path / "a.onnx").write_bytes(data)
    painted = [OnnxGenerator(given).generate(frames()).rgba for given in (data, tmp_path / "a.onnx", str(tmp_path / "a.onnx"))]
    np.testing.assert_array_equal(painted[0], painted[1])
    np.testing.assert_array_equal(painted[0], painted[2])


def test_a_network_that_says_one_size_and_paints_another_is_one_line():
    """Its ports promise 4 channels; the sums give 3."""
    with pytest.raises(AnimacyError, match=r"^lite\.onnx ") as caught:
        OnnxGenerator(network(np.eye(3, 10), np.zeros(3)), source="lite.onnx")
    assert "\n" not in str(caught.value)


def test_the_kernels_agree_with_their_readable_twins():
    c = frames(2)
    np.testing.assert_allclose(as_input(c), as_input_slow(c), atol=1e-6)
    rng = np.random.default_rng(3)
    bias = rng.normal(0.5, 0.8, 4)
    weight = rng.normal(0, 0.5, (4, 10))
    y = np.einsum("oc,ncij->noij", weight, as_input_slow(c)) + bias[:, None, None]
    painted = OnnxGenerator(network(weight, bias)).generate(c).rgba.astype(int)
    assert y.min() < 0 and y.max() > 1
    assert np.abs(painted - np.stack([as_rgba_slow(frame) for frame in y])).max() <= 1


def test_what_is_no_number_is_painted_as_nothing():
    assert (OnnxGenerator(network(np.zeros((4, 10)), np.full(4, np.nan))).generate(frames(1)).rgba == 0).all()


class Fixed:
    """A painter of frames made before, at 32 pixels."""

    size = 32

    def __init__(self, rgba):
        self.rgba = rgba

    def generate(self, conditions):
        return Faces(self.rgba)


def discs(count=2):
    """Premultiplied frames of 32 pixels: bright discs with hard rims, each of a colour of its own."""
    y, x = np.mgrid[:32, :32]
    inside = np.array([np.hypot(x - 15.5, y - 15.5 + 3 * i) < 9 for i in range(count)]).reshape(count, 32, 32)
    colours = np.array([[255, 200, 40, 255], [60, 250, 255, 255]])[:count]
    return (inside[..., None] * colours[:, None, None]).astype(np.uint8)


@pytest.mark.parametrize("pixels", [16, 8, 20, 31, 48, 64, 100])
def test_resizing_keeps_the_mean_colour_and_never_exceeds_alpha(pixels):
    rgba = discs()
    got = Resized(Fixed(rgba), pixels).generate(frames(2, 32)).rgba
    assert got.shape == (2, pixels, pixels, 4) and got.dtype == np.uint8
    assert (got[..., :3] <= got[..., 3:]).all()
    assert np.abs(got.mean((1, 2)) - rgba.mean((1, 2))).max() < 1.5
    # Premultiplied all the way: colour over alpha at the rims is what it is inside.
    rims = (got[0, ..., 3] > 100) & (got[0, ..., 3] < 200)
    assert rims.any()
    near = 0.03 if pixels < 32 else 0.08  # alpha is cut where a bicubic rim overshoots
    np.testing.assert_allclose(got[0][rims][:, 1] / got[0][rims][:, 3], 200 / 255, atol=near)


def test_halving_is_the_mean_of_four():
    rgba = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 4), np.uint8)
    got = Resized(Fixed(rgba), 16).generate(frames(1, 32)).rgba
    assert np.abs(got - rgba.reshape(1, 16, 2, 16, 2, 4).mean((2, 4))).max() <= 0.5


def test_no_frames_are_resized_to_none():
    assert Resized(Fixed(discs(0)), 16).generate(frames(0, 32)).rgba.shape == (0, 16, 16, 4)


@pytest.fixture(scope="module")
def bare():
    return synthetic.avatar(rings=6, sectors=8, texture=16)


def having(bare, *names):
    return replace(bare, generators=tuple(synthetic.generator(name) for name in names))


@pytest.mark.parametrize(
    ("name", "there", "size", "network_size", "said"),
    [
        ("auto", ("lite", "full"), 64, 256, "painting: lite"),
        ("auto", ("full", "lite"), 256, 256, "painting: lite"),
        ("auto", ("lite", "full"), 258, 512, "painting: full"),
        ("auto", ("lite", "full"), 1024, 512, "painting: full"),
        ("auto", ("lite",), 512, 256, "painting: lite, the bundle has no full"),
        ("auto", ("full",), 128, 512, "painting: full, the bundle has no lite"),
        ("auto", (), 256, None, "painting: none, the bundle has no network"),
        ("none", ("lite", "full"), 256, None, "painting: none, as asked for"),
        ("lite", ("lite", "full"), 512, 256, "painting: lite"),
        ("full", ("lite", "full"), 256, 512, "painting: full"),
    ],
)
def test_who_paints_is_chosen_and_said_once(bare, name, there, size, network_size, said):
    stages = []
    painter = make_generator(name, having(bare, *there), size, stages.append)
    assert painter.size == network_size
    assert stages == [said]
    if network_size is not None:
        c = frames(1, network_size)
        rgba = painter.generate(c).rgba
        assert rgba.shape == (1, size, size, 4)
        assert (rgba[..., 1] == 0).all() and rgba[..., 0].any()
    else:
        assert isinstance(painter, Shaded)


def test_networks_that_the_bundle_has_not_are_refused(bare):
    with pytest.raises(UsageError, match=r"--generator full: .* has lite; give auto, none, lite$"):
        make_generator("full", having(bare, "lite"), 256)
    with pytest.raises(UsageError, match=r"--generator lite: .* has no network; give auto, none$"):
        make_generator("lite", bare, 256)
    with pytest.raises(UsageError, match="'huge' is unknown"):
        make_generator("huge", having(bare, "lite"), 256)


@pytest.mark.parametrize("weights", [b"no network", network(np.eye(4, 10), np.zeros(4), 512)])
def test_a_bundle_whose_network_is_none_or_another_is_named(bare, weights):
    avatar = replace(bare, generators=(synthetic.generator("lite", weights),))
    with pytest.raises(AnimacyError, match=r"lite\.onnx of the avatar 'Synthetic'"):
        make_generator("auto", avatar, 256)


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x08" * 50])
def test_files_that_are_no_network_are_refused(tmp_path, content):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(AnimacyError, match=r"a\.onnx"):
        OnnxGenerator(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AnimacyError, match=r"none\.onnx: No such file"):
        OnnxGenerator(tmp_path / "none.onnx")


def test_backends_that_are_not_there_are_refused_and_none_takes_their_place(bare, monkeypatch):
    import sys

    avatar = having(bare, "lite")
    for name in ("tensorrt", "tensorrt_bindings", "tensorrt_rtx", "animacy.gpu.torch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AnimacyError, match="pip install tensorrt"):
        make_generator("lite", avatar, 256, backend="tensorrt")
    with pytest.raises(AnimacyError, match="PyTorch is missing"):
        make_generator("lite", avatar, 256, backend="torch")
    with pytest.raises(UsageError, match="'npu' is unknown; give auto, tensorrt, torch, onnx"):
        make_generator("lite", avatar, 256, backend="npu")
    assert isinstance(make_generator("lite", avatar, 256, backend="onnx"), OnnxGenerator)


def test_auto_says_in_the_log_what_it_took_and_why(bare, monkeypatch, caplog):
    import ctypes
    import importlib.util
    import sys
    import types

    def took():
        caplog.clear()
        with caplog.at_level("INFO", "animacy.generate"):
            painter = make_generator("lite", having(bare, "lite"), 256)
        assert isinstance(painter, OnnxGenerator) and len(caplog.records) == 1
        return caplog.text

    driver = ctypes.CDLL

    def without(name, *rest):
        if name == "libcuda.so.1":
            raise OSError(name)
        return driver(name, *rest)

    monkeypatch.setattr(ctypes, "CDLL", without)
    assert "no NVIDIA driver" in took()
    monkeypatch.setattr(ctypes, "CDLL", lambda name, *rest: None if name == "libcuda.so.1" else driver(name, *rest))
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else there(name))
    assert "no PyTorch" in took()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    unseen = types.SimpleNamespace(cuda=types.SimpleNamespace(is_available=lambda: False))
    monkeypatch.setitem(sys.modules, "torch", unseen)
    assert "sees no GPU" in took()
