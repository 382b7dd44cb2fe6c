"""A client of `animacy serve`.

async with Client("https://faces.example", key=key) as client, await client.open(avatar="leo") as session:
    await session.say("Hello there!")
    async for told in session.events():
        if told.kind == "finished":
            break
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import (
    ClientConnectorCertificateError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    WSMessage,
    WSMsgType,
)

from ..errors import AnimacyError, UsageError
from .sound import Sound, pcm, rate_of

PATIENCE = 30.0  # s in which a session has to be open again whose process died
AGAIN = 0.5  # s between attempts
TAKEN = 8.0  # s of sound that are sent ahead: a little less than the server takes


class Refused(AnimacyError):
    """The server answers other than success: `status` is HTTP's."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(f"the server refuses ({status}): {error}")
        self.status = status


class Lost(AnimacyError):
    """The session is gone, and another one has to be opened."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event, as the server tells it; `Event` describes its kinds.

    One more is "lost": the session's process died, and another session is open in its place. What was being said, or waited to
    be, is lost with it, and numbers of texts begin again at 1.
    """

    kind: str
    epoch: int = 0
    say: int = 0  # what `say` gave for the text
    time: float = 0.0  # seconds after the session's first frame
    text: str = ""  # of the sentence or the word; of "failed" and "output_failed", why
    start: int = 0  # of the sentence or the word in the text given to `say` without its markup, in characters
    end: int = 0
    sentence: Mapping[str, Any] = field(default_factory=dict)  # of "sentence": what was read
    output: str = ""  # of "output_...": which one it was


class Client:
    """Calls the server at `url` with `key`. verify: whether the certificate has to be one that this machine trusts.

    seconds: that an answer may take. Raises UsageError for an address that is none.
    """

    def __init__(self, url: str, key: str | None = None, *, verify: bool = True, seconds: float = 30.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"address {url!r}: needed http://HOST:PORT or https://HOST:PORT")
        if key is not None and (not key.isascii() or not key.isprintable() or " " in key):
            raise UsageError("the key holds what no key may: needed printable ASCII characters without blanks")
        self.url, self._verify, self._seconds = url.rstrip("/"), verify, seconds
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http: ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = ClientSession(headers=self._headers, timeout=ClientTimeout(total=self._seconds))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def about(self) -> dict[str, Any]:
        """Avatars, voices, emotions, size, frames a second and limits."""
        return await self.call("GET", "/v1")

    async def open(
        self,
        *,
        avatar: str = "",
        voice: str = "",
        markup: str = "auto",
        emotion: Mapping[str, float] | None = None,
        seed: int | None = None,
    ) -> LiveSession:
        """Open a session; what is left out is the server's to choose. Raises Refused, 503 where there is no room."""
        asked = {"avatar": avatar, "voice": voice, "markup": markup, "emotion": emotion, "seed": seed}
        session = LiveSession(self, asked)
        await session.begin()
        return session

    async def join(self, id: str) -> LiveSession:
        """A session that is open; closing it here lets it be. Raises Refused, 404 where there is none."""
        session = LiveSession(self, None, id)
        await session.begin()
        return session

    async def call(self, method: str, path: str, value: Any = None) -> dict[str, Any]:
        """The JSON that the server answers. Raises Refused, Lost if the session is gone, AnimacyError if there is no server."""
        try:
            async with self._open_http().request(
                method, self.url + path, json=value, ssl=self._verify, allow_redirects=False
            ) as answer:
                told = await answer.json() if answer.content_type == "application/json" else {}
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            raise _unreachable(self.url, error) from error
        if answer.status == 410:
            raise Lost(str(told.get("error", "the session is gone")))
        if not 200 <= answer.status < 300:
            raise Refused(answer.status, str(told.get("error", answer.reason)))
        return dict(told)

    async def listen(self, id: str, what: str = "events", heartbeat: float | None = 20.0) -> ClientWebSocketResponse:
        """The WebSocket of a session's events, or of something else of it. Raises as `call` does."""
        try:
            return await self._open_http().ws_connect(
                f"{self.url}/v1/sessions/{id}/{what}", protocols=("animacy",), ssl=self._verify, heartbeat=heartbeat
            )
        except (ClientError, OSError, TimeoutError) as error:
            status = getattr(error, "status", None)
            if status == 410:
                raise Lost("the session's process has ended: open another session") from error
            if status is not None:
                raise Refused(status, f"{what.split('?')[0]} of it cannot be opened: is it open, and this key's?") from error
            raise _unreachable(self.url, error) from error

    def _open_http(self) -> ClientSession:
        if self._http is None or self._http.closed:
            raise AnimacyError("this client is not open: use `async with Client(...) as client`")
        return self._http


