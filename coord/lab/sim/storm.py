"""A script, played: a safety phase in which everything heals, and a liveness phase beside ruins.

Owns the order of things and the verdict. In the safety phase blows strike and are healed, several
at once. Then all that heals is healed, what stands to the end begins, and the members that nothing
strikes have to recover beside those that stay broken: a fault that heals hides a fleet that would
wait for ever. Judged by the rules of chaos, and by the world itself (`hearing`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush

from coord._version import __version__
from coord.lab.chaos.faults import MEMBERS
from coord.lab.chaos.verdict import Excused, Facts, judge
from coord.lab.measure import Violation, to_json
from coord.lab.measure.events import End
from coord.lab.sim.blows import ZONE, Blow, blow_named, struck_by
from coord.lab.sim.dice import Dice
from coord.lab.sim.fleet import FEED_S, Pace, SimWorld
from coord.lab.sim.hearing import broken_by, heard
from coord.lab.sim.rests import Rests
from coord.lab.sim.script import Script, Strike
from coord.testing.world_work import Behaviour

__all__ = ["Played", "Storm"]

_TAU_S = 2.5 * FEED_S
_RETRY_S = 1.5
"""How much longer than to stop one code, and to see the next wedge, it takes until work is done."""
_START_S = 20.0
_BEYOND_S = 5.0
_LOOK_S = 0.5
_LANE = 3
"""How many requests, one after the other, a claim waits for at a member that is far off: a view, an
amendment and the release where it is given back, two views and the claim where it is taken. Of a
member that is near they are within the rule's own margin."""
_LONGEST_REST_S = 100.0
"""A rest that ends later is not waited for."""
_AFTER_S = 0.001
_NAME = "storm"
_SETTLED_TTLS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a script. `kept`: no rule was broken."""

    script: Script
    violations: tuple[Violation, ...]
    excused: tuple[Excused, ...]
    simulated_s: float
    trace_hash: str

    @property
    def kept(self) -> bool:
        """Whether all rules were kept."""
        return not self.violations

    @property
    def rules(self) -> frozenset[str]:
        """The names of the rules that were broken."""
        return frozenset(violation.rule for violation in self.violations)


class Storm:
    """One script on its way. `world_type` is what a test that plants a fault replaces."""

    world_type = SimWorld

    def __init__(self, script: Script) -> None:
        self.script = script.checked()
        self.dice = Dice(script.seed)
        far_s = max((one.far_s for one in script.fittings.values()), default=0.0)
        lane_s = _LANE * 2 * far_s
        # a generation that ends waits for the slowest code of all
        self.bound_s = script.manner.bound_s(script.timing) + script.stop_s + lane_s
        self.tau_s = max(_TAU_S, script.progress_s + script.stop_s + _RETRY_S) + lane_s
        self.world = self.world_type(
            dice=self.dice,
            timing=script.timing,
            manner=script.manner,
            role=script.role,
            fittings=script.fittings,
            pace=Pace(
                work=Behaviour(rest_s=script.rest_s, work_s=script.work_s, stop_s=script.stop_s)
            ),
        )
        self.rests = Rests(self.world)
        self._began_s = self.world.now_s
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._standing: set[tuple[str, str]] = set()
        self._lasting: list[Callable[[], None]] = []
        self._own: list[Violation] = []
        self._numbers = 0

    def run(self) -> Played:
        """From the first member to the verdict."""
        world, script = self.world, self.script
        for number in range(1, script.members + 1):
            world.join(f"m{number}")
        world.until(lambda: world.whole, within_s=_START_S + 3 * script.ttl_s, step_s=_LOOK_S)
        self._peace()
        world.recorder.round(1, script.mode, _NAME, "start")
        whole_s = world.now_s
        self._plan(whole_s + script.calm_s, self._start_again)
        for strike in script.strikes:
            moment_s = strike.at_s if math.isfinite(strike.for_s) else script.calm_s
            self._plan(whole_s + min(moment_s, script.calm_s), partial(self._strike, strike))
        self._play(whole_s + script.calm_s)
        self._recover()
        world.recorder.round(1, script.mode, _NAME, "end")
        world.run(_AFTER_S)  # what is healed now is no part of the round
        for heal in self._lasting:
            heal()
        return self._judged()

    def _peace(self) -> None:
        """Nothing strikes: once the fleet has settled, nobody is demoted."""
        script, world = self.script, self.world
        if not script.peace_s:
            return
        world.run(_SETTLED_TTLS * script.ttl_s)
        before = self._ends()
        world.run(script.peace_s)
        if self._ends() > before:
            detail = f"{self._ends() - before} tenures ended though nothing had happened"
            self._own.append(Violation("demoted-in-peace", world.now_s, detail))

    def _ends(self) -> int:
        return len(self.world.recorder.log().all(End))

    # --- the safety phase --------------------------------------------------------------------

    def _plan(self, moment_s: float, then: Callable[[], None]) -> None:
        self._numbers += 1
        heappush(self._agenda, (moment_s, self._numbers, then))

    def _play(self, until_s: float) -> None:
        """All that is on the agenda until then; what is due later is due then."""
        world = self.world
        while self._agenda:
            moment_s, _, then = heappop(self._agenda)
            world.run(max(0.0, min(moment_s, until_s) - world.now_s))
            then()
        world.run(max(0.0, until_s - world.now_s))

    def _strike(self, strike: Strike) -> None:
        """One blow on whoever is meant and free for it: one fault of a kind at a time."""
        blow = blow_named(strike.fault)
        place = blow.place
        struck = []
        for name in self._whom(blow, strike):
            at = ("*" if blow.store or blow.whom else name, place)
            if at not in self._standing:
                self._standing.add(at)
                struck.append((name, at))
        if not struck:
            return
        self._numbers += 1
        names = [name for name, _ in struck]
        healing = blow.begin(self.world, names, f"{strike.fault}-{self._numbers}")
        if math.isinf(strike.for_s):
            self._lasting += healing
            return
        for heal, (_, at) in zip(healing, struck, strict=True):
            self._plan(self.world.now_s + strike.for_s, partial(self._heal, heal, at))

    def _start_again(self) -> None:
        """Who gave in, because its name seemed to be taken, is started again by its supervisor."""
        for host in list(self.world.hosts.values()):
            if host.stopped and not host.dead:
                self.world.join(host.name)

    def _heal(self, heal: Callable[[], None], at: tuple[str, str]) -> None:
        self._standing.discard(at)
        heal()

    def _whom(self, blow: Blow, strike: Strike) -> list[str]:
        if strike.whom in MEMBERS or strike.whom == ZONE or blow.whom or blow.store:
            lots = self.dice.stream(f"target {strike.lot}")
            found = struck_by(blow, self.world, strike.whom, lots)
            return found or (list(self.world.hosts)[:1] if blow.store else [])
        named = strike.whom.split(",")
        return [host.name for host in self.world.up() if host.name in named]

    # --- the liveness phase ------------------------------------------------------------------

    def _recover(self) -> None:
        """As long as the rule gives them, and longer; longer still while a claim rests."""
        world, margin_s = self.world, self.tau_s + _BEYOND_S
        world.run(self.bound_s + margin_s)
        rest_s = self.rests.until_s() + self.bound_s + margin_s
        if world.now_s < rest_s < world.now_s + _LONGEST_REST_S:
            world.run(rest_s - world.now_s)
        role = self.script.role.name
        wedged = sum(one.fault == "wedge" for one in self.script.strikes if math.isinf(one.for_s))
        for shard, units in world.due.items():
            if len(units) > self.tau_s / FEED_S * max(1, wedged):  # each may have its turn
                detail = f"{role}/{world.generation}/{shard} has {len(units)} units undone"
                self._own.append(Violation("not-recovered", world.now_s, detail))

    # --- the verdict -------------------------------------------------------------------------

    def _judged(self) -> Played:
        """Nothing falls due any more; what is left is done, where a claim rests after that."""
        world = self.world
        world.feeding = False
        resting_s = max(0.0, self.rests.until_s() - world.now_s)
        world.until(
            lambda: world.whole and not any(world.due.values()),
            within_s=_START_S + 3 * self.bound_s + resting_s,
            step_s=_LOOK_S,
        )
        world.run(1.0)
        verdict = judge(world.recorder.log(), self._facts())
        told, excused = heard(world, 0)
        own = [*verdict.violations, *self._own]
        late = self.rests.excused(own, self.bound_s + self.tau_s)
        rested = {id(one.violation) for one in late}
        broken = [one for one in own if id(one) not in rested] + told
        digest = hashlib.blake2b(world.trace.encode(), digest_size=16)
        digest.update(to_json(verdict.report).encode())
        return Played(
            script=self.script,
            violations=tuple(sorted(broken, key=lambda one: one.at_s)),
            excused=(*verdict.excused, *excused, *late),
            simulated_s=world.now_s - self._began_s,
            trace_hash=digest.hexdigest(),
        )

    def _facts(self) -> Facts:
        script, role = self.script, self.script.role
        return Facts(
            title=_NAME,
            store=script.store,
            own=True,
            versions={"coord": __version__},
            ttl_s=script.timing.ttl_s,
            expiry=script.manner.ends.value,
            drift=script.drift,
            poll_s=0.0,
            mode=script.mode,
            fault=_NAME,
            shards=role.shards,
            seats=role.seats,
            members=script.members,
            seed=script.seed,
            rounds=1,
            tau_s=self.tau_s,
            bound_s=self.bound_s,
            breaks=broken_by(self.world),
        )
