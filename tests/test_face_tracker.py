"""A face tracker that was not written here (MediaPipe) looks at what the whole line shows. Figures are printed: run with -s."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from animacy.avatar import find, load
from animacy.engine import Line, perform
from animacy.face import Drawn
from animacy.generate import Shaded
from animacy.move import Performer
from animacy.read import TextReader
from animacy.render.cpu import CpuRenderer
from animacy.speak import Kokoro
from animacy.timeline import Timeline
from animacy.types import ARKIT, EMOTIONS, Faces, Motion, Sentence, Speech, Word

pytest.importorskip("mediapipe", reason="the face tracker is not installed; `make test` installs it")
from tracker import Track, count_blinks, track

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MediaPipe's own
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

FPS = 25
DEMO = "Hello, I'm so glad that you are here! 你好，很高兴见到你，今天天气真不错。"  # what `make demo` says
BILABIALS = (
    "Maybe my big brother bought five very beautiful purple vases from the shop. Papa, please move the map above the bed! "
    "妈妈跑步去北边买白面包，我们都不怕。爸爸明白八匹马跑得不慢。"
)


class TwoVoices:
    """A Speaker with a voice for each language."""

    def __init__(self) -> None:
        self.voices = {"en": Kokoro("af_heart", threads=1), "zh": Kokoro("zf_xiaoxiao", threads=1)}
        self.rate = self.voices["en"].rate

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        return self.voices[sentence.language].speak(sentence)


@dataclass
class Film:
    """A Sink that lays the faces over grey and keeps the frames."""

    frames: list[NDArray[np.uint8]] = field(default_factory=list)

    def send(self, faces: Faces) -> None:
        rgba = faces.rgba.astype(np.uint16)
        self.frames.extend((rgba[..., :3] + (255 - rgba[..., 3:]) * 120 // 255).astype(np.uint8))

    def hear(self, speech: Speech) -> None:
        pass


@dataclass
class Remembering:
    """A Mover that keeps what another one does."""

    mover: Performer
    weights: list[NDArray[np.float32]] = field(default_factory=list)

    def move(self, sentence: Sentence | None, speech: Speech) -> Motion:
        motion = self.mover.move(sentence, speech)
        self.weights.append(motion.weights)
        return motion


@dataclass(frozen=True)
class Seen:
    """A performance and what the tracker saw of it."""

    timeline: Timeline
    weights: NDArray[np.float32]  # [T, 52]
    track: Track

    def ours(self, name: str) -> NDArray[np.float64]:
        return self.weights[:, ARKIT.index(name)].astype(np.float64)

    def gaps(self, late: float = 0.0) -> dict[str, float]:
        """The lip gap at the centre of each p, b and m as a share of the largest of all frames, by symbol and frame."""
        gap = self.track.lip_gap
        found = {}
        for phone in self.timeline.phones:
            if phone["symbol"][0] in "pbm":
                frame = round((phone["start"] + phone["end"]) / 2 * FPS + late * FPS)
                found[f"{phone['symbol']} in frame {frame}"] = float(gap[min(frame, len(gap) - 1)] / gap.max())
        return found

    def jaw_correlation(self, late: int = 0) -> float:
        ours, theirs = self.ours("jawOpen"), self.track.scores["jawOpen"]
        return float(np.corrcoef(ours[: len(ours) - late], theirs[late:])[0, 1])


@pytest.fixture(scope="module")
def speaker() -> TwoVoices:
    return TwoVoices()


def film(text: str, speaker: TwoVoices, size: int) -> Seen:
    timeline, mover, sink = Timeline(FPS), Remembering(Performer(FPS)), Film()
    with CpuRenderer(load(find("default")), size, threads=2) as renderer:
        perform(TextReader("auto").read(text), Line(speaker, mover, Drawn(renderer, Shaded()), (sink,)), timeline=timeline)
    return Seen(timeline, np.concatenate(mover.weights), track(sink.frames))


@pytest.fixture(scope="module")
def demo(speaker: TwoVoices) -> Seen:
    return film(DEMO, speaker, 512)


@pytest.fixture(scope="module")
def labial(speaker: TwoVoices) -> Seen:
    return film(BILABIALS, speaker, 512)


def test_tracker_finds_one_face_in_every_frame(demo: Seen, labial: Seen) -> None:
    for seen in (demo, labial):
        assert (seen.track.faces == 1).all()
        assert len(seen.track.faces) == len(seen.weights)


def test_tracker_sees_lips_closed_on_bilabials(demo: Seen, labial: Seen) -> None:
    """At the phone's centre the gap is under 15 % of its maximum; said 200 ms late, it is not."""
    for name, seen, least in (("demo", demo, 2), ("bilabials", labial, 40)):
        gaps, late = seen.gaps(), seen.gaps(late=0.2)
        worst = max(gaps, key=lambda key: gaps[key])
        print(
            f"\n{name}: lip gap at {len(gaps)} bilabials: median {np.median([*gaps.values()]):.1%}, most {gaps[worst]:.1%}",
            end=" ",
        )
        print(f"({worst}); 200 ms late {max(late.values()):.1%}")
        assert len(gaps) >= least
        assert gaps[worst] < 0.15
        assert max(late.values()) > 0.15
    assert np.mean([g > 0.15 for g in late.values()]) > 0.25


