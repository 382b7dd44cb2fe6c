"""A session beside WebRTC: pushed, recorded, as HLS. What is bad is closed alone, and what is not allowed is refused."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from animacy.errors import UsageError
from animacy.live import mux, outputs, remote
from animacy.live.outputs import Hls, Places, open_output
from animacy.live.requests import Output as Asked
from animacy.live.server import Limits
from live import SIZE, Running, Tap, quick_host, until
from test_live_session import Clock

TEXT = "one two three four. five six seven eight. " * 4
PORT = 47_935  # that --push-to names


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with quick_host() as host:
        places = Places(("127.0.0.1", f"localhost:{PORT}"), tmp_path_factory.mktemp("record"))
        running = Running(host, limits=Limits(requests_per_second=1e6), places=places)
        yield running
        running.close()


@pytest.fixture
def folder(server: Running) -> Path:
    assert server.server._places.record is not None
    return server.server._places.record


def _times(file: Any) -> dict[str, list[tuple[float, float, bool]]]:
    """Of each kind (begin, length, key) in s, as FFmpeg's demuxer reads them; each packet can be decoded."""
    found: dict[str, list[tuple[float, float, bool]]] = {"video": [], "audio": []}
    with av.open(file) as container:
        for packet in container.demux():
            if packet.size:
                assert packet.dts == packet.pts
                base = float(packet.time_base)
                found[packet.stream.type].append((packet.pts * base, (packet.duration or 0) * base, bool(packet.is_keyframe)))
                assert packet.decode() is not None
    return found


def _check(found: dict[str, list[tuple[float, float, bool]]], step: float = 1e-6) -> None:
    """Times rise without gaps, key frames are 2 s apart at most, sound and picture are of one length to within a frame."""
    begins = [begin for begin, *_ in found["video"]]
    assert min(np.diff(begins)) > 0.03  # a busy machine leaves frames out
    assert all(abs(b - a - 1024 / 48_000) < step for a, b in itertools.pairwise(begin for begin, *_ in found["audio"]))
    keys = [begin for begin, _, key in found["video"] if key]
    assert keys[0] == begins[0] == 0 <= found["audio"][0][0] < 0.022 and len(keys) > 1
    assert all(begin - max(k for k in keys if k <= begin) < 2 for begin in begins)
    ends = {kind: times[-1][0] + 1 / {"video": 25, "audio": 48_000 / 1024}[kind] for kind, times in found.items()}
    assert abs(ends["video"] - ends["audio"]) <= 0.04


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_pushed_recorded_and_as_hls_at_once(server: Running, folder: Path) -> None:
    session = server.open()
    stream = server.server._held[session].stream
    port = _free_port()
    pushed: list[Any] = []
    listens = {"listen": "1", "timeout": "20"}
    listener = threading.Thread(target=lambda: pushed.append(_times_of_push(port, listens)))
    listener.start()
    place = f"/v1/sessions/{session}/outputs"
    until(lambda: f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text("ascii"))
    asked: list[dict[str, Any]] = [{"url": f"rtmp://127.0.0.1:{port}/live/secret"}, {"file": "a.mp4"}, {"hls": True}]
    opened = [server.call("POST", place, one) for one in asked]
    assert [status for status, *_ in opened] == [201] * 3, opened
    rtmp, file, hls = (answer for _, answer, _ in opened)
    assert rtmp["to"] == f"rtmp://127.0.0.1:{port}" and "secret" not in str(server.call("GET", place)[1])
    tap, begun, frames = Tap(), time.monotonic(), stream.figures.frames
    stream.watch(tap)
    server.call("POST", f"/v1/sessions/{session}/say", {"text": TEXT})
    until(lambda: server.call("GET", hls["to"])[0] == 200 and "2.m4s" in server.call("GET", hls["to"])[1], 30)
    playlist = server.call("GET", hls["to"])[1].splitlines()
    assert playlist[:3] == ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:2"]
    segments = [_read(server, f"{hls['to'].rsplit('/', 1)[0]}/{name}") for name in playlist if name.endswith(".m4s")]
    init = _read(server, hls["to"].replace("index.m3u8", "init.mp4"))
    times = _times(BytesIO(init + b"".join(segments)))
    lengths = [float(line[8:-1]) for line in playlist if line.startswith("#EXTINF:")]
    assert np.cumsum(lengths)[:-1] == pytest.approx([begin for begin, _, key in times["video"] if key][1:], abs=0.002)
    assert _times(BytesIO(init + segments[-1]))["video"][0][2]  # a player may begin with any segment
    assert len(_times(folder / "a.mp4")["video"]) >= 10  # it plays while it is written, as it would after a kill
    assert stream.figures.frames - frames <= (time.monotonic() - begun) * 25 + 3  # encoded once for all four
    assert [one["state"] for one in server.call("GET", place)[1]["outputs"]] == ["open"] * 3
    for one in (rtmp, file):
        assert server.call("DELETE", f"{place}/{one['id']}")[0] == 204
    assert server.call("DELETE", f"{place}/{file['id']}")[0] == 404
    listener.join(20)
    _check(times)
    _check(_times(folder / "a.mp4"))
    _check(pushed[0], step=0.0011)  # FLV counts milliseconds
    server.call("DELETE", f"/v1/sessions/{session}")
    assert server.call("GET", hls["to"])[0] == 404


