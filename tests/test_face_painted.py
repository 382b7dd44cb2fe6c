"""A face tracker that was not written here (MediaPipe) looks at what shipped networks paint. Run with -s for the figures."""

from __future__ import annotations

import numpy as np
import pytest

from animacy.avatar import find, load, shipped
from animacy.generate import make_generator
from animacy.render.cpu import CpuRenderer
from animacy.types import ARKIT, Conditions, Motion

pytest.importorskip("mediapipe", reason="the face tracker is not installed; `make test` installs it")
from tracker import track

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MediaPipe's own
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

SHAPES = ("jawOpen", "mouthSmile", "mouthPucker", "eyeBlink", "browInnerUp")
NETWORKS = [(name, g.name) for name in shipped() for g in load(find(name)).generators]


def sweeps(frames: int = 9) -> Motion:
    """Each of SHAPES up and down again, one after another: weights that no training motion holds."""
    rows = []
    for name in SHAPES:
        for value in np.sin(np.linspace(0, np.pi, frames)):
            weights = np.zeros(52, np.float32)
            for full in (name, name + "Left", name + "Right"):
                if full in ARKIT:
                    weights[ARKIT.index(full)] = 0.9 * value
            rows.append(weights)
    return Motion(np.stack(rows), np.zeros((len(rows), 6), np.float32), 0, 25)


def followed(avatar_name: str, generator: str, size: int) -> dict[str, float]:
    """r of the tracker's score with the weight, by shape."""
    avatar = load(find(avatar_name))
    painter = make_generator(generator, avatar, size)
    motion = sweeps()
    film = []
    with CpuRenderer(avatar, size) as renderer:
        for i in range(len(motion)):
            c = renderer.render(Motion(motion.weights[i : i + 1], motion.pose[i : i + 1], i, 25))
            rgba = painter.generate(Conditions(c.shaded, c.unlit, c.normal)).rgba[0].astype(np.uint16)
            film.append((rgba[..., :3] + (255 - rgba[..., 3:]) * 120 // 255).astype(np.uint8))
    seen = track(film)
    found = {}
    for name in SHAPES:
        sides = [n for n in (name, name + "Left", name + "Right") if n in ARKIT]
        score = np.mean([seen.scores[n] for n in sides], 0)
        found[name] = float(np.corrcoef(score, motion.weights[:, ARKIT.index(sides[0])])[0, 1])
    return found


@pytest.mark.parametrize(("avatar", "generator"), NETWORKS)
def test_a_tracker_sees_in_painted_frames_what_drives_them(avatar, generator):
    size = 256 if generator == "lite" else 512
    found = followed(avatar, generator, size)
    print(f"\n{avatar} {generator}: r " + ", ".join(f"{k} {v:.2f}" for k, v in found.items()))
    assert all(r >= 0.9 for r in found.values()), found


@pytest.mark.parametrize("avatar", shipped())
def test_a_tracker_sees_in_plain_frames_what_drives_them(avatar):
    found = followed(avatar, "none", 256)
    print(f"\n{avatar} none: r " + ", ".join(f"{k} {v:.2f}" for k, v in found.items()))
    assert all(r >= 0.8 for r in found.values()), found
