"""A JSON file that a command has written, read again: refused with line, cause and cure.

Owns the reading, and where in the text a word stands. Which schema and fields there must be is
said by whoever reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from coord.errors import ConfigError

__all__ = ["JsonFile", "Kind", "schema_of"]

Kind = type | tuple[type, ...]
"""What a field may be."""


def schema_of(path: Path) -> str:
    """What a file says it is; empty if it says nothing, or cannot be read: its reader tells why."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    return str(found.get("schema", "")) if isinstance(found, dict) else ""


class JsonFile:
    """One object in a file, of one schema. `again`: the cure for a file that is damaged."""

    def __init__(self, path: Path, *, schema: str, again: str, other: str) -> None:
        """Read it. `other`: the cure for another schema. Raises ConfigError."""
        self.path = path
        self.again = again
        try:
            self.text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"{path} cannot be read: {reason}", cure=again) from error
        try:
            found = json.loads(self.text)
        except json.JSONDecodeError as error:
            raise ConfigError(
                f"{path}, line {error.lineno}: it is no JSON: {error.msg}", cure=again
            ) from error
        except (RecursionError, ValueError) as error:
            raise ConfigError(f"{path} is no JSON of this form: {error}", cure=again) from error
        if not isinstance(found, dict):
            raise ConfigError(f"{path}, line 1: it is no JSON object", cure=again)
        self.content: dict[str, Any] = found
        told = found.get("schema")
        if told != schema:
            said = "not said" if told is None else repr(told)
            self.refuse('"schema"', f"its schema is {said}, and this release reads {schema}", other)

    def need(self, fields: Mapping[str, Kind]) -> None:
        """Refuse it unless these are there, of their kinds."""
        for key, kind in fields.items():
            if not isinstance(self.content.get(key), kind):
                self.refuse(f'"{key}"', f"{key} is missing, or of another kind", self.again)

    def need_of_each(self, rows: str, noun: str, fields: Mapping[str, Kind]) -> None:
        """Refuse it unless each of a list has these; the first of them begins it in the text."""
        begins = f'"{next(iter(fields))}"'
        for number, row in enumerate(self.content[rows]):
            if not isinstance(row, dict):
                self.refuse(f'"{rows}"', f"{noun} {number + 1} is no object", self.again)
            for name, kind in fields.items():
                if not isinstance(row.get(name), kind):
                    cause = f"{name} of {noun} {number + 1} is missing, or of another kind"
                    self.refuse(begins, cause, self.again, number=number)

    def refuse(self, word: str, cause: str, cure: str, *, number: int = 0) -> NoReturn:
        """Raise, with the line of the word, where it stands for that time."""
        offset = -1
        for _ in range(number + 1):
            offset = self.text.find(word, offset + 1)
            if offset < 0:
                raise ConfigError(f"{self.path}: {cause}", cure=cure)
        line = self.text.count("\n", 0, offset) + 1
        raise ConfigError(f"{self.path}, line {line}: {cause}", cure=cure)
