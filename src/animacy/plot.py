"""What was read out of a text and how it is performed, as one picture: the file that `animacy read --plot` writes.

Strips of SECONDS each, one under the other: words at their time, stress, boundaries, emotion and excitement as they were read;
below them what came of it, measured: F0 and loudness of the speech, the main weights of the face and the nod of the head.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pypinyin import Style, lazy_pinyin

from .engine import silence
from .errors import AnimacyError, UsageError
from .send.partial import PartialFile
from .stages import Mover, Speaker
from .timeline import Timeline
from .types import ARKIT, EMOTIONS, Sentence

Array = NDArray[np.float64]
Point = tuple[float, float]

WIDTH = 1600  # pixels
SECONDS = 8.0  # of a strip
MOST_WEIGHT = 0.8  # on top of its row
MOST = 12  # strips of a picture
LEFT, RIGHT, TOP = 150, 24, 64  # pixels around the strips
FINE = 2  # drawn so many times larger, then made smaller: Pillow's lines have steps

INK, PALE, GRID, PAPER = "#1d2430", "#69707d", "#e3e6eb", "#ffffff"
BOUNDARY = "#3c4c9a"
COLOURS = {
    "anger": "#d1495b",
    "disgust": "#6a994e",
    "fear": "#7b5ea7",
    "joy": "#f0a830",
    "neutral": "#d9dce2",
    "sadness": "#4c7fb8",
    "surprise": "#2bb3a3",
}
WEIGHTS = (
    (
        "brows",
        (("browInnerUp", "inner up", "#2a6fbb"), ("browOuterUp", "outer up", "#2bb3a3"), ("browDown", "down", "#d1495b")),
    ),
    ("mouth", (("jawOpen", "jaw open", "#8a93a3"), ("mouthSmile", "smile", "#e08e1b"), ("mouthFrown", "frown", "#7b5ea7"))),
)
ROWS = {
    "text": 58,
    "stress": 44,
    "boundary": 26,
    "emotion": 30,
    "excitement": 44,
    "F0": 72,
    "loudness": 44,
    "brows": 64,
    "mouth": 64,
    "head": 44,
}
LABEL = {
    "stress": 0,
    "boundary": 0,
    "emotion": 0,
    "brows": 27,
    "mouth": 27,
}  # pixels that a row's name stands above its middle, else 9
GAP = 12  # pixels between rows
BETWEEN = 46  # ... and between strips, where the seconds stand

# Fonts that hold Chinese characters, by the names under which systems carry them; Pillow looks in their folders.
CHINESE = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "NotoSansCJKsc-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "simhei.ttf",
)
_HAN = re.compile("[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Performance:
    """What is drawn: `timeline` and the sound, [N] float32 at `rate`."""

    timeline: Timeline
    samples: NDArray[np.float32]
    rate: int


def performed(sentences: Iterable[Sentence], speaker: Speaker, mover: Mover, fps: int) -> Performance:
    """Speak and move, without painting. Raises UsageError if it takes longer than a picture holds."""
    timeline, sound, seconds = Timeline(fps), [], 0.0
    for sentence in sentences:
        for speech in speaker.speak(sentence):
            timeline.add(sentence, speech, mover.move(sentence, speech))
            sound.append(speech.samples)
            seconds += speech.duration
            if seconds > MOST * SECONDS:
                raise UsageError(
                    f"the text takes more than {MOST * SECONDS:.0f} s to say, which a picture holds: plot less of it"
                )
    end = silence(0.5, speaker.rate)  # in which the expression goes
    timeline.add(None, end, mover.move(None, end))
    return Performance(timeline, np.concatenate([*sound, end.samples]), speaker.rate)


def save(path: str | Path, perform: Callable[[], Performance]) -> None:
    """Write the picture of what `perform` gives as PNG, whole or not at all.

    Raises UsageError, before anything is performed, if `path` cannot be written, AnimacyError when the disk refuses.
    """
    file = PartialFile(Path(path))
    try:
        picture = draw(perform())
        try:
            picture.save(file.partial, "PNG", optimize=True)
        except OSError as error:
            raise AnimacyError(f"{path} cannot be written: {error.strerror or error}") from error
        file.keep()
    finally:
        file.discard()  # after keep() there is nothing left under the partial name


def pitch(samples: NDArray[np.float32], rate: int, step: float = 0.01, low: float = 65.0, high: float = 500.0) -> Array:
    """F0 in Hz every `step` seconds, [ceil(N / (step * rate))], NaN where there is none.

    YIN (de Cheveigne and Kawahara, 2002), steps 1 to 5: the difference function by FFT, its cumulative mean normalised, the
    first dip under 0.2, refined by a parabola. What is less than 50 ms long, or far from
    all around it, is taken out.
    """
    longest, shortest = int(rate / low), int(rate / high)
    size, hop = 2 * longest, round(step * rate)
    count = -(-len(samples) // hop)
    padded = np.pad(samples.astype(np.float64), (size // 2, size + hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: count * hop : hop][:count]
    found = np.full(count, np.nan)
    loud = np.sqrt(np.mean(np.square(frames), axis=1)) > 0.004
    for i in np.flatnonzero(loud):
        frame = frames[i]
        spectrum = np.fft.rfft(frame, 2 * size)
        window = np.fft.rfft(frame[:longest], 2 * size)
        same = np.fft.irfft(spectrum * np.conj(window))[:longest]
        power = np.concatenate([[0.0], np.cumsum(np.square(frame))])
        difference = power[longest] + power[longest : 2 * longest] - power[:longest] - 2.0 * same
        difference[0] = 0.0
        mean = np.cumsum(difference[1:]) / np.arange(1, longest)
        normal = np.concatenate([[1.0], difference[1:] / np.maximum(mean, 1e-12)])
        under = np.flatnonzero(normal[shortest:-1] < 0.2)
        if not len(under):
            continue
        lag = shortest + int(under[0])
        while lag + 1 < longest - 1 and normal[lag + 1] < normal[lag]:
            lag += 1
        a, b, c = normal[lag - 1 : lag + 2]
        bend = a - 2.0 * b + c
        found[i] = rate / (lag + (0.5 * (a - c) / bend if bend > 0.0 else 0.0))
    return _steady(found)


def _steady(found: Array, least: int = 5) -> Array:
    """The same without what leaps, and without stretches of fewer than `least` values."""
    beside = np.lib.stride_tricks.sliding_window_view(np.pad(found, 15, constant_values=np.nan), 31)
    for i, near in enumerate(beside):
        if not np.isnan(found[i]) and abs(np.log2(found[i] / np.nanmedian(near))) > 0.6:
            found[i] = np.nan
    edges = np.flatnonzero(np.diff(np.concatenate([[True], np.isnan(found), [True]]).astype(int)))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start < least:
            found[start:end] = np.nan
    return found


def loudness(samples: NDArray[np.float32], rate: int, step: float = 0.01) -> Array:
    """Level in dB of full scale every `step` seconds, over 20 ms, not under -60: [ceil(N / (step * rate))]."""
    hop = round(step * rate)
    count = -(-len(samples) // hop)
    power = np.cumsum(np.pad(np.square(samples, dtype=np.float64), (hop + 1, 2 * hop)))
    at = np.arange(count) * hop
    return np.asarray(10.0 * np.log10(np.maximum((power[at + 2 * hop] - power[at]) / (2 * hop), 1e-6)))


def draw(performance: Performance) -> Image.Image:
    """The picture, WIDTH pixels wide, in at most 256 colours."""
    strips = max(1, int(np.ceil(performance.timeline.duration / SECONDS)))
    high = sum(ROWS.values()) + GAP * (len(ROWS) - 1) + BETWEEN
    picture = Image.new("RGB", (WIDTH * FINE, (TOP + strips * high) * FINE), PAPER)
    pen = _Pen(picture, performance.timeline)
    pen.legend()
    curves = _curves(performance)
    for k in range(strips):
        _strip(pen, performance, curves, TOP + k * high, k * SECONDS)
    small = picture.resize((picture.width // FINE, picture.height // FINE), Image.Resampling.LANCZOS)
    return small.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def _curves(performance: Performance) -> dict[str, tuple[Array, Array]]:
    """Times and values of each curve."""
    timeline = performance.timeline
    motion, pose = timeline.motion
    sound: Array = np.arange(-(-len(performance.samples) // round(0.01 * performance.rate)), dtype=np.float64) * 0.01
    frames: Array = np.arange(len(motion), dtype=np.float64) / timeline.fps
    curves: dict[str, tuple[Array, Array]] = {
        "F0": (sound, pitch(performance.samples, performance.rate)),
        "loudness": (sound, loudness(performance.samples, performance.rate)),
        "head": (frames, np.degrees(pose[:, 0].astype(np.float64))),
    }
    for _, shapes in WEIGHTS:
        for shape, _, _ in shapes:
            sides = [ARKIT.index(n) for n in (shape, shape + "Left", shape + "Right") if n in ARKIT]
            curves[shape] = (frames, np.asarray(motion[:, sides].mean(1), np.float64))
    return curves


class _Pen:
    """Draws in pixels of the finished picture; times are seconds from a strip's start."""

    def __init__(self, picture: Image.Image, timeline: Timeline) -> None:
        self.draw = ImageDraw.Draw(picture)
        self.chinese = _chinese() if any(_HAN.search(w["text"]) for w in timeline.words) else None

    def x(self, seconds: float) -> float:
        return LEFT + seconds / SECONDS * (WIDTH - LEFT - RIGHT)

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        a, b, c, d = (round(v * FINE) for v in (left, top, right, bottom))
        if c > a and d > b:
            self.draw.rectangle((a, b, c - 1, d - 1), fill=colour)

    def line(self, points: list[Point], colour: str, width: float = 2.0) -> None:
        if len(points) > 1:
            self.draw.line([(x * FINE, y * FINE) for x, y in points], fill=colour, width=round(width * FINE), joint="curve")

    def text(self, x: float, y: float, text: str, size: float, colour: str = INK, anchor: str = "ls") -> None:
        written, font = self._written(text, size)
        self.draw.text((x * FINE, y * FINE), written, fill=colour, font=font, anchor=anchor)

    def width(self, text: str, size: float) -> float:
        written, font = self._written(text, size)
        return font.getlength(written) / FINE

    def _written(self, text: str, size: float) -> tuple[str, ImageFont.FreeTypeFont]:
        """The text as it can be written, and the font. Pillow's own has ASCII letters alone: pinyin stands for Chinese."""
        if _HAN.search(text):
            if self.chinese is not None:
                return text, ImageFont.truetype(self.chinese, round(size * FINE))
            text = "".join(lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True))
        plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        font = ImageFont.load_default(size * FINE)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return plain, font

    def legend(self) -> None:
        x = float(LEFT)
        for emotion in EMOTIONS:
            self.box(x, 22, x + 16, 38, COLOURS[emotion])
            self.text(x + 23, 36, emotion, 17)
            x += 23 + self.width(emotion, 17) + 26


