"""The slow path against the stages it is made of, and against OpenCV's own conversion worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import synthetic
from animacy.avatar import Avatar
from animacy.classic import STEPS, Classic, OnnxInference, i420_601_slow
from animacy.errors import AnimacyError
from animacy.generate.onnx import OnnxGenerator
from animacy.render.cpu import CpuRenderer
from animacy.types import Motion

SIZE = 64


def motions(count: int) -> list[Motion]:
    rng = np.random.default_rng(7)
    weights = (rng.random((count, 52)) * (rng.random((count, 52)) < 0.4)).astype(np.float32)
    pose = (rng.normal(0, 1, (count, 6)) * [0.2, 0.25, 0.15, 0.01, 0.01, 0.01]).astype(np.float32)
    return Motion(weights, pose, 0, 25).batches(1)


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return synthetic.avatar(rings=12, sectors=24, texture=64)


@pytest.fixture(scope="module")
def renderer(avatar: Avatar) -> Iterator[CpuRenderer]:
    with CpuRenderer(avatar, SIZE, threads=1) as cpu:
        yield cpu


@pytest.fixture(scope="module", autouse=True)
def opencv() -> None:
    pytest.importorskip("cv2", reason="needs pip install opencv-python-headless")


def network(size: int = SIZE) -> bytes:
    rng = np.random.default_rng(1)
    weight = np.eye(4, 10) + rng.normal(0, 0.05, (4, 10))
    return synthetic.network(weight, np.array([0.02, -0.01, 0.0, 0.01]), size)


def test_it_gives_what_its_stages_give_one_by_one(avatar: Avatar, renderer: CpuRenderer) -> None:
    import cv2

    background = cv2.resize(avatar.background, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    slow = Classic(renderer, OnnxInference(network(), 1), avatar.background)
    for motion in motions(3):
        rgba = OnnxGenerator(network(), 1).generate(renderer.render(motion)).rgba[0].astype(float)
        rgb = np.clip(rgba[..., :3] + background * (1 - rgba[..., 3:] / 255), 0, 255)
        expected = i420_601_slow(np.rint(rgb).astype(np.uint8))
        assert np.abs(slow.paint(motion).astype(int) - expected)[:SIZE].max() <= 2
        # Chroma may be taken from one pixel or from four: near only on the whole.
        assert np.abs(slow.paint(motion).astype(int) - expected)[SIZE:].mean() < 2


def test_the_tuned_path_shows_the_same(avatar: Avatar, renderer: CpuRenderer) -> None:
    slow, tuned = (Classic(renderer, OnnxInference(network(), 1), avatar.background, tuned=t) for t in (False, True))
    shown = [(slow.paint(m).copy(), tuned.paint(m).copy()) for m in motions(3)]
    assert max(np.abs(a.astype(int) - b).max() for a, b in shown) <= 2
    assert not np.array_equal(shown[0][0], shown[1][0])


@pytest.mark.parametrize("side", [32, 128])
def test_a_network_of_another_size_is_resized_for(avatar: Avatar, renderer: CpuRenderer, side: int) -> None:
    a, b = (Classic(renderer, OnnxInference(network(side), 1), avatar.background, tuned=t) for t in (False, True))
    motion = motions(1)[0]
    plain, tuned = a.paint(motion), b.paint(motion)
    assert plain.shape == tuned.shape == (SIZE * 3 // 2, SIZE)
    assert np.abs(plain.astype(int) - tuned).max() <= 2
    same = Classic(renderer, OnnxInference(network(), 1), avatar.background).paint(motion)
    assert np.abs(plain.astype(int) - same).mean() < 12


@pytest.mark.parametrize("tuned", [False, True])
def test_every_step_is_told_in_order(avatar: Avatar, renderer: CpuRenderer, tuned: bool) -> None:
    told: list[str] = []
    Classic(renderer, OnnxInference(network(), 1), avatar.background, tuned=tuned).paint(motions(1)[0], told.append)
    assert tuple(told) == STEPS


def test_opencvs_conversion_is_bt601_limited() -> None:
    import cv2

    colours = np.random.default_rng(0).integers(0, 256, (24, 3), np.uint8)
    flat = np.repeat(np.repeat(colours.reshape(4, 6, 3), 4, 0), 4, 1)
    converted = cv2.cvtColor(flat, cv2.COLOR_RGB2YUV_I420)
    assert np.abs(converted.astype(int) - i420_601_slow(flat)).max() <= 1


def test_without_opencv_the_error_names_the_remedy(avatar: Avatar, renderer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    inference = OnnxInference(network(), 1)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(AnimacyError, match="pip install opencv-python-headless"):
        Classic(renderer, inference, avatar.background)


def test_odd_frames_are_refused(avatar: Avatar) -> None:
    with CpuRenderer(avatar, 33, threads=1) as odd, pytest.raises(AnimacyError, match="33 pixels"):
        Classic(odd, OnnxInference(network(), 1), avatar.background)


def test_opengl_draws_into_memory_that_is_there(avatar: Avatar) -> None:
    pytest.importorskip("moderngl", reason="OpenGL is an extra")
    from animacy.render.gl import GlRenderer

    try:
        gl = GlRenderer(avatar, SIZE, batch=1)
    except AnimacyError as error:
        pytest.skip(str(error))
    with gl:
        slow, tuned = (Classic(gl, OnnxInference(network(), 1), avatar.background, tuned=t) for t in (False, True))
        for motion in motions(2):
            assert np.abs(slow.paint(motion).astype(int) - tuned.paint(motion)).max() <= 2
