"""The server: what it answers, whom it lets in, what it bounds, and what a viewer gets."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import signal
import threading
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import browser
from animacy.errors import UsageError
from animacy.live import command
from animacy.live.door import is_loopback, read_keys
from animacy.live.openapi import document
from animacy.live.requests import MOST_BYTES
from animacy.live.server import Limits, serve
from live import Running, quick_host, serving, until

TEXT = "one two three four. five six seven eight. one two three four. five six seven eight"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving() as running:
        yield running


def test_a_session_by_http(server: Running) -> None:
    status, about, headers = server.call("GET", "/v1")
    assert status == 200 and about["avatars"] == ["grey", "light"] and headers["X-Content-Type-Options"] == "nosniff"
    status, session, headers = server.call("POST", "/v1/sessions", {"emotion": {"joy": 0.5}})
    place = headers["Location"]
    assert status == 201 and place == f"/v1/sessions/{session['id']}" and session["avatar"] == "grey"
    assert server.call("POST", f"{place}/say", {"text": TEXT})[:2] == (202, {"say": 1})
    assert server.call("POST", f"{place}/emotion", {"weights": {"anger": 1.0}})[0] == 200
    assert server.call("POST", f"{place}/avatar", {"avatar": "light"})[0] == 200
    assert server.call("POST", f"{place}/interrupt", {})[:2] == (200, {"epoch": 1})
    assert server.call("GET", place)[1]["avatar"] == "light"
    assert [s["id"] for s in server.call("GET", "/v1/sessions")[1]["sessions"]] == [session["id"]]
    assert "animacy_sessions 1.0" in server.call("GET", "/metrics")[1]
    assert server.call("DELETE", place)[0] == 204 and server.call("GET", place)[0] == 404
    for path, word in (("/", "studio"), ("/studio.js", "RTCPeerConnection"), ("/studio.css", "canvas"), ("/openapi.json", "")):
        status, text, _ = server.call("GET", path)
        assert status == 200 and word in str(text)
    assert server.call("GET", "/healthz")[0] == server.call("GET", "/readyz")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "value", "status", "error"),
    [
        ("POST", "say", {}, 400, "'text' is missing"),
        ("POST", "say", {"text": " "}, 400, "nothing to say"),
        ("POST", "say", {"text": "a" * 20_001}, 400, "20001 characters"),
        ("POST", "say", {"text": "\ud800"}, 400, "surrogate"),
        ("POST", "say", {"text": "a", "loud": 1}, 400, "'loud' is not known"),
        ("POST", "say", {"text": "a" * MOST_BYTES}, 413, "bytes"),
        ("POST", "emotion", {"weights": {"joy": 2}}, 400, "weights.joy is 2"),
        ("POST", "emotion", {"weights": {"joy": 10**400}}, 400, "weights.joy is 1000"),
        ("POST", "emotion", {"weights": {"hunger": 1}}, 400, "'hunger'"),
        ("POST", "emotion", {"weights": 3}, 400, "object or null"),
        ("POST", "avatar", {"avatar": "x"}, 400, "avatar 'x' is not here"),
        ("POST", "interrupt", [1], 400, "JSON object"),
        ("GET", "events", None, 426, "WebSocket"),
        ("PUT", "say", {}, 405, "Not Allowed"),
        ("DELETE", "whep/x", None, 404, "no such viewer"),
    ],
)
def test_refusals(server: Running, method: str, path: str, value: Any, status: int, error: str) -> None:
    session = server.open()
    answer = server.call(method, f"/v1/sessions/{session}/{path}", value)
    assert answer[0] == status and error in answer[1]["error"]
    server.call("DELETE", f"/v1/sessions/{session}")


def test_a_body_that_is_not_packed_as_its_header_tells_is_refused(server: Running) -> None:
    packed = {"Content_Type": "application/json", "Content_Encoding": "gzip"}
    status, answer, _ = server.call("POST", "/v1/sessions", data=b"not packed", **packed)
    assert status == 400 and "cannot be read" in answer["error"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "weights", "avatar", "seed", "joy", "x"]), inner)
    ),
    max_leaves=6,
)
OPERATIONS = [(m, p) for p, item in document()["paths"].items() for m in item if m != "parameters"]


@given(
    operation=st.sampled_from(OPERATIONS),
    value=JSON,
    raw=st.none() | st.binary(max_size=40),
    kind=st.sampled_from(["application/json", "application/sdp", "x/y"]),
)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_comes_is_answered_as_documented(
    server: Running, operation: tuple[str, str], value: Any, raw: bytes | None, kind: str
) -> None:
    method, path = operation
    known = server.open() if "{id}" in path else ""
    path = path.replace("{id}", known).replace("{viewer}", "x").replace("{output}", "x").replace("{name}", "index.m3u8")
    data = {} if method == "get" else {"data": raw} if raw is not None else {"value": value}
    status, answer, _ = server.call(method.upper(), path, **data, Content_Type=kind)
    assert str(status) in document()["paths"][operation[1]][method]["responses"], (status, answer)
    if status >= 400:
        assert set(answer) == {"error"} and "\n" not in answer["error"]
    for session in server.call("GET", "/v1/sessions")[1]["sessions"]:
        server.call("DELETE", f"/v1/sessions/{session['id']}")


def test_keys_and_limits() -> None:
    keys = {name: hashlib.sha256(f"{name}-key-of-some-length".encode()).digest() for name in ("ann", "bob")}
    with quick_host() as host:
        limits = Limits(sessions=3, sessions_per_key=2, requests_per_second=5, idle=0.4)
        running = Running(host, keys=keys, limits=limits, origins=("http://page.example",))
        ann, bob = ({"Authorization": f"Bearer {name}-key-of-some-length"} for name in ("ann", "bob"))
        assert running.call("GET", "/v1")[0] == running.call("GET", "/v1", Authorization="Bearer no")[0] == 401
        assert running.call("GET", "/healthz")[0] == 200
        first = running.call("POST", "/v1/sessions", {}, **ann)[1]["id"]
        assert running.call("GET", f"/v1/sessions/{first}", **bob)[0] == 404
        assert running.call("GET", "/v1/sessions", **bob)[1] == {"sessions": []}
        assert running.call("POST", "/v1/sessions", {}, **ann)[0] == 201
        assert running.call("POST", "/v1/sessions", {}, **ann)[0] == 429
        assert running.call("POST", "/v1/sessions", {}, **bob)[0] == 201
        status, _, headers = running.call("POST", "/v1/sessions", {}, **bob)
        assert status == 503 and int(headers["Retry-After"]) >= 1
        told = running.call("OPTIONS", "/v1/sessions", Origin="http://page.example")
        assert told[0] == 204 and told[2]["Access-Control-Allow-Origin"] == "http://page.example"
        assert "Access-Control-Allow-Origin" not in running.call("GET", "/healthz", Origin="http://other.example")[2]
        answers = [running.call("GET", "/v1", **ann) for _ in range(15)]
        assert answers[-1][0] == 429 and "Retry-After" in answers[-1][2]
        until(lambda: not host.streams, 5)  # nobody watched, nobody called
        running.server.draining = True
        assert running.call("GET", "/readyz")[0] == 503
        running.close()


def test_without_keys_only_loopback_is_answered(server: Running) -> None:
    assert server.call("GET", "/v1", Host="evil.example")[0] == 403
    assert server.call("GET", "/v1", Host=f"localhost:{server.port}")[0] == 200
    assert is_loopback("127.3.2.1") and is_loopback("[::1]") and not is_loopback("0.0.0.0") and not is_loopback("a.example")


def test_key_files(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for text, error in (
        ("# none\n", "holds no key"),
        ("ann short\n", "line 1"),
        ("a " + "k" * 16 + "\na " + "l" * 16, "line 2"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError, match=error):
            read_keys(file)
    file.write_text(f"ann {'k' * 16} # hers\n")
    assert read_keys(file) == {"ann": hashlib.sha256(b"k" * 16).digest()}
    for text_, error in ((b"\xff", "UTF-8"), (b"#" * (1 << 20) + b"\nann " + b"k" * 16, "more than 1048576 bytes")):
        file.write_bytes(text_)
        with pytest.raises(UsageError, match=error):
            read_keys(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_keys(tmp_path / "none")


def test_events_and_commands_by_websocket(server: Running) -> None:
    async def talk() -> list[dict[str, Any]]:
        got: list[dict[str, Any]] = []
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{server.url}/v1/sessions/{session}/events") as socket:
            for bad in ("{", "[]", '{"do": "fly"}', '{"do": "say"}'):
                await socket.send_str(bad)
            await socket.send_json({"do": "say", "text": "one two. three"})
            while not got or got[-1].get("event") != "finished":
                got.append(await socket.receive_json(timeout=10))
            await socket.send_bytes(b"x")
            got.append(await socket.receive_json(timeout=10))
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await client.ws_connect(f"{server.url}/v1/sessions/{session}/events", origin="http://evil.example")
        return got

    session = server.open()
    got = server.run(talk())
    assert sum("error" in g for g in got) == 5 and {"did": "say", "say": 1} in got
    events = [g for g in got if "event" in g]
    assert [e["event"] for e in events] == ["started", "sentence", "word", "word", "sentence", "word", "finished"]
    assert events[1]["sentence"]["words"][0]["stress"] == 0.7
    server.call("DELETE", f"/v1/sessions/{session}")


async def _watched(server: Running, session: str) -> tuple[RTCPeerConnection, dict[str, Any], str]:
    peer, tracks = RTCPeerConnection(RTCConfiguration([])), {}
    peer.on("track", lambda track: tracks.update({track.kind: track}))
    for kind in ("video", "audio"):
        peer.addTransceiver(kind, direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    async with aiohttp.ClientSession() as client:
        path, kind = f"{server.url}/v1/sessions/{session}/whep", {"Content-Type": "application/sdp"}
        async with client.post(path, data=peer.localDescription.sdp, headers=kind) as answer:
            assert answer.status == 201
            await peer.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
            return peer, tracks, answer.headers["Location"]


def test_a_viewer_sees_hears_and_vanishes(server: Running) -> None:
    async def look() -> tuple[list[int], list[int]]:
        peer, tracks, _ = await _watched(server, session)
        other, _, place = await _watched(server, session)
        server.host.streams[-1].session.say(TEXT)
        shown = [(await asyncio.wait_for(tracks["video"].recv(), 10)).pts for _ in range(30)]
        heard = [np.abs((await asyncio.wait_for(tracks["audio"].recv(), 10)).to_ndarray()).max() for _ in range(60)]
        assert server.server._held[session].viewers and len(server.server._held[session].viewers) == 2
        async with aiohttp.ClientSession() as client, client.delete(server.url + place) as answer:
            assert answer.status == 200
        await other.close()
        await peer.close()  # without a word
        return shown, heard

    session, neighbour = server.open(), server.open()
    server.call("DELETE", f"/v1/sessions/{neighbour}")
    session = server.open() if session not in server.server._held else session
    shown, heard = server.run(look())
    assert shown == sorted(shown) and max(heard) > 2000
    until(lambda: not server.server._held[session].viewers, 10)
    assert server.call("GET", f"/v1/sessions/{session}")[0] == 200
    server.call("DELETE", f"/v1/sessions/{session}")


@given(
    text=st.text(max_size=200)
    | st.sampled_from(["", "v=0", "m=video 9 x 1\r\n", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nm=audio 9 a 1"])
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_malformed_sdp(server: Running, text: str) -> None:
    held = server.server._held
    session = next(iter(held)) if held else server.open()
    data = text.encode("utf-8", "surrogatepass")
    status, answer, _ = server.call("POST", f"/v1/sessions/{session}/whep", data=data, Content_Type="application/sdp")
    assert status == 400 and answer["error"] and not held[session].viewers


def test_a_hundred_sessions_leave_nothing(server: Running) -> None:
    def cycle(count: int) -> None:
        for _ in range(count):
            session = server.open()
            server.call("POST", f"/v1/sessions/{session}/say", {"text": "one"})
            server.call("DELETE", f"/v1/sessions/{session}")

    def use() -> tuple[int, int, float]:
        gc.collect()
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
        return threading.active_count(), len(os.listdir("/proc/self/fd")), memory  # noqa: PTH208

    for session in list(server.server._held):
        server.call("DELETE", f"/v1/sessions/{session}")
    cycle(30)
    before = use()
    cycle(70)
    after = use()
    assert after[0] <= before[0] + 1 and after[1] <= before[1] + 2 and after[2] < before[2] + 25, (before, after)


@pytest.mark.parametrize("address", ["a..b", "256.0.0.1"])
def test_an_address_that_nobody_can_have_is_refused(address: str) -> None:
    served = SimpleNamespace(application=web.Application(), failure=None)
    with pytest.raises(UsageError, match="cannot be listened on"):
        asyncio.run(serve(served, address, 0))


def test_the_command_serves_drains_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given_ = {"port": 0, "max_sessions": 4, "max_sessions_per_key": 4, "requests_per_second": 50.0, "idle": 60.0, "drain": 5.0}
    given_ |= {"host": "127.0.0.1", "key_file": None, "cert": None, "private_key": None, "debug": False, "avatar": ["grey"]}
    given_ |= {"size": 64, "fps": 25, "voice": "tone", "rasteriser": "cpu", "generator": "none", "origin": []}
    given_ |= {"generator_backend": "auto", "prepare": "plain", "ice_server": []}
    given_ |= {"push_to": ["live.example.com"], "record": str(tmp_path)}
    given_ |= {"workers": 1, "mps": False}
    for wrong in (
        {"port": 70_000},
        {"idle": -1.0},
        {"host": "0.0.0.0"},
        {"cert": "x"},
        {"cert": "x", "private_key": "y"},
        {"max_sessions": 0},
        {"requests_per_second": 0.0},
        {"push_to": ["rtmp://x/"]},
        {"record": str(tmp_path / "none")},
        {"workers": 0},
        {"mps": True},
    ):
        with pytest.raises(UsageError):
            command.serve(Namespace(**given_ | wrong))
    with pytest.raises(UsageError, match=r"--ice-server example\.com: needed stun:HOST"):
        command.serve(Namespace(**given_ | {"ice_server": ["stun:a.example:3478", "example.com"]}))
    host = quick_host()
    monkeypatch.setattr(command, "make_host", lambda *_, **__: host)
    monkeypatch.setattr(command, "log_as_json", lambda debug: None)

    before = signal.getsignal(signal.SIGTERM)

    def end() -> None:
        until(lambda: signal.getsignal(signal.SIGTERM) != before)  # the server's own: until then it would end us
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    command.serve(Namespace(**given_))
    thread.join()
    assert capsys.readouterr().out.startswith("http://127.0.0.1:") and not host.streams
    record = command.logging.makeLogRecord({"name": "a", "msg": "b", "levelname": "INFO", "session": "s"})
    assert '"session": "s"' in command.JsonLines().format(record)


@pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_the_studio_in_a_browser(server: Running) -> None:
    volume = """(async () => { const context = new AudioContext(), node = context.createAnalyser();
      context.createMediaStreamSource(document.getElementById('video').srcObject).connect(node);
      window.loud = () => { const d = new Float32Array(node.fftSize); node.getFloatTimeDomainData(d);
      return Math.max(...d.map(Math.abs)); }; await context.resume(); return true; })()"""

    async def look() -> None:
        async with browser.opened(f"http://localhost:{server.port}/") as page:
            await page.until("window.studio && studio.peer && studio.peer.connectionState === 'connected'", 30)
            await page.until("document.getElementById('video').currentTime > 0.5", 20)
            await page.run(volume)
            await page.run(f"document.getElementById('text').value = {TEXT * 3!r}; document.getElementById('speak').click()")
            await page.until("window.loud() > 0.05", 20)
            await page.until("studio.words.length > 1", 20)
            await page.run("document.getElementById('interrupt').click()")
            await page.until("window.loud() < 0.003", 5)
            assert await page.run("document.getElementById('error').textContent") == ""

    asyncio.run(look())
