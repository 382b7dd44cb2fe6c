"""A session's packets: in time, without gaps, and void once it is interrupted. Speech that is shared."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import pytest

from animacy.errors import AnimacyError, UsageError
from animacy.live import Session
from animacy.live.bench import _loudness, find, measure, together
from animacy.live.host import LEAD, Host
from animacy.live.stream import Stream, Turns
from animacy.live.values import Moment
from animacy.live.voice import KEPT, SharedVoice
from animacy.types import ARKIT, Sentence, Speech
from live import SIZE, Tap, quick_host, until
from test_live_session import Clock, Tone, Words


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with quick_host() as one:
        yield one


def test_packets_leave_in_time_and_an_interruption_silences_them(host: Host) -> None:
    stream = host.open("grey", "tone", "none", seed=1)
    tap = Tap()
    stream.watch(tap)
    until(lambda: stream.figures.frames > 5)
    stream.session.say("one two three four five six seven eight. " * 4)
    until(lambda: sum(e.kind == "word" for e in tap.events) > 3)
    at = time.monotonic()
    stream.session.interrupt()
    time.sleep(0.6)
    host.close_session(stream)
    host.close_session(stream)
    kinds = [e.kind for e in tap.events]
    assert kinds[:2] == ["started", "sentence"] and kinds[-1] == "interrupted"
    sound, pictures = tap.kind("audio"), tap.kind("video")
    assert {b.packet.pts - a.packet.pts for a, b in itertools.pairwise(sound)} == {480}  # 20 ms at 24 kHz, nothing lost
    numbers = [e.packet.pts for e in pictures]
    assert numbers == sorted(set(numbers)) and len(numbers) > 0.5 * (numbers[-1] - numbers[0])
    for encoded in tap.encoded:
        assert encoded.left >= encoded.due - 1e-4  # never before its time
        assert encoded.due == pytest.approx(
            stream.session.opened + float(encoded.packet.pts * encoded.packet.time_base), abs=0.004
        )
    assert np.median([e.left - e.due for e in pictures]) < 0.04
    loud = _loudness([bytes(e.packet) for e in sound])
    ends = np.array([max(e.due, e.left) + 0.02 - at for e in sound])
    assert loud[ends < 0].max() > 0.1 and loud[ends > 0.2].max() < 0.003
    assert pictures[0].key and bytes(pictures[0].packet)[:5] in (b"\0\0\0\1\x67", b"\0\0\0\1\x09")


def test_what_leaves_can_be_decoded_from_each_key_frame_on(host: Host) -> None:
    stream = host.open("light", "tone", "none")
    early, late = Tap(), Tap()
    stream.watch(early)
    until(lambda: stream.figures.frames > 20)
    stream.watch(late)
    until(lambda: any(e.key for e in late.kind("video")) and len(late.kind("video")) > 20)
    host.wear(stream, "grey")
    time.sleep(0.5)
    host.close_session(stream)
    pictures = late.kind("video")
    first = next(i for i, e in enumerate(pictures) if e.key)
    decoder = av.CodecContext.create("h264", "r")
    frames = [f for e in pictures[first:] for f in decoder.decode(e.packet)]
    assert frames[0].width == SIZE and len(frames) >= len(pictures) - first - 1
    corner = [int(f.to_ndarray(format="gray")[0, 0]) for f in (frames[0], frames[-1])]
    assert corner[0] > 180 and corner[1] < 110  # the other avatar has another background
    same = {id(e.packet) for e in early.encoded}
    assert all(id(e.packet) in same for e in pictures)  # encoded once, however many watch
    assert stream.watched == 2 and stream.ended.is_set()
    with pytest.raises(AnimacyError, match="closed"):
        stream.watch(Tap())


class Hoarse(Tone):
    """At a rate that Opus does not take."""

    rate = 22_050

    def speak(self, sentence: Sentence) -> Iterator[Speech]:
        for speech in super().speak(sentence):
            yield Speech(speech.samples, 22_050, speech.phones, speech.words)


def test_any_rate_and_an_odd_fps() -> None:
    tap = Tap()
    with (
        Session(Hoarse(), reader=Words(), fps=30) as session,
        Stream(session, 64, {"default": np.zeros((64, 64, 3), np.uint8)}) as stream,
    ):
        stream.watch(tap)
        session.say("one two three four")
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:
            for moment in session.take(4):
                stream.hear(moment)
            time.sleep(0.01)
    steps = {b.packet.pts - a.packet.pts for a, b in itertools.pairwise(tap.kind("audio"))}
    assert steps <= {480, 479, 481} and len(tap.kind("audio")) > 40
    assert _loudness([bytes(e.packet) for e in tap.kind("audio")]).max() > 0.1


@pytest.mark.parametrize("apart", [0.0, 0.3, 0.99])
def test_key_frames_are_two_seconds_apart_at_most_whatever_is_asked_for(apart: float) -> None:
    clock, face, keys = Clock(), np.zeros((96, 64), np.uint8), []
    with Session(Tone(), reader=Words(), clock=clock) as session:
        stream = Stream(session, 64, {"default": np.zeros((64, 64, 3), np.uint8)}, clock, apart=apart)
        stream.close()  # its thread ends; what it would do is done here, by another clock
        for number in range(260):
            clock.now = session.opened + number / 25
            if number in (30, 137, 149):
                stream.key_frame()
            stream._faces.append((number, session.epoch, face))
            due = stream._face_due()
            assert due is not None and due[0] == number
            keys += [number] * due[2]
    assert keys[0] == 0 and np.diff([*keys, 259]).max() <= 50 and np.diff(keys).min() >= 13
    for asked in (30, 137, 149):  # soon after, though not sooner than half a second after another
        assert any(asked <= n <= asked + 13 for n in keys)
    assert sum((n / 50 + apart) % 1 < 0.02 for n in keys[1:]) >= 3  # what is asked for does not move the others


def test_no_more_encode_at_once_than_there_are_turns() -> None:
    turns, lock, inside, most = Turns(2), threading.Lock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for k in range(20):
            with pytest.raises(ZeroDivisionError), turns:
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.0005)
                with lock:
                    inside -= 1
                k / 0  # who fails gives its turn back, too

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 2 and inside == 0


def test_a_watcher_that_fails_is_left_and_no_other(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Tap):
        def take(self, encoded: object) -> None:
            raise OSError("gone")

    stream, tap = host.open("grey", "tone", "none"), Tap()
    stream.watch(Broken())
    stream.watch(tap)
    until(lambda: len(tap.encoded) > 10)
    assert stream.watched == 1 and "a viewer is given no more: gone" in caplog.text
    moment = Moment(0, 0, np.zeros(len(ARKIT), np.float32), np.zeros(6, np.float32), np.zeros(960, np.float32))
    with pytest.raises(ValueError, match="do not fit"):
        stream.show(moment, np.zeros((2, 2, 4), np.uint8))
    host.close_session(stream)


def test_what_the_host_refuses(host: Host) -> None:
    with pytest.raises(UsageError, match="avatar 'x' is not here: choose from grey, light"):
        host.open("x", "tone", "none")
    with pytest.raises(UsageError, match="voice 'x'"):
        host.open("grey", "x", "none")
    stream = host.open("grey", "tone", "none")
    with pytest.raises(UsageError, match="avatar 'x'"):
        host.wear(stream, "x")
    host.close_session(stream)
    assert stream not in host.streams


def test_a_scheduler_that_fails_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with quick_host() as host:
        stream = host.open("grey", "tone", "none")
        host.scheduler._avatars["grey"]._renderer.close()  # its renderer is gone
        until(lambda: host.failure)
        with pytest.raises(AnimacyError, match="nothing is painted any more"):
            host.open("grey", "tone", "none")
        host.close_session(stream)
    assert "nothing is painted any more: this renderer is closed" in caplog.text


def test_speech_is_made_once_and_bounded() -> None:
    at_work, most = [0], [0]

    class Slow(Tone):
        def speak(self, sentence: Sentence) -> Iterator[Speech]:
            for speech in super().speak(sentence):
                at_work[0] += 1
                most[0] = max(most[0], at_work[0])
                time.sleep(0.01)
                at_work[0] -= 1
                yield speech

    tone = Slow()
    voice = SharedVoice({"en": tone}, threading.Semaphore(1))
    sentences = [next(Words().read(f"one two {n}")) for n in range(KEPT + 1)]
    threads = [threading.Thread(target=lambda s=s: list(voice.speak(s))) for s in sentences[:6]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1 and tone.stretches == 12
    again = list(voice.speak(sentences[5]))
    assert tone.stretches == 12 and len(again) == 2 and again[0].samples.any()
    for sentence in sentences:
        list(voice.speak(sentence))
    made = tone.stretches
    list(voice.speak(sentences[0]))  # the oldest went
    assert tone.stretches == made + 2
    with pytest.raises(UsageError, match="no voice here speaks 'xx'"):
        next(voice.speak(Sentence("a", 0, 1, "xx", sentences[0].emotion, 0, 0, sentences[0].words)))


def test_bench_measures_all_that_it_names(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("animacy.live.bench.TEXTS", ("one two three four five six",))
    figures = measure(host, 2, 5.0, "grey")
    assert figures["sessions"] == 2 and figures["texts"] >= 2 and figures["interruptions"] >= 1
    assert -1 < figures["lateness_p50_ms"] <= figures["lateness_p99_ms"] < 500
    assert 0 < figures["first_frame_ms"] < 1000 and 0 < figures["stop_ms"] < 400
    assert abs(figures["av_offset_ms"]) < 40 and abs(figures["drift_ms"]) < 40
    assert figures["frames"] > 100 and figures["cold"]["first_frame_ms"] > 0 < figures["warm"]["first_frame_ms"]
    assert all(part["lateness_p50_ms"] <= part["lateness_p99_ms"] for part in (figures["cold"], figures["warm"]))
    assert 0 <= figures["half_rate_share"] <= 1
    opening, steady = figures["opening"], figures["steady"]
    assert opening["frames"] + steady["frames"] == figures["frames"] and 0 < opening["frames"] <= 2 * 2 * host.fps
    worst = max(opening["lateness_max_ms"], steady["lateness_max_ms"])
    assert min(opening["lateness_p99_ms"], steady["lateness_p99_ms"]) <= figures["lateness_p99_ms"] <= worst
    assert 1000 * LEAD / host.fps <= figures["open_ms"] <= figures["open_max_ms"]


@pytest.mark.parametrize(
    ("room", "most", "tried"),
    [
        (0, 64, [1]),
        (1, 64, [1, 2]),
        (5, 64, [1, 2, 4, 8, 6, 5]),
        (64, 64, [1, 2, 4, 8, 16, 32, 64]),
        (100, 50, [1, 2, 4, 8, 16, 32, 50]),
    ],
)
def test_the_largest_number_of_sessions_is_found(room: int, most: int, tried: list[int]) -> None:
    def trial(sessions: int) -> dict[str, Any]:
        late = 10.0 if sessions <= room else 55.0
        return {"sessions": sessions, "refused": 0, "lateness_p99_ms": late, "half_rate_share": 0.3 if sessions > 4 else 0.0}

    lines: list[str] = []
    found = find(trial, most=most, frame_ms=40.0, told=lines.append)
    assert [t["asked"] for t in found["trials"]] == tried and len(lines) == len(tried)
    assert found["sessions"] == min(room, most) and found["full_rate_sessions"] == min(room, 4)
    assert found["lateness_p99_ms"] == (10.0 if room else 55.0)


def test_sessions_that_have_no_room_end_the_search() -> None:
    with quick_host() as host:
        found = find(lambda n: together(host, n, 1.5, "grey", ("one two three.",)), most=2, frame_ms=1e6)
        assert found["sessions"] == 2 and found["frames"] > 20 and [t["refused"] for t in found["trials"]] == [0, 0]
        host.scheduler._hearing = 1.0  # s of each tick, a session
        found = find(lambda n: together(host, n, 1.0, "grey", ("one",)), most=8, frame_ms=1e6)
        assert found["sessions"] == 0 and len(found["trials"]) == 1
        assert not host.streams


@pytest.mark.slow
def test_the_real_voices_and_the_default_face() -> None:
    from animacy.live.host import make_host

    with pytest.raises(UsageError, match="--size 63"):
        make_host(size=63)
    with pytest.raises(UsageError, match="--voice nobody"):
        make_host(voice="nobody")
    stages: list[str] = []
    with make_host(("default",), size=64, voice="am_michael", generator="none", stage=stages.append) as host:
        assert "warming up" in stages and next(iter(host.speakers)) == "am_michael"
        stream, tap = host.open("default", "auto", "plain"), Tap()
        stream.watch(tap)
        stream.session.say("It is [*]so[/] good. 你好！")
        until(lambda: "finished" in [e.kind for e in tap.events], 60)
        said = [e.sentence for e in tap.events if e.sentence is not None]
        assert [s.language for s in said] == ["en", "zh"] and max(said[0].words, key=lambda w: w.stress).text == "so"
        assert _loudness([bytes(e.packet) for e in tap.kind("audio")]).max() > 0.05
