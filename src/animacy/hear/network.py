"""The network that hears a mouth: rows of features and what phones they may be in, articulators and contacts out, its state
carried along."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError
from .features import BANDS
from .people import PHONES, Phones, packaged

Array = NDArray[np.float32]

OUTPUTS = 9  # six articulators, contact of the lips, of lip and teeth, and speaking: as `move.mouth.articulate` gives them
AHEAD = (
    9  # hops that an output is behind its row where two rows are taken at a time: as the second of them comes, 10 for the first
)


@lru_cache(maxsize=1)
def session() -> Any:
    """The network, loaded once a process; it may be run from several threads. Raises AnimacyError if it is missing."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a piece takes less than a millisecond
    options.log_severity_level = 3
    try:
        model = files(__package__).joinpath("network.onnx").read_bytes()
    except FileNotFoundError as error:
        raise AnimacyError("hear/network.onnx is missing; reinstall animacy, or train it as hear/MODEL.md tells") from error
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Network:
    """One listener's state. Output k is for the instant `ahead` hops before row k."""

    def __init__(self) -> None:
        self._session = session()
        about = self._session.get_modelmeta().custom_metadata_map
        self.ahead, self._together = int(about["ahead"]), int(about["together"])  # rows that are taken at a time
        shapes = {i.name: i.shape for i in self._session.get_inputs()}
        self._past = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if name not in ("rows", "phones")}
        self._phones = Phones(packaged())
        self._held = np.zeros((0, BANDS + PHONES), np.float32)

    def run(self, rows: Array) -> Array:
        """[K, OUTPUTS], 0..1, for rows [N, BANDS] and what was left of those before; K is even where rows go in twos."""
        both = np.concatenate([self._held, np.concatenate([rows, self._phones.add(rows)], 1)])
        whole = len(both) // self._together * self._together
        both, self._held = both[:whole], both[whole:]
        if not whole:
            return np.zeros((0, OUTPUTS), np.float32)
        given = {"rows": both[None, :, :BANDS].transpose(0, 2, 1), "phones": both[None, :, BANDS:].transpose(0, 2, 1)}
        mouth, *following = self._session.run(None, {k: np.ascontiguousarray(v) for k, v in given.items()} | self._past)
        self._past = dict(zip(self._past, following, strict=True))
        return np.ascontiguousarray(mouth[0].T)
