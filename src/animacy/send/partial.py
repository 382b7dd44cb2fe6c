"""A file appears under its name only when it is whole."""

from __future__ import annotations

import secrets
from pathlib import Path

from ..errors import AnimacyError, UsageError


class PartialFile:
    """A neighbour of `path` to write into. `keep()` gives it its name; `discard()`, or never keeping it, leaves nothing.

    Made at once, so that a folder that cannot be written to is known before any work is done.
    Raises UsageError if the folder does not exist or cannot be written to, or if `path` is there and is no regular file: a
    name is given by renaming, which would put a file in the place of a device or a pipe.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # A name has at most 255 bytes on most file systems, and a character up to four.
        self.partial = path.parent / f".{path.name[:40]}.{secrets.token_hex(4)}.partial"
        try:
            if path.is_dir():
                raise UsageError(f"{path} is a folder; give the name of a file in it")
            if path.exists() and not path.is_file():
                raise UsageError(f"{path} is a device or a pipe; give the name of a file")
            self.partial.touch(exist_ok=False)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UsageError(f"{path} cannot be written: {reason}; choose a folder that exists and is yours") from error

    def keep(self) -> None:
        try:
            self.partial.replace(self.path)
        except OSError as error:
            self.discard()
            raise AnimacyError(f"{self.path} cannot be written: {error.strerror}") from error

    def discard(self) -> None:
        self.partial.unlink(missing_ok=True)