def _times_of_push(port: int, options: dict[str, str]) -> Any:
    return _times_of(av.open(f"rtmp://127.0.0.1:{port}/live/secret", options=options, timeout=20))


def _times_of(container: Any) -> Any:
    found: dict[str, list[tuple[float, float, bool]]] = {"video": [], "audio": []}
    with container:
        try:
            for packet in container.demux():
                if packet.size:
                    found[packet.stream.type].append((float(packet.pts * packet.time_base), 0.0, bool(packet.is_keyframe)))
        except OSError:
            pass  # the other side ended it
    return found


def _read(server: Running, path: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(server.url + path, timeout=10) as answer:
        return bytes(answer.read())


class Full(FileIO):
    """A disk with room for the first fragment, and a little."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self.room, self.whole = 0, 0

    def write(self, data: Any) -> int:
        if not self.whole:
            self.whole = len(data)
            self.room = len(data) + 100
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(data[: self.room])
        self.room -= written
        return written


def test_a_full_disk_closes_the_recording_alone(
    server: Running, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files: list[Full] = []
    monkeypatch.setattr(outputs, "FileIO", lambda path, mode: files.append(Full(path, mode)) or files[-1])
    session = server.open()
    stream, tap = server.server._held[session].stream, Tap()
    stream.watch(tap)
    place = f"/v1/sessions/{session}/outputs"
    name = server.call("POST", place, {"file": "full.mp4"})[1]["id"]
    failed = until(lambda: [e for e in tap.events if e.kind == "output_failed"], 20)
    assert [e.output for e in failed] == [name] and failed[0].text == "full.mp4 was closed: No space left on device"
    assert "an output failed" in caplog.text
    until(lambda: files[0].closed)
    assert (folder / "full.mp4").stat().st_size == files[0].whole  # what is there is whole
    assert len(_times(folder / "full.mp4")["video"]) >= 10
    shown = server.call("GET", place)[1]["outputs"]
    assert [(one["state"], one["error"]) for one in shown] == [("failed", failed[0].text)]
    seen = len(tap.encoded)
    until(lambda: len(tap.encoded) > seen + 25)  # the session goes on for the others
    assert stream.watched == 1 and server.call("DELETE", f"{place}/{name}")[0] == 204
    server.call("DELETE", f"/v1/sessions/{session}")


def test_who_does_not_answer_or_read_is_closed(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    session = server.open()
    stream, tap = server.server._held[session].stream, Tap()
    stream.watch(tap)
    place = f"/v1/sessions/{session}/outputs"
    server.call("POST", place, {"url": f"rtmp://127.0.0.1:{_free_port()}/live/secret"})
    refused = until(lambda: [e.text for e in tap.events if e.kind == "output_failed"], 20)
    monkeypatch.setattr(outputs, "WAITING", 60)
    with socket.socket() as deaf:  # takes the connection and nothing else
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        slow = server.call("POST", place, {"url": f"rtmp://127.0.0.1:{deaf.getsockname()[1]}/live/secret"})[1]
        process = server.server._held[session].outputs[slow["id"]].sink._push._process  # type: ignore[attr-defined]
        until(lambda: [e for e in tap.events if e.output == slow["id"]], 20)
        until(lambda: process.poll() is not None)  # nothing of it stays
    assert "Connection refused" in refused[0] and "secret" not in str(tap.events)
    assert outputs.BEHIND in next(e.text for e in tap.events if e.output == slow["id"])
    numbers = [e.packet.pts for e in tap.kind("audio")]
    assert set(np.diff(numbers)) == {480}  # the others lost nothing
    server.call("DELETE", f"/v1/sessions/{session}")


LISTENER = """
import av, sys
with av.open(sys.argv[1], options={"listen": "1"}, timeout=20) as container:
    for packet in container.demux():
        if packet.size:
            print(packet.stream.type, float(packet.pts * packet.time_base), int(packet.is_keyframe), flush=True)
"""


def _listening(port: int) -> subprocess.Popen[str]:
    """Another server, which tells each packet that it gets."""
    given = [sys.executable, "-c", LISTENER, f"rtmp://127.0.0.1:{port}/live/secret"]
    process = subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    until(lambda: f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text("ascii"), 30)
    return process


def _packets(process: subprocess.Popen[str], count: int) -> list[tuple[str, float, bool]]:
    assert process.stdout is not None
    rows = [process.stdout.readline().split() for _ in range(count)]
    return [(kind, float(at), key == "1") for kind, at, key in rows]


def test_a_push_whose_server_vanishes_comes_back(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of, begins anew with a key frame, and the session's other watcher misses nothing."""
    monkeypatch.setattr(remote, "FIRST", 0.2)
    session, port = server.open(), _free_port()
    stream, tap = server.server._held[session].stream, Tap()
    stream.watch(tap)
    place = f"/v1/sessions/{session}/outputs"

    def states() -> list[str]:
        return [one["state"] for one in server.call("GET", place)[1]["outputs"]]

    with _listening(port) as first:
        name = server.call("POST", place, {"url": f"rtmp://127.0.0.1:{port}/live/secret"})[1]["id"]
        assert len(_packets(first, 50)) == 50 and states() == ["open"]
        first.kill()
    until(lambda: "output_lost" in [e.kind for e in tap.events], 20)
    until(lambda: states() == ["lost"])
    time.sleep(1)  # in which it is refused, and goes on trying
    assert states() == ["lost"]
    with _listening(port) as second:
        packets = _packets(second, 100)
        until(lambda: "output_back" in [e.kind for e in tap.events])
        assert states() == ["open"]
        assert server.call("DELETE", f"{place}/{name}")[0] == 204
        second.communicate(timeout=20)
    pictures = [(at, key) for kind, at, key in packets if kind == "video"]
    assert pictures[0] == (0.0, True) and all(b[0] > a[0] for a, b in itertools.pairwise(pictures))
    assert [e.kind for e in tap.events if e.output == name] == ["output_lost", "output_back"]
    assert "secret" not in str(tap.events) and all(e.output in ("", name) for e in tap.events)
    assert {b.packet.pts - a.packet.pts for a, b in itertools.pairwise(tap.kind("audio"))} == {480}
    rows = dict(
        line.rsplit(" ", 1) for line in server.call("GET", "/metrics")[1].splitlines() if line.startswith("animacy_outp")
    )
    assert rows['animacy_outputs_total{event="lost"}'] == rows['animacy_outputs_total{event="back"}'] == "1.0"
    server.call("DELETE", f"/v1/sessions/{session}")


class Line:
    """A push that is let in, and takes `room` pieces."""

    def __init__(self, room: int, let_in: bool = True) -> None:
        self.room, self.let_in, self.closed = room, let_in, False

    def put(self, piece: mux.Piece) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(None, "gone")

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.room = 0


def _lasting(lines: list[Line], clock: Clock, told: list[str]) -> remote.Lasting:
    def make() -> Line:
        if not lines:
            raise OSError(None, "no process")
        return lines.pop(0)

    return remote.Lasting(make, "x", lambda: None, lambda kind, why: told.append(kind), clock)  # type: ignore[arg-type, return-value]


def test_a_lost_push_waits_longer_each_time_and_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, told, piece = Clock(), [], mux.Piece("video", True, 0, b"")
    lasting, began, ends = _lasting([Line(3)], clock, told), clock.now, []
    with pytest.raises(OSError, match="no process"):
        while True:
            attempts = lasting._attempts
            lasting.put(piece)
            if lasting._attempts > attempts:
                ends.append(clock.now - began)
            clock.now += 0.02
    waits = np.diff(ends)
    assert np.allclose(waits[:5], [1, 2, 4, 8, 16], atol=0.03) and np.allclose(waits[5:], remote.LONGEST, atol=0.03)
    assert told == ["output_lost"] and len(ends) == remote.ATTEMPTS and 400 < ends[-1] < 600


def test_a_push_that_lasted_is_tried_again_soon_and_one_that_never_did_is_not() -> None:
    clock, told, piece = Clock(), [], mux.Piece("video", True, 0, b"")
    lines = [Line(1), Line(1), Line(100_000), Line(1)]
    lasting = _lasting(lines, clock, told)
    while lasting._attempts < 2:
        lasting.put(piece)
        clock.now += 0.02
    assert told == ["output_lost", "output_back", "output_lost"]
    while clock.now < 1000 + remote.STEADY + 10:
        lasting.put(piece)
        clock.now += 0.02
    assert told[3:] == ["output_back"] and lasting.give_up("slow")
    lasting.put(piece)
    assert lasting._attempts == 1 and "slow" in lasting.lost and told[4:] == ["output_lost"]
    lasting.close()
    never = _lasting([Line(0, let_in=False)], clock, told)
    assert not never.give_up("slow")
    with pytest.raises(OSError, match="gone"):
        never.put(piece)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({}, "needed one of"),
        ({"hls": True, "file": "a.mp4"}, "needed one of"),
        ({"hls": 1}, "needed boolean"),
        ({"file": "../a.mp4"}, "needed a name"),
        ({"file": "/etc/a.mp4"}, "needed a name"),
        ({"file": "..mp4"}, "needed a name"),
        ({"file": "a.mp4\n"}, "needed a name"),
        ({"file": "a.mkv"}, "needed a name"),
        ({"file": "a" * 97 + ".mp4"}, "101 characters"),
        ({"file": "there.mp4"}, "is there already"),
        ({"file": "link.mp4"}, "is there already"),
        ({"url": "rtmp://example.com/live/x"}, "may not be pushed to; start the server with --push-to example.com"),
        ({"url": "rtmp://localhost:80/live/x"}, "may not be pushed to"),
        ({"url": "rtmp://127.0.0.1@example.com/x"}, "needed rtmp://"),
        ({"url": "rtmp://127.0.0.1:1@example.com:1935/x"}, "needed rtmp://"),
        ({"url": "rtmp://127.0.0.1\\@example.com/x"}, "needed rtmp://"),
        ({"url": "rtmp://127.0.0.1/x tcurl=rtmp://example.com/"}, "needed rtmp://"),
        ({"url": "rtmp://127.0.0.1:70000/x"}, "needed a port"),
        ({"url": "http://127.0.0.1/x"}, "needed rtmp://"),
        ({"url": "file:///etc/passwd"}, "needed rtmp://"),
        ({"url": "tcp://127.0.0.1:1"}, "needed rtmp://"),
        ({"url": "srt://127.0.0.1/"}, "needed a port"),
        ({"url": "srt://127.0.0.1:9000?mode=listener"}, "srt's 'mode' may not be set"),
    ],
)
def test_what_is_not_allowed_is_refused(server: Running, folder: Path, value: Any, error: str) -> None:
    (folder / "there.mp4").write_bytes(b"mine")
    if not (folder / "link.mp4").is_symlink():
        (folder / "link.mp4").symlink_to(folder / "elsewhere")
    session = server.open()
    status, answer, _ = server.call("POST", f"/v1/sessions/{session}/outputs", value)
    assert status == 400 and error in answer["error"] and "\n" not in answer["error"], answer
    assert (folder / "there.mp4").read_bytes() == b"mine" and not (folder / "elsewhere").exists()
    assert server.server._held[session].stream.watched == 0
    server.call("DELETE", f"/v1/sessions/{session}")


