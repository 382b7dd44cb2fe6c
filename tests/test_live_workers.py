"""Several processes behind one address: who holds what, what a death costs whom, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from animacy.errors import AnimacyError
from animacy.live.client import Client, Lost, Refused
from animacy.live.workers import working
from live import until

HERE = str(Path(__file__).parent)
WORKER = f"import sys; sys.path.insert(0, {HERE!r}); import live; from animacy.live.worker import main; "
QUICK = WORKER + "main(lambda arguments, metrics: live.quick_host(observe=metrics.lateness.observe))"
TEXT = "one two three four. five six seven eight. " * 3


class Process:
    """`animacy serve` with quick hosts in its workers."""

    def __init__(self, *arguments: str, worker: str = QUICK) -> None:
        code = f"from animacy.live import command, workers; command.COMMAND = {(sys.executable, '-c', worker)!r}; "
        code += "workers.BEAT, workers.MISSED = 1.0, 4; "
        code += "import sys; from animacy.cli import main; sys.exit(main(sys.argv[1:]))"
        given = [sys.executable, "-c", code, "serve", "--port", "0", "--requests-per-second", "1000", *arguments]
        self.log: list[dict[str, Any]] = []
        self.popen = subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.popen.stdout is not None
        self.url = self.popen.stdout.readline().strip().rstrip("/")

    def pids(self) -> list[int]:
        """The workers' processes, in order of their numbers; those that wait for a start are left out."""
        children = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text().split()
        return sorted(map(int, children))

    def get(self, path: str, key: str | None = None) -> str:
        request = urllib.request.Request(self.url + path, headers={} if key is None else {"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.read().decode())

    def end(self) -> tuple[int, str]:
        """What it ended with, and its log."""
        self.popen.send_signal(signal.SIGTERM)
        _, log = self.popen.communicate(timeout=40)
        return self.popen.returncode, log


@contextmanager
def _serving(*arguments: str) -> Iterator[Process]:
    process = Process(*arguments)
    try:
        assert process.url.startswith("http://127.0.0.1:"), process.popen.communicate()[1]
        yield process
    finally:
        if process.popen.returncode is None:
            process.popen.kill()
            process.popen.communicate()


@pytest.fixture(scope="module")
def served() -> Iterator[Process]:
    with _serving("--workers", "2", "--max-sessions", "6", "--max-sessions-per-key", "5", "--drain", "20") as process:
        yield process
        pids = process.pids()
        code, log = process.end()
        assert code == 0, log
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        lines = [json.loads(line) for line in log.splitlines()]
        assert {line["worker"] for line in lines if line["message"] == "worker ready"} == {0, 1}


def _holder(id: str) -> str:
    return id.split(".")[0]


def test_sessions_are_spread_and_found_and_counted_together(served: Process) -> None:
    async def use() -> None:
        async with Client(served.url) as client:
            assert (await client.about())["avatars"] == ["grey", "light"]
            sessions = [await client.open(avatar="light") for _ in range(4)]
            assert sorted(_holder(s.id) for s in sessions) == ["0", "0", "1", "1"]
            assert {s["id"] for s in (await client.call("GET", "/v1/sessions"))["sessions"]} == {s.id for s in sessions}
            for s in sessions:
                assert (await client.call("GET", f"/v1/sessions/{s.id}"))["avatar"] == "light"
            fifth = await client.open()
            with pytest.raises(Refused, match="5 sessions are open by this key") as refused:
                await client.open()
            assert refused.value.status == 429
            text = await asyncio.to_thread(served.get, "/metrics")
            rows = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            held = [float(rows[f'animacy_sessions{{worker="{n}"}}']) for n in (0, 1)]
            assert sorted(held) == [2, 3] and rows["animacy_workers_ready"] == "2.0"
            assert float(rows['animacy_requests_total{method="POST",status="201"}']) >= 5
            assert not any(name.startswith("animacy_requests_total") and "worker" in name for name in rows)
            for s in (*sessions, fifth):
                await s.close()
            assert (await client.call("GET", "/v1/sessions"))["sessions"] == []
            for id, status in (("x", 404), ("0.1.x", 404), ("7.1.x", 404), ("0.99.x", 404), ("0.²2.x", 404), ("0.0.x", 410)):
                with pytest.raises((Refused, Lost)) as error:
                    await client.call("GET", f"/v1/sessions/{id}")
                assert getattr(error.value, "status", 410) == status

    asyncio.run(use())
    assert "studio" in served.get("/") and "ready" in served.get("/readyz") and "openapi" in served.get("/openapi.json")


def test_a_killed_worker_costs_its_own_sessions_alone(served: Process) -> None:
    """Its session is told and opens again; its neighbour's frames and events go on, none left out."""

    async def use() -> None:
        async with Client(served.url) as client:
            mine, other = await client.open(avatar="light"), await client.open()
            joined = await client.join(mine.id)
            assert _holder(mine.id) != _holder(other.id)
            killed = next(p for p in served.pids() if _number(p) == _holder(mine.id))
            lost = mine.id
            await other.say(TEXT)
            await mine.say(TEXT)
            heard, events, words = mine.events(), other.events(), 0
            while (await anext(heard)).kind != "word":
                pass
            frames = (await other.figures())["frames"]
            os.kill(killed, signal.SIGKILL)
            while (told := await anext(heard)).kind != "lost":
                assert told.kind in ("word", "sentence")
            assert mine.id != lost and (await client.call("GET", f"/v1/sessions/{mine.id}"))["avatar"] == "light"
            with pytest.raises(Lost):
                await client.call("POST", f"/v1/sessions/{lost}/interrupt", {})
            with pytest.raises(Lost):
                await anext(e async for e in joined.events() if e.kind == "lost")
            assert await mine.say("one. two") == 1
            assert [e.kind async for e in _until_finished(heard)][-1] == "finished"
            async for told in events:
                words += told.kind == "word"
                if told.kind == "finished":
                    break
            assert words == len(TEXT.split()) and (await other.figures())["frames"] > frames
            await asyncio.gather(mine.close(), other.close(), joined.close())

    before = set(served.pids())
    asyncio.run(use())
    until(lambda: len(served.pids()) == 2 and set(served.pids()) != before, 20)
    until(lambda: "animacy_workers_ready 2.0" in served.get("/metrics"), 20)


def test_a_worker_that_hangs_is_killed_and_started_again(served: Process) -> None:
    """Stopped, it answers nothing and does not end; its session is told and opens again, its neighbour says all its words."""

    async def use() -> None:
        async with Client(served.url) as client:
            mine, other = await client.open(), await client.open()
            assert _holder(mine.id) != _holder(other.id)
            stopped, lost, events = next(p for p in served.pids() if _number(p) == _holder(mine.id)), mine.id, other.events()
            await other.say(TEXT)
            os.kill(stopped, signal.SIGSTOP)
            called = asyncio.create_task(client.call("GET", f"/v1/sessions/{lost}"))
            while (await anext(mine.events())).kind != "lost":
                pass
            assert mine.id != lost
            with pytest.raises(Lost):  # one who waits for an answer is told, too
                await called
            words = [told.text async for told in _until_finished(events) if told.kind == "word"]
            assert words == TEXT.replace(".", "").split() and not Path(f"/proc/{stopped}").exists()
            await asyncio.gather(mine.close(), other.close())

    def hangs() -> list[str]:
        return [line for line in served.get("/metrics").splitlines() if line.startswith("animacy_worker_hangs_total")]

    assert [line.split()[-1] for line in hangs()] == ["0.0", "0.0"]
    asyncio.run(use())
    assert sorted(line.split()[-1] for line in hangs()) == ["0.0", "1.0"]
    until(lambda: "animacy_workers_ready 2.0" in served.get("/metrics"), 20)


def test_a_viewer_watches_through_the_address(served: Process) -> None:
    async def use() -> None:
        peer, tracks = RTCPeerConnection(RTCConfiguration([])), {}
        peer.on("track", lambda track: tracks.update({track.kind: track}))
        peer.addTransceiver("video", direction="recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        async with Client(served.url) as client, await client.open() as session, aiohttp.ClientSession() as http:
            place, kind = f"{served.url}/v1/sessions/{session.id}/whep", {"Content-Type": "application/sdp"}
            async with http.post(place, data=peer.localDescription.sdp, headers=kind) as answer:
                assert answer.status == 201
                await peer.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
                viewer = answer.headers["Location"]
            shown = [(await asyncio.wait_for(tracks["video"].recv(), 20)).pts for _ in range(10)]
            assert shown == sorted(shown)
            async with http.delete(served.url + viewer) as answer:
                assert answer.status == 200
        await peer.close()

    asyncio.run(use())


def _number(pid: int) -> str:
    """The number of the worker that is this process: its socket tells."""
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        parts = line.split()
        if len(parts) == 8 and "/animacy-" in parts[7] and _has_socket(pid, parts[6]):
            return Path(parts[7]).name.split(".")[0]
    return ""


def _has_socket(pid: int, inode: str) -> bool:
    return any(str(link.readlink()) == f"socket:[{inode}]" for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink())


async def _until_finished(events: Any) -> Any:
    async for told in events:
        yield told
        if told.kind in ("finished", "failed"):
            return


def test_keys_are_asked_for_in_front_and_what_speaks_may_finish(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"ann {'a' * 16}\nbob {'b' * 16}\n")

    async def use(process: Process) -> list[str]:
        async with Client(process.url, "a" * 16) as ann, Client(process.url, "b" * 16) as bob, Client(process.url) as none:
            with pytest.raises(Refused, match="401"):
                await none.open()
            with pytest.raises(Refused, match="401"):
                await none.listen("0.1.x")
            session = await ann.open()
            with pytest.raises(Refused, match="404"):
                await bob.join(session.id)
            await session.say("one two three four. five six seven eight")
            kinds = []
            async for told in session.events():
                kinds.append(told.kind)
                if kinds[-1] == "started":
                    process.popen.send_signal(signal.SIGTERM)
                    until(lambda: _refused(process.url), 10)
                if kinds[-1] == "finished":
                    break
            await session.close()
            return kinds

    with _serving("--workers", "2", "--key-file", str(keys), "--drain", "30") as process:
        kinds = asyncio.run(use(process))
        assert kinds.count("word") == 8
        _, log = process.popen.communicate(timeout=40)
        assert process.popen.returncode == 0, log


def _refused(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10):
            return False
    except OSError:
        return True


def test_one_worker_starts_before_the_others(tmp_path: Path) -> None:
    """Which then find in the caches what it compiled."""
    told = tmp_path / "told"
    code = f"""if True:
        import json, sys, time
        asked = json.loads(sys.stdin.readline())
        def tell(what):
            with open({str(told)!r}, "a") as file:
                file.write(f"{{asked['worker']}} {{what}}\\n")
        tell("begins"); time.sleep(0.3); tell("ready")
        print(json.dumps({{"ready": ""}}), flush=True)
        sys.stdin.read()"""

    async def use() -> None:
        async with working(3, str(tmp_path), {}, os.environ, (sys.executable, "-c", code)) as workers:
            assert [w.generation for w in workers] == [1, 1, 1]

    asyncio.run(use())
    lines = told.read_text().splitlines()
    assert lines[:2] == ["0 begins", "0 ready"]
    assert {line[0] for line in lines[2:4]} <= {"1", "2"} and len(lines) == 6


def test_what_a_worker_cannot_do_is_one_line_at_the_start() -> None:
    refuse = "from animacy.errors import UsageError\ndef no(*_): raise UsageError('--size 3: needed more')\nmain(no)"
    process = Process("--workers", "2", worker=f"from animacy.live.worker import main\n{refuse}")
    _, log = process.popen.communicate(timeout=60)
    assert process.url == "" and process.popen.returncode == 2
    assert log.splitlines()[-1] == "animacy: --size 3: needed more"


def test_workers_end_with_their_parent() -> None:
    with _serving("--workers", "2", "--drain", "0") as process:
        pids = process.pids()
        process.popen.kill()
        process.popen.communicate(timeout=20)  # whose other ends the workers have
        until(lambda: not any(_lives(pid) for pid in pids), 20)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_mps_without_a_gpu_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from animacy.gpu import runtime
    from animacy.live import command

    def none() -> None:
        raise AnimacyError("no driver")

    monkeypatch.setattr(runtime, "Cuda", none)
    with pytest.raises(AnimacyError, match=r"no GPU to share \(no driver\); leave --mps out"), command._mps():
        pass
