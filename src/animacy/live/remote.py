"""A session's packets to another server, by a process of its own; again, where that server is gone for a while."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Literal

from . import mux

CLOSING = 5.0  # s that an output has to send what waits
FIRST, LONGEST = 1.0, 30.0  # s before a push that was lost is tried again: doubled each time, unless ...
STEADY = 60.0  # ... it lasted for so many
ATTEMPTS = 20  # in a row: about eight minutes

Happened = Literal["output_failed", "output_lost", "output_back"]
Tell = Callable[[Happened, str], None]


class Push:
    """To another server, by a process of its own: `mux` tells why."""

    def __init__(self, url: str, form: str, size: int, fps: int) -> None:
        # -P: or the modules beside mux.py would hide those of the standard library. The address goes by the pipe: it has a key.
        self._process = subprocess.Popen(
            [sys.executable, "-P", mux.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pipesize=4096,  # what waits, waits in the queue, which is counted
            start_new_session=True,  # Ctrl-C is the server's, which ends this one
        )
        self._let_in = self._ended = False
        self._give(json.dumps({"url": url, "form": form, "size": size, "fps": fps}).encode() + b"\n")

    @property
    def let_in(self) -> bool:
        """Whether the other side has answered, and takes it."""
        out = self._process.stdout
        if not self._let_in and out is not None and not out.closed:
            self._let_in = bool(select.select([out], [], [], 0)[0]) and bool(os.read(out.fileno(), 16))
        return self._let_in

    def put(self, piece: mux.Piece) -> None:
        self._give(mux.record(piece))

    def close(self) -> None:
        if self._ended:
            return
        self._ended, self._let_in = True, self.let_in
        process = self._process
        try:
            _, told = process.communicate(timeout=CLOSING)
        except subprocess.TimeoutExpired:
            process.kill()
            _, told = process.communicate()
        if process.returncode:
            lines = told.decode(errors="replace").strip().splitlines()
            why = lines[-1] if lines and process.returncode == 1 else "the other side does not answer"
            raise OSError(None, why)

    def abort(self) -> None:
        self._process.kill()

    def _give(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:  # it has ended, and tells why
            self.close()
            raise OSError(None, "the other side ended it") from None


class Lasting:
    """A Sink that pushes, and pushes again when that fails, each time as a new stream that begins with a key frame.

    What comes meanwhile is dropped. An address that never let us in is no server that is gone: there `put` raises at once what
    failed, as it does after ATTEMPTS in a row. make: a push, or OSError. key_frame: asks for one. tell: "output_lost" and why
    once it is lost, "output_back" once it is let in again, in the output's thread.
    """

    def __init__(
        self,
        make: Callable[[], Push],
        to: str,
        key_frame: Callable[[], None],
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost = ""  # why nothing is sent now
        self._make, self._to, self._key_frame, self._tell, self._clock = make, to, key_frame, tell, clock
        self._push: Push | None = make()
        self._since = clock()  # when it was made, or is to be
        self._attempts, self._let_in, self._why = 0, False, ""

    def put(self, piece: mux.Piece) -> None:
        try:
            if self._push is None:
                if self._clock() < self._since:
                    return
                self._push, self._since, self._why = self._make(), self._clock(), ""
                self._key_frame()
            self._push.put(piece)
        except OSError as error:
            self._failed(self._why or str(error.strerror))
            return
        if (self.lost or not self._let_in) and self._push.let_in:
            self._let_in = True
            if self.lost:
                self.lost = ""
                self._tell("output_back", f"{self._to} is back")

    def close(self) -> None:
        if self._push is None:
            return
        try:
            if self.lost:
                self.abort()
            self._push.close()
        except OSError:
            if not self.lost:
                raise

    def abort(self) -> None:
        if (push := self._push) is not None:
            push.abort()

    def give_up(self, why: str) -> bool:
        """Let a `put` that waits for the other side fail with `why`; whether it will be tried again. In any thread."""
        if self._let_in:
            self._why = why
            self.abort()
        return self._let_in

    def _failed(self, why: str) -> None:
        push, self._push = self._push, None
        self._let_in = self._let_in or (push is not None and push.let_in)
        self._attempts = 1 if push is not None and self._clock() - self._since > STEADY else self._attempts + 1
        if not self._let_in or self._attempts > ATTEMPTS:
            raise OSError(None, why)
        self._since = self._clock() + min(FIRST * 2 ** (self._attempts - 1), LONGEST)
        if not self.lost:
            self._tell("output_lost", f"{self._to} was lost: {why}; it is tried again")
        self.lost = f"{self._to} was lost: {why}"
