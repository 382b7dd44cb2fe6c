"""Contacts by a model of people's speech: the same whatever the pieces, in time, and its packing as Sphinx has it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from animacy.errors import UsageError
from animacy.hear.features import BANDS, DEPTH
from animacy.hear.network import AHEAD
from animacy.hear.people import CEPSTRA, NONE, STATES, Contacts, Model, closer, cosines

PHONES, COUNT, FILTERS = 4, 3, 25


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Four phones whose cepstra lie apart: the second is of the lips, the third of the teeth."""
    means = np.zeros((PHONES, 3, COUNT, CEPSTRA), np.float32)
    means[:, 0, :, 1] = np.array([-60.0, -20.0, 20.0, 60.0])[:, None]
    deviation = np.array([10.0, 200.0, 200.0])[:, None, None]
    steps = np.full((PHONES * STATES, PHONES * STATES), 1.0 / (PHONES * STATES), np.float32)
    bands = np.zeros((FILTERS, BANDS), np.float32)
    bands[np.arange(FILTERS), np.arange(FILTERS) * BANDS // FILTERS] = 1.0
    np.savez(
        tmp_path / "model.npz",
        means=means,
        precisions=np.broadcast_to(deviation**-2.0, means.shape),
        mixture=np.full((PHONES, 3, COUNT, STATES), 1.0 / COUNT),
        bands=bands,
        usual=cosines(FILTERS) @ np.full(FILTERS, -6.0),
        steps=steps,
        contacts=np.eye(PHONES)[1:3],
    )
    return Model(tmp_path / "model.npz")


def rows_of(lean: np.ndarray) -> np.ndarray:
    """Rows [T, BANDS] whose second cepstrum is `lean`, softer than what is counted as the microphone's colour."""
    k = np.arange(FILTERS)
    slope = np.cos(np.pi / FILTERS * (k + 0.5))
    slope = slope / float(cosines(FILTERS)[1] @ slope)
    power = np.full((len(lean), BANDS), DEPTH)
    power[:, k * BANDS // FILTERS] += np.exp(-11.0 + lean[:, None] * slope)
    rows: np.ndarray = (np.log(power) / 4.0 + 1.5).astype(np.float32)
    return rows


def test_pieces_change_nothing(model: Model) -> None:
    rows = np.random.default_rng(0).normal(0.0, 0.8, (90, BANDS)).astype(np.float32)
    whole, hearing = Contacts(model).add(rows), Contacts(model)
    parts = np.concatenate([hearing.add(piece) for piece in np.split(rows, [0, 1, 3, 4, 30, 31])])
    assert whole.shape == (90, 2)
    assert np.allclose(whole, parts, atol=1e-3)


def test_a_contact_is_told_when_it_is(model: Model) -> None:
    """The usual colour is -6 in each filter and these rows' -11, which only the first cepstrum tells."""
    lean = np.full(80, -20.0)
    lean[30:] = 20.0
    found = np.exp(Contacts(model).add(rows_of(lean)))
    lips, teeth = found[AHEAD + 5 : AHEAD + 28], found[AHEAD + 32 :]
    assert (lips[:, 0] > 10.0 * lips[:, 1]).all()
    assert (teeth[:, 1] > 10.0 * teeth[:, 0]).all()
    again = np.exp(Contacts(model).add(rows_of(lean[:60])))  # what comes later is not known
    assert np.allclose(again, found[:60], atol=1e-5)


def test_in_noise_nothing_is_said(model: Model) -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.1, (60, BANDS)).astype(np.float32)  # as loud as a voice
    assert (Contacts(model).add(noise) == NONE).all()


def test_contacts_move_by_what_is_told() -> None:
    mouth = np.full((3, 9), 0.5, np.float32)
    found = closer(mouth, np.array([[0.0, -20.0], [-5.0, -5.0], [-20.0, 0.0]], np.float32))
    assert (found[:, [0, 5, 8]] == 0.5).all()
    assert found[0, 6] > 0.7 > 0.3 > found[2, 6]
    assert found[2, 7] > 0.7 > 0.3 > found[0, 7]
    assert np.allclose(found[1, 6:8], 0.5)


def test_what_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "none.npz").write_bytes(b"none")
    for name in ("none.npz", "missing.npz"):
        with pytest.raises(UsageError, match=name):
            Model(tmp_path / name)


@pytest.mark.skipif(not all(map(importlib.util.find_spec, ("pocketsphinx", "torch"))), reason="needs pocketsphinx, torch")
def test_sphinx_files_are_read() -> None:
    from animacy.train.hear_people import mixture, names, numbers, steps

    found = importlib.util.find_spec("pocketsphinx")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "model" / "en-us" / "en-us"
    means = numbers(folder / "means")
    phones = names(folder / "mdef", len(means))
    assert means.shape == (42, 3, 128, 13)
    assert phones[8] == b"B"
    assert np.allclose(mixture(folder / "sendump", 42).sum(2), 1.0, atol=0.12)
    assert np.allclose(steps(folder / "transition_matrices", phones).sum(1), 1.0, atol=1e-5)
