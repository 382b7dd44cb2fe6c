"""Phones by a model of people's speech: the same whatever the pieces, in time, and its packing as Sphinx has it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from animacy.errors import UsageError
from animacy.hear.features import BANDS, DEPTH
from animacy.hear.people import BEHIND, CEPSTRA, PHONES, RIGHT, STATES, UNKNOWN, Model, Phones, cosines, packaged, told

COUNT, FILTERS = 3, 25


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Four phones whose cepstra lie apart, and others that lie far off."""
    means = np.zeros((PHONES, 3, COUNT, CEPSTRA), np.float32)
    means[:, 0, :, 1] = np.concatenate([[-60.0, -20.0, 20.0, 60.0], np.full(PHONES - 4, 500.0)])[:, None]
    deviation = np.array([10.0, 200.0, 200.0])[:, None, None]
    transitions = np.broadcast_to([[0.4, 0.4, 0.2, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.5, 0.5]], (PHONES, 3, 4))
    bands = np.zeros((FILTERS, BANDS), np.float32)
    bands[np.arange(FILTERS), np.arange(FILTERS) * BANDS // FILTERS] = 1.0
    np.savez(
        tmp_path / "model.npz",
        means=means,
        precisions=np.broadcast_to(deviation**-2.0, means.shape),
        mixture=np.full((PHONES, 3, COUNT, STATES), 1.0 / COUNT),
        bands=bands,
        usual=cosines(FILTERS) @ np.full(FILTERS, -6.0),
        transitions=transitions,
        bigram=np.full((PHONES, PHONES), 1.0 / PHONES),
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
    whole, hearing = Phones(model).add(rows), Phones(model)
    parts = np.concatenate([hearing.add(piece) for piece in np.split(rows, [0, 1, 3, 4, 30, 31])])
    assert whole.shape == (90, PHONES)
    assert np.allclose(whole, parts, atol=1e-4)
    assert (whole[:RIGHT] == UNKNOWN).all()
    assert (whole[RIGHT:] != UNKNOWN).any(1).all()


def test_a_phone_is_told_when_it_is(model: Model) -> None:
    """The usual colour is -6 in each filter and these rows' -11, which only the first cepstrum tells."""
    lean = np.full(80, -20.0)
    lean[30:] = 20.0
    found = Phones(model).add(rows_of(lean))
    assert (found[BEHIND + 5 : BEHIND + 28].argmax(1) == 1).all()
    assert (found[BEHIND + 32 :].argmax(1) == 2).all()
    assert found[-1, 2] == pytest.approx(1.0, abs=0.05)
    again = Phones(model).add(rows_of(lean[:60]))  # what comes later is not known
    assert np.allclose(again, found[:60], atol=1e-5)


def test_what_is_told_of_a_probability() -> None:
    found = told(np.array([0.0, 0.0099, 1.0], np.float32))
    assert found == pytest.approx([-1.0, UNKNOWN, 1.0], abs=3e-3)


def test_the_card_tells_what_the_listener_does() -> None:
    torch = pytest.importorskip("torch")
    from animacy.train.hear_phones import Phones as Whole

    rng = np.random.default_rng(1)
    rows = (1.0 + 0.6 * np.repeat(rng.normal(size=(2, 70, BANDS)), 10, 1) - np.linspace(0, 1, BANDS)).astype(np.float32)
    found = Whole(packaged(), torch.device("cpu"))(torch.from_numpy(rows.transpose(0, 2, 1)))
    for own, other in zip(rows, found.numpy(), strict=True):
        assert np.abs(Phones(packaged()).add(own) - other.T).max() < 1e-3


def test_what_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "none.npz").write_bytes(b"none")
    for name in ("none.npz", "missing.npz"):
        with pytest.raises(UsageError, match=name):
            Model(tmp_path / name)


def test_what_follows_is_reckoned_back_as_what_was_before_is_forth(model: Model) -> None:
    """Over any two rows the sum of all paths is the same either way; and no likelihood is lost on the way."""
    rng = np.random.default_rng(2)
    before, after = rng.random((2, PHONES, STATES)).astype(np.float32)
    assert (model.forward(before) * after).sum() == pytest.approx(
        float((before * model.backward(after[None])[0]).sum()), rel=1e-4
    )
    assert model.forward(before).sum() == pytest.approx(float(before.sum()), rel=1e-4)


@pytest.mark.skipif(not all(map(importlib.util.find_spec, ("pocketsphinx", "torch", "onnx"))), reason="needs them")
def test_sphinx_files_are_read() -> None:
    from animacy.train.hear_network import MEETS
    from animacy.train.hear_people import bigram, definition, mixture, numbers, transitions

    found = importlib.util.find_spec("pocketsphinx")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "model" / "en-us"
    assert numbers(folder / "en-us" / "means").shape == (PHONES, 3, 128, 13)
    names, sides = definition(folder / "en-us" / "mdef")
    assert [[names[k] for k in own] for own in MEETS] == [["P", "B", "M"], ["F", "V"]]
    assert np.allclose(sides.sum(2), 1.0, atol=1e-4)
    assert np.allclose(mixture(folder / "en-us" / "sendump", sides).sum(2), 1.0, atol=0.12)
    assert np.allclose(transitions(folder / "en-us" / "transition_matrices").sum(2), 1.0, atol=1e-5)
    follow = bigram(folder / "en-us-phone.lm.bin", names)
    assert np.allclose(follow.sum(1), 1.0, atol=1e-4)
    # "str" and "nd" are English, "sr" and "ng d" hardly
    by = {(a, b): follow[names.index(a), names.index(b)] for a, b in (("T", "R"), ("S", "R"), ("N", "D"), ("NG", "ZH"))}
    assert by["T", "R"] > 2 * by["S", "R"] and by["N", "D"] > 2 * by["NG", "ZH"]
