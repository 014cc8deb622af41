"""A fleet of a user's daemon under test: struck, waited for, and judged at the end of a stretch.

Owns what a test calls, and the stretches: one begins with a fleet at rest, at the first fault after
the last one ended, and ends with `settle`. Everything else is the stage's and the verdict's.

The fleet is watched by the calls of the test itself, while each of them waits, and by no thread of
its own. So whatever goes wrong is raised where the test stands and not beside it, Ctrl-C and a
timeout of pytest find one thread to interrupt, and what is read needs no lock. Nothing has to be
fed: a daemon makes its own work. What that costs: a test that sleeps by itself notices a daemon
that ended with its next call, not at once; `wait` is there instead of `time.sleep`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from coord.errors import UsageError
from coord.lab.chaos.daemon_scene import DaemonScene
from coord.lab.chaos.faults import CATALOGUE, SERVERS, Blow, FaultKind
from coord.lab.chaos.fleet import WorkerFailed
from coord.lab.chaos.play import await_steady, steady
from coord.lab.chaos.preflight import setting_of
from coord.lab.chaos.run import Waits, facts_of
from coord.lab.chaos.saved import keep, logs_in
from coord.lab.chaos.scenario import FaultPlan, Scenario
from coord.lab.chaos.stage import Stage, Unsteady, boundless
from coord.lab.chaos.targets import SAYS, members_of, servers_of_store
from coord.lab.chaos.verdict import judge
from coord.lab.measure import Log
from coord.lab.measure.faults import faults
from coord.lab.outcome import Outcome
from coord.lab.queue_faults import PREFIX, QueueFaults

__all__ = ["Needs", "Place", "TestedFleet"]

_COME_S = 20.0  # what processes may take to start on a busy machine
_LOOK_S = 2.0
_TTLS = 2

Needs = Callable[[str], None]
"""Told the name of a capability, goes on if this machine has it; does not return otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a fleet is played: as a scenario, with its waits, its files and its dice."""

    scenario: Scenario
    waits: Waits
    directory: Path
    dice: random.Random
    needs: Needs


class TestedFleet:
    """Processes of one daemon on one store. One thread; every call is bounded in time.

    Each call that waits raises WorkerFailed, with its last words, if a daemon has ended by itself.
    """

    __test__ = False  # nothing for pytest to collect

    def __init__(self, stage: Stage, place: Place) -> None:
        self._stage = stage
        self._place = place
        self._struck: list[FaultPlan] = []
        self._queues: list[QueueFaults] = []
        self._standing = 0
        self._number = 0
        self._open = False
        self.outcome: Outcome | None = None
        """What `settle` returned last."""
        self.blamed = False
        """Whether a daemon that ended by itself has been told to the test."""

    @property
    def members(self) -> tuple[str, ...]:
        """The members' names: m1, m2, and so on."""
        return self._stage.fleet.members

    @property
    def url(self) -> str:
        """The store and group, past all that stands between them and the daemons."""
        return self._stage.ground.url

    @property
    def ttl_s(self) -> float:
        """The ttl that the store grants."""
        return self._stage.ttl_s

    @property
    def directory(self) -> Path:
        """The event logs and, after `settle`, what `coord chaos check` reads."""
        return self._place.directory

    def last_words(self, member: str) -> str:
        """The last line that this daemon printed, or a traceback if there was one."""
        return self._stage.fleet.last_words(member)

    # ------------------------------------------------------------------------------ waiting

    def wait(self, for_s: float) -> None:
        """Let time pass, and watch the fleet meanwhile."""
        self._until(boundless, for_s)

    def until(self, happened: Callable[[], bool], *, within_s: float) -> bool:
        """Wait until it happened; False if it did not in time. It is asked often."""
        return self._until(happened, within_s)

    def leaders(self, role: str = "") -> list[str]:
        """Who leads anything, or anything of this role, and could act on it now, by name."""
        self._until(boundless, 0.0)
        scene = self._stage.scene
        if role and isinstance(scene, DaemonScene):
            return scene.leaders_of(role)
        return scene.leaders()

    def await_leader(self, role: str = "", *, within_s: float | None = None) -> str:
        """Wait until somebody leads this role (or any), and return its name.

        Without `within_s` as long as the store may take, and 20 s for processes to start. Raises
        Unsteady, with the last words of every daemon.
        """
        bound_s = _COME_S + self._place.waits.bound_s if within_s is None else within_s
        if not self._until(lambda: bool(self.leaders(role)), bound_s):
            said = "".join(f"\n{one} said last: {self._last(one)}" for one in self.members)
            raise Unsteady(
                f"nobody leads {role or 'anything'} after {bound_s:g} s{said}",
                cure="See whether the daemons reach COORD_STORE and serve that role.",
            )
        return self.leaders(role)[0]

    # ----------------------------------------------------------------------------- striking

    def begin(self) -> None:
        """Wait for a fleet at rest, from which a stretch begins, unless one has begun.

        Every fault does so, those of a queue as well; a test that strikes something of its own,
        such as a database, calls it. Raises Unsteady if the fleet does not come to rest.
        """
        if self._open:
            return
        await_steady(self._stage)
        self._number += 1
        self._mark("start")

    def hear(self, faults: QueueFaults) -> None:
        """Have the faults of a queue written into the log, and begin a stretch before each."""
        self._queues.append(faults)
        faults.tell(self._stage.events, self.begin)

    @contextmanager
    def struck(
        self, kind: str, target: str = "", *, for_s: float | None = None, **options: float
    ) -> Iterator[tuple[str, ...]]:
        """Let a fault stand while the block runs; it is healed in any case. Yields who is struck.

        `kind`: any of `coord chaos list`. `target`: one of that kind's selectors, or a member's
        name; the first selector that it lists if none is given. `for_s` is what the fault is told
        about its time; the block decides. The first fault after `settle` waits for a fleet at rest.
        """
        fault = self._fault(kind, target)
        plan = FaultPlan(
            kind=kind,
            target=target or fault.targets[0],
            at_s=0.0,
            for_s=self._for_s(for_s),
            options=_options(fault, options),
        )
        self.begin()
        blow = self._blow(plan)
        names = (*blow.members, *(server.name for server in blow.servers))
        self._standing += 1
        try:
            with fault.inject(self._stage, blow):
                self._struck.append(plan)
                self._stage.screen.say(f"{kind}: {', '.join(names) or 'the store'}")
                yield names
        finally:
            self._standing -= 1
            self._stage.screen.say(f"{kind}: healed")

    def strike(
        self, kind: str, target: str = "", *, for_s: float | None = None, **options: float
    ) -> tuple[str, ...]:
        """Strike, let the fault stand for so long (two ttls), heal. Returns who was struck."""
        for_s = self._for_s(for_s)
        with self.struck(kind, target, for_s=for_s, **options) as names:
            self.wait(for_s)
        return names

    def kill(self, target: str = "leader", *, for_s: float | None = None) -> tuple[str, ...]:
        """SIGKILL; started again after so long."""
        return self.strike("kill", target, for_s=for_s)

    def sigterm(self, target: str = "leader", *, for_s: float | None = None) -> tuple[str, ...]:
        """SIGTERM; started again after so long."""
        return self.strike("sigterm", target, for_s=for_s)

    def pause(self, target: str = "leader", *, for_s: float | None = None) -> tuple[str, ...]:
        """SIGSTOP for so long."""
        return self.strike("pause", target, for_s=for_s)

    def wedge(self, target: str = "leader", *, for_s: float | None = None) -> tuple[str, ...]:
        """The work hangs for so long; for daemons that take part (`coord.lab.chaos.agent`)."""
        return self.strike("wedge", target, for_s=for_s)

    # ----------------------------------------------------------------------------- settling

    def settle(self, *, within_s: float | None = None) -> Outcome:
        """Wait until the fleet is at rest again, and return what the stretch came to.

        Without `within_s` it waits for as long as the store's bound allows, and 20 s for processes
        to start; `violations` are judged by that bound alone, from when the last of them was back.
        With it, both by that. A fleet that is not at rest by then raises nothing: `recovered` says
        so. A fault of a queue that still stands is a violation, `fault-left-standing`. Raises
        UsageError inside of a `struck` block.
        """
        if self._standing:
            raise UsageError(
                "a fault still stands", cure="Call settle() after the `with fleet.struck(…)` block."
            )
        self.begin()
        self._look()
        bound_s = self._place.waits.bound_s if within_s is None else within_s
        wait_s = bound_s + _COME_S if within_s is None else within_s
        recovered = self._until(lambda: steady(self._stage), wait_s)
        if not recovered:
            self._stage.screen.say(f"not at rest within {wait_s:g} s")
            self._until(boundless, _LOOK_S)
        self._look()
        self._mark("end")
        self._until(boundless, 0.0)
        self.outcome = self._judged(bound_s, recovered=recovered)
        return self.outcome

    def check(self) -> None:
        """Raise WorkerFailed if a daemon has ended by itself and no call has said so yet."""
        if not self.blamed:
            self._stage.fleet.check()

    # ------------------------------------------------------------------------------- inside

    def _until(self, happened: Callable[[], bool], within_s: float) -> bool:
        try:
            return self._stage.until(happened, within_s)
        except WorkerFailed:
            self.blamed = True
            raise

    def _last(self, member: str) -> str:
        return self.last_words(member) if member in self._stage.fleet.running else "it does not run"

    def _for_s(self, given_s: float | None) -> float:
        return _TTLS * self.ttl_s if given_s is None else given_s

    def _look(self) -> None:
        """Those of a queue that end by themselves may have."""
        for queue in self._queues:
            queue.look()

    def _mark(self, state: str) -> None:
        name = self._stage.contestant.name
        self._stage.events.round(self._number, name, self._place.scenario.title, state)
        self._open = state == "start"

    def _fault(self, kind: str, target: str) -> FaultKind:
        """The fault, if it can strike here; a capability that is missing is its own matter."""
        fault = CATALOGUE.get(kind)
        if fault is None:
            raise UsageError(
                f"there is no fault {kind!r}", cure=f"There are {', '.join(CATALOGUE)}."
            )
        setting = setting_of(self._place.scenario)
        unfit = fault.unfit(setting)
        if unfit is None and fault.linked and self._stage.ground.links is None:
            unfit = f"{setting.store} has no network of ours in between"
        if unfit is None and fault.own_disks and self._stage.ground.disks is None:
            unfit = "the store's data is not on disks of its own: fleet(…, own_disks=True)"
        if unfit is not None:
            raise UsageError(f"{kind}: {unfit}", cure="Choose another fault, or another store.")
        fits = not target or target in fault.targets
        if not fits and not (target in self.members and "one" in fault.targets):
            known = ", ".join(name for name in SAYS if name in fault.targets)
            raise UsageError(
                f"{kind} cannot strike {target!r}", cure=f"Choose one of {known}, or a member."
            )
        for name in fault.needs:
            self._place.needs(name)
        return fault

    def _blow(self, plan: FaultPlan) -> Blow:
        dice, stage = self._place.dice, self._stage
        named = plan.target in stage.fleet.members
        return Blow(
            members=(plan.target,) if named else members_of(stage, plan.target, dice),
            servers=servers_of_store(stage, plan.target, dice) if plan.target in SERVERS else (),
            options=plan.options,
            for_s=plan.for_s,
            dice=dice,
        )

    def _judged(self, bound_s: float, *, recovered: bool) -> Outcome:
        stage, place = self._stage, self._place
        log = stage.log()
        scenario = replace(place.scenario, faults=tuple(self._struck), rounds=self._number)
        facts = replace(
            facts_of(scenario, stage.ground, stage.contestant, place.waits, log),
            bound_s=bound_s,
            fault=self._name(log),
            logs=logs_in(place.directory),
        )
        verdict = judge(log, facts)
        keep(place.directory, verdict)
        return Outcome.of(verdict, log, directory=place.directory, recovered=recovered)

    def _name(self, log: Log) -> str:
        """What struck the fleet so far, for the report: each fault as often as it was ordered."""
        of_queue = [fault.kind for fault in faults(log) if fault.kind.startswith(PREFIX)]
        return "+".join([*(plan.kind for plan in self._struck), *of_queue]) or "none"


def _options(fault: FaultKind, given: Mapping[str, float]) -> Mapping[str, float]:
    """All options of a fault, complete."""
    usual = {option.name: option.default for option in fault.options}
    unknown = sorted(given.keys() - usual)
    if unknown:
        raise UsageError(
            f"{fault.name} has no option {unknown[0]!r}",
            cure=f"It has {', '.join(usual) or 'none'}.",
        )
    return {**usual, **given}
