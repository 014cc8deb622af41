"""The memory store over a loopback socket: `memory://127.0.0.1:PORT/GROUP`, for several processes.

Owns the table of names below and holds no logic; a name's module is imported on first use.
`MemoryServers` runs it in a process of its own, `python -m coord.testing.wire serve` by hand.

It is there for tests of whole daemons where no server is installed: it starts in a tenth of a
second, keeps every promise of `coord.spi`, and a fault proxy can stand in front of it. Nothing of
it is kept: whoever kills it loses all groups, and tokens grow all the same.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same table once more, for type checkers and editors
    from coord.testing.wire.client import WireStore
    from coord.testing.wire.launcher import MemoryServers
    from coord.testing.wire.service import Service

__all__ = ["MemoryServers", "Service", "WireStore"]

_HOMES = {
    "MemoryServers": "coord.testing.wire.launcher",
    "Service": "coord.testing.wire.service",
    "WireStore": "coord.testing.wire.client",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use; from then on it is an ordinary attribute."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
