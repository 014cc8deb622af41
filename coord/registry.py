"""From a URL to an opened store, through the entry points in `coord.stores`.

Owns the choice by scheme and the errors for schemes that cannot be served. Knows no backend: any
installed distribution may register one under a scheme of its own. All it knows of ours is which
extra brings which scheme, to be able to say what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import cast
from urllib.parse import urlsplit

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, MissingExtra
from coord.spi import OpenedStore, StoreFactory

__all__ = ["known_schemes", "open_store"]

_ENTRY_POINTS = "coord.stores"

# What `pip install` needs besides; empty: the store comes with coord itself.
_EXTRAS = {
    "dynamodb": "dynamodb",
    "etcd": "etcd",
    "memory": "",
    "sidecar": "sidecar",
    "sqlite": "",
    "zookeeper": "zookeeper",
}


def known_schemes() -> list[str]:
    """The URL schemes that are installed here or come with one of coord's extras, sorted."""
    return sorted(_EXTRAS.keys() | _registered().keys())


def open_store(url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 1.0) -> OpenedStore:
    """Open the store that `url` names: `SCHEME://…`.

    `timeout_s` bounds each later request, `clock` is what its deadlines are read from. Raises
    `ConfigError` for an unknown scheme, `MissingExtra` when the store's package or its client
    library is not installed, and what the store itself raises on opening. The caller closes it.
    """
    if not 0 < timeout_s < float("inf"):
        raise ConfigError(f"a timeout of {timeout_s} s", cure="It must be a number above 0.")
    scheme = _scheme(url)
    with _telling_what_is_missing(scheme):
        return _factory(scheme).from_url(url, clock=clock, timeout_s=timeout_s)


def _scheme(url: str) -> str:
    """The scheme alone: the rest may carry a password and stays out of errors."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if not scheme or "://" not in url:
        raise ConfigError(
            "the store is not given as a URL",
            cure=f"Write SCHEME://…, with one of: {', '.join(known_schemes())}.",
        )
    return scheme


def _factory(scheme: str) -> StoreFactory:
    entry = _registered().get(scheme)
    if entry is None:
        if scheme in _EXTRAS:
            raise _missing(scheme, "is not installed")
        raise ConfigError(
            f"there is no store for {scheme}://",
            cure=f"Known are: {', '.join(known_schemes())}.",
        )
    return cast("StoreFactory", entry.load())


@contextmanager
def _telling_what_is_missing(scheme: str) -> Iterator[None]:
    """A store may import its client library with its package, or as late as when it is opened."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = error.name or str(error)
        raise _missing(scheme, f"needs {library}, which is not installed") from error


def _missing(scheme: str, why: str) -> MissingExtra:
    extra = _EXTRAS.get(scheme)
    if extra is None:
        cure = "Install what the package that brings this store asks for."
    elif extra:
        cure = f"pip install 'coord[{extra}]'"
    else:
        cure = "It comes with coord itself: install coord again (pip install --force-reinstall)."
    return MissingExtra(f"the store for {scheme}:// {why}", cure=cure)


def _registered() -> dict[str, EntryPoint]:
    """Of two under one name, the one that is found first on the path."""
    found = tuple(entry_points(group=_ENTRY_POINTS))
    return {entry.name: entry for entry in reversed(found)}
