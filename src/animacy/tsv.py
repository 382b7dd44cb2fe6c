"""Tables of sentences that people wrote for a judgement, by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import UsageError

MOST = 10_000_000  # characters of a table


def sentences(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """(where it stands, for an error; its fields, none of them empty) of each row of a TSV file with a line of `columns` above.

    The column `language` holds en or zh. Raises UsageError that names the line which is wrong.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read(MOST + 1)
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if len(text) > MOST:
        raise UsageError(f"{path} has more than {MOST} characters: split it")
    if not rows or rows[0] != list(columns):
        raise UsageError(f"{path}, line 1: needed the columns {' '.join(columns)}, with a tab between")
    if len(rows) == 1:
        raise UsageError(f"{path} holds no sentences: needed at least one")
    for number, row in enumerate(rows[1:], 2):
        where = f"{path}, line {number}"
        if len(row) != len(columns) or not all(field.strip() for field in row):
            raise UsageError(f"{where}: needed {len(columns)} columns, none of them empty")
        if (language := row[columns.index("language")]) not in ("en", "zh"):
            raise UsageError(f"{where}: language {language[:40]!r}: needed en or zh")
        yield where, row
