"""Batches in OpenGL, on whatever OpenGL is here: against the CPU rasteriser, and against one another."""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import synthetic
from animacy.avatar import Avatar, find, load
from animacy.errors import AnimacyError, UsageError
from animacy.render import SOFTWARE
from animacy.render.cpu import CpuRenderer, project
from animacy.types import Conditions, Motion

pytest.importorskip("moderngl", reason="OpenGL is an extra")

from animacy.gpu import opengl
from animacy.gpu.opengl import AT_ONCE, LAYERS, SLICES, GlBatch, GlRasteriser, HostProjector, egl_device, unfolded
from animacy.render.gl import open_context

FIELDS = ("shaded", "unlit", "normal")


def motion(count: int, seed: int, z: float = 0) -> Motion:
    rng = np.random.default_rng(seed)
    weights = (rng.random((count, 52)) * (rng.random((count, 52)) < 0.4)).astype(np.float32)
    poses = (rng.normal(0, 1, (count, 6)) * [0.2, 0.25, 0.15, 0.01, 0.01, 0.01]).astype(np.float32)
    poses[:, 5] += z
    return Motion(weights, poses, 0, 25)


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return synthetic.avatar()


def opened(avatar: Avatar, size: int, batch: int, **how: Any) -> GlBatch:
    try:
        context = open_context(version=450)
    except AnimacyError as error:
        pytest.skip(str(error))
    lacks = context.version_code < 450 or LAYERS not in context.extensions
    context.release()
    if lacks:
        pytest.skip(f"no OpenGL 4.5 with {LAYERS}")
    return GlBatch(avatar, size, batch, software=True, **how)


def share_off(a: Conditions, b: Conditions) -> float:
    """Of the worst picture of the worst frame: pixels off by more than 2/255."""
    off = [np.abs(getattr(a, f).astype(int) - getattr(b, f)).max(-1) > 2 for f in FIELDS]
    return max(float(d.mean((1, 2)).max()) for d in off)


@pytest.mark.parametrize("z", [0, 0.45], ids=["in front", "partly behind the near plane"])
@pytest.mark.parametrize("find", AT_ONCE)
def test_it_draws_what_the_cpu_draws(avatar: Avatar, find: str, z: float) -> None:
    frames = motion(4, 1, z)
    with CpuRenderer(avatar, 128, threads=1) as cpu, opened(avatar, 128, 4, find=find) as gl:
        expected = cpu.render(frames)
        assert share_off(expected, gl.render(frames)) < 0.01
    assert expected.shaded.any()


def test_triangles_larger_than_a_tile_are_found_by_compute() -> None:
    """So large that their edges need more than 32 bits, one behind the other, and out of the frame on all sides."""
    few = synthetic.avatar()
    ahead = few.positions[:, 2].max()
    corners = np.array([[-9, -9, 0], [9, -9, 0], [0, 9, 0], [-8, 7, -0.5], [0.1, -9, 0.2], [9, 8, -0.5]], np.float32) * 0.1
    positions = few.positions.copy()
    positions[:6] = corners + np.array([0, 0, ahead])
    large = dataclasses.replace(
        few,
        positions=positions,
        triangles=np.array([[3, 4, 5], [0, 1, 2], [3, 5, 4]], np.int32),
        material=np.zeros(3, few.material.dtype),
    )
    frames = motion(2, 12)
    frames.weights[:] = 0
    with CpuRenderer(large, 128, threads=1) as cpu, opened(large, 128, 2, find="compute") as gl:
        fixed = project(gl.scene, frames.weights[0], frames.pose[0])[1][:6]
        assert np.ptp(fixed, 0).max() > 24000
        expected, drawn = cpu.render(frames), gl.render(frames)
    assert (expected.shaded[..., 3] > 0).mean() > 0.1
    assert share_off(expected, drawn) < 0.001


