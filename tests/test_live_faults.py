"""What goes wrong on purpose: each fault is bounded, told of, and touches no other session."""

from __future__ import annotations

import asyncio
import base64
import io
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import aiohttp
import aioice.ice
import numpy as np
import pytest
from aiohttp import WSMsgType
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from animacy.face import Drawn
from animacy.live import Scheduler
from animacy.live import host as hosts
from animacy.live import server as servers
from animacy.live.server import WAITING, Ear
from animacy.live.values import Event
from animacy.types import Conditions, Faces
from live import Running, Tap, serving, until
from test_live_scheduler import Easel, add, ticks
from test_live_server import TEXT, _watched
from test_live_session import RATE, Clock, Session, opened, settle


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving() as running:
        yield running


@pytest.fixture
def neighbour(server: Running) -> Iterator[Tap]:
    """Another session, which has to go on as if nothing were."""
    session, tap = server.open(), Tap()
    stream = server.server._held[session].stream
    stream.watch(tap)
    until(lambda: len(tap.kind("video")) > 3)
    yield tap
    shown, heard = len(tap.kind("video")), len(tap.kind("audio"))
    until(lambda: len(tap.kind("video")) > shown + 5 and len(tap.kind("audio")) > heard + 5)
    assert len({b.packet.pts - a.packet.pts for a, b in zip(tap.kind("audio"), tap.kind("audio")[1:], strict=False)}) == 1
    server.call("DELETE", f"/v1/sessions/{session}")


@pytest.fixture
def sessions() -> Iterator[list[Session]]:
    here: list[Session] = []
    yield here
    for session in here:
        session.close()


def test_a_viewer_whose_machine_is_gone_is_let_go(server: Running, neighbour: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    """No word of farewell, in the middle of a text: its sockets are just shut."""
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.2)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 2)

    async def look() -> None:
        peer, tracks, _ = await _watched(server, session)
        server.server._held[session].stream.session.say(TEXT)
        await asyncio.wait_for(tracks["video"].recv(), 10)
        for ice in set(peer._RTCPeerConnection__iceTransports):  # type: ignore[attr-defined]
            ice._connection._query_consent_task.cancel()  # the machine that would ask is gone, too
            for protocol in ice._connection._protocols:
                protocol.transport.abort()
        for _ in range(100):
            if not server.server._held[session].viewers:
                break
            await asyncio.sleep(0.1)
        with suppress(Exception):
            await asyncio.wait_for(peer.close(), 5)

    session = server.open()
    server.run(look())
    held = server.server._held[session]
    assert not held.viewers and held.stream.watched == 0
    server.call("DELETE", f"/v1/sessions/{session}")


def _raw(server: Running, path: str, window: int | None = None) -> socket.socket:
    """A WebSocket that was opened by hand."""
    one = socket.socket()
    if window is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    one.settimeout(10)
    one.connect(("127.0.0.1", server.port))
    key = base64.b64encode(b"0123456789abcdef").decode()
    lines = f"GET {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    one.sendall(f"{lines}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += one.recv(1)
    assert b" 101 " in answer
    return one


def test_one_who_does_not_read_events_is_cut_off_and_no_other(server: Running, neighbour: Tap) -> None:
    session = server.open()
    held = server.server._held[session]
    with _raw(server, f"/v1/sessions/{session}/events", 4096) as deaf:
        until(lambda: held.stream.watched == 1)
        ear, _ = held.stream._watchers[0]
        assert isinstance(ear, Ear)
        for _ in range(4 * WAITING):
            ear.told(Event("word", 0, 1, 0.0, "x" * 50_000))
        until(lambda: not held.sockets and held.stream.watched == 0)
        assert ear.events.qsize() <= WAITING
        with suppress(ConnectionError):
            while deaf.recv(1 << 20):
                pass
    server.call("DELETE", f"/v1/sessions/{session}")


def test_a_script_of_ten_megabytes_is_refused(server: Running, neighbour: Tap) -> None:
    session, text = server.open(), "a" * 10_000_000

    async def send() -> tuple[list[int], Any]:
        async def pieces() -> Any:
            yield b'{"text": "'
            for _ in range(100):
                yield text[:100_000].encode()

        got = []
        async with aiohttp.ClientSession() as client:
            path = f"{server.url}/v1/sessions/{session}"
            headers = {"Content-Type": "application/json"}
            for data in (io.BytesIO(text.encode()), pieces()):  # its length is told, or not
                try:
                    async with client.post(f"{path}/say", data=data, headers=headers) as answer:
                        got.append(answer.status)
                except (aiohttp.ClientError, ConnectionError):  # it was hung up on while it sent
                    got.append(413)
            async with client.ws_connect(f"{path}/events") as events:
                with suppress(ConnectionError):
                    await events.send_json({"do": "say", "text": text})
                message = await events.receive(timeout=10)
        return got, message

    got, message = server.run(send())
    assert got == [413, 413]
    assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR)
    assert not server.server._held[session].stream.session.speaking
    assert server.call("POST", f"/v1/sessions/{session}/say", {"text": "one"})[:2] == (202, {"say": 1})
    server.call("DELETE", f"/v1/sessions/{session}")