def test_tracker_sees_the_jaw_that_was_meant(demo: Seen, labial: Seen) -> None:
    for name, seen in (("demo", demo), ("bilabials", labial)):
        r, late = seen.jaw_correlation(), seen.jaw_correlation(late=5)
        print(f"\n{name}: jawOpen correlates at {r:.2f}, 200 ms late at {late:.2f}")
        assert r >= 0.8
        assert late < r - 0.3


def still(seconds: float, fps: int = FPS, seed: int = 3) -> Motion:
    """An idle face, at 24 kHz."""
    return Performer(fps, seed).move(None, Speech(np.zeros(round(seconds * 24_000), np.float32), 24_000, (), ()))


def draw(motion: Motion, size: int) -> Track:
    sink = Film()
    with CpuRenderer(load(find("default")), size, threads=2) as renderer:
        for part in motion.batches(8):
            sink.send(Shaded().generate(renderer.render(part)))
    return track(sink.frames)


def test_tracker_sees_8_to_30_blinks_a_minute() -> None:
    motion = still(60)
    seen = draw(motion, 256)
    blinks = count_blinks(seen.scores)
    meant = motion.weights[:, ARKIT.index("eyeBlinkLeft")] > 0.9
    print(f"\n{blinks} blinks a minute seen, {int((np.diff(meant.astype(int)) == 1).sum())} meant")
    assert (seen.faces == 1).all()
    assert 8 <= blinks <= 30
    open_eyes = Motion(motion.weights.copy(), motion.pose, 0, FPS)  # control: without ours there are none
    open_eyes.weights[:, [ARKIT.index("eyeBlinkLeft"), ARKIT.index("eyeBlinkRight")]] = 0
    assert count_blinks(draw(Motion(open_eyes.weights[:250], motion.pose[:250], 0, FPS), 256).scores) == 0


def test_tracker_tells_emotions_apart() -> None:
    """What the tracker scores highest for a named emotion is what the map of action units puts there."""
    silent = Speech(np.zeros(36_000, np.float32), 24_000, (), ())
    scores = {}
    for emotion in EMOTIONS:
        mixture = {e: 0.8 * (e == emotion) + 0.2 * (e == "neutral") for e in EMOTIONS}
        sentence = Sentence("Yes.", 0, 4, "en", mixture, 0.0, 0.5, (Word("Yes", 0, 3, 0.5, "yes"),))
        motion = Performer(FPS).move(sentence, silent)
        seen = draw(Motion(motion.weights[-2:], motion.pose[-2:] * 0, 0, FPS), 512)
        scores[emotion] = {name: float(values[-1]) for name, values in seen.scores.items()}
    for emotion, sign in (
        ("joy", "mouthSmileLeft"),
        ("anger", "browDownLeft"),
        ("surprise", "browInnerUp"),
        ("sadness", "browInnerUp"),
    ):
        print(f"{emotion}: {sign} {scores[emotion][sign]:.2f}, neutral {scores['neutral'][sign]:.2f}")
        assert scores[emotion][sign] > scores["neutral"][sign] + 0.1
