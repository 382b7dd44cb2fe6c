"""A session's packets -> a container: fragmented MP4 as bytes, FLV or MPEG-TS to an address.

Run as a program it pushes what standard input gives, as `record` writes it. PyAV connects with the interpreter's lock held
(`avio_open` in its `start_encoding`): in a server, each face would stand still until the other side answers. So this file needs
nothing but PyAV and may be run on its own.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
from av.error import FFmpegError

AUDIO_RATE = 48_000
AAC_FRAME = 1024  # samples a packet
BEFORE = 100  # packets of sound that are kept until the first key frame is there
APART = 10  # s by which sound and picture may be apart
SILENT = 20  # s without a packet, or in one call of the network's, after which a push ends by itself
OPTIONS = {
    "mp4": {"movflags": "frag_keyframe+delay_moov+default_base_moof+frag_discont"},
    "flv": {"flvflags": "no_duration_filesize"},
    "mpegts": {"mpegts_flags": "resend_headers"},
}
_RECORD = struct.Struct("<cBqI")  # v or a, whether it is a key frame, its time, its bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A packet, apart from the encoder that made it."""

    kind: Literal["video", "audio"]
    key: bool
    time: int  # of video in frames, of sound in samples
    data: bytes


def record(piece: Piece) -> bytes:
    """A piece as it goes to the program."""
    return _RECORD.pack(piece.kind[:1].encode(), piece.key, piece.time, len(piece.data)) + piece.data


class Muxer:
    """Pieces of one session -> a container; `target` is a file object to be written to, or an address.

    The container's time 0 is the first key frame; sound from before is dropped. A frame and the sound
    up to its end are muxed once both are there, so that sound and picture are of one length to within a frame whenever it ends;
    sound waits so for APART seconds at most. Raises OSError or FFmpegError if `target` refuses, OSError where frames come
    without sound.
    """

    def __init__(self, target: Any, form: str, size: int, fps: int) -> None:
        self.begun = False  # the target has taken the header: an address answers, and lets us in
        self._fps, self._first = fps, -1  # the first frame's number
        self._heard = 0  # up to which sample there is sound
        self._frames: deque[Piece] = deque()
        self._sounds: deque[Piece] = deque()
        self._container = av.open(target, "w", format=form, options=OPTIONS[form])
        self._video = self._container.add_mux_stream("h264", rate=fps, width=size, height=size, time_base=Fraction(1, fps))
        # An encoder that is never fed: from it the muxer knows what AAC's header has to tell.
        self._audio = self._container.add_stream("aac", rate=AUDIO_RATE, layout="mono")

    def put(self, piece: Piece) -> None:
        """Mux it, or keep it until its turn comes."""
        if piece.kind == "video":
            if self._first < 0:
                if not piece.key:
                    return
                self._first = piece.time
                while self._sounds and self._sounds[0].time < self._edge(piece.time):
                    self._sounds.popleft()
            self._frames.append(piece)
        elif piece.time >= self._edge(max(self._first, 0)):
            self._sounds.append(piece)
            self._heard = piece.time + AAC_FRAME
        if self._first < 0:
            while len(self._sounds) > BEFORE:
                self._sounds.popleft()
            return
        while self._frames and (end := self._edge(self._frames[0].time + 1)) <= self._heard:
            while self._sounds and self._sounds[0].time < end:
                self._mux_sound(self._sounds.popleft())
            frame = self._frames.popleft()
            self._mux(self._video, frame, frame.time - self._first, 1, self._fps)
        while len(self._sounds) > APART * AUDIO_RATE // AAC_FRAME:
            self._mux_sound(self._sounds.popleft())
        if len(self._frames) > APART * self._fps:
            raise OSError(None, f"{APART} s of frames came without sound")

    def close(self) -> None:
        """End the container. What still waits is left out."""
        self._container.close()

    def _edge(self, frame: int) -> int:
        """The sample at which a frame begins."""
        return frame * AUDIO_RATE // self._fps

    def _mux_sound(self, piece: Piece) -> None:
        self._mux(self._audio, piece, piece.time - self._edge(self._first), AAC_FRAME, AUDIO_RATE)

    def _mux(self, stream: Any, piece: Piece, at: int, length: int, rate: int) -> None:
        packet = av.Packet(piece.data)
        packet.pts = packet.dts = at
        packet.duration, packet.time_base, packet.is_keyframe, packet.stream = length, Fraction(1, rate), piece.key, stream
        self._container.mux(packet)
        self.begun = True


class Fragments:
    """A file object that cuts fragmented MP4: `init` is what each player reads first, `whole` takes the fragments."""

    def __init__(self) -> None:
        self.init = b""
        self.whole: deque[bytes] = deque()
        self._rest = b""
        self._moof = b""

    def write(self, data: bytes) -> int:
        self._rest += data
        while len(self._rest) >= 8:
            size = int.from_bytes(self._rest[:4], "big")
            if len(self._rest) < max(size, 8):
                break
            box, self._rest = self._rest[:size], self._rest[size:]
            if box[4:8] in (b"ftyp", b"moov"):
                self.init += box
            elif box[4:8] == b"moof":
                self._moof = box
            elif box[4:8] == b"mdat":
                self.whole.append(self._moof + box)
        return len(data)


def _pieces() -> Iterator[Piece]:
    given = sys.stdin.buffer
    while len(head := given.read(_RECORD.size)) == _RECORD.size:
        kind, key, time, size = _RECORD.unpack(head)
        signal.alarm(SILENT)
        yield Piece("video" if kind == b"v" else "audio", bool(key), time, given.read(size))


def main() -> int:
    """Push: the first line is JSON of url, form, size and fps. A line on standard output tells that the address has let us in,
    one on standard error what failed."""
    signal.alarm(SILENT)  # the system's own answer ends the process, whatever it waits for
    asked = json.loads(sys.stdin.buffer.readline())
    told = False
    try:
        muxer = Muxer(asked["url"], asked["form"], asked["size"], asked["fps"])
        for piece in _pieces():
            muxer.put(piece)
            if muxer.begun and not told:
                told = True
                sys.stdout.write("open\n")
                sys.stdout.flush()
        muxer.close()
    except (OSError, FFmpegError) as error:  # not `error` itself: that would tell the address, with its key
        sys.stderr.write(f"{error.strerror}\n")
        sys.stderr.flush()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
