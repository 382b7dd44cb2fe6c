"""Figures of painted frames against the teacher's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from animacy.errors import AnimacyError
from animacy.train import data, evaluate


def pairs_of(target: np.ndarray, shaded: np.ndarray) -> data.Pairs:
    count, size = len(target), target.shape[-1]
    conditions = np.concatenate([shaded, np.zeros((count, 6, size, size), np.uint8)], 1)
    motions = data.Motions(
        np.zeros((count, 52), np.float32),
        np.zeros((count, 6), np.float32),
        np.array(["speech", "blink"] * (count // 2)),
        np.ones(count, bool),
        np.arange(count) % 2 == 1,
    )
    boxes = np.tile(np.array([[8, 8, 14, 14], [26, 8, 32, 14], [14, 28, 28, 34]], np.float32), (count, 1, 1))
    parts = np.full((count, size, size), data.PARTS.index("hair"), np.uint8)
    return data.Pairs(motions, conditions, target, np.stack([target] * 2, 1), parts, boxes, {"size": size, "spp_held_out": 512})


@pytest.fixture
def frames() -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (4, 4, 48, 48), np.uint8)
    x[:, 3] = 255
    return x


def test_psnr_and_ssim_agree_with_scikit_image(frames):
    metrics = pytest.importorskip("skimage.metrics")
    noisy = np.clip(frames + np.random.default_rng(1).normal(0, 20, frames.shape), 0, 255).astype(np.uint8)
    noisy[:, 3] = 255
    a, b = (evaluate.over_grey(x) for x in (frames, noisy))
    luma = np.array([0.299, 0.587, 0.114])[:, None, None]
    expected = metrics.structural_similarity((a[0] * luma).sum(0), (b[0] * luma).sum(0), data_range=1.0, gaussian_weights=True,
                                             sigma=1.5, use_sample_covariance=False, full=True)[1]  # fmt: skip
    np.testing.assert_allclose(evaluate.ssim(a, b)[0], expected, atol=2e-3)
    psnr = evaluate.evaluate(pairs_of(frames, noisy), noisy)["generator"]["frame"]["psnr"]
    assert psnr == pytest.approx(
        np.mean([metrics.peak_signal_noise_ratio(x, y, data_range=1.0) for x, y in zip(a, b, strict=True)]), abs=0.01
    )


def test_a_known_error_gives_its_psnr_and_only_where_it_is(frames):
    frames = frames // 2
    frames[:, 3] = 255
    off = frames.copy()
    off[:, :3, 28:34, 14:28] += 10  # in the mouth's box alone
    report = evaluate.evaluate(pairs_of(frames, frames), off)
    assert report["generator"]["mouth"]["psnr"] == pytest.approx(20 * np.log10(25.5), abs=0.01)
    assert report["generator"]["eyes"]["psnr"] == 90
    assert report["generator"]["mouth"]["psnr"] < report["generator"]["face"]["psnr"] < report["generator"]["frame"]["psnr"]
    assert report["shaded"]["frame"] == {"psnr": 90, "psnr_lowest": 90, "ssim": 1.0}


def test_blur_shows_in_the_sharpness_and_stillness_in_the_flicker(frames):
    blurred = ((frames.astype(int) + np.roll(frames, 1, 2) + np.roll(frames, 1, 3)) // 3).astype(np.uint8)
    blurred[:, 3] = 255
    report = evaluate.evaluate(pairs_of(frames, frames[[0, 0, 2, 2]]), blurred)
    assert report["generator"]["sharpness"]["hair"] < 0.6
    assert report["shaded"]["sharpness"]["hair"] == pytest.approx(1, abs=0.05)
    assert report["shaded"]["flicker"] == 0
    assert 0.4 < report["generator"]["flicker"] < 0.8


def test_the_teacher_s_noise_is_no_error(frames):
    """With halves of independent noise the figures are those against the clean frames."""
    rng = np.random.default_rng(3)
    clean = np.repeat(np.repeat(frames[:, :, ::4, ::4], 4, 2), 4, 3).astype(float) / 2 + 60
    off = np.clip(clean + rng.normal(0, 5, clean.shape), 0, 255)
    halves = [clean + rng.normal(0, 12, clean.shape) for _ in range(2)]
    for x in (clean, off, *halves):
        x[:, 3] = 255

    def byte(x):
        return np.rint(np.clip(x, 0, 255)).astype(np.uint8)

    known = evaluate.evaluate(pairs_of(byte(clean), byte(off)), byte(off))["generator"]
    lit = [evaluate.light(np.clip(h, 0, 255) / 255) for h in halves]
    both = byte(255 * evaluate.encoded((lit[0] + lit[1]) / 2))  # a path tracer takes the mean of light
    both[:, 3] = 255
    noisy = dataclasses.replace(pairs_of(both, byte(off)), halves=np.stack([byte(h) for h in halves], 1))
    told = evaluate.evaluate(noisy, byte(off))
    assert told["generator"]["frame"]["psnr"] == pytest.approx(known["frame"]["psnr"], abs=0.4)
    assert told["generator"]["frame"]["ssim"] == pytest.approx(known["frame"]["ssim"], abs=0.01)
    assert told["generator"]["sharpness"]["hair"] == pytest.approx(known["sharpness"]["hair"], abs=0.02)
    assert told["noise"]["frame"] == pytest.approx(20 * np.log10(255 * 2**0.5 / 12), abs=0.3)


def test_frames_that_do_not_match_are_refused(frames):
    with pytest.raises(AnimacyError, match="3 painted frames for 4 held-out ones"):
        evaluate.evaluate(pairs_of(frames, frames), frames[:3])


def test_the_sheet_shows_three_pictures_a_row(frames, tmp_path):
    shaded, painted = frames.copy(), frames.copy()
    shaded[:, :3], painted[:, :3] = 40, 90
    evaluate.sheet(pairs_of(frames, shaded), painted, tmp_path / "s.png", np.zeros((8, 8, 3), np.uint8), rows=2)
    image = np.array(Image.open(tmp_path / "s.png"))
    assert image.shape == (96, 144, 3)
    assert (image[:, :48] == 40).all()
    assert (image[:, 48:96] == 90).all()
    np.testing.assert_array_equal(image[:48, 96:], frames[0, :3].transpose(1, 2, 0))
