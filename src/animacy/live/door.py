"""Who may call, how often, and how what went wrong is answered: the same for one process and for the address before several."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from ..errors import AnimacyError, UsageError
from . import openapi
from .keys import key_lines
from .metrics import Metrics
from .scheduler import Busy

RETRY = 5  # s after which one who was refused may try again
POLICY = "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'"

_log = logging.getLogger(__name__)
CALLER = web.RequestKey("caller", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Caller:
    """One key's present use."""

    name: str
    tokens: float
    at: float


class Refused(Exception):
    """An answer other than success, as JSON."""

    def __init__(self, status: int, error: str, retry: float | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.retry = status, error, retry


def read_keys(path: str | Path) -> dict[str, bytes]:
    """Keys by the name of whoever has it: a line `NAME KEY` each, # begins a comment. Keys are kept as their SHA-256.

    Raises UsageError if the file cannot be read, holds no key, or one shorter than 16 characters.
    """
    keys: dict[str, bytes] = {}
    for number, parts in enumerate(key_lines(path), 1):
        if not parts:
            continue
        if len(parts) != 2 or len(parts[1]) < 16 or parts[0] in keys:
            raise UsageError(f"line {number} of --key-file: needed a new NAME and a KEY of 16 characters or more")
        keys[parts[0]] = hashlib.sha256(parts[1].encode()).digest()
    if not keys:
        raise UsageError(f"--key-file {path} holds no key: needed a line NAME KEY")
    return keys


def is_loopback(host: str) -> bool:
    """Whether `host` is a name or address of this machine alone."""
    name = host.strip("[]")
    with suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost"


class Door:
    """Stands before an application's handlers: `around` is its middleware, `known` lets in whom we know.

    keys: by name the SHA-256 of what each caller has to send; None: no keys, on loopback alone. often: requests a second of one
    key, and twice as many in a burst. origins: of web pages elsewhere that may call (CORS).
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        keys: dict[str, bytes] | None,
        often: float,
        origins: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics, self._keys, self._often, self._origins, self._clock = metrics, keys, often, origins, clock
        self._callers: dict[str, Caller] = {}

    @web.middleware
    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        try:
            if request.method == "OPTIONS" and self._allowed(request):
                response: web.StreamResponse = web.Response(status=204)
            else:
                response = await handler(request)
        except Refused as refused:
            response = as_json({"error": refused.error}, refused.status)
            if refused.retry is not None:
                response.headers["Retry-After"] = str(max(1, round(refused.retry)))
            if refused.status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
        except Busy as error:
            self._metrics.refused.inc()
            response = as_json({"error": str(error)}, 503)
            response.headers["Retry-After"] = str(RETRY)
        except UsageError as error:
            response = as_json({"error": str(error)}, 400)
        except AnimacyError as error:  # a queue that is full, a session that has just been closed
            response = as_json({"error": str(error)}, 409)
        except web.HTTPException as error:
            response = as_json({"error": error.reason}, error.status)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except web.RequestPayloadError as error:  # found out only as the body was read: it is not packed as its header tells
            response = as_json({"error": f"the body cannot be read: {' '.join(str(error).split())}"}, 400)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _log.error("%s %s failed: %s", request.method, request.path, error, exc_info=error)
            response = as_json({"error": "the server failed; its log tells why"}, 500)
        if not response.prepared:
            response.headers.update({"X-Content-Type-Options": "nosniff", "Content-Security-Policy": POLICY})
            if self._allowed(request):
                response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE"
                response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
                response.headers["Access-Control-Expose-Headers"] = "Location, Retry-After"
                response.headers["Vary"] = "Origin"
        self._metrics.requests.labels(request.method if request.method in openapi.METHODS else "other", response.status).inc()
        _log.info(
            "request",
            extra={
                "method": request.method,
                "path": request.path,
                "status": response.status,
                "ms": round(1000 * (time.perf_counter() - begun), 1),
                "caller": request.get(CALLER, ""),
            },
        )
        return response

    def _allowed(self, request: web.Request) -> bool:
        return request.headers.get("Origin") in self._origins

    def known(self, handler: Handler) -> Handler:
        """Let `handler` be called only by whom we know, and not too often."""

        async def checked(request: web.Request) -> web.StreamResponse:
            name = self._name_of(request)
            request[CALLER] = name
            now, most = self._clock(), 2 * self._often
            caller = self._callers.setdefault(name, Caller(name, most, now))
            caller.tokens = min(most, caller.tokens + (now - caller.at) * self._often)
            caller.at = now
            if caller.tokens < 1:
                raise Refused(429, "too many requests: retry later", (1 - caller.tokens) / self._often)
            caller.tokens -= 1
            return await handler(request)

        return checked

    def _name_of(self, request: web.Request) -> str:
        if self._keys is None:
            # A page elsewhere could have its own name point here, and call in the name of whoever looks at it.
            if not is_loopback(request.url.host or ""):
                raise Refused(403, "without keys only loopback is served: call it localhost, or give --key-file")
            return "local"
        given = ""
        authorization = request.headers.get("Authorization", "")
        if authorization[:7].lower() == "bearer ":
            given = authorization[7:].strip()
        elif request.headers.get("Upgrade", "").lower() == "websocket":  # where a browser cannot send a header of its own
            offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
            given = next((p.strip().removeprefix("key.") for p in offered if p.strip().startswith("key.")), "")
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        found = [name for name, key in self._keys.items() if hmac.compare_digest(key, digest)]  # all of them, in equal time
        if not found:
            raise Refused(401, "no key, or an unknown one: send Authorization: Bearer KEY")
        return found[0]

    def let_in(self, request: web.Request) -> None:
        """For addresses that nobody can guess and that need no key: where there are no keys, a loopback's name does it."""
        if self._keys is None:
            self._name_of(request)

    def refuse_other_pages(self, request: web.Request) -> None:
        """Refuse a WebSocket of a web page elsewhere: browsers ask nobody before they open one."""
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins and origin.split("://")[-1] != request.host:
            raise Refused(403, f"a page of {origin[:100]} may not call here")


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(value, status=status, headers=headers, dumps=dumped)
