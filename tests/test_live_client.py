"""The client and `animacy live say`, against a server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from animacy.cli import main
from animacy.errors import AnimacyError, UsageError
from animacy.live.client import Client, Refused
from animacy.live.server import Limits
from live import Running, quick_host, until

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
        ({"--key-file": "/none"}, 2, "cannot be read"),
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