def _chinese() -> str | None:
    for name in CHINESE:
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            continue
        return name
    return None


def _strip(pen: _Pen, performance: Performance, curves: dict[str, tuple[Array, Array]], top: float, begin: float) -> None:
    """One strip from the second `begin` on."""
    timeline, edges, y = performance.timeline, {}, top
    for name, high in ROWS.items():
        edges[name] = (y, y + high)
        y += high + GAP
    right = WIDTH - RIGHT
    for second in range(int(SECONDS) + 1):
        x = pen.x(second)
        pen.line([(x, edges["stress"][0]), (x, edges["head"][1])], GRID, 1)
        pen.text(x, edges["head"][1] + 19, f"{begin + second:.0f} s", 14, PALE, "ms")
    for name, (a, b) in edges.items():
        if name not in ("text", "emotion"):
            pen.line([(LEFT, b), (right, b)], GRID, 1)
        if name != "text":
            pen.text(LEFT - 12, (a + b) / 2 - LABEL.get(name, 9), name, 17, INK, "rm")
    for name, note in (("excitement", "0 to 1"), ("loudness", "-50 to -10 dB"), ("head", "nod, -4° to 4°")):
        pen.text(LEFT - 12, sum(edges[name]) / 2 + 10, note, 13, PALE, "rm")
    pen.text(LEFT - 12, sum(edges["F0"]) / 2 + 10, "80 to 480 Hz", 13, PALE, "rm")
    for row, shapes in WEIGHTS:
        for k, (_, label, colour) in enumerate(shapes):
            pen.text(LEFT - 12, sum(edges[row]) / 2 - 5 + 16 * k, label, 13, colour, "rm")
    _words(pen, timeline, edges, begin)
    _feelings(pen, timeline, edges, begin)
    for name, low, high_, colour in (
        ("F0", np.log(80.0), np.log(480.0), "#2a6fbb"),
        ("loudness", -50.0, -10.0, "#556070"),
        ("head", 4.0, -4.0, "#556070"),
    ):
        times, values = curves[name]
        shown = np.log(values) if name == "F0" else values
        _curve(pen, times - begin, (shown - low) / (high_ - low), edges[name], colour)
    for row, shapes in WEIGHTS:
        for shape, _, colour in shapes:
            times, values = curves[shape]
            _curve(pen, times - begin, values / MOST_WEIGHT, edges[row], colour)


