"""A session's packets to a browser: WebRTC, negotiated by WHEP (draft-ietf-wish-whep), by aiortc.

aiortc sends `av.Packet`s as they are, so that a session is encoded once however many watch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import Packet

from ..errors import UsageError
from .stream import Encoded, Stream
from .values import Event

MOST_BYTES = 64 * 1024  # of an offer
CONNECT = 20.0  # s in which a viewer has to connect
WAITING = 50  # packets of one kind for a sender that does not keep up: a second of sound, two of pictures

_log = logging.getLogger(__name__)


class PacketTrack(MediaStreamTrack):
    """Gives the packets that were put. When WAITING wait they all go, and it starts again with the next key frame."""

    def __init__(self, kind: str, key_frame: Callable[[], None]) -> None:
        super().__init__()
        self.kind = kind
        self._key_frame = key_frame
        self._packets: asyncio.Queue[Packet[Any] | None] = asyncio.Queue()
        self._starting = True  # nothing can be decoded before a key frame

    def put(self, encoded: Encoded) -> None:
        """Take a packet, in the loop's thread."""
        if self._packets.qsize() >= WAITING:
            while not self._packets.empty():
                self._packets.get_nowait()
            self._starting = True
            self._key_frame()
        if self._starting and not encoded.key:
            return
        self._starting = False
        self._packets.put_nowait(encoded.packet)

    async def recv(self) -> Packet[Any]:
        packet = await self._packets.get()
        if packet is None or self.readyState != "live":
            raise MediaStreamError
        return packet

    def stop(self) -> None:
        super().stop()
        self._packets.put_nowait(None)


class Viewer:
    """One who watches a stream by WebRTC. `left` is called once, in the loop, when the connection ends, whoever ended it."""

    def __init__(self, stream: Stream, left: Callable[[Viewer], None], ice_servers: tuple[str, ...] = ()) -> None:
        self._stream, self._left = stream, left
        self._loop = asyncio.get_running_loop()
        # Without a list aiortc would ask a public STUN server, which nobody has agreed to.
        self._peer = RTCPeerConnection(RTCConfiguration([RTCIceServer(url) for url in ice_servers]))
        self._video, self._audio = (PacketTrack(kind, stream.key_frame) for kind in ("video", "audio"))
        self._ending: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def state(self) -> str:
        """WebRTC's connectionState."""
        return str(self._peer.connectionState)

    async def answer(self, offer: str) -> str:
        """The SDP that answers `offer`; packets are sent from now on. Raises UsageError where it cannot be answered."""
        kinds = [line[2:7] for line in offer.splitlines() if line.startswith("m=")]
        if not kinds or sorted(kinds) != sorted(set(kinds) & {"audio", "video"}):
            raise UsageError("the offer has to ask for one video, one audio, or both, and nothing else")
        peer = self._peer
        for track, codec in ((self._video, "video/H264"), (self._audio, "audio/opus")):
            if track.kind in kinds:
                transceiver = peer.addTransceiver(track, direction="sendonly")
                known = RTCRtpSender.getCapabilities(track.kind).codecs
                transceiver.setCodecPreferences([c for c in known if c.mimeType == codec])
                if track.kind == "video":  # a picture was lost: aiortc could ask only an encoder of its own
                    transceiver.sender._send_keyframe = self._stream.key_frame  # type: ignore[method-assign]
        try:
            await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await peer.setLocalDescription(await peer.createAnswer())
        except Exception as error:  # whatever a parser makes of what it was given
            await peer.close()
            raise UsageError(f"the offer cannot be answered: {str(error) or type(error).__name__}") from error
        peer.on("connectionstatechange", self._changed)
        self._deadline = self._loop.call_later(CONNECT, self._late)
        self._stream.watch(self)
        return str(peer.localDescription.sdp)

    # --- the stream's thread

    def take(self, encoded: Encoded) -> None:
        track = self._video if encoded.kind == "video" else self._audio
        with suppress(RuntimeError):  # the loop is gone, and this with it
            self._loop.call_soon_threadsafe(track.put, encoded)

    def told(self, event: Event) -> None:
        """Events go by WebSocket."""

    # --- the loop

    def end(self) -> asyncio.Task[None]:
        """Close the connection; the task ends when it is closed. More than once is fine."""
        if self._ending is None:
            self._ending = self._loop.create_task(self._end())
        return self._ending

    async def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._stream.leave(self)
        self._video.stop()
        self._audio.stop()
        await self._peer.close()
        self._left(self)

    def _late(self) -> None:
        if self.state != "connected":
            _log.info("a viewer did not connect within %d s", CONNECT)
            self.end()

    def _changed(self) -> None:
        if self.state in ("failed", "closed", "disconnected"):
            self.end()
