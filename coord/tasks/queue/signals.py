"""What a worker says of itself, for people and for what scales a fleet.

Owns that snapshot. Decides nothing, and nothing here decides by it: ages are by wall clocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from coord.tasks.queue.admission.policy import Load, TenantLoad

__all__ = ["Signals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """One worker at one moment. How to scale by it: `docs/admission.md`.

    `limit`, at most `most`, for the reason `limit_why`: how many handlers may run at once.
    `running`, `waiting`: how many do, and how many were received and wait. `deferred`: how many
    were given back and rest still. `deferrals`: how often that was done since the start, by reason:
    "tenant", "quota", "in-progress". `passed`: how many began past a limit because they could not
    be deferred any more, by reason. `oldest_s`: the age, since it was sent, of the oldest message
    that waits or rests, or came last while the queue is not empty; None if there is none.
    `tenants`: those with the most in hand.
    """

    limit: int
    most: int
    limit_why: str
    running: int
    waiting: int
    deferred: int
    deferrals: Mapping[str, int]
    passed: Mapping[str, int]
    oldest_s: float | None
    tenants: tuple[TenantLoad, ...]

    @classmethod
    def of(
        cls,
        load: Load,
        sent: Sequence[float],
        *,
        running: int,
        deferrals: Mapping[str, int],
        wall_s: float,
    ) -> Self:
        """From how the admission stands, and when what is undone was sent."""
        return cls(
            limit=load.limit,
            most=load.most,
            limit_why=load.why,
            running=running,
            waiting=load.waiting,
            deferred=load.resting,
            deferrals=deferrals,
            passed=load.passed,
            oldest_s=max(0.0, wall_s - min(sent)) if sent else None,
            tenants=load.tenants,
        )
