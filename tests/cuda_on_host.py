"""The CUDA kernels on the host: the very sources, compiled by a C++ compiler behind a shim, as an animacy.gpu.device.Device."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from animacy.gpu.device import MODULES, source

SHIM = Path(__file__).parent / "cuda_on_host.h"
KERNEL = re.compile(r'extern "C" __global__ void(?: __launch_bounds__\([\w, ]+\))?\s+(\w+)\(([^)]*)\)\s*\{')
TYPES = {"int": ctypes.c_int, "i64": ctypes.c_longlong}


def compiler() -> str | None:
    return shutil.which("g++") or shutil.which("clang++")


def compiled(folder: Path, name: str, text: str) -> ctypes.CDLL:
    """A library of CUDA C++ behind the shim."""
    path, library = folder / f"{name}.cpp", folder / f"{name}.so"
    path.write_text(f'#include "{SHIM}"\n{text}\n')
    command = [str(compiler()), "-std=c++17", "-O2", "-march=native", "-ffp-contract=fast", "-Wall",
               "-Wno-unknown-pragmas", "-shared", "-fPIC", str(path), "-o", str(library)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))


def build(folder: Path) -> dict[str, Any]:
    """Compile all modules into `folder`; gives each kernel as a function of ctypes (grid, block, its own parameters)."""
    kernels: dict[str, Any] = {}
    for module, (names, _) in MODULES.items():
        text = source(module)
        found = {m[1]: [p.strip() for p in m[2].split(",")] for m in KERNEL.finditer(text)}
        assert tuple(found) == names  # no kernel is missed
        launchers = [
            f'extern "C" void host_{name}(const int* grid, const int* block, {", ".join(parameters)}) '
            f"{{ launch(grid, block, [&] {{ {name}({', '.join(p.split()[-1].lstrip('*') for p in parameters)}); }}); }}"
            for name, parameters in found.items()
        ]
        loaded = compiled(folder, module, text + "\n" + "\n".join(launchers))
        for name, parameters in found.items():
            kernels[name] = getattr(loaded, f"host_{name}")
            own = [ctypes.c_void_p if "*" in p else TYPES[p.split()[-2]] for p in parameters]
            kernels[name].argtypes = [ctypes.c_void_p, ctypes.c_void_p, *own]
            kernels[name].restype = None
    return kernels


class HostDevice:
    """A Device that computes on the host, in NumPy arrays. `launched` counts the launches of each kernel."""

    info = "host"

    def __init__(self, kernels: dict[str, Any]) -> None:
        self.kernels = kernels
        self.launched: dict[str, int] = {}
        self.made = 0  # arrays
        self.closed = False

    def array(self, value: Any) -> Any:
        self.made += 1
        return np.array(value, order="C")

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        self.made += 1
        return np.zeros(shape, dtype)

    pinned = zeros

    def copy_in(self, to: Any, value: Any, stream: int) -> Any:
        to[: len(value)] = value
        return self

    def wait(self, copied: Any) -> None:
        assert copied is self

    def copy_out(self, value: Any, count: int, stream: int) -> Any:
        return value[:count].copy()

    def launch(self, kernel: str, grid: Any, block: Any, arguments: Any, stream: int) -> None:
        self.launched[kernel] = self.launched.get(kernel, 0) + 1
        function = self.kernels[kernel]
        assert len(arguments) == len(function.argtypes) - 2, kernel
        packed = []
        for value, kind in zip(arguments, function.argtypes[2:], strict=True):
            if kind is ctypes.c_void_p:
                packed.append(value.ctypes.data if isinstance(value, np.ndarray) else value)
            else:  # what goes to the GPU is as wide as the parameter
                assert isinstance(value, np.int32 if kind is ctypes.c_int else np.int64), (kernel, value)
                packed.append(int(value))
        function((ctypes.c_int * 3)(*grid), (ctypes.c_int * 3)(*block), *packed)

    def close(self) -> None:
        self.closed = True
