"""The command as a person types it: what it writes, what it says, and how it fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

import synthetic
from animacy import cli
from animacy.avatar import save, shipped
from animacy.types import ARKIT, EMOTIONS

SMALL = ("--size", "64", "--fps", "10")


def run(
    *arguments: str, cwd: Path, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "animacy", *arguments]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, env={**os.environ, **(env or {})}, timeout=300)


def refused(done: subprocess.CompletedProcess[bytes], code: int, folder: Path) -> str:
    """Checks what every failure has in common: the code, one line, no traceback, nothing left behind."""
    message = done.stderr.decode().strip().splitlines()[-1]
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert message.startswith("animacy")
    assert "this is a defect" not in message
    assert not [p for p in folder.iterdir() if p.name.endswith((".mp4", ".partial", ".wav"))]
    return message


@pytest.fixture(scope="module")
def performance(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A film of two sentences with its WAV and its timeline, made once."""
    folder = tmp_path_factory.mktemp("performance")
    text = "Hello, it costs $3.50! 今天天气很好。"
    files = ("-o", "a.mp4", "--wav", "a.wav", "--timeline", "a.json")
    done = run("say", text, *files, "--size", "128", "--emotion", "joy:0.8", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().startswith("a.mp4: ")
    assert sorted(p.name for p in folder.iterdir()) == ["a.json", "a.mp4", "a.wav"]
    return folder, json.loads((folder / "a.json").read_text())


def test_say_writes_a_film_a_wav_and_a_timeline_that_agree(performance: tuple[Path, dict[str, Any]]) -> None:
    folder, timeline = performance
    with wave.open(str(folder / "a.wav")) as sound:
        seconds = sound.getnframes() / sound.getframerate()
    with av.open(str(folder / "a.mp4")) as film:
        frames = sum(1 for _ in film.decode(video=0))
    assert timeline["duration"] == pytest.approx(seconds, abs=1e-4)
    assert frames == len(timeline["motion"]["weights"]) == len(timeline["motion"]["pose"])
    assert frames / 25 == pytest.approx(seconds, abs=0.05)


def test_the_timeline_keeps_its_keys_for_keeps(performance: tuple[Path, dict[str, Any]]) -> None:
    _, timeline = performance
    assert set(timeline) == {"fps", "duration", "score", "words", "phones", "motion"}
    assert set(timeline["motion"]) == {"names", "weights", "pose"}
    assert timeline["motion"]["names"] == list(ARKIT)
    assert np.shape(timeline["motion"]["weights"])[1:] == (52,)
    assert np.shape(timeline["motion"]["pose"])[1:] == (6,)
    weights = np.array(timeline["motion"]["weights"])
    assert weights.min() >= 0 and weights.max() <= 1
    words = [w for sentence in timeline["score"]["sentences"] for w in sentence["words"]]
    assert [w["text"] for w in timeline["words"]] == [w["text"] for w in words]
    assert all(set(w) == {"text", "start", "end"} for w in timeline["words"])
    assert all(set(p) == {"symbol", "start", "end", "word"} for p in timeline["phones"])
    ends = [0.0]
    for word in timeline["words"]:
        assert word["start"] < word["end"] <= timeline["duration"]
        assert word["start"] >= ends[-1] - 1e-6
        ends.append(word["end"])
    for phone in timeline["phones"]:
        word = timeline["words"][phone["word"]]
        assert word["start"] - 1e-6 <= phone["start"] <= phone["end"] <= word["end"] + 1e-6
    assert {"joy": 0.8}.items() <= timeline["score"]["sentences"][0]["emotion"].items()


def test_the_sound_is_where_the_words_are(performance: tuple[Path, dict[str, Any]]) -> None:
    folder, timeline = performance
    with av.open(str(folder / "a.mp4")) as film:
        heard = np.concatenate([f.to_ndarray()[0] for f in film.decode(audio=0)])
    loud = np.zeros(len(heard), bool)
    for word in timeline["words"]:
        loud[int(word["start"] * 48000) : int(word["end"] * 48000)] = True
    energy = heard**2
    assert energy[loud].sum() > 0.97 * energy.sum()


def test_read_prints_the_schema(tmp_path: Path) -> None:
    text = "What a day! It costs $3.50."
    done = run("read", text, "--json", cwd=tmp_path)
    score = json.loads(done.stdout)
    assert set(score) == {"language", "sentences"}
    for sentence in score["sentences"]:
        assert set(sentence) == {"text", "start", "end", "emotion", "valence", "excitement", "words"}
        assert set(sentence["emotion"]) == set(EMOTIONS)
        assert sum(sentence["emotion"].values()) == pytest.approx(1, abs=1e-3)
        assert -1 <= sentence["valence"] <= 1 and 0 <= sentence["excitement"] <= 1
        for word in sentence["words"]:
            assert {*word, "boundary"} == {"text", "start", "end", "stress", "boundary"}  # which is told where there is one
            assert text[word["start"] : word["end"]] == word["text"]
            assert 0 <= word["stress"] <= 1 and 0 <= word.get("boundary", 0) <= 1


def test_read_input_gives_a_line_for_each_line(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes("Good morning.\r\n\n今天很冷。\n🎉🎉\nПривет\n".encode())
    done = run("read", "--input", "in.txt", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    scores = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(scores) == 5
    assert [s["language"] for s in scores][:3:2] == ["en", "zh"]
    assert [bool(s["sentences"]) for s in scores] == [True, False, True, False, False]


def test_read_without_json_is_for_people(tmp_path: Path) -> None:
    done = run("read", "Good morning, Anna.", cwd=tmp_path)
    assert "excitement" in done.stdout.decode() and "Anna(" in done.stdout.decode()


def test_what_would_steer_a_terminal_is_printed_escaped(tmp_path: Path) -> None:
    done = run("read", "A \x1b[31mred\x07 day\u202e and\na line.", cwd=tmp_path)
    assert done.returncode == 0
    printed = done.stdout.decode()
    assert all(c.isprintable() or c == "\n" for c in printed)
    assert printed.startswith("A \\x1b[31mred\\x07 day\\u202e and\\na line.\n  ")


@pytest.mark.parametrize(
    ("arguments", "stdin", "needle"),
    [
        (("say", "", "-o", "a.mp4"), b"", "nothing to say"),
        (("say", "-", "-o", "a.mp4"), b"  \n", "nothing to say"),
        (("say", "🎉🎉!!!", "-o", "a.mp4"), b"", "nothing to say"),
        (("say", "\x07\x01", "-o", "a.mp4"), b"", "nothing to say"),
        (("say", "-", "-o", "a.mp4"), b"\xff\xfe", "UTF-8"),
        (("say", "--file", "missing.txt", "-o", "a.mp4"), b"", "cannot be read"),
        (("say", "-o", "a.mp4"), b"", "no text"),
        (("say", "Hi", "--file", "x", "-o", "a.mp4"), b"", "both TEXT and --file"),
        (("say", "Hi"), b"", "-o FILE.mp4"),
        (("say", "Hi", "-o", "a.avi"), b"", ".mp4"),
        (("say", "Hi", "-o", "no/such/a.mp4"), b"", "cannot be written"),
        (("say", "Hi", "-o", "a.mp4", "--timeline", "no/such/a.json"), b"", "cannot be written"),
        (("say", "Hi", "-o", "a.mp4", "--wav", "a.mp4"), b"", "same file"),
        (("say", "Hi", "-o", "a.mp4", "--voice", "nobody"), b"", "nobody"),
        (("say", "Hi", "-o", "a.mp4", "--avatar", "nobody"), b"", "nobody"),
        (("say", "Hi", "-o", "a.mp4", "--language", "tlh"), b"", "tlh"),
        (("say", "Hi", "-o", "a.mp4", "--emotion", "glee:1"), b"", "glee"),
        (("say", "Hi", "-o", "a.mp4", "--emotion", "joy:lots"), b"", "joy"),
        (("say", "Hi", "-o", "a.mp4", "--size", "63"), b"", "even number"),
        (("say", "Hi", "-o", "a.mp4", "--fps", "0"), b"", "--fps"),
        (("say", "Hi", "-o", "a.mp4", "--rasteriser", "crayon"), b"", "crayon"),
        (("say", "Hi", "-o", "a.mp4", "--renderer", "pencil"), b"", "pencil"),
        (("say", "Hi", "-o", "a.mp4", "--generator", "huge"), b"", "huge"),
        (("avatar", "info", "nobody"), b"", "give one of default"),
        (("avatar",), b"", "info|list"),
        (("sing", "Hi"), b"", "sing"),
        (("read", "Hi", "--input", "x"), b"", "--input"),
        (("read", "Привет, как дела?"), b"", "English"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line_and_exit_2(
    tmp_path: Path, arguments: tuple[str, ...], stdin: bytes, needle: str
) -> None:
    assert needle in refused(run(*arguments, cwd=tmp_path, stdin=stdin), 2, tmp_path)


def test_a_broken_bundle_is_one_line_and_exit_1(tmp_path: Path) -> None:
    (tmp_path / "face.zip").write_bytes(b"PK no")
    message = refused(run("say", "Hi", "-o", "a.mp4", "--avatar", "face.zip", cwd=tmp_path), 1, tmp_path)
    assert "face.zip" in message and "zip" in message


def test_odd_text_is_said_where_there_are_words_in_it(tmp_path: Path) -> None:
    text = "Hi\x07\x00 the\u200bre \U0001f389, o\u0301k".replace("\x00", "")
    done = run("say", text, "-o", "a.mp4", *SMALL, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""
    undecodable = subprocess.run(
        [sys.executable, "-m", "animacy", "read", b"caf\xe9 noir", "--json"], cwd=tmp_path, capture_output=True
    )
    assert undecodable.returncode == 0, undecodable.stderr.decode()
    json.loads(undecodable.stdout)


@pytest.mark.skipif(find_spec("cupy") is not None, reason="CuPy is there")
@pytest.mark.parametrize("network", ["none", "auto"])
def test_a_rasteriser_that_cannot_be_had_is_one_line_and_exit_1(tmp_path: Path, network: str) -> None:
    asked = ("say", "Hi", "-o", "a.mp4", *SMALL, "--quiet", "--rasteriser", "cuda", "--generator", network)
    message = refused(run(*asked, cwd=tmp_path), 1, tmp_path)
    assert "--rasteriser cpu" in message and "animacy doctor" in message


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_say_leaves_nothing(tmp_path: Path, number: int, code: int) -> None:
    (tmp_path / "long.txt").write_text("The harbour was quiet that morning. " * 200)
    command = [sys.executable, "-m", "animacy", "say", "--file", "long.txt", "-o", "a.mp4", "--wav", "a.wav", *SMALL]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not any(p.suffix == ".partial" and p.stat().st_size > 30_000 for p in tmp_path.iterdir()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == code
    assert b"Traceback" not in errors
    assert [p.name for p in tmp_path.iterdir()] == ["long.txt"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_interrupts_again_and_again_gets_the_same(tmp_path: Path, number: int, code: int) -> None:
    command = [sys.executable, "-m", "animacy", "say", "One. " * 300, "-o", "a.mp4", "--wav", "a.wav", *SMALL]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    while process.poll() is None:
        assert time.monotonic() < deadline
        process.send_signal(number)
        time.sleep(0.03)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_a_signal_that_went_astray_can_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(cli, "_signals", [])
    monkeypatch.setattr(cli, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with pytest.raises(KeyboardInterrupt):
        cli._terminated(signal.SIGINT, None)
    cli._terminated(signal.SIGTERM, None)
    now[0] += cli.GRACE
    with pytest.raises(SystemExit):
        cli._terminated(signal.SIGTERM, None)


def test_an_error_that_nobody_can_read_keeps_its_code(tmp_path: Path) -> None:
    for nowhere in ("2>/dev/full", "2> >(true)"):
        command = f"'{sys.executable}' -m animacy read '' {nowhere}"
        assert subprocess.run(["bash", "-c", command], cwd=tmp_path, timeout=60).returncode == 2


def test_a_reader_that_leaves_is_no_error_to_tell(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("Good morning.\n" * 3000)
    command = f"'{sys.executable}' -m animacy read --input in.txt --json | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, timeout=120)
    assert json.loads(done.stdout)
    assert done.stderr == b""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_harm_nothing(tmp_path: Path, closed: str) -> None:
    command = f"'{sys.executable}' -m animacy say 'Hi.' -o a.mp4 --size 64 --fps 5 {closed}"
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path, timeout=120).returncode == 0
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) > 5


def test_a_full_disk_behind_standard_output_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m animacy voices > /dev/full"], cwd=tmp_path, capture_output=True
    )
    assert (done.returncode, done.stderr) == (1, b"animacy: standard output: No space left on device\n")


def test_a_file_without_end_is_refused_at_once(tmp_path: Path) -> None:
    assert "2000000" in refused(run("say", "--file", "/dev/zero", "-o", "a.mp4", cwd=tmp_path), 2, tmp_path)


def test_help_is_quick_and_loads_nothing(tmp_path: Path) -> None:
    probe = "import sys; from animacy.cli import main\ntry: main(['say', '--help'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True)
    assert "--timeline" in done.stdout
    assert not {"numpy", "onnxruntime", "numba", "av"} & set(done.stdout.splitlines()[-1].split())


def test_voices_avatar_and_doctor_tell_what_there_is(tmp_path: Path) -> None:
    voices = run("voices", cwd=tmp_path).stdout.decode().splitlines()
    assert sum(" en " in v for v in voices) >= 2 and sum(" zh " in v for v in voices) >= 2
    avatar = run("avatar", "info", cwd=tmp_path).stdout.decode()
    assert "52 shapes" in avatar and "licence: " in avatar and "generator" in avatar
    table = run("avatar", "list", cwd=tmp_path).stdout.decode().splitlines()
    assert [row.split()[0] for row in table] == list(shipped())
    doctor = run("doctor", cwd=tmp_path).stdout.decode()
    assert "renderer cpu" in doctor and "libx264" in doctor


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a small network that takes all green away."""
    folder = tmp_path_factory.mktemp("painted") / "face"
    face = synthetic.avatar(rings=6, sectors=8, texture=16)
    save(replace(face, generators=(synthetic.generator("lite"),)), folder)
    return folder


def test_list_gives_the_shipped_avatars_as_json(tmp_path: Path) -> None:
    listing = json.loads(run("avatar", "list", "--json", cwd=tmp_path).stdout)
    assert [a["name"] for a in listing] == list(shipped())
    for a in listing:
        assert set(a) == {"name", "title", "licence", "generators"}
        assert a["title"] and a["licence"]
        for g in a["generators"]:
            assert set(g) == {"name", "size", "gflop", "psnr", "ssim"}
            assert (g["name"], g["size"]) in (("lite", 256), ("full", 512))


def test_info_tells_where_the_networks_come_from(painted: Path, tmp_path: Path) -> None:
    text = run("avatar", "info", str(painted), cwd=tmp_path).stdout.decode()
    for needle in ("generator lite: 256 pixels", "31.25 dB", "data: made-up frames", "licence: CC0-1.0", "commit: 0123abc",
                   "seed: 7", "command: python -m animacy.train", "hours: 1.5", "card: a card"):  # fmt: skip
        assert needle in text
    told = json.loads(run("avatar", "info", str(painted), "--json", cwd=tmp_path).stdout)
    assert set(told) == {
        "name", "title", "licence", "provenance", "triangles", "vertices", "frame_size", "generators"
    }  # fmt: skip
    (g,) = told["generators"]
    assert set(g) == {"name", "size", "gflop", "psnr", "ssim", "training"}
    assert g["training"]["hours"] == 1.5


def test_the_network_paints_and_says_so(painted: Path, tmp_path: Path) -> None:
    means = {}
    for generator, said in (("auto", "painting: lite\n"), ("none", "painting: none, as asked for\n")):
        name = f"{generator}.mp4"
        done = run("say", "Hi.", "-o", name, *SMALL, "--avatar", str(painted), "--generator", generator, cwd=tmp_path)
        assert done.returncode == 0, done.stderr.decode()
        assert said in done.stderr.decode()
        with av.open(str(tmp_path / name)) as film:
            means[generator] = next(film.decode(video=0)).to_ndarray(format="rgb24").mean((0, 1))
    red, green, _ = means["none"] - means["auto"]
    assert green > 20 and abs(red) < 10


def test_a_network_that_is_not_there_is_one_line_and_exit_2(painted: Path, tmp_path: Path) -> None:
    asked = ("say", "Hi", "-o", "a.mp4", "--avatar", str(painted), "--generator", "full")
    assert "has lite" in refused(run(*asked, cwd=tmp_path), 2, tmp_path)


def test_a_broken_network_is_one_line_and_exit_1(painted: Path, tmp_path: Path) -> None:
    face = Path(shutil.copytree(painted, tmp_path / "face"))
    (face / "lite.onnx").write_bytes(b"no network")
    message = refused(run("say", "Hi", "-o", "a.mp4", "--avatar", "face", cwd=tmp_path), 1, tmp_path)
    assert "lite.onnx" in message
    (face / "lite.onnx").unlink()
    assert "lite.onnx" in refused(run("say", "Hi", "-o", "a.mp4", "--avatar", "face", cwd=tmp_path), 1, tmp_path)
