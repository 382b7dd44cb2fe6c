"""Training motions and folders of (conditions, target) pairs."""

from __future__ import annotations

import numpy as np
import pytest

import synthetic
from animacy.avatar import find, load
from animacy.errors import AnimacyError, UsageError
from animacy.render.cpu import CpuRenderer
from animacy.train import data
from animacy.types import ARKIT, Motion


def talk(frames: int, seed: int) -> Motion:
    rng = np.random.default_rng(seed)
    return Motion(rng.random((frames, 52), np.float32), rng.normal(0, 0.1, (frames, 6)).astype(np.float32), 0, 25)


@pytest.fixture(scope="module")
def chosen() -> data.Motions:
    return data.motions([(False, talk(60, 0)), (True, talk(50, 1))], seed=3)


def test_every_shape_is_trained_on_alone_and_at_full_strength(chosen):
    alone = chosen.weights[(chosen.group == "shape") & ~chosen.held_out]
    assert (alone.max(0) == 1).sum() >= len(ARKIT)


def test_heads_turn_to_25_degrees_and_no_further(chosen):
    yaw = np.degrees(chosen.pose[:, 1])
    assert np.abs(yaw).max() <= 25.001
    assert yaw.max() > 23
    assert yaw.min() < -23


def test_held_out_frames_cover_every_kind_and_share_no_motion_with_the_others(chosen):
    assert set(chosen.group[chosen.held_out]) == set(chosen.group[~chosen.held_out])
    rows = [np.concatenate([chosen.weights, chosen.pose], 1)[h] for h in (chosen.held_out, ~chosen.held_out)]
    assert not {r.tobytes() for r in rows[0]} & {r.tobytes() for r in rows[1]}


def test_a_frame_that_follows_shows_the_next_instant_with_the_head_alike(chosen):
    i = np.flatnonzero(chosen.follows & ~chosen.held_out)[0]
    spoken = talk(60, 0)
    at = int(np.flatnonzero((spoken.weights == chosen.weights[i]).all(1))[0])
    np.testing.assert_array_equal(chosen.weights[i - 1], spoken.weights[at - 1])
    np.testing.assert_allclose(chosen.pose[i] - chosen.pose[i - 1], spoken.pose[at] - spoken.pose[at - 1], atol=1e-6)


def test_the_same_seed_gives_the_same_motions(chosen):
    again = data.motions([(False, talk(60, 0)), (True, talk(50, 1))], seed=3)
    np.testing.assert_array_equal(again.weights, chosen.weights)
    np.testing.assert_array_equal(again.pose, chosen.pose)


