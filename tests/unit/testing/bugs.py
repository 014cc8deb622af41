"""The shelf of stores that are broken on purpose: each has one bug and names who must catch it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from coord.clock import Clock
from coord.testing.conformance import Harness
from coord.testing.group_state import GroupState
from coord.testing.memory import Manner, MemoryServer, MemoryStore
from tests.conformance.harnesses import virtual_harness

__all__ = ["BUGS", "Bug", "broken"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bug:
    """One broken store, and the checks that exist to catch it."""

    name: str
    caught_by: tuple[str, ...]
    harness: Callable[[], Harness]


BUGS: list[Bug] = []


class UnlockedServer(MemoryServer):
    """Requests interleave, as in a store that reads, thinks and writes."""

    def __init__(self, clock: Clock, *, manner: Manner, lag_s: float, expiry_late_s: float) -> None:
        super().__init__(clock, manner=manner, lag_s=lag_s, expiry_late_s=expiry_late_s)
        self._lock = nullcontext()  # type: ignore[assignment]  # it locks nothing: that is the bug


def broken(
    *caught_by: str, manner: Manner = Manner.PROVEN, locked: bool = True
) -> Callable[[type[T]], type[T]]:
    """Put a broken state, server, handle or session on the shelf."""

    def register(kind: type[T]) -> type[T]:
        parts: dict[str, Any] = {}
        if issubclass(kind, GroupState):
            server = MemoryServer if locked else UnlockedServer
            parts["server_type"] = type("Server", (server,), {"state_type": kind})
        elif issubclass(kind, MemoryServer):
            parts["server_type"] = kind
        elif issubclass(kind, MemoryStore):
            parts["store_type"] = kind
        else:
            parts["store_type"] = type("Store", (MemoryStore,), {"session_type": kind})
        BUGS.append(Bug(kind.__name__, caught_by, lambda: virtual_harness(manner, **parts)))
        return kind

    return register
