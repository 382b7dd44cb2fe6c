"""Running a source in a thread of its own, a bounded number of items ahead of whoever reads it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def ahead(source: Generator[T, None, None], bound: int) -> Iterator[Iterator[T]]:
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

    def read() -> Iterator[T]:
        while (item := items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        yield read()
    finally:
        leaving.set()
        while thread.is_alive():  # it may be waiting for room
            try:
                items.get(timeout=0.05)
            except queue.Empty:
                thread.join(0.05)
