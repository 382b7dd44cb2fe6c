"""What `animacy serve` does."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..avatar import shipped
from ..errors import AnimacyError, UsageError
from .door import is_loopback, read_keys
from .front import Front
from .host import Host, keep_loaded, make_host
from .metrics import Metrics
from .outputs import Places
from .server import Limits, Server
from .server import serve as run
from .workers import COMMAND, working

MOST_WORKERS = 48  # that MPS lets share a GPU
_PLAIN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))  # what each record has


class JsonLines(logging.Formatter):
    """A record as one line of JSON, with whatever it was given as `extra`, and with `always`."""

    def __init__(self, always: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._always = dict(always or {})

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._always,
            **{name: value for name, value in vars(record).items() if name not in _PLAIN},
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def serve(arguments: argparse.Namespace) -> None:
    """Serve until a signal. Raises UsageError for what cannot be asked for."""
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"--port {arguments.port}: needed 0 to 65535")
    for name in ("max_sessions", "max_sessions_per_key", "requests_per_second", "idle", "drain"):
        if not (1 if name.startswith("max") else 0) <= getattr(arguments, name) < float("inf"):
            raise UsageError(f"--{name.replace('_', '-')} {getattr(arguments, name)}: needed a number that is not negative")
    if arguments.requests_per_second <= 0:
        raise UsageError("--requests-per-second 0: needed more")
    if not 1 <= arguments.workers <= MOST_WORKERS:
        raise UsageError(f"--workers {arguments.workers}: needed 1 to {MOST_WORKERS}")
    if arguments.mps and arguments.workers == 1:
        raise UsageError("--mps with one process: needed --workers 2 or more, which then share the GPU")
    if arguments.key_file is None and not is_loopback(arguments.host):
        raise UsageError(f"--host {arguments.host} without --key-file: anybody could call; give one, or a loopback's address")
    for url in arguments.ice_server:
        if not re.fullmatch(r"(stun|turn)s?:[^\s?:]+(:\d+)?(\?transport=\w+)?", url):
            raise UsageError(f"--ice-server {url}: needed stun:HOST[:PORT] or turn:HOST[:PORT]")
    keys = _keys(arguments)
    _places(arguments)  # refused here, before anything is loaded
    tls = _tls(arguments.cert, arguments.private_key)
    log_as_json(arguments.debug)
    log = logging.getLogger("animacy.live")
    arguments.cores = max(1, len(os.sched_getaffinity(0)) // arguments.workers)  # of one process

    def ready(url: str, **more: object) -> None:
        log.info("ready", extra={"url": url, **more})
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    if arguments.workers > 1:
        with ExitStack() as stack:
            shared = stack.enter_context(_mps()) if arguments.mps else {}
            environment = {"OMP_NUM_THREADS": str(arguments.cores), **os.environ, **shared}
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="animacy-"))
            asyncio.run(_several(arguments, folder, environment, keys, tls, ready))
    else:
        metrics = Metrics()
        with host_of(arguments, metrics) as host:
            server = server_of(host, metrics, arguments)
            reached = round(host.scheduler.reached)
            asyncio.run(
                run(server, arguments.host, arguments.port, tls, lambda url: ready(url, frames_reached=reached)),
            )
    log.info("ended")


async def _several(
    arguments: argparse.Namespace,
    folder: str,
    environment: Mapping[str, str],
    keys: dict[str, bytes] | None,
    tls: ssl.SSLContext | None,
    ready: Callable[[str], None],
) -> None:
    asked = {name: value for name, value in vars(arguments).items() if name != "run"}  # all but a function
    async with working(arguments.workers, folder, asked, environment, COMMAND) as workers:
        front = Front(workers, keys=keys, limits=_limits(arguments), origins=tuple(arguments.origin))
        await run(front, arguments.host, arguments.port, tls, ready)


def host_of(arguments: argparse.Namespace, metrics: Metrics) -> Host:
    """The host that the arguments of `animacy serve` ask for. Raises UsageError for what cannot be asked for."""
    sys.setswitchinterval(0.001)  # s; the usual 5 ms are an eighth of a frame
    host = make_host(
        tuple(arguments.avatar or shipped()),
        size=arguments.size,
        fps=arguments.fps,
        voice=arguments.voice,
        rasteriser=arguments.rasteriser,
        generator=arguments.generator,
        backend=arguments.generator_backend,
        cores=arguments.cores,
        prepared=arguments.prepare,
        stage=logging.getLogger("animacy.live").info,
        observe=metrics.lateness.observe,
        beat=getattr(arguments, "worker", 0) / arguments.workers / arguments.fps,  # one process after the other
    )
    keep_loaded()
    return host


def server_of(host: Host, metrics: Metrics, arguments: argparse.Namespace, prefix: str = "") -> Server:
    """The server around `host` that the arguments of `animacy serve` ask for. prefix: as `Server` takes it."""
    return Server(
        host,
        metrics,
        keys=_keys(arguments),
        limits=_limits(arguments),
        origins=tuple(arguments.origin),
        ice_servers=tuple(arguments.ice_server),
        places=_places(arguments),
        prefix=prefix,
    )


def _places(arguments: argparse.Namespace) -> Places:
    return Places(tuple(arguments.push_to), None if arguments.record is None else Path(arguments.record))


def _keys(arguments: argparse.Namespace) -> dict[str, bytes] | None:
    return None if arguments.key_file is None else read_keys(arguments.key_file)


def _limits(arguments: argparse.Namespace) -> Limits:
    return Limits(
        sessions=arguments.max_sessions,
        sessions_per_key=arguments.max_sessions_per_key,
        requests_per_second=arguments.requests_per_second,
        idle=arguments.idle,
        drain=arguments.drain,
    )


@contextmanager
def _mps() -> Iterator[dict[str, str]]:
    """The environment of processes that share the GPU by MPS. Raises AnimacyError where there is no GPU or no MPS."""
    from ..bench import mps
    from ..gpu.runtime import Cuda

    try:
        Cuda().close()
    except AnimacyError as error:
        raise AnimacyError(f"no GPU to share ({error}); leave --mps out") from error
    with mps() as environment:
        yield environment


def _tls(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    if (cert is None) != (key is None):
        raise UsageError("--cert and --private-key belong together: give both or neither")
    if cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--cert {cert}, --private-key {key}: {error}") from error
    return context


def log_as_json(debug: bool, **always: object) -> None:
    """Log to standard error, a JSON object a line; `always` is in each."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(always))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)
    logging.getLogger("animacy").setLevel(logging.DEBUG if debug else logging.INFO)