def _curve(pen: _Pen, times: Array, shares: Array, edges: tuple[float, float], colour: str) -> None:
    """A line through shares 0..1 of the row's height; NaN parts it."""
    top, bottom = edges
    points: list[Point] = []
    for t, share in zip(times, shares, strict=True):
        if np.isnan(share) or not 0.0 <= t <= SECONDS:
            pen.line(points, colour)
            points = []
        else:
            points.append((pen.x(float(t)), bottom - (bottom - top) * float(np.clip(share, 0.0, 1.0))))
    pen.line(points, colour)


def _words(pen: _Pen, timeline: Timeline, edges: dict[str, tuple[float, float]], begin: float) -> None:
    """Words where they are heard, in two lines where they are too long for that, their stress as bars, and where they end
    a stem as high as the boundary there is strong."""
    top, bottom = edges["stress"]
    free = [0.0, 0.0]
    read = [w for s in timeline.score.sentences for w in s.words]
    for word, (stress, boundary) in zip(timeline.words, ((w.stress, w.boundary) for w in read), strict=True):
        if boundary and begin <= word["end"] < begin + SECONDS:
            x, (above, foot) = pen.x(word["end"] - begin), edges["boundary"]
            pen.box(x - 2, foot - (foot - above) * boundary, x + 2, foot, BOUNDARY)
        if not begin <= word["start"] < begin + SECONDS or word["end"] <= word["start"]:
            continue
        x, end = pen.x(word["start"] - begin), pen.x(min(word["end"] - begin, SECONDS))
        strong = stress >= 0.75
        size = 19.0 if strong else 17.0
        wide = pen.width(word["text"], size)
        line = 1 if free[1] <= x or free[1] <= free[0] else 0
        at = min(max(x, free[line]), WIDTH - wide - 2)
        free[line] = at + wide + 7
        pen.text(at, edges["text"][0] + (22 if line == 0 else 50), word["text"], size, INK if stress >= 0.45 else PALE)
        pen.box(x + 1, bottom - (bottom - top) * stress, end - 1, bottom, "#e06c3f" if strong else "#f3b79e")


