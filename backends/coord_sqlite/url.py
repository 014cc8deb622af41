"""What a sqlite:// URL names.

Owns the syntax. Touches no file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from coord.errors import ConfigError
from coord.model import checked_name

__all__ = ["Target", "parsed"]

_SYNTAX = (
    "Write sqlite:///file.db (in the current directory) or sqlite:////absolute/file.db, with "
    "?group=NAME for another group than 'default'."
)


class Target(NamedTuple):
    """A file, a group in it, and the machine id to go by (empty: the system's)."""

    path: str
    group: str
    machine: str
    more: Mapping[str, str] = MappingProxyType({})


def parsed(url: str, *, more: Collection[str] = (), what: str = "store") -> Target:
    """Read `sqlite:///relative.db`, `sqlite:////absolute.db`, `?group=` and `?machine=`.

    `more` names further options that the caller knows; they come back as they were written.
    `what` is looked for, as errors call it.
    """
    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/"))
    if parts.scheme != "sqlite" or parts.netloc or parts.fragment or not path:
        raise ConfigError(f"{url!r} names no SQLite {what}", cure=_SYNTAX)
    if path == ":memory:":
        raise ConfigError(
            "a SQLite database in memory is seen by one connection only",
            cure="Use a file, or memory:// within one process.",
        )
    options = parse_qsl(parts.query, keep_blank_values=True)
    values = dict(options)
    unknown = sorted(values.keys() - {"group", "machine", *more})
    if unknown or len(values) != len(options) or "\0" in path:
        named = f"{unknown[0]!r}" if unknown else "a repeated option"
        known = ", ".join(sorted({"group", *more}))
        raise ConfigError(
            f"{url!r} has {named}, which a SQLite {what} does not know (it has {known})",
            cure=_SYNTAX,
        )
    group = checked_name("group", values.get("group", "default"))
    given = {name: values[name] for name in more if name in values}
    return Target(path, group, values.get("machine", ""), given)
