"""Telling the person at the terminal how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from .engine import Progress as Performed


class Bar:
    """A bar with the stage's name on a terminal, a plain line every few seconds elsewhere, nothing when `quiet`.

    total: characters of the text, or milliseconds of sound. clock: seconds, monotonic.
    """

    def __init__(
        self, total: int, out: TextIO, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic, every: float = 5.0
    ) -> None:
        self._total, self._out, self._quiet, self._clock, self._every = max(1, total), out, quiet, clock, every
        self._began = self._told = clock()
        self._bar: tqdm[None] | None = None
        if not quiet and out.isatty():
            layout = "{desc:<22} {percentage:3.0f}% |{bar}| {postfix}"
            self._bar = tqdm(total=self._total, file=out, leave=False, dynamic_ncols=True, bar_format=layout)

    def stage(self, name: str) -> None:
        """Say what is being done now. Speed is told from here on: loading is no performing."""
        self._began = self._clock()
        if self._bar is not None:
            self._bar.set_description_str(name)
        elif not self._quiet:
            self._line(name)

    def performed(self, progress: Performed) -> None:
        """Say how much was performed: the `report` of `engine.perform`."""
        speed = progress.seconds / max(1e-6, self._clock() - self._began)
        state = f"{progress.seconds:.1f} s, {progress.frames} frames, {speed:.2f}x real time"
        if self._bar is not None:
            self._bar.n = min(progress.position, self._total)
            self._bar.set_postfix_str(state)
        elif not self._quiet and self._clock() - self._told >= self._every:
            self._line(f"{100 * progress.position // self._total}%: {state}")

    def _line(self, text: str) -> None:
        self._told = self._clock()
        self._out.write(text + "\n")
        self._out.flush()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