FRAMES = st.binary(max_size=60) | st.builds(
    lambda first, length, rest: bytes([first, length]) + rest, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=30)
)


@given(frames=FRAMES, path=st.sampled_from(["events", "audio?rate=16000"]))
@example(frames=b"\x81\xff" + b"\xff" * 12, path="events")  # 2**64 - 1 bytes announced
@example(frames=b"\x01\x80abcd\x81\x80abcd", path="events")  # a text within a text
@example(frames=b"\x88\x81abcdx", path="audio?rate=16000")  # half a code to close with
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_malformed_websocket_frames(server: Running, frames: bytes, path: str) -> None:
    held = server.server._held
    session = next(iter(held)) if held else server.open()
    with _raw(server, f"/v1/sessions/{session}/{path}") as one:
        one.sendall(frames)
        one.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while one.recv(1 << 16):
                pass
    until(lambda: not held[session].sockets and not held[session].stream.watched)
    assert server.call("GET", f"/v1/sessions/{session}")[0] == 200 and not server.faults


def test_sound_by_websocket(server: Running, neighbour: Tap) -> None:
    """In pieces that part samples, faster than it is heard; then an interruption, and what may not be sent."""

    async def talk() -> list[Any]:
        got: list[Any] = []
        path = f"{server.url}/v1/sessions/{session}/audio"
        async with aiohttp.ClientSession() as client:
            async with client.ws_connect(f"{path}?rate=16000") as sound:
                for at in range(0, len(data), 3333):
                    await sound.send_bytes(data[at : at + 3333])
                got.append(await sound.receive_json(timeout=10))
            until_heard = time.monotonic() + 10
            while "finished" not in [e.kind for e in tap.events] and time.monotonic() < until_heard:
                await asyncio.sleep(0.02)
            async with client.ws_connect(f"{path}?rate=16000&format=f32le") as sound:
                for _ in range(30):  # of 16 s 10 may wait: the rest is not read before there is room
                    await sound.send_bytes(np.full(8000, 0.1, "<f4").tobytes())
                got.append(await sound.receive_json(timeout=10))
                until_full = time.monotonic() + 10
                while len(stream.session._pushed[0].sound.samples) < 9 * RATE and time.monotonic() < until_full:
                    await asyncio.sleep(0.02)
                assert stream.session._pushed[0].sound.samples.nbytes <= 4 * 10 * RATE
                stream.session.interrupt()
                got.append(await sound.receive_json(timeout=10))
                got.append((await sound.receive(timeout=10)).type)
            for bad in (b"text", np.full(10, np.nan, "<f4").tobytes()):
                async with client.ws_connect(f"{path}?rate=16000&format=f32le") as sound:
                    await (sound.send_str("text") if bad == b"text" else sound.send_bytes(bad))
                    got.append(await sound.receive_json(timeout=10))
        return got

    session, tap = server.open(), Tap()
    stream = server.server._held[session].stream
    stream.watch(tap)
    data = (8000 * np.sin(np.arange(16_000) * 0.1)).astype("<i2").tobytes()
    for query, error in (
        ("", "'rate' is missing"),
        ("?rate=x", "rate is 'x'"),
        ("?rate=1", "8000"),
        ("?rate=8000&format=x", "s16le"),
    ):
        status, answer, _ = server.call("GET", f"/v1/sessions/{session}/audio{query}")
        assert status == 400 and error in answer["error"]
    first, second, cut, closed, text, wrong = server.run(talk())
    assert first == {"say": 1} and second == {"say": 2} and "interrupted" in cut["error"] and closed is WSMsgType.CLOSE
    assert "needed bytes" in text["error"] and "finite" in wrong["error"]
    until(lambda: any(e.kind == "interrupted" for e in tap.events))
    kinds = [(e.kind, e.say) for e in tap.events]
    assert kinds[:2] == [("started", 1), ("finished", 1)] and ("finished", 2) not in kinds
    until(lambda: not stream.session._pushed)
    server.call("DELETE", f"/v1/sessions/{session}")


