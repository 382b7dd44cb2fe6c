"""What is read out of a text shows in the performance: the picture of both, and beats on stressed vowels of real speech."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animacy import plot
from animacy.errors import AnimacyError, UsageError
from animacy.move import Performer
from animacy.move.visemes import is_vowel
from animacy.read import TextReader
from animacy.speak import make_speaker
from animacy.types import ARKIT, EMOTIONS, Phone, Sentence, Speech, TimedWord, Word

RATE = 24_000


@dataclass
class Humming:
    """A Speaker: every word is a hum of half a second at `hertz`."""

    hertz: float = 200.0
    rate: int = RATE

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        step = RATE // 2
        count = len(sentence.words)
        times = np.arange(count * step) / RATE
        samples = sum(np.sin(2 * np.pi * k * self.hertz * times) / k for k in range(1, 6)) * 0.1
        phones = tuple(Phone("ɑ", i * step, (i + 1) * step, i) for i in range(count))
        yield Speech(samples.astype(np.float32), RATE, phones, tuple(TimedWord(p.word, p.start, p.end) for p in phones))


def sentence(*words: str, emotion: str = "joy", excitement: float = 0.5) -> Sentence:
    text, at, found = " ".join(words), 0, []
    for i, w in enumerate(words):
        found.append(Word(w, at, at + len(w), 0.9 if i % 2 else 0.2, w))
        at += len(w) + 1
    return Sentence(text, 0, len(text), "en", {e: float(e == emotion) for e in EMOTIONS}, 0.0, excitement, tuple(found))


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    found = picture.convert("RGB").getcolors(1 << 24)
    assert found is not None
    return {c for n, c in found if n > 60}  # type: ignore[misc]


def near(found: set[tuple[int, ...]], colour: str) -> bool:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return any(np.abs(np.array(c) - wanted).max() < 24 for c in found)


@pytest.mark.parametrize("hertz", [90.0, 140.0, 220.0, 400.0])
def test_pitch_is_that_of_the_sound(hertz: float) -> None:
    speech = next(Humming(hertz).speak(sentence("a", "b")))
    found = plot.pitch(speech.samples, RATE)[5:-5]
    assert not np.isnan(found).any()
    assert np.abs(found / hertz - 1.0).max() < 0.01


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
    assert np.isnan(plot.pitch(noise, RATE)).mean() > 0.95
    assert np.isnan(plot.pitch(np.zeros(RATE, np.float32), RATE)).all()


def test_loudness_is_in_decibels_of_full_scale() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)
    assert plot.loudness(tone.astype(np.float32), RATE)[10:-10] == pytest.approx(-23.0, abs=0.3)
    assert plot.loudness(np.zeros(RATE, np.float32), RATE) == pytest.approx(-60.0)


def test_the_picture_shows_the_emotion_that_was_read() -> None:
    for emotion in ("joy", "sadness"):
        text = sentence("one", "two", "three", emotion=emotion)
        picture = plot.draw(plot.performed([text], Humming(), Performer(25), 25))
        assert picture.width == plot.WIDTH
        band = picture.crop((plot.LEFT, 60, plot.WIDTH, picture.height))  # without the legend
        assert near(colours(band), plot.COLOURS[emotion])
        assert not near(colours(band), plot.COLOURS["disgust"])


def test_boundaries_stand_where_words_end_and_are_as_high_as_strong(monkeypatch: pytest.MonkeyPatch) -> None:
    stems: list[tuple[float, float]] = []
    box = plot._Pen.box

    def noted(pen: plot._Pen, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        if colour == plot.BOUNDARY:
            stems.append(((left + right) / 2, bottom - top))
        box(pen, left, top, right, bottom, colour)

    monkeypatch.setattr(plot._Pen, "box", noted)
    plain = sentence("one", "two", "three")
    words = tuple(replace(w, boundary=b) for w, b in zip(plain.words, (0.3, 0.0, 1.0), strict=True))
    performance = plot.performed([replace(plain, words=words)], Humming(), Performer(25), 25)
    plot.draw(performance)
    pen, high = plot._Pen(Image.new("RGB", (9, 9)), performance.timeline), plot.ROWS["boundary"]
    np.testing.assert_allclose(stems, [(pen.x(0.5), 0.3 * high), (pen.x(1.5), high)])


def test_long_words_do_not_overlap_and_nothing_leaves_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[tuple[float, float, float]] = []
    text = plot._Pen.text

    def noted(pen: plot._Pen, x: float, y: float, written: str, size: float, *rest: str) -> None:
        if written.startswith(("extra", "a")) and written != "anger":
            boxes.append((y, x, x + pen.width(written, size)))
        text(pen, x, y, written, size, *rest)

    monkeypatch.setattr(plot._Pen, "text", noted)
    words = ["a", "extraordinary"] * 7
    plot.draw(plot.performed([sentence(*words)], Humming(), Performer(25), 25))
    assert len(boxes) == len(words)
    for _, left, right in boxes:
        assert 0 <= left < right <= plot.WIDTH
    for y in {b[0] for b in boxes}:
        row = sorted(b[1:] for b in boxes if b[0] == y)
        assert all(a[1] < b[0] for a, b in pairwise(row))


def test_chinese_is_drawn_without_a_font_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "CHINESE", ())
    performance = plot.performed([sentence("你好", "世界")], Humming(), Performer(25), 25)
    plot.draw(performance)
    pen = plot._Pen(Image.new("RGB", (9, 9)), performance.timeline)
    assert pen._written("世界", 17)[0] == "shi4jie4"
    assert pen._written("café", 17)[0] == "cafe"


def test_a_text_that_is_too_long_for_a_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="plot less"):
        plot.performed([sentence(*["a"] * 40)] * 10, Humming(), Performer(25), 25)


def test_nothing_half_drawn_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    performance = plot.performed([sentence("a")], Humming(), Performer(25), 25)
    with pytest.raises(UsageError, match="cannot be written"):
        plot.save(tmp_path / "nowhere" / "a.png", lambda: performance)
    monkeypatch.setattr(plot, "draw", lambda performance: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plot.save(tmp_path / "a.png", lambda: performance)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_under_a_plot_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    performance = plot.performed([sentence("a")], Humming(), Performer(25), 25)
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(AnimacyError, match=r"a\.png cannot be written: No space left"):
        plot.save(tmp_path / "a.png", lambda: performance)
    assert not list(tmp_path.iterdir())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "animacy", "read", *arguments], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Hello.", "--plot", "a.jpg"), "ends in .png"),
        (("--input", "-", "--plot", "a.png"), "one text"),
        (("Hello.", "--plot", "/nowhere/a.png"), "cannot be written"),
    ],
)
def test_a_plot_that_cannot_be_is_refused(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_command_draws_a_text(tmp_path: Path) -> None:
    done = run("So glad! 你好。", "--plot", str(tmp_path / "a.png"), "--json")
    assert done.returncode == 0 and done.stdout.startswith("{")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[0] == plot.WIDTH and picture.format == "PNG"
    assert len(list(tmp_path.iterdir())) == 1


STRESSED = {
    "en": "I did not say that he stole the money. It was the most beautiful thing that I had ever seen in my life. "
    "Please bring me the red one, not the blue one.",
    "zh": "今天天气真不错。我们终于打开了那座新桥，没有人相信它会成功。我从来没有说过他偷了钱。这是我一生中见过的最美的东西。",
}
UNSEEN = {  # written after the beats were made, and measured once
    "en": "The first train leaves at seven in the morning. Nobody told me that the bridge was closed. My sister bought a "
    "yellow coat, not a green one. He has never been late in his whole life! The children were playing in the "
    "garden when the storm began. "
    "Even the teacher laughed at that terrible joke. I really believe that she told the truth. Please call me tomorrow.",
    "zh": "第一班火车早上七点出发。没有人告诉我那座桥已经关了。我姐姐买的是黄色的大衣，不是绿色的。他一辈子从来没有迟到过！"
    "连老师都被那个笑话逗笑了。我真的相信她说了实话。那是我看过的最糟糕的电影。请你明天给我打电话。",
}


@pytest.mark.slow
@pytest.mark.parametrize("texts", [STRESSED, UNSEEN])
def test_head_or_brows_peak_on_strong_stresses_of_real_speech(texts: dict[str, str]) -> None:
    """Within 80 ms of the centre of the stressed vowel in 80 % of them; 250 ms later hardly ever."""
    speaker = make_speaker(None)
    for language, text in texts.items():
        said = [(s, list(speaker.speak(s))) for s in TextReader().read(text)]
        hits, late = [], []
        for seed in range(3):
            performer, start = Performer(100, seed), 0.0
            weights, pitch, vowels = [], [], []
            for read, stretches in said:
                for speech in stretches:
                    motion = performer.move(read, speech)
                    weights.append(motion.weights[:, ARKIT.index("browInnerUp")])
                    pitch.append(np.degrees(motion.pose[:, 0]))
                    loudest: dict[int, tuple[float, float]] = {}
                    for p in speech.phones:
                        energy = float(np.square(speech.samples[p.start : p.end], dtype=np.float64).sum())
                        if is_vowel(p.symbol) and energy > loudest.get(p.word, (0.0, 0.0))[0]:
                            loudest[p.word] = (energy, start + (p.start + p.end) / 2 / speech.rate)
                    vowels += [at for word, (_, at) in loudest.items() if read.words[word].stress >= 0.75]
                    start += speech.duration
            tops = np.concatenate([peaks(np.concatenate(pitch), 0.3), peaks(np.concatenate(weights), 0.03)]) / 100
            hits += [np.abs(tops - at).min() < 0.08 for at in vowels]
            late += [np.abs(tops - at - 0.25).min() < 0.08 for at in vowels]
        print(f"\n{language}: {np.mean(hits):.0%} of {len(hits)}, 250 ms late {np.mean(late):.0%}")
        assert len(hits) >= 18
        assert np.mean(hits) >= 0.8
        assert np.mean(late) < 0.3


def peaks(values: np.ndarray, least: float) -> np.ndarray:
    """Where `values` [T], at 100 a second, are highest for a quarter of a second around, by `least` on both sides."""
    found = []
    for i in range(12, len(values) - 25):
        around = values[i - 12 : i + 13]
        if values[i] == around.max() and values[i] - min(values[max(i - 25, 0) : i]) > least < values[i] - min(
            values[i : i + 60]
        ):
            found.append(i)
    return np.array(found, dtype=float)
