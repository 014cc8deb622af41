"""How a marked function is served under a role: what a fleet's terms are given to run.

Owns what a fleet's tasks share (their ledger, their event loop), and which parts fall to which
shard.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from coord.clock import Clock
from coord.config import Role, Timing
from coord.errors import ConfigError
from coord.runtime.term import Term
from coord.tasks.backoff import Backoff
from coord.tasks.ledger import Ledger
from coord.tasks.loop import Loop
from coord.tasks.mark import TaskSpec
from coord.tasks.memory import LedgerMemory, NoMemory
from coord.tasks.runner.leading import Duty, Leading
from coord.tasks.runner.notes import LedgerNotes, Notes, OwnNotes
from coord.tasks.runner.round import Rounds
from coord.tasks.schedule import Every, Schedule

__all__ = ["FleetTasks"]

_LEASE_TTLS = 3
_LEAST_TIMEOUT_S = 1.0  # no lease of a session hangs on it
_MOST_STAGGER_S = 1.0
_STAGGER_SHARE = 0.1


class FleetTasks:
    """What the tasks of one member share. `close` when no term runs any more."""

    def __init__(
        self,
        ledger_url: str,
        group: str,
        *,
        timing: Timing,
        clock: Clock,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._url = ledger_url
        self._group = group
        self._timing = timing
        self._clock = clock
        self._loop = Loop(loop)
        self._ledger: Ledger | None = None

    def under(
        self, role: Role, spec: TaskSpec, function: Callable[..., object]
    ) -> tuple[Role, Callable[[Term], None]]:
        """The role as the task wants it, and what is to be done with each of its terms.

        Opens the ledger. `ConfigError` for a task without a schedule, or one that takes more than
        a job.
        """
        schedule = spec.schedule
        if schedule is None:
            raise ConfigError(
                f"task {spec.name!r} has no schedule, so no leader can run it",
                cure="Give it one, @task(every='30s'), or a worker: Worker(url, tasks=[…]).",
            )
        _check_takes_a_job(spec, function)
        if spec.progress_timeout_s is not None:
            role = replace(role, progress_timeout_s=spec.progress_timeout_s)
        ledger = self._opened() if spec.once else None
        duty = Duty(
            spec=spec,
            function=function,
            is_async=inspect.iscoroutinefunction(function),
            memory=NoMemory() if ledger is None else LedgerMemory(ledger),
            loop=self._loop,
            clock=self._clock,
            backoff=Backoff(),
            stagger_s=_stagger_s(schedule),
            wall=time.time,  # noqa: TID251  a schedule is by people's clocks
        )

        def lead(term: Term) -> None:
            parts = spec.parts or term.role.shards
            mine = range(term.shard, sys.maxsize, term.role.shards)  # of however many there are
            notes: Notes = (
                OwnNotes(schedule, mine)
                if ledger is None
                else LedgerNotes(ledger, spec, schedule, scope=str(term.key), token=term.token)
            )
            policies = spec.policies(self._group)
            rounds = Rounds(notes, schedule, policies, parts=parts, mine=mine)
            Leading(term, duty, notes, rounds).run()

        return role, lead

    def _opened(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger.open(
                self._url,
                lease_s=_LEASE_TTLS * self._timing.ttl_s,
                timeout_s=max(_LEAST_TIMEOUT_S, self._timing.rpc_timeout_s),
                clock=self._clock,
            )
        return self._ledger

    def close(self) -> None:
        """Close the ledger and end the loop. Idempotent."""
        self._loop.close(self._timing.rpc_timeout_s)
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.close()


def _stagger_s(schedule: Schedule) -> float:
    """By how much co-leaders begin one after another: then mostly the first does the work."""
    period_s = schedule.period_s if isinstance(schedule, Every) else float("inf")
    return min(_MOST_STAGGER_S, _STAGGER_SHARE * period_s)


def _check_takes_a_job(spec: TaskSpec, function: Callable[..., object]) -> None:
    try:
        inspect.signature(function).bind(object())
    except TypeError as error:
        raise ConfigError(
            f"task {spec.name!r} cannot be called with a job alone: {error}",
            cure="Scheduled tasks take one argument: def task(job). Others may have defaults.",
        ) from error
