"""The network that hears a mouth: rows of features in, articulators and contacts out, its state carried along."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError
from .features import BANDS

Array = NDArray[np.float32]

OUTPUTS = 9  # six articulators, contact of the lips, of lip and teeth, and speaking: as `move.mouth.articulate` gives them
CONTACTS = slice(6, 8)
SHUT = 0.85  # what it gives for contacts that are whole: where it is unsure, it gives their probability
AHEAD = 10  # hops that an output is behind the rows: 100 ms, with half a window 112.5 ms of sound that has to be there


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
    """One listener's state."""

    def __init__(self) -> None:
        self._session = session()
        self._past = {i.name: np.zeros(i.shape, np.float32) for i in self._session.get_inputs() if i.name != "rows"}

    def run(self, rows: Array) -> Array:
        """[K, OUTPUTS], 0..1, for rows [K, BANDS]: output k is for the instant AHEAD hops before row k."""
        if not len(rows):
            return np.zeros((0, OUTPUTS), np.float32)
        assert rows.shape[1] == BANDS
        mouth, *following = self._session.run(None, {"rows": np.ascontiguousarray(rows.T[None])} | self._past)
        self._past = dict(zip(self._past, following, strict=True))
        found: Array = np.ascontiguousarray(mouth[0].T)
        found[:, CONTACTS] = np.minimum(found[:, CONTACTS] / SHUT, 1.0)
        return found
