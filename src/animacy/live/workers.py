"""Processes that hold live sessions: each is started, watched, and started again when it dies or hangs, without harm to others.

A process is told what to do as one line of JSON on standard input, and tells on standard output that it is ready, or why not.
It listens on a socket in a folder of ours, which nobody else may enter, and ends when its standard input does, as it does when
we are killed. Its sessions' names begin with `prefix`: by it a call finds the process that holds the session, and one whose
process is gone is known to be gone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector

from ..errors import AnimacyError, UsageError

FIRST, LONGEST = 0.5, 30.0  # s before a process is started again: doubled each time, unless ...
STEADY = 60.0  # ... the one before lived for so many
BEAT = 2.0  # s between questions whether it works, each to be answered until the next
MISSED = 5  # answers in a row, after which it is taken to hang, and killed
GRACE = 5.0  # s beyond what a process was given to end in, before it is killed
LEAST = 2  # cores of a process: one paints while another encodes
COMMAND = (sys.executable, "-c", "from animacy.live.worker import main; main()")

_log = logging.getLogger(__name__)


class Worker:
    """A place for one process after another. `generation` counts them; what was opened in an older one is gone."""

    def __init__(
        self,
        number: int,
        folder: str,
        asked: Mapping[str, Any],
        environment: Mapping[str, str],
        command: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number, self.generation, self.retired = number, 0, False
        self.hung = 0  # times that it was killed for that
        self.ended = asyncio.Event()  # of the present generation
        self.client: ClientSession | None = None  # to the process, while it can be asked
        self._folder, self._asked, self._environment, self._command = folder, asked, environment, command
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None

    @property
    def prefix(self) -> str:
        """What names of its sessions begin with."""
        return f"{self.number}.{self.generation}."

    async def start(self) -> None:
        """Start a process; returns once sessions can be opened in it. Raises what it tells that went wrong."""
        self.generation += 1
        self.ended = asyncio.Event()
        path = f"{self._folder}/{self.number}.{self.generation}"
        # A session of its own: Ctrl-C is for us to hear, and to hand on as one SIGTERM.
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):  # of one that has ended at once, which the next line tells
            process.stdin.write(
                json.dumps({**self._asked, "socket": path, "prefix": self.prefix, "worker": self.number}).encode() + b"\n"
            )
            await process.stdin.drain()
        line = await process.stdout.readline()
        told = json.loads(line) if line else {"error": f"worker {self.number} ended before it was ready; the log tells why"}
        if "error" in told:
            await process.wait()
            self.ended.set()
            raise (UsageError if told.get("usage") else AnimacyError)(told["error"])
        # A connection a call: one that was kept could be closed by the process while it is used again.
        timeout = ClientTimeout(total=None, sock_connect=5.0)
        self.client = ClientSession(connector=UnixConnector(path, force_close=True), timeout=timeout, auto_decompress=False)
        _log.info("worker ready", extra={"worker": self.number, "pid": process.pid})

    async def keep(self) -> None:
        """Wait until the process ends and start another, again and again, until it is retired."""
        wait = FIRST / 2
        while True:
            begun = self._clock()
            await self._over()
            if self.retired:
                return
            wait = FIRST if self._clock() - begun > STEADY else min(2 * wait, LONGEST)
            assert self._process is not None
            _log.error("a worker ended", extra={"worker": self.number, "code": self._process.returncode, "again_in": wait})
            await asyncio.sleep(wait)
            if self.retired:
                return
            try:
                await self.start()
            except AnimacyError as error:
                _log.error("a worker does not start: %s", error, extra={"worker": self.number})

    async def watch(self) -> None:
        """Ask the process again and again whether it works, and kill it when it does not say so; `keep` does the rest."""
        missed, asked = 0, 0  # asked: which generation
        while True:
            beat = asyncio.create_task(asyncio.sleep(BEAT))
            client, generation = self.client, self.generation
            works = client is None or await _works(client)
            await beat
            missed = 0 if works or generation != asked else missed + 1
            asked = generation
            if missed >= MISSED and self.generation == generation and self._process is not None and not self.retired:
                self.hung, missed = self.hung + 1, 0
                _log.error("a worker hangs, and is killed", extra={"worker": self.number, "pid": self._process.pid})
                with suppress(ProcessLookupError):
                    self._process.kill()

    def retire(self) -> None:
        """Ask the process to end by SIGTERM, and start no other."""
        self.retired = True
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    async def end(self) -> None:
        """Retire it; killed if it has not ended after GRACE."""
        self.retire()
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._process.wait(), GRACE)
        except TimeoutError:
            self._process.kill()
        await self._over()

    async def _over(self) -> None:
        assert self._process is not None
        await self._process.wait()
        client, self.client = self.client, None
        self.ended.set()
        if client is not None:
            await client.close()


async def _works(client: ClientSession) -> bool:
    # By how often it was asked, and not by a clock: we could have stood still ourselves.
    try:
        async with client.get("http://worker/healthz", timeout=ClientTimeout(total=BEAT)) as answer:
            return answer.status == 200
    except (ClientError, OSError, TimeoutError, RuntimeError):  # RuntimeError: it was closed meanwhile
        return False


def share(number: int, count: int) -> set[int]:
    """The cores that process `number` of `count` keeps to: an even share of ours, or all where that were less than LEAST.

    So no process's encoders take the cores on which another paints, and each knows how many may encode at once.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < LEAST * count:
        return set(cores)
    return set(cores[number * len(cores) // count : (number + 1) * len(cores) // count])


@asynccontextmanager
async def working(
    count: int, folder: str, asked: Mapping[str, Any], environment: Mapping[str, str], command: Sequence[str] = COMMAND
) -> AsyncIterator[list[Worker]]:
    """`count` workers, ready, and kept for the block. Raises what the first tells that cannot start.

    One starts alone, and then the others at once: they find in the caches what it has compiled for the GPU.
    """
    workers = [Worker(n, folder, asked, environment, command) for n in range(count)]
    tasks: list[asyncio.Task[None]] = []
    try:
        for together in (workers[:1], workers[1:]):
            tasks = [asyncio.create_task(worker.start()) for worker in together]
            await asyncio.gather(*tasks)
        tasks = [asyncio.create_task(work) for worker in workers for work in (worker.keep(), worker.watch())]
        yield workers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in workers))
