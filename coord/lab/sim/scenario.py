"""A scenario of chaos as a setting of the simulator: the same fleet, faults and moments.

Owns what of a scenario cannot be simulated. Nothing of one is left out in silence: a fault that the
simulator does not know, or knows in its usual size only, is refused with its line.
"""

from __future__ import annotations

from collections.abc import Iterator

from coord.errors import UsageError
from coord.lab.chaos.faults import CATALOGUE
from coord.lab.chaos.preflight import Refusal, refusals, refuse
from coord.lab.chaos.reading import usual_ttl_s
from coord.lab.chaos.scenario import FaultPlan, Scenario
from coord.lab.sim.blows import SIMULATED, blow_named, refuse_misfit
from coord.lab.sim.fleet import Pace
from coord.lab.sim.manners import MANNERS
from coord.lab.sim.run import Setting
from coord.lab.work.modes import ARCHIVE_S, FEED_S, REST_S, TAU_S, mode_named
from coord.testing.world_work import Behaviour

__all__ = ["setting_of"]

_HOUSEKEEPING = Pace(work=Behaviour(rest_s=REST_S, work_s=ARCHIVE_S), feed_s=FEED_S, tau_s=TAU_S)
"""As the lab's processes work: a wedge is found a second after it, and not after the next act."""
_REAL = "or leave --simulate out"


def setting_of(scenario: Scenario, name: str) -> Setting:
    """What to simulate. Raises ConfigError with all that cannot be; `name` is the scenario's file.

    The lengths of a scenario stay: what strikes at 2 s for 5 s does so here, and members work as
    fast as the lab's processes do. Rounds begin at
    another moment of the heartbeats' period each, drawn from the seed, as on real processes.
    """
    refuse(list(_refusals(scenario)), name)
    store, fleet = scenario.store, scenario.fleet
    ttl_s = scenario.ttl_s
    return Setting(
        mode=fleet.mode,
        store=store.place,
        ttl_s=usual_ttl_s(store.place) if ttl_s is None else ttl_s,
        members=fleet.members,
        shards=fleet.shards,
        seats=fleet.seats,
        fault=scenario.name,
        target=_target(scenario.faults),
        plans=scenario.faults,
        rounds=scenario.rounds,
        seed=scenario.seed,
        pace=_HOUSEKEEPING,
        alone=store.servers == 1,
    )


def _target(plans: tuple[FaultPlan, ...]) -> str:
    return "+".join(plan.target for plan in plans) or "leader"


def _refusals(scenario: Scenario) -> Iterator[Refusal]:
    """All that keeps it from being simulated."""
    yield from _of_fleet(scenario)
    if scenario.store.place not in MANNERS:
        yield Refusal(
            line=0,
            cause=f"a simulation reaches no store of yours: {scenario.store.place}",
            cure=f"Choose a kind whose manners are known with --store: {', '.join(MANNERS)}; "
            f"{_REAL}.",
            told=scenario.store.told,
        )
        return
    yield from refusals(scenario, lacks=lambda _: "")
    for plan in scenario.faults:
        yield from _of_fault(plan, scenario)


def _of_fleet(scenario: Scenario) -> Iterator[Refusal]:
    fleet = scenario.fleet
    if fleet.command:
        yield Refusal(
            line=fleet.line,
            cause="a daemon of yours is a real process, and is not simulated",
            cure=f"Leave the command out and choose a mode, {_REAL}.",
        )
    elif mode_named(fleet.mode).queue:
        yield Refusal(
            line=0,
            cause="a queue has no leaders to simulate",
            cure=f"Choose another mode with --mode, {_REAL}.",
        )


def _of_fault(plan: FaultPlan, scenario: Scenario) -> Iterator[Refusal]:
    blow = SIMULATED.get(plan.kind)
    try:
        refuse_misfit(blow_named(plan.kind), MANNERS[scenario.store.place])
    except UsageError as error:
        yield Refusal(line=plan.line, cause=error.cause, cure=f"{error.cure} Or play it for real.")
        return
    if plan.kind == "clock-drift":
        yield Refusal(
            line=plan.line,
            cause="simulated clocks drift by what is declared and no more",
            cure=f"Choose `clock-jump`, {_REAL}.",
        )
        return
    if blow is not None and blow.store and scenario.store.servers != 1:
        yield Refusal(
            line=plan.line,
            cause=f"{plan.kind} strikes one server of {scenario.store.servers}, and the simulated "
            "store is one",
            cure=f"Set servers = 1, {_REAL}.",
        )
    for option in CATALOGUE[plan.kind].options:
        told = plan.options.get(option.name, option.default)
        if told != option.default:
            yield Refusal(
                line=plan.line,
                cause=f"{plan.kind} is simulated with {option.name} {option.default:g} only, "
                f"not with {told:g}",
                cure=f"Leave {option.name} out, {_REAL}.",
            )
