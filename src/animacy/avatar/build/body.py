"""Skin: head, neck and shoulders of the base mesh, cut at the chest, with the 52 shapes."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
import scipy.sparse.csgraph as csgraph

from ...types import ARKIT
from .part import Floats, Ints, Part
from .source import Source

DM = 0.1  # the wheel's unit in metres


def triangles(quads: Ints) -> Ints:
    """Quads [Q, 4] split along the diagonal; doubled corners give one triangle."""
    t = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return t[(t[:, 0] != t[:, 1]) & (t[:, 1] != t[:, 2]) & (t[:, 0] != t[:, 2])]


def islands(faces: Ints) -> Ints:
    """Connected component of each face, numbered by size, the largest first."""
    n = int(faces.max()) + 1
    pair = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    graph = sparse.coo_matrix((np.ones(len(pair)), (pair[:, 0], pair[:, 1])), (n, n))
    label = csgraph.connected_components(graph, directed=False)[1][faces[:, 0]]
    names, count = np.unique(label, return_counts=True)
    order = names[np.argsort(-count, kind="stable")]
    rank = {int(k): i for i, k in enumerate(order)}
    return np.array([rank[int(k)] for k in label])


def smoothstep(a: float, b: float, x: Floats) -> Floats:
    t = np.clip((x - a) / (b - a), 0, 1)
    return t * t * (3 - 2 * t)
