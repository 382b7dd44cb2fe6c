"""What `send` writes, judged by libswscale, FFmpeg's demuxer and the operating system."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st

from animacy.errors import AnimacyError, UsageError
from animacy.send import Mp4, Wav
from animacy.send.yuv import i420_over, i420_over_slow
from animacy.types import Faces, Speech

BACKGROUND = np.full((8, 8, 3), 90, np.uint8)
RATE = 24000


def noise(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rgba = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    rgba[..., :3] = rgba[..., :3] * (rgba[..., 3:] / 255.0)  # premultiplied
    return rgba, rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def tone(seconds: float, frequency: float = 440.0) -> Speech:
    t = np.arange(round(seconds * RATE)) / RATE
    return Speech((0.5 * np.sin(2 * np.pi * frequency * t)).astype(np.float32), RATE, (), ())


def plain(count: int, size: int) -> Faces:
    return Faces(np.zeros((count, size, size, 4), np.uint8))


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_i420_agrees_with_its_slow_twin(seed: int, rows: int, columns: int) -> None:
    rgba, background = noise(seed, 2 * rows, 2 * columns)
    out = np.empty((3 * rows, 2 * columns), np.uint8)
    i420_over(rgba, background, out)
    assert np.abs(out.astype(int) - i420_over_slow(rgba, background)).max() <= 1


def test_i420_agrees_with_libswscale(capsys: pytest.CaptureFixture[str]) -> None:
    # A picture with the frequencies of a picture: white noise would measure the two chroma filters, not the colours.
    y, x = np.mgrid[0:256, 0:256] / 256
    rgb = np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x + 5 * y)], -1)
    rgba = np.concatenate([np.rint(rgb * 255), np.full((256, 256, 1), 255)], -1).astype(np.uint8)
    out = np.empty((384, 256), np.uint8)
    i420_over(rgba, np.zeros((256, 256, 3), np.uint8), out)
    theirs = (
        VideoReformatter()
        .reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(rgba[..., :3]), format="rgb24"),
            format="yuv420p",
            src_colorspace="ITU709",
            dst_colorspace="ITU709",
            src_color_range="JPEG",
            dst_color_range="MPEG",
        )
        .to_ndarray()
    )
    difference = np.abs(out.astype(int) - theirs)
    luma, chroma = difference[:256].mean(), difference[256:].mean()
    with capsys.disabled():
        print(f"\nI420 against libswscale: luma {luma:.3f}, chroma {chroma:.3f} mean difference in steps of 1/255")
    assert luma < 1 and chroma < 1
    swapped = np.empty_like(out)
    i420_over(np.ascontiguousarray(rgba[..., [2, 1, 0, 3]]), np.zeros((256, 256, 3), np.uint8), swapped)
    assert np.abs(swapped.astype(int) - theirs).mean() > 5, "the control: BGR taken for RGB must be seen"


@pytest.mark.parametrize(("pixel", "luma"), [((0, 0, 0), 16), ((255, 255, 255), 235), ((255, 0, 0), 63), ((0, 0, 255), 32)])
def test_i420_hits_the_levels_of_bt709(pixel: tuple[int, int, int], luma: int) -> None:
    rgba = np.broadcast_to(np.array([*pixel, 255], np.uint8), (2, 2, 4))
    out = np.empty((3, 2), np.uint8)
    i420_over(rgba, np.zeros((2, 2, 3), np.uint8), out)
    assert (out[:2] == luma).all()


def test_i420_refuses_sides_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="side is odd"):
        i420_over(np.zeros((3, 4, 4), np.uint8), np.zeros((3, 4, 3), np.uint8), np.zeros((4, 4), np.uint8))


def test_mp4_is_what_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with Mp4(path, 64, 25, BACKGROUND) as out:
        for _ in range(3):
            out.hear(tone(0.4))
            out.send(plain(10, 64))
        assert out.frames == 30
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index comes first, so that a browser can start at once"
    with av.open(str(path)) as video:
        picture, sound = video.streams.video[0], video.streams.audio[0]
        context = picture.codec_context
        assert (context.name, context.pix_fmt, context.width) == ("h264", "yuv420p", 64)
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        assert (sound.codec_context.name, sound.codec_context.sample_rate) == ("aac", 48000)
        assert picture.average_rate == 25
        assert float(picture.duration * picture.time_base) == pytest.approx(1.2)
        assert float(sound.duration * sound.time_base) == pytest.approx(1.2, abs=0.03)
        frames = list(video.decode(video=0))
    assert [round(float(f.time) * 25) for f in frames] == list(range(30))
    assert abs(frames[5].to_ndarray(format="rgb24").astype(int).mean() - 90) < 2


def test_sound_stays_where_it_was_put(tmp_path: Path) -> None:
    samples = np.zeros(3 * RATE, np.float32)
    samples[2 * RATE : 2 * RATE + 240] = 0.7 * np.sin(np.arange(240) * 0.5)
    with Mp4(tmp_path / "a.mp4", 64, 25, BACKGROUND) as out:
        for start in range(0, len(samples), 7001):  # stretches that fit neither a video frame nor an AAC frame
            out.hear(Speech(samples[start : start + 7001], RATE, (), ()))
        out.send(plain(75, 64))
    with av.open(str(tmp_path / "a.mp4")) as video:
        heard = np.concatenate([f.to_ndarray()[0] for f in video.decode(audio=0)])
    assert np.argmax(np.abs(heard) > 0.2) / 48000 == pytest.approx(2.0, abs=0.005)


@pytest.mark.parametrize("size", [63, 62, 2050])
def test_mp4_refuses_sizes_that_h264_cannot_hold(tmp_path: Path, size: int) -> None:
    with pytest.raises(UsageError, match="even number"):
        Mp4(tmp_path / "a.mp4", size, 25, BACKGROUND)
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_after_a_failure(tmp_path: Path) -> None:
    kept = tmp_path / "a.mp4"
    kept.write_bytes(b"the older film")
    with pytest.raises(RuntimeError), Mp4(kept, 64, 25, BACKGROUND) as out, Wav(tmp_path / "a.wav") as wav:
        out.hear(tone(1))
        wav.hear(tone(1))
        out.send(plain(5, 64))
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert kept.read_bytes() == b"the older film"


@pytest.mark.parametrize("name", ["no/such/folder/a.mp4", "", "a\0b.mp4"])
def test_a_path_that_cannot_be_written_is_known_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="folder"):
        Mp4(tmp_path / name, 64, 25, BACKGROUND)


@pytest.mark.parametrize("name", [".", "/", "..", "x" * 300 + ".wav"])
def test_a_path_that_names_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"is a folder|cannot be written: File name too long"):
        Wav(name)
    assert not list(tmp_path.iterdir())


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "a.wav"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="a device or a pipe"):
        Wav(pipe)
    assert pipe.is_fifo() and len(list(tmp_path.iterdir())) == 1


def test_the_longest_name_of_the_file_system_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("长" * 83 + ".wav")  # 253 bytes
    with Wav(path) as out:
        out.hear(tone(0.1))
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_where_an_mp4_cannot_be_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("animacy.send.mp4.i420_over", interrupted)  # as Ctrl-C does while it compiles, which takes seconds
    with pytest.raises(KeyboardInterrupt):
        Mp4(tmp_path / "a.mp4", 64, 25, BACKGROUND)
    assert not list(tmp_path.iterdir())


def test_sound_that_outgrows_a_wav_is_told_before_it_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("animacy.send.wav.LONGEST", 2 * RATE)
    with pytest.raises(AnimacyError, match="4 GiB"), Wav(tmp_path / "a.wav") as out:
        out.hear(tone(1))
        out.hear(tone(0.1))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["mp4", "wav"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    # A limit on the file's size fails a write as a full disk does, with another number.
    program = f"""
import resource, signal, numpy as np
from animacy.send import Mp4, Wav
from animacy.types import Faces, Speech
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
rng = np.random.default_rng(0)
try:
    with Mp4("a.mp4", 256, 25, np.zeros((8, 8, 3), np.uint8)) if {kind!r} == "mp4" else Wav("a.wav") as out:
        for _ in range(40):
            out.hear(Speech(np.zeros(960, np.float32), 24000, (), ()))
            if {kind!r} == "mp4":
                out.send(Faces(rng.integers(0, 256, (1, 256, 256, 4), dtype=np.uint8)))
except Exception as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.startswith(f"{AnimacyError.__name__} a.{kind} cannot be written: "), run.stdout + run.stderr
    assert not list(tmp_path.iterdir())


def test_wav_holds_the_samples(tmp_path: Path) -> None:
    with Wav(tmp_path / "a.wav") as out:
        out.hear(tone(0.5))
        out.hear(tone(0.25))
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, RATE, 18000)
        samples = np.frombuffer(file.readframes(18000), "<i2")
    assert np.abs(samples[:12000] / 32767 - tone(0.5).samples).max() < 1e-4
