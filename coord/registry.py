"""From a URL to what it names, through the entry points in `coord.stores` and its like.

Owns the choice by scheme and the errors for schemes that cannot be served; `open_store` does it for
stores, and whoever opens things of another kind brings a `Plugins` of its own. Knows no backend:
any installed distribution may register one under a scheme of its own. All it knows of ours is which
extra brings which scheme, to be able to say what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast
from urllib.parse import urlsplit

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, MissingExtra
from coord.spi import OpenedStore, StoreFactory

__all__ = ["Plugins", "checked_timeout", "known_schemes", "open_store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """What URLs may name, of one kind: a group of entry points.

    `noun` is what one is called in errors. `extras`: what `pip install` needs besides, by scheme;
    empty: it comes with coord itself.
    """

    group: str
    noun: str
    extras: Mapping[str, str]

    def schemes(self) -> list[str]:
        """The URL schemes that are installed here or come with one of coord's extras, sorted."""
        return sorted(self.extras.keys() | _registered(self.group).keys())

    @contextmanager
    def factory(self, url: str) -> Iterator[Any]:
        """Whatever is registered for the scheme of `url`, to be called within the block.

        Raises ConfigError for an unknown scheme, and MissingExtra when the package, or a library
        that it imports as late as within the block, is not installed.
        """
        scheme = self._scheme(url)
        with self._telling_what_is_missing(scheme):
            yield self._found(scheme).load()

    def _scheme(self, url: str) -> str:
        """The scheme alone: the rest may carry a password and stays out of errors."""
        try:
            scheme = urlsplit(url).scheme
        except ValueError:
            scheme = ""
        if not scheme or "://" not in url:
            raise ConfigError(
                f"the {self.noun} is not given as a URL",
                cure=f"Write SCHEME://…, with one of: {', '.join(self.schemes())}.",
            )
        return scheme

    def _found(self, scheme: str) -> EntryPoint:
        entry = _registered(self.group).get(scheme)
        if entry is None:
            if scheme in self.extras:
                raise self._missing(scheme, "is not installed")
            raise ConfigError(
                f"there is no {self.noun} for {scheme}://",
                cure=f"Known are: {', '.join(self.schemes())}.",
            )
        return entry

    @contextmanager
    def _telling_what_is_missing(self, scheme: str) -> Iterator[None]:
        """A client library may be imported with its package, or as late as on opening."""
        try:
            yield
        except ModuleNotFoundError as error:
            library = error.name or str(error)
            raise self._missing(scheme, f"needs {library}, which is not installed") from error

    def _missing(self, scheme: str, why: str) -> MissingExtra:
        extra = self.extras.get(scheme)
        if extra is None:
            cure = f"Install what the package that brings this {self.noun} asks for."
        elif extra:
            cure = f"pip install 'coord[{extra}]'"
        else:
            cure = (
                "It comes with coord itself: install coord again (pip install --force-reinstall)."
            )
        return MissingExtra(f"the {self.noun} for {scheme}:// {why}", cure=cure)


_STORES = Plugins(
    group="coord.stores",
    noun="store",
    extras={
        "dynamodb": "dynamodb",
        "etcd": "etcd",
        "memory": "",
        "sidecar": "sidecar",
        "sqlite": "",
        "zookeeper": "zookeeper",
    },
)


def known_schemes() -> list[str]:
    """The URL schemes of stores that are installed or come with one of coord's extras, sorted."""
    return _STORES.schemes()


def open_store(url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 1.0) -> OpenedStore:
    """Open the store that `url` names: `SCHEME://…`.

    `timeout_s` bounds each later request, `clock` is what its deadlines are read from. Raises
    `ConfigError` for an unknown scheme, `MissingExtra` when the store's package or its client
    library is not installed, and what the store itself raises on opening. The caller closes it.
    """
    checked_timeout(timeout_s)
    with _STORES.factory(url) as found:
        return cast("StoreFactory", found).from_url(url, clock=clock, timeout_s=timeout_s)


def checked_timeout(timeout_s: float) -> float:
    """Return the timeout of a request if it can be one; raise ConfigError else."""
    if not 0 < timeout_s < float("inf"):
        raise ConfigError(f"a timeout of {timeout_s} s", cure="It must be a number above 0.")
    return timeout_s


def _registered(group: str) -> dict[str, EntryPoint]:
    """Of two under one name, the one that is found first on the path."""
    found = tuple(entry_points(group=group))
    return {entry.name: entry for entry in reversed(found)}