class LiveSession:
    """A session on the server: `Client.open` and `Client.join` give it.

    Its events are kept from its opening on; where nobody reads them the server stops telling them after a while. When its
    process dies, one that was opened here is opened again, as it was asked for and with its present avatar and emotion; one
    that was joined raises Lost. Closing it twice is fine.
    """

    def __init__(self, client: Client, asked: dict[str, Any] | None, id: str = "") -> None:
        self.id = id
        self._client, self._asked = client, asked
        self._socket: ClientWebSocketResponse | None = None
        self._again = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def begin(self) -> None:
        """Open it, and hear it: its maker has done so."""
        if self._asked is not None:
            self.id = str((await self._client.call("POST", "/v1/sessions", self._asked))["id"])
        self._socket = await self._client.listen(self.id)

    async def say(self, text: str) -> int:
        """Say `text` after what is being said; gives its number, by which events name it."""
        return int((await self._call("say", {"text": text}))["say"])

    async def push_audio(self, sound: Sound, rate: int | None = None) -> int:
        """Say speech from elsewhere, after what is being said; gives its number once the server has taken all of it.

        sound: samples [N], mono, -1..1, or an asynchronous iterable of such pieces as they come, both at `rate` Hz; or the path
        of an audio file. It is sent TAKEN seconds ahead of what is heard at most.
        Raises UsageError for other sound, AnimacyError if it is interrupted meanwhile, Lost if the session's process dies
        meanwhile: what was pushed has to be pushed again.
        """
        if self._closed:
            raise AnimacyError("this session is closed; open another one")
        rate = rate_of(sound, rate)
        # No heartbeat: its answer would wait behind the sound that the server does not take yet.
        path, id = f"audio?rate={rate}", self.id
        try:
            socket = await self._client.listen(id, path, None)
        except Lost:
            await self._reopen(id)
            socket = await self._client.listen(self.id, path, None)
        async with socket:
            return await _sent(socket, pcm(sound, rate), rate)

    async def interrupt(self) -> int:
        """Stop at once, and drop what waits; gives the new epoch."""
        return int((await self._call("interrupt", {}))["epoch"])

    async def set_emotion(self, weights: Mapping[str, float] | None) -> None:
        """Hold this emotion: weights with a sum of at most 1; None: as is read."""
        await self._call("emotion", {"weights": weights})
        if self._asked is not None:
            self._asked["emotion"] = weights

    async def set_avatar(self, name: str) -> None:
        """Show another face."""
        await self._call("avatar", {"avatar": name})
        if self._asked is not None:
            self._asked["avatar"] = name

    async def figures(self) -> dict[str, Any]:
        """What was measured of it, times in milliseconds."""
        return dict((await self._client.call("GET", f"/v1/sessions/{self.id}"))["figures"])

    async def events(self) -> AsyncIterator[Told]:
        """What is heard, as it is heard, until the session is closed. For one reader at a time.

        Raises Lost if it was joined and is gone, AnimacyError if the server closes the socket or cannot be reached.
        """
        while not self._closed:
            socket, id = self._socket, self.id
            assert socket is not None
            message = await socket.receive()
            if message.type is WSMsgType.TEXT:
                value = message.json()
                kind = value.pop("event", None)
                if kind == "lost":
                    await self._reopen(id)
                    yield Told("lost", text=str(value.get("text", "")))
                elif kind is not None:
                    yield Told(kind, **value)
            elif self._closed:
                return
            elif self.id == id:  # else it was opened again meanwhile, by one who called
                raise AnimacyError(f"the server tells no more: {message.extra or 'the connection was closed'}")
            else:
                yield Told("lost")

    async def close(self) -> None:
        """Hear no more, and close the session if it was opened here."""
        if self._closed:
            return
        self._closed = True
        if self._socket is not None:
            await self._socket.close()
        if self._asked is not None and self.id:
            try:
                await self._client.call("DELETE", f"/v1/sessions/{self.id}")
            except AnimacyError:  # it is gone: that is what was wanted; a server that cannot be reached closes it when idle
                return

    async def _call(self, command: str, value: Any) -> dict[str, Any]:
        if self._closed:
            raise AnimacyError("this session is closed; open another one")
        id = self.id
        try:
            return await self._client.call("POST", f"/v1/sessions/{id}/{command}", value)
        except Lost:
            await self._reopen(id)
            return await self._client.call("POST", f"/v1/sessions/{self.id}/{command}", value)

    async def _reopen(self, lost: str) -> None:
        """Open it again, unless that was done since it was `lost`. Raises Lost for one that was joined."""
        async with self._again:
            if self.id != lost:
                return
            if self._asked is None:
                raise Lost(f"session {lost} is gone: its process has ended; open another one")
            before, ends = self._socket, asyncio.get_running_loop().time() + PATIENCE
            while True:
                try:
                    await self.begin()
                    break
                except (Lost, Refused) as error:  # 503: the others are full, or it is the only process
                    full = isinstance(error, Lost) or error.status in (429, 503)
                    if not full or asyncio.get_running_loop().time() > ends:
                        raise
                    await asyncio.sleep(AGAIN)
            if before is not None:
                await before.close()


