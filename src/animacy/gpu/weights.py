"""A bundle's ONNX network -> the numbers in it, under the names that train/generator.py's Network gives them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError

CHANNELS = 10  # of Conditions
SCALED = 8  # of these, by a gain for each folded pixel
NEEDED = "needed one that `animacy train` wrote"


@dataclass(frozen=True, slots=True)
class Weights:
    """What a network of `train.generator.Network`'s architecture consists of."""

    size: int  # pixels a side
    fold: int  # pixels a side that become channels
    widths: tuple[int, int, int, int]  # channels, from the folded frame down
    state: dict[str, NDArray[np.float32]]  # the keys of Network.state_dict()


def read_weights(data: bytes, source: str = "network") -> Weights:
    """The weights in an .onnx file's contents; `source` is what errors call it.

    Raises AnimacyError for what is no ONNX file or holds another architecture, and where the package `onnx` is missing.
    """
    graph = _model(data, source).graph
    values = _values(graph)
    folds = [a.i for n in graph.node if n.op_type == "SpaceToDepth" for a in n.attribute if a.name == "blocksize"]
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] if graph.input else []
    if len(folds) != 1 or len(shape) != 4 or shape[1] != CHANNELS or shape[2] != shape[3]:
        raise AnimacyError(f"{source} is of another architecture; {NEEDED}, or paint with --generator-backend onnx")
    fold = int(folds[0])
    state = {_torch_name(name): value for name, value in values.items() if name.endswith((".weight", ".bias"))}
    try:
        entry = state["enter.0.weight"]
        # As the export turned them: SpaceToDepth's channels run row, column, channel, PyTorch's channel, row, column.
        order = np.arange(CHANNELS * fold**2).reshape(CHANNELS, fold * fold).T.ravel()
        turned = np.empty_like(entry)
        turned[:, order] = entry
        state["enter.0.weight"] = turned
        a, b, c, d = (int(state[f"{name}.0{rest}.weight"].shape[0]) for name, rest in _LEVELS)
    except (KeyError, IndexError) as error:
        raise AnimacyError(f"{source} lacks the weights {error}; {NEEDED}") from error
    return Weights(int(shape[2]), fold, (a, b, c, d), state)


_LEVELS = (("enter", ""), ("down1", ".0"), ("down2", ".0"), ("down3", ".0"))


def _torch_name(name: str) -> str:
    """ "up1.1.0.0.weight" -> "up1.1.body.0.0.weight": the export leaves out the name of a block's inside.

    Blocks are the third part of `enter` and all but the first (and the last of `leave`) of the others; inside, the first
    convolution is "0.0" and the second "1".
    """
    return re.sub(r"^(\w+\.\d+)\.(0\.0|1)\.(weight|bias)$", r"\1.body.\2.\3", name)


def folded_half(data: bytes, source: str = "network") -> bytes:
    """The same network as ONNX in FP16 from end to end, between folded pixels: what an FP16 engine is built from.

    `folded` float16 [B, 10 F F, S/F, S/F] -> `painted` float16 [B, 4 F F, S/F, S/F], channels running channel, row, column as
    torch.nn.functional.pixel_unshuffle orders them. So the kernels that write and read them do the folding.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = _model(data, source)
    weights = read_weights(data, source)
    graph, fold, side = model.graph, weights.fold, weights.size // weights.fold
    (first,) = (n for n in graph.node if n.op_type == "SpaceToDepth")
    (outmost,) = (n for n in graph.node if n.op_type == "Conv" and n.input[1] == "leave.2.weight")
    values = _values(graph)
    values["enter.0.weight"] = weights.state["enter.0.weight"]
    needed, own = {outmost.output[0]}, {first.output[0], *(n.output[0] for n in graph.node if n.op_type == "Cast")}
    nodes: list[Any] = []
    for n in reversed(graph.node):  # what its last convolution rests on
        if needed.intersection(n.output) and n.output[0] not in own:
            needed.update(n.input)
            n.input[:] = ["folded" if x == first.output[0] else x for x in n.input]
            nodes.insert(0, n)
    inits = [
        numpy_helper.from_array(v.astype(np.float16) if v.dtype == np.float32 and k != "twice" else v, k)
        for k, v in values.items()
        if k in needed
    ]
    added = 4 * fold**2
    for name, number in (("zero", 0), ("added", added), ("both", 2 * added), ("all", added + SCALED), ("axis", 1)):
        inits.append(numpy_helper.from_array(np.array([number], np.int64), name))
    inits.append(numpy_helper.from_array(np.arange(SCALED).repeat(fold**2), "gain_of"))

    def node(kind: str, inputs: list[str], output: str, **how: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **how))
        return output

    def part(x: str, start: str, end: str, output: str) -> str:
        return node("Slice", [x, start, end, "axis"], output)

    last = outmost.output[0]
    gains = node("Gather", [part(last, "added", "all", "gains"), "gain_of"], "each_gain", axis=1)
    scaled = node("Mul", [part("folded", "zero", "both", "drawn"), gains], "scaled")
    x = node("Add", [part("folded", "zero", "added", "shaded"), part(last, "zero", "added", "change")], "changed")
    x = node("Add", [x, part(scaled, "zero", "added", "from_shaded")], "lit")
    node("Add", [x, part(scaled, "added", "both", "from_unlit")], "painted")
    taken, given = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["batch", channels * fold**2, side, side])]
        for name, channels in (("folded", CHANNELS), ("painted", 4))
    )
    made = helper.make_model(
        helper.make_graph(nodes, "generator", taken, given, inits),
        opset_imports=list(model.opset_import),
        producer_name="animacy",
        ir_version=model.ir_version,
    )
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())


def _model(data: bytes, source: str) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise AnimacyError(f"{source} cannot be read without the package onnx: pip install onnx") from error
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own kinds
        raise AnimacyError(f"{source} is no ONNX file ({' '.join(str(error).split())[:100]})") from error


def _values(graph: Any) -> dict[str, NDArray[Any]]:
    """Initialisers by name; those kept as FP16 and widened when loaded, under the name and type they are widened to."""
    from onnx import numpy_helper

    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    for n in graph.node:
        if n.op_type == "Cast" and n.input[0] in values:
            values[n.output[0]] = values.pop(n.input[0]).astype(np.float32)
    return values
