"""A host of quick fakes and a server around it, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from aiohttp import web

import synthetic
from animacy.face import Drawn
from animacy.generate import Shaded
from animacy.live.host import Host, Look
from animacy.live.metrics import Metrics
from animacy.live.server import Limits, Server
from animacy.live.stream import Encoded
from animacy.live.values import Event
from animacy.render.cpu import CpuRenderer
from test_live_session import Tone, Words

SIZE = 64


@lru_cache(maxsize=1)
def _avatar() -> Any:
    return synthetic.avatar()


@contextmanager
def _painting() -> Iterator[Drawn]:
    with CpuRenderer(_avatar(), SIZE, threads=1) as renderer:
        yield Drawn(renderer, Shaded(), 32)


def quick_host(**more: Any) -> Host:
    """Two avatars that differ in their background, a voice that is a tone."""
    looks = {name: Look(np.full((SIZE, SIZE, 3), grey, np.uint8), _painting) for name, grey in (("grey", 90), ("light", 220))}
    words = Words()
    return Host(looks, {"tone": Tone()}, {"none": words, "auto": words, "plain": words}, size=SIZE, **more)


@dataclass
class Tap:
    """Keeps what it is given."""

    encoded: list[Encoded] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def take(self, encoded: Encoded) -> None:
        self.encoded.append(encoded)

    def told(self, event: Event) -> None:
        self.events.append(event)

    def kind(self, kind: str) -> list[Encoded]:
        return [e for e in self.encoded if e.kind == kind]


def until(true: Callable[[], Any], seconds: float = 10) -> Any:
    """What `true` gives once it is true."""
    ends = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.01)
    return value


class Running:
    """A server on a free port of loopback."""

    def __init__(self, host: Host, **more: Any) -> None:
        self.host = host
        self.loop = asyncio.new_event_loop()
        self.faults: list[Any] = []  # what the loop would have logged
        self.loop.set_exception_handler(lambda loop, context: self.faults.append(context))
        self.server = Server(host, Metrics(), **more)
        self._runner = web.AppRunner(self.server.application, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.run(self._runner.setup())
        self.run(web.TCPSite(self._runner, "127.0.0.1", 0).start())
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def call(
        self, method: str, path: str, value: Any = None, data: bytes | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON or text, headers."""
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        if value is not None:
            data, given = json.dumps(value).encode(), {"Content-Type": "application/json"} | given
        request = urllib.request.Request(self.url + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text, told = answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                status, text, told = error.code, error.read().decode(), dict(error.headers)
        return status, json.loads(text) if "json" in told.get("Content-Type", "") else text, told

    def open(self, **fields: Any) -> str:
        status, answer, _ = self.call("POST", "/v1/sessions", fields)
        assert status == 201, answer
        return str(answer["id"])

    def close(self) -> None:
        self.run(self._runner.cleanup())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        assert not self.faults, self.faults


@contextmanager
def serving() -> Iterator[Running]:
    """A server of quick fakes that refuses nobody for calling often."""
    with quick_host() as host:
        running = Running(host, limits=Limits(requests_per_second=1e6, sessions_per_key=16))
        yield running
        running.close()
