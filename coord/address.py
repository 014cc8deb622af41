"""What a store's URL says, for stores that are reached over a network.

Owns the syntax `scheme://host:port,host:port/path/group?option=value` and its errors. Opens
nothing and knows no store: each says which options it takes. A URL carries no secrets, since URLs
end up in logs, process lists and shell histories; one that does is refused without being repeated
(`test_a_password_in_a_url_is_refused_and_not_repeated`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from coord.errors import ConfigError
from coord.model import checked_name

__all__ = ["Address", "Host", "parsed_address", "positive_option", "switch_option"]

_PORTS = range(1, 65_536)
_SWITCHES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Host(NamedTuple):
    """One server: a name or an address, and a port."""

    name: str
    port: int

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{name}:{self.port}"


class Address(NamedTuple):
    """A URL, taken apart. `parents` are the parts of the path that come before the group's name."""

    url: str
    authority: str
    parents: tuple[str, ...]
    group: str
    options: Mapping[str, str]

    def hosts(self, default_port: int, *, syntax: str) -> tuple[Host, ...]:
        """The authority read as `host[:port],…`. Raises ConfigError."""
        return tuple(
            _host(text, default_port, url=self.url, syntax=syntax)
            for text in self.authority.split(",")
        )


def parsed_address(
    url: str,
    *,
    scheme: str,
    options: Collection[str],
    syntax: str,
    deep: bool = False,
    noun: str = "store",
) -> Address:
    """Take `url` apart. `deep`: the path may have parts before the group's name. `noun`: what
    errors call the thing that it names.

    The group is "default" where the path names none. Raises ConfigError, with `syntax` as its
    cure, for another scheme, secrets, options that are unknown or repeated, and bad names.
    """
    authority, parts = _split(url, syntax)
    if "@" in authority:
        raise ConfigError(
            f"a URL for {scheme}:// that carries a user or a password (it is not repeated here)",
            cure="URLs end up in logs: give credentials the way the store's page says. " + syntax,
        )
    if parts.scheme != scheme or not authority or parts.fragment:
        raise ConfigError(f"{url!r} names no {scheme} {noun}", cure=syntax)
    path = [unquote(part) for part in parts.path.split("/") if part]
    if len(path) > 1 and not deep:
        raise ConfigError(f"{url!r} has more than a group's name in its path", cure=syntax)
    group = checked_name("group", path[-1] if path else "default")
    parents = tuple(checked_name("path", part) for part in path[:-1])
    more = _options(url, parts.query, options, syntax, noun)
    return Address(url, authority, parents, group, more)


def positive_option(address: Address, name: str, default: float) -> float:
    """The option `name` as a number above 0. Raises ConfigError."""
    text = address.options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"{name}={text} in {address.url!r}", cure=f"{name} is a number above 0.")
    return value


def switch_option(address: Address, name: str, *, default: bool) -> bool:
    """The option `name` as true or false. Raises ConfigError."""
    text = address.options.get(name)
    if text is None:
        return default
    if text.lower() not in _SWITCHES:
        raise ConfigError(f"{name}={text} in {address.url!r}", cure=f"{name} is true or false.")
    return _SWITCHES[text.lower()]


def _split(url: str, syntax: str) -> tuple[str, SplitResult]:
    """The authority, and the rest: several hosts with brackets are no authority to some Pythons."""
    scheme, separator, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if authority.count("[") != authority.count("]"):
        raise ConfigError("a URL with a bracket that is not closed", cure=syntax)
    return authority, urlsplit(f"{scheme}{separator}x{rest[len(authority) :]}")


def _options(
    url: str, query: str, known: Collection[str], syntax: str, noun: str
) -> Mapping[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    values = dict(pairs)
    unknown = sorted(values.keys() - set(known))
    if unknown:
        told = f" (it has {', '.join(sorted(known))})" if known else ""
        raise ConfigError(
            f"{url!r} has {unknown[0]!r}, which this {noun} does not know{told}", cure=syntax
        )
    if len(values) != len(pairs):
        raise ConfigError(f"{url!r} says an option twice", cure=syntax)
    return MappingProxyType(values)


def _host(text: str, default_port: int, *, url: str, syntax: str) -> Host:
    try:
        one = urlsplit(f"//{text}")
        name, port = one.hostname, one.port
    except ValueError:
        name, port = None, None
    if not name or (port is not None and port not in _PORTS):
        raise ConfigError(f"{text!r} in {url!r} is no host:port", cure=syntax)
    return Host(name, default_port if port is None else port)
