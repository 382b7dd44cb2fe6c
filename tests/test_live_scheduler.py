"""The scheduler on a virtual clock, with a painter whose cost is known; and once with the real speaker and renderer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from animacy.errors import AnimacyError, UsageError
from animacy.face import Drawn
from animacy.live import Busy, Moment, Scheduler, Session
from animacy.live.host import LEAD
from animacy.types import Conditions, Faces, Motion, Sentence, Speech
from test_live_session import RATE, Clock, Tone, Words, settle


class Easel:
    """Renders and generates; a frame costs `cost` seconds of the clock, a batch `start` more. Its face shows the jaw."""

    def __init__(self, clock: Clock, cost: float, start: float = 0.0) -> None:
        self.clock, self.cost, self.start = clock, cost, start
        self.batches: list[int] = []

    def render(self, motion: Motion) -> Conditions:
        image = np.zeros((len(motion), 2, 2, 4), np.uint8)
        image += (motion.weights[:, 17] * 255).astype(np.uint8).reshape(-1, 1, 1, 1)
        return Conditions(image, image, image[..., :2])

    def generate(self, conditions: Conditions) -> Faces:
        self.batches.append(len(conditions.shaded))
        self.clock.now += self.start + self.cost * len(conditions.shaded)
        return Faces(conditions.shaded)


class Screen:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.heard: list[Moment] = []
        self.shown: list[tuple[int, int, float]] = []  # epoch, number, seconds after it was due

    def hear(self, moment: Moment) -> None:
        self.heard.append(moment)

    def show(self, moment: Moment, face: np.ndarray) -> None:
        assert face.shape == (2, 2, 4)
        late = self.session._clock() - self.session._opened - moment.number / self.session.fps
        self.shown.append((moment.epoch, moment.number, late))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions() -> Iterator[list[Session]]:
    opened_here: list[Session] = []
    yield opened_here
    for session in opened_here:
        session.close()


def add(
    scheduler: Scheduler,
    sessions: list[Session],
    clock: Clock,
    speaker: Tone | None = None,
    avatar: str = "a",
    lead: float = 0.0,
) -> Screen:
    session = Session(speaker or Tone(), reader=Words(), clock=clock, seed=len(sessions), avatar=avatar, lead=lead)
    sessions.append(session)
    screen = Screen(session)
    scheduler.add(session, screen)
    return screen


def ticks(scheduler: Scheduler, clock: Clock, seconds: float) -> None:
    ends = clock.now + seconds
    while clock.now < ends:
        wait = scheduler.tick()  # which moves the clock itself, by what is painted
        clock.now += wait


def test_sessions_are_painted_together_and_ahead(clock: Clock, sessions: list[Session]) -> None:
    a, b = Easel(clock, 0.001), Easel(clock, 0.001)
    scheduler = Scheduler({"a": Drawn(a, a, 32), "b": Drawn(b, b, 32)}, clock)
    screens = [add(scheduler, sessions, clock, avatar=avatar) for avatar in "aaab"]
    ticks(scheduler, clock, 4)
    assert a.batches[-1] == 3 and b.batches[-1] == 1
    for screen in screens:
        numbers = [n for _, n, _ in screen.shown]
        assert numbers == list(range(len(numbers))) == [m.number for m in screen.heard]
        assert max(late for _, _, late in screen.shown[20:]) < -0.1  # three frames before it is due
    assert scheduler.look_ahead == 4 and not scheduler.half


@pytest.mark.parametrize("lead", [LEAD, 0])
def test_sessions_that_open_together_are_late_only_without_a_lead(clock: Clock, sessions: list[Session], lead: int) -> None:
    easel = Easel(clock, 0.001, 0.005)
    scheduler = Scheduler({"a": Drawn(easel, easel, 64)}, clock)
    ticks(scheduler, clock, 1)
    screens = []
    for _ in range(8):
        screens.append(add(scheduler, sessions, clock, lead=lead / 25))
        clock.now += 0.004  # in which an encoder opens
    before = len(easel.batches)
    ticks(scheduler, clock, 2)
    late = max(late for screen in screens for _, _, late in screen.shown)
    assert all(screen.shown[0][:2] == (0, 0) and screen.heard[0].number == 0 for screen in screens)
    if lead:
        assert max(easel.batches[before:]) <= 16 and late < 0
    else:  # each brings as many frames as are painted ahead, and one
        assert max(easel.batches[before:]) > 32 and late > 0.04


def test_degrades_in_the_stated_order_and_stays_in_time(clock: Clock, sessions: list[Session]) -> None:
    """200 frames a second are 8 sessions in full, and 14 with each second frame painted."""
    easel = Easel(clock, 0.005)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)}, clock)
    assert scheduler.reached == pytest.approx(200)
    screens, states = [], []
    with pytest.raises(Busy, match="retry later"):
        for _ in range(30):
            screens.append(add(scheduler, sessions, clock))
            screens[-1].session.say("one two three four five six. " * 5)
            settle(screens[-1].session)
            clock.now += 0.013
            ticks(scheduler, clock, 2)
            states.append((scheduler.look_ahead, scheduler.half))
    assert [look for look, _ in states] == sorted((look for look, _ in states), reverse=True)
    assert len({look for look, half in states if not half}) > 2  # first by fewer frames ahead, then by fewer frames
    assert [half for _, half in states] == sorted(half for _, half in states)
    assert len(screens) == 14
    for screen in screens:
        numbers = [m.number for m in screen.heard]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= screen.session.due() - 2
        assert max(late for _, _, late in screen.shown) < 0.16
        late = [n for _, n, _ in screen.shown][-20:]
        assert np.diff(late).max() == 2 and np.diff(late).min() == 2
    for screen in screens[3:]:
        scheduler.remove(screen.session)
    ticks(scheduler, clock, 3)
    assert (scheduler.look_ahead, scheduler.half) == (4, False)
    add(scheduler, sessions, clock)


def test_a_painter_that_turns_slow_costs_frames_but_no_time(clock: Clock, sessions: list[Session]) -> None:
    easel = Easel(clock, 0.002)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)}, clock)
    screens = [add(scheduler, sessions, clock) for _ in range(8)]
    ticks(scheduler, clock, 2)
    easel.cost = 0.02  # 50 frames a second where 200 are asked for
    ticks(scheduler, clock, 6)
    for screen in screens:
        assert [m.number for m in screen.heard] == list(range(len(screen.heard)))
        assert len(screen.heard) >= screen.session.due() - 8
        assert max(late for _, _, late in screen.shown[-10:]) < 0.4
        assert len(screen.shown) > 60
    with pytest.raises(Busy):
        add(scheduler, sessions, clock)


def test_a_painter_that_takes_its_time_for_a_batch_is_not_short_for_few_frames(clock: Clock, sessions: list[Session]) -> None:
    """As a GPU: 22 ms for one frame, 34 ms for 16. What paints half as many frames saves next to nothing."""
    easel = Easel(clock, 0.0008, start=0.021)
    scheduler = Scheduler({"a": Drawn(easel, easel, 16)}, clock)
    assert scheduler.reached == pytest.approx(16 / (0.021 + 16 * 0.0008))
    for _ in range(8):
        add(scheduler, sessions, clock)
        ticks(scheduler, clock, 0.2)
        assert not scheduler.half
    assert scheduler.need == pytest.approx(25 * (0.021 + 8 * 0.0008), rel=0.02)
    easel.start = 0.06
    ticks(scheduler, clock, 3)
    assert scheduler.half
    easel.start = 0.021
    ticks(scheduler, clock, 3)
    assert not scheduler.half
    with pytest.raises(Busy, match="each second frame painted"):  # beyond 16 frames a second batch would begin
        for _ in range(99):
            add(scheduler, sessions, clock)
    assert len(sessions) == 33


def test_what_a_session_takes_besides_painting_bounds_their_number(clock: Clock, sessions: list[Session]) -> None:
    easel = Easel(clock, 0.0)
    scheduler = Scheduler({"a": Drawn(easel, easel, 64)}, clock)

    class Slow(Screen):
        def hear(self, moment: Moment) -> None:
            clock.now += 0.0029

    with pytest.raises(Busy):
        for seed in range(40):
            sessions.append(Session(Tone(), reader=Words(), clock=clock, seed=seed, avatar="a"))
            scheduler.add(sessions[-1], Slow(sessions[-1]))
            ticks(scheduler, clock, 2)
    assert len(sessions) == 13  # the 13th is refused: 13 * 2.9 ms are more than 90 % of 40 ms
    assert 0.85 < scheduler.need < 0.95


def test_frames_of_an_older_epoch_are_dropped(clock: Clock, sessions: list[Session]) -> None:
    easel = Easel(clock, 0.001)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)}, clock)
    screen = add(scheduler, sessions, clock)
    session = screen.session
    session.say("one two three four")
    settle(session)
    ticks(scheduler, clock, 0.5)
    generate = easel.generate

    def interrupted(conditions: Conditions) -> Faces:  # while a batch is being painted
        session.interrupt()
        return generate(conditions)

    easel.generate = interrupted  # type: ignore[method-assign]
    count = len(screen.shown)
    scheduler.tick()
    assert len(screen.shown) == count
    easel.generate = generate  # type: ignore[method-assign]
    clock.now += 0.04
    ticks(scheduler, clock, 1)
    assert {epoch for epoch, _, _ in screen.shown[count:]} == {1}
    assert not any(m.samples[RATE // 200 :].any() for m in screen.heard if m.epoch == 1)


class Broken(Tone):
    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        raise RuntimeError("the voice is gone")


def test_one_that_fails_touches_no_other(clock: Clock, sessions: list[Session], caplog: pytest.LogCaptureFixture) -> None:
    easel = Easel(clock, 0.001)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)}, clock)
    mute, well, gone, shut = (add(scheduler, sessions, clock, speaker) for speaker in (Broken(), Tone(), Tone(), Tone()))
    gone.show = lambda moment, face: (_ for _ in ()).throw(OSError("viewer is gone"))  # type: ignore[method-assign]
    for screen in (mute, well, gone, shut):
        screen.session.say("one two")
        settle(screen.session)
    with caplog.at_level(logging.ERROR):
        ticks(scheduler, clock, 0.2)
        shut.session.close()
        ticks(scheduler, clock, 2)
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert errors == ["a session is painted no more: viewer is gone"]
    assert [e.kind for e in mute.session.events()] == ["failed"]
    assert [e.kind for e in well.session.events()][-1] == "finished"
    for screen in (mute, well):
        assert [n for _, n, _ in screen.shown] == list(range(len(screen.shown))) and len(screen.shown) > 50
    assert len(gone.shown) == 0 and len(gone.heard) < 10 and len(shut.heard) < 15


def test_refusals(clock: Clock, sessions: list[Session]) -> None:
    easel = Easel(clock, 0.001)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)}, clock)
    with pytest.raises(UsageError, match="avatar 'b' is not painted here: choose from a"):
        add(scheduler, sessions, clock, avatar="b")
    assert 0 < scheduler.tick() <= 0.04
    scheduler.close()
    scheduler.close()
    scheduler.run()
    for call in (scheduler.tick, lambda: add(scheduler, sessions, clock)):
        with pytest.raises(AnimacyError, match="scheduler is closed"):
            call()


@pytest.mark.parametrize("beat", [0.0, 0.005, 0.035])
def test_ticks_lie_on_their_beat(clock: Clock, beat: float) -> None:
    easel = Easel(clock, 0.001)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)}, clock, beat)
    for late in (0.0, 0.013, 0.0399, 0.0):
        clock.now += late
        wait = scheduler.tick()
        assert 0 < wait <= 0.04 + 1e-6
        clock.now += wait
        assert (clock.now - beat) / 0.04 == pytest.approx(round((clock.now - beat) / 0.04), abs=1e-6)


def test_runs_in_a_thread_in_real_time(sessions: list[Session]) -> None:
    """Other threads say and interrupt while one paints."""
    clock = Clock()
    easel = Easel(clock, 0.0)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)})
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        screens = []
        for seed in range(3):
            session = Session(Tone(), reader=Words(), seed=seed, avatar="a")
            sessions.append(session)
            screens.append(Screen(session))
            scheduler.add(session, screens[-1])
        for _ in range(5):
            for session in sessions:
                session.say("one two")
            time.sleep(0.2)
            sessions[0].interrupt()
        time.sleep(0.3)
        kinds = [[e.kind for e in session.events()] for session in sessions]
    finally:
        scheduler.close()
        thread.join(5)
    assert not thread.is_alive()
    assert kinds[0].count("interrupted") == 5 and "interrupted" not in kinds[1]
    assert "word" in kinds[1] and "finished" in kinds[2]
    assert len(screens[1].shown) > 20


@pytest.mark.slow
def test_with_the_real_speaker_and_renderer() -> None:
    from animacy.avatar import find, load
    from animacy.generate import Shaded
    from animacy.render import make_renderer
    from animacy.speak import make_speaker

    class Film:
        def __init__(self) -> None:
            self.faces: list[np.ndarray] = []
            self.heard: list[Moment] = []

        def hear(self, moment: Moment) -> None:
            self.heard.append(moment)

        def show(self, moment: Moment, face: np.ndarray) -> None:
            self.faces.append(face.copy())

    film = Film()
    with make_renderer("cpu", load(find("default")), 64) as renderer, Session(make_speaker()) as session:
        scheduler = Scheduler({"default": Drawn(renderer, Shaded(), 32)})
        scheduler.add(session, film)
        session.say("Well, it is so good to see you here today. 你好！")
        said = session._clock() - session._opened
        events, ends = [], time.monotonic() + 60
        while "finished" not in [e.kind for e in events] and time.monotonic() < ends:
            time.sleep(scheduler.tick())
            events += session.events()
        assert [e.text for e in events if e.kind == "word"][:4] == ["Well", "it", "is", "so"]
        print(f"sound after {events[0].time - said:.2f} s, {scheduler.reached:.0f} frames/s, need {scheduler.need:.2f}")
        session.say("And there is more that nobody will hear.")
        ends = time.monotonic() + 20
        while not (film.heard[-1].samples.any() and session.events()) and time.monotonic() < ends:
            time.sleep(scheduler.tick())
        count = len(film.heard)
        session.interrupt()
        for _ in range(20):
            time.sleep(scheduler.tick())
    assert [e.kind for e in events][-1] == "finished"
    assert not any(m.samples.any() for m in film.heard[count + 1 :]) and {m.epoch for m in film.heard[count:]} == {1}
    assert len(film.faces) > 50 and film.faces[0].shape == (64, 64, 4)
    assert np.std([f.astype(float) for f in film.faces], axis=0).max() > 5