def test_nowhere_by_default_and_a_bound(server: Running, folder: Path) -> None:
    stream = server.host.open("grey", "tone", "none")
    for asked, flag in ((Asked(file="x.mp4"), "--record"), (Asked(url="rtmp://localhost/x"), "--push-to")):
        with pytest.raises(UsageError, match=flag):
            open_output(asked, Places(), stream, "", lambda kind, why: None)
    server.host.close_session(stream)
    session = server.open()
    place = f"/v1/sessions/{session}/outputs"
    answers = [server.call("POST", place, {"file": f"bound{n}.mp4"})[0] for n in range(5)]
    assert answers == [201] * 4 + [503]
    server.call("DELETE", f"/v1/sessions/{session}")
    assert not [path for path in folder.glob("bound*") if not path.stat().st_size]  # an empty file is not left
    with pytest.raises(UsageError, match="needed a folder"):
        Places(record=folder / "none")


def test_srt_is_refused_where_ffmpeg_has_none(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    session = server.open()
    monkeypatch.setattr(outputs, "has_srt", lambda: False)
    status, answer, _ = server.call("POST", f"/v1/sessions/{session}/outputs", {"url": "srt://127.0.0.1:9000?streamid=a"})
    assert status == 400 and "has no srt; push by rtmp" in answer["error"]
    server.call("DELETE", f"/v1/sessions/{session}")


def _pieces(seconds: float, keys: float = 2.0) -> Iterator[mux.Piece]:
    """A grey face and noise; sound and frames as they leave a stream that began long ago."""
    video, audio = av.CodecContext.create("libx264", "w"), av.CodecContext.create("aac", "w")
    assert isinstance(video, av.VideoCodecContext) and isinstance(audio, av.AudioCodecContext)
    video.width = video.height = SIZE
    video.pix_fmt, video.framerate, video.profile = "yuv420p", 25, "Baseline"
    video.options = {"tune": "zerolatency", "g": str(round(25 * keys)), "sc_threshold": "0"}
    audio.sample_rate, audio.format, audio.layout = 48_000, "fltp", "mono"
    noise = np.random.default_rng(0)
    for number in range(round(seconds * 25)):
        sound = av.AudioFrame.from_ndarray(noise.normal(0, 0.1, (1, 1920)).astype(np.float32), "fltp", "mono")
        sound.sample_rate, sound.pts = 48_000, (1000 + number) * 1920
        for packet in audio.encode(sound):
            yield mux.Piece("audio", True, packet.pts or 0, bytes(packet))
        frame = av.VideoFrame.from_ndarray(np.full((SIZE * 3 // 2, SIZE), 128, np.uint8), "yuv420p")
        frame.pts = number
        for picture in video.encode(frame):
            yield mux.Piece("video", bool(picture.is_keyframe), 1000 + number, bytes(picture))


def test_hls_keeps_a_bounded_window_whose_times_go_on() -> None:
    hls = Hls(SIZE, 25)
    assert hls.read("index.m3u8") is None
    for piece in _pieces(40):
        hls.put(piece)
    assert len(hls._segments) == 6 and hls.read("0.m4s") is None and hls.read("../19.m4s") is None
    hls.close()
    lines = hls.read("index.m3u8")[0].decode().splitlines()  # type: ignore[index]
    assert "#EXT-X-MEDIA-SEQUENCE:14" in lines and lines[-2:] == ["19.m4s", "#EXT-X-ENDLIST"]
    held = b"".join(hls.read(name)[0] for name in ("init.mp4", *(f"{n}.m4s" for n in range(14, 20))))  # type: ignore[index]
    times = _times(BytesIO(held))
    assert times["video"][0] == pytest.approx((28.0, 0.04, True)) and times["audio"][0][0] == pytest.approx(28.0, abs=0.022)
    often = Hls(SIZE, 25)
    for piece in _pieces(20, keys=0.4):
        often.put(piece)
    assert len(often._segments) == outputs.KEPT


def test_sound_and_picture_end_together_whenever_it_ends() -> None:
    pieces = list(_pieces(3))
    for end in range(len(pieces) - 40, len(pieces)):
        for lost in (set(), set(range(1060, 1070))):  # frames that were never painted
            fragments = mux.Fragments()
            muxer = mux.Muxer(fragments, "mp4", SIZE, 25)
            for piece in pieces[:end]:
                if piece.kind == "audio" or piece.time not in lost:
                    muxer.put(piece)
            muxer.close()
            _check(_times(BytesIO(fragments.init + b"".join(fragments.whole))))


@pytest.mark.parametrize("form", ["mp4", "flv", "mpegts"])
def test_times_in_the_container_are_the_session_s(form: str) -> None:
    pieces = [p for p in _pieces(5) if p.kind == "audio" or p.time > 1000]  # the key frame at 2 s is the first
    kept = mux.Fragments() if form == "mp4" else BytesIO()
    muxer = mux.Muxer(kept, form, SIZE, 25)
    for piece in pieces:
        muxer.put(piece)
    muxer.close()
    data = kept.getvalue() if isinstance(kept, BytesIO) else kept.init + b"".join(kept.whole)
    sent = {piece.data: (piece.time - 1050 * 1920) / 48_000 for piece in pieces if piece.kind == "audio"}
    sent = {data: at for data, at in sent.items() if [piece.data for piece in pieces].count(data) == 1}
    with av.open(BytesIO(data)) as container:
        read = [(bytes(p), p.pts * p.time_base) for p in container.demux(audio=0) if p.size]
    assert read[0][1] == pytest.approx(0, abs=0.022) and read[0][1] >= 0 and len(read) > 130
    for data, at in read:
        assert data not in sent or float(at) == pytest.approx(sent[data], abs=0.001)


def test_aac_is_heard_when_opus_is(server: Running) -> None:
    session = server.open()
    stream = server.server._held[session].stream
    taps = {"aac": Tap(), "opus": Tap()}
    for sound, tap in taps.items():
        stream.watch(tap, sound)  # type: ignore[arg-type]
    until(lambda: len(taps["aac"].kind("audio")) > 20)
    server.call("POST", f"/v1/sessions/{session}/say", {"text": "one two three four."})
    until(lambda: "finished" in [e.kind for e in taps["aac"].events])
    server.call("DELETE", f"/v1/sessions/{session}")
    begins = {}
    for sound, tap in taps.items():
        decoder = av.CodecContext.create(sound, "r")
        assert isinstance(decoder, av.AudioCodecContext)
        decoder.sample_rate, decoder.layout = 48_000, "mono"
        if sound == "aac":
            decoder.extradata = bytes.fromhex("1188")  # AAC-LC, 48 kHz, mono (ISO/IEC 14496-3, 1.6.2.1)
        for encoded in tap.kind("audio"):
            for frame in decoder.decode(av.Packet(bytes(encoded.packet))):
                loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.05)
                if len(loud) and sound not in begins:
                    begins[sound] = float(encoded.packet.pts * encoded.packet.time_base) + loud[0] / 48_000
    said = next(e.time for e in taps["aac"].events if e.kind == "started")
    assert begins["aac"] == pytest.approx(begins["opus"], abs=0.01) and abs(begins["aac"] - said) < 0.2


def test_frames_without_sound_are_not_kept_for_ever() -> None:
    muxer = mux.Muxer(BytesIO(), "flv", SIZE, 25)
    with pytest.raises(OSError, match="without sound"):
        for piece in _pieces(12):
            if piece.kind == "video":
                muxer.put(piece)


def test_a_killed_recorder_leaves_what_plays(tmp_path: Path) -> None:
    source = (
        "import sys, os, signal; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from io import FileIO\n"
        "from test_live_outputs import _pieces, SIZE; from animacy.live.outputs import Recording\n"
        "path = Path(sys.argv[1]); recording = Recording(FileIO(path, 'xb'), path, SIZE, 25)\n"
        "[recording.put(piece) for piece in _pieces(5)]\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    paths = [str(Path(__file__).parent), *sys.path]
    done = subprocess.run([sys.executable, "-c", source, str(tmp_path / "a.mp4"), *paths], check=False, timeout=60)
    assert done.returncode == -9
    times = _times(tmp_path / "a.mp4")
    assert len(times["video"]) == 100  # up to the key frame at 4 s
    _check(times)


def test_the_pusher_is_no_part_of_the_server(tmp_path: Path) -> None:
    """It starts without the rest of the package, and tells in one line what failed, without the address."""
    told = b'{"url": "rtmp://127.0.0.1:%d/live/secret", "form": "flv", "size": 64, "fps": 25}\n' % _free_port()
    given = told + b"".join(mux.record(piece) for piece in _pieces(0.4))
    done = subprocess.run([sys.executable, "-P", mux.__file__], input=given, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1 and done.stderr == b"Connection refused\n"
