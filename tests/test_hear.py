"""What is heard out of speech: the mouth against the one that is made of the same phones, and what must not move it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
import pytest

from animacy import engine
from animacy.engine import Line
from animacy.errors import AnimacyError, UsageError
from animacy.face import Drawn
from animacy.hear import LATENCY, LOOK_AHEAD, STEP, HeardSound, Listener, evaluate, file
from animacy.hear.clips import Clip, load, mouth_of, save
from animacy.hear.evaluate import CLOSED, MOVED, heard, likeness, weights_of
from animacy.live.sound import rate_of
from animacy.move import Performer
from animacy.move.heard import HeardMouth
from animacy.move.visemes import visemes
from animacy.send import Mp4, Wav
from animacy.types import ARKIT, Conditions, Faces, Heard, Motion, Phone, Speech
from heard import clip, spoken

JAW, CLOSE = ARKIT.index("jawOpen"), ARKIT.index("mouthClose")
RATE = 24_000


def chord(seconds: float) -> np.ndarray:
    """An organ: three notes a second, each of three tones with partials."""
    t = np.arange(round(seconds * RATE)) / RATE
    note = 110.0 * 2.0 ** (np.array([0, 5, 7, 3])[(3 * t).astype(int) % 4] / 12)
    phase = 2 * np.pi * np.cumsum(note) / RATE
    sound = sum(np.sin(k * ratio * phase) / k for k in range(1, 6) for ratio in (1.0, 1.25, 1.5))
    return (0.05 * np.asarray(sound)).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 24_000])
@pytest.mark.parametrize("size", [97, 480, 9001])
def test_what_is_heard_does_not_hang_on_the_pieces(rate: int, size: int) -> None:
    samples = spoken().samples[: 2 * rate]
    whole, _ = heard(samples, rate)
    listener, rows = Listener(rate), []
    for at in range(0, len(samples), size):
        rows.append(listener.add(samples[at : at + size]).mouth)
        there = min(at + size, len(samples)) / rate
        assert sum(map(len, rows)) * STEP >= there - LOOK_AHEAD  # no more than that is waited for
    rows.append(listener.end().mouth)
    assert len(whole) == int(len(samples) / rate / STEP) + 1
    assert np.abs(np.concatenate(rows) - whole).max() < 1e-4


def test_it_hears_the_mouth_that_is_made_of_the_phones() -> None:
    """And sound that comes 0.2 s late is heard worse, and late."""
    own = clip()
    rows, _ = heard(own.speech.samples, RATE)
    made = weights_of(mouth_of(own, STEP * np.arange(len(rows))))
    assert likeness(weights_of(rows), made) > 0.7  # 0.766 as measured
    late = np.concatenate([np.zeros(RATE // 5, np.float32), own.speech.samples])
    assert likeness(weights_of(heard(late, RATE)[0][: len(rows)]), made) < 0.2


def test_lips_close_on_bilabials_more_than_on_vowels() -> None:
    """Not on all: 12 of 15 here, as measured; docs/speech-in.md has what other voices give."""
    shut, wide = evaluate._contacts(clip(), heard(spoken().samples, RATE)[0])
    assert len(shut) >= 10 and len(wide) >= 5
    assert np.mean(np.array(shut) >= CLOSED) >= 0.6
    assert np.mean(np.array(wide) >= CLOSED) <= 0.1 and np.median(wide) < 0.1


def test_a_face_that_listens_shows_lips_that_meet_and_part() -> None:
    """From samples to ARKit weights: mouthClose takes back what jawOpen opens at many a p, b and m, and not at wide vowels."""
    speech = spoken()
    sound, performer, parts = HeardSound(RATE), Performer(25), []
    for at in range(0, len(speech.samples), 4800):
        sound.push(speech.samples[at : at + 4800])
        samples, mouth = sound.take(sound.ready())
        parts.append(performer.move(None, Speech(samples, RATE, (), ()), mouth).weights)
    sound.end()
    samples, mouth = sound.take(sound.ready())
    parts.append(performer.move(None, Speech(samples, RATE, (), ()), mouth).weights)
    weights = np.concatenate(parts)
    assert len(weights) == -(-len(speech.samples) * 25 // RATE)
    gap = weights[:, JAW] - weights[:, CLOSE]
    times = np.arange(len(weights)) / 25
    made = weights_of(mouth_of(clip(), times))  # of the phones themselves: an unstressed vowel may hardly open
    wanted = made[:, MOVED.index("jawOpen")] - made[:, MOVED.index("mouthClose")]
    shown, wide = [], []
    for phone in speech.phones:
        near = (times >= phone.start / RATE - 0.025) & (times <= phone.end / RATE + 0.025)
        if any(v.contact == "lips" for v in visemes(phone.symbol)):
            shown.append(gap[near].min())
        elif phone.symbol in ("æ", "ʌ", "ɑ") and wanted[near].max() > 0.1:
            wide.append(gap[near].max())
    assert np.mean(np.array(shown) < 0.04) > 0.4
    assert len(wide) >= 5 and np.mean(np.array(wide) > 0.1) > 0.8 and gap.max() > 0.2


@pytest.mark.parametrize("sound", ["silence", "hiss", "hum", "music"])
def test_without_speech_the_mouth_is_calm(sound: str) -> None:
    rng, size = np.random.default_rng(1), 6 * RATE
    samples = {
        "silence": np.zeros(size, np.float32),
        "hiss": rng.normal(0, 0.01, size).astype(np.float32),
        "hum": (0.05 * np.sin(2 * np.pi * 50 * np.arange(size) / RATE)).astype(np.float32),
        "music": chord(6.0),
    }[sound]
    jaw = weights_of(heard(samples, RATE)[0])[:, MOVED.index("jawOpen")]
    assert np.percentile(jaw, 95) < 0.05


def test_who_speaks_softly_moves_the_mouth_as_who_speaks_up() -> None:
    loud = np.tile(spoken().samples, 2)
    half = len(loud) // 2 * 100 // RATE
    usual, soft = (weights_of(heard(loud * np.float32(gain), RATE)[0])[half:] for gain in (1.0, 0.1))
    assert likeness(usual, soft) > 0.97
    assert soft.max(0)[0] > 0.8 * usual.max(0)[0]


def test_a_voice_of_more_range_sounds_more_excited() -> None:
    """Vowels that glide: by a semitone, then by nine."""

    def voice(semitones: float) -> np.ndarray:
        t = np.arange(8 * RATE) / RATE
        pitch = 150.0 * 2.0 ** (semitones / 12 * np.sin(2 * np.pi * 0.7 * t))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        sound = sum(np.sin(k * phase) / k for k in range(1, 15)) * (np.sin(2 * np.pi * 2 * t) > -0.6)
        return (0.1 * np.asarray(sound)).astype(np.float32)

    calm, lively = (heard(voice(s), RATE)[1][-100:].mean() for s in (1.0, 9.0))
    assert calm < 0.3 and lively > 0.6


@pytest.mark.parametrize("size", [1, 7, 200])
def test_a_heard_jaw_opens_and_shuts_no_faster_than_looks_smooth(size: int) -> None:
    """In whatever pieces its rows come; lips that meet at once still meet, and what is slow stays as it is."""
    k = np.arange(200)
    rows = np.zeros((200, 9), np.float32)
    rows[:, 0] = np.where(k < 150, 0.5 * (k % 50 > 25), 0.2 + 0.1 * np.sin(k / 10))
    rows[:, 6], rows[:, 8] = (k % 40 > 30) & (k < 130), 1.0
    mouth = HeardMouth()
    for at in range(0, 200, size):
        part = rows[at : at + size + 1]
        none = np.zeros(len(part), np.float32)
        mouth.add(Heard(part, none + np.float32(0.4), none), at * STEP, min(at + size, 200) * STEP)
    times = np.arange(20, 195) * STEP
    found, given = mouth.at(times), rows[20:195].astype(np.float64)
    jaw, wanted = (weights_of(own)[:, MOVED.index("jawOpen")] for own in (found, given))
    assert np.abs(jaw[4:] - jaw[:-4]).max() < 0.2 < np.abs(wanted[4:] - wanted[:-4]).max()
    assert np.array_equal(found[:, 6].round(6), given[:, 6])
    assert np.abs(jaw - wanted)[(times > 1.55)].max() < 1e-6


def test_a_heard_voice_opens_eyes_and_lifts_brows_by_its_excitement() -> None:
    def face(excitement: float) -> np.ndarray:
        rows = np.tile(np.float32([0.3, 0, 0, 0, 0, 0, 0, 0, 1]), (301, 1))
        mouth = Heard(rows, np.full(301, excitement, np.float32), np.zeros(301, np.float32))
        return Performer(25).move(None, Speech(np.zeros(3 * RATE, np.float32), RATE, (), ()), mouth).weights[-10:].mean(0)

    calm, lively = face(0.2), face(0.9)
    for name, least in (("browInnerUp", 0.15), ("browOuterUpLeft", 0.15), ("jawOpen", 0.02)):
        assert lively[ARKIT.index(name)] > calm[ARKIT.index(name)] + least


def test_sound_waits_for_its_mouth_and_is_given_whole() -> None:
    rng, given = np.random.default_rng(0), spoken().samples[: 2 * RATE]
    sound, taken, at = HeardSound(RATE), [], 0
    while at < len(given):
        size = int(rng.integers(1, 5000))
        sound.push(given[at : at + size])
        at += size
        ready = sound.ready()
        assert ready >= min(at, len(given)) - sound.taken - round(LATENCY * RATE)
        samples, mouth = sound.take(int(rng.integers(0, ready + 1)))
        taken.append(samples)
        if len(samples):
            assert -STEP < mouth.first <= 1e-9
            assert mouth.first + STEP * (len(mouth.mouth) - 1) >= len(samples) / RATE - 1e-9
    sound.end()
    taken.append(sound.take(sound.ready())[0])
    assert np.array_equal(np.concatenate(taken), given)


class Blank:
    """Renders and generates nothing, and counts it."""

    def __init__(self) -> None:
        self.weights: list[np.ndarray] = []

    def render(self, motion: Motion) -> Conditions:
        self.weights.append(motion.weights)
        empty = np.zeros((len(motion), 2, 2, 4), np.uint8)
        return Conditions(empty, empty, empty[..., :2])

    def generate(self, conditions: Conditions) -> Faces:
        return Faces(conditions.shaded)


def written(path: Path, samples: np.ndarray, rate: int, codec: str, channels: int = 1) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = "stereo" if channels == 2 else "mono"
        frame = av.AudioFrame.from_ndarray(np.tile(samples, (channels, 1)).astype(np.float32), "fltp", stream.layout.name)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format.name, stream.layout.name, rate, stream.codec_context.frame_size or None)
        for block in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))


def alike(a: np.ndarray, b: np.ndarray) -> tuple[int, float]:
    """By how many samples `a` comes later than `b`, and the correlation there."""
    size = 2 ** int(np.ceil(np.log2(len(a) + len(b))))
    scores = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    lag = int(scores.argmax())
    return lag - size * (lag > size // 2), float(scores.max() / np.sqrt(np.square(a).sum() * np.square(b).sum()))


@pytest.mark.parametrize(
    ("name", "codec", "channels"),
    [
        ("a.wav", "pcm_s16le", 2),
        ("a.flac", "flac", 1),
        ("a.mp3", "libmp3lame", 1),
        ("a.ogg", "libopus", 2),
        ("a.m4a", "aac", 1),
    ],
)
def test_any_usual_file_is_heard_and_keeps_its_sound(tmp_path: Path, name: str, codec: str, channels: int) -> None:
    samples = spoken().samples[: 3 * RATE]
    written(tmp_path / name, samples, RATE, codec, channels)
    blank = Blank()
    with file.opened(tmp_path / name) as sound, Wav(tmp_path / "out.wav") as out:
        done = engine.follow(file.stretches(sound), Line(None, Performer(25), Drawn(blank, blank), (out,)))
    assert done.seconds == pytest.approx(3.0, abs=0.12) and done.frames == -(-round(done.seconds * RATE) * 25 // RATE)
    with file.opened(tmp_path / "out.wav") as sound:
        again = np.concatenate(list(sound.pieces))[:: sound.rate // RATE]  # Opus is at 48 kHz, always
    lag, like = alike(again, samples)
    assert like > 0.9 and abs(lag) <= (0.06 * RATE if codec in ("libmp3lame", "aac", "libopus") else 0)  # encoders' own delay
    jaw = np.concatenate(blank.weights)[:, JAW]
    assert jaw.max() > 0.2


def test_a_name_with_a_colon_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # FFmpeg takes what stands before a colon for a protocol, where a path does not begin with /
    written(tmp_path / "12:30.wav", spoken().samples[:RATE], RATE, "pcm_s16le")
    with Mp4("12:31.mp4", 64, 25, np.zeros((8, 8, 3), np.uint8)) as film:
        film.hear(Speech(np.zeros(960, np.float32), 24000, (), ()))
    for name in ("12:30.wav", "12:31.mp4"):
        with file.opened(name) as sound:
            assert sum(map(len, sound.pieces))
    assert rate_of("12:30.wav", None) == RATE


def test_a_lossless_file_keeps_every_sample(tmp_path: Path) -> None:
    samples = np.rint(spoken().samples[:RATE] * 32767) / 32767
    written(tmp_path / "a.wav", samples, RATE, "pcm_s16le")
    blank = Blank()
    with file.opened(tmp_path / "a.wav") as sound, Wav(tmp_path / "out.wav") as out:
        engine.follow(file.stretches(sound), Line(None, Performer(30), Drawn(blank, blank), (out,)))
    with file.opened(tmp_path / "a.wav") as one, file.opened(tmp_path / "out.wav") as other:
        given, kept = (np.concatenate(list(s.pieces)) for s in (one, other))
    assert len(given) == RATE and np.abs(given - kept).max() <= 1.01 / 32768


def test_what_is_no_sound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.wav").write_text("hello")
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for packet in [*stream.encode(av.VideoFrame(64, 64, "yuv420p")), *stream.encode(None)]:
            container.mux(packet)
    written(tmp_path / "slow.wav", np.zeros(4000), 4000, "pcm_s16le")
    written(tmp_path / "long.wav", np.zeros(RATE), RATE, "pcm_s16le")
    monkeypatch.setattr(file, "LONGEST", 0.5)
    for name, message in (
        ("none.wav", "no such file"),
        ("", "a folder"),
        ("text.wav", "no sound file"),
        ("film.mp4", "holds no sound"),
        ("slow.wav", "4000 samples a second"),
        ("long.wav", "0 s at most|lasts"),
    ):
        with pytest.raises(UsageError, match=message), file.opened(tmp_path / name):
            pass
    with av.open(str(tmp_path / "long.wav")) as container, pytest.raises(UsageError, match="lasts more"):
        list(file._pieces(container, container.streams.audio[0], RATE, "long.wav"))  # a file that does not tell how long it is


def test_a_damaged_file_is_told_of(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    written(tmp_path / "a.flac", rng.normal(0, 0.1, RATE), RATE, "flac")
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[len(data) // 3 :] = rng.integers(0, 256, len(data) - len(data) // 3, dtype=np.uint8).tobytes()
    (tmp_path / "a.flac").write_bytes(data)
    with file.opened(tmp_path / "a.flac") as sound, pytest.raises(AnimacyError, match="cannot be read on after"):
        list(sound.pieces)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "animacy", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300)


def test_the_command_makes_a_film_of_a_sound(tmp_path: Path) -> None:
    samples = spoken().samples[: 2 * RATE]
    written(tmp_path / "a.wav", samples, RATE, "pcm_s16le")
    film, told = tmp_path / "a.mp4", tmp_path / "a.json"
    done = run(
        "say",
        "--audio",
        tmp_path / "a.wav",
        "-o",
        film,
        "--timeline",
        told,
        "--size",
        64,
        "--generator",
        "none",
        "--emotion",
        "joy:0.9",
    )
    assert done.returncode == 0, done.stderr
    assert "2.0 s, 50 frames" in done.stdout
    with av.open(str(film)) as container:
        assert container.streams.video[0].frames == 50
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    lag, like = alike(sound[::2], samples)  # 48 kHz
    assert like > 0.9 and abs(lag) <= 1024  # AAC's own delay
    motion = json.loads(told.read_text(encoding="utf-8"))["motion"]
    weights = np.array(motion["weights"])
    assert weights[:, JAW].max() > 0.2 and weights[-1, ARKIT.index("mouthSmileLeft")] > 0.15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--audio", "none.wav"), "no such file"),
        (("--audio", "a.wav", "Hello"), "--audio and TEXT"),
        (("--audio", "a.wav", "--voice", "af_heart"), "--audio and --voice"),
        (("--audio", "a.wav", "--file", "a.txt"), "--audio and --file"),
    ],
)
def test_the_command_refuses_in_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = run("say", *arguments, "-o", tmp_path / "a.mp4")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_clips_come_back_as_they_were_saved(tmp_path: Path) -> None:
    speech = Speech(
        np.float32([0, 0.5, -0.5, 0.25] * 4000), 16_000, (Phone("m", 1600, 3200, 0), Phone("aɪ", 3200, 8000, 1)), ()
    )
    kept = Clip("one", "kokoro", "af_heart", "en", speech, (0.5, 0.75), 0.25)
    save(kept, tmp_path)
    (found,) = load(tmp_path)
    assert np.abs(found.speech.samples - speech.samples).max() < 1e-4
    assert replace(found, speech=speech) == replace(kept, speech=speech)
    assert [(p.symbol, p.start, p.end) for p in found.speech.phones] == [(p.symbol, p.start, p.end) for p in speech.phones]
    (tmp_path / "two.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"two\.json"):
        list(load(tmp_path))
    with pytest.raises(UsageError, match="no clips"):
        list(load(tmp_path / "none"))


def test_the_command_tells_how_near_it_comes(tmp_path: Path) -> None:
    save(clip(), tmp_path)
    written(tmp_path / "quiet.flac", np.zeros(RATE), RATE, "flac")
    done = run("evaluate", "hear", "--clips", tmp_path, "--calm", tmp_path / "quiet.flac", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    figures = told["clips"]["kokoro am_michael"]
    assert figures["r"] > 0.6 and abs(figures["lag_ms"]) <= 20 and figures["r_by_weight"].keys() <= set(MOVED)
    assert told["calm"][str(tmp_path / "quiet.flac")]["jaw_p95"] < 0.05
    assert run("evaluate", "hear").returncode == 2


def test_the_weights_that_ship_are_those_that_the_card_tells_of() -> None:
    folder = files("animacy.hear")
    weights = folder.joinpath("network.onnx").read_bytes()
    about = json.loads(folder.joinpath("network.json").read_text(encoding="utf-8"))
    assert hashlib.sha256(weights).hexdigest() == about["sha256"]
    assert len(weights) < 12_500_000 and about["parameters"] < 6_100_000
    assert about["sha256"][:12] in folder.joinpath("MODEL.md").read_text(encoding="utf-8")
