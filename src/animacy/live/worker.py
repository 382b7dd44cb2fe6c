"""One of several processes behind one address: `workers` starts it, `front` calls it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from ..errors import AnimacyError, UsageError
from .command import host_of, log_as_json, server_of
from .host import Host
from .metrics import Metrics
from .server import serve
from .workers import share


def main(make: Callable[[argparse.Namespace, Metrics], Host] = host_of) -> None:
    """Do what standard input asks for, until it ends or SIGTERM comes. make: the host, for tests."""
    arguments = argparse.Namespace(**json.loads(sys.stdin.readline()))
    os.sched_setaffinity(0, share(arguments.worker, arguments.workers))  # of each thread from here on
    log_as_json(arguments.debug, worker=arguments.worker)
    if not arguments.debug:  # the address in front tells each request
        logging.getLogger("animacy.live.door").setLevel(logging.WARNING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    metrics = Metrics()
    waiting = True

    def ready(url: str) -> None:
        nonlocal waiting
        waiting = False
        _tell({"ready": url})
        os.dup2(2, 1)  # nobody reads on: what a library prints goes into the log

    try:
        with make(arguments, metrics) as host:
            server = server_of(host, metrics, arguments, prefix=arguments.prefix)
            asyncio.run(serve(server, arguments.socket, 0, ready=ready))
    except AnimacyError as error:
        if waiting:
            _tell({"error": str(error), "usage": isinstance(error, UsageError)})
        else:
            logging.getLogger("animacy.live").critical("%s", error)
        sys.exit(error.exit_code)


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    # By the number, and not by sys.stdin: its lock would be held still when the interpreter ends.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