def test_tiles_with_more_triangles_than_room_are_drawn_alike(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = motion(3, 13)
    with opened(avatar, 64, 3, find="compute", at_once=2) as gl:
        expected = gl.render(frames)
    monkeypatch.setattr(opengl, "ROOM", (1, 0))
    with opened(avatar, 64, 3, find="compute", at_once=2) as gl:
        drawn = gl.render(frames)
    assert all(np.array_equal(getattr(drawn, f), getattr(expected, f)) for f in FIELDS)


@pytest.mark.parametrize("find", AT_ONCE)
@pytest.mark.parametrize("size", [32, 36])
def test_pixels_are_lit_alike_one_by_one_and_two_at_once(avatar: Avatar, find: str, size: int) -> None:
    frames = motion(2, 14)
    with opened(avatar, size, 2, find=find, lit=1) as one, opened(avatar, size, 2, find=find, lit=2) as two:
        a, b = one.render(frames), two.render(frames)
    assert a.shaded.any()
    assert all(np.array_equal(getattr(a, f), getattr(b, f)) for f in FIELDS)


def test_the_last_of_64_frames_is_drawn_as_the_first_and_as_alone(avatar: Avatar) -> None:
    one = motion(1, 2)
    many = motion(64, 3)
    many.weights[[0, 31, 63]], many.pose[[0, 31, 63]] = one.weights[0], one.pose[0]
    with opened(avatar, 32, 64) as gl:
        together, alone = gl.render(many), gl.render(one)
    for f in FIELDS:
        frames = getattr(together, f)
        for i in (0, 31, 63):
            assert np.array_equal(frames[i], getattr(alone, f)[0])
        assert not np.array_equal(frames[0], frames[1])


@pytest.mark.parametrize("find", AT_ONCE)
def test_what_the_batch_before_left_is_not_seen(avatar: Avatar, find: str) -> None:
    """Numbers are not cleared: nothing of a face that filled the frame may show through one that is far away."""
    near, far = motion(2, 4, 0.1), motion(2, 4, -3)
    with opened(avatar, 64, 2, find=find) as gl:
        fresh = gl.render(far)
        gl.render(near)
        again = gl.render(far)
    assert all(np.array_equal(getattr(fresh, f), getattr(again, f)) for f in FIELDS)
    assert (fresh.shaded[..., 3] == 0).mean() > 0.3


def test_more_frames_than_a_batch_come_in_parts(avatar: Avatar) -> None:
    frames = motion(5, 5)
    with opened(avatar, 32, 2) as two, opened(avatar, 32, 8) as eight:
        a, b = two.render(frames), eight.render(frames)
    assert all(np.array_equal(getattr(a, f), getattr(b, f)) for f in FIELDS)


@pytest.mark.parametrize(
    ("find", "depth"),
    [("raster", 0x8CAC), ("raster", 0x81A6), ("compute", 0)],
    ids=["32 bits, floating", "24 bits", "compute"],
)
def test_what_is_drawn_does_not_depend_on_how_many_frames_are_drawn_at_once(
    avatar: Avatar, find: str, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opengl, "DEPTH", depth)
    frames = motion(2 * SLICES + 5, 9)  # near and far by turns: each layer's face has the one of the chunk before about it
    frames.pose[1::2, 5] -= 2
    with opened(avatar, 32, 7, find=find, at_once=64) as whole:
        assert whole.at_once == 7
        expected = whole.render(frames)
    assert not np.array_equal(expected.shaded[0], expected.shaded[2])
    for batch, at_once in ((7, 1), (7, 2), (7, 3), (37, 1), (37, 3), (37, 37)):
        with opened(avatar, 32, batch, find=find, at_once=at_once) as gl:
            drawn = gl.render(frames)
            assert gl.context.error == "GL_NO_ERROR"
        for f in FIELDS:
            assert np.array_equal(getattr(drawn, f), getattr(expected, f)), (batch, at_once, f)


def test_a_frame_is_drawn_alike_in_every_slice_of_depth() -> None:
    """Of an avatar whose hair is as near to other hair as depth can tell apart."""
    frames = motion(1, 11)
    with opened(load(find("default")), 256, 1, find="raster") as gl:
        first = gl.render(frames)
        for _ in range(SLICES):
            again = gl.render(frames)
            assert all(np.array_equal(getattr(first, f), getattr(again, f)) for f in FIELDS)


def test_triangles_whose_number_needs_more_than_16_bits_are_drawn(avatar: Avatar) -> None:
    """65,535 triangles without area come first, so that no triangle seen has a number that fits 16 bits."""
    first = avatar.material[:1]
    many = dataclasses.replace(
        avatar,
        triangles=np.concatenate([np.zeros((65535, 3), np.int32), avatar.triangles]),
        material=np.concatenate([np.repeat(first, 65535), avatar.material]),
    )
    frames = motion(2, 10)
    with opened(avatar, 32, 2, find="raster") as few, opened(many, 32, 2, find="raster") as wide:
        assert wide.scene.ranges[0][1] > 65535
        a, b = few.render(frames), wide.render(frames)
    assert all(np.array_equal(getattr(a, f), getattr(b, f)) for f in FIELDS)


def test_software_opengl_is_an_error_unless_asked_for(avatar: Avatar) -> None:
    with opened(avatar, 32, 1) as gl:
        software = any(name in gl.info.lower() for name in SOFTWARE)
    if not software:
        pytest.skip("OpenGL is on a GPU here")
    with pytest.raises(AnimacyError, match="software here"):
        GlBatch(avatar, 32, 1)


def test_a_gpu_that_egl_does_not_know_is_named() -> None:
    with pytest.raises(AnimacyError, match=r"GPU 61 cannot draw.*--rasteriser cuda|no EGL|missing"):
        egl_device(61)


@pytest.mark.parametrize(("size", "batch", "fold"), [(8, 1, 4), (66, 1, 4), (64, 0, 4), (64, 65, 4), (63, 1, 3)])
def test_what_cannot_be_drawn_is_a_usage_error(avatar: Avatar, size: int, batch: int, fold: int) -> None:
    with pytest.raises(UsageError, match="cannot be drawn"):
        GlBatch(avatar, size, batch, fold=fold, software=True)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"at_once": 0}, "give 1 to 64"),
        ({"at_once": 65}, "give 1 to 64"),
        ({"find": "eye"}, "'eye'; give raster or compute"),
        ({"lit": 3}, "give 1 or 2"),
    ],
)
def test_ways_that_there_are_not_are_a_usage_error(avatar: Avatar, how: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        GlBatch(avatar, 64, 1, software=True, **how)


def test_closed_and_overfull_renderers_say_so(avatar: Avatar) -> None:
    gl = opened(avatar, 32, 2)
    with pytest.raises(AnimacyError, match="3 frames came to a renderer of 2"), gl.context:
        gl.submit(3)
    gl.close()
    gl.close()
    with pytest.raises(AnimacyError, match="closed"):
        gl.render(motion(1, 0))


class HostRuntime:
    """A Runtime whose device is the host: for what is asked of it, not for speed."""

    def __init__(self) -> None:
        self.held: list[NDArray[np.uint8]] = []

    def pinned(self, count: int) -> NDArray[np.uint8]:
        self.held.append(np.zeros(count, np.uint8))
        return self.held[-1]

    def device(self, count: int) -> int:
        return self.pinned(count).ctypes.data

    def event(self) -> Any:
        return None

    def record(self, event: Any, stream: int) -> None: ...
    def synchronise(self, event: Any) -> None: ...

    def upload(self, source: NDArray[np.uint8], to: int, stream: int) -> None:
        ctypes.memmove(to, source.ctypes.data, source.nbytes)

    def copy(self, source: int, to: int, count: int, stream: int) -> None:
        ctypes.memmove(to, source, count)


class Window:
    """A SharedBuffer without CUDA: mapped, it is a copy of the OpenGL buffer, which is written back."""

    maps = 0

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer

    @contextmanager
    def map(self, stream: int) -> Iterator[int]:
        self.maps += 1
        data = ctypes.create_string_buffer(self._buffer.read(), self._buffer.size)
        yield ctypes.addressof(data)
        self._buffer.write(data.raw)

    def close(self) -> None: ...


def test_one_mapping_serves_the_batch_before_and_the_next(avatar: Avatar) -> None:
    batches = [motion(2, 6), motion(2, 7), motion(1, 8)]
    runtime: Any = HostRuntime()
    with opened(avatar, 32, 2) as gl:
        window = Window(gl.buffer)
        expected = [gl.render(m) for m in batches]
        rasteriser = GlRasteriser(gl, HostProjector(avatar, 32, 2, runtime), runtime, lambda glo: window)
        out = np.zeros(2 * gl.output_bytes, np.uint8)
        got = []
        for batch in (*batches, None):
            count = rasteriser.draw(batch, out.ctypes.data, 0)
            fields = [np.empty((count, 32, 32, n), np.uint8) for n in (4, 4, 2)]
            unfolded(out[: count * gl.output_bytes].view(np.float16), 4, fields)
            got.append(fields)
        rasteriser.close()
    assert window.maps == 4
    assert [len(f[0]) for f in got] == [0, 2, 2, 1]
    for fields, conditions in zip(got[1:], expected, strict=True):
        assert all(np.array_equal(x, getattr(conditions, f)) for x, f in zip(fields, FIELDS, strict=True))
