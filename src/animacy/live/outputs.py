"""A session's packets beside WebRTC: pushed to another server, written to a file, or kept as HLS.

Each output watches the stream, so that a session is encoded once however many there are, and has a thread and a queue of its
own. Nothing is dropped from the middle of a queue, which keeps times continuous: an output that is WAITING packets behind is
closed, as is one that fails; but a push that was let in once is tried again (`remote`). Nobody else notices but by the event
and the log.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import re
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

import av
from av.error import ProtocolNotFoundError

from ..errors import AnimacyError, UsageError
from . import mux
from .remote import CLOSING, Lasting, Push, Tell
from .requests import Output as Asked
from .stream import KEY_SECONDS, Encoded, Stream
from .values import Event

WAITING = 720  # packets: ten seconds of sound and picture
BEHIND = "it cannot be sent as fast as it comes"
KEPT_SECONDS = 12  # of HLS: six segments of KEY_SECONDS ...
KEPT = 24  # ... and at most so many, where key frames came sooner
FORMS = {"rtmp": "flv", "srt": "mpegts"}
SRT_OPTIONS = frozenset(("streamid", "passphrase", "pbkeylen", "latency"))  # the others could have it listen, or bind

# No user, no second colon, no blank: what this reads as the host, each other reader of addresses reads so too.
_URL = re.compile(r"(rtmp|srt)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/([^\s?#\\]*))?(?:\?([^\s#\\]*))?")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.mp4")
_PLACE = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Places:
    """Where outputs may go: nowhere by default. push_to: HOST or HOST:PORT each; record: the folder for files."""

    push_to: tuple[str, ...] = ()
    record: Path | None = None

    def __post_init__(self) -> None:
        for place in self.push_to:
            if not _PLACE.fullmatch(place):
                raise UsageError(f"--push-to {place}: needed HOST or HOST:PORT")
        if self.record is not None and not (self.record.is_dir() and os.access(self.record, os.W_OK | os.X_OK)):
            raise UsageError(f"--record {self.record}: needed a folder that can be written to")


class Sink(Protocol):
    """Where an output's pieces go. All but `abort` are called in the output's thread; OSError where it fails."""

    def put(self, piece: mux.Piece) -> None: ...
    def close(self) -> None:
        """End it, well or after a failure."""

    def abort(self) -> None:
        """Let a `put` or `close` that waits for somebody else give up."""


class Output:
    """One output, open from construction on: a Watcher of `stream`. `end` it; twice is fine.

    tell: called with "output_failed" and why if it closes by itself, once, in any thread. Raises AnimacyError if the stream has
    ended.
    """

    def __init__(self, stream: Stream, kind: str, to: str, sink: Sink, tell: Tell) -> None:
        self.kind, self.to, self.sink, self.error = kind, to, sink, ""
        self._stream, self._tell = stream, tell
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[mux.Piece | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        stream.watch(self, "aac")
        self._thread.start()

    def as_json(self, name: str) -> dict[str, str]:
        lost = self.sink.lost if isinstance(self.sink, Lasting) else ""
        state = "failed" if self.error else "lost" if lost else "open"
        error = {"error": self.error or lost} if self.error or lost else {}
        return {"id": name, "kind": self.kind, "to": self.to, "state": state} | error

    def end(self) -> None:
        """Send what waits, within CLOSING seconds, and close."""
        self._stream.leave(self)
        self._queue.put(None)
        self._thread.join(CLOSING)
        if self._thread.is_alive():
            self.sink.abort()
            self._thread.join(1.0)

    # --- the stream's thread

    def take(self, encoded: Encoded) -> None:
        if self._queue.qsize() >= WAITING:
            if not (isinstance(self.sink, Lasting) and self.sink.give_up(BEHIND)):
                self._fail(BEHIND)
                self.sink.abort()
            return
        packet = encoded.packet
        self._queue.put(mux.Piece(encoded.kind, encoded.key, packet.pts or 0, bytes(packet)))

    def told(self, event: Event) -> None:
        """Events go by WebSocket."""

    # --- its own

    def _run(self) -> None:
        try:
            while not self.error and (piece := self._queue.get()) is not None:
                self.sink.put(piece)
        except Exception as error:
            self._fail(str(getattr(error, "strerror", None) or error) or type(error).__name__)
        try:
            self.sink.close()
        except Exception as error:
            self._fail(str(getattr(error, "strerror", None) or error) or type(error).__name__)

    def _fail(self, why: str) -> None:
        with self._lock:
            if self.error:
                return
            self.error = f"{self.to} was closed: {why}"
        self._stream.leave(self)
        self._tell("output_failed", self.error)


class Recording:
    """Fragmented MP4 in a file: whenever it ends, even by a kill, the file plays up to the newest whole fragment."""

    def __init__(self, file: FileIO, path: Path, size: int, fps: int) -> None:
        self._file, self._path, self._kept = file, path, 0  # bytes up to the end of the newest whole fragment
        self._fragments = mux.Fragments()
        self._muxer = mux.Muxer(self._fragments, "mp4", size, fps)

    def put(self, piece: mux.Piece) -> None:
        self._muxer.put(piece)
        self._write()

    def close(self) -> None:
        try:
            self._muxer.close()
            self._write()
        finally:
            with suppress(OSError):
                self._file.truncate(self._kept)
            self._file.close()
            if not self._kept:
                self._path.unlink(missing_ok=True)

    def abort(self) -> None:
        """A disk that hangs is waited for by nobody: the thread is a daemon."""

    def _write(self) -> None:
        while self._fragments.whole:
            data = self._fragments.whole.popleft()
            left = memoryview(data if self._kept else self._fragments.init + data)
            size = len(left)
            while left:
                left = left[self._file.write(left) or 0 :]
            self._kept += size


class Hls:
    """The newest segments, in memory: KEPT_SECONDS of them, KEPT at most. A segment is a fragment of MP4."""

    def __init__(self, size: int, fps: int) -> None:
        self._fps, self._fragments = fps, mux.Fragments()
        self._muxer = mux.Muxer(self._fragments, "mp4", size, fps)
        self._lock = threading.Lock()
        self._keys: deque[int] = deque()  # frames with which segments begin that are not there yet
        self._end = 0  # of the newest frame
        self._segments: deque[tuple[int, float, bytes]] = deque()  # number, seconds, what it holds
        self._number, self._ended = 0, False

    def put(self, piece: mux.Piece) -> None:
        if piece.kind == "video":
            if piece.key:
                self._keys.append(piece.time)
            self._end = piece.time + 1
        self._muxer.put(piece)
        self._cut()

    def close(self) -> None:
        self._ended = True
        self._muxer.close()
        self._cut()

    def abort(self) -> None:
        """Waits for nobody."""

    def read(self, name: str) -> tuple[bytes, str] | None:
        """A file's bytes and content type; None if there is none of that name, or not any more, or not yet."""
        with self._lock:
            if not self._segments:
                return None
            if name == "index.m3u8":
                return self._playlist().encode(), "application/vnd.apple.mpegurl"
            if name == "init.mp4":
                return self._fragments.init, "video/mp4"
            return next(((data, "video/mp4") for number, _, data in self._segments if name == f"{number}.m4s"), None)

    def _cut(self) -> None:
        while self._fragments.whole:
            data = self._fragments.whole.popleft()
            begin = self._keys.popleft()
            seconds = ((self._keys[0] if self._keys else self._end) - begin) / self._fps
            with self._lock:
                self._segments.append((self._number, seconds, data))
                self._number += 1
                while len(self._segments) > 1 and (
                    len(self._segments) > KEPT or sum(s for _, s, _ in self._segments) - self._segments[0][1] >= KEPT_SECONDS
                ):
                    self._segments.popleft()

    def _playlist(self) -> str:
        """RFC 8216."""
        longest = max(KEY_SECONDS, *(math.floor(s + 0.5) for _, s, _ in self._segments))
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{longest}"]
        lines += [f"#EXT-X-MEDIA-SEQUENCE:{self._segments[0][0]}", "#EXT-X-INDEPENDENT-SEGMENTS", '#EXT-X-MAP:URI="init.mp4"']
        for number, seconds, _ in self._segments:
            lines += [f"#EXTINF:{seconds:.3f},", f"{number}.m4s"]
        return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if self._ended else []), ""])


