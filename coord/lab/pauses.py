"""The file of a machine's pauses, `coord.pauses/1`: how it is written, and read.

Owns the form, and what is refused of it with line, cause and cure. Measures nothing:
`coord.lab.meter` does, and a file from anywhere else is as good if it keeps to the form.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from coord.errors import ConfigError

__all__ = [
    "PAUSES_SCHEMA",
    "Pauses",
    "parse_pauses",
    "read_pauses",
    "refuse_place",
    "write_pauses",
    "write_whole",
]

PAUSES_SCHEMA = "coord.pauses/1"
_AGAIN = "`coord meter --for 10m --out FILE` writes such a file; docs/meter.md describes it."
_SPACE = re.compile(r"[\s,:]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """What was read: lengths of pauses, and for how long they were looked for."""

    for_s: float
    """How long was measured."""
    observed_s: float
    """The same, added up over all threads that measured; a rate of pauses is over this time."""
    threshold_s: float
    """Nothing shorter was noted."""
    pauses_s: tuple[float, ...]
    """The lengths in seconds, in rising order; at least one."""


def read_pauses(path: Path) -> Pauses:
    """The pauses in a file. Raises ConfigError with the file, the line, the cause and the cure."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", cure=_AGAIN) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text: {error.reason}", cure=_AGAIN) from error
    return parse_pauses(text, str(path))


def parse_pauses(text: str, name: str) -> Pauses:
    """The pauses in a text; errors call it by that name."""
    source = _Source(text, name)
    if source.content.get("schema") != PAUSES_SCHEMA:
        told = repr(source.content["schema"]) if "schema" in source.content else "not said"
        source.refuse(
            ("schema",), f"its schema is {told}, and this release reads {PAUSES_SCHEMA}", _AGAIN
        )
    for_s = source.seconds("for_s", None)
    if for_s == 0:
        source.refuse(("for_s",), "for_s is 0: nothing was measured", _AGAIN)
    observed_s = source.seconds("observed_s", for_s)
    threshold_s = source.seconds("threshold_s", 0.0)
    pauses_s = source.pauses(threshold_s)
    total_s = math.fsum(pauses_s)
    if total_s > observed_s:
        source.refuse(
            ("pauses_s",),
            f"the pauses are {total_s:g} s together, and {observed_s:g} s were observed",
            "Let observed_s (for_s, if that is not there) be the time in which they were seen.",
        )
    return Pauses(for_s=for_s, observed_s=observed_s, threshold_s=threshold_s, pauses_s=pauses_s)


class _Source:
    """The content of a file, and where in it everything stands."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        if not text.strip():
            raise ConfigError(f"{name} is empty", cure=_AGAIN)
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(
                f"{name}, line {error.lineno}: it is no JSON: {error.msg}", cure=_AGAIN
            ) from error
        except (RecursionError, ValueError) as error:
            raise ConfigError(f"{name} is no JSON of this form: {error}", cure=_AGAIN) from error
        if not isinstance(content, dict):
            raise ConfigError(f"{name}, line 1: it is no JSON object", cure=_AGAIN)
        self.content: Mapping[str, Any] = content

    def seconds(self, key: str, default: float | None) -> float:
        """A length of time; None: it has to be there."""
        if key not in self.content:
            if default is None:
                self.refuse((key,), f"{key} is missing", _AGAIN)
            return default
        return self._length(self.content[key], (key,), key)

    def pauses(self, threshold_s: float) -> tuple[float, ...]:
        """All lengths, checked one by one."""
        found = self.content.get("pauses_s")
        if not isinstance(found, list):
            what = "no list" if "pauses_s" in self.content else "missing"
            self.refuse(("pauses_s",), f"pauses_s is {what}", _AGAIN)
        if not found:
            self.refuse(
                ("pauses_s",),
                "there is no pause in it: nothing can be drawn from it",
                "Measure for longer, under the load of every day, or with a lower --threshold.",
            )
        before = 0.0
        for place, raw in enumerate(found):
            here, what = ("pauses_s", place), f"pause {place + 1}"
            length_s = self._length(raw, here, what)
            if length_s == 0:
                self.refuse(here, f"{what} is 0", "Leave out what is no pause.")
            if length_s < threshold_s:
                cause = f"{what} is {length_s:g}, below threshold_s, which is {threshold_s:g}"
                self.refuse(here, cause, "Leave it out, or lower threshold_s.")
            if length_s < before:
                cause = f"{what} is {length_s:g}, and the one before it is {before:g}"
                self.refuse(here, cause, "Write them in rising order.")
            before = length_s
        return tuple(map(float, found))

    def _length(self, value: object, place: tuple[str | int, ...], what: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(place, f"{what} is {value!r}", "Write a number of seconds.")
        try:
            length_s = float(value)
        except OverflowError:
            length_s = math.inf
        if not math.isfinite(length_s) or length_s < 0:
            self.refuse(place, f"{what} is {length_s:g}", "Write a number of seconds, 0 or more.")
        return length_s

    def refuse(self, place: tuple[str | int, ...], cause: str, cure: str) -> NoReturn:
        """Raise, with the line of a place; what is not there has none."""
        offset = self._offset(place)
        line = "" if offset is None else f", line {self.text.count(chr(10), 0, offset) + 1}"
        raise ConfigError(f"{self.name}{line}: {cause}", cure=cure)

    def _offset(self, place: tuple[str | int, ...]) -> int | None:
        offset: int | None = self.text.index("{")
        for key in place:
            if offset is not None:
                offset = dict(self._parts(offset)).get(key)
        return offset

    def _parts(self, start: int) -> Iterator[tuple[str | int, int]]:
        """The keys of an object, or the places of a list, each with where its value begins.

        The text is JSON, as is known by now.
        """
        decode = json.JSONDecoder().raw_decode
        named, number = self.text[start] == "{", 0
        offset = self._skip(start + 1)
        while self.text[offset] not in "]}":
            key: str | int = number
            if named:
                key, offset = decode(self.text, offset)
                offset = self._skip(offset)
            yield key, offset
            offset = self._skip(decode(self.text, offset)[1])
            number += 1

    def _skip(self, offset: int) -> int:
        found = _SPACE.match(self.text, offset)
        return found.end() if found else offset


# --- writing ----------------------------------------------------------------------------------


def refuse_place(path: Path) -> None:
    """Raise ConfigError if a file could not be written there: before it takes time to fill it.

    What is there already is left as it is until `write_pauses` replaces it.
    """
    if path.exists() and not path.is_file():
        what = "a directory" if path.is_dir() else "no file"
        raise ConfigError(f"{path} is {what}", cure="Name a file; one that is there is replaced.")
    try:
        number, spare = tempfile.mkstemp(dir=path.resolve().parent, prefix=".coord-meter-")
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(number)
    Path(spare).unlink()


def write_pauses(path: Path, content: Mapping[str, object]) -> None:
    """Write a file, as `write_whole` does."""
    write_whole(path, json.dumps(content, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a text, whole or not at all: beside its place first, and then moved there.

    Raises ConfigError if it cannot be written; what was there before then is still there.
    """
    target = path.resolve()
    try:
        number, name = tempfile.mkstemp(dir=target.parent, prefix=".coord-meter-")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            Path(name).unlink()


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written: {error.strerror}",
        cure="Name a file in a directory that is there, can be written and has room.",
    )
