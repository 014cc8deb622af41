"""What users and people who write stores test with: time, stores in memory, faults, the promises.

Owns the table of names below and holds no logic; a name's module is imported on first use.
`coord.testing.conformance` is a package of its own and not needed to use the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same table once more, for type checkers and editors
    from coord.testing.clock import ManualClock, SkewedClock
    from coord.testing.faults import Fate, FaultPlan, FaultyStore
    from coord.testing.memory import Manner, MemoryServer, MemoryStore

__all__ = [
    "Fate",
    "FaultPlan",
    "FaultyStore",
    "Manner",
    "ManualClock",
    "MemoryServer",
    "MemoryStore",
    "SkewedClock",
]

_HOMES = {
    "Fate": "coord.testing.faults",
    "FaultPlan": "coord.testing.faults",
    "FaultyStore": "coord.testing.faults",
    "Manner": "coord.testing.memory",
    "ManualClock": "coord.testing.clock",
    "MemoryServer": "coord.testing.memory",
    "MemoryStore": "coord.testing.memory",
    "SkewedClock": "coord.testing.clock",
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
