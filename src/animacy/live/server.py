"""The server: live sessions over HTTP, WebSocket and WebRTC. docs/serving.md tells how to use it.

Whoever calls is known by a key, sees only the sessions of that key, and is bounded in their number and in requests. Without
keys the server listens on loopback alone, and answers only those who call it by a name of loopback.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import Any, Protocol, TypeVar

from aiohttp import WSCloseCode, WSMsgType, web

from .. import __version__
from ..errors import AnimacyError, UsageError
from ..read import spoken_text
from ..types import EMOTIONS
from . import openapi, whep
from .door import CALLER, RETRY, Door, Handler, Refused, dumped
from .door import as_json as _json
from .host import Host
from .incoming import receive
from .metrics import Metrics
from .outputs import FORMS, Hls, Output, Places, open_output
from .remote import Happened
from .requests import MOST_BYTES, Audio, Feel, Interrupt, Open, Say, Wear, body, parsed
from .requests import Output as OutputAsked
from .scheduler import Busy
from .stream import Encoded, Stream
from .values import Event

STILL = 20.0  # s without a tick, after which it counts as hanging: longer than kernels take to be made
FAILED = 8  # outputs that failed are listed, at most
WAITING = 256  # events for a WebSocket that does not read: then it is cut off
PAGES = {
    "/": ("studio.html", "text/html"),
    "/studio.js": ("studio.js", "text/javascript"),
    "/voice.js": ("voice.js", "text/javascript"),
    "/microphone.js": ("microphone.js", "text/javascript"),
    "/studio.css": ("studio.css", "text/css"),
}

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What callers may use, and how long."""

    sessions: int = 16  # at a time
    sessions_per_key: int = 8
    viewers: int = 8  # of one session
    outputs: int = 4  # of one session
    requests_per_second: float = 20.0  # of one key; twice as many in a burst
    idle: float = 60.0  # s after which a session that nobody watches or calls is closed
    drain: float = 10.0  # s that sessions may speak on once the server is to end


@dataclass(slots=True)
class Held:
    """One session on the server."""

    id: str
    stream: Stream
    caller: str
    markup: str
    voice: str
    touched: float
    viewers: dict[str, whep.Viewer] = field(default_factory=dict)
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    outputs: dict[str, Output] = field(default_factory=dict)
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)  # one output at a time


