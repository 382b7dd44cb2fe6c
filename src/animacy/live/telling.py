"""What `animacy live say` does."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from dataclasses import asdict

from ..errors import AnimacyError, UsageError
from .client import Client, LiveSession, Told
from .keys import key_lines

ATTEMPTS = 3  # to say a text whose process dies meanwhile


def say(arguments: argparse.Namespace, text: str) -> None:
    """Say `text`, and print what is heard. Raises UsageError for what cannot be asked for, AnimacyError for what failed."""
    if not text.strip():
        raise UsageError("nothing to say in an empty text: give words")
    if arguments.session is None and arguments.wait:
        raise UsageError("--wait without --session: a session of its own is waited for anyway")
    for name in ("avatar", "voice", "markup"):
        if arguments.session is not None and getattr(arguments, name) is not None:
            raise UsageError(f"--{name} and --session given: it is chosen when a session is opened")
    asyncio.run(_say(arguments, text, _key(arguments)))


async def _say(arguments: argparse.Namespace, text: str, key: str | None) -> None:
    async with Client(arguments.url, key, verify=not arguments.insecure) as client:
        if arguments.session is not None:
            session = await client.join(arguments.session)
        else:
            session = await client.open(
                avatar=arguments.avatar or "", voice=arguments.voice or "", markup=arguments.markup or "auto"
            )
        async with session:
            number = await session.say(text)
            _print({"session": session.id, "say": number}, f"session {session.id}, text {number}", arguments.json)
            if arguments.session is None or arguments.wait:
                await _heard(session, number, text, arguments.json)


async def _heard(session: LiveSession, number: int, text: str, as_json: bool) -> None:
    """Print events until the text was heard to its end. Raises AnimacyError if that does not come."""
    attempts = 1
    async for told in session.events():
        if told.kind == "lost":
            _print(_value(told), "lost: the session's process ended; another session says it again", as_json)
            if attempts == ATTEMPTS:
                raise AnimacyError(f"the session's process ended {attempts} times: the server's log tells why")
            attempts, number = attempts + 1, await session.say(text)
            continue
        if told.say not in (0, number):  # of another who talks in this session
            continue
        _print(_value(told), f"{told.time:8.2f} s  {told.kind:<9} {told.text.strip()}".rstrip(), as_json)
        if told.kind == "finished":
            return
        if told.kind == "interrupted":
            raise AnimacyError("the text was interrupted, and is not heard to its end")
        if told.kind == "failed":
            raise AnimacyError(f"the text could not be said: {told.text}")
    raise AnimacyError("the session was closed before the text was heard")


def _value(told: Told) -> dict[str, object]:
    return {name: value for name, value in asdict(told).items() if value not in ("", {})}


def _print(value: dict[str, object], line: str, as_json: bool) -> None:
    print(json.dumps(value, ensure_ascii=True) if as_json else " ".join(line.splitlines()), flush=True)


def _key(arguments: argparse.Namespace) -> str | None:
    """The key out of --key, --key-file, or the environment's ANIMACY_KEY, in which no list of processes shows it."""
    if arguments.key is not None and arguments.key_file is not None:
        raise UsageError("--key and --key-file given: give one of them")
    if arguments.key is not None:
        return str(arguments.key)
    if arguments.key_file is None:
        return os.environ.get("ANIMACY_KEY")
    for parts in filter(None, key_lines(arguments.key_file)):
        return parts[-1]
    raise UsageError(f"--key-file {arguments.key_file} holds no key: needed a line KEY or NAME KEY")
