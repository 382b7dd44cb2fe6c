"""The default avatar's bundle, as shipped: what every stage relies on."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from animacy.avatar.bundle import Avatar, load
from animacy.types import ARKIT

FOLDER = Path(__file__).parents[1] / "src" / "animacy" / "avatar" / "default"


@cache
def avatar() -> Avatar:
    return load(FOLDER)


def displacement(name: str) -> np.ndarray:
    a, i = avatar(), ARKIT.index(name)
    d = np.zeros_like(a.positions)
    span = slice(a.shape_start[i], a.shape_start[i + 1])
    d[a.shape_vertex[span]] = a.shape_delta[span]
    return d


def moved(**weights: float) -> np.ndarray:
    return avatar().positions + sum(w * displacement(name) for name, w in weights.items())


def of(*materials: str) -> np.ndarray:
    """Indices of the vertices of these materials."""
    a = avatar()
    wanted = [i for i, m in enumerate(a.materials) if m.name in materials]
    assert len(wanted) == len(materials)
    return np.unique(a.triangles[np.isin(a.material, wanted)])


def test_the_bundle_is_small_and_says_where_it_comes_from() -> None:
    sizes = {f.name: f.stat().st_size for f in FOLDER.iterdir()}
    assert sum(size for name, size in sizes.items() if not name.endswith(".onnx")) < 12e6
    assert all(size < 15e6 for size in sizes.values())
    assert "Apache-2.0" in avatar().licence
    assert "CC0" in avatar().licence
    assert any("MakeHuman" in line for line in avatar().provenance)


def test_the_triangle_budget_holds() -> None:
    assert 12_000 < len(avatar().triangles) <= 22_000


def test_seams_weld_vertices_at_the_same_place() -> None:
    a = avatar()
    assert np.abs(a.positions - a.positions[a.weld]).max() < 1e-6
    assert (a.weld[a.weld] == a.weld).all()


def test_tangents_are_unit_vectors() -> None:
    assert np.abs(np.linalg.norm(avatar().tangents[:, :3], axis=1) - 1).max() < 1e-4
    assert set(np.unique(avatar().tangents[:, 3])) <= {-1.0, 1.0}


@pytest.mark.parametrize("name", ARKIT)
def test_every_shape_is_seen(name: str) -> None:
    assert np.linalg.norm(displacement(name), axis=1).max() > 0.0015


def test_no_two_shapes_are_alike() -> None:
    d = np.stack([displacement(name).ravel() for name in ARKIT])
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    alike = d @ d.T - 2 * np.eye(len(d))
    i, j = np.unravel_index(alike.argmax(), alike.shape)
    assert alike.max() < 0.98, (ARKIT[i], ARKIT[j])


@pytest.mark.parametrize("name", [n for n in ARKIT if n.endswith("Left") and not n.startswith(("jaw", "mouthLeft"))])
def test_left_is_the_speakers_left_and_right_its_mirror(name: str) -> None:
    x = avatar().positions[:, 0]
    left, right = (np.linalg.norm(displacement(n), axis=1) for n in (name, name.replace("Left", "Right")))
    assert left[x > 0.002].sum() > 2 * left[x < -0.002].sum()
    assert right.sum() == pytest.approx(left.sum(), rel=0.25)


def test_the_jaw_and_mouth_move_to_the_side_they_are_named_after() -> None:
    for stem in ("jaw", "mouth"):
        assert displacement(stem + "Left")[:, 0].sum() > 0 > displacement(stem + "Right")[:, 0].sum()


def test_the_jaw_opens_three_centimetres() -> None:
    assert displacement("jawOpen")[of("skin"), 1].min() < -0.03


def test_lower_teeth_are_carried_by_the_jaw_and_upper_teeth_are_not() -> None:
    teeth = of("tooth")
    fall = displacement("jawOpen")[teeth, 1]
    still = np.abs(fall) < 1e-6
    assert 0.4 < still.mean() < 0.6
    assert avatar().positions[teeth[still], 1].mean() > avatar().positions[teeth[~still], 1].mean()
    assert fall[~still].max() < -0.003


def front_of(at: np.ndarray, material: str, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """The foremost z of a material's triangles over each (x, y), -inf where there is none."""
    a = avatar()
    kind = [m.name for m in a.materials].index(material)
    best = np.full(len(xs), -np.inf)
    for t in at[a.triangles[a.material == kind]]:
        low, high = t[:, :2].min(0), t[:, :2].max(0)
        inside = np.flatnonzero((xs >= low[0]) & (xs <= high[0]) & (ys >= low[1]) & (ys <= high[1]))
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = t
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if not len(inside) or abs(area) < 1e-14:
            continue
        px, py = xs[inside], ys[inside]
        v = ((px - ax) * (cy - ay) - (cx - ax) * (py - ay)) / area
        w = ((bx - ax) * (py - ay) - (px - ax) * (by - ay)) / area
        hit = (v >= -1e-9) & (w >= -1e-9) & (v + w <= 1 + 1e-9)
        z = az + v * (bz - az) + w * (cz - az)
        best[inside[hit]] = np.maximum(best[inside[hit]], z[hit])
    return best


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"jawOpen": 1.0, "mouthClose": 1.0},
        {"mouthPucker": 1.0},
        {"mouthRollLower": 1.0},
        {"mouthPressLeft": 1.0, "mouthPressRight": 1.0},
    ],
    ids=["rest", "closed over an open jaw", "pucker", "roll", "press"],
)
def test_closed_lips_hide_the_teeth(weights: dict[str, float]) -> None:
    at = moved(**weights).astype(float)
    teeth = at[of("tooth")]
    xs, ys = teeth[:, 0], teeth[:, 1]
    assert (front_of(at, "skin", xs, ys) > teeth[:, 2]).mean() > 0.995