def _feelings(pen: _Pen, timeline: Timeline, edges: dict[str, tuple[float, float]], begin: float) -> None:
    """The emotions of each sentence as shares of a band, and its excitement as a step."""
    index, spans = 0, []
    for sentence in timeline.score.sentences:
        own = timeline.words[index : index + len(sentence.words)]
        index += len(sentence.words)
        spans.append((sentence, own[0]["start"], max(w["end"] for w in own)))
    for k, (sentence, start, stop) in enumerate(spans):
        stop = spans[k + 1][1] if k + 1 < len(spans) else stop
        if stop <= begin or start >= begin + SECONDS:
            continue
        left, right = pen.x(max(start - begin, 0.0)), pen.x(min(stop - begin, SECONDS))
        top, bottom = edges["emotion"]
        y = bottom
        for emotion in sorted(EMOTIONS, key=lambda e: e != "neutral"):  # calm at the bottom
            high = (bottom - top) * sentence.emotion[emotion]
            pen.box(left, y - high, right - 2, y, COLOURS[emotion])
            y -= high
        top, bottom = edges["excitement"]
        level = bottom - (bottom - top) * sentence.excitement
        pen.box(left, level, right - 2, bottom, "#f6dfe6")
        pen.line([(left, level), (right - 2, level)], "#b8326b", 2.5)
