"""A face tracker that was not written here (MediaPipe) looks at what shipped networks paint. Run with -s for the figures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from animacy.avatar import find, load, shipped
from animacy.engine import silence
from animacy.generate import make_generator
from animacy.move import Performer
from animacy.read import make_reader, markup_of
from animacy.render.cpu import CpuRenderer
from animacy.speak import make_speaker
from animacy.types import ARKIT, Conditions, Motion

pytest.importorskip("mediapipe", reason="the face tracker is not installed; `make test` installs it")
from tracker import Track, track

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MediaPipe's own
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

SHAPES = ("jawOpen", "mouthSmile", "mouthPucker", "eyeBlink", "browInnerUp")
NETWORKS = [(name, g.name) for name in shipped() for g in load(find(name)).generators]

FPS = 25
LATE = 5  # frames: 200 ms
SPEECH = (  # in no training motion; half of it marked with feelings, without which the inner brows hardly move
    "Grandpa keeps two goats and a very old donkey. [joy:1]Yesterday my daughter rode it for the first time, and she would not "
    "stop laughing![/] [surprise:1]Nobody knew that donkeys could open gates! [/]We found all three of them in the neighbour's "
    "garden.",
    "The last train was cancelled, so we waited in the station. [fear:1]Somebody kept knocking on the window, and the lights "
    "went out.[/] A guard came with a lamp and showed us the way. [sadness:1]He told us that he would lose his work in the "
    "spring, after thirty years.[/]",
    "上个星期天，我和妹妹去山上看日出。[surprise:1]没想到山顶上竟然下着雪！[/]我们把手套借给了一位老人。"
    "[joy:1]他高兴地请我们吃烤红薯，真是又甜又暖和！[/]",
    "小区门口的那家书店下个月就要关门了。[sadness:1]我从小在那里看书，心里真舍不得。[/]老板说，剩下的书都送给学校。"
    "[fear:1]昨天晚上停电，楼上突然传来脚步声，把我们都吓坏了。[/]",
)
LEAST = {"jawOpen": 0.88, "mouthSmile": 0.9, "mouthPucker": 0.88, "eyeBlink": 0.95, "browInnerUp": 0.9}


@pytest.fixture(scope="module")
def spoken() -> Motion:
    """SPEECH as `animacy say` performs it, 65 s."""
    speaker, parts = make_speaker(None), []
    for n, text in enumerate(SPEECH):
        performer = Performer(FPS, 1000 + n)
        parts.append(performer.move(None, silence(0.3, speaker.rate)))
        for sentence in make_reader("auto", None, markup_of(text, "auto")).read(text):
            parts += [performer.move(sentence, speech) for speech in speaker.speak(sentence)]
        parts.append(performer.move(None, silence(0.7, speaker.rate)))
    return Motion(np.concatenate([m.weights for m in parts]), np.concatenate([m.pose for m in parts]), 0, FPS)


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


def watched(avatar_name: str, generator: str, size: int, motion: Motion) -> Track:
    """What the tracker sees of a motion over grey."""
    avatar = load(find(avatar_name))
    painter = make_generator(generator, avatar, size)
    film = []
    with CpuRenderer(avatar, size) as renderer:
        for i in range(len(motion)):
            c = renderer.render(Motion(motion.weights[i : i + 1], motion.pose[i : i + 1], i, FPS))
            rgba = painter.generate(Conditions(c.shaded, c.unlit, c.normal)).rgba[0].astype(np.uint16)
            film.append((rgba[..., :3] + (255 - rgba[..., 3:]) * 120 // 255).astype(np.uint8))
    return track(film)


def agreement(seen: Track, weights: NDArray[np.float32]) -> dict[str, float]:
    """r of the tracker's score with the weight, by shape; the mean of both sides."""
    found = {}
    for name in SHAPES:
        sides = [n for n in (name, name + "Left", name + "Right") if n in ARKIT]
        score = np.mean([seen.scores[n] for n in sides], 0)
        found[name] = float(np.corrcoef(score, weights[:, [ARKIT.index(n) for n in sides]].mean(1))[0, 1])
    return found


def followed(avatar: str, generator: str, size: int) -> dict[str, float]:
    motion = sweeps()
    return agreement(watched(avatar, generator, size, motion), motion.weights)


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


@pytest.mark.parametrize(("avatar", "generator"), NETWORKS)
def test_a_tracker_sees_in_painted_speech_what_drives_it(avatar, generator, spoken):
    """Of speech with feelings, in both languages; against the weights of 200 ms before or after, it sees less of it."""
    size, step = (256, 5) if generator == "lite" else (512, 15)
    frames = np.arange(LATE, len(spoken) - LATE, step)
    seen = watched(avatar, generator, size, Motion(spoken.weights[frames], spoken.pose[frames], 0, FPS))
    assert (seen.faces == 1).all()
    found, before, after = (agreement(seen, spoken.weights[frames + late]) for late in (0, -LATE, LATE))
    late = {name: max(before[name], after[name]) for name in SHAPES}
    told = ", ".join(f"{k} {v:.2f} ({late[k]:.2f})" for k, v in found.items())
    print(f"\n{avatar} {generator}, {len(frames)} frames: r (200 ms off) {told}")
    assert all(found[name] >= LEAST[name] for name in SHAPES), found
    assert all(late[name] < found[name] for name in SHAPES), (found, late)
    assert all(late[name] < found[name] - 0.3 for name in ("jawOpen", "mouthPucker", "eyeBlink")), (found, late)