@pytest.mark.parametrize("side", [1, -1])
def test_a_blink_covers_the_eyeball(side: int) -> None:
    at = moved(eyeBlinkLeft=1.0, eyeBlinkRight=1.0).astype(float)
    ball = at[of("eye")]
    ball = ball[(ball[:, 0] * side > 0) & (ball[:, 2] > np.quantile(ball[:, 2], 0.6))]
    assert (front_of(at, "skin", ball[:, 0], ball[:, 1]) > ball[:, 2]).all()


def test_open_eyes_are_seen() -> None:
    at = avatar().positions.astype(float)
    ball = at[of("eye")]
    pupil = ball[ball[:, 2] > ball[:, 2].max() - 1e-4]
    assert (front_of(at, "skin", pupil[:, 0], pupil[:, 1]) < pupil[:, 2]).all()


def test_lashes_follow_the_lids() -> None:
    lash = of("lash")
    fall = displacement("eyeBlinkLeft")[lash, 1]
    left = avatar().positions[lash, 0] > 0
    assert fall[left].min() < -0.006
    assert np.abs(fall[~left]).max() < 1e-4


def test_eyes_turn_about_their_centres() -> None:
    ball = of("eye")
    left = ball[avatar().positions[ball, 0] > 0]
    rest = avatar().positions[left].astype(float)
    x, y, z = rest[:, 0], rest[:, 1], rest[:, 2]
    centre = np.linalg.lstsq(np.c_[2 * x, 2 * y, 2 * z, np.ones(len(x))], x**2 + y**2 + z**2, rcond=None)[0][:3]
    radius = np.linalg.norm(rest - centre, axis=1).mean()
    for name, axis, sign in (("Out", 0, 1), ("In", 0, -1), ("Up", 1, 1), ("Down", 1, -1)):
        at = moved(**{f"eyeLook{name}Left": 1.0})[left]
        assert np.abs(np.linalg.norm(at - centre, axis=1) - radius).max() < 3e-4
        pupil = at[rest[:, 2].argmax()] - centre
        assert 20 < np.degrees(np.arctan2(sign * pupil[axis], pupil[2])) < 31


def test_the_head_takes_the_pose_and_the_shoulders_do_not() -> None:
    a = avatar()
    eye = a.positions[of("eye")][:, 1].mean()
    assert (a.follow[of("eye", "tooth", "lash")] == 1).all()
    skin = of("skin")
    assert (a.follow[skin][a.positions[skin, 1] > eye - 0.05] == 1).all()
    assert a.follow[of("cloth")].max() == 0