def open_output(asked: Asked, places: Places, stream: Stream, address: str, tell: Tell) -> Output:
    """Open what was asked for. address: under which HLS will be read. tell: called with what becomes of it, in any thread.

    Raises UsageError for what is not allowed or not there, AnimacyError if the session has ended.
    """
    if (bool(asked.url), bool(asked.file), asked.hls).count(True) != 1:
        raise UsageError("needed one of url, file and hls")
    size, fps = stream.size, stream.session.fps
    if asked.hls:
        return Output(stream, "hls", f"{address}/index.m3u8", Hls(size, fps), tell)
    sink: Sink
    if asked.file:
        path, file = _created(asked.file, places.record)
        sink, kind, to = Recording(file, path, size, fps), "file", asked.file
    else:
        kind, to = _allowed(asked.url, places.push_to)
        try:
            sink = Lasting(lambda: Push(asked.url, FORMS[kind], size, fps), to, stream.key_frame, tell)
        except OSError as error:
            raise AnimacyError(f"no process for {to} can be started: {error.strerror}") from error
    try:
        return Output(stream, kind, to, sink, tell)
    except AnimacyError:
        sink.close()
        raise


def _created(name: str, folder: Path | None) -> tuple[Path, FileIO]:
    """A new file in the folder, never one that is there, and never through a link."""
    if folder is None:
        raise UsageError("files are not written here: start the server with --record FOLDER")
    if not _FILE.fullmatch(name):
        raise UsageError(f"file {ascii(name)[:40]}: needed a name of letters, digits, _, . and - that ends with .mp4")
    path = folder / name
    try:
        return path, FileIO(path, "xb")  # x: O_EXCL, which no link passes
    except FileExistsError:
        raise UsageError(f"file {name} is there already: give another name") from None
    except OSError as error:
        raise AnimacyError(f"file {name} cannot be written: {error.strerror}") from error


