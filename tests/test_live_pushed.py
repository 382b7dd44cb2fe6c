"""Sound from elsewhere through a session: what is heard, how the jaw moves, what is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from animacy.errors import AnimacyError, UsageError
from animacy.hear import LOOK_AHEAD
from animacy.live.pushed import BEGIN, samples_of
from animacy.live.session import Full
from animacy.live.values import Moment
from animacy.types import ARKIT
from heard import spoken
from test_live_session import RATE, Clock, opened, run, smooth

JAW = ARKIT.index("jawOpen")


def tone(seconds: float, rate: int = RATE, loud: float = 0.1) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def heard(moments: list[Moment]) -> np.ndarray:
    return np.concatenate([m.samples for m in moments])


@pytest.mark.parametrize("fps", [25, 30])
def test_sound_from_elsewhere_is_heard_whole_and_moves_the_jaw(fps: int) -> None:
    """Pieces of any length, as a network brings them: not a sample is left out, added or moved."""
    rng, clock = np.random.default_rng(3), Clock()
    said = spoken().samples
    given = np.concatenate([said, np.zeros(RATE // 2, np.float32), said])
    with opened(clock, fps) as session:
        moments, say, at = session.take(), None, 0
        while at < len(given):
            size = int(rng.integers(1, 3000))
            say = session.push_audio(given[at : at + size], RATE, say)
            at += size
            clock.now += size / RATE
            moments += session.take(4)
        assert say is not None
        session.end_audio(say)
        for _ in range(2 * fps):
            clock.now += 1 / fps
            moments += session.take(4)
        clock.now += 0.2
        events = session.events()
        assert not session.speaking
    assert [m.number for m in moments] == list(range(len(moments)))
    sound = heard(moments)
    begin = round(events[0].time * RATE)
    assert np.array_equal(sound[begin : begin + len(given)], given) and not sound[begin + len(given) :].any()
    assert [(e.kind, e.say) for e in events] == [("started", say), ("finished", say)]
    assert events[0].time == pytest.approx(begin / RATE, abs=1e-6)
    assert events[1].time == pytest.approx((begin + len(given)) / RATE, abs=0.03)
    smooth(moments)
    jaw = np.array([m.weights[JAW] for m in moments])
    times = np.array([m.number / fps for m in moments]) - begin / RATE
    length = len(said) / RATE
    for first in (0.0, length + 0.5):
        talk = jaw[(times > first + 0.15) & (times < first + length - 0.4)]
        assert talk.max() > 0.2 and np.ptp(talk) > 0.15
    quiet = jaw[((times > length) & (times < length + 0.5)) | (times > 2 * length + 0.6) | (times < -0.15)]
    assert quiet.max() < 0.06


def test_a_piece_that_comes_late_is_a_gap_and_no_loss() -> None:
    clock, given = Clock(), tone(1.0)
    with opened(clock) as session:
        moments = session.take()
        say = session.push_audio(given[: RATE // 2], RATE)
        moments += run(session, clock, 1.0)  # 0.5 s of it are missing
        session.push_audio(given[RATE // 2 :], RATE, say)
        session.end_audio(say)
        moments += run(session, clock, 1.5)
    sound = heard(moments)
    assert np.array_equal(sound[np.abs(sound) > 1e-6], given[np.abs(given) > 1e-6])
    smooth(moments)


def test_texts_and_sound_come_in_the_order_in_which_they_were_given() -> None:
    clock = Clock()
    with opened(clock) as session:
        numbers = [session.say("one"), session.push_audio(tone(0.3), RATE), session.push_audio(tone(0.1), RATE)]
        numbers.append(session.say("two"))
        session.end_audio(numbers[2])
        first = session.take() + run(session, clock, 3)
        assert [e.say for e in session.events() if e.kind == "finished"] == [1]  # the second may go on
        session.end_audio(numbers[1])
        moments = first + run(session, clock, 3)
        events = session.events()
    assert numbers == [1, 2, 3, 4]
    assert [(e.say, e.kind) for e in events if e.kind != "word" and e.kind != "sentence"] == [
        (2, "finished"),
        (3, "started"),
        (3, "finished"),
        (4, "started"),
        (4, "finished"),
    ]
    assert [m.number for m in moments] == list(range(len(moments)))


@pytest.mark.parametrize("late", [0.02, 0.31, 0.77])
def test_an_interruption_drops_what_was_pushed(late: float) -> None:
    clock = Clock()
    with opened(clock) as session:
        say = session.push_audio(tone(3.0), RATE)
        before = session.take(4) + run(session, clock, late, 4)
        session.interrupt()
        at = clock.now - 1000
        after = run(session, clock, 1.0, 4)
        for call in (lambda: session.push_audio(tone(0.1), RATE, say), lambda: session.end_audio(say)):
            with pytest.raises(AnimacyError, match="ended or interrupted"):
                call()
        again = session.push_audio(tone(0.5), RATE)
        session.end_audio(again)
        more = run(session, clock, 1.5, 4)
        events = session.events()
        assert not session.speaking and not session._pushed
    assert after[0].number / 25 <= at + 1 / 25 + 1e-6
    assert not after[0].samples[RATE // 200 :].any() and not any(m.samples.any() for m in after[1:])
    assert max(m.weights[JAW] for m in after if m.number / 25 >= at + 0.2) < 0.03
    seen = [m for m in before if m.number < after[0].number] + after + more
    assert [m.number for m in seen] == list(range(len(seen)))
    smooth(seen)
    assert [(e.kind, e.say) for e in events][-2:] == [("started", again), ("finished", again)]


def test_what_may_be_pushed_and_how_much() -> None:
    clock = Clock()
    with opened(clock) as session:
        for samples, rate in ((tone(0.1), 4000), (np.full(3, np.nan), RATE), (np.zeros((2, 2)), RATE)):
            with pytest.raises(UsageError, match="needed"):
                session.push_audio(samples, rate)
        say = session.push_audio(tone(9.0, 8000), 8000)
        with pytest.raises(UsageError, match="one rate"):
            session.push_audio(tone(0.1), RATE, say)
        with pytest.raises(Full, match="wait until it is heard"):
            session.push_audio(tone(1.5, 8000), 8000, say)
        with pytest.raises(Full):
            session.push_audio(tone(1.5), RATE)
        run(session, clock, 1.0)
        assert session.push_audio(tone(1.5, 8000), 8000, say) == say
        session.interrupt()
        numbers = [session.push_audio(np.zeros(0, np.float32), RATE) for _ in range(64)]
        with pytest.raises(Full):
            session.push_audio(np.zeros(0, np.float32), RATE)
        for number in numbers:
            session.end_audio(number)
        run(session, clock, 4.0)
        assert not session._pushed


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_another_rate_keeps_its_length_and_place(rate: int) -> None:
    clock, seconds = Clock(), 2.0
    with opened(clock) as session:
        given = tone(seconds, rate)
        say = None
        for at in range(0, len(given), 777):
            say = session.push_audio(given[at : at + 777], rate, say)
        assert say is not None
        session.end_audio(say)
        sound = heard(session.take() + run(session, clock, 4))
        events = session.events()
    begin, ends = (round(e.time * RATE) for e in events)
    found, wanted, middle = sound[begin:], tone(seconds), slice(RATE // 50, round(seconds * RATE) - RATE // 50)
    assert np.abs(found[: len(wanted)] - wanted)[middle].max() < 0.01  # of 0.1: in place to within a sample
    assert not found[len(wanted) + RATE // 100 :].any() and 0 <= ends - begin - len(wanted) < RATE // 30


def test_the_face_is_less_than_a_quarter_of_a_second_behind() -> None:
    assert LOOK_AHEAD <= 0.12 and BEGIN <= 0.225
    clock = Clock()
    with opened(clock) as session:
        session.take()
        session.push_audio(spoken().samples[: round((BEGIN + 0.01) * RATE)], RATE)
        run(session, clock, 0.3)
        assert [e.kind for e in session.events()] == ["started"]


@pytest.mark.parametrize(("form", "size"), [("s16le", 2), ("f32le", 4)])
def test_bytes_become_samples_wherever_they_are_cut(form: str, size: int) -> None:
    data = bytes(range(1, 41)) if form == "s16le" else np.linspace(-1, 1, 10, dtype="<f4").tobytes()
    whole, rest = samples_of(data, form)  # type: ignore[arg-type]
    assert len(whole) == len(data) // size and rest == b""
    got, held = [], b""
    for at in range(0, len(data), 3):
        samples, held = samples_of(held + data[at : at + 3], form)  # type: ignore[arg-type]
        got.append(samples)
    assert np.array_equal(np.concatenate(got), whole) and held == b"" and np.abs(whole).max() <= 1
