"""Both renderers against each other, against geometry done by hand, and against what they must refuse."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import synthetic
from animacy import render
from animacy.avatar import Avatar
from animacy.errors import AnimacyError, UsageError
from animacy.generate import Shaded
from animacy.render import geometry, make_renderer
from animacy.render.cpu import CpuRenderer
from animacy.types import ARKIT, Conditions, Motion

FIELDS = ("shaded", "unlit", "normal")


def motion(count: int = 1, seed: int | None = None, **pose: float) -> Motion:
    """Frames at rest but for `pose`; with a seed, of random weights and poses as wide as talking gets."""
    weights, poses = np.zeros((count, 52), np.float32), np.zeros((count, 6), np.float32)
    if seed is not None:
        rng = np.random.default_rng(seed)
        weights = (rng.random((count, 52)) * (rng.random((count, 52)) < 0.4)).astype(np.float32)
        poses = (rng.normal(0, 1, (count, 6)) * [0.2, 0.25, 0.15, 0.01, 0.01, 0.01]).astype(np.float32)
    for name, value in pose.items():
        poses[:, ("pitch", "yaw", "roll", "x", "y", "z").index(name)] = value
    return Motion(weights, poses, 0, 25)


def differ(a: Conditions, b: Conditions) -> dict[str, NDArray[np.bool_]]:
    """[B, H, W] of each picture: off by more than 2/255 in some channel."""
    return {f: np.abs(getattr(a, f).astype(int) - getattr(b, f)).max(-1) > 2 for f in FIELDS}


def same(a: Conditions, b: Conditions) -> bool:
    return all(np.array_equal(getattr(a, f), getattr(b, f)) for f in FIELDS)


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return synthetic.avatar()


@pytest.fixture(scope="module")
def cpu(avatar: Avatar) -> Iterator[CpuRenderer]:
    with CpuRenderer(avatar, 128, threads=1) as renderer:
        yield renderer


def gl_or_skip(avatar: Avatar, size: int) -> render.Drawing:
    pytest.importorskip("moderngl", reason="OpenGL is an extra")
    from animacy.render.gl import GlRenderer

    try:
        return GlRenderer(avatar, size)
    except AnimacyError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("size", [256, 512])
def test_gl_and_cpu_draw_the_same(avatar: Avatar, size: int) -> None:
    frames = motion(4, seed=size)
    with CpuRenderer(avatar, size, threads=1) as cpu, gl_or_skip(avatar, size) as gl:
        share = {f: d.mean((1, 2)) for f, d in differ(cpu.render(frames), gl.render(frames)).items()}
    assert max(s.max() for s in share.values()) < 0.01, share


def test_gl_and_cpu_agree_on_every_kind_of_material(avatar: Avatar) -> None:
    """Each material alone fills the ball, so that no error hides in a small part of the frame."""
    for kind in ("skin", "eye", "tooth", "hair", "cloth"):
        materials = tuple(dataclasses.replace(m, kind=kind) for m in avatar.materials)
        changed = dataclasses.replace(avatar, materials=materials)
        with CpuRenderer(changed, 96, threads=1) as cpu, gl_or_skip(changed, 96) as gl:
            differing = differ(cpu.render(motion(2, seed=5)), gl.render(motion(2, seed=5)))
        assert max(d.mean() for d in differing.values()) < 0.01, kind


def test_gl_draws_a_batch_larger_than_its_strip_as_it_draws_singles(avatar: Avatar) -> None:
    pytest.importorskip("moderngl")
    frames = motion(5, seed=3)
    gl_or_skip(avatar, 64).close()
    from animacy.render.gl import GlRenderer

    with GlRenderer(avatar, 64, batch=2) as gl:
        whole, singles = gl.render(frames), [gl.render(one) for one in frames.batches(1)]
    for f in FIELDS:
        assert np.array_equal(getattr(whole, f), np.concatenate([getattr(s, f) for s in singles]))


def test_gl_says_who_may_use_it_and_when(avatar: Avatar) -> None:
    gl = gl_or_skip(avatar, 32)
    assert gl.info
    errors: list[BaseException] = []

    def elsewhere() -> None:
        for call in (lambda: gl.render(motion()), gl.close):
            try:
                call()
            except AnimacyError as error:
                errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert ["thread" in str(e) for e in errors] == [True, True]
    gl.close()
    gl.close()
    with pytest.raises(AnimacyError, match="closed"):
        gl.render(motion())


def test_gl_contexts_live_side_by_side(avatar: Avatar) -> None:
    with gl_or_skip(avatar, 48) as a, gl_or_skip(avatar, 64) as b:
        first = a.render(motion(seed=1))
        b.render(motion(seed=2))
        assert same(a.render(motion(seed=1)), first)


def test_without_opengl_the_error_names_the_remedy(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(AnimacyError, match=r"animacy\[gl\].*libegl1.*--rasteriser cpu"):
        make_renderer("gl", avatar, 32)


def test_auto_falls_back_to_the_cpu_and_says_so_once(
    avatar: Avatar, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with caplog.at_level(logging.INFO, "animacy.render"), make_renderer("auto", avatar, 32) as renderer:
        assert isinstance(renderer, CpuRenderer)
    assert len(caplog.records) == 1
    assert "CPU" in caplog.text


def test_auto_does_not_take_software_opengl(avatar: Avatar, caplog: pytest.LogCaptureFixture) -> None:
    with gl_or_skip(avatar, 32) as gl:
        software = "llvmpipe" in gl.info
    with caplog.at_level(logging.INFO, "animacy.render"), make_renderer("auto", avatar, 32) as renderer:
        assert isinstance(renderer, CpuRenderer) == software
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("kind", "size"), [("vulkan", 64), ("cpu", 8), ("cpu", 4096), ("gl", 8)])
def test_what_cannot_be_asked_for_is_a_usage_error(avatar: Avatar, kind: str, size: int) -> None:
    with pytest.raises(UsageError):
        make_renderer(kind, avatar, size)


def test_a_closed_renderer_says_so(avatar: Avatar) -> None:
    renderer = CpuRenderer(avatar, 32, threads=2)
    renderer.close()
    renderer.close()
    with pytest.raises(AnimacyError, match="closed"):
        renderer.render(motion())
    with pytest.raises(UsageError):
        CpuRenderer(avatar, 32, threads=0)


def test_batch_equals_singles(cpu: CpuRenderer) -> None:
    frames = motion(3, seed=1)
    whole, singles = cpu.render(frames), [cpu.render(one) for one in frames.batches(1)]
    for f in FIELDS:
        assert np.array_equal(getattr(whole, f), np.concatenate([getattr(s, f) for s in singles]))


def test_threads_do_not_change_the_picture(avatar: Avatar, cpu: CpuRenderer) -> None:
    with CpuRenderer(avatar, 128, threads=3) as many:
        assert same(many.render(motion(2, seed=4)), cpu.render(motion(2, seed=4)))


def test_no_frames_give_no_pictures(cpu: CpuRenderer) -> None:
    assert cpu.render(motion(0)).shaded.shape == (0, 128, 128, 4)


def test_outputs_are_what_types_promise(cpu: CpuRenderer) -> None:
    c = cpu.render(motion(2))
    assert [getattr(c, f).shape for f in FIELDS] == [(2, 128, 128, 4), (2, 128, 128, 4), (2, 128, 128, 2)]
    assert all(getattr(c, f).dtype == np.uint8 for f in FIELDS)
    covered = c.shaded[..., 3] > 0
    assert (c.shaded[..., :3].max(-1) <= c.shaded[..., 3]).all()  # premultiplied
    assert not c.shaded[~covered].any()
    assert not c.unlit[~covered].any()
    assert (c.normal[~covered] == 128).all()
    assert c.normal.min() >= 1
    assert np.array_equal(Shaded().generate(c).rgba, c.shaded)


def test_coverage_is_the_projected_disc_of_a_ball(avatar: Avatar) -> None:
    """The silhouette of a ball seen in perspective is a disc of known size (its tangent cone), to a pixel."""
    only = only_material(avatar, synthetic.SKIN)
    only = dataclasses.replace(only, camera=dataclasses.replace(only.camera, position=(0, 0, 0.8), target=(0, 0, 0)))
    with CpuRenderer(only, 256, threads=1) as renderer:
        mask = renderer.render(motion()).shaded[0, ..., 3] / 255
    radius = 128 / np.tan(np.radians(11)) * 0.1 / np.sqrt(0.8**2 - 0.1**2)
    assert mask.sum() == pytest.approx(np.pi * radius**2, rel=0.02)  # the polygons lie within the ball
    y, x = np.mgrid[0:256, 0:256] + 0.5 - 128
    r = np.hypot(x, y)
    assert (mask[r < radius - 2] == 1).all()
    assert (mask[r > radius + 1] == 0).all()


def only_material(avatar: Avatar, material: int) -> Avatar:
    keep = avatar.material == material
    return dataclasses.replace(avatar, triangles=avatar.triangles[keep], material=avatar.material[keep])


def flat(
    avatar: Avatar, positions: NDArray[np.float64], triangles: NDArray[np.int64], two_sided: bool = False, sun: float = 1
) -> Avatar:
    """`positions` [V, 3] as one matt skin without shapes."""
    n = len(positions)
    texture = np.full((16, 16, 4), 255, np.uint8)
    skin = dataclasses.replace(avatar.materials[0], two_sided=two_sided)
    return dataclasses.replace(
        avatar,
        materials=(skin,),
        positions=positions.astype(np.float32),
        uv=np.full((n, 2), 0.5, np.float32),
        tangents=np.tile(np.array([1, 0, 0, -1], np.float32), (n, 1)),
        triangles=triangles.astype(np.int32),
        material=np.zeros(len(triangles), np.uint8),
        weld=np.arange(n, dtype=np.int32),
        follow=np.ones(n, np.float32),
        sun=np.full(n, sun, np.float32),
        shape_start=np.zeros(53, np.int32),
        shape_vertex=np.zeros(0, np.int32),
        shape_delta=np.zeros((0, 3), np.float32),
        albedo=texture,
        surface=np.tile(np.array([128, 128, 128, 255], np.uint8), (16, 16, 1)),
    )


def test_triangles_that_share_edges_leave_no_hole_and_hit_no_sample_twice(avatar: Avatar) -> None:
    """A square cut into random fans: with the fill rule each sample lies in exactly one triangle.

    Every triangle alone is drawn, and the coverages are summed: a crack would sum to less, a double hit to more.
    """
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(-0.1, 0.1, 6), np.linspace(-0.1, 0.1, 6)), -1).reshape(-1, 2)
    inner = np.abs(grid).max(1) < 0.099
    grid[inner] += rng.uniform(-0.015, 0.015, (inner.sum(), 2))
    grid[:12:5] = grid[:12:5].round(2)  # some corners on sample centres, some edges level
    points = np.column_stack([grid, np.zeros(len(grid))])
    a = np.arange(36).reshape(6, 6)
    q = np.stack([a[:-1, :-1], a[:-1, 1:], a[1:, 1:], a[1:, :-1]], -1).reshape(-1, 4)
    triangles = np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]])
    size = 64
    cameras = dataclasses.replace(avatar.camera, position=(0, 0, 1), target=(0, 0, 0))
    total = np.zeros((size, size), int)
    for t in triangles:
        one = dataclasses.replace(flat(avatar, points, t[None]), camera=cameras)
        with CpuRenderer(one, size, threads=1) as renderer:
            total += np.rint(renderer.render(motion()).shaded[0, ..., 3] / 63.75).astype(int)
    whole = dataclasses.replace(flat(avatar, points, triangles), camera=cameras)
    with CpuRenderer(whole, size, threads=1) as renderer:
        at_once = np.rint(renderer.render(motion()).shaded[0, ..., 3] / 63.75).astype(int)
    assert np.array_equal(total, at_once)
    assert total.max() == 4
    inside = slice(size // 2 - 12, size // 2 + 12)
    assert (total[inside, inside] == 4).all()


def test_edges_shared_with_a_sample_centre_belong_to_one_side(avatar: Avatar) -> None:
    """Two halves of a square that meet exactly on a column and a row of sample centres, and on a diagonal through them."""
    size = 64
    unit = 2 * np.tan(np.radians(10)) / (2 * size)  # a sample's width at distance 1
    camera = dataclasses.replace(avatar.camera, position=(0, 0, 1), target=(0, 0, 0), fov_degrees=20)
    for offset in (0.5, 0.0):
        c = offset * unit
        s = 20 * unit
        points = np.array([[c, c, 0], [c + s, c, 0], [c, c + s, 0], [c - s, c, 0], [c, c - s, 0]])
        fans = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
        total = 0
        for fan in (*fans[:, None], fans):
            one = dataclasses.replace(flat(avatar, points, fan), camera=camera)
            with CpuRenderer(one, size, threads=1) as renderer:
                mask = np.rint(renderer.render(motion()).shaded[0, ..., 3] / 63.75)
            total = total + (mask if len(fan) == 1 else -mask)
        assert not np.any(total)


def test_backs_are_dropped_unless_two_sided(avatar: Avatar) -> None:
    points = np.array([[-0.05, -0.05, 0], [0.05, -0.05, 0], [0, 0.05, 0]])
    back = np.array([[0, 2, 1]])
    with CpuRenderer(flat(avatar, points, back), 64, threads=1) as renderer:
        assert not renderer.render(motion()).shaded.any()
    with (
        CpuRenderer(flat(avatar, points, back, two_sided=True), 64, threads=1) as behind,
        CpuRenderer(flat(avatar, points, back[:, ::-1]), 64, threads=1) as front,
    ):
        a, b = behind.render(motion()), front.render(motion())
    assert a.shaded.any()
    assert not any(d.any() for d in differ(a, b).values())  # lit as if it faced us


def test_nearer_surfaces_hide_farther_ones_in_any_order(avatar: Avatar) -> None:
    points = np.array([[-0.1, -0.1, 0], [0.1, -0.1, 0], [0, 0.1, 0], [-0.05, -0.05, 0.1], [0.05, -0.05, 0.1], [0, 0.05, 0.1]])
    pictures = []
    for order in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        with CpuRenderer(flat(avatar, points, np.array(order)), 64, threads=1) as renderer:
            pictures.append(renderer.render(motion()))
    assert same(*pictures)
    near, far = avatar.camera.near, avatar.camera.far
    assert pictures[0].unlit[0, 32, 32, 3] == pytest.approx(255 * (far - 0.7) / (far - near), abs=2)


def test_cutouts_let_through_what_lies_behind(cpu: CpuRenderer, avatar: Avatar) -> None:
    with CpuRenderer(only_material(avatar, synthetic.HAIR), 128, threads=1) as renderer:
        fringe = renderer.render(motion()).shaded[0, ..., 3]
    box = fringe[10:60, 45:85]  # within the strip
    assert 0.3 < (box == 255).mean() < 0.6
    assert (box == 0).mean() > 0.3


@pytest.mark.parametrize(
    ("name", "point", "towards"),
    [
        ("pitch", (0, 0, 0.1), (0, -1)),  # looks down: the nose goes down the picture
        ("yaw", (0, 0, 0.1), (1, 0)),  # to the speaker's left, which the viewer, who faces him, sees on the right
        ("roll", (0, 0.1, 0), (-1, 0)),  # the crown to the speaker's right: the viewer's left
        ("x", (0, 0, 0), (1, 0)),
        ("y", (0, 0, 0), (0, 1)),
    ],
)
def test_pose_signs(avatar: Avatar, name: str, point: tuple[float, float, float], towards: tuple[float, float]) -> None:
    rig = geometry.rig(avatar)
    i = int(np.linalg.norm(rig.positions - point, axis=1).argmin())
    rest, posed = (geometry.deform(rig, m.weights, m.pose)[0][0, i] for m in (motion(), motion(**{name: 0.05})))
    moved = (posed - rest)[:2]
    assert moved @ towards > 0.9 * np.linalg.norm(moved) > 0


def test_yaw_shows_in_the_picture_on_the_viewers_right(cpu: CpuRenderer) -> None:
    """The dark pupils, found in the picture."""

    def pupils(m: Motion) -> float:
        picture = cpu.render(m).unlit[0]
        dark = (picture[40:62, :, :3].max(-1) < 60) & (cpu.render(m).shaded[0, 40:62, :, 3] == 255)
        return float(np.nonzero(dark)[1].mean())

    assert pupils(motion(yaw=0.15)) > pupils(motion()) + 2
    assert pupils(motion(yaw=-0.15)) < pupils(motion()) - 2


def test_shoulders_stay_while_the_head_turns(avatar: Avatar) -> None:
    rig = geometry.rig(avatar)
    rest, turned = (geometry.deform(rig, m.weights, m.pose)[0][0] for m in (motion(), motion(yaw=0.5, x=0.02)))
    assert np.array_equal(rest[rig.follow == 0], turned[rig.follow == 0])
    matrix = geometry.rotation(0, 0.5, 0)
    head = rig.follow == 1
    expected = (rig.positions[head] - rig.pivot) @ matrix.T + rig.pivot + [0.02, 0, 0]
    assert np.allclose(turned[head], expected, atol=1e-6)


def test_the_neck_twists_without_shrinking(avatar: Avatar) -> None:
    rig = geometry.rig(avatar)
    turned = geometry.deform(rig, *(getattr(motion(yaw=2.5), k) for k in ("weights", "pose")))[0][0]
    neck = (rig.follow > 0) & (rig.follow < 1)
    from_axis = (np.hypot(*(p[neck] - rig.pivot)[:, ::2].T) for p in (rig.positions, turned))
    assert np.allclose(*from_axis, atol=1e-6)


def test_rotation_and_axis_angle_agree_for_all_angles() -> None:
    rng = np.random.default_rng(0)
    angles = [*rng.uniform(-np.pi, np.pi, (200, 3)), (0, 0, 0), (np.pi, 0, 0), (0, np.pi, 0), (0, 0, np.pi), (1e-9, 0, 0)]
    for pitch, yaw, roll in angles:
        matrix = geometry.rotation(pitch, yaw, roll)
        axis, angle = geometry.axis_angle(matrix)
        k = np.cross(np.eye(3), axis)
        assert np.allclose(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k, matrix, atol=1e-7)
    axes, turned = geometry.turns(np.array(angles))
    for (pitch, yaw, roll), axis, angle in zip(angles, axes, turned, strict=True):
        k = np.cross(np.eye(3), axis)
        matrix = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
        assert 0 <= angle <= np.pi
        assert np.allclose(matrix, geometry.rotation(pitch, yaw, roll), atol=1e-12)


def test_normals_of_a_ball_point_outwards_across_its_seam(avatar: Avatar) -> None:
    rig = geometry.rig(only_material(avatar, synthetic.SKIN))
    _, normals, tangents = geometry.deform(rig, np.zeros((1, 52)), np.zeros((1, 6)))
    of_ball = np.unique(rig.triangles)
    directions = rig.positions[of_ball] / np.linalg.norm(rig.positions[of_ball], axis=1, keepdims=True)
    assert (normals[0, of_ball] * directions).sum(-1).min() > 0.999
    assert np.abs((normals * tangents).sum(-1)).max() < 1e-5
    assert np.allclose(np.linalg.norm(tangents, axis=-1), 1, atol=1e-5)


def test_deform_equals_the_dense_sum(avatar: Avatar) -> None:
    rig = geometry.rig(avatar)
    frames = motion(3, seed=8)
    dense = np.zeros((52, len(rig.positions), 3))
    for i in range(52):
        part = slice(rig.shape_start[i], rig.shape_start[i + 1])
        dense[i, rig.shape_vertex[part]] = rig.shape_delta[part]
    expected = rig.positions + np.einsum("bs,svx->bvx", frames.weights, dense)
    got = geometry.deform(rig, frames.weights, np.zeros((3, 6)))[0]
    assert np.allclose(got, expected, atol=1e-6)


def test_each_shape_changes_the_picture_at_its_place(avatar: Avatar) -> None:
    ball = only_material(avatar, synthetic.SKIN)  # no hair in front
    weights = np.concatenate([np.zeros((1, 52), np.float32), np.eye(52, dtype=np.float32)])
    with CpuRenderer(ball, 128, threads=1) as renderer:
        c = renderer.render(Motion(weights, np.zeros((53, 6), np.float32), 0, 25))
    rig = geometry.rig(ball)
    focal = 64 / np.tan(np.radians(ball.camera.fov_degrees / 2))
    for i, name in enumerate(ARKIT):
        changed = np.abs(c.shaded[i + 1].astype(int) - c.shaded[0]).max(-1) > 4
        assert changed.sum() > 10, name
        part = slice(rig.shape_start[i], rig.shape_start[i + 1])
        p = rig.positions[rig.shape_vertex[part][np.linalg.norm(rig.shape_delta[part], axis=1).argmax()]]
        x, y = 64 + focal * p[0] / (0.8 - p[2]), 64 - focal * (p[1] + 0.02) / (0.8 - p[2])  # the camera looks 0.02 down
        rows, columns = np.nonzero(changed)
        assert np.hypot(columns.mean() - x, rows.mean() - y) < 10, name


def test_weights_out_of_range_are_clamped(cpu: CpuRenderer) -> None:
    one = motion()
    wild = Motion(np.where(np.arange(52) % 2, 7.0, -3.0)[None].astype(np.float32), one.pose, 0, 25)
    tame = Motion(np.clip(wild.weights, 0, 1), one.pose, 0, 25)
    assert same(cpu.render(wild), cpu.render(tame))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(cpu: CpuRenderer, value: float) -> None:
    for field in ("weights", "pose"):
        broken = motion()
        getattr(broken, field)[0, 3] = value
        with pytest.raises(AnimacyError, match="finite"):
            cpu.render(broken)


def test_motion_of_the_wrong_shape_is_refused(cpu: CpuRenderer) -> None:
    with pytest.raises(AnimacyError, match=r"needed \[B, 52\]"):
        cpu.render(Motion(np.zeros((1, 51), np.float32), np.zeros((1, 6), np.float32), 0, 25))
    with pytest.raises(AnimacyError, match=r"needed \[B, 52\]"):
        cpu.render(Motion(np.zeros((2, 52), np.float32), np.zeros((1, 6), np.float32), 0, 25))


def test_no_pose_is_too_wild(avatar: Avatar, cpu: CpuRenderer) -> None:
    """Into the camera, through it, behind it, far away, upside down: nothing crashes or writes out of bounds."""
    rng = np.random.default_rng(2)
    pose = (rng.normal(0, 1, (40, 6)) * [2, 2, 2, 0.4, 0.4, 0.5]).astype(np.float32)
    pose[:6] = [(0, 0, 0, 0, 0, z) for z in (0.6, 0.7, 0.8, 0.9, 1e30, -1e30)]
    pose[6:8, :3] = 1e30
    c = cpu.render(Motion(rng.random((40, 52), np.float32), pose, 0, 25))
    assert c.normal.min() >= 1
    with gl_or_skip(avatar, 128) as gl:
        assert (
            max(d.mean() for d in differ(c, gl.render(Motion(rng.random((40, 52), np.float32) * 0, pose, 0, 25))).values()) < 1
        )


def test_a_shadowed_face_is_darker_and_a_lit_one_not_burnt(avatar: Avatar) -> None:
    points = np.array([[-0.1, -0.1, 0], [0.1, -0.1, 0], [0, 0.1, 0]])
    bright = []
    for sun in (0.0, 0.5, 1.0):
        with CpuRenderer(flat(avatar, points, np.array([[0, 1, 2]]), sun=sun), 32, threads=1) as renderer:
            bright.append(renderer.render(motion()).shaded[0, 16, 16, :3].astype(int))
    assert (bright[0] < bright[1]).all()
    assert (bright[1] < bright[2]).all()


def test_kernels_are_cached_where_the_user_says(tmp_path: Path) -> None:
    code = """if True:
        import numpy as np
        from animacy.render import geometry
        zeros = np.zeros((1, 3), np.float32)
        geometry._blend(zeros, np.zeros(2, np.int32), np.zeros(0, np.int32), zeros[:0], np.zeros(1, np.float32), zeros.copy())
    """
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("geometry._blend*.nbc"))