def test_no_memory_for_another_session_refuses_that_one_alone(
    server: Running, neighbour: Tap, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_room(*given: Any, **more: Any) -> Any:
        raise RuntimeError("CUDA out of memory")

    threads, streams = threading.active_count(), len(server.host.streams)
    with monkeypatch.context() as patch:
        patch.setattr(hosts, "Stream", no_room)
        status, answer, headers = server.call("POST", "/v1/sessions", {})
    assert status == 503 and "out of memory" in answer["error"] and int(headers["Retry-After"]) > 0
    assert "a session could not be made" in caplog.text
    assert len(server.host.streams) == streams
    until(lambda: threading.active_count() <= threads + 1)
    server.call("DELETE", f"/v1/sessions/{server.open()}")


def _left(server: Running, path: str, body: str) -> None:
    """Ask, and leave before there is an answer."""
    with socket.create_connection(("127.0.0.1", server.port)) as one:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        one.sendall((head + body).encode())
        time.sleep(0.1)


def test_who_leaves_while_a_session_opens_leaves_none(server: Running, neighbour: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    before, made, opening = list(server.host.streams), [], server.host.open

    def slow(*given: Any) -> Any:
        time.sleep(0.3)
        made.append(opening(*given))
        return made[-1]

    monkeypatch.setattr(server.host, "open", slow)
    _left(server, "/v1/sessions", "{}")
    until(lambda: made)
    until(lambda: server.host.streams == before and len(server.server._held) == len(before))


def test_who_leaves_while_an_output_opens_does_not_lose_it(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    session, opening = server.open(), servers.open_output

    def slow(*given: Any) -> Any:
        time.sleep(0.3)
        return opening(*given)

    monkeypatch.setattr(servers, "open_output", slow)
    _left(server, f"/v1/sessions/{session}/outputs", '{"hls": true}')
    until(lambda: server.call("GET", f"/v1/sessions/{session}/outputs")[1]["outputs"])
    server.call("DELETE", f"/v1/sessions/{session}")


def test_a_painter_that_hangs_is_told_to_whoever_watches_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "STILL", 1.0)
    with serving() as server:
        server.open()
        assert server.call("GET", "/healthz")[0] == 200
        painter, goes_on = server.host.scheduler._avatars["grey"]._generator, threading.Event()
        generate = painter.generate
        painter.generate = lambda conditions: generate(conditions) if goes_on.wait(30) else None  # type: ignore[method-assign]
        until(lambda: server.call("GET", "/healthz")[0] == 503)
        assert "what paints hangs" in server.call("GET", "/readyz")[1]["error"]
        goes_on.set()
        until(lambda: server.call("GET", "/healthz")[0] == 200)


def test_what_fails_within_is_a_500_with_its_cause_in_the_log(
    server: Running, neighbour: Tap, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = server.open()
    with monkeypatch.context() as patch:
        patch.setattr(server.server._held[session].stream.session, "say", lambda text: 1 / 0)
        status, answer, _ = server.call("POST", f"/v1/sessions/{session}/say", {"text": "one"})
    assert (status, answer) == (500, {"error": "the server failed; its log tells why"})
    assert "/say failed: division by zero" in caplog.text and "Traceback" in caplog.text
    assert server.call("POST", f"/v1/sessions/{session}/say", {"text": "one"})[0] == 202
    server.call("DELETE", f"/v1/sessions/{session}")


def test_memory_that_lacks_for_many_sessions_is_missed_at_the_start() -> None:
    """And not by the sixteen that are there when the seventeenth is added."""

    class Small(Easel):
        def generate(self, conditions: Conditions) -> Faces:
            if len(conditions.shaded) > 16:
                raise MemoryError("out of memory")
            return super().generate(conditions)

    easel = Small(Clock(), 0.001)
    with pytest.raises(MemoryError):
        Scheduler({"a": Drawn(easel, easel, 32)}, easel.clock)


def test_a_signal_while_loading_leaves_no_thread_at_work() -> None:
    """Left in a library's work, it would abort the process as the interpreter ends."""
    opened, closed, easel = [], [], Easel(Clock(), 0.0)

    @contextmanager
    def slow() -> Iterator[Drawn]:
        opened.append(threading.current_thread())
        time.sleep(0.1)  # until it is waited for
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        time.sleep(0.3)
        yield Drawn(easel, easel)
        closed.append(threading.current_thread())

    def ends(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGUSR1, ends)
    try:
        look = hosts.Look(np.zeros((64, 64, 3), np.uint8), slow)
        with pytest.raises(SystemExit):
            hosts.Host({"one": look, "two": look}, {}, {}, size=64)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(opened) == len(closed) == 1
    assert not opened[0].is_alive()


def test_a_clock_that_jumps_ahead_costs_pictures_and_nothing_else(sessions: list[Session]) -> None:
    clock = Clock()
    easel = Easel(clock, 0.002)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)}, clock)
    screens = [add(scheduler, sessions, clock) for _ in range(2)]
    for screen in screens:
        screen.session.say("one two three. four five six. seven eight")
        settle(screen.session)
    ticks(scheduler, clock, 1)
    generate = easel.generate

    def slept(conditions: Conditions) -> Faces:  # the machine stood still while it painted
        clock.now += 10
        easel.generate = generate  # type: ignore[method-assign]
        return generate(conditions)

    easel.generate = slept  # type: ignore[method-assign]
    for _ in range(14):
        ticks(scheduler, clock, 1)
        for screen in screens:
            settle(screen.session)  # what speaks is a thread, which does not keep the clock's pace
    for screen in screens:
        assert [m.number for m in screen.heard] == list(range(len(screen.heard)))
        assert len(screen.heard) >= screen.session.due()
        assert len(screen.shown) < len(screen.heard) - 200  # those that were missed were not painted
        assert [n for _, n, _ in screen.shown[-20:]] == list(range(len(screen.heard) - 20, len(screen.heard)))
        assert [e.kind for e in screen.session.events()].count("finished") == 1
    assert scheduler.look_ahead == 4 and not scheduler.half and 200 < scheduler.reached < 600
    add(scheduler, sessions, clock)