class Painter:
    """Paints the jaw's weight as grey, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def shoot(self, weights, pose, sizes, *, spp, seed):
        self.asked.append((spp, seed))
        value = round(255 * float(weights[17]))
        return [(np.full((s, s, 4), value, np.uint8), np.full((2, s, s, 4), value // 2, np.uint8)) for s in sizes]


def few(count: int = 6) -> data.Motions:
    m = talk(count, 2)
    held = np.arange(count) == count - 1
    return data.Motions(m.weights, m.pose, np.array(["speech"] * count), held, np.arange(count) % 2 == 1)


def make(folder, painter, part=(0, 1), spp=4, sizes=(32,), **more):
    avatar = synthetic.avatar()
    folders = {size: folder / str(size) for size in sizes}
    for size, own in folders.items():
        data.describe(own, avatar, few(), size=size, spp=spp, spp_held_out=64, seed=7)
    data.make(folders, avatar, few(), painter, spp=spp, spp_held_out=64, seed=7, part=part, **more)
    return folders[sizes[0]]


def test_a_folder_holds_what_the_rasteriser_and_the_painter_give(tmp_path):
    painter = Painter()
    pairs = data.load(make(tmp_path, painter))
    with CpuRenderer(synthetic.avatar(), 32, threads=1) as renderer:
        c = renderer.render(few().motion(3))
    np.testing.assert_array_equal(pairs.conditions[3, :4], c.shaded[0].transpose(2, 0, 1))
    np.testing.assert_array_equal(pairs.conditions[3, 4:8], c.unlit[0].transpose(2, 0, 1))
    np.testing.assert_array_equal(pairs.conditions[3, 8:], c.normal[0].transpose(2, 0, 1))
    assert pairs.target[3, 0, 0, 0] == round(255 * float(few().weights[3, 17]))
    assert pairs.halves[3, 1, 0, 0, 0] == pairs.target[3, 0, 0, 0] // 2
    # the held-out frame, the last, comes first and is cleaner; a frame that follows has the noise of the one before
    assert painter.asked[0] == (64, 7 + 4)
    assert sorted(painter.asked[1:]) == [(4, 7), (4, 7), (4, 9), (4, 9), (4, 11)]


def test_each_size_has_a_folder_of_its_own(tmp_path):
    make(tmp_path, Painter(), sizes=(32, 16))
    assert [data.load(tmp_path / str(s)).target.shape[-1] for s in (32, 16)] == [32, 16]


def test_processes_share_the_frames_and_nothing_is_made_twice(tmp_path):
    painters = [Painter(), Painter(), Painter()]
    for k in (0, 1):
        make(tmp_path, painters[k], part=(k, 2))
    make(tmp_path, painters[2])
    assert [len(p.asked) for p in painters] == [3, 3, 0]
    data.load(tmp_path / "32")


def test_a_folder_with_missing_frames_is_refused_with_their_names(tmp_path):
    folder = make(tmp_path, Painter())
    (folder / "frames" / "00002.npz").unlink()
    (folder / "frames" / "00004.npz").unlink()
    with pytest.raises(AnimacyError, match=r"lacks 2 of 6 frames: 00002\.npz, 00004\.npz; trace"):
        data.load(folder)
    again = Painter()
    make(tmp_path, again)
    assert len(again.asked) == 2
    data.load(folder)


def test_frames_that_were_not_traced_in_time_can_be_given_up(tmp_path):
    folder = make(tmp_path, Painter(), seconds=0)
    make(tmp_path, Painter())
    for i in (0, 2):
        (folder / "frames" / f"{i:05d}.npz").unlink()
    assert data.trim(folder) == 4
    pairs = data.load(folder)
    np.testing.assert_array_equal(pairs.motions.weights, few().weights[[1, 3, 4, 5]])
    np.testing.assert_array_equal(pairs.motions.follows, [False, False, False, True])
    assert pairs.target[0, 0, 0, 0] == round(255 * float(few().weights[1, 17]))
    assert pairs.manifest["frames"] == 4
    assert pairs.manifest["held_out"] == 1


def test_targets_of_one_s_own_need_no_halves_and_no_parts(tmp_path):
    folder = make(tmp_path, Painter())
    path = folder / "frames" / "00001.npz"
    with np.load(path) as file:
        kept = {k: file[k] for k in file.files if k not in ("halves", "parts")}
    np.savez(path, **kept)
    pairs = data.load(folder)
    np.testing.assert_array_equal(pairs.halves[1, 1], pairs.target[1])
    assert not pairs.parts[1].any()


def test_a_broken_frame_is_named(tmp_path):
    folder = make(tmp_path, Painter())
    (folder / "frames" / "00001.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(AnimacyError, match=r"00001\.npz cannot be read .* delete it"):
        data.load(folder)


def test_a_folder_begun_otherwise_is_refused(tmp_path):
    make(tmp_path, Painter())
    with pytest.raises(UsageError, match="was begun as"):
        make(tmp_path, Painter(), spp=8)


def test_parts_are_where_they_are_drawn():
    avatar = load(find("default"))
    rest = Motion(np.zeros((1, 52), np.float32), np.zeros((1, 6), np.float32), 0, 25)
    size = 192
    with CpuRenderer(data.labelled(avatar), size, threads=1) as renderer:
        parts = data.parts_of(renderer.render(rest).unlit[0])
    rows = {name: np.nonzero(parts == k)[0] for k, name in enumerate(data.PARTS)}
    assert all(len(rows[name]) > 20 for name in ("skin", "hair", "lashes", "brows", "eyes", "cloth"))
    assert rows["brows"].max() < np.median(rows["eyes"])
    assert rows["hair"].min() < rows["brows"].min()
    assert np.median(rows["cloth"]) > np.median(rows["skin"])


def test_no_manifest_is_said(tmp_path):
    with pytest.raises(AnimacyError, match=r"no usable manifest\.json"):
        data.load(tmp_path)


def test_regions_hold_the_eyes_as_drawn():
    avatar = synthetic.avatar()
    size = 128
    boxes = data.regions(avatar, size, Motion(np.zeros((1, 52), np.float32), np.zeros((1, 6), np.float32), 0, 25))
    with CpuRenderer(avatar, size, threads=1) as renderer:
        unlit = renderer.render(Motion(np.zeros((1, 52), np.float32), np.zeros((1, 6), np.float32), 0, 25)).unlit[0]
    white = (unlit[..., :3] > 225).all(-1)  # of the eyes; the test avatar's skin is darker
    rows, columns = np.nonzero(white & (np.arange(size)[:, None] < boxes[:2, 3].max()))
    assert len(rows) > 20
    inside = np.zeros(len(rows), bool)
    for x0, y0, x1, y1 in boxes[:2]:
        inside |= (columns >= x0) & (columns < x1) & (rows >= y0) & (rows < y1)
    assert inside.mean() > 0.95
    assert boxes[0, 0] < boxes[1, 0]  # the right eye is on the image's left
    assert boxes[2, 1] > boxes[0, 1]


def test_a_frame_at_which_a_process_ended_is_left_out_and_an_error_is_no_end(tmp_path):
    class Falls(Painter):
        def shoot(self, *given, **how):
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        make(tmp_path, Falls())
    assert not list((tmp_path / "32" / "frames").glob("*.tried"))
    (tmp_path / "32" / "frames" / "00002.tried").touch()
    painter = Painter()
    folder = make(tmp_path, painter)
    assert len(painter.asked) == 5
    assert not (folder / "frames" / "00002.npz").exists()
