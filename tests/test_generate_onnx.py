"""Networks in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from animacy.errors import AnimacyError
from animacy.generate.onnx import OnnxGenerator, as_input
from animacy.types import Conditions

onnx = pytest.importorskip("onnx", reason="needs pip install onnx")


def network(path, weight, bias, size=16, inputs=10, outputs=4):
    """One 1x1 convolution."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Conv", ["conditions", "w", "b"], ["rgba"])],
        "tiny",
        [helper.make_tensor_value_info("conditions", 1, ["batch", inputs, size, size])],
        [helper.make_tensor_value_info("rgba", 1, ["batch", outputs, size, size])],
        [onnx.numpy_helper.from_array(weight.astype(np.float32)[..., None, None], "w"),
         onnx.numpy_helper.from_array(bias.astype(np.float32), "b")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def frames(count=3, size=16, seed=0):
    rng = np.random.default_rng(seed)
    return Conditions(*(rng.integers(0, 256, (count, size, size, c), np.uint8) for c in (4, 4, 2)))


def test_a_random_network_paints_what_its_numbers_say(tmp_path):
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(0, 0.2, (4, 10)), np.array([0.2, 0.3, 0.4, 0.9])
    c = frames()
    painted = OnnxGenerator(network(tmp_path / "a.onnx", weight, bias), threads=1).generate(c).rgba
    x = np.concatenate([c.shaded / 255, c.unlit / 255, (c.normal.astype(float) - 128) / 127], -1)
    y = np.clip(x @ weight.T + bias, 0, 1)
    y[..., :3] = np.minimum(y[..., :3], y[..., 3:])
    assert painted.dtype == np.uint8
    assert np.abs(painted - 255 * y).max() < 0.51


def test_a_network_that_copies_gives_the_shaded_frame_back(tmp_path):
    c = frames()
    shaded = c.shaded.copy()
    shaded[..., :3] = np.minimum(shaded[..., :3], shaded[..., 3:])  # as the rasteriser gives them
    copy = np.eye(4, 10)
    painted = OnnxGenerator(network(tmp_path / "a.onnx", copy, np.zeros(4))).generate(Conditions(shaded, c.unlit, c.normal))
    np.testing.assert_array_equal(painted.rgba, shaded)


def test_normals_are_level_at_128():
    c = frames(1)
    level = as_input(Conditions(c.shaded, c.unlit, np.full_like(c.normal, 128)))
    assert level.shape == (1, 10, 16, 16)
    assert (level[:, 8:] == 0).all()


def test_no_frames_are_painted_as_none(tmp_path):
    generator = OnnxGenerator(network(tmp_path / "a.onnx", np.eye(4, 10), np.zeros(4)))
    assert generator.generate(frames(0)).rgba.shape == (0, 16, 16, 4)


def test_frames_of_another_size_are_refused(tmp_path):
    generator = OnnxGenerator(network(tmp_path / "a.onnx", np.eye(4, 10), np.zeros(4)))
    assert generator.size == 16
    with pytest.raises(AnimacyError, match=r"32x32 came to a network that paints 16x16"):
        generator.generate(frames(1, 32))


def test_networks_with_other_ports_are_refused(tmp_path):
    with pytest.raises(AnimacyError, match=r"needed conditions \[B, 10, S, S\]"):
        OnnxGenerator(network(tmp_path / "a.onnx", np.eye(4, 9), np.zeros(4), inputs=9))


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x08" * 50])
def test_files_that_are_no_network_are_refused(tmp_path, content):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(AnimacyError, match=r"a\.onnx"):
        OnnxGenerator(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AnimacyError, match=r"none\.onnx: No such file"):
        OnnxGenerator(tmp_path / "none.onnx")