def test_a_clock_that_jumps_back_is_taken_to_have_stood_still(sessions: list[Session]) -> None:
    clock = Clock()
    easel = Easel(clock, 0.002)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)}, clock)
    screen = add(scheduler, sessions, clock)
    screen.session.say("one two three. four five six. seven eight")
    settle(screen.session)
    ticks(scheduler, clock, 1)
    generate, count = easel.generate, len(screen.heard)

    def turned(conditions: Conditions) -> Faces:
        clock.now -= 10
        easel.generate = generate  # type: ignore[method-assign]
        return generate(conditions)

    easel.generate = turned  # type: ignore[method-assign]
    while clock.now > 1000:
        wait = scheduler.tick()
        assert 0 < wait <= 0.04
        clock.now += wait
    screen.session.interrupt()
    ticks(scheduler, clock, 1)
    assert len(screen.heard) > count + 20
    taken = [m for m in screen.heard if m.epoch == 1]
    assert [m.number for m in taken] == list(range(taken[0].number, taken[0].number + len(taken)))
    assert count - 6 <= taken[0].number <= count + 6
    assert 200 < scheduler.reached < 1e6 and scheduler.look_ahead == 4


@pytest.mark.slow
def test_an_hour_of_texts_and_pushed_sound(sessions: list[Session]) -> None:
    """Sound and pictures count the same time, by the clock; no queue is longer at the end than after two minutes."""
    clock = Clock()
    easel = Easel(clock, 0.0001)
    scheduler = Scheduler({"a": Drawn(easel, easel, 32)}, clock)
    session = opened(clock, fps=10)
    sessions.append(session)
    sound, queues, heard = 0, [], []

    class Count:
        number = -1

        def hear(self, moment: Any) -> None:
            nonlocal sound
            if moment.number <= self.number:  # taken back by an interruption
                sound = moment.number * RATE // 10
            self.number = moment.number
            sound += len(moment.samples)

        def show(self, moment: Any, face: Any) -> None:
            heard[:] = [moment.number]

    session.avatar = "a"
    count = Count()
    scheduler.add(session, count)
    piece, say = np.full(RATE // 2, 0.1, np.float32), 0
    for second in range(3600):
        if second % 20 == 0:
            session.say("one two three")
            settle(session)
        if second % 20 == 7:
            say = session.push_audio(piece, RATE)
        elif 7 < second % 20 < 12:
            session.push_audio(piece, RATE, say)
        elif second % 20 == 12:
            session.end_audio(say)
        if second % 300 == 152:
            session.interrupt()
        ends = 1000 + second + 1
        while clock.now < ends - 1e-9:
            wait = scheduler.tick()
            clock.now = min(clock.now + wait, max(ends, clock.now))
        assert abs(sound / RATE - (count.number + 1) / 10) < 0.0001
        assert abs((count.number + 1) / 10 - (clock.now - 1000) - scheduler.look_ahead / 10) < 0.105
        session.events()
        performer = session._performer
        sizes = (
            session._planned,
            session._taken,
            session._coming,
            session._pushed,
            session._performer._heard.runs,
            scheduler._ticks,
        )
        sizes += (performer._parts, performer._cuts, performer._plan, performer._blinks.onsets)
        queues.append(sum(map(len, sizes)) + session._speaking._inbox.qsize())
    assert heard[0] > 35_900
    assert max(queues[-600:]) <= max(queues[120:720]) + 4