def _allowed(url: str, push_to: tuple[str, ...]) -> tuple[str, str]:
    """The scheme, and the address without what may be secret in it."""
    match = _URL.fullmatch(url)
    if match is None:
        raise UsageError("url: needed rtmp://HOST[:PORT]/APP/KEY or srt://HOST:PORT")
    scheme, host, port, _, query = match.groups()
    number = int(port) if port else {"rtmp": 1935}.get(scheme, 0)
    if not 0 < number < 65536:
        raise UsageError(f"url: needed a port from 1 to 65535 for {scheme}")
    names = {place.lower() for place in push_to}
    if not names & {host.lower(), f"{host.lower()}:{number}"}:
        raise UsageError(f"url: {host[:60]}:{number} may not be pushed to; start the server with --push-to {host[:60]}")
    if scheme == "srt" and (wrong := [k for k, _ in parse_qsl(query or "", keep_blank_values=True) if k not in SRT_OPTIONS]):
        raise UsageError(f"url: srt's {ascii(wrong[0])[:40]} may not be set; there are {', '.join(sorted(SRT_OPTIONS))}")
    if scheme == "srt" and not has_srt():
        raise UsageError("url: this PyAV's FFmpeg has no srt; push by rtmp, or build PyAV with an FFmpeg that has libsrt")
    return scheme, f"{scheme}://{host}:{number}"


@lru_cache
def has_srt() -> bool:
    """Whether PyAV's FFmpeg can push by SRT; the wheels on PyPI have none."""
    container = av.open("srt://", "w", format="mpegts")  # nobody is called: libsrt refuses an address without a port
    container.add_mux_stream("h264", width=64, height=64)
    try:
        container.start_encoding()
    except ProtocolNotFoundError:
        return False
    except OSError:
        return True
    return True
