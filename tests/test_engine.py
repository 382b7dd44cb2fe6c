"""The line with stages made for the test: order, timing, memory, failure."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Generator, Iterator

import numpy as np
import pytest

from animacy.ahead import ahead, heeding
from animacy.engine import Line, Progress, perform
from animacy.errors import UsageError
from animacy.face import Drawn
from animacy.timeline import Timeline
from animacy.types import ARKIT, EMOTIONS, Conditions, Faces, Motion, Phone, Sentence, Speech, TimedWord, Word

RATE = 24000


class Words:
    """A sentence for each line, a word for each word."""

    def read(self, text: str) -> Iterator[Sentence]:
        if not text.split():
            raise UsageError("nothing to say")
        at = 0
        for line in text.splitlines(keepends=True):
            words, column = [], 0
            for part in line.split():
                column = line.index(part, column)
                words.append(Word(part, at + column, at + column + len(part), 0.5, part))
                column += len(part)
            emotion = {name: float(name == "neutral") for name in EMOTIONS}
            yield Sentence(line, at, at + len(line), "en", emotion, 0.0, 0.3, tuple(words))
            at += len(line)


class Beeps:
    """0.1 s of silence, 0.2 s for each word, 0.1 s of silence; two stretches for each sentence of more than one word."""

    rate = RATE

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        middle = (len(sentence.words) + 1) // 2
        for low, high in ((0, middle), (middle, len(sentence.words))):
            if low == high:
                continue
            count = high - low
            samples = np.zeros(int((0.2 + 0.2 * count) * RATE), np.float32)
            spans = [(int((0.1 + 0.2 * i) * RATE), int((0.3 + 0.2 * i) * RATE)) for i in range(count)]
            yield Speech(
                samples,
                RATE,
                tuple(Phone("a", s, e, low + i) for i, (s, e) in enumerate(spans)),
                tuple(TimedWord(low + i, s, e) for i, (s, e) in enumerate(spans)),
            )


class Still:
    def __init__(self, fps: int) -> None:
        self.fps, self.samples, self.frames = fps, 0, 0

    def move(self, sentence: Sentence | None, speech: Speech) -> Motion:
        self.samples += len(speech.samples)
        count = -(-self.samples * self.fps // speech.rate) - self.frames
        first, self.frames = self.frames, self.frames + count
        weights = np.zeros((count, 52), np.float32)
        weights[:, ARKIT.index("jawOpen")] = sentence is not None
        return Motion(weights, np.zeros((count, 6), np.float32), first, self.fps)


class Numbers:
    """Frame n is painted with n."""

    def render(self, motion: Motion) -> Conditions:
        image = np.zeros((len(motion), 2, 2, 4), np.uint8)
        image += ((motion.first + np.arange(len(motion))) % 256).astype(np.uint8).reshape(-1, 1, 1, 1)
        return Conditions(image, image, image[..., :2])

    def generate(self, conditions: Conditions) -> Faces:
        return Faces(conditions.shaded)


class Film:
    def __init__(self) -> None:
        self.frames: list[int] = []
        self.samples = 0
        self.longest_lead = 0.0

    def send(self, faces: Faces) -> None:
        self.frames += faces.rgba[:, 0, 0, 0].tolist()
        assert len(self.frames) <= self.samples * 25 / RATE + 1, "a frame came before its sound"

    def hear(self, speech: Speech) -> None:
        self.longest_lead = max(self.longest_lead, self.samples / RATE - len(self.frames) / 25)
        self.samples += len(speech.samples)


def line(film: Film) -> Line:
    stages = Numbers()
    return Line(Beeps(), Still(25), Drawn(stages, stages), (film,))


def test_every_frame_is_sent_once_in_order_with_its_sound() -> None:
    film, told = Film(), list[Progress]()
    done = perform(Words().read("one two three\nfour"), line(film), report=told.append)
    assert film.frames == list(range(done.frames))
    assert film.samples / RATE == pytest.approx(done.seconds) == pytest.approx(0.3 + 0.6 + 0.4 + 0.4 + 0.7)
    assert done.frames == 60
    assert [p.position for p in told] == sorted(p.position for p in told)
    assert done.position == len("one two three\nfour")


def test_nothing_is_sent_for_a_text_with_nothing_to_say() -> None:
    film = Film()
    with pytest.raises(UsageError):
        perform(Words().read("  \n"), line(film))
    assert film.samples == 0 and not film.frames


def test_the_timeline_has_each_word_and_phone_where_it_is_heard() -> None:
    timeline = Timeline(25)
    done = perform(Words().read("one two three\nfour"), line(Film()), timeline=timeline)
    out = io.StringIO()
    timeline.write(out)
    data = json.loads(out.getvalue())
    assert list(data) == ["fps", "duration", "score", "words", "phones", "motion"]
    assert data["fps"] == 25
    assert data["duration"] == pytest.approx(done.seconds)
    assert [w["text"] for w in data["words"]] == ["one", "two", "three", "four"]
    starts = [0.4, 0.6, 1.0, 1.4]
    assert [w["start"] for w in data["words"]] == pytest.approx(starts)
    assert [w["end"] for w in data["words"]] == pytest.approx([s + 0.2 for s in starts])
    assert [(p["symbol"], p["word"]) for p in data["phones"]] == [("a", i) for i in range(4)]
    assert [p["start"] for p in data["phones"]] == pytest.approx(starts)
    assert data["motion"]["names"] == list(ARKIT)
    assert np.shape(data["motion"]["weights"]) == (done.frames, 52)
    assert np.shape(data["motion"]["pose"]) == (done.frames, 6)
    assert data["score"]["language"] == "en"
    assert [s["text"] for s in data["score"]["sentences"]] == ["one two three\n", "four"]


def test_a_lone_surrogate_goes_through_the_timeline() -> None:
    timeline = Timeline(25)
    perform(Words().read("one\ud800"), line(Film()), timeline=timeline)
    out = io.StringIO()
    timeline.write(out)
    out.getvalue().encode("utf-8")
    assert json.loads(out.getvalue())["words"][0]["text"] == "one\ud800"


def test_a_stage_that_fails_ends_the_performance_with_its_error() -> None:
    class Mute(Beeps):
        def speak(self, sentence: Sentence) -> Iterator[Speech]:
            if sentence.start:
                raise RuntimeError("no voice")
            yield from super().speak(sentence)

    film = Film()
    stages = Numbers()
    with pytest.raises(RuntimeError, match="no voice"):
        perform(Words().read("one\ntwo"), Line(Mute(), Still(25), Drawn(stages, stages), (film,)))
    assert film.frames == list(range(len(film.frames))) and film.frames


def test_speech_is_made_a_bounded_way_ahead() -> None:
    made = 0

    class Counting(Beeps):
        def speak(self, sentence: Sentence) -> Iterator[Speech]:
            nonlocal made
            for speech in super().speak(sentence):
                made += 1
                yield speech

    class Watching(Film):
        heard = 0

        def hear(self, speech: Speech) -> None:
            super().hear(speech)
            self.heard += bool(speech.words)
            time.sleep(0.002)
            # two in the queue, one that waits for room
            assert made <= self.heard + 3

    stages = Numbers()
    film = Watching()
    perform(Words().read("\n".join(["word"] * 40)), Line(Counting(), Still(25), Drawn(stages, stages), (film,)))
    assert film.heard == 40


def test_ahead_stops_its_thread_and_closes_its_source_when_left_early() -> None:
    closed = threading.Event()

    def endless() -> Generator[int, None, None]:
        try:
            n = 0
            while True:
                yield n
                n += 1
        finally:
            closed.set()

    before = threading.active_count()
    with ahead(endless(), bound=2) as items:
        assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert closed.is_set()
    assert threading.active_count() == before


def test_what_a_source_is_in_the_middle_of_ends_when_it_is_left_or_halted() -> None:
    ended, begun = threading.Event(), threading.Event()

    def slow() -> Generator[int, None, None]:
        for n in range(3):
            with heeding(ended.set):
                begun.set()
                assert ended.wait(30)
            ended.clear()
            yield n

    with ahead(slow(), bound=2) as items:
        for n in range(2):
            assert begun.wait(30)
            begun.clear()
            items.halt()
            assert next(items) == n
        assert begun.wait(30)
    assert not any(t.name == "ahead" for t in threading.enumerate())
    with heeding(lambda: pytest.fail("nobody reads what this thread does")):
        pass


def test_ahead_works_while_its_reader_works() -> None:
    made = [threading.Event() for _ in range(3)]

    def source() -> Generator[int, None, None]:
        for n, event in enumerate(made):
            event.set()
            yield n

    with ahead(source(), bound=2) as items:
        assert next(items) == 0
        assert made[2].wait(30), "the third was not made while its reader had the first"
