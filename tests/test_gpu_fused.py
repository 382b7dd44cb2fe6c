"""The network in Triton, by its interpreter on the host, against PyTorch."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs pip install 'animacy[train]'")
if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton comes with PyTorch for CUDA", allow_module_level=True)
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before it is imported

from animacy.gpu import fused  # noqa: E402
from animacy.gpu.torch import Folded  # noqa: E402
from animacy.train import generator  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SHAPE = generator.Shape(64, 4, (16, 24, 32, 48), 1.0)


@pytest.fixture(scope="module")
def network() -> generator.Network:
    torch.manual_seed(1)
    network = generator.Network(SHAPE).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.08)
    return network


def test_weights_summed_before_an_upsampling_are_the_convolution_after_it() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, 7, 6), torch.randn(3, 5, 3, 3)
    expected = torch.nn.functional.conv2d(torch.nn.functional.interpolate(x, scale_factor=2.0), weight, padding=1)
    for phase, part in enumerate(fused.halves_of_rows(weight)):
        down, right = divmod(phase, 2)
        ours = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (1, 1, 1, 1)), part)[:, :, down:, right:][:, :, :7, :6]
        torch.testing.assert_close(ours, expected[:, :, down::2, right::2])


@pytest.mark.parametrize("wanted", ["triton", "wide", "cudnn"])
def test_a_network_fused_is_the_network(network: generator.Network, wanted: str) -> None:
    """Within what FP16 between the layers costs; whatever lay in the buffers' insides before."""
    x = torch.rand(2, 16, 16, 160, device=DEVICE, dtype=torch.float16)
    out = torch.full((2, 16, 16, 64), 7.0, device=DEVICE, dtype=torch.float16)

    def choose(layer: Any, methods: dict[str, Callable[[int], None]], batch: int) -> str:
        found = [m for m in methods if m.startswith(wanted) or m.endswith(wanted)] or [
            m for m in methods if m.startswith("triton")
        ]
        chosen.append(found[0])
        return found[0]

    chosen: list[str] = []
    made = fused.Fused(network, x, out, choose=choose)
    if wanted == "wide":  # two convolutions of a block, and those after an upsampling
        assert sum(m.endswith("wide") for m in chosen) > 12
    with torch.no_grad():
        expected = Folded(network)(x.cpu().float().permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        for _ in range(2):
            made()
            error = (out.cpu().float() - expected).square().mean() / expected.square().mean()
            assert error < 1e-5
            x.copy_(x.clone())
