"""The client and `animacy live say`, against a server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from animacy.cli import main
from animacy.errors import AnimacyError, UsageError
from animacy.live.bench import _loudness
from animacy.live.client import Client, LiveSession, Refused, Told
from animacy.live.server import Limits
from animacy.live.values import Event
from live import Running, Tap, quick_host, until

KEY = "a-key-of-some-length"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with quick_host() as host:
        running = Running(host, limits=Limits(requests_per_second=1e6))
        yield running
        running.close()


@pytest.fixture(scope="module")
def locked() -> Iterator[Running]:
    with quick_host() as host:
        running = Running(host, keys={"ann": hashlib.sha256(KEY.encode()).digest()})
        yield running
        running.close()


def test_a_session_from_opening_to_close(server: Running) -> None:
    async def use() -> list[str]:
        async with Client(server.url) as client:
            assert (await client.about())["voices"] == ["tone"]
            async with await client.open(avatar="light", emotion={"joy": 0.5}) as session:
                assert await session.say("one two. three") == 1
                kinds = []
                async for told in session.events():
                    kinds.append(told.kind)
                    if told.kind == "sentence":
                        assert told.sentence["words"] and told.text.strip() in "one two. three"
                    if told.kind == "finished":
                        break
                await session.set_emotion({"anger": 1.0})
                await session.set_avatar("grey")
                await session.say("one two three four five six")
                assert await session.interrupt() == 1
                while (await anext(session.events())).kind != "interrupted":
                    pass
                assert (await client.call("GET", f"/v1/sessions/{session.id}"))["avatar"] == "grey"
                assert "lateness_ms" in await session.figures()
                with pytest.raises(Refused, match="nothing to say") as refused:
                    await session.say(" ")
                assert refused.value.status == 400
            with pytest.raises(AnimacyError, match="closed"):
                await session.say("one")
            assert [told async for told in session.events()] == []
            return kinds

    assert asyncio.run(use()) == ["started", "sentence", "word", "word", "sentence", "word", "finished"]
    assert server.call("GET", "/v1/sessions")[1] == {"sessions": []}


def _tone(seconds: float, rate: int) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)


async def _heard(session: LiveSession, say: int) -> float:
    """Seconds from the start to the end of what has this number."""
    begun = 0.0
    async for told in session.events():
        if (told.kind, told.say) == ("started", say):
            begun = told.time
        if (told.kind, told.say) == ("finished", say):
            return told.time - begun
    raise AssertionError("it was not heard")


def test_sound_is_pushed_as_samples_pieces_and_files(server: Running, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "voice.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=44_100, layout="stereo")
        both = (20_000 * _tone(0.7, 44_100)).astype(np.int16).repeat(2)[None]
        frame = av.AudioFrame.from_ndarray(both, "s16", "stereo")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))

    async def pieces() -> AsyncIterator[np.ndarray]:
        for n in range(10):
            yield _tone(0.05, 16_000)
            await asyncio.sleep(0.02 * (n < 3))

    async def use() -> None:
        async with Client(server.url) as client, await client.open() as session:
            tap = Tap()
            server.server._held[session.id].stream.watch(tap)
            for sound, rate, seconds in (
                (_tone(0.6, 8_000), 8_000, 0.6),
                (pieces(), 16_000, 0.5),
                (tmp_path / "voice.wav", None, 0.7),
            ):
                say = await session.push_audio(sound, rate)
                assert await _heard(session, say) == pytest.approx(seconds, abs=0.1)
            loud = _loudness([bytes(e.packet) for e in tap.kind("audio")])
            assert (loud > 0.1).sum() * 0.02 == pytest.approx(1.8, abs=0.3)
            for sound, rate, error in (
                (_tone(1, 8_000), 4_000, "needed a rate"),
                (_tone(1, 8_000), None, "needed a rate"),
                (np.zeros((2, 8)), 8_000, "one channel"),
                (np.full(8, np.nan), 8_000, "finite"),
                (np.zeros(0), 8_000, "without samples"),
                (tmp_path / "none.wav", None, "cannot be read"),
                (tmp_path / "voice.wav", 8_000, "leave it out"),
            ):
                with pytest.raises(UsageError, match=error):
                    await session.push_audio(sound, rate)
            sending = asyncio.create_task(session.push_audio(_tone(60, 48_000), 48_000))
            while (await anext(session.events())).kind != "started":
                pass
            assert not sending.done()
            await session.interrupt()
            with pytest.raises(AnimacyError, match="interrupted"):
                await asyncio.wait_for(sending, 5)
            await session.close()
            with pytest.raises(AnimacyError, match="closed"):
                await session.push_audio(_tone(1, 8_000), 8_000)

    asyncio.run(use())


def test_what_becomes_of_an_output_is_told(server: Running) -> None:
    async def use() -> Told:
        async with Client(server.url) as client, await client.open() as session:
            stream = server.server._held[session.id].stream
            await asyncio.to_thread(until, lambda: stream.watched)
            stream.tell(Event("output_lost", 0, 0, 1.5, "gone", output="x"))
            return await anext(session.events())

    told = asyncio.run(use())
    assert (told.kind, told.text, told.output, told.time) == ("output_lost", "gone", "x", 1.5)


def test_events_end_with_an_error_when_the_session_is_closed_elsewhere(server: Running) -> None:
    async def use() -> None:
        async with Client(server.url) as client, await client.open() as session:
            await client.call("DELETE", f"/v1/sessions/{session.id}")
            with pytest.raises(AnimacyError, match="the session is closed"):
                await anext(session.events())

    asyncio.run(use())


def test_the_command_prints_what_is_heard(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "say", "one two", "--url", server.url, "--avatar", "light"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("session ") and [line.split()[2] for line in lines[1:]] == [
        "started",
        "sentence",
        "word",
        "word",
        "finished",
    ]
    assert main(["live", "say", "one two", "--url", server.url, "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0]["say"] == 1 and told[-1]["kind"] == "finished"
    assert server.call("GET", "/v1/sessions")[1] == {"sessions": []}


def test_the_command_speaks_in_an_open_session(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    session = server.open()
    assert main(["live", "say", "one two", "--url", server.url, "--session", session]) == 0
    assert capsys.readouterr().out == f"session {session}, text 1\n"
    assert main(["live", "say", "three", "--url", server.url, "--session", session, "--wait"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("finished")

    def cut() -> None:
        until(lambda: server.server._held[session].stream.session.speaking, 20)
        server.call("POST", f"/v1/sessions/{session}/interrupt", {})

    thread = threading.Thread(target=cut)
    thread.start()
    assert main(["live", "say", "one two three four. " * 5, "--url", server.url, "--session", session, "--wait"]) == 1
    thread.join()
    assert "was interrupted" in capsys.readouterr().err
    assert server.call("DELETE", f"/v1/sessions/{session}")[0] == 204


def test_the_key_comes_from_a_file_or_the_environment(
    locked: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say = ["live", "say", "one", "--url", locked.url]
    monkeypatch.delenv("ANIMACY_KEY", raising=False)
    assert main(say) == 1 and "(401)" in capsys.readouterr().err
    file = tmp_path / "key"
    for text in (KEY, f"# mine\nann {KEY} # hers\n"):
        file.write_text(text)
        assert main([*say, "--key-file", str(file)]) == 0
    assert main([*say, "--key", KEY]) == 0
    monkeypatch.setenv("ANIMACY_KEY", KEY)
    assert main(say) == 0


@pytest.mark.parametrize(
    ("more", "code", "error"),
    [
        ({"text": " "}, 2, "nothing to say"),
        ({"--url": "example.org"}, 2, "needed http://"),
        ({"--key": "k", "--key-file": "f"}, 2, "give one of them"),
        ({"--key-file": "/none"}, 2, "cannot be read: No such file"),
        ({"--key": "a b"}, 2, "the key holds"),
        ({"--session": "x", "--avatar": "grey"}, 2, "--avatar and --session"),
        ({"--session": "x"}, 1, "(404)"),
        ({"--avatar": "none"}, 1, "avatar 'none' is not here"),
    ],
)
def test_failures_are_one_line(
    server: Running, more: dict[str, str], code: int, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {"text": "one", "--url": server.url} | more
    arguments = [part for name, value in given.items() for part in ((value,) if name == "text" else (name, value))]
    assert main(["live", "say", *arguments]) == code
    told = capsys.readouterr().err
    assert error in told and told.count("\n") == 1


def test_no_server_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert main(["live", "say", "one", "--url", f"http://127.0.0.1:{free.getsockname()[1]}"]) == 1
    told = capsys.readouterr().err
    assert "cannot be reached" in told and told.count("\n") == 1
    with pytest.raises(UsageError):
        Client("ftp://x")
