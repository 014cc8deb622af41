"""Typed access to the tables of a TOML file, with errors that say where, what and what to do.

Owns the wording of what is wrong with a key or a value: `FILE:LINE: cause` and a cure. Knows no
scenario. What was given on the command line instead is named by its option.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from coord.config import parse_duration_s
from coord.errors import ConfigError
from coord.lab.chaos.lines import Place, error_line, lines_of

__all__ = ["Source", "Table", "listed", "nearest"]

_MOST_BYTES = 1 << 20
_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Source:
    """A TOML text: what `tomllib` reads in it, and where each part of that stands."""

    name: str
    content: dict[str, Any]
    lines: Mapping[Place, int]
    given: dict[Place, str] = field(default_factory=dict)
    """What did not come from the text: under which option it was given."""

    @classmethod
    def read(cls, path: Path) -> Source:
        """Raises ConfigError for a file that cannot be read, is no text, or no TOML."""
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}",
                cure="Give the path of a scenario, a TOML file."
                + (
                    " `coord chaos check DIR` judges a run again."
                    if isinstance(error, IsADirectoryError)
                    else ""
                ),
            ) from error
        if len(data) > _MOST_BYTES:
            raise ConfigError(f"{path} is larger than 1 MiB", cure="A scenario has some 20 lines.")
        try:
            text = data.decode("utf-8-sig")  # some editors begin a file with a mark
        except UnicodeDecodeError as error:
            line = 1 + data.count(b"\n", 0, error.start)
            raise ConfigError(
                f"{path}:{line}: this is no text in UTF-8",
                cure="Save the scenario as UTF-8, if it is a scenario at all.",
            ) from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str) -> Source:
        """The same from a text that was read already."""
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            reason = str(error).partition(" (at ")[0]
            raise ConfigError(
                f"{name}:{error_line(error, text)}: this is no TOML: {reason}",
                cure='Texts and durations stand in quotes (at = "1s"), a fault begins with '
                "[[fault]]; no key stands twice.",
            ) from error
        return cls(name, content, lines_of(text))

    def line(self, place: Place) -> int:
        """In which line it stands, or what it is part of."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]

    def where(self, place: Place) -> str:
        """The same with the file's name; or the option that gave it."""
        return self.given.get(place) or f"{self.name}:{self.line(place)}"

    def table(self, place: Place, keys: Collection[str]) -> Table:
        """The table there, empty if there is none. Raises ConfigError for a key not in `keys`."""
        content: Any = self.content
        for key in place:
            content = content.get(key, {}) if isinstance(content, dict) else content[key]
        if not isinstance(content, dict):
            self.refuse(
                place,
                f"{_told(place)} is {_kind(content)}, not a table",
                f"Begin it with a line [{_told(place)}].",
            )
        return Table(self, place, content, keys)

    def refuse(self, place: Place, cause: str, cure: str) -> NoReturn:
        """Raise ConfigError for what stands there."""
        raise ConfigError(f"{self.where(place)}: {cause}", cure=cure)


