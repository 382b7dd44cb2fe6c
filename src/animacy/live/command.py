"""What `animacy serve` does."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import ssl
import sys
import time
from pathlib import Path

from ..avatar import shipped
from ..errors import UsageError
from .host import make_host
from .metrics import Metrics
from .outputs import Places
from .server import Limits, Server, is_loopback, read_keys
from .server import serve as run

_PLAIN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))  # what each record has


class JsonLines(logging.Formatter):
    """A record as one line of JSON, with whatever it was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
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
    if arguments.key_file is None and not is_loopback(arguments.host):
        raise UsageError(f"--host {arguments.host} without --key-file: anybody could call; give one, or a loopback's address")
    keys = None if arguments.key_file is None else read_keys(arguments.key_file)
    tls = _tls(arguments.cert, arguments.private_key)
    places = Places(tuple(arguments.push_to), None if arguments.record is None else Path(arguments.record))
    _log_as_json(arguments.debug)
    log = logging.getLogger("animacy.live")
    metrics = Metrics()
    limits = Limits(
        sessions=arguments.max_sessions,
        sessions_per_key=arguments.max_sessions_per_key,
        requests_per_second=arguments.requests_per_second,
        idle=arguments.idle,
        drain=arguments.drain,
    )
    sys.setswitchinterval(0.001)  # s; the usual 5 ms are an eighth of a frame
    with make_host(
        tuple(arguments.avatar or shipped()),
        size=arguments.size,
        fps=arguments.fps,
        voice=arguments.voice,
        renderer=arguments.renderer,
        generator=arguments.generator,
        stage=log.info,
        observe=metrics.lateness.observe,
    ) as host:
        server = Server(
            host,
            metrics,
            keys=keys,
            limits=limits,
            origins=tuple(arguments.origin),
            ice_servers=tuple(arguments.ice_server),
            places=places,
        )

        def ready(url: str) -> None:
            log.info("ready", extra={"url": url, "frames_reached": round(host.scheduler.reached)})
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()

        asyncio.run(run(server, arguments.host, arguments.port, tls, ready))
    log.info("ended")


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


def _log_as_json(debug: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)
    logging.getLogger("animacy").setLevel(logging.DEBUG if debug else logging.INFO)
