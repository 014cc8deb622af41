"""In which line of a TOML file something stands, which `tomllib` does not tell.

Owns that. Reads no meaning: which keys there may be, and what they say, is `reading`'s. The text
must be TOML that `tomllib` has accepted; then strings, comments and brackets are all that one has
to see in order to find where each statement begins.

A place is a path of keys, and of numbers in arrays of tables: `("fault", 1, "kind")`. What stands
within a value (an inline table, an array) is found at the line of the statement that it is part of.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Place", "error_line", "lines_of"]

Place = tuple[str | int, ...]

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # a string of several lines may end in quotes of its own
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[][{}\n]",
    re.DOTALL,
)
_TABLE = re.compile(r"\[(?P<several>\[)?(?P<name>[^\n]*?)\]\]?[ \t]*(?:#[^\n]*)?", re.DOTALL)
_KEY = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^"'=])+(?==)""")
_AT_LINE = re.compile(r"\(at line (\d+)")


def lines_of(text: str) -> Mapping[Place, int]:
    """The line of every table and key of a TOML text, counted from 1. The file itself is at 1."""
    found: dict[Place, int] = {(): 1}
    counts: dict[Place, int] = {}
    table: Place = ()
    for line, statement in _statements(text):
        header = _TABLE.fullmatch(statement)
        if header is not None:
            table = _placed(_keys(header["name"]), counts)
            if header["several"]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            _note(found, (), table, line)
            continue
        key = _KEY.match(statement)
        if key is not None:
            _note(found, table, _keys(key[0]), line)
    return found


def error_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    """In which line `tomllib` stumbled; the last one if it says no number (it missed the end)."""
    told = _AT_LINE.search(str(error))
    return int(told[1]) if told else max(1, len(text.splitlines()))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the line that it begins in; comments and empty lines are none."""
    start = depth = 0
    line = first = 1
    for piece in _PIECE.finditer(text):
        sign = piece[0]
        line += sign.count("\n")
        if sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign == "\n" and depth == 0:
            yield from _meant(first, text[start : piece.start()])
            start, first = piece.end(), line
    yield from _meant(first, text[start:])


def _meant(line: int, text: str) -> Iterator[tuple[int, str]]:
    statement = text.strip()
    if statement and not statement.startswith("#"):
        yield line, statement


def _keys(written: str) -> tuple[str, ...]:
    """The keys of `a."b c".d`, as `tomllib` reads them."""
    found: list[str] = []
    inner: Any = tomllib.loads(f"{written} = 0")
    while isinstance(inner, dict):
        [(key, inner)] = inner.items()
        found.append(key)
    return tuple(found)


def _placed(keys: tuple[str, ...], counts: Mapping[Place, int]) -> Place:
    """A table below an array of tables is one of its last table."""
    place: Place = ()
    for key in keys:
        place = (*place, key)
        if place in counts and len(place) < len(keys):
            place = (*place, counts[place])
    return place


def _note(found: dict[Place, int], above: Place, keys: Place, line: int) -> None:
    """What is named for the first time stands here, and so does whatever it is the first of."""
    for number in range(1, len(keys) + 1):
        found.setdefault((*above, *keys[:number]), line)
