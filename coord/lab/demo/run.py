"""The whole demo: mode after mode, fault after fault, and the report in the end.

Owns the order of things. Computes no figure: `coord.lab.measure` does, from the event log alone;
each mode has a log of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.lab.chaos.ground import Ground
from coord.lab.chaos.housekeeping import Housekeeping
from coord.lab.chaos.stage import BUSY, Screen, Stage, Unsteady, boundless
from coord.lab.demo.cast import FAULTS, MEMBERS
from coord.lab.demo.strike import strike
from coord.lab.demo.summary import outcome
from coord.lab.measure import (
    Log,
    Report,
    RoundResult,
    Settings,
    Setup,
    build_report,
    checked_report,
    load,
    measure_rounds,
    rounds_of,
    timeline,
)
from coord.lab.work.modes import BAR_S, MODES, TAU_S, Mode, visibility_s

__all__ = ["ROLES", "Plan", "perform", "steady_bound_s"]

ROLES = {mode.role.name: mode.role.shape for mode in MODES if not mode.queue}
"""What the workers make in a store."""

_STEADY_S = 20.0
_QUIET_S = 0.3
_CALM_S = (0.3, 0.8)
_AFTER_S = 0.4
_GRACE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be shown. `work` and `events` are existing, empty directories."""

    ground: Ground
    seed: int
    rounds: int
    work: Path
    events: Path
    modes: Sequence[Mode] = MODES
    faults: Sequence[str] = FAULTS


def perform(plan: Plan, screen: Screen, interrupted: Callable[[], None]) -> Report:
    """Show everything and return the report. `interrupted` is asked at every beat and may raise.

    Raises Unsteady if the fleet does not come to rest before a fault, WorkerFailed if a worker
    ends by itself, and what `interrupted` raises. Whatever happens, no process is left behind.
    """
    dice = random.Random(plan.seed)
    results: list[RoundResult] = []
    for mode in plan.modes:
        results += _mode(plan, mode, dice, screen, interrupted)
    setup = Setup(
        store=plan.ground.kind,
        ttl_s=plan.ground.ttl_s,
        seed=plan.seed,
        members=len(MEMBERS),
        shards=max(mode.shards for mode in plan.modes),
        seats=max(mode.seats for mode in plan.modes),
        rounds=plan.rounds,
    )
    return checked_report(build_report(setup, results))


def _mode(
    plan: Plan,
    mode: Mode,
    dice: random.Random,
    screen: Screen,
    interrupted: Callable[[], None],
) -> list[RoundResult]:
    work, events, ttl_s = plan.work / mode.name, plan.events / mode.name, plan.ground.ttl_s
    work.mkdir()
    events.mkdir()
    screen.say(f"{mode.name}: {mode.headline}", style="bold")
    if mode.queue and visibility_s(ttl_s) > ttl_s:
        screen.say(f"its messages are hidden for {visibility_s(ttl_s):g} s, the least there is")
    with Stage(
        Housekeeping(mode),
        members=MEMBERS,
        ground=plan.ground,
        work=work,
        events=events,
        screen=screen,
        interrupted=interrupted,
    ) as stage:
        for number in range(1, plan.rounds + 1):
            if number > 1:
                stage.until(boundless, BAR_S)  # bars of the last round shall not weigh on this one
            for fault in plan.faults:
                _await_steady(stage, mode)
                _round(stage, mode, number, fault, dice)
                screen.say(outcome(_measured(stage.log(), ttl_s)[-1]), style="cyan")
                _complete(stage)
        _await_steady(stage, mode)
        stage.drain()
    return _measured(load(events), ttl_s)


def _round(stage: Stage, mode: Mode, number: int, fault: str, dice: random.Random) -> None:
    """Calm, struck, recovered, healed; until what a healed worker does first is done."""
    stage.events.round(number, stage.contestant.name, fault, "start")
    stage.until(boundless, dice.uniform(*_CALM_S))
    strike(stage, mode, fault, dice)
    settle_s = Timing.of(stage.ttl_s).settle_s  # before that, who is healed claims nothing again
    stage.until(boundless, min(_AFTER_S, 0.8 * settle_s))
    stage.events.round(number, stage.contestant.name, fault, "end")
    stage.until(boundless, 0.0)


def _complete(stage: Stage) -> None:
    """Start whom a fault has killed. What moves because of that is no part of the round."""
    for member in stage.fleet.missing():
        stage.fleet.start(member)
        stage.screen.say(f"{member} is started again")


def steady_bound_s(ttl_s: float) -> float:
    """Within how long the fleet must have come to rest; otherwise the demo ends with Unsteady."""
    return _STEADY_S + 3 * ttl_s


def _await_steady(stage: Stage, mode: Mode) -> None:
    """The hypothesis that every experiment begins and ends with."""
    quiet_s = Timing.of(stage.ttl_s).settle_s + _QUIET_S
    bound_s = steady_bound_s(stage.ttl_s)

    def steady() -> bool:
        return stage.scene.steady(SYSTEM_CLOCK.now(), quiet_s=quiet_s)

    if not stage.until(steady, bound_s):
        raise Unsteady(
            f"the fleet did not come to rest within {bound_s:g} s in mode {mode.name}",
            cure=BUSY,
        )


def _measured(log: Log, ttl_s: float) -> list[RoundResult]:
    """All rounds of one mode, from its log."""
    line = timeline(log)
    settings = Settings(tau_s=TAU_S, aftermath_s=ttl_s, grace_s=_GRACE_S)
    return measure_rounds(line, rounds_of(log), settings)
