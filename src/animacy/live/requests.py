"""What clients may ask for: one record a request, every field with its limits, checked and described from one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from ..errors import UsageError
from ..read import MARKUPS
from ..types import EMOTIONS
from .pushed import LEAST_RATE, MOST_RATE, Format

LONGEST = 20_000  # characters of a text
MOST_BYTES = 256 * 1024  # of a request's body: LONGEST characters of four bytes, escaped, and some

T = TypeVar("T")


def _named(longest: int, note: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest, "description": note}


_EMOTION = {
    "type": ["object", "null"],
    "properties": {name: {"type": "number", "minimum": 0, "maximum": 1} for name in EMOTIONS},
    "additionalProperties": False,
    "description": "weights with a sum of at most 1, the rest is neutral; null: as is read out of the text",
}


@dataclass(frozen=True, slots=True)
class Open:
    """Open a session."""

    avatar: str = field(default="", metadata=_named(200, "one of /v1's avatars; by default the first") | {"minLength": 0})
    voice: str = field(default="", metadata=_named(64, "one of /v1's voices; by default the first") | {"minLength": 0})
    markup: str = field(default="auto", metadata={"type": "string", "enum": list(MARKUPS), "description": "of its texts"})
    emotion: Mapping[str, float] | None = field(default=None, metadata=_EMOTION)
    seed: int | None = field(
        default=None,
        metadata={"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1, "description": "of blinks and glances"},
    )


@dataclass(frozen=True, slots=True)
class Say:
    """Say a text after what is being said."""

    text: str = field(metadata=_named(LONGEST, "what to say, with the session's markup"))


@dataclass(frozen=True, slots=True)
class Feel:
    """Hold an emotion from now on."""

    weights: Mapping[str, float] | None = field(metadata=_EMOTION)


@dataclass(frozen=True, slots=True)
class Wear:
    """Show another face from now on."""

    avatar: str = field(metadata=_named(200, "one of /v1's avatars"))


@dataclass(frozen=True, slots=True)
class Audio:
    """Say sound from elsewhere: mono PCM in the binary messages of a WebSocket, in pieces of any length."""

    rate: int = field(
        metadata={"type": "integer", "minimum": LEAST_RATE, "maximum": MOST_RATE, "description": "samples a second"}
    )
    format: Format = field(
        default="s16le", metadata={"type": "string", "enum": ["s16le", "f32le"], "description": "little-endian samples"}
    )


@dataclass(frozen=True, slots=True)
class Output:
    """Send what the session gives somewhere else too: one of url, file and hls."""

    url: str = field(default="", metadata=_named(1000, "rtmp:// or srt:// to a host that --push-to names") | {"minLength": 0})
    file: str = field(default="", metadata=_named(100, "NAME.mp4, a new one in --record's folder") | {"minLength": 0})
    hls: bool = field(default=False, metadata={"type": "boolean", "description": "a playlist under the session"})


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop talking at once, and drop what waits to be said."""


def body(data: bytes) -> Any:
    """The JSON value of a request. Raises UsageError for what is none, or holds numbers that JSON has not."""

    def refuse(name: str) -> None:
        raise UsageError(f"the body holds {name}: needed JSON")

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse)
    except RecursionError:
        raise UsageError("the body is nested too deeply to be read") from None
    except ValueError as error:
        raise UsageError(f"the body is not JSON: {error}") from None


def parsed(kind: type[T], value: Any) -> T:
    """`value` as a request of that kind. Raises UsageError that names the field, what was given and what is needed."""
    if not isinstance(value, dict):
        raise UsageError(f"{_shown(value)} given: needed a JSON object")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := [name for name in value if name not in known]:
        raise UsageError(f"field {_shown(unknown[0])} is not known: there are {', '.join(known) or 'none'}")
    for name, f in known.items():
        if name in value:
            _check(name, value[name], f.metadata)
        elif f.default is MISSING:
            raise UsageError(f"field {name!r} is missing")
    return kind(**value)


def schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON schema of a request."""
    return {
        "type": "object",
        "description": kind.__doc__,
        "properties": {
            f.name: dict(f.metadata) | ({} if f.default is MISSING else {"default": f.default}) for f in fields(kind)
        },
        "required": [f.name for f in fields(kind) if f.default is MISSING],
        "additionalProperties": False,
    }


def _check(name: str, value: Any, limits: Mapping[str, Any]) -> None:
    kinds = limits["type"] if isinstance(limits["type"], list) else [limits["type"]]
    if value is None and "null" in kinds:
        return
    if kinds[0] == "string" and isinstance(value, str):
        if "enum" in limits and value not in limits["enum"]:
            raise UsageError(f"{name} is {_shown(value)}: needed one of {', '.join(limits['enum'])}")
        low, high = limits.get("minLength", 0), limits.get("maxLength", LONGEST)
        if not low <= len(value) <= high:
            raise UsageError(f"{name} has {len(value)} characters: needed {low} to {high}")
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise UsageError(f"{name} holds half a surrogate pair: needed Unicode text")
    elif kinds[0] in ("integer", "number") and isinstance(value, int | float) and not isinstance(value, bool):
        whole = isinstance(value, int) or kinds[0] == "number"
        if not whole or not limits["minimum"] <= value <= limits["maximum"]:
            raise UsageError(f"{name} is {_shown(value)}: needed {kinds[0]} {limits['minimum']} to {limits['maximum']}")
    elif kinds[0] == "boolean" and isinstance(value, bool):
        return
    elif kinds[0] == "object" and isinstance(value, dict):
        for key, item in value.items():
            if key not in limits["properties"]:
                raise UsageError(f"{name} holds {_shown(key)}: there are {', '.join(limits['properties'])}")
            _check(f"{name}.{key}", item, limits["properties"][key])
    else:
        raise UsageError(f"{name} is {_shown(value)}: needed {' or '.join(kinds)}")


def _shown(value: Any) -> str:
    text = ascii(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return text if len(text) <= 40 else text[:37] + "..."
