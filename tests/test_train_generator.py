"""The network, its training, its export and its figures, on made-up pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs pip install 'animacy[train]'")

from animacy.errors import AnimacyError, UsageError  # noqa: E402
from animacy.generate.onnx import OnnxGenerator  # noqa: E402
from animacy.train import data, evaluate, generator  # noqa: E402
from animacy.types import Conditions  # noqa: E402

TINY = generator.Shape(32, 4, (8, 8, 12, 12), 1.0)
QUICK = generator.Settings(steps=400, batch=4, rate=2e-3, average=0.9, crop=0)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def made_up(count=8, size=32, held=2) -> data.Pairs:
    """Targets that are the shaded frames with red and green exchanged."""
    rng = np.random.default_rng(0)
    conditions = rng.integers(0, 256, (count, 10, size // 4, size // 4), np.uint8).repeat(4, 2).repeat(4, 3)
    conditions[:, 3] = 255
    target = conditions[:, [1, 0, 2, 3]].copy()
    motions = data.Motions(
        np.zeros((count, 52), np.float32),
        np.zeros((count, 6), np.float32),
        np.array(["speech"] * count),
        np.arange(count) >= count - held,
        np.arange(count) % 2 == 1,
    )
    boxes = np.tile(np.array([[4, 4, 8, 8], [20, 4, 24, 8], [10, 20, 20, 26]], np.float32), (count, 1, 1))
    parts = np.zeros((count, size, size), np.uint8)
    return data.Pairs(motions, conditions, target, np.stack([target] * 2, 1), parts, boxes, {"size": size, "spp_held_out": 1})


@pytest.mark.parametrize("name", generator.SHAPES)
def test_a_frame_costs_no_more_than_promised(name):
    shape = generator.SHAPES[name]
    cost = generator.gflop(generator.Network(shape), shape.size)
    assert 0.6 * shape.gflop < cost <= shape.gflop


def test_cost_is_counted_as_pytorch_counts_it():
    from torch.utils.flop_counter import FlopCounterMode

    network = generator.Network(TINY)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 10, 32, 32))
    assert generator.gflop(network, 32) == pytest.approx(counter.get_total_flops() / 1e9)


def test_an_untrained_network_gives_the_shaded_frame():
    pairs = made_up()
    painted = generator.paint(generator.Network(TINY).eval(), pairs.conditions)
    assert np.abs(painted.astype(int) - pairs.conditions[:, :4]).max() <= 5


def test_training_approaches_the_target(tmp_path):
    pairs = made_up()
    before = generator.paint(generator.Network(TINY).eval(), pairs.conditions)
    network = generator.train(pairs, TINY, QUICK, tmp_path, device="cpu")
    after = generator.paint(network, pairs.conditions)
    wrong = [np.abs(x[:6].astype(int) - pairs.target[:6]).mean() for x in (before, after)]
    assert wrong[1] < 0.75 * wrong[0]
    assert [json.loads(x)["step"] for x in (tmp_path / "curve.jsonl").read_text().splitlines()] == [100, 200, 300, 400]


def test_a_killed_run_goes_on_and_other_settings_are_refused(tmp_path):
    pairs = made_up()
    longer = generator.Settings(steps=51, batch=2, average=0.9, crop=0, every=50)
    generator.train(pairs, TINY, longer, tmp_path, device="cpu")
    steps: list[int] = []
    generator.train(pairs, TINY, longer, tmp_path, device="cpu", report=lambda step, loss: steps.append(step))
    assert steps == []  # went on at step 50
    with pytest.raises(UsageError, match="other settings"):
        generator.train(pairs, TINY, generator.Settings(steps=52, batch=2, crop=0), tmp_path, device="cpu")


def test_frames_of_another_size_are_refused(tmp_path):
    with pytest.raises(UsageError, match="frames have 32 pixels, the network is made for 256"):
        generator.train(made_up(), generator.SHAPES["lite"], QUICK, tmp_path, device="cpu")


@pytest.mark.parametrize("half", [False, True])
def test_the_exported_network_paints_what_pytorch_paints(tmp_path, half):
    torch.manual_seed(1)
    network = generator.Network(TINY).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.08)
    conditions = np.random.default_rng(2).integers(0, 256, (3, 10, 32, 32), np.uint8)
    generator.export(network, tmp_path / "a.onnx", 32, half=half)
    c = conditions.transpose(0, 2, 3, 1)
    painted = OnnxGenerator(tmp_path / "a.onnx", 1).generate(Conditions(c[..., :4], c[..., 4:8], c[..., 8:])).rgba
    expected = generator.paint(network, conditions).transpose(0, 2, 3, 1)
    assert len(np.unique(expected)) > 100
    assert np.abs(painted.astype(int) - expected).max() <= (2 if half else 1)


def test_half_weights_take_half_the_space(tmp_path):
    network = generator.Network(generator.SHAPES["lite"])
    sizes = []
    for half in (False, True):
        generator.export(network, tmp_path / "a.onnx", 256, half=half)
        sizes.append((tmp_path / "a.onnx").stat().st_size)
    assert sizes[1] < 0.52 * sizes[0]
    assert sizes[1] < 4e6


def test_nothing_to_train_on_is_said(tmp_path):
    with pytest.raises(AnimacyError, match="all are held out"):
        generator.train(made_up(4, held=4), TINY, QUICK, tmp_path, device="cpu")


def test_frames_that_lead_are_not_learnt_from_nor_are_their_neighbours():
    pairs = made_up(400, 32, held=100)
    pairs.motions.follows[100:300] = False  # pairs of neighbours, then single ones, then those held out
    learnt, leading = generator._split(pairs)
    assert len(leading) >= generator.LEADING
    assert not set(learnt) & set(leading)
    assert set(learnt) | set(leading) == set(range(300))
    assert leading.min() >= 100
    few = generator._split(made_up())
    assert np.array_equal(few[0], few[1])  # too few to set some aside


def test_what_leads_is_how_sharp_hair_is_in_frames_not_learnt_from(tmp_path):
    pairs = made_up(200, 32, held=2)
    pairs.motions.follows[:] = False
    pairs.parts[:] = data.PARTS.index("hair")
    leading = generator._split(pairs)[1]
    rng = np.random.default_rng(1)
    checks = np.indices((32, 32)).sum(0) % 2 * rng.integers(100, 250, (len(leading), 1, 1))
    pairs.halves[leading, :, :3] = checks[:, None, None].astype(np.uint8)  # in those alone: what is learnt says nothing of it
    settings = generator.Settings(steps=100, batch=2, crop=0)
    generator.train(pairs, TINY, settings, tmp_path, device="cpu")
    row = json.loads((tmp_path / "curve.jsonl").read_text().splitlines()[0])
    assert row["hair"] < 0.5
    assert row["texture"] > settings.texture


def test_what_leads_is_measured_as_the_report_measures_it():
    pairs = made_up(6, 32, held=6)
    rng = np.random.default_rng(2)
    pairs.conditions[:, 3] = rng.integers(0, 256, (6, 32, 32))
    pairs.parts[:, 8:24, 4:20] = data.PARTS.index("hair")
    pairs.halves[:] = rng.integers(0, 256, pairs.halves[:, :1].shape)
    network = generator.Network(TINY)
    asked = generator._edges(network, *(torch.from_numpy(x) for x in (pairs.conditions, pairs.halves)),
                             torch.from_numpy(pairs.parts == data.PARTS.index("hair")))  # fmt: skip
    told = evaluate.evaluate(pairs, pairs.conditions[:, :4])["generator"]["sharpness"]["hair"]
    assert float(asked[0] / asked[1]) == pytest.approx(told, rel=0.01)


def test_crops_that_the_network_cannot_fold_are_refused(tmp_path):
    with pytest.raises(UsageError, match="crop 20: needed a multiple of 32 below 32"):
        generator.train(made_up(), TINY, generator.Settings(crop=20), tmp_path, device="cpu")


def test_noise_in_linear_light_leaves_the_mean_where_it_is():
    rng = np.random.default_rng(3)
    light = rng.choice([0.02, 0.5], (1, 3, 512, 512)).astype(np.float32)  # seldom bright, as hair is
    targets = np.concatenate([1.055 * light ** (1 / 2.4) - 0.055, np.ones_like(light[:, :1])], 1)
    bytes_of = torch.from_numpy(np.rint(255 * targets).astype(np.uint8))
    truth = 1.055 * float(light.mean()) ** (1 / 2.4) - 0.055

    def loss(value):
        network = torch.nn.Conv2d(10, 4, 1)
        torch.nn.init.zeros_(network.weight)
        network.bias.data = torch.tensor([value] * 3 + [1.0])
        criterion = generator._Criterion(network, generator.Settings(soft=2.0), "cpu")
        hair = torch.zeros(1, 512, 512, dtype=torch.bool)
        conditions = torch.zeros(1, 10, 512, 512, dtype=torch.uint8)
        lost = criterion(
            conditions, bytes_of, torch.stack([bytes_of] * 2, 1), torch.ones(1, 512, 512), hair, torch.zeros(()), 0
        )
        lost.backward()
        return float(network.bias.grad[:3].sum())

    assert loss(truth - 0.03) < 0 < loss(truth + 0.03)
    assert targets[:, :3].mean() < truth - 0.05  # which is where the mean of sRGB lies


def test_textures_are_led_to_the_strength_of_what_two_noisy_pictures_share():
    torch.manual_seed(0)
    slanted = torch.zeros(1, 1, 9, 9)
    slanted[0, 0, range(9), [k // 2 + 2 for k in range(9)]] = 1.0
    true = torch.nn.functional.conv2d(torch.randn(1, 1, 96, 96), slanted, padding=4)
    true = true / true.std() * 0.06
    found = (torch.randn(1, 1, 96, 96) * 0.005).requires_grad_()
    optimizer = torch.optim.Adam([found], 2e-3)
    for _ in range(500):
        noisy = (true + 0.15 * torch.randn_like(true) for _ in range(2))  # much stronger than what they share
        optimizer.zero_grad()
        generator._textures(found, *noisy, torch.ones(1, 1, 96, 96), torch.ones(1, 1, 96, 96)).backward()
        optimizer.step()
    painted, true = (x.detach()[..., :80, 16:80] for x in (found, true))  # what was compared
    slant, wanted = (float((x[..., 2:, 1:] * x[..., :-2, :-1]).mean() / (true**2).mean()) for x in (painted, true))
    assert 0.8 < float((painted**2).mean() / (true**2).mean()) < 1.25
    assert abs(slant - wanted) < 0.2


def test_a_single_bright_pixel_costs_as_much_as_it_is_wrong():
    conditions = torch.zeros(1, 10, 64, 64, dtype=torch.uint8)
    target = torch.full((1, 4, 64, 64), 80, dtype=torch.uint8)
    hair = torch.zeros(1, 64, 64, dtype=torch.bool)

    class Painted(torch.nn.Module):
        def forward(self, x):
            return self.frame

    def loss(value, where):
        network = Painted()
        network.frame = target.float() / 255
        network.frame[..., where, where] = value
        criterion = generator._Criterion(network, generator.Settings(gradient=0.0, texture=0.0), "cpu")
        return float(
            criterion(conditions, target, torch.stack([target] * 2, 1), torch.ones(1, 64, 64), hair, torch.zeros(()), 0)
        )

    # one pixel that is 0.6 too bright, four that are 0.25 too bright
    one, several = loss(80 / 255 + 0.6, slice(30, 31)), loss(80 / 255 + 0.25, slice(30, 32))
    assert one > 1.4 * several


def test_a_network_goes_on_from_an_exported_one(tmp_path):
    first, second = generator.Network(TINY), generator.Network(TINY)
    generator.export(first, tmp_path / "n.onnx", TINY.size, half=True)
    generator.restore(second, tmp_path / "n.onnx")
    for name, value in first.state_dict().items():
        assert torch.allclose(second.state_dict()[name], value, atol=1e-3), name
    other = generator.Network(generator.SHAPES["lite"])
    with pytest.raises(UsageError, match="give a network of the same shape"):
        generator.restore(other, tmp_path / "n.onnx")
    (tmp_path / "n.onnx").write_bytes(b"no network")
    with pytest.raises(UsageError, match="cannot be read"):
        generator.restore(second, tmp_path / "n.onnx")


def test_figures_of_half_precision_are_close():
    network = generator.Network(TINY).eval()
    conditions = np.random.default_rng(2).integers(0, 256, (2, 10, 32, 32), np.uint8)
    assert generator.halved(network, conditions) > 45


def test_single_pixels_that_stand_out_cost_and_strands_do_not():
    x = torch.full((1, 1, 32, 32), 0.4)
    strands = x.clone()
    strands[..., 3::7] = 0.7
    strands[:, :, range(32), range(32)] = 0.1
    assert float(generator._lonely(strands).mean()) == 0
    for value in (0.3, 0.5):
        dots = x.clone()
        dots[..., 4::8, 4::8] = value
        assert float(generator._lonely(dots).mean()) == pytest.approx((0.1 - 6 / 255) / 64, rel=1e-3)
