# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""The network of `animacy.hear` to be trained, and as an ONNX graph whose state is carried from piece to piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..hear.features import BANDS
from ..hear.network import OUTPUTS

WIDTH = 128
FIRST = 5  # hops that the first layer sees
DILATIONS = (1, 2, 4, 8, 16, 1, 2, 4)


class Block(nn.Module):
    """x + mixed(relu(norm(convolved(x)))), of what was before alone."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.reach = 2 * dilation
        self.convolve = nn.Conv1d(WIDTH, WIDTH, 3, dilation=dilation)
        self.norm = nn.BatchNorm1d(WIDTH)
        self.mix = nn.Conv1d(WIDTH, WIDTH, 1)
        self.drop = nn.Dropout1d(0.05)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        past = nn.functional.pad(x, (self.reach, 0))
        mixed: torch.Tensor = self.mix(self.drop(torch.relu(self.norm(self.convolve(past)))))
        return x + mixed


class Net(nn.Module):
    """Rows [B, BANDS, T] -> logits [B, OUTPUTS, T]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(BANDS, WIDTH, FIRST)
        self.norm = nn.BatchNorm1d(WIDTH)
        self.blocks = nn.ModuleList(Block(d) for d in DILATIONS)
        self.last = nn.Conv1d(WIDTH, OUTPUTS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(nn.functional.pad(x, (FIRST - 1, 0)))))
        for block in self.blocks:
            x = block(x)
        found: torch.Tensor = self.last(torch.relu(x))
        return found


def _folded(convolution: nn.Conv1d, norm: nn.BatchNorm1d) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The weights and biases that do both in one."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    assert convolution.bias is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weights = convolution.weight * scale[:, None, None]
    bias = (convolution.bias - norm.running_mean) * scale + norm.bias
    return weights.detach().numpy(), bias.detach().numpy()


def export(net: Net, path: Path) -> None:
    """Write `net` as ONNX: inputs `rows` [1, BANDS, T] and `past0`.. (each layer's last inputs, at first 0), outputs `mouth`
    [1, OUTPUTS, T], 0..1, and `next0`.. to be given as `past` with the rows that follow."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, inputs, outputs = [], [], [], []

    def constant(name: str, values: NDArray[np.generic]) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(kind: str, given: list[str], made: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, given, [made], **attributes))
        return made

    def value(name: str, channels: int, length: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, length])

    constant("axis", np.array([2], np.int64))
    constant("end", np.array([np.iinfo(np.int64).max], np.int64))

    def causal(k: int, x: str, channels: int, reach: int, convolution: tuple[NDArray[np.float32], ...], dilation: int) -> str:
        inputs.append(value(f"past{k}", channels, reach))
        outputs.append(value(f"next{k}", channels, reach))
        whole = node("Concat", [f"past{k}", x], f"whole{k}", axis=2)
        node("Slice", [whole, constant(f"from{k}", np.array([-reach], np.int64)), "end", "axis"], f"next{k}")
        filters, bias = constant(f"filters{k}", convolution[0]), constant(f"bias{k}", convolution[1])
        found = node(
            "Conv", [whole, filters, bias], f"convolved{k}", dilations=[dilation], kernel_shape=[convolution[0].shape[2]]
        )
        return node("Relu", [found], f"active{k}")

    net.eval()
    x = causal(0, "rows", BANDS, FIRST - 1, _folded(net.first, net.norm), 1)
    for k, block in enumerate(net.blocks, 1):
        assert isinstance(block, Block)
        assert block.mix.bias is not None
        y = causal(k, x, WIDTH, block.reach, _folded(block.convolve, block.norm), block.reach // 2)
        mix, bias = block.mix.weight.detach().numpy(), block.mix.bias.detach().numpy()
        y = node("Conv", [y, constant(f"mix{k}", mix), constant(f"mixbias{k}", bias)], f"mixed{k}", kernel_shape=[1])
        x = node("Add", [x, y], f"sum{k}")
    assert net.last.bias is not None
    last, bias = net.last.weight.detach().numpy(), net.last.bias.detach().numpy()
    y = node("Conv", [node("Relu", [x], "top"), constant("last", last), constant("lastbias", bias)], "logits", kernel_shape=[1])
    node("Sigmoid", [y], "mouth")
    graph = helper.make_graph(
        nodes, "hear", [value("rows", BANDS, "T"), *inputs], [value("mouth", OUTPUTS, "T"), *outputs], weights
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="animacy")
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
