"""Memory and launches on an NVIDIA GPU, by CuPy: the one file that knows it. Tests put the host in its place."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import AnimacyError

HERE = Path(__file__).parent
REMEDY = "pip install 'animacy[gpu]', or give --rasteriser cpu; see `animacy doctor`"

# What is compiled together: each file after common.cu. The pictures' divisions may be off by two of the last bit, which costs a
# fraction of a byte's step; where triangles lie is worked out exactly.
MODULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "geometry": (("deform", "project", "setup"), ()),
    "picture": (("visibility", "shade"), ("--prec-div=false", "--prec-sqrt=false")),
    "convert": (("tensor", "paint", "video"), ()),
}
Pointer = Any
"""Device memory as an argument: an address, an array with `__cuda_array_interface__` (CuPy, PyTorch), or None for nothing."""


def source(module: str) -> str:
    """The CUDA C++ of a module of MODULES."""
    return (HERE / "common.cu").read_text() + (HERE / f"{module}.cu").read_text()


class Device(Protocol):
    """Where kernels run. Streams are handles as CUDA has them, 0 for the default one."""

    info: str  # who computes, for logs

    def array(self, value: NDArray[Any]) -> Pointer:
        """A copy of `value` there."""

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Pointer: ...

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Memory of the host from which `copy_in` does not wait."""

    def copy_in(self, to: Pointer, value: NDArray[Any], stream: int) -> Any:
        """Copy pinned `value` to the beginning of `to`, in order with `stream`; gives what `wait` takes."""

    def wait(self, copied: Any) -> None:
        """Until that copy is done."""

    def copy_out(self, value: Pointer, count: int, stream: int) -> NDArray[Any]:
        """The first `count` rows of an array that this device made, after all that `stream` has to do."""

    def launch(
        self, kernel: str, grid: tuple[int, int, int], block: tuple[int, int, int], arguments: tuple[Any, ...], stream: int
    ) -> None:
        """Arguments: NumPy scalars of the parameters' types, and pointers."""

    def close(self) -> None:
        """Free all memory made here. Twice is fine."""


def address(pointer: Pointer) -> int:
    """Of a `Pointer`."""
    if pointer is None or isinstance(pointer, int):
        return pointer or 0
    return int(pointer.__cuda_array_interface__["data"][0])


class CupyDevice:
    """GPU number `index`. Kernels are compiled when this is made and kept by CuPy on disk (CUPY_CACHE_DIR).

    Raises AnimacyError, with the remedy, where CuPy, a driver or a GPU is missing, or a kernel does not compile.
    """

    def __init__(self, index: int = 0) -> None:
        try:
            self._cupy: Any = importlib.import_module("cupy")
        except ImportError as error:
            raise AnimacyError(f"CUDA needs CuPy, which cannot be imported ({_line(error)}); {REMEDY}") from error
        cuda = self._cupy.cuda
        try:
            self._device = cuda.Device(index)
            self.info = f"CUDA, {cuda.runtime.getDeviceProperties(index)['name'].decode()}"
            with self._device:
                self._kernels: dict[str, Any] = {}
                for module, (names, options) in MODULES.items():
                    raw = self._cupy.RawModule(code=source(module), options=("--std=c++17", *options), backend="nvrtc")
                    self._kernels |= {name: raw.get_function(name) for name in names}
                self._pool, self._pinned = cuda.MemoryPool(), cuda.PinnedMemoryPool()
        except Exception as error:  # CuPy's kinds share no base class but this one
            raise AnimacyError(f"CUDA does not work on GPU {index} ({_line(error)}); {REMEDY}") from error

    def array(self, value: NDArray[Any]) -> Pointer:
        with self._device, self._cupy.cuda.using_allocator(self._pool.malloc):
            made = self._cupy.asarray(value)
            self._device.synchronize()  # a stream of the caller's might not wait for it
        return made

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Pointer:
        with self._device, self._cupy.cuda.using_allocator(self._pool.malloc):
            made = self._cupy.zeros(shape, dtype)
            self._device.synchronize()
        return made

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        count = int(np.prod(shape))
        with self._device:
            memory = self._pinned.malloc(count * np.dtype(dtype).itemsize)
        return np.frombuffer(memory, dtype, count).reshape(shape)

    def copy_in(self, to: Pointer, value: NDArray[Any], stream: int) -> Any:
        runtime = self._cupy.cuda.runtime
        with self._device:
            copied = self._cupy.cuda.Event(disable_timing=True)
            runtime.memcpyAsync(address(to), value.ctypes.data, value.nbytes, runtime.memcpyHostToDevice, stream)
            copied.record(self._stream(stream))
        return copied

    def wait(self, copied: Any) -> None:
        copied.synchronize()

    def copy_out(self, value: Pointer, count: int, stream: int) -> NDArray[Any]:
        with self._device, self._stream(stream):
            host: NDArray[Any] = value[:count].get()
        return host

    def launch(
        self, kernel: str, grid: tuple[int, int, int], block: tuple[int, int, int], arguments: tuple[Any, ...], stream: int
    ) -> None:
        # Addresses go as 64-bit numbers: CuPy hands scalars of NumPy to a kernel as they are.
        packed = tuple(a if isinstance(a, np.generic) else np.uint64(address(a)) for a in arguments)
        with self._device, self._stream(stream):
            self._kernels[kernel](grid, block, packed)

    def _stream(self, handle: int) -> Any:
        cuda = self._cupy.cuda
        if not handle:
            return cuda.Stream.null
        if hasattr(cuda.Stream, "from_external"):  # since CuPy 14
            return cuda.Stream.from_external(_Handle(handle))
        return cuda.ExternalStream(handle)

    def close(self) -> None:
        self._kernels.clear()
        with self._device:
            self._pool.free_all_blocks()  # what nobody holds any more
            self._pinned.free_all_blocks()


class _Handle:
    """A stream by CUDA's protocol of Python: version 0, and the handle."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.handle


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
