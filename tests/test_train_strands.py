"""Hairs grown along the bundle's cards."""

from __future__ import annotations

import numpy as np
import pytest

from animacy.train import strands


@pytest.fixture
def ribbon() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A strip that bends forwards, 1 wide and 4 long: positions, normals, uv (v runs down), triangles."""
    t = np.linspace(0, 1, 9)
    sides = np.array([-0.5, 0.5])
    x, s = np.meshgrid(sides, t, indexing="ij")
    angle = s * np.pi / 2
    radius = 4 / (np.pi / 2)
    positions = np.stack([x, -radius * np.sin(angle), radius * (1 - np.cos(angle))], -1).reshape(-1, 3)
    normals = np.stack([0 * x, np.sin(angle), np.cos(angle)], -1).reshape(-1, 3)
    uv = np.stack([x + 0.5, s], -1).reshape(-1, 2)
    a = np.arange(8)
    triangles = np.concatenate([np.stack([a, a + 1, a + 10], 1), np.stack([a, a + 10, a + 9], 1)])
    return positions.astype(np.float32), normals.astype(np.float32), uv.astype(np.float32), triangles


def grown(ribbon, count=200, **how):
    positions, _, uv, triangles = ribbon
    return strands.grow(positions, uv, triangles, count, 9, np.random.default_rng(0), **how)


def test_hairs_run_the_card_s_whole_length_and_keep_their_side(ribbon):
    positions, normals, _, _ = ribbon
    p = grown(ribbon).points(positions, normals)[..., :3]
    assert np.ptp(p[..., 0], axis=1).max() < 1e-5
    np.testing.assert_allclose(p[:, 0, 1:], 0 * p[:, 0, 1:], atol=1e-5)
    np.testing.assert_allclose(p[:, -1, 1:], np.tile(positions[8, 1:], (200, 1)), atol=1e-5)
    assert np.abs(np.histogram(p[:, 0, 0], 4, (-0.5, 0.5))[0] - 50).max() < 25  # evenly over the width


def test_points_of_a_hair_are_evenly_spaced(ribbon):
    positions, normals, _, _ = ribbon
    step = np.linalg.norm(np.diff(grown(ribbon).points(positions, normals)[..., :3], axis=1), axis=2)
    assert step.std(1).max() < 0.02 * step.mean()


def test_hairs_follow_the_card(ribbon):
    positions, normals, _, _ = ribbon
    hairs = grown(ribbon)
    moved = hairs.points(positions * 2 + [1, 0, 0], normals)[..., :3]
    np.testing.assert_allclose(moved, hairs.points(positions, normals)[..., :3] * 2 + [1, 0, 0], atol=1e-5)


def test_ragged_hairs_end_early_and_begin_together(ribbon):
    positions, normals, _, _ = ribbon
    p = grown(ribbon, ragged=0.5).points(positions, normals)[..., :3]
    assert np.ptp(p[:, 0, 1]) < 1e-5
    assert np.ptp(p[:, -1, 1]) > 0.5


def test_combed_hairs_lie_within_their_depth_and_taper(ribbon):
    positions, normals, _, _ = ribbon
    bare = grown(ribbon)
    hairs = strands.comb(bare, np.random.default_rng(1), radius=0.01, depth=(0.1, 0.2), root=0.0, stray=0.0, flipped=False)
    apart = hairs.points(positions, normals)[..., :3] - bare.points(positions, normals)[..., :3]
    height = np.linalg.norm(apart[:, 3:], axis=2)
    assert height.min() > 0.099
    assert height.max() < 0.201
    assert (hairs.radius[:, -1] < 0.3 * hairs.radius[:, 0]).all()


def test_hairs_begin_before_the_card_where_they_shall_overlap(ribbon):
    positions, normals, _, _ = ribbon
    p = grown(ribbon, overlap=0.3).points(positions, normals)[..., :3]
    assert 0.2 < p[:, 0, 1].max() < 0.31  # the card begins at 0 and runs down
    np.testing.assert_allclose(p[:, 1:], grown(ribbon).points(positions, normals)[:, 1:, :3], atol=1e-5)


def test_a_strip_without_texture_area_grows_stumps_and_does_not_hang(ribbon):
    positions, normals, uv, triangles = ribbon
    hairs = strands.grow(positions, 0 * uv, triangles, 5, 4, np.random.default_rng(0))
    p = hairs.points(positions, normals)[..., :3]
    assert np.isfinite(p).all()
    np.testing.assert_allclose(np.ptp(p, axis=1), 0, atol=1e-5)
