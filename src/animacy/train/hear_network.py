# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""The network of `animacy.hear` to be trained, and as an ONNX graph whose state is carried from piece to piece.

Two convolutions over bands and time, which hear the same formants wherever a voice has them; dilated ones over time at 20 ms a
step; a recurrent layer, which knows the voice; and two rows of outputs a step. What a model of people's speech takes each row
for (hear/people.py) comes in beside the convolutions. A second head tells each row's phone. It only
helps to learn, and is not exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..errors import UsageError
from ..hear.features import BANDS
from ..hear.network import AHEAD, OUTPUTS
from ..hear.people import LEAST, NEPERS, PHONES

TOGETHER = 2  # rows a step
THIN, THICK = 16, 32  # channels of the first two layers
WIDTH, DROP = 192, 0.05  # channels of the others, and the share of them that learning leaves out by chance
DILATIONS = (1, 2, 4, 8, 1, 2, 4)
CONTACTS, SPEAKING = slice(6, 8), 8
# Which of hear/people.py's phones the lips meet for, P, B, M, and lip and teeth, F, V; what their log probability weighs beside
# the networks' logit, at which it says nothing, and how steep the sum is taken. Networks trust rows too far, as those that
# they learn from are of engines that they know.
MEETS = ((28, 8, 23), (15, 37))
WEIGHS, NONE, STEEP, FLOOR = 0.2, -5.0, 0.8, 1e-5
UNSURE = 1e-4  # of a contact's probability, that is left on either side
SILENT = (0.2, 0.6)  # of `speaking`: below, where several networks are, the mouth rests; above, it is as they say

Sharp = tuple[tuple[float, float], tuple[float, float]]


class Block(nn.Module):
    """x + mixed(relu(norm(convolved(x)))), of what was before alone."""

    def __init__(self, dilation: int, width: int, drop: float) -> None:
        super().__init__()
        self.reach = 2 * dilation
        self.convolve = nn.Conv1d(width, width, 3, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)
        self.mix = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout1d(drop)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        past = nn.functional.pad(x, (self.reach, 0))
        mixed: torch.Tensor = self.mix(self.drop(torch.relu(self.norm(self.convolve(past)))))
        return x + mixed


