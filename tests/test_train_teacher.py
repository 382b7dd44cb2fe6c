"""The path-traced teacher, against the rasteriser that draws what a network is given."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import synthetic
from animacy.avatar import find, load
from animacy.errors import AnimacyError, UsageError
from animacy.render import geometry
from animacy.render.cpu import CpuRenderer
from animacy.render.shading import scene
from animacy.train import teacher
from animacy.types import ARKIT, Motion

REST = Motion(np.zeros((1, 52), np.float32), np.zeros((1, 6), np.float32), 0, 25)


@pytest.fixture(scope="module")
def mitsuba():
    return pytest.importorskip("mitsuba", reason="needs pip install 'animacy[train]'")


def without_hair(avatar):
    kept = teacher.bald(avatar)
    return dataclasses.replace(avatar, triangles=avatar.triangles[kept], material=avatar.material[kept])


def test_lights_stand_out_of_the_picture():
    for avatar in (load(find("default")), synthetic.avatar()):
        view = scene(avatar, 256)
        for i in range(len(avatar.lights)):
            edge = teacher.light_corners(avatar, i)
            points = np.concatenate(
                [
                    a + t * (b - a)
                    for a, b in zip(edge, np.roll(edge, 1, 0), strict=True)
                    for t in [np.linspace(0, 1, 20)[:, None]]
                ]
            )
            p = points @ view.view[:, :3].T + view.view[:, 3]
            ahead = p[p[:, 2] < 0]
            at = view.focal / 256 * np.abs(ahead[:, :2]) / -ahead[:, 2:]  # 1 at the frame's edge
            assert (at.max(1) > 1).all()


def test_film_is_the_rasteriser_s():
    linear = np.concatenate([np.linspace(0, 8, 200), np.linspace(0, 0.05, 50)]).astype(np.float32)
    shot = np.stack([linear, linear * 0.6, linear * 0.3, np.ones_like(linear)], -1)[None]
    from animacy.render.cpu import _byte, _film, _srgb

    expected = [[_byte(_srgb(np.float32(c))) for c in _film(*(np.float32(v) for v in pixel[:3]))] for pixel in shot[0]]
    assert np.abs(teacher.developed(shot)[0, :, :3].astype(int) - np.array(expected, int)).max() <= 1


def test_developed_colours_are_premultiplied():
    half = teacher.developed(np.array([[[0.1, 0.1, 0.1, 0.5]]], np.float32))[0, 0]
    whole = teacher.developed(np.array([[[0.2, 0.2, 0.2, 1.0]]], np.float32))[0, 0]
    assert half[3] == 128
    assert abs(int(half[0]) * 2 - int(whole[0])) <= 1


def test_a_sample_that_is_too_bright_is_dimmed_and_keeps_its_hue():
    sample = np.array([[[0.3, 0.2, 0.1, 1.0], [40.0, 20.0, 10.0, 1.0], [np.inf, 1.0, 1.0, 1.0]]], np.float32)
    calm = teacher.calmed(sample)[0]
    np.testing.assert_allclose(calm[0], sample[0, 0])
    np.testing.assert_allclose(calm[1], np.array([1.0, 0.5, 0.25, 1.0]) * [*[teacher.BRIGHTEST] * 3, 1.0], rtol=1e-5)
    assert np.isfinite(calm).all()


def test_brows_grow_where_the_texture_paints_them_and_move_with_the_skin():
    for name in ("default", "leo"):
        avatar = load(find(name))
        brows = teacher._brows(avatar, np.random.default_rng(0))
        assert brows is not None
        eye = avatar.positions[np.unique(avatar.triangles[avatar.material == teacher._of_kind(avatar, "eye")[0]])]
        rig = geometry.rig(avatar)
        shapes = np.zeros((2, 52), np.float32)
        shapes[1, ARKIT.index("browInnerUp")] = 1
        positions, normals, _ = geometry.deform(rig, shapes, np.zeros((2, 6), np.float32))
        rest, up = (brows.points(positions[k], normals[k]) for k in (0, 1))
        above = rest[..., 1] - eye[:, 1].mean()
        assert np.quantile(above, 0.02) > 0.006
        assert np.quantile(above, 0.98) < 0.035
        side = np.abs(rest[..., 0])
        assert np.quantile(side, 0.02) > 0.004
        assert np.quantile(side, 0.98) < 0.062
        assert (rest[:, 0, 0] > 0).mean() == pytest.approx(0.5, abs=0.1)
        inner = side[:, 0] < 0.02
        assert (up - rest)[inner, :, 1].mean() > 0.001
        length = np.linalg.norm(np.diff(rest[..., :3], axis=1), axis=-1).sum(1)
        assert 0.002 < np.median(length) < 0.008


def test_an_unknown_variant_is_refused():
    with pytest.raises(UsageError, match="cuda_ad_rgb, llvm_ad_rgb, scalar_rgb"):
        teacher.Teacher(synthetic.avatar(), 32, variant="cuda")


def test_without_mitsuba_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mitsuba", None)
    with pytest.raises(AnimacyError, match=r"animacy\[train\]"):
        teacher.Teacher(synthetic.avatar(), 32)


def test_corneas_bend_more_than_the_eyeball_and_end_in_it():
    polar = np.radians(np.linspace(0, 80, 81))
    normals = np.stack([np.sin(polar), 0 * polar, np.cos(polar)], -1).astype(np.float32)
    bent = teacher._cornea(normals, np.array([0, 0, 1], np.float32))
    angle = np.arctan2(bent[:, 0], bent[:, 2])
    assert angle[10] > polar[10] * 1.2
    np.testing.assert_allclose(angle[34:], polar[34:], atol=1e-5)
    assert (np.diff(angle) > 0).all()


@pytest.mark.parametrize("turned", [False, True])
def test_the_bald_head_covers_the_rasteriser_s_pixels(mitsuba, turned):
    avatar = without_hair(load(find("default")))
    weights, pose = REST.weights.copy(), REST.pose.copy()
    if turned:
        weights[0, ARKIT.index("jawOpen")] = 0.7
        pose[0] = (0.1, 0.4, 0.1, 0.01, 0.0, 0.0)
    size = 96
    shot = teacher.Teacher(avatar, size, variant="scalar_rgb", hairs=0).paint(weights[0], pose[0], spp=4, seed=0)
    with CpuRenderer(avatar, size, threads=1) as renderer:
        drawn = renderer.render(Motion(weights, pose, 0, 25)).shaded[0, ..., 3] > 127
    traced = shot[..., 3] > 127
    assert (traced & drawn).sum() / (traced | drawn).sum() > 0.97


def test_hairs_cover_the_hair_that_is_drawn(mitsuba):
    avatar = load(find("default"))
    size = 64
    shot = teacher.Teacher(avatar, size, variant="scalar_rgb", hairs=4000).paint(REST.weights[0], REST.pose[0], spp=4, seed=0)
    with CpuRenderer(avatar, size, threads=1) as renderer:
        drawn = renderer.render(REST).shaded[0, ..., 3] > 127
    traced = shot[..., 3] > 127
    assert (traced & drawn).sum() / (traced | drawn).sum() > 0.93


def test_the_same_seed_gives_the_same_picture_and_another_one_other_noise(mitsuba):
    avatar = synthetic.avatar(8, 12)
    painter = teacher.Teacher(avatar, 24, variant="scalar_rgb", hairs=50)
    first, again, other = (painter.paint(REST.weights[0], REST.pose[0], spp=2, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_one_scene_shows_each_frame_as_a_fresh_one_does(mitsuba):
    avatar = synthetic.avatar(8, 12)
    pose = np.array([0.1, 0.3, 0, 0, 0, 0], np.float32)
    used = teacher.Teacher(avatar, 24, variant="scalar_rgb", hairs=50)
    used.paint(REST.weights[0], REST.pose[0], spp=2, seed=0)
    fresh = teacher.Teacher(avatar, 24, variant="scalar_rgb", hairs=50)
    np.testing.assert_array_equal(
        used.paint(REST.weights[0], pose, spp=2, seed=3), fresh.paint(REST.weights[0], pose, spp=2, seed=3)
    )


def test_head_turns_with_the_pose_as_the_rasteriser_s(mitsuba):
    avatar = synthetic.avatar()
    surface = teacher._Surface(avatar, 0)
    pose = np.array([[0.0, 0.4, 0.0, 0.02, 0, 0]], np.float32)
    p, n, _ = geometry.deform(geometry.rig(avatar), REST.weights, pose)
    v, vn = surface.moved(p[0], n[0])
    np.testing.assert_array_equal(v[: len(surface.used)], p[0][surface.used])
    assert np.abs(np.linalg.norm(vn, axis=1) - 1).max() < 1e-4
    radius = np.linalg.norm((v - v[: len(surface.used)].mean(0))[:, [1]], axis=1)
    assert radius.max() < 0.11


def test_a_frame_comes_at_half_its_size_and_as_halves_of_its_samples(mitsuba):
    avatar = synthetic.avatar(8, 12)
    painter = teacher.Teacher(avatar, 48, variant="scalar_rgb", hairs=50)
    (whole, halves), (small, _) = painter.shoot(REST.weights[0], REST.pose[0], (48, 24), spp=8, seed=1)
    assert whole.shape == (48, 48, 4)
    assert small.shape == (24, 24, 4)
    np.testing.assert_array_equal(whole, painter.paint(REST.weights[0], REST.pose[0], spp=8, seed=1))
    assert halves.shape == (2, 48, 48, 4)
    assert (halves[0] != halves[1]).any()
    assert np.abs(halves.mean(0)[..., 3] - whole[..., 3]).max() <= 1  # of cover, which no film bends
    mean = whole.reshape(24, 2, 24, 2, 4).mean((1, 3))
    assert np.abs(mean - small).mean() < 4


def test_hair_is_drawn_to_its_ends_in_spans_of_15_mm_at_most():
    avatar = load(find("default"))  # its hair is long, and longer spans end OptiX at times
    rest = geometry.deform(geometry.rig(avatar), REST.weights, REST.pose)
    for hair, _ in teacher._curves(avatar, rest[1][0], 600, np.random.default_rng(0)).values():
        points = hair.points(rest[0][0], rest[1][0])
        drawn = teacher._drawn(points)
        assert np.linalg.norm(np.diff(drawn[..., :3], axis=1), axis=-1).max() < 0.015
        np.testing.assert_allclose(drawn[:, [0, -1]], points[:, [0, -1]])


@pytest.mark.parametrize("name", ["default", "leo"])
def test_roots_of_hair_lie_deeper_than_its_cards(name):
    avatar = load(find(name))
    normals = geometry.deform(geometry.rig(avatar), REST.weights, REST.pose)[1][0]
    head = avatar.positions[np.unique(avatar.triangles[teacher.bald(avatar)])].mean(0)
    found = {k: v for k, (v, _) in teacher._curves(avatar, normals, 600, np.random.default_rng(0)).items() if "_" in k}
    assert len(found) == 8  # of the closed sheets and of the locks, SHADES each
    for hair in found.values():
        bare, combed = (hair.points(avatar.positions, n)[:, 0, :3] for n in (np.zeros_like(normals), normals))
        deeper = np.linalg.norm(bare - head, axis=1) - np.linalg.norm(combed - head, axis=1)
        assert np.median(deeper) > 0.002
