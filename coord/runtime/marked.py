"""Functions that say themselves how they are served: tasks with a schedule.

Owns the attribute by which the runtime knows them, and what it asks of whoever set it. Knows no
schedule and no ledger: `coord.tasks` stands above this package, which never imports it.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, Protocol, cast

from coord.clock import Clock
from coord.config import Role, Timing
from coord.runtime.term import Term

__all__ = ["Companion", "Mark", "mark_of"]

_MARK = "__coord_task__"


class Companion(Protocol):
    """What the marked functions of one coordinator share. Closed after the last term has ended."""

    def under(
        self,
        role: Role,
        mark: Any,  # noqa: ANN401  the companion's own
        function: Callable[..., object],
    ) -> tuple[Role, Callable[[Term], object]]:
        """The role as the function wants it, and what to do with each of its terms."""
        ...

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        ...


class Mark(Protocol):
    """What a marked function carries."""

    def companion(
        self,
        ledger_url: str,
        group: str,
        *,
        timing: Timing,
        clock: Clock,
        loop: AbstractEventLoop | None,
    ) -> Companion:
        """A companion for a coordinator; it opens nothing yet."""
        ...


def mark_of(function: object) -> Mark | None:
    """The mark of a function that has one."""
    return cast("Mark | None", getattr(function, _MARK, None))
