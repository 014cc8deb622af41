"""Plays a scenario on a stage: steady, struck, healed, recovered, round after round.

Owns the order of things and every healing. Judges nothing: the event log does that afterwards.
"""

from __future__ import annotations

import heapq
import random
from contextlib import ExitStack

from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.errors import UsageError
from coord.lab.chaos.faults import CATALOGUE, Blow
from coord.lab.chaos.faults.inside import taking_part
from coord.lab.chaos.scenario import FaultPlan, Scenario
from coord.lab.chaos.scene import State
from coord.lab.chaos.stage import BUSY, Stage, Unsteady, boundless
from coord.lab.chaos.targets import members_of, servers_of_store

__all__ = ["await_steady", "play", "steady"]

_QUIET_S = 0.3
_STEADY_S = 20.0
_START_S = 20.0
_LOOK_S = 2.0
"""How long a fleet that has not recovered is looked at beyond the bound, for the log to show it."""


def play(stage: Stage, scenario: Scenario, *, bound_s: float) -> None:
    """Play all rounds. `bound_s`: within how long after the last healing the fleet must recover.

    Raises UsageError, before anything is struck, if there are faults from inside and a process does
    not take part, Unsteady if the fleet is not steady before a round, WorkerFailed if a worker ends
    by itself, and what the stage's `interrupted` raises: then, too, everything has been healed.
    """
    dice = random.Random(scenario.seed)
    for number in range(1, scenario.rounds + 1):
        await_steady(stage)
        if number == 1:
            _refuse_strangers(stage, scenario)
        stage.events.round(number, stage.contestant.name, scenario.name, "start")
        _strike(stage, scenario, dice)
        if not _recovers(stage, bound_s):
            stage.screen.say(f"not recovered within {bound_s:g} s", style="bold red")
            stage.until(boundless, _LOOK_S)
        stage.events.round(number, stage.contestant.name, scenario.name, "end")
        stage.until(boundless, 0.0)
    stage.drain()


def _refuse_strangers(stage: Stage, scenario: Scenario) -> None:
    """Who takes part, only a process that runs can tell: it has said so before it began to work."""
    for plan in scenario.faults:
        name = CATALOGUE[plan.kind].failpoint
        for member in stage.fleet.members if name else ():
            try:
                taking_part(stage, member, name)
            except UsageError as error:
                line = f" (line {plan.line})" if plan.line else ""
                error.cause = f"{plan.kind}{line}: {error.cause}"
                raise


def _recovers(stage: Stage, bound_s: float) -> bool:
    """Whoever was killed has the bound from when it is back, as the verdict counts it.

    On a busy machine a process may take longer to start than the bound is.
    """
    stage.until(lambda: _all_there(stage), _START_S)
    return stage.until(lambda: steady(stage), bound_s)


def _all_there(stage: Stage) -> bool:
    return all(worker.state is State.UP for worker in stage.scene.workers.values())


def await_steady(stage: Stage) -> None:
    """The hypothesis that every experiment begins with. Raises Unsteady."""
    bound_s = _STEADY_S + 3 * stage.ttl_s
    if not stage.until(lambda: steady(stage), bound_s):
        raise Unsteady(f"the fleet did not come to rest within {bound_s:g} s", cure=BUSY)


def steady(stage: Stage) -> bool:
    """Whether the fleet is as it should be, and has been for a moment."""
    quiet_s = Timing.of(stage.ttl_s).settle_s + _QUIET_S
    return stage.scene.steady(SYSTEM_CLOCK.now(), quiet_s=quiet_s)


def _strike(stage: Stage, scenario: Scenario, dice: random.Random) -> None:
    """Every fault at its moment, each healed when its time is over, in any case in the end."""
    begin_s = SYSTEM_CLOCK.now()
    coming = sorted(enumerate(scenario.faults), key=lambda one: one[1].at_s)
    standing: list[tuple[float, int, ExitStack]] = []
    with ExitStack() as healing:
        while coming or standing:
            strikes = bool(coming) and (not standing or coming[0][1].at_s < standing[0][0])
            moment_s = coming[0][1].at_s if strikes else standing[0][0]
            stage.until(boundless, begin_s + moment_s - SYSTEM_CLOCK.now())
            if strikes:
                number, plan = coming.pop(0)
                fault = healing.enter_context(ExitStack())
                _inject(stage, plan, dice, fault)
                heapq.heappush(standing, (plan.at_s + plan.for_s, number, fault))
            else:
                heapq.heappop(standing)[2].close()


def _inject(stage: Stage, plan: FaultPlan, dice: random.Random, fault: ExitStack) -> None:
    blow = Blow(
        members=members_of(stage, plan.target, dice),
        servers=servers_of_store(stage, plan.target, dice),
        options=plan.options,
        for_s=plan.for_s,
        dice=dice,
    )
    struck = (*blow.members, *(server.name for server in blow.servers))
    whom = ", ".join(struck) or "the store"
    stage.screen.say(f"{plan.kind}: {whom}, for {plan.for_s:g} s", style="yellow")
    fault.callback(stage.screen.say, f"{plan.kind}: healed")
    fault.enter_context(CATALOGUE[plan.kind].inject(stage, blow))
