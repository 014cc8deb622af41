"""Functions that say themselves how they are served: tasks with a schedule.

Owns the attribute by which the runtime knows them, what it asks of whoever set it, and that of
what a coordinator's tasks share there is one, which is closed for good when the coordinator is
(`test_serving_a_task_while_the_coordinator_closes_leaves_no_ledger_open`). Knows no schedule and no
ledger: `coord.tasks` stands above this package, which never imports it.
"""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

from coord.clock import Clock
from coord.config import Role, Timing
from coord.errors import UsageError
from coord.runtime.term import Term

__all__ = ["Companion", "Company", "Mark", "Settings", "mark_of"]

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


class Settings(NamedTuple):
    """What a companion is made with."""

    ledger_url: str
    group: str
    timing: Timing
    clock: Clock
    loop: AbstractEventLoop | None


class Company:
    """The one companion of a coordinator, made when first needed. Any thread.

    Its lock is held while a ledger is opened, which may take as long as that store's timeout: so
    whoever closes waits for it, and closes it too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._companion: Companion | None = None
        self._is_closed = False

    def under(
        self, role: Role, mark: Mark, function: Callable[..., object], settings: Settings
    ) -> tuple[Role, Callable[[Term], object]]:
        """As `Companion.under`, of the one that the first mark makes. `UsageError` once closed."""
        with self._lock:
            if self._is_closed:
                raise UsageError(
                    "this coordinator is closed, or just closes: it serves no task any more",
                    cure="Serve before `run()`, and make a new coordinator for a new start.",
                )
            if self._companion is None:
                url, group, timing, clock, loop = settings
                self._companion = mark.companion(url, group, timing=timing, clock=clock, loop=loop)
            return self._companion.under(role, mark, function)

    def close(self) -> None:
        """Close it; there will be no other. Idempotent."""
        with self._lock:
            self._is_closed = True
            companion, self._companion = self._companion, None
        if companion is not None:
            companion.close()


def mark_of(function: object) -> Mark | None:
    """The mark of a function that has one."""
    return cast("Mark | None", getattr(function, _MARK, None))
