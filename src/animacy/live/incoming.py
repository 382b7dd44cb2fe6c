"""Sound from elsewhere by WebSocket: each binary message is a piece of mono PCM, the connection is one utterance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

from ..errors import AnimacyError, UsageError
from .pushed import Array, samples_of
from .requests import Audio
from .session import Full, Session

STALLED = 8.0  # s that a piece may wait for room: then nothing of it is being heard, and the connection is closed
_AGAIN = 0.05  # s after which it is tried again


async def receive(socket: web.WebSocketResponse, session: Session, asked: Audio, begun: Callable[[int], None]) -> None:
    """Push what comes into the session until the connection ends, by whoever, or the sound is interrupted.

    While there is no room nothing is read on, so that whoever sends faster than it is heard has to wait. `begun` is told the
    sound's number, and so is the one who sends. What is wrong is told as {"error": ...} before the connection is closed.
    """
    say: int | None = None
    rest = b""
    try:
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                raise UsageError("needed bytes, not text: mono PCM in binary messages")
            samples, rest = samples_of(rest + message.data, asked.format)
            for at in range(0, len(samples), asked.rate):  # a second at a time: a message may hold more than there is room for
                number = await _pushed(session, samples[at : at + asked.rate], asked.rate, say)
                if say is None:
                    say = number
                    begun(say)
                    await socket.send_json({"say": say})
    except ConnectionError:
        pass
    except AnimacyError as error:
        code = WSCloseCode.TRY_AGAIN_LATER if isinstance(error, Full) else WSCloseCode.OK
        with suppress(ConnectionError):
            await socket.send_json({"error": str(error)})
            await socket.close(code=WSCloseCode.UNSUPPORTED_DATA if isinstance(error, UsageError) else code)
    finally:
        if say is not None:
            with suppress(AnimacyError):  # it was interrupted, or the session is closed
                session.end_audio(say)


async def _pushed(session: Session, samples: Array, rate: int, say: int | None) -> int:
    loop = asyncio.get_running_loop()
    ends = loop.time() + STALLED
    while True:
        try:
            return session.push_audio(samples, rate, say)
        except Full:
            if loop.time() > ends:
                raise
        await asyncio.sleep(_AGAIN)
