"""The few calls of CUDA that the GPU's face stage makes, through cuda.bindings. Who opens it closes it."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import AnimacyError

REMEDY = "see `animacy doctor`"


def cudart() -> Any:
    """The module cuda.bindings.runtime. Raises AnimacyError where it is missing."""
    try:
        return importlib.import_module("cuda.bindings.runtime")
    except ImportError as error:
        raise AnimacyError(f"CUDA's Python bindings are missing ({error}): pip install cuda-bindings") from error


def checked(result: Any, what: str) -> Any:
    """What a call of cuda.bindings gives beside its error. Raises AnimacyError that names the call where there is one."""
    error, *values = result
    if int(error) != 0:
        raise AnimacyError(f"{what} failed: {getattr(error, 'name', error)}; {REMEDY}")
    return values[0] if len(values) == 1 else tuple(values)


class Cuda:
    """A contracts.Runtime on one GPU, its streams and memory freed by `close`.

    device: CUDA's number of the GPU. asleep: the host sleeps while it waits for an event; else it asks again and again, which
    is some microseconds quicker and takes a core. Raises AnimacyError where there is no such GPU or no driver.
    """

    def __init__(self, device: int = 0, *, asleep: bool = False) -> None:
        self._cuda = cuda = cudart()
        count = checked(cuda.cudaGetDeviceCount(), "counting GPUs")
        if not 0 <= device < count:
            raise AnimacyError(f"GPU {device}: this machine has {count}; {REMEDY}")
        checked(cuda.cudaSetDevice(device), f"opening GPU {device}")
        self.number = device
        self._waits = cuda.cudaEventBlockingSync if asleep else cuda.cudaEventDefault
        properties = checked(cuda.cudaGetDeviceProperties(device), "asking what the GPU is")
        name = properties.name
        self.name: str = (name.decode() if isinstance(name, bytes) else str(name)).rstrip("\0")
        self._streams: list[Any] = []
        self._events: list[Any] = []
        self._graphs: list[Any] = []
        self._device: list[int] = []
        self._pinned: list[int] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def stream(self) -> int:
        made = checked(self._cuda.cudaStreamCreateWithFlags(self._cuda.cudaStreamNonBlocking), "making a stream")
        self._streams.append(made)
        return int(made)

    def event(self) -> Any:
        made = checked(self._cuda.cudaEventCreateWithFlags(self._waits), "making an event")
        self._events.append(made)
        return made

    def record(self, event: Any, stream: int) -> None:
        checked(self._cuda.cudaEventRecord(event, stream), "recording an event")

    def wait(self, stream: int, event: Any) -> None:
        checked(self._cuda.cudaStreamWaitEvent(stream, event, 0), "waiting for an event")

    def synchronise(self, event: Any) -> None:
        checked(self._cuda.cudaEventSynchronize(event), "what the GPU was doing")

    def elapsed(self, first: Any, last: Any) -> float:
        return float(checked(self._cuda.cudaEventElapsedTime(first, last), "timing"))

    def settle(self) -> None:
        """Wait for all that the GPU has to do."""
        checked(self._cuda.cudaDeviceSynchronize(), "what the GPU was doing")

    def free(self) -> int:
        """Bytes of device memory that nobody has."""
        return int(checked(self._cuda.cudaMemGetInfo(), "asking for free memory")[0])

    def device(self, count: int) -> int:
        pointer = int(checked(self._cuda.cudaMalloc(count), f"allocating {count} bytes on the GPU"))
        self._device.append(pointer)
        return pointer

    def pinned(self, count: int) -> NDArray[np.uint8]:
        pointer = int(checked(self._cuda.cudaHostAlloc(count, 0), f"page-locking {count} bytes"))
        self._pinned.append(pointer)
        return np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(pointer))

    def download(self, source: int, to: NDArray[np.uint8], stream: int) -> None:
        self._copy(to.ctypes.data, source, to.nbytes, self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost, stream)

    def upload(self, source: NDArray[np.uint8], to: int, stream: int) -> None:
        self._copy(to, source.ctypes.data, source.nbytes, self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice, stream)

    def copy(self, source: int, to: int, count: int, stream: int) -> None:
        self._copy(to, source, count, self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToDevice, stream)

    def _copy(self, to: int, source: int, count: int, kind: Any, stream: int) -> None:
        checked(self._cuda.cudaMemcpyAsync(to, source, count, kind, stream), "copying")

    def capture(self, stream: int, work: Callable[[], Any]) -> Any:
        """What `work` puts on `stream`, kept as a graph instead of done; nothing that waits for the GPU may be among it."""
        cuda = self._cuda
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        checked(cuda.cudaStreamBeginCapture(stream, mode), "beginning a graph")
        try:
            work()
        finally:
            graph = checked(cuda.cudaStreamEndCapture(stream), "ending a graph")
        made = checked(cuda.cudaGraphInstantiate(graph, 0), "making a graph ready")
        self._graphs.append(made)
        checked(cuda.cudaGraphDestroy(graph), "freeing a graph's outline")
        return made

    def replay(self, graph: Any, stream: int) -> None:
        checked(self._cuda.cudaGraphLaunch(graph, stream), "starting a graph")

    def close(self) -> None:
        """Wait for all that is under way, and free everything. Twice is fine. Arrays of `pinned` are gone then."""
        if self._closed:
            return
        self._closed = True
        cuda = self._cuda
        cuda.cudaDeviceSynchronize()
        for free, things in (
            (cuda.cudaGraphExecDestroy, self._graphs),
            (cuda.cudaEventDestroy, self._events),
            (cuda.cudaStreamDestroy, self._streams),
            (cuda.cudaFree, self._device),
            (cuda.cudaFreeHost, self._pinned),
        ):
            for thing in things:
                free(thing)
            things.clear()


class SharedBuffer:
    """An OpenGL buffer that CUDA sees, too: registered once, mapped once a batch.

    glo: OpenGL's name of the buffer. The buffer's context has to be current in the thread, here and in every call.
    """

    def __init__(self, glo: int) -> None:
        self._cuda = cudart()
        self._resource = checked(
            self._cuda.cudaGraphicsGLRegisterBuffer(glo, 0), "registering an OpenGL buffer (is it on the same GPU?)"
        )

    @contextmanager
    def map(self, stream: int) -> Iterator[int]:
        """A device pointer for the block: what OpenGL was told before is done by then, in the order of `stream`; what it is
        told afterwards waits for what the block put on `stream`."""
        checked(self._cuda.cudaGraphicsMapResources(1, self._resource, stream), "mapping an OpenGL buffer")
        try:
            yield int(checked(self._cuda.cudaGraphicsResourceGetMappedPointer(self._resource), "finding a mapped buffer")[0])
        finally:
            checked(self._cuda.cudaGraphicsUnmapResources(1, self._resource, stream), "unmapping an OpenGL buffer")

    def close(self) -> None:
        """Twice is fine."""
        if self._resource is not None:
            self._cuda.cudaGraphicsUnregisterResource(self._resource)
            self._resource = None
