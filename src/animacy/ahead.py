"""Running a source in a thread of its own, a bounded number of items ahead of whoever reads it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from .errors import AnimacyError

T = TypeVar("T")


class HaltedError(AnimacyError):
    """What a source was in the middle of was ended by who reads it."""


class _Halt:
    """What a thread is in the middle of, and how that is ended from another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []

    def __call__(self) -> None:
        with self._lock:
            for end in self._ends:
                end()

    @contextmanager
    def heeded(self, end: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            self._ends.append(end)
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)


_working = threading.local()  # .halt: of the thread that works ahead


@contextmanager
def heeding(end: Callable[[], None]) -> Iterator[None]:
    """In the block, `end` is called, by another thread, when the reader of the source that this thread runs halts or leaves it.

    For what takes long and can be ended in its midst; the source then raises HaltedError. In any other thread it means nothing.
    """
    halt: _Halt | None = getattr(_working, "halt", None)
    if halt is None:
        yield
        return
    with halt.heeded(end):
        yield


class Ahead(Iterator[T]):
    """What a source has made. Iterating waits for it, `poll` does not."""

    def __init__(self, items: queue.Queue[tuple[T] | BaseException | None], halt: Callable[[], None]) -> None:
        self._items = items
        self._ended = False
        self.halt = halt
        """Ends what the source is in the middle of, if that heeds it; what it has made is still to be read."""

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        return self._taken(self._items.get())

    def poll(self) -> T | None:
        """The next item if it is there. None where it is not, or where the source has ended."""
        try:
            return None if self._ended else self._taken(self._items.get_nowait())
        except (queue.Empty, StopIteration):
            return None

    def _taken(self, item: tuple[T] | BaseException | None) -> T:
        if isinstance(item, tuple):
            return item[0]
        self._ended = True
        raise StopIteration if item is None else item


@contextmanager
def ahead(source: Generator[T, None, None], bound: int) -> Iterator[Ahead[T]]:
    """Iterate over `source` while a thread works up to `bound` items ahead; when it is full, the thread waits.

    What the source raises is raised to the reader, in its place in the order. Leaving the block stops the thread after the
    item that it is working on, or in its midst where that is `heeding`, closes the source and waits for both.
    """
    items: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(bound)
    leaving = threading.Event()
    halt = _Halt()

    def work() -> None:
        _working.halt = halt
        try:
            for item in source:
                items.put((item,))
                if leaving.is_set():
                    break
            end: BaseException | None = None
        except BaseException as error:
            end = error
        finally:
            source.close()
        if not leaving.is_set():
            items.put(end)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        yield Ahead(items, halt)
    finally:
        leaving.set()
        while thread.is_alive():  # it may be waiting for room, or begin what is still to be ended
            halt()
            try:
                items.get(timeout=0.05)
            except queue.Empty:
                thread.join(0.05)
