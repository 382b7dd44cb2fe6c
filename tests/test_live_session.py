"""A live session on a virtual clock: what is heard, seen and told, and that nothing drifts, leaks or jumps."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from animacy.ahead import HaltedError, heeding
from animacy.errors import AnimacyError, UsageError
from animacy.live import Event, Moment, Session
from animacy.live.session import BLOCK, EVENTS, LOOK_AHEAD, Full
from animacy.live.speaking import QUEUED
from animacy.move import Performer
from animacy.types import ARKIT, EMOTIONS, Phone, Sentence, Speech, TimedWord, Word

RATE = 24_000
INDEX = {name: i for i, name in enumerate(ARKIT)}
# as test_move: the fastest change of one frame at 25 fps that still looks smooth
STEPS = {"eyeBlink": 0.85, "eyeLook": 0.75, "eyeSquint": 0.3, "eyeWide": 0.45, "mouthRoll": 0.6, "mouth": 0.45, "jaw": 0.2}
STEPS |= {"tongue": 0.5, "": 0.15}
LIMITS = np.array([next(v for k, v in STEPS.items() if name.startswith(k)) for name in ARKIT])


class Clock:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Words:
    """Every full stop ends a sentence."""

    def read(self, text: str) -> Iterator[Sentence]:
        at = 0
        for piece in text.split("."):
            words, column = [], 0
            for part in piece.split():
                column = piece.index(part, column)
                words.append(Word(part, at + column, at + column + len(part), 0.7, part))
                column += len(part)
            if words:
                emotion = {name: float(name == "neutral") for name in EMOTIONS}
                yield Sentence(piece, at, at + len(piece), "en", emotion, 0.0, 0.5, tuple(words))
            at += len(piece) + 1


class Tone:
    """Two stretches a sentence; a word is 0.3 s of a tone in three phones, with 0.1 s of silence at both ends of a stretch."""

    rate = RATE

    def __init__(self) -> None:
        self.stretches = 0

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        half = (len(sentence.words) + 1) // 2
        for low, high in ((0, half), (half, len(sentence.words))):
            if low == high:
                continue
            if sentence.words[low].text == "broken":
                raise RuntimeError("no voice left")
            begin, word = RATE // 10, 3 * RATE // 10
            samples = np.zeros(2 * begin + (high - low) * word, np.float32)
            samples[begin : len(samples) - begin] = 0.2 * np.cos(np.arange((high - low) * word) * 0.06)
            starts = [begin + i * word for i in range(high - low)]
            phones = tuple(
                Phone(symbol, start + k * word // 3, start + (k + 1) * word // 3, low + i)
                for i, start in enumerate(starts)
                for k, symbol in enumerate(("m", "ɑ", "w"))
            )
            self.stretches += 1
            yield Speech(samples, RATE, phones, tuple(TimedWord(low + i, s, s + word) for i, s in enumerate(starts)))


def opened(clock: Clock, fps: int = 25, seed: int = 0, speaker: Tone | None = None) -> Session:
    return Session(speaker or Tone(), reader=Words(), clock=clock, fps=fps, seed=seed)


def settle(session: Session) -> None:
    """Wait until the thread has made what it can, not for long where a voice hangs: its time is real, the clock is not."""
    began = time.monotonic()
    inbox, items = session._speaking._inbox, session._speaking._stretches._items
    while time.monotonic() < began + 5:
        waits = bool(inbox.not_empty._waiters)  # for a text: a queue's Condition knows who waits
        if items.full() or (inbox.empty() and (waits or time.monotonic() > began + 0.3)):
            return
        time.sleep(0.001)
    raise AssertionError("nothing was spoken")


def run(session: Session, clock: Clock, seconds: float, look_ahead: int = 0, step: float = 0.04) -> list[Moment]:
    moments, ends = [], clock.now + seconds
    while clock.now < ends - 1e-9:
        clock.now = min(clock.now + step, ends)
        settle(session)
        moments += session.take(look_ahead)
    return moments


def parted(weights: np.ndarray) -> float:
    """How far the lips are apart, as test_move has it."""
    shares = {"jawOpen": 1, "mouthClose": -1, "mouthFunnel": 0.3, "mouthLowerDownLeft": 0.3, "mouthUpperUpLeft": 0.2}
    return sum(share * weights[..., INDEX[name]] for name, share in shares.items())


def smooth(moments: list[Moment]) -> None:
    steps = np.abs(np.diff([m.weights for m in moments], axis=0))
    assert (steps <= LIMITS).all(), [(ARKIT[i], steps[:, i].max()) for i in np.flatnonzero((steps > LIMITS).any(0))]


def test_frames_before_the_first_are_not_taken_and_an_interruption_there_is_of_frame_0() -> None:
    clock = Clock()
    with Session(Tone(), reader=Words(), clock=clock, lead=0.2) as session:
        assert session.opened == pytest.approx(clock.now + 0.2) and session.due() == 0
        taken = []
        for _ in range(4):
            taken.append([m.number for m in session.take(4)])
            clock.now += 0.04
        assert taken == [[], [0], [1], [2]] and session.due() == 0
        session.say("one two")
        session.interrupt()
        assert [(e.kind, e.time) for e in session.events()] == [("interrupted", 0.0)]
        assert [(m.epoch, m.number) for m in session.take(4)] == [(1, 0), (1, 1), (1, 2), (1, 3)]
        clock.now += 0.04
        assert session.due() == 1 and [m.number for m in session.take()] == []


def test_idle_and_speech_without_a_seam() -> None:
    clock = Clock()
    with opened(clock) as session:
        moments = session.take() + run(session, clock, 2)
        assert not any(m.samples.any() for m in moments)
        assert np.ptp([m.pose for m in moments], axis=0).max() > 0
        number = session.say("one two three four. five six")
        moments += run(session, clock, 5)
        heard = np.concatenate([m.samples for m in moments])
        events = session.events()
    assert [m.number for m in moments] == list(range(len(moments)))
    assert len(heard) == len(moments) * RATE // 25
    smooth(moments)
    assert [e.kind for e in events] == ["started", "sentence", *["word"] * 4, "sentence", *["word"] * 2, "finished"]
    assert {e.say for e in events} == {number}
    assert [e.text for e in events if e.kind == "word"] == ["one", "two", "three", "four", "five", "six"]
    assert [e.time for e in events] == sorted(e.time for e in events)
    assert ["one two three four. five six"[e.start : e.end] for e in events if e.kind == "word"][-1] == "six"
    for event in events:  # words are told of where they are heard: the tone begins at its crest, after silence
        at = round(event.time * RATE)
        if event.text in ("one", "three", "five"):
            assert heard[at] == pytest.approx(0.2) and not heard[at - RATE // 20 : at].any()
    speaking = [m for m in moments if m.samples.any()]
    assert max(parted(m.weights) for m in speaking) > 0.1


def test_speech_begins_with_the_next_frame() -> None:
    clock = Clock()
    with opened(clock) as session:
        run(session, clock, 1.0)
        session.say("hello")
        settle(session)
        time.sleep(0.02)
        clock.now += 0.04
        taken = session.take()
        clock.now += 0.2
        session.take()
        started = session.events()[0]
    assert started.kind == "started" and started.time == taken[0].number / 25


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
@pytest.mark.parametrize("look_ahead", [0, 4])
def test_interruption_is_at_once(fps: int, look_ahead: int) -> None:
    """Wherever in a word it comes."""
    for late in np.arange(0.17, 0.95, 0.093):
        clock = Clock()
        with opened(clock, fps, seed=int(late * 100)) as session:
            session.say("one two three four. five six")
            session.say("seven")
            settle(session)
            before = session.take(look_ahead) + run(session, clock, float(late), look_ahead, 1 / fps)
            told = session.events()
            session.interrupt()
            at = clock.now - 1000
            first = session.events()
            after = run(session, clock, 1.5, look_ahead, 1 / fps)
            rest = session.events()
        assert [e.kind for e in first][-1] == "interrupted" and not rest
        assert all(e.kind == "word" and e.time <= at for e in first[:-1]) and told
        number = after[0].number
        assert at < number / fps <= at + 1 / fps + 1e-6
        assert first[-1].time == pytest.approx(number / fps)
        assert {m.epoch for m in after} == {1} and {m.epoch for m in before} == {0}
        assert not after[0].samples[RATE // 200 :].any()  # 5 ms in which it dies away
        assert not any(m.samples.any() for m in after[1:])
        shut = [m for m in after if m.number / fps >= at + 0.2]
        assert max(parted(m.weights) for m in shut) < 0.03
        seen = [m for m in before if m.number < number] + after
        assert [m.number for m in seen] == list(range(len(seen)))
        if fps >= 25:
            smooth(seen)


def test_speaks_again_after_an_interruption() -> None:
    clock = Clock()
    with opened(clock) as session:
        session.say("one two three")
        moments = session.take() + run(session, clock, 0.5)
        session.interrupt()
        number = session.say("four")
        moments += run(session, clock, 2)
        events = session.events()
    smooth(moments)
    later = events[[e.kind for e in events].index("interrupted") + 1 :]
    assert [(e.kind, e.say, e.epoch) for e in later] == [(k, number, 1) for k in ("started", "sentence", "word", "finished")]


def test_an_interruption_ends_what_the_voice_is_in_the_middle_of() -> None:
    class Slow(Tone):
        begun, ended = threading.Event(), threading.Event()

        def speak(self, sentence: Sentence) -> Iterator[Speech]:
            if sentence.words[0].text == "slow":
                with heeding(self.ended.set):
                    self.begun.set()
                    self.ended.wait(60)
                raise HaltedError("halted")
            yield from super().speak(sentence)

    clock, voice = Clock(), Slow()
    with opened(clock, speaker=voice) as session:
        slow, after = session.say("slow words"), session.say("never said")
        session.take()
        assert voice.begun.wait(30)
        session.interrupt()
        assert voice.ended.wait(30)
        number = session.say("four")
        run(session, clock, 2)
        events = session.events()
        voice.begun.clear()
        voice.ended.clear()
        session.say("slow again")
        assert voice.begun.wait(30)
    assert voice.ended.is_set()  # closing it waits for no voice either
    assert [e.say for e in events if e.kind in ("failed", "finished")] == [number]
    assert not {slow, after} & {e.say for e in events if e.kind == "started"}


def test_emotion_shows_in_talk_and_at_rest() -> None:
    clock = Clock()
    smile = INDEX["mouthSmileLeft"]
    with opened(clock) as session:
        moments = session.take() + run(session, clock, 2)
        session.set_emotion({"joy": 1.0})
        moments += run(session, clock, 2)
        session.say("one two")
        moments += run(session, clock, 3)
        session.set_emotion(None)
        moments += run(session, clock, 2)
        with pytest.raises(UsageError, match="hunger"):
            session.set_emotion({"hunger": 1.0})
    smiles = np.array([m.weights[smile] for m in moments])
    assert smiles[:50].max() < 0.1 and smiles[80:100].min() > 0.4 and smiles[150:170].min() > 0.3 and smiles[-1] < 0.1
    smooth(moments)


@pytest.mark.parametrize("text", ["", "one two three. four five. six seven eight nine"])
def test_an_emotion_shows_from_the_next_frame_and_changes_nothing_that_is_heard(text: str) -> None:
    """At each place in what is planned, be it at rest or in talk, where stretches begin and end."""
    clock = Clock()
    for frames in range(3, 40, 3):
        with opened(clock) as plain, opened(clock) as moved:
            pairs = []
            for n in range(frames + 12):
                if n == 2 and text:
                    plain.say(text)
                    moved.say(text)
                if n == frames:
                    moved.set_emotion({"joy": 1.0})
                if text:
                    settle(plain)
                    settle(moved)
                pairs += zip(plain.take(), moved.take(), strict=True)
                clock.now += 0.04
        assert len(pairs) > frames + 10
        apart = [np.abs(a.weights - b.weights).max() for a, b in pairs]
        assert max(apart[:frames]) == 0.0 < apart[frames] < apart[frames + 1] < apart[frames + 4]
        assert all(np.array_equal(a.samples, b.samples) for a, b in pairs)
        smooth([b for _, b in pairs])


def test_sessions_that_are_opened_together_plan_in_different_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    planned: list[int] = []  # samples
    advance = Performer.advance
    monkeypatch.setattr(Performer, "advance", lambda self, samples: planned.append(samples) or advance(self, samples))
    together = [Session(Tone(), reader=Words(), clock=clock, seed=seed) for seed in range(2 * BLOCK)]
    counts = []
    for _ in range(4 * BLOCK):
        planned.clear()
        for session in together:
            session.take()
        counts.append(len(planned))
        clock.now += 0.04
    for session in together:
        session.close()
    assert set(counts[1:]) == {2}  # in the first all plan


def test_a_speaker_that_fails_is_told_of_and_the_face_lives_on() -> None:
    clock = Clock()
    with opened(clock) as session:
        first, second, third = session.say("one two. broken"), session.say("..."), session.say("three")
        moments = session.take() + run(session, clock, 4)
        events = session.events()
    smooth(moments)
    ends = [(e.say, e.kind, e.text) for e in events if e.kind in ("failed", "finished")]
    assert ends == [(first, "failed", "no voice left"), (second, "failed", "nothing to say"), (third, "finished", "")]


def test_what_is_bounded() -> None:
    clock = Clock()
    with opened(clock) as session:
        with pytest.raises(UsageError, match="nothing to say"):
            session.say(" \n")
        with pytest.raises(UsageError, match="look_ahead is 13"):
            session.take(LOOK_AHEAD + 1)
        with pytest.raises(AnimacyError, match="wait to be said already"):
            for _ in range(QUEUED + 10):
                session.say("one")
        session.interrupt()
        for _ in range(EVENTS + 10):
            session.interrupt()
        assert len(session.events()) == EVENTS
        clock.now += 5
        assert len(session.take()) == 25 and len(session.take()) == 25


def test_closed_is_closed() -> None:
    clock = Clock()
    session = opened(clock)
    session.say("one. two. three. four. five")
    session.close()
    session.close()
    say, feel = lambda: session.say("one"), lambda: session.set_emotion(None)
    for call in (say, feel, session.interrupt, session.take, session.due, session.events):
        with pytest.raises(AnimacyError, match="session is closed"):
            call()


def test_a_hundred_sessions_leave_no_thread() -> None:
    before = threading.active_count()
    sessions = [opened(Clock(), seed=i) for i in range(100)]
    for session in sessions:
        session.say("one two. three. four. five. six")
        session.take()
    for session in sessions:
        session.close()
    assert threading.active_count() == before


@pytest.mark.slow
def test_an_hour_without_drift() -> None:
    clock = Clock()
    with opened(clock, fps=7) as session:
        frames = len(session.take())
        samples = frames * RATE // 7
        for second in range(3600):
            if second % 5 == 0:
                session.say("one two three")
                settle(session)
            if second % 30 == 12:
                session.interrupt()
            clock.now += 1.0
            moments = session.take()
            frames += len(moments)
            samples += sum(len(m.samples) for m in moments)
            assert all(a.number + 1 == b.number for a, b in itertools.pairwise(moments))
            assert moments[-1].number == frames - 1 == 7 * (second + 1)
            assert abs(samples / RATE - frames / 7) < 0.0001
            assert abs((clock.now - 1000) + 1 / 7 - samples / RATE) < 0.005
            assert len(session._coming) < 20 and session._speaking._inbox.qsize() < 5 and len(session._planned) <= BLOCK
            session.events()
        parts = session._performer
        assert sum(map(len, (parts._parts, parts._cuts, parts._pauses, parts._blinks.onsets, parts._gaze.fixations))) < 80


class Viewer(RuleBasedStateMachine):
    """Anything a viewer can do, in any order: what must hold at every moment."""

    @initialize(fps=st.sampled_from([25, 30, 50]), seed=st.integers(0, 5))
    def open(self, fps: int, seed: int) -> None:
        self.clock = Clock()
        self.session = opened(self.clock, fps, seed)
        self.fps = fps
        self.shown: list[Moment] = []  # by number; an interruption takes back what was not due
        self.events: list[Event] = []
        self.pushing: int | None = None

    def teardown(self) -> None:
        if hasattr(self, "session"):
            self.session.close()

    def fetch(self) -> None:
        self.events += self.session.events()

    @precondition(lambda self: not self.session.closed)
    @rule(text=st.sampled_from(["one", "one two three four", "a b. c d. e f", "one. broken. two"]))
    def say(self, text: str) -> None:
        self.session.say(text)

    @precondition(lambda self: not self.session.closed)
    @rule(samples=st.integers(0, RATE), ends=st.booleans())
    def push(self, samples: int, ends: bool) -> None:
        sound = (0.2 * np.sin(np.arange(samples) * 0.06)).astype(np.float32)
        with suppress(Full):
            self.pushing = self.session.push_audio(sound, RATE, self.pushing)
        if ends and self.pushing is not None:
            self.session.end_audio(self.pushing)
            self.pushing = None

    @precondition(lambda self: not self.session.closed)
    @rule()
    def interrupt(self) -> None:
        self.session.interrupt()
        self.pushing = None
        self.fetch()
        at = self.events[-1]
        assert at.kind == "interrupted" and at.epoch == self.session.epoch
        first = round(at.time * self.fps)
        assert first <= len(self.shown)
        assert first / self.fps <= self.clock.now - 1000 + 1 / self.fps + 1e-6
        del self.shown[first:]
        if self.session.due() <= first:
            self.clock.now = 1000 + first / self.fps
        moments = self.session.take()
        self.see(moments)
        self.fetch()

    @precondition(lambda self: not self.session.closed)
    @rule(weights=st.sampled_from([None, {"joy": 1.0}, {"anger": 0.7}, {"surprise": 1.0}]))
    def set_emotion(self, weights: dict[str, float] | None) -> None:
        self.session.set_emotion(weights)

    @precondition(lambda self: not self.session.closed)
    @rule(frames=st.floats(0.1, 20), look_ahead=st.integers(0, LOOK_AHEAD))
    def advance(self, frames: float, look_ahead: int) -> None:
        settle(self.session)
        self.clock.now += frames / self.fps
        self.see(self.session.take(look_ahead))
        self.fetch()

    @rule()
    def close(self) -> None:
        self.session.close()

    def see(self, moments: list[Moment]) -> None:
        for moment in moments:
            assert moment.number == len(self.shown)
            assert moment.epoch == self.session.epoch
            assert len(moment.samples) == (moment.number + 1) * RATE // self.fps - moment.number * RATE // self.fps
            self.shown.append(moment)
        smooth(self.shown[-len(moments) - 1 :])

    @invariant()
    def nothing_grows(self) -> None:
        if hasattr(self, "session"):
            assert len(self.session._planned) <= BLOCK and len(self.session._coming) <= 30
            assert sum(len(p.sound.samples) for p in self.session._pushed) <= 10.2 * RATE
            assert len(self.session._performer._cuts) < 30 and len(self.session._performer._heard.runs) < 30

    @invariant()
    def events_are_in_order(self) -> None:
        if not hasattr(self, "session"):
            return
        assert [e.epoch for e in self.events] == sorted(e.epoch for e in self.events)
        assert [e.time for e in self.events] == sorted(e.time for e in self.events)
        assert all(e.time <= self.clock.now - 1000 + 1 / self.fps + 1e-6 for e in self.events)
        state: dict[int, str] = {}
        for event in self.events:
            before = state.get(event.say, "")
            assert event.kind != "started" or not before
            assert event.kind not in ("word", "sentence", "finished") or before in ("started", "word", "sentence")
            state[event.say] = event.kind


TestViewer = Viewer.TestCase
TestViewer.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
