"""One address before several processes that hold the sessions.

A new session goes to the process that has the fewest, all else by the session's name to the process that holds it. Pictures and
sound do not pass here: a viewer's WebRTC goes to its process's own ports. Sessions whose process has died are told, by 410 and
by the event "lost", so that their callers open others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    WSCloseCode,
    WSMessage,
    WSMsgType,
    WSServerHandshakeError,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from . import openapi
from .door import CALLER, RETRY, Door, Refused, as_json, dumped
from .metrics import Metrics, merged
from .requests import MOST_BYTES
from .server import Limits, application
from .workers import GRACE, Worker

ANSWER = 2.0  # s in which a process has to tell its load, or to be found dead
LOST = "the session's process has ended: open another session"
# RFC 9110, 7.6.1: of one connection alone; and what a WebSocket's handshake sets anew
_OWN = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization", "content-length"}
_SKIPPED = frozenset(("User-Agent", "Accept-Encoding", "Accept", "Content-Type"))


class Front:
    """The application before `workers`. keys, limits, origins: as `Server` takes them; limits are of all workers together."""

    def __init__(
        self, workers: list[Worker], *, keys: dict[str, bytes] | None, limits: Limits, origins: tuple[str, ...] = ()
    ) -> None:
        self.workers, self.limits, self.draining = workers, limits, False
        self.failure: BaseException | None = None  # none of ours: workers are started again
        self._metrics = Metrics()
        self._counted = asyncio.Lock()  # sessions are opened one at a time, so that none is missed in counting
        door = Door(self._metrics, keys=keys, often=limits.requests_per_second, origins=origins)
        self.application = application(
            door,
            ("GET", "/healthz", self._healthz),
            ("GET", "/readyz", self._readyz),
            ("GET", "/openapi.json", self._openapi),
            ("GET", "/metrics", door.known(self._metrics_page)),
            ("GET", "/v1", door.known(self._about)),
            ("GET", "/v1/sessions", door.known(self._list)),
            ("POST", "/v1/sessions", door.known(self._open)),
            ("GET", "/v1/sessions/{id}/outputs/{output}/{name}", self._forward),  # players send no key
            ("*", "/v1/sessions/{id}{rest:(/.*)?}", door.known(self._forward)),
        )

    async def drain(self) -> None:
        """Open no more sessions, and wait until all workers have let theirs speak on."""
        self.draining = True
        for worker in self.workers:
            worker.retire()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(w.ended.wait() for w in self.workers)), self.limits.drain + GRACE)

    # --- what is answered here

    async def _healthz(self, request: web.Request) -> web.Response:
        return as_json({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.Response:
        self._ready()
        return as_json({"status": "ready"})

    async def _openapi(self, request: web.Request) -> web.Response:
        return as_json(openapi.document())

    async def _metrics_page(self, request: web.Request) -> web.Response:
        asked = [w for w in self.workers if w.client is not None]
        texts = await asyncio.gather(*(self._told(w, request, "/metrics") for w in asked))
        body, kind = merged(
            {str(w.number): text.decode() for w, text in zip(asked, texts, strict=True) if text is not None},
            self._metrics,
            ready=len(asked),
            restarts={str(w.number): max(w.generation - 1, 0) for w in self.workers},
            hung={str(w.number): w.hung for w in self.workers},
        )
        return web.Response(body=body, headers={"Content-Type": kind})

    async def _about(self, request: web.Request) -> web.StreamResponse:
        return await self._passed(self._ready()[0], request)

    async def _list(self, request: web.Request) -> web.Response:
        texts = await asyncio.gather(*(self._told(w, request, "/v1/sessions") for w in self._ready()))
        return as_json({"sessions": [s for text in texts if text is not None for s in json.loads(text)["sessions"]]})

    async def _open(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        async with self._counted:
            ready = self._ready()
            texts = await asyncio.gather(*(self._told(w, request, "/load") for w in ready))
            loads = [(json.loads(text), w) for text, w in zip(texts, ready, strict=True) if text is not None]
            own = sum(load["sessions"].get(request[CALLER], 0) for load, _ in loads)
            every = sum(sum(load["sessions"].values()) for load, _ in loads)
            if own >= self.limits.sessions_per_key:
                raise Refused(429, f"{own} sessions are open by this key already: close one", RETRY)
            if every >= self.limits.sessions:
                self._metrics.refused.inc()
                raise Refused(503, f"{every} sessions are open already: retry later", RETRY)
            loads.sort(key=lambda pair: (sum(pair[0]["sessions"].values()), pair[0]["need"]))
            for _, worker in loads:  # one that has no room sends us to the next
                with suppress(Refused):
                    async with self._asked(worker, request, data) as answer:
                        told = web.Response(body=await answer.read(), status=answer.status, headers=_passed(answer.headers))
                    if answer.status != 503:
                        return told
            self._metrics.refused.inc()
            raise Refused(503, "no process has room for another session: retry later", RETRY)

    # --- what is handed on

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        worker = self._holder(request.match_info["id"])
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(worker, request)
        return await self._passed(worker, request)

    async def _passed(self, worker: Worker, request: web.Request) -> web.StreamResponse:
        async with self._asked(worker, request, await request.read()) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_passed(answer.headers))
            await response.prepare(request)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            except ClientError:  # the process died within its answer: nothing can be added to what was sent
                if request.transport is not None:
                    request.transport.close()
            return response

    async def _socket(self, worker: Worker, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("animacy",), heartbeat=20, max_msg_size=MOST_BYTES)
        if not socket.can_prepare(request).ok:
            raise Refused(426, "this address speaks WebSocket")
        ended, headers = worker.ended, _passed(request.headers)
        offered = [p.strip() for p in headers.pop("Sec-WebSocket-Protocol", "").split(",") if p.strip()]
        for name in [n for n in headers if n.lower().startswith("sec-websocket-")]:
            del headers[name]
        try:
            inner = await _client(worker).ws_connect(_url(request.raw_path), protocols=offered, headers=headers)
        except WSServerHandshakeError as error:
            raise Refused(error.status, openapi.ANSWERS.get(error.status, error.message)) from error
        except (ClientError, OSError) as error:
            raise await self._gone(ended) from error
        async with inner:
            await socket.prepare(request)
            events, commands = (asyncio.create_task(_pumped(*ends)) for ends in ((inner, socket), (socket, inner)))
            try:
                await asyncio.wait([events, commands], return_when=asyncio.FIRST_COMPLETED)
                if commands.done() and commands.exception() is not None:  # a command met a dying process: that is told below
                    await asyncio.wait([events], timeout=ANSWER)
                if events.done():
                    await self._closed(socket, events.result(), ended)
            except ConnectionError:  # the caller has left
                pass
            finally:
                for task in (events, commands):
                    task.cancel()
                await asyncio.gather(events, commands, return_exceptions=True)
        return socket

    async def _closed(self, socket: web.WebSocketResponse, last: WSMessage, ended: asyncio.Event) -> None:
        """Tell the caller how the process's socket closed."""
        if last.type is WSMsgType.CLOSE:  # it said so
            await socket.close(code=last.data or WSCloseCode.OK, message=str(last.extra or "").encode())
        elif self.draining:
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")
        elif await _within(ended):
            await socket.send_json({"event": "lost", "text": LOST}, dumps=dumped)
            await socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"open another session")
        else:
            await socket.close(code=WSCloseCode.INTERNAL_ERROR, message=b"the connection within was lost")

    # --- workers

    def _ready(self) -> list[Worker]:
        if self.draining:
            raise Refused(503, "the server is ending: retry later", RETRY)
        ready = [w for w in self.workers if w.client is not None]
        if not ready:
            raise Refused(503, "no process is ready: retry later", RETRY)
        return ready

    def _holder(self, session: str) -> Worker:
        """The worker that holds a session. Raises Refused: 410 if its process is gone, 404 if there never was one."""
        number, _, rest = session.partition(".")
        generation, _, name = rest.partition(".")
        worker = next((w for w in self.workers if str(w.number) == number), None)
        if worker is None or not name or not generation.isascii() or not generation.isdigit():
            raise Refused(404, "no such session")
        if int(generation[:9]) < worker.generation or (worker.client is None and int(generation[:9]) == worker.generation):
            raise Refused(410, LOST)
        if int(generation[:9]) > worker.generation:
            raise Refused(404, "no such session")
        return worker

    @asynccontextmanager
    async def _asked(self, worker: Worker, request: web.Request, data: bytes) -> AsyncIterator[ClientResponse]:
        """The answer of `worker` to `request`. Raises Refused where it gives none."""
        ended = worker.ended
        try:
            answer = await _client(worker).request(
                request.method,
                _url(request.raw_path),
                data=data or None,
                headers=_passed(request.headers),
                skip_auto_headers=_SKIPPED,
                allow_redirects=False,
            )
        except (ClientError, OSError) as error:
            raise await self._gone(ended) from error
        async with answer:
            yield answer

    async def _told(self, worker: Worker, request: web.Request, path: str) -> bytes | None:
        """What a worker gives its caller at `path`; None where it gives nothing in time."""
        headers = {name: request.headers[name] for name in ("Host", "Authorization") if name in request.headers}
        try:
            timeout = ClientTimeout(total=ANSWER)
            async with _client(worker).get(_url(path), headers=headers, timeout=timeout) as answer:
                return await answer.read() if answer.status == 200 else None
        except (Refused, ClientError, OSError, TimeoutError):
            return None

    async def _gone(self, ended: asyncio.Event) -> Refused:
        if not self.draining and not await _within(ended):
            return Refused(503, "the session's process does not answer: retry later", RETRY)
        return Refused(410, LOST)


async def _within(ended: asyncio.Event) -> bool:
    """Whether a process is found to have ended: its sockets close a little earlier."""
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), ANSWER)
    return ended.is_set()


async def _pumped(
    source: web.WebSocketResponse | ClientWebSocketResponse, sink: web.WebSocketResponse | ClientWebSocketResponse
) -> WSMessage:
    """Hand messages on until there are no more; gives the last, which tells how `source` closed."""
    while True:
        message: WSMessage = await source.receive()
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        else:
            return message


def _client(worker: Worker) -> ClientSession:
    if worker.client is None:
        raise Refused(410, LOST)
    return worker.client


def _url(path: str) -> URL:
    return URL(f"http://worker{path}", encoded=True)


def _passed(headers: Any) -> CIMultiDict[str]:
    """The headers that concern more than one connection."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _OWN)