class Net(nn.Module):
    """Rows [B, BANDS, T], T even, and phones [B, PHONES, T] -> logits [B, OUTPUTS, T], and of sounds [B, `sounds`, T]."""

    def __init__(self, sounds: int, width: int = WIDTH, drop: float = DROP) -> None:
        super().__init__()
        self.width = width
        self.first = nn.Conv2d(1, THIN, (5, 3), stride=(2, 1), padding=(2, 0))
        self.first_norm = nn.BatchNorm2d(THIN)
        self.second = nn.Conv2d(THIN, THICK, (5, 4), stride=(2, 2), padding=(2, 0))
        self.second_norm = nn.BatchNorm2d(THICK)
        self.gather = nn.Conv1d(THICK * BANDS // 4, width, 1)
        self.norm = nn.BatchNorm1d(width)
        self.people = nn.Conv1d(PHONES, width, TOGETHER, stride=TOGETHER)
        self.blocks = nn.ModuleList(Block(d, width, drop) for d in DILATIONS)
        self.recurrent = nn.GRU(width, width, batch_first=True)
        self.last = nn.Conv1d(width, TOGETHER * OUTPUTS, 1)
        self.told = nn.Conv1d(width, TOGETHER * sounds, 1)

    def forward(self, x: torch.Tensor, phones: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.relu(self.first_norm(self.first(nn.functional.pad(x[:, None], (2, 0)))))
        x = torch.relu(self.second_norm(self.second(nn.functional.pad(x, (2, 0)))))
        x = torch.relu(self.norm(self.gather(x.flatten(1, 2))) + self.people(phones))
        for block in self.blocks:
            x = block(x)
        x = x + self.recurrent(x.transpose(1, 2))[0].transpose(1, 2)
        return _apart(self.last(x)), _apart(self.told(x))


def _apart(x: torch.Tensor) -> torch.Tensor:
    """[B, C * TOGETHER, K] -> [B, C, K * TOGETHER]."""
    size, channels, steps = x.shape
    return x.view(size, channels // TOGETHER, TOGETHER, steps).transpose(2, 3).flatten(2)


def _folded(
    convolution: nn.Conv1d | nn.Conv2d, norm: nn.BatchNorm1d | nn.BatchNorm2d
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The weights and biases that do both in one."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    assert convolution.bias is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weights = convolution.weight * scale.view(-1, *[1] * (convolution.weight.ndim - 1))
    bias = (convolution.bias - norm.running_mean) * scale + norm.bias
    return weights.detach().numpy(), bias.detach().numpy()


def met(phones: torch.Tensor) -> torch.Tensor:
    """Log probabilities [.., 2, T] of contacts by `phones` [.., PHONES, T], as `told` of hear/people.py gives them."""
    likely = torch.exp((phones - 1.0) * NEPERS) - LEAST
    return torch.log(torch.stack([likely[..., own, :].sum(-2) for own in MEETS], -2).clamp(min=0.0) + FLOOR)


def together(mouths: Sequence[torch.Tensor], phones: torch.Tensor, sharp: Sharp = ((0.0, 1.0), (0.0, 1.0))) -> torch.Tensor:
    """What the graph of networks that gave `mouths` [.., OUTPUTS, T] gives, with `phones` [.., PHONES, T] of the same instants:
    their mean, whose contacts the phones move. Someone speaks where the least sure of several says so, and only there does the
    mouth move."""
    mouth = torch.stack(list(mouths)).mean(0)
    own = mouth[..., CONTACTS, :].clamp(UNSURE, 1.0 - UNSURE)
    mouth[..., CONTACTS, :] = torch.sigmoid(STEEP * (torch.log(own) - torch.log(1.0 - own) + WEIGHS * (met(phones) - NONE)))
    for k, (low, high) in enumerate(sharp, CONTACTS.start):
        mouth[..., k, :] = ((mouth[..., k, :] - low) / (high - low)).clamp(0.0, 1.0)
    if len(mouths) > 1:
        speaking = torch.stack([own[..., SPEAKING, :] for own in mouths]).amin(0)
        mouth = mouth * ((speaking - SILENT[0]) / (SILENT[1] - SILENT[0])).clamp(0.0, 1.0).unsqueeze(-2)
        mouth[..., SPEAKING, :] = speaking
    return mouth


def export(nets: Sequence[Net], path: Path, sharp: Sharp = ((0.0, 1.0), (0.0, 1.0))) -> None:
    """Write `nets`, on the CPU, as one ONNX graph: inputs `rows` [1, BANDS, T], T even, `phones` [1, PHONES, T], and
    `past0`.. (at first 0), outputs
    `mouth` [1, OUTPUTS, T], 0..1, as `together` makes it, and `next0`.. to be given as `past` with the rows that follow.

    sharp: of the lips, and of lip and teeth, the contact that counts as none and the one that counts as whole: an unsure
    network gives probabilities. The weights of several networks are kept in 16 bits, and reckoned with in 32.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights = [], []
    inputs: list[onnx.ValueInfoProto] = []
    outputs: list[onnx.ValueInfoProto] = []

    def constant(name: str, values: NDArray[np.generic]) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(kind: str, given: list[str], made: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, given, [made], **attributes))
        return made

    def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def shape(name: str, *sizes: int) -> str:
        return constant(name, np.array(sizes, np.int64))

    def weight(name: str, values: NDArray[np.float32]) -> str:
        if len(nets) == 1:
            return constant(name, values)
        return node("Cast", [constant(f"{name}.half", values.astype(np.float16))], name, to=TensorProto.FLOAT)

    shape("end", np.iinfo(np.int64).max)

    def before(x: str, reach: int, *channels: int) -> str:
        """x with the last `reach` of what was before it; time is the last axis."""
        k = len(inputs)
        inputs.append(value(f"past{k}", 1, *channels, reach))
        outputs.append(value(f"next{k}", 1, *channels, reach))
        whole = node("Concat", [f"past{k}", x], f"whole{k}", axis=-1)
        node("Slice", [whole, shape(f"from{k}", -reach), "end", shape(f"axis{k}", -1)], f"next{k}")
        return whole

    def convolved(x: str, name: str, by: tuple[NDArray[np.float32], ...], **how: Any) -> str:
        given = [x, weight(f"{name}.weights", by[0]), weight(f"{name}.bias", by[1])]
        return node("Conv", given, name, kernel_shape=list(by[0].shape[2:]), **how)

    def plain(convolution: nn.Conv1d) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        assert convolution.bias is not None
        return convolution.weight.detach().numpy(), convolution.bias.detach().numpy()

    shape("one", 1)
    shape("flat", 1, THICK * BANDS // 4, -1)
    shape("pairs", 1, OUTPUTS, TOGETHER, -1)
    shape("apart", 1, OUTPUTS, -1)
    node("Unsqueeze", ["rows", "one"], "image")

    def heard(net: Net, n: str) -> str:
        """The mouth, 0..1, by one network."""
        net.eval()
        x = convolved(
            before("image", 2, 1, BANDS), f"{n}.first", _folded(net.first, net.first_norm), strides=[2, 1], pads=[2, 0, 2, 0]
        )
        x = before(node("Relu", [x], f"{n}.first.active"), 2, THIN, BANDS // 2)
        x = convolved(x, f"{n}.second", _folded(net.second, net.second_norm), strides=[2, 2], pads=[2, 0, 2, 0])
        x = node("Reshape", [node("Relu", [x], f"{n}.second.active"), "flat"], f"{n}.gathered")
        x = convolved(x, f"{n}.gather", _folded(net.gather, net.norm))
        told = convolved("phones", f"{n}.people", plain(net.people), strides=[TOGETHER])
        x = node("Relu", [node("Add", [x, told], f"{n}.gather.told")], f"{n}.gather.active")
        for k, block in enumerate(net.blocks):
            assert isinstance(block, Block)
            y = before(x, block.reach, net.width)
            y = convolved(y, f"{n}.block{k}", _folded(block.convolve, block.norm), dilations=[block.reach // 2])
            y = convolved(node("Relu", [y], f"{n}.block{k}.active"), f"{n}.mix{k}", plain(block.mix))
            x = node("Add", [x, y], f"{n}.sum{k}")
        # ONNX has a GRU's gates as update, reset, new; PyTorch as reset, update, new
        gates = np.concatenate(
            [np.arange(net.width, 2 * net.width), np.arange(net.width), np.arange(2 * net.width, 3 * net.width)]
        )
        own = {name: values.detach().numpy()[gates] for name, values in net.recurrent.named_parameters()}
        biases = np.concatenate([own["bias_ih_l0"], own["bias_hh_l0"]])
        k = len(inputs)
        inputs.append(value(f"past{k}", 1, 1, net.width))
        outputs.append(value(f"next{k}", 1, 1, net.width))
        given = [
            node("Transpose", [x], f"{n}.steps", perm=[2, 0, 1]),
            weight(f"{n}.gru.input", own["weight_ih_l0"][None]),
            weight(f"{n}.gru.state", own["weight_hh_l0"][None]),
            weight(f"{n}.gru.bias", biases[None]),
            "",
            f"past{k}",
        ]
        nodes.append(helper.make_node("GRU", given, [f"{n}.states", f"next{k}"], hidden_size=net.width, linear_before_reset=1))
        y = node("Transpose", [node("Squeeze", [f"{n}.states", "one"], f"{n}.state")], f"{n}.voice", perm=[1, 2, 0])
        y = convolved(node("Add", [x, y], f"{n}.top"), f"{n}.last", plain(net.last))
        y = node("Reshape", [y, "pairs"], f"{n}.paired")
        y = node("Reshape", [node("Transpose", [y], f"{n}.turned", perm=[0, 1, 3, 2]), "apart"], f"{n}.logits")
        return node("Sigmoid", [y], f"{n}.mouth")

    mouths = [heard(net, f"net{k}") for k, net in enumerate(nets)]
    mean = mouths[0] if len(mouths) == 1 else node("Mean", mouths, "mean")
    bounds = [constant("zero", np.zeros((), np.float32)), constant("full", np.ones((), np.float32))]

    def number(name: str, value: float) -> str:
        return constant(name, np.array(value, np.float32))

    likely = node("Sub", ["phones", "full"], "likely.less")
    likely = node("Exp", [node("Mul", [likely, number("steps", NEPERS)], "likely.log")], "likely")
    which = np.zeros((2, PHONES, 1), np.float32)
    for k, own in enumerate(MEETS):
        which[k, list(own), 0] = 1.0
    contact = node("Conv", [likely, constant("meets", which), constant("floor", FLOOR - LEAST * which.sum((1, 2)))], "contact")
    contact = node("Log", [node("Clip", [contact, number("least.contact", FLOOR), ""], "contact.clear")], "contact.log")
    contact = node(
        "Mul", [node("Sub", [contact, number("none", NONE)], "contact.more"), number("weighs", WEIGHS)], "contact.logit"
    )
    parts = [f"{name}.mean" for name in ("shapes", "contacts", "speaking")]
    sizes = constant("sizes", np.array([CONTACTS.start, 2, 1], np.int64))
    nodes.append(helper.make_node("Split", [mean, sizes], parts, axis=1))
    heard_too = node("Clip", [parts[1], number("unsure.low", UNSURE), number("unsure.high", 1.0 - UNSURE)], "contacts.clear")
    rest = node("Log", [node("Sub", ["full", heard_too], "contacts.rest")], "contacts.rest.log")
    logit = node("Sub", [node("Log", [heard_too], "contacts.log"), rest], "contacts.logit")
    logit = node("Mul", [node("Add", [logit, contact], "contacts.sum"), number("steep.contact", STEEP)], "contacts.steep")
    mean = node("Concat", [parts[0], node("Sigmoid", [logit], "contacts"), parts[2]], "told", axis=1)
    low, high = np.zeros((1, OUTPUTS, 1), np.float32), np.ones((1, OUTPUTS, 1), np.float32)
    low[0, CONTACTS, 0], high[0, CONTACTS, 0] = zip(*sharp, strict=True)
    y = node("Mul", [mean, constant("gain", 1.0 / (high - low))], "scaled")
    y = node("Add", [y, constant("less", -low / (high - low))], "shifted")
    y = node("Clip", [y, *bounds], "mouth" if len(nets) == 1 else "clear")
    if len(nets) > 1:
        least = node("Slice", [node("Min", mouths, "least"), shape("speaking", SPEAKING), "end", "one"], "unsure")
        steep = constant("steep", np.array([1.0 / (SILENT[1] - SILENT[0])], np.float32))
        moves = node("Sub", [least, constant("silent", np.array([SILENT[0]], np.float32))], "above")
        moves = node("Clip", [node("Mul", [moves, steep], "share"), *bounds], "moves")
        moved = node("Slice", [y, shape("begin", 0), "speaking", "one"], "moved")
        node("Concat", [node("Mul", [moved, moves], "rests"), least], "mouth", axis=1)
    given = [value("rows", 1, BANDS, "T"), value("phones", 1, PHONES, "T"), *inputs]
    graph = helper.make_graph(nodes, "hear", given, [value("mouth", 1, OUTPUTS, "T"), *outputs], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="animacy")
    model.ir_version = 9
    helper.set_model_props(model, {"ahead": str(AHEAD), "together": str(TOGETHER)})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def imported(path: Path, number: int) -> Net:
    """The network `number` of a graph that `export` wrote, but for what names sounds: what norms did is in the weights.

    Raises UsageError where it is of the time before networks were told of phones.
    """
    import onnx
    from onnx import numpy_helper

    given = {own.name: numpy_helper.to_array(own) for own in onnx.load(str(path)).graph.initializer}
    prefix = f"net{number}."
    own = {
        name.removeprefix(prefix).removesuffix(".half"): torch.from_numpy(values.astype(np.float32))
        for name, values in given.items()
        if name.startswith(prefix)
    }
    if "people.weights" not in own:
        raise UsageError(f"{path}:{number} is not told of phones; needed a network that train/hear.py made since it is")
    net = Net(1, own["last.weights"].shape[1])
    layers: list[tuple[str, nn.Module]] = [("first", net.first), ("second", net.second), ("gather", net.gather)]
    layers += [("people", net.people), ("last", net.last)]
    for k, block in enumerate(net.blocks):
        assert isinstance(block, Block)
        layers += [(f"block{k}", block.convolve), (f"mix{k}", block.mix)]
    with torch.no_grad():
        for name, layer in layers:
            assert isinstance(layer, nn.Conv1d | nn.Conv2d)
            assert layer.bias is not None
            layer.weight.copy_(own[f"{name}.weights"])
            layer.bias.copy_(own[f"{name}.bias"])
        for module in net.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                assert module.running_var is not None
                module.running_var.fill_(1.0 - module.eps)
        biases = own["gru.bias"][0].chunk(2)
        gates = {"weight_ih_l0": own["gru.input"][0], "weight_hh_l0": own["gru.state"][0]}
        gates |= {"bias_ih_l0": biases[0], "bias_hh_l0": biases[1]}
        for name, values in net.recurrent.named_parameters():
            update, reset, new = gates[name].chunk(3)
            values.copy_(torch.cat([reset, update, new]))
    return net