class Server:
    """The application around a host. `application` is what aiohttp runs.

    keys: by name the SHA-256 of what each caller has to send; None: no keys, on loopback alone. origins: of web pages elsewhere
    that may call (CORS), none by default. ice_servers: STUN or TURN addresses that viewers' connections may use. places: where
    outputs may go. prefix: of its sessions' names, if it is one of several processes behind one address; then it tells them its
    load, too.
    """

    def __init__(
        self,
        host: Host,
        metrics: Metrics,
        *,
        keys: dict[str, bytes] | None = None,
        limits: Limits | None = None,
        origins: tuple[str, ...] = (),
        ice_servers: tuple[str, ...] = (),
        places: Places | None = None,
        prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host, self.limits, self.draining = host, limits or Limits(), False
        self._metrics, self._ice, self._clock, self._prefix = metrics, ice_servers, clock, prefix
        self._places = places or Places()
        self._held: dict[str, Held] = {}
        self._opening = 0
        self._going_on: set[asyncio.Task[web.StreamResponse]] = set()  # see _to_the_end
        door = self._door = Door(metrics, keys=keys, often=self.limits.requests_per_second, origins=origins, clock=clock)
        known, to_the_end = door.known, self._to_the_end
        self.application = application(
            door,
            ("GET", "/healthz", self._healthz),
            ("GET", "/readyz", self._readyz),
            ("GET", "/openapi.json", self._openapi),
            ("GET", "/metrics", known(self._metrics_page)),
            ("GET", "/v1", known(self._about)),
            ("GET", "/v1/sessions", known(self._list)),
            ("POST", "/v1/sessions", known(to_the_end(self._open))),
            ("GET", "/v1/sessions/{id}", known(self._show)),
            ("DELETE", "/v1/sessions/{id}", known(to_the_end(self._delete))),
            ("POST", "/v1/sessions/{id}/say", known(self._say)),
            ("POST", "/v1/sessions/{id}/interrupt", known(self._interrupt)),
            ("POST", "/v1/sessions/{id}/emotion", known(self._feel)),
            ("POST", "/v1/sessions/{id}/avatar", known(self._wear)),
            ("GET", "/v1/sessions/{id}/events", known(self._events)),
            ("GET", "/v1/sessions/{id}/audio", known(self._audio)),
            ("POST", "/v1/sessions/{id}/whep", known(to_the_end(self._whep))),
            ("DELETE", "/v1/sessions/{id}/whep/{viewer}", known(self._whep_end)),
            ("GET", "/v1/sessions/{id}/outputs", known(self._outputs)),
            ("POST", "/v1/sessions/{id}/outputs", known(to_the_end(self._output))),
            ("DELETE", "/v1/sessions/{id}/outputs/{output}", known(self._output_end)),
            ("GET", "/v1/sessions/{id}/outputs/{output}/{name}", self._hls),
        )
        if prefix:
            self.application.router.add_get("/load", self._load)
        self.application.cleanup_ctx.append(self._housekeeping)

    def _to_the_end(self, handler: Handler) -> Handler:
        """Let `handler` come to its end though its caller leaves: aiohttp cancels it then, amid what it opens or closes."""

        async def whole(request: web.Request) -> web.StreamResponse:
            task = asyncio.ensure_future(handler(request))
            self._going_on.add(task)
            task.add_done_callback(self._going_on.discard)
            return await asyncio.shield(task)

        return whole

    # --- what is asked

    async def _healthz(self, request: web.Request) -> web.Response:
        if self.host.failure is not None:
            raise Refused(503, f"nothing is painted any more: {self.host.failure}")
        if self.host.scheduler.still > STILL:
            raise Refused(503, f"nothing was painted for {self.host.scheduler.still:.0f} s: what paints hangs")
        return _json({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.Response:
        await self._healthz(request)
        if self.draining:
            raise Refused(503, "the server is ending", RETRY)
        return _json({"status": "ready"})

    async def _metrics_page(self, request: web.Request) -> web.Response:
        self._metrics.note(self.host, sum(len(h.viewers) for h in self._held.values()))
        text, kind = self._metrics.text()
        return web.Response(body=text, headers={"Content-Type": kind})

    async def _load(self, request: web.Request) -> web.Response:
        """For the address in front, which counts the sessions of all processes together."""
        return _json({"sessions": Counter(h.caller for h in self._held.values()), "need": self.host.scheduler.need})

    async def _openapi(self, request: web.Request) -> web.Response:
        return _json(openapi.document())

    async def _about(self, request: web.Request) -> web.Response:
        return _json(
            {
                "version": __version__,
                "avatars": list(self.host.looks),
                "voices": list(self.host.speakers),
                "markups": list(self.host.readers),
                "emotions": list(EMOTIONS),
                "size": self.host.size,
                "fps": self.host.fps,
                "ice_servers": list(self._ice),
                "limits": asdict(self.limits),
            }
        )

    async def _list(self, request: web.Request) -> web.Response:
        return _json({"sessions": [self._as_json(h) for h in self._held.values() if h.caller == request[CALLER]]})

    async def _open(self, request: web.Request) -> web.Response:
        asked = parsed(Open, await _body(request))
        if self.draining:
            raise Refused(503, "the server is ending: retry later", RETRY)
        own = sum(h.caller == request[CALLER] for h in self._held.values())
        if own >= self.limits.sessions_per_key:
            raise Refused(429, f"{own} sessions are open by this key already: close one", RETRY)
        if len(self._held) + self._opening >= self.limits.sessions:
            raise Busy(f"{len(self._held)} sessions are open already: retry later")
        self._opening += 1
        try:
            avatar = asked.avatar or next(iter(self.host.looks))
            voice = asked.voice or next(iter(self.host.speakers))
            stream = await asyncio.to_thread(self.host.open, avatar, voice, asked.markup, asked.seed)
        finally:
            self._opening -= 1
        # of hexadecimal digits: a name that began with a dash could not be given on a command line
        held = Held(self._prefix + secrets.token_hex(16), stream, request[CALLER], asked.markup, voice, self._clock())
        if asked.emotion is not None:
            try:
                stream.session.set_emotion(asked.emotion)
            except UsageError:
                await asyncio.to_thread(self.host.close_session, stream)
                raise
        self._held[held.id] = held
        _log.info("session opened", extra={"session": held.id, "caller": held.caller, "avatar": avatar, "voice": voice})
        if request.transport is None:
            await self._close(held, "its caller has left")  # and nobody else knows its name
        return _json(self._as_json(held), 201, {"Location": f"/v1/sessions/{held.id}"})

    async def _show(self, request: web.Request) -> web.Response:
        return _json(self._as_json(self._of(request)))

    async def _delete(self, request: web.Request) -> web.Response:
        await self._close(self._of(request), "asked for")
        return web.Response(status=204)

    async def _say(self, request: web.Request) -> web.Response:
        held = self._of(request)
        return _json(self._do(held, "say", await _body(request)), 202)

    async def _interrupt(self, request: web.Request) -> web.Response:
        held = self._of(request)
        return _json(self._do(held, "interrupt", await _body(request)))

    async def _feel(self, request: web.Request) -> web.Response:
        held = self._of(request)
        return _json(self._do(held, "emotion", await _body(request)))

    async def _wear(self, request: web.Request) -> web.Response:
        held = self._of(request)
        return _json(self._do(held, "avatar", await _body(request)))

    def _do(self, held: Held, command: str, value: Any) -> dict[str, Any]:
        """Carry out a command, whichever way it came."""
        session = held.stream.session
        if command == "say":
            text = parsed(Say, value).text
            spoken_text(text, held.markup)  # wrong markup is told at once
            number = session.say(text)
            held.stream.asked(number)
            self._metrics.texts.inc()
            return {"say": number}
        if command == "interrupt":
            parsed(Interrupt, value)
            session.interrupt()
        elif command == "emotion":
            session.set_emotion(parsed(Feel, value).weights)
        elif command == "avatar":
            self.host.wear(held.stream, parsed(Wear, value).avatar)
        else:
            raise UsageError(f"command {command[:40]!r} is not known: there are say, interrupt, emotion, avatar")
        return {"epoch": session.epoch}

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        """Events out, commands in: {"do": "say", "text": ...}."""
        held = self._of(request)
        socket = await self._upgraded(request)
        ear = Ear(asyncio.get_running_loop(), request.transport)
        held.stream.watch(ear)
        held.sockets.add(socket)
        telling = asyncio.create_task(_tell(socket, ear))
        try:
            async for message in socket:
                held.touched = self._clock()
                if message.type is WSMsgType.TEXT:
                    await socket.send_json(self._commanded(held, message.data))
                elif message.type is WSMsgType.BINARY:
                    await socket.send_json({"error": "needed text, not bytes"})
        except ConnectionError:
            pass
        finally:
            held.stream.leave(ear)
            held.sockets.discard(socket)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        return socket

    async def _upgraded(self, request: web.Request) -> web.WebSocketResponse:
        self._door.refuse_other_pages(request)
        socket = web.WebSocketResponse(protocols=("animacy",), heartbeat=20, max_msg_size=MOST_BYTES)
        if not socket.can_prepare(request).ok:
            raise Refused(426, "this address speaks WebSocket")
        await socket.prepare(request)
        return socket

    async def _audio(self, request: web.Request) -> web.WebSocketResponse:
        """Sound in: what the binary messages of one connection hold is said as one text is."""
        held = self._of(request)
        given: dict[str, Any] = dict(request.query)
        if given.get("rate", "").isdecimal() and len(given["rate"]) < 7:
            given["rate"] = int(given["rate"])
        asked = parsed(Audio, given)
        socket = await self._upgraded(request)
        held.sockets.add(socket)
        try:
            await receive(socket, held.stream.session, asked, held.stream.asked)
        finally:
            held.sockets.discard(socket)
            held.touched = self._clock()
        return socket

    def _commanded(self, held: Held, data: str) -> dict[str, Any]:
        try:
            value = body(data.encode("utf-8", "surrogatepass"))
            if not isinstance(value, dict) or not isinstance(value.get("do"), str):
                raise UsageError('needed an object with "do": say, interrupt, emotion or avatar')
            return {"did": value["do"]} | self._do(held, value.pop("do"), value)
        except AnimacyError as error:
            return {"error": str(error)}

    async def _whep(self, request: web.Request) -> web.Response:
        held = self._of(request)
        if request.content_type != "application/sdp":
            raise Refused(415, "needed an offer as application/sdp")
        if len(held.viewers) >= self.limits.viewers:
            raise Refused(503, f"{len(held.viewers)} watch this session already: retry later", RETRY)
        offer = await _bytes(request, whep.MOST_BYTES)
        name = secrets.token_hex(9)

        def left(viewer: whep.Viewer) -> None:
            held.viewers.pop(name, None)
            held.touched = self._clock()

        viewer = whep.Viewer(held.stream, left, self._ice)
        held.viewers[name] = viewer  # at once: the next who asks counts it
        try:
            answer = await viewer.answer(_utf8(offer))
        except BaseException:
            held.viewers.pop(name, None)
            raise
        place = f"/v1/sessions/{held.id}/whep/{name}"
        return web.Response(status=201, text=answer, content_type="application/sdp", headers={"Location": place})

    async def _whep_end(self, request: web.Request) -> web.Response:
        held = self._of(request)
        viewer = held.viewers.get(request.match_info["viewer"])
        if viewer is None:
            raise Refused(404, "no such viewer")
        await viewer.end()
        return web.Response(status=200)

    async def _outputs(self, request: web.Request) -> web.Response:
        return _json({"outputs": [output.as_json(name) for name, output in self._of(request).outputs.items()]})

    async def _output(self, request: web.Request) -> web.Response:
        held = self._of(request)
        asked = parsed(OutputAsked, await _body(request))
        name = secrets.token_hex(16)
        place = f"/v1/sessions/{held.id}/outputs/{name}"
        session = held.stream.session

        def tell(kind: Happened, why: str) -> None:  # in whichever thread
            what = {
                "output_failed": "an output failed",
                "output_lost": "an output was lost",
                "output_back": "an output is back",
            }
            _log.warning(what[kind], extra={"session": held.id, "output": name, "caller": held.caller, "why": why})
            self._metrics.outputs.labels(kind.removeprefix("output_")).inc()
            held.stream.tell(Event(kind, session.epoch, 0, time.monotonic() - session.opened, why, output=name))

        async with held.opening:
            over = [n for n, output in held.outputs.items() if output.error]
            for old in over[: max(len(over) - FAILED + 1, 0)]:
                del held.outputs[old]
            if len(held.outputs) - len(over) >= self.limits.outputs:
                raise Refused(503, f"{self.limits.outputs} outputs are open: close one", RETRY)
            output = await asyncio.to_thread(open_output, asked, self._places, held.stream, place, tell)
            held.outputs[name] = output
        if held.id not in self._held:  # closed meanwhile
            await asyncio.to_thread(output.end)
            raise Refused(404, "no such session")
        _log.info("output opened", extra={"session": held.id, "output": name, "caller": held.caller, "to": output.to})
        return _json(output.as_json(name), 201, {"Location": place})

    async def _output_end(self, request: web.Request) -> web.Response:
        output = self._of(request).outputs.pop(request.match_info["output"], None)
        if output is None:
            raise Refused(404, "no such output")
        await asyncio.to_thread(output.end)
        return web.Response(status=204)

    async def _hls(self, request: web.Request) -> web.Response:
        """A plain player sends no key: whoever has the address, which nobody can guess, may watch."""
        self._door.let_in(request)
        held = self._held.get(request.match_info["id"])
        output = None if held is None else held.outputs.get(request.match_info["output"])
        found = output.sink.read(request.match_info["name"]) if output is not None and isinstance(output.sink, Hls) else None
        if held is None or found is None:
            raise Refused(404, "no such file: it is not there yet, or not any more")
        held.touched = self._clock()
        return web.Response(body=found[0], content_type=found[1], headers={"Cache-Control": "no-cache"})

    # --- sessions

    def _of(self, request: web.Request) -> Held:
        held = self._held.get(request.match_info["id"])
        if held is None or held.caller != request[CALLER]:
            raise Refused(404, "no such session")
        held.touched = self._clock()
        return held

    def _as_json(self, held: Held) -> dict[str, Any]:
        stream, session = held.stream, held.stream.session
        f, scheduler = stream.figures, self.host.scheduler
        return {
            "id": held.id,
            "avatar": session.avatar,
            "voice": held.voice,
            "markup": held.markup,
            "size": stream.size,
            "fps": session.fps,
            "epoch": session.epoch,
            "viewers": len(held.viewers),
            "figures": {
                "frames": f.frames,
                "late": f.late,
                "skipped": f.skipped,
                "lateness_ms": round(1000 * f.lateness, 2),
                "drift_ms": round(1000 * f.drift, 2),
                "encode_ms": round(1000 * f.encoding, 2),
                "reply_ms": None if f.reply is None else round(1000 * f.reply, 1),
                "look_ahead": scheduler.look_ahead,
                "half": scheduler.half,
                "need": round(scheduler.need, 3),
            },
        }

    async def _close(self, held: Held, why: str) -> None:
        self._held.pop(held.id, None)
        for viewer in list(held.viewers.values()):
            await viewer.end()
        for socket in list(held.sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the session is closed")
        await asyncio.gather(*(asyncio.to_thread(output.end) for output in held.outputs.values()))
        await asyncio.to_thread(self.host.close_session, held.stream)
        _log.info("session closed", extra={"session": held.id, "caller": held.caller, "why": why})

    async def _housekeeping(self, application: web.Application) -> AsyncIterator[None]:
        async def sweep() -> None:
            while True:
                await asyncio.sleep(min(1.0, self.limits.idle / 4))
                for held in list(self._held.values()):
                    pushed = any(output.kind in FORMS and not output.error for output in held.outputs.values())
                    watched = held.viewers or held.sockets or pushed
                    unused = not watched and self._clock() - held.touched > self.limits.idle
                    if unused or held.stream.ended.is_set():
                        try:
                            await self._close(held, "nobody watches" if unused else "it failed")
                        except Exception as error:
                            _log.error("a session did not close: %s", error, exc_info=error)

        task = asyncio.create_task(sweep())
        yield
        task.cancel()
        await asyncio.gather(task, *self._going_on, return_exceptions=True)
        await asyncio.gather(*(self._close(held, "the server ends") for held in list(self._held.values())))

    @property
    def failure(self) -> BaseException | None:
        """Why nothing is painted any more."""
        return self.host.failure

    async def drain(self) -> None:
        """Open no more sessions, and wait until nobody speaks any more, `limits.drain` seconds at most."""
        self.draining = True
        ends = self._clock() + self.limits.drain
        while self._clock() < ends and any(h.stream.session.speaking for h in self._held.values()):
            await asyncio.sleep(0.05)


class Ear:
    """A Watcher for events alone. When WAITING wait for a reader that does not read, `transport` is cut off."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport | None) -> None:
        self._loop, self._transport = loop, transport
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    def take(self, encoded: Encoded) -> None:
        """Packets go by WebRTC."""

    def told(self, event: Event) -> None:
        with suppress(RuntimeError):  # the loop is gone
            self._loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: Event) -> None:
        if self.events.qsize() < WAITING:
            self.events.put_nowait(event)
        elif self._transport is not None and not self._transport.is_closing():
            _log.warning("a WebSocket is cut off: %d events were not read", WAITING)
            self._transport.abort()  # to close it would be to wait for the reader


async def _tell(socket: web.WebSocketResponse, ear: Ear) -> None:
    with suppress(ConnectionError):
        while True:
            await socket.send_json(event_as_json(await ear.events.get()), dumps=dumped)


def event_as_json(event: Event) -> dict[str, Any]:
    """An event as it is sent: what is empty is left out."""
    told: dict[str, Any] = {"event": event.kind, "epoch": event.epoch, "say": event.say, "time": round(event.time, 4)}
    if event.text:
        told |= {"text": event.text, "start": event.start, "end": event.end}
    if event.output:
        told["output"] = event.output
    return told if event.sentence is None else told | {"sentence": event.sentence.as_json()}


def application(door: Door, *routes: tuple[str, str, Handler]) -> web.Application:
    """The studio's pages and `routes` (method, path, handler), behind `door`."""
    made = web.Application(client_max_size=MOST_BYTES, middlewares=[door.around])
    for path in PAGES:
        made.router.add_route("GET", path, page)
    for method, path, handler in routes:
        made.router.add_route(method, path, handler)
    return made


async def page(request: web.Request) -> web.Response:
    """The studio's page, or what belongs to it."""
    name, kind = PAGES[request.path]
    return web.Response(
        body=files(__package__).joinpath(name).read_bytes(),
        headers={"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-cache"},
    )


async def _bytes(request: web.Request, most: int) -> bytes:
    if (request.content_length or 0) > most:
        raise Refused(413, f"the body has {request.content_length} bytes: needed {most} at most")
    data = await request.read()
    if len(data) > most:
        raise Refused(413, f"the body has {len(data)} bytes: needed {most} at most")
    return data


async def _body(request: web.Request) -> Any:
    """A request's JSON; nothing is an empty object. JSON has to be called so: a page elsewhere cannot send that unasked."""
    if request.content_type != "application/json":
        raise Refused(415, "needed a body as application/json")
    data = await _bytes(request, MOST_BYTES)
    return body(data) if data.strip() else {}


def _utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"the body is not UTF-8 (byte {error.start})") from error


class Served(Protocol):
    """What `serve` serves."""

    application: web.Application

    @property
    def failure(self) -> BaseException | None:
        """Why it cannot go on; then serving ends."""

    async def drain(self) -> None:
        """Take no more, and wait until what goes on has ended, or for so long as that may take."""


async def serve(
    server: Served,
    address: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second one ends at once. `ready` is told the address.

    An address with a slash is a socket's path, in place of a host and its port.
    Raises UsageError if the address cannot be listened on, AnimacyError if what is served fails.
    """
    # Handlers that still run are cancelled after a second: a socket's would run for as long as its client likes.
    runner = web.AppRunner(server.application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    try:
        local = "/" in address
        site = web.UnixSite(runner, address) if local else web.TCPSite(runner, address, port, ssl_context=tls)
        try:
            await site.start()
        except (OSError, UnicodeError) as error:  # UnicodeError: of a name that no DNS takes
            where = address if local else f"{address}:{port}"
            reason = error.strerror if isinstance(error, OSError) else error
            raise UsageError(f"{where} cannot be listened on: {reason}; give another --host or --port") from error
        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
        bound = "" if local else f":{runner.addresses[0][1]}/"
        ready(f"{'unix' if local else 'https' if tls else 'http'}://{f'[{address}]' if ':' in address else address}{bound}")
        while not ending.is_set() and server.failure is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), 0.5)
        if server.failure is None:
            ending.clear()
            drained = asyncio.create_task(server.drain())
            again = asyncio.create_task(ending.wait())
            await asyncio.wait([drained, again], return_when=asyncio.FIRST_COMPLETED)
            for task in (drained, again):
                task.cancel()
            await asyncio.gather(drained, again, return_exceptions=True)
    finally:
        await runner.cleanup()
    if server.failure is not None:
        raise AnimacyError(f"nothing is painted any more: {server.failure}")
