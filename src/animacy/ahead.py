"""Running a source in a thread of its own, a bounded number of items ahead of whoever reads it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Ahead(Iterator[T]):
    """What a source has made. Iterating waits for it, `poll` does not."""

    def __init__(self, items: queue.Queue[tuple[T] | BaseException | None]) -> None:
        self._items = items
        self._ended = False

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
    item that it is working on, closes the source and waits for both.
    """
    items: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(bound)
    leaving = threading.Event()

    def work() -> None:
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
        yield Ahead(items)
    finally:
        leaving.set()
        while thread.is_alive():  # it may be waiting for room
            try:
                items.get(timeout=0.05)
            except queue.Empty:
                thread.join(0.05)