async def _sent(socket: ClientWebSocketResponse, pieces: AsyncIterator[bytes], rate: int) -> int:
    """Send the pieces and close; gives the number that the server told after the first."""
    say, answer = 0, asyncio.create_task(socket.receive())
    clock, begun, sent = asyncio.get_running_loop().time, 0.0, 0
    try:
        async for piece in pieces:
            with suppress(ConnectionError, ClientError):  # it was closed: why is in the answer
                await socket.send_bytes(piece)
            if not say:
                say, begun = _taken(await answer), clock()
                answer = asyncio.create_task(socket.receive())
            sent += len(piece)
            # What lies in the sockets' buffers could not be stopped any more.
            await asyncio.wait({answer}, timeout=max(begun + sent / (2 * rate) - TAKEN - clock(), 0))
            if answer.done() or socket.closed:
                _taken(await answer)
        if not say:
            raise UsageError("nothing to say in sound without samples: give some")
        await socket.close()
        return say
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)


def _taken(message: WSMessage) -> int:
    """The number that is told. Raises Lost if the session is gone, AnimacyError with what is told else."""
    value = message.json() if message.type is WSMsgType.TEXT else {}
    if "say" in value:
        return int(value["say"])
    if value.get("event") == "lost":
        raise Lost(str(value.get("text")))
    raise AnimacyError(f"the sound is not taken: {value.get('error') or message.extra or 'the connection was closed'}")


def _unreachable(url: str, error: Exception) -> AnimacyError:
    if isinstance(error, ClientConnectorCertificateError):
        return AnimacyError(f"{url}: {error.certificate_error}; trust its issuer (SSL_CERT_FILE), or give --insecure")
    if isinstance(error, TimeoutError):
        return AnimacyError(f"{url} does not answer in time: is it overloaded?")
    return AnimacyError(f"{url} cannot be reached: {error}; is `animacy serve` running there?")
