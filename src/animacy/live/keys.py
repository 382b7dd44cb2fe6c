"""The file that holds keys, as the server and its clients read it."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError

MOST_BYTES = 1 << 20  # of a file of keys: some ten thousand


def key_lines(path: str | Path) -> list[list[str]]:
    """The words of each line, none of an empty one; # begins a comment. Raises UsageError if the file cannot be read."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"--key-file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--key-file {path} is not UTF-8 (byte {error.start}): needed lines of text") from error
    if len(data) > MOST_BYTES:
        raise UsageError(f"--key-file {path} has more than {MOST_BYTES} bytes: needed a line for each key, and no more")
    return [line.split("#")[0].split() for line in text.splitlines()]
