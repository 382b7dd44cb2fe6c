"""Persons' recordings: which are found with their text, and when each of their sounds is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs PyTorch, which training alone does")
from animacy.errors import AnimacyError
from animacy.hear.features import RATE
from animacy.train import hear_persons
from animacy.train.hear_persons import Part, aligned, fish, parts_of, stamps
from animacy.types import Phone

SOUNDS = 6


def heard(path: list[int], sure: float = 3.0) -> np.ndarray:
    """Log likelihoods [T, SOUNDS] of rows whose sounds are `path`."""
    logs = np.full((len(path), SOUNDS), -sure, np.float32)
    logs[np.arange(len(path)), path] = 0.0
    return logs


def test_sounds_are_found_where_they_are() -> None:
    path = [0] * 5 + [1] * 4 + [2] * 7 + [0] * 3 + [3] * 2 + [1] * 6 + [0] * 4
    parts = [Part(1, 5, 0), Part(2, 5, 1), Part(3, 5, 2), Part(1, 5, 3)]
    edges, fits = aligned(heard(path), parts, [0, 0, 1, 1])
    assert edges.tolist() == [[5, 9], [9, 16], [19, 21], [21, 27]]
    assert fits == 0.0


def test_there_is_silence_between_words_alone() -> None:
    path = [1] * 6 + [0] * 4 + [2] * 6
    (_, first), (second, _) = aligned(heard(path), [Part(1, 5, 0), Part(2, 5, 1)], [0, 0])[0].tolist()
    assert first == second
    edges, _ = aligned(heard(path), [Part(1, 5, 0), Part(2, 5, 1)], [0, 1])
    assert edges.tolist() == [[0, 6], [10, 16]]


def test_what_is_not_said_fits_less() -> None:
    path = [0] * 4 + [1] * 8 + [2] * 8 + [0] * 4
    assert aligned(heard(path), [Part(4, 5, 0), Part(5, 5, 1)], [0, 0])[1] == pytest.approx(-3.0)
    with pytest.raises(AnimacyError, match="3 rows for 2 sounds"):
        aligned(heard(path[:3]), [Part(1, 5, 0), Part(2, 5, 1)], [0, 0])


@given(st.integers(1, 8), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_any_rows_are_shared_out_in_order(count: int, more: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [Part(int(rng.integers(1, SOUNDS)), float(rng.uniform(1, 9)), k) for k in range(count)]
    logs = np.log(rng.dirichlet(np.ones(SOUNDS), 2 * count + 1 + more)).astype(np.float32)
    edges, fits = aligned(logs, parts, np.sort(rng.integers(0, 3, count)).tolist())
    assert edges[0, 0] >= 0 and edges[-1, 1] <= len(logs) and fits <= 0.0
    assert (edges[:, 1] - edges[:, 0] >= hear_persons.LEAST_ROWS).all()
    assert (edges[1:, 0] >= edges[:-1, 1]).all()


def test_a_phone_of_two_sounds_is_two_parts() -> None:
    parts = parts_of([Phone("m", 0, 1600, 0), Phone("oʊ", 1600, 4800, 0)], RATE)
    assert [p.phone for p in parts] == [0, 1, 1]
    assert [sum(p.rows for p in parts if p.phone == k) for k in (0, 1)] == pytest.approx([10.0, 20.0])


def test_stamps_are_found_in_the_languages_that_they_are_said_in(tmp_path: Path) -> None:
    (tmp_path / "food").mkdir()
    (tmp_path / "food" / "leek.txt").write_text("A leek.\nfr.utf8=Un poireau.\nes.utf8=Un puerro.\nde.utf8=Ein Lauch.\n")
    for name in ("leek_desc_fr.ogg", "leek_desc_ro.ogg", "leek_desc_de.ogg"):
        (tmp_path / "food" / name).write_bytes(b"")
    (found,) = stamps(tmp_path)
    assert (found.name, found.voice, found.language, found.text) == ("stamps-fr-food-leek", "stamps-fr", "fr", "Un poireau.")


def test_what_fish_say_is_found_with_its_text(tmp_path: Path) -> None:
    (tmp_path / "script" / "keys").mkdir(parents=True)
    (tmp_path / "sound" / "keys" / "nl").mkdir(parents=True)
    (tmp_path / "script" / "keys" / "dialogs_nl.lua").write_text(
        '-- Intro\ndialogId("a-0", "font_small", "Look.")\ndialogStr("Kijk \\"hier\\".")\n\n'
        'dialogId("a-1", "font_big", "What?")\ndialogStr("Wat?")\n'
    )
    (tmp_path / "sound" / "keys" / "nl" / "a-0.ogg").write_bytes(b"")
    (found,) = fish(tmp_path)
    assert (found.name, found.voice, found.language) == ("fish-nl-keys-a-0", "fish-nl-font_small", "nl")
    assert found.text.split() == ["Kijk", '"hier', '".']


def test_what_there_is_no_recording_or_network_in_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--network", "n.pt", "--stamps", str(tmp_path), "--fish", str(tmp_path)]
    with pytest.raises(SystemExit):
        hear_persons.main(arguments)
    assert "tuxpaint-stamps-default" in capsys.readouterr().err
    (tmp_path / "leek.txt").write_text("A leek.\nfr.utf8=Un poireau.\n")
    (tmp_path / "leek_desc_fr.ogg").write_bytes(b"")
    (tmp_path / "n.pt").write_bytes(b"none")
    for network in ("n.pt", "missing.pt"):
        arguments[3] = str(tmp_path / network)
        with pytest.raises(SystemExit):
            hear_persons.main(arguments)
        assert f"{network}: " in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
