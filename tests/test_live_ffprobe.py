"""Ten minutes of one session to RTMP, HLS and a file, on a clock that does not wait, as ffprobe reads them."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

from animacy.face import Drawn
from animacy.live import Scheduler
from animacy.live.outputs import Output, Places, open_output
from animacy.live.requests import Output as Asked
from animacy.live.stream import KEY_SECONDS, Stream
from animacy.types import Conditions, Faces, Motion
from live import SIZE, until
from test_live_session import Clock, opened, settle
from watching import LEVEL, Marked

FFPROBE = shutil.which("ffprobe")
SECONDS, FPS, AAC = 600, 10, 1024 / 48_000
TEXT = "one two three four. five six seven"

pytestmark = pytest.mark.skipif(FFPROBE is None, reason="needs ffprobe: apt-get install ffmpeg")


class Times(NamedTuple):
    """When each packet begins, in s."""

    pictures: np.ndarray
    keys: np.ndarray
    sounds: np.ndarray


class Grey:
    """A painter that costs nothing."""

    def render(self, motion: Motion) -> Conditions:
        image = np.full((len(motion), SIZE, SIZE, 4), 90, np.uint8)
        return Conditions(image, image, image[..., :2])

    def generate(self, conditions: Conditions) -> Faces:
        return Faces(conditions.shaded)


def _probe(told: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """ffprobe, which tells each packet into a file: a pipe that nobody reads would hold the pusher up."""
    assert FFPROBE is not None
    shown = ["-show_entries", "packet=codec_type,pts_time,duration_time,flags", "-of", "csv=p=0"]
    with told.open("wb") as out:
        return subprocess.Popen([FFPROBE, "-v", "error", *shown, *arguments], stdout=out)


def _read(told: Path) -> Times:
    rows = [line.split(",") for line in told.read_text().splitlines() if line]
    times = {kind: np.array([float(at) for what, at, *_ in rows if what == kind]) for kind in ("video", "audio")}
    keys = np.array([float(at) for what, at, _, flags, *_ in rows if what == "video" and "K" in flags])
    return Times(times["video"], keys, times["audio"])


class Player:
    """Loads what the playlist names, as it comes, into a folder from which all of it can be read again."""

    def __init__(self, output: Output, folder: Path) -> None:
        self._read, self._folder = output.sink.read, folder  # type: ignore[attr-defined]
        self._lines: list[str] = []

    def load(self) -> None:
        found = self._read("index.m3u8")
        if found is None:
            return
        lines = found[0].decode().splitlines()
        for length, name in itertools.pairwise(lines):
            if name.endswith(".m4s") and name not in self._lines:
                (self._folder / name).write_bytes(self._read(name)[0])
                self._lines += [length, name]

    def whole(self) -> Path:
        (self._folder / "init.mp4").write_bytes(self._read("init.mp4")[0])
        head = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:3", '#EXT-X-MAP:URI="init.mp4"']
        path = self._folder / "index.m3u8"
        path.write_text("\n".join([*head, *self._lines, "#EXT-X-ENDLIST", ""]))
        return path


def _streamed(folder: Path) -> None:
    """Leaves in `folder` what ffprobe tells of each output, and the file."""
    clock = Clock()
    (folder / "hls").mkdir()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    server = _probe(folder / "rtmp.csv", "-listen", "1", f"rtmp://127.0.0.1:{port}/live/secret")
    until(lambda: f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text("ascii"))
    failures: list[str] = []
    painter, places = Grey(), Places(("127.0.0.1",), folder)
    with opened(clock, FPS) as session, Stream(session, SIZE, {"a": np.zeros((SIZE, SIZE, 3), np.uint8)}, clock) as stream:
        session.avatar = "a"
        scheduler = Scheduler({"a": Drawn(painter, painter, 32)}, clock)
        scheduler.add(session, Marked(stream))
        asked = (Asked(url=f"rtmp://127.0.0.1:{port}/live/secret"), Asked(hls=True), Asked(file="a.mp4"))
        outputs = [open_output(one, places, stream, "", lambda kind, why: failures.append(why)) for one in asked]
        player = Player(outputs[1], folder / "hls")
        for frame in range(SECONDS * FPS):
            if frame % (10 * FPS) == 2 * FPS:
                session.say(TEXT)
                settle(session)
            if frame % (50 * FPS) == 43 * FPS:
                session.interrupt()
            clock.now += scheduler.tick()
            _caught_up(stream, outputs)
            if frame % (4 * FPS) == 0:
                player.load()
        for output in outputs:
            output.end()
        player.load()
    assert not failures
    for probe in (server, _probe(folder / "hls.csv", str(player.whole())), _probe(folder / "file.csv", str(folder / "a.mp4"))):
        assert probe.wait(60) in (0, 1)  # of RTMP it tells that the other side has left


def _caught_up(stream: Stream, outputs: list[Output]) -> None:
    """Wait until all that is due was encoded, and is nearly sent: their threads do not keep the clock's pace."""
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        with stream._changed:
            stream._changed.notify()
            if stream._idle() > 0 and max(output._queue.qsize() for output in outputs) < 200:
                return
        time.sleep(0.001)
    raise AssertionError("not in time")


@pytest.mark.slow
def test_ten_minutes_are_without_gaps_or_drift(tmp_path: Path) -> None:
    _streamed(tmp_path)
    for form in ("rtmp", "hls", "file"):
        pictures, keys, sounds = _read(tmp_path / f"{form}.csv")
        step = 0.0011 if form == "rtmp" else 1e-4  # FLV counts milliseconds
        assert len(pictures) > (SECONDS - 3) * FPS and len(sounds) > (SECONDS - 3) / AAC, form
        assert np.abs(np.diff(pictures) - 1 / FPS).max() < step and np.abs(np.diff(sounds) - AAC).max() < step, form
        assert np.diff(keys).max() <= KEY_SECONDS + step and len(keys) >= SECONDS // KEY_SECONDS - 1, form
        # Each packet of sound is where its number says, after ten minutes too, and the last ends with the pictures.
        assert np.abs(sounds - sounds[0] - AAC * np.arange(len(sounds))).max() < step, form
        assert abs(pictures[0] - sounds[0]) < AAC and abs(pictures[-1] + 1 / FPS - sounds[-1] - AAC) < AAC + step, form
    # And by what is in them: the first sound of each text, and the first frame that carries the mark of being heard.
    first, late = _marks(tmp_path / "a.mp4"), _onsets(tmp_path / "a.mp4")
    assert len(first) == len(late) >= 55
    late -= first
    assert late.min() > -0.005 and late.max() < 1 / FPS + 0.005, late


def _marks(path: Path) -> np.ndarray:
    with av.open(path) as container:
        frames = [(frame.time, frame.to_ndarray(format="gray")[2, 2] > 128) for frame in container.decode(video=0)]
    return _begins([at for at, marked in frames if marked])


def _onsets(path: Path) -> np.ndarray:
    found = []
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > LEVEL)
            found += [frame.time + loud[0] / frame.sample_rate] if len(loud) else []
    return _begins(found)


def _begins(times: list[float]) -> np.ndarray:
    return np.array(times)[np.diff(times, prepend=-1) > 1]
