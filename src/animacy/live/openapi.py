"""The interface as OpenAPI 3.1, from the tables that requests are checked by."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .. import __version__
from .requests import Audio, Feel, Interrupt, Open, Output, Say, Wear, schema

METHODS = ("GET", "POST", "DELETE", "OPTIONS")

_TEXT = {"type": "string"}
_ERROR = {"type": "object", "properties": {"error": _TEXT}, "required": ["error"]}
ANSWERS = {
    400: "What was asked for cannot be, and the error tells why",
    401: "No key, or an unknown one",
    403: "Called by another name than a loopback's, without keys",
    404: "No such session, or not this key's",
    409: "Not now: a queue is full, or the session is ending",
    410: "The process that held it has ended: open another session",
    413: "Too much",
    415: "Another content type",
    426: "WebSocket is needed",
    429: "Too many requests or sessions of this key; Retry-After tells when",
    503: "No room; Retry-After tells when",
}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    session = {"$ref": "#/components/schemas/Session"}
    one = [_part("id")]
    common = (401, 403, 429)
    of_session = (*common, 404, 410)
    paths = {
        "/healthz": {"get": _does("Whether the process works", {200: None}, (503,), public=True)},
        "/readyz": {"get": _does("Whether sessions can be opened", {200: None}, (503,), public=True)},
        "/openapi.json": {"get": _does("This document", {200: None}, (), public=True)},
        "/metrics": {"get": _does("Figures for Prometheus", {200: "text/plain"}, common)},
        "/v1": {"get": _does("Avatars, voices, limits", {200: {"type": "object"}}, common)},
        "/v1/sessions": {
            "get": _does("This key's sessions", {200: {"type": "object"}}, common),
            "post": _does("Open a session", {201: session}, (*common, 400, 409, 413, 415, 503), Open),
        },
        "/v1/sessions/{id}": {
            "parameters": one,
            "get": _does("A session and its figures", {200: session}, of_session),
            "delete": _does("Close a session", {204: None}, of_session),
        },
    }
    for name, kind, status in (("say", Say, 202), ("interrupt", Interrupt, 200), ("emotion", Feel, 200), ("avatar", Wear, 200)):
        does = _does(str(kind.__doc__), {status: {"type": "object"}}, (*of_session, 400, 409, 413, 415), kind)
        paths[f"/v1/sessions/{{id}}/{name}"] = {"parameters": one, "post": does}
    paths["/v1/sessions/{id}/events"] = {
        "parameters": one,
        "get": _does("A WebSocket: events out, commands in", {101: None}, (*of_session, 409, 426)),
    }
    audio = _does(str(Audio.__doc__), {101: None}, (*of_session, 400, 426))
    fields = schema(Audio)
    audio["parameters"] = [
        {"name": name, "in": "query", "required": name in fields["required"], "schema": item}
        for name, item in fields["properties"].items()
    ]
    paths["/v1/sessions/{id}/audio"] = {"parameters": one, "get": audio}
    offer = _does("Watch by WebRTC (WHEP)", {201: "application/sdp"}, (*of_session, 400, 409, 413, 415, 503))
    offer["requestBody"] = {"required": True, "content": {"application/sdp": {"schema": _TEXT}}}
    paths["/v1/sessions/{id}/whep"] = {"parameters": one, "post": offer}
    paths["/v1/sessions/{id}/whep/{viewer}"] = {
        "parameters": [*one, _part("viewer")],
        "delete": _does("Watch no more", {200: None}, of_session),
    }
    output = {"$ref": "#/components/schemas/Output"}
    paths["/v1/sessions/{id}/outputs"] = {
        "parameters": one,
        "get": _does("What the session is sent to", {200: {"type": "object"}}, of_session),
        "post": _does(str(Output.__doc__), {201: output}, (*of_session, 400, 409, 413, 415, 503), Output),
    }
    paths["/v1/sessions/{id}/outputs/{output}"] = {
        "parameters": [*one, _part("output")],
        "delete": _does("End an output", {204: None}, of_session),
    }
    paths["/v1/sessions/{id}/outputs/{output}/{name}"] = {
        "parameters": [*one, _part("output"), _part("name")],
        "get": _does("HLS: index.m3u8 and what it names", {200: "application/vnd.apple.mpegurl"}, (403, 404), public=True),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Animacy", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "security": [{"key": []}],
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": _ERROR,
                "Output": {
                    "type": "object",
                    "properties": {
                        "id": _TEXT,
                        "kind": {"type": "string", "enum": ["rtmp", "srt", "file", "hls"]},
                        "to": {"type": "string", "description": "without what may be secret; of hls the playlist's address"},
                        "state": {"type": "string", "enum": ["open", "lost", "failed"], "description": "lost: tried again"},
                        "error": {"type": "string", "description": "why it is not open"},
                    },
                    "required": ["id", "kind", "to", "state"],
                },
                "Session": {
                    "type": "object",
                    "properties": {
                        "id": _TEXT,
                        "avatar": _TEXT,
                        "voice": _TEXT,
                        "markup": _TEXT,
                        "size": {"type": "integer", "description": "pixels a side"},
                        "fps": {"type": "integer"},
                        "epoch": {"type": "integer", "description": "how often it was interrupted"},
                        "viewers": {"type": "integer"},
                        "figures": {"type": "object", "description": "what was measured, times in milliseconds"},
                    },
                    "required": ["id", "avatar", "voice", "markup", "size", "fps", "epoch", "viewers", "figures"],
                },
            },
        },
    }


def _part(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _does(
    summary: str, answers: dict[int, Any], errors: tuple[int, ...], takes: type[Any] | None = None, public: bool = False
) -> dict[str, Any]:
    """An operation. answers: by status a schema, a media type whose content is text, or None for nothing to be told."""
    responses: dict[str, Any] = {}
    for status, answer in answers.items():
        responses[str(status)] = {"description": summary}
        if isinstance(answer, str):
            responses[str(status)]["content"] = {answer: {"schema": _TEXT}}
        elif answer is not None:
            responses[str(status)]["content"] = {"application/json": {"schema": answer}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    responses |= {str(status): {"description": ANSWERS[status], "content": error} for status in sorted(errors)}
    does: dict[str, Any] = {"summary": summary, "responses": responses}
    if takes is not None:
        does["requestBody"] = {"content": {"application/json": {"schema": schema(takes)}}}
    if public:
        does["security"] = []
    return does
