"""Faults of the clock that a member goes by: it jumps, or its rate is wrong.

Owns what is done to the clock of the lab's own work (`coord.lab.work.clock`); the real one, by
which everything is measured, is left alone. What a clock is wrong by stays when a fault is over: a
boot clock never goes backwards, so it could not be set right. It matters nowhere, since no member
compares its clock with another's: what ends is the jumping and the wrong rate.

Forward only: backwards is what boot clocks never do. A slow clock is the dangerous one to lead by,
since it trusts a lease for longer than the store honours it; where peers find out by their own
clocks that a session is silent, so is a fast one to watch by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from coord.lab.chaos.faults.kind import MEMBERS, Blow, FaultKind, Option, Setting
from coord.lab.chaos.stage import Stage
from coord.lab.work.clock import CLOCK, Steering

__all__ = ["KINDS"]

_MOST_SHARE = 0.99


@contextmanager
def _on_clocks(
    stage: Stage,
    blow: Blow,
    kind: str,
    strike: Callable[[Steering], AbstractContextManager[None]],
) -> Iterator[None]:
    with ExitStack() as healing:
        for member in blow.members:
            fault = strike(Steering(stage.failpoints / f"{member}.{CLOCK}"))
            healing.enter_context(stage.injector.struck(kind, fault, member=member))
        yield


@contextmanager
def _jumped(steering: Steering, by_s: float) -> Iterator[None]:
    steering.jump(by_s)
    yield


@contextmanager
def _drifting(steering: Steering, rate: float) -> Iterator[None]:
    try:
        steering.run(rate)
        yield
    finally:
        steering.run(1.0)


def _jump(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    by_s = blow.options["seconds"]
    return _on_clocks(stage, blow, "clock-jump", lambda steering: _jumped(steering, by_s))


def _drift(stage: Stage, blow: Blow) -> AbstractContextManager[None]:
    share = min(blow.options["share"], _MOST_SHARE)
    rate = 1 + share if blow.options["fast"] else 1 - share
    return _on_clocks(stage, blow, "clock-drift", lambda steering: _drifting(steering, rate))


def _unfit(setting: Setting) -> str | None:
    """Why there is no clock that could be wrong, if so."""
    if setting.daemon:
        return "only the lab's own work, without a command, has a clock that can be set"
    one_clock = (
        "all processes of a machine read one clock, and SQLite counts on it: theirs cannot"
        " differ, as they would here"
    )
    if setting.mode == "queue":
        return f"the lab's queue is a SQLite file; {one_clock}"
    return one_clock if setting.store == "sqlite" else None


KINDS = (
    FaultKind(
        name="clock-jump",
        says="the clock is later all at once, as after a suspend",
        targets=MEMBERS,
        inject=_jump,
        options=(Option(name="seconds", says="by so much", kind="seconds", default=60.0),),
        unfit=_unfit,
    ),
    FaultKind(
        name="clock-drift",
        says="the clock goes at a wrong rate",
        targets=MEMBERS,
        inject=_drift,
        options=(
            Option(
                name="share", says="of its rate; declared are 0.002", kind="share", default=0.05
            ),
            Option(name="fast", says="0: it is slow; 1: it is fast", kind="count", default=0.0),
        ),
        unfit=_unfit,
    ),
)