class Table:
    """One table. The getters take a key and what to return if it is not there."""

    def __init__(
        self, source: Source, place: Place, content: Mapping[str, object], keys: Collection[str]
    ) -> None:
        self.source = source
        self.place = place
        self._content = content
        for key in content:
            if key not in keys:
                title = f"in [{_told(place)}] " if place else ""
                self.refuse(key, f"there is no key {key!r} {title}".rstrip(), nearest(key, keys))

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def refuse(self, key: str, cause: str, cure: str) -> NoReturn:
        """Raise ConfigError for a key, or for the table if the key is not there."""
        self.source.refuse((*self.place, key), cause, cure)

    def line(self) -> int:
        """Where it begins."""
        return self.source.line(self.place)

    def where(self, key: str) -> str:
        """Where a key stands, as `FILE:LINE` or the option that gave it; "" if it is not there."""
        return self.source.where((*self.place, key)) if key in self._content else ""

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty; without a default it has to be there."""
        if default is not None and key not in self._content:
            return default
        if key not in self._content:
            self.refuse(key, f"{key} is missing", f'Add a line {key} = "…".')
        value = self._content[key]
        if not isinstance(value, str):
            self.refuse(key, f"{key} is {_kind(value)}", f'Write a text: {key} = "…".')
        if not value.strip():
            self.refuse(key, f"{key} is empty", f'Write a text: {key} = "…".')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of texts, none empty; () if it is not there."""
        value = self._content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(o, str) and o for o in value):
            self.refuse(key, f"{key} is {_kind(value)}", f'Write texts: {key} = ["…", "…"].')
        return tuple(value)

    def choice(self, key: str, known: Collection[str], *, noun: str, default: str = "") -> str:
        """One of the known texts; without a default it has to be there."""
        value = self.text(key, default or None)
        if value not in known:
            self.refuse(key, f"there is no {noun} {value!r}", nearest(value, known))
        return value

    def whole(self, key: str, default: int, *, least: int | None, most: int | None) -> int:
        """A whole number within bounds."""
        value = self._content.get(key, default)
        if type(value) is not int:
            self.refuse(key, f"{key} is {_kind(value)}", f"Write a whole number: {key} = 3.")
        if (least is not None and value < least) or (most is not None and value > most):
            self.refuse(key, f"{key} is {value}", f"It can be {least} to {most}.")
        return value

    def share(self, key: str, default: float) -> float:
        """A number from 0 to 1."""
        value = self._content.get(key, default)
        if type(value) not in {int, float} or not 0 <= value <= 1:  # type: ignore[operator]
            self.refuse(key, f"{key} is {_shown(value)}", "Write a share from 0 to 1, such as 0.3.")
        return float(value)  # type: ignore[arg-type]

    def seconds(
        self, key: str, default: float, *, most: float, least: float = 0.0, zero: bool = True
    ) -> float:
        """A duration, written as a text with its unit."""
        if key not in self._content:
            return default
        value = self._content[key]
        if not isinstance(value, str) or value.strip().replace(".", "", 1).isdigit():
            self.refuse(
                key,
                f"{key} is {_shown(value)}, and a duration is a text with a unit",
                f'Write {key} = "5s", or "250ms", or "1m".',
            )
        try:
            seconds = parse_duration_s(value)
        except ConfigError as error:
            self.refuse(key, f"{key}: {error.cause}", error.cure)
        if seconds > most or seconds < least or (seconds == 0 and not zero):
            low = f"{least:g} s" if zero or least else "more than 0"
            self.refuse(key, f"{key} is {value}", f"It can be {low} to {most:g} s.")
        return seconds

    def finds(self, check: Callable[[], object], key: str) -> None:
        """Let `check` raise a ConfigError of its own; it then says where that comes from."""
        try:
            check()
        except ConfigError as error:
            self.refuse(key, error.cause, error.cure)


def nearest(name: str, known: Collection[str]) -> str:
    """A cure for a name that nobody knows: the one that it is like, or all that there are."""
    alike = get_close_matches(name, known, n=1, cutoff=_ALIKE)
    there = f"Known are: {listed(known)}." if known else "There are none."
    return f"Did you mean {alike[0]!r}? {there}" if alike else there


def listed(names: Collection[str]) -> str:
    """Names in a row."""
    return ", ".join(names)


def _told(place: Place) -> str:
    return ".".join(str(key) for key in place if isinstance(key, str))


def _shown(value: object) -> str:
    if type(value) in {int, float}:
        return f"{value}"
    return f"{value!r}" if isinstance(value, str) else _kind(value)


def _kind(value: object) -> str:
    """What a value is, in the words of TOML."""
    match value:
        case bool():
            return "true or false"
        case str():
            return "a text"
        case int():
            return "a whole number"
        case float():
            return "a number with a fraction"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or a time"
