"""A setting, played for so many simulated hours: rounds of steady, struck, healed, and a verdict.

Owns the order of things, as `coord.lab.chaos.play` does for real processes, and the judging a few
rounds at a time: what has been judged is added up and dropped, so hours cost no memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from coord._version import __version__
from coord.config import Role, Timing
from coord.errors import UsageError
from coord.lab.chaos.scenario import FaultPlan
from coord.lab.chaos.verdict import Excused, Facts, judge
from coord.lab.measure import Report, Setup, Violation, checked_report, to_json
from coord.lab.sim.blows import ALL, ZONE, Blow, blow_named, refuse_misfit, struck_by
from coord.lab.sim.dice import Dice
from coord.lab.sim.fleet import USUAL, Fitting, Pace, SimWorld
from coord.lab.sim.hearing import broken_by, heard
from coord.lab.sim.manners import MANNERS, StoreManner
from coord.lab.sim.pauses import Stalls
from coord.lab.sim.rests import Rests
from coord.lab.sim.tally import Tally
from coord.lab.work.modes import MODES, mode_named

__all__ = ["NO_FAULT", "Outcome", "Setting", "Simulation", "simulate"]

NO_FAULT = "none"
_HOUR_S = 3600.0
_ROUNDS_AT_ONCE = 3
_LOOK_S = 0.5
_QUIET_S = 2.0
_BEYOND_S = 2.0
_CALM_S = 1.0
"""How long a fleet that has recovered is looked at: whoever goes on with an act in which it was
stopped or hung has done it by then, and what it did belongs to the round.
"""
_START_S = 20.0
_STALLS = 5
"""How many of the longest pauses of the user's own machines what is due may wait for."""
_STALLED = "a member stood still by itself then, as the file of pauses says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is simulated. Durations in seconds; None: what is usual for the mode, or derived.

    `every_s`: from the beginning of one round to that of the next, at least. `plans`: what strikes
    in each round, when and for how long; without them `fault` strikes `target`, at once, for two
    ttls. `rounds`: as many, however many hours they take; 0: as many as begin within `hours`.
    `beta`: the share of strikes that have one cause in common, and so strike all at once; with
    `zones`, over which the members are spread in turn, all of a leader's zone.
    `pace`: how fast members work. `alone`: the store is a single server, and has no followers.
    """

    mode: str = "single"
    store: str = "etcd"
    ttl_s: float = 10.0
    heartbeat_s: float | None = None
    members: int = 3
    shards: int | None = None
    seats: int | None = None
    fault: str = "kill"
    target: str = "leader"
    hours: float = 1.0
    every_s: float = 0.0
    seed: int = 1
    pauses: Stalls | None = None
    plans: tuple[FaultPlan, ...] = ()
    rounds: int = 0
    beta: float = 0.0
    zones: int = 0
    pace: Pace = USUAL
    alone: bool = False

    @property
    def role(self) -> Role:
        """The role that all members serve, as of the lab's work."""
        names = [mode.name for mode in MODES if not mode.queue]
        if self.mode not in names:
            raise UsageError(
                f"there is no mode {self.mode!r} to simulate", cure=f"Modes: {', '.join(names)}."
            )
        return mode_named(self.mode, shards=self.shards, seats=self.seats).role

    @property
    def fittings(self) -> dict[str, Fitting]:
        """The zone of each member; empty without zones. Raises UsageError for what cannot be."""
        if not 0 <= self.beta <= 1:
            raise UsageError(
                f"beta is {self.beta:g}", cure="It must be from 0 to 1; 0.01 to 0.1 is usual."
            )
        if not 0 <= self.zones <= self.members:
            raise UsageError(
                f"{self.members} members cannot be in {self.zones} zones",
                cure="Give at most as many zones as members; 0 for none.",
            )
        if self.target == ZONE and not self.zones:
            raise UsageError("nobody is in a zone", cure="Say how many there are: --zones 3.")
        if not self.zones:
            return {}
        numbers = range(1, self.members + 1)
        return {f"m{n}": Fitting(zone=f"z{(n - 1) % self.zones + 1}") for n in numbers}

    @property
    def manner(self) -> StoreManner:
        """The store's. Raises UsageError for a kind that is not known."""
        found = MANNERS.get(self.store)
        if found is None:
            raise UsageError(
                f"no store {self.store!r} is simulated", cure=f"Stores: {', '.join(MANNERS)}."
            )
        return found.of_one_server if self.alone else found

    @property
    def timing(self) -> Timing:
        """The budget. Raises ConfigError if it does not add up."""
        manner = self.manner
        timing = Timing.of(self.ttl_s, heartbeat_s=self.heartbeat_s)
        timing.check_budget(ttl_s=max(self.ttl_s, manner.min_ttl_s), lag_s=manner.lag_s)
        return timing

    @property
    def blow(self) -> Blow | None:
        """What strikes; None: nothing. Raises UsageError for what cannot."""
        if self.fault == NO_FAULT:
            return None
        blow = blow_named(self.fault)
        refuse_misfit(blow, self.manner)
        return blow

    @property
    def strikes(self) -> tuple[tuple[Blow, FaultPlan], ...]:
        """What strikes in each round. Raises UsageError for what cannot."""
        if self.plans:
            return tuple((blow_named(plan.kind), plan) for plan in self.plans)
        blow = self.blow
        if blow is None:
            return ()
        plan = FaultPlan(kind=self.fault, target=self.target, at_s=0.0, for_s=2 * self.timing.ttl_s)
        return ((blow, plan),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it. `kept`: no rule was broken."""

    setting: Setting
    report: Report
    violations: tuple[Violation, ...]
    excused: tuple[Excused, ...]
    simulated_s: float
    bound_s: float
    trace_hash: str
    tally: Tally

    @property
    def kept(self) -> bool:
        """Whether all rules were kept."""
        return not self.violations


@dataclass(slots=True)
class _Judged:
    tally: Tally = field(default_factory=Tally)
    violations: list[Violation] = field(default_factory=list)
    excused: list[Excused] = field(default_factory=list)


def simulate(setting: Setting, *, progress: Callable[[float], None] | None = None) -> Outcome:
    """Play and judge. `progress` gets the share that is done. Raises UsageError for bad settings.

    The same setting gives the same outcome, to the last digit of its `trace_hash`.
    """
    return Simulation(setting).run(progress)


class Simulation:
    """One setting on its way. `world_type` is what a test that plants a fault replaces."""

    world_type = SimWorld

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.strikes = setting.strikes
        self.manner = setting.manner
        self.dice = Dice(setting.seed)
        self.judged = _Judged()
        self.world = self.world_type(
            dice=self.dice,
            timing=setting.timing,
            manner=self.manner,
            role=setting.role,
            pauses=setting.pauses,
            fittings=setting.fittings,
            pace=setting.pace,
        )
        self.rests = Rests(self.world)
        self._began_s = self.world.now_s
        self._seen = 0

    @property
    def simulated_s(self) -> float:
        """How much time has passed in the world."""
        return self.world.now_s - self._began_s

    @property
    def bound_s(self) -> float:
        """Within how long after the last healing the fleet must have recovered."""
        return self.manner.bound_s(self.setting.timing)

    def run(self, progress: Callable[[float], None] | None = None) -> Outcome:
        """From the first member to the verdict."""
        for number in range(1, self.setting.members + 1):
            self.world.join(f"m{number}")
        rounds = pending = 0
        while (share := self._share(rounds)) < 1:
            if progress is not None:
                progress(share)
            rounds += 1
            pending += 1
            self._round(rounds)
            if pending == _ROUNDS_AT_ONCE or self._share(rounds) >= 1:
                self._judge(pending)
                pending = 0
        return self._outcome(rounds)

    def _share(self, rounds: int) -> float:
        """How much of it has been played."""
        if self.setting.rounds:
            return rounds / self.setting.rounds
        return self.simulated_s / (self.setting.hours * _HOUR_S)

    # --- a round -----------------------------------------------------------------------------

    def _round(self, number: int) -> None:
        """Steady, struck, healed, recovered, and steady again until the next is due."""
        world, recorder, setting = self.world, self.world.recorder, self.setting
        next_s = world.now_s + setting.every_s
        world.feeding = True
        world.until(lambda: world.whole, within_s=_START_S + 3 * setting.ttl_s, step_s=_LOOK_S)
        recorder.round(number, setting.mode, setting.fault, "start")
        self._strike(number)
        world.until(self._all_there, within_s=_START_S, step_s=_LOOK_S)
        if not world.until(lambda: world.whole, within_s=self.bound_s, step_s=_LOOK_S):
            world.run(_BEYOND_S)
        world.run(_CALM_S)
        if world.now_s < next_s:
            world.run(next_s - world.now_s)
        recorder.round(number, setting.mode, setting.fault, "end")

    def _all_there(self) -> bool:
        return all(host.up for host in self.world.hosts.values())

    def _strike(self, number: int) -> None:
        """From any moment of the heartbeats' period on: each at its time, for its time."""
        world, timing = self.world, self.setting.timing
        wait_s = _QUIET_S + self.dice.stream("moments").random() * timing.heartbeat_s
        world.run(wait_s)
        if not self.strikes:
            world.run(2 * timing.ttl_s)
        healing: dict[int, list[Callable[[], None]]] = {}
        began_s = world.now_s
        for at_s, heals, place in self._moments():
            if began_s + at_s > world.now_s:
                world.run(began_s + at_s - world.now_s)
            if heals:
                for heal in healing.pop(place):
                    heal()
            else:
                healing[place] = self._begin(place, number)

    def _moments(self) -> list[tuple[float, bool, int]]:
        """When what begins and, where True, is healed, in their order."""
        plans = [plan for _, plan in self.strikes]
        begins = [(plan.at_s, False, place) for place, plan in enumerate(plans)]
        ends = [(plan.at_s + plan.for_s, True, place) for place, plan in enumerate(plans)]
        return sorted(begins + ends)

    def _begin(self, place: int, number: int) -> list[Callable[[], None]]:
        """One of them strikes; what heals it."""
        blow, plan = self.strikes[place]
        whom = self._shared_by() if self._is_shared() else plan.target
        names = struck_by(blow, self.world, whom, self.dice.stream("targets"))
        mark = f"{plan.kind}-{number}" + (f"-{place + 1}" if place else "")
        return blow.begin(self.world, names, mark)

    def _is_shared(self) -> bool:
        """Whether this strike has a cause that others share: the beta of correlated faults."""
        beta = self.setting.beta
        return beta > 0 and self.dice.stream("shared causes").random() < beta

    def _shared_by(self) -> str:
        return ZONE if self.setting.zones else ALL

    # --- judging -----------------------------------------------------------------------------

    def _judge(self, rounds: int) -> None:
        """Let what is due be done, judge what was recorded, and forget it."""
        world = self.world
        world.feeding = False
        pauses = self.setting.pauses  # whoever does it may stand still himself, time and again
        stalls_s = _STALLS * max(pauses.lengths_s) if pauses is not None else 0.0
        drained = world.until(
            lambda: not any(world.due.values()), within_s=self.bound_s + stalls_s, step_s=_LOOK_S
        )
        world.run(1.0)
        log = world.recorder.log()
        verdict = judge(log, self._facts(rounds))
        judged = self.judged
        judged.tally.add(verdict.results, log)
        judged.excused += verdict.excused
        rested = self.rests.excused(verdict.violations, self.bound_s)
        judged.excused += rested
        known = {id(one.violation) for one in rested}
        for violation in verdict.violations:
            if id(violation) in known:
                continue
            if violation.rule == "not-recovered" and self._stalled(violation.at_s):
                judged.excused.append(Excused(violation, _STALLED))
            else:
                judged.violations.append(violation)
        world.stalled.clear()
        self.rests.forget()
        self._hear_world()
        if not drained:
            for units in world.due.values():
                units.clear()
        world.recorder.cut()

    def _stalled(self, moment_s: float) -> bool:
        """Whether a member stood still by itself then, or shortly before."""
        return any(
            since_s <= moment_s <= until_s + self.bound_s for since_s, until_s in self.world.stalled
        )

    def _hear_world(self) -> None:
        """What the world itself has seen: it knows the store, and no record."""
        told, excused = heard(self.world, self._seen)
        self._seen += len(told)
        self.judged.violations += told
        self.judged.excused += excused

    def _facts(self, rounds: int) -> Facts:
        setting, role, timing = self.setting, self.setting.role, self.setting.timing
        return Facts(
            title="simulated",
            store=setting.store,
            own=True,
            versions={"coord": __version__},
            ttl_s=timing.ttl_s,
            expiry=self.manner.ends.value,
            drift=timing.drift,
            poll_s=0.0,
            mode=setting.mode,
            fault=setting.fault,
            shards=role.shards,
            seats=role.seats,
            members=setting.members,
            seed=setting.seed,
            rounds=rounds,
            tau_s=setting.pace.tau_s,
            bound_s=self.bound_s,
            breaks=broken_by(self.world),
        )

    def _outcome(self, rounds: int) -> Outcome:
        setting, role = self.setting, self.setting.role
        setup = Setup(
            store=setting.store,
            ttl_s=setting.ttl_s,
            seed=setting.seed,
            members=setting.members,
            shards=role.shards,
            seats=role.seats,
            rounds=rounds,
        )
        report = checked_report(self.judged.tally.report(setup))
        digest = hashlib.blake2b(self.world.trace.encode(), digest_size=16)
        digest.update(to_json(report).encode())
        return Outcome(
            setting=setting,
            report=report,
            violations=tuple(self.judged.violations),
            excused=tuple(self.judged.excused),
            simulated_s=self.simulated_s,
            bound_s=self.bound_s,
            trace_hash=digest.hexdigest(),
            tally=self.judged.tally,
        )
