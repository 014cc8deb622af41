"""Rounds of chaos whose faults strike the store, and what came of them.

Owns the playing: a fleet of three of the lab's own work on a store of its own. Judges by the log
alone, as `coord chaos` does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from coord.config import parse_duration_s
from coord.lab.chaos.faults import CATALOGUE, Setting
from coord.lab.chaos.ground import Ground, ground
from coord.lab.chaos.housekeeping import Housekeeping
from coord.lab.chaos.play import play
from coord.lab.chaos.run import waits_of
from coord.lab.chaos.scenario import FaultPlan, FleetPlan, Scenario, StorePlan
from coord.lab.chaos.scene import Scene
from coord.lab.chaos.stage import Stage
from coord.lab.measure import (
    Log,
    RoundResult,
    Settings,
    Timeline,
    judge_log,
    load,
    measure_rounds,
    recovered,
    rounds_of,
    timeline,
)
from coord.lab.measure.faults import Fault, faults
from coord.lab.work.modes import TAU_S, mode_named

__all__ = ["MEMBERS", "Played", "play_rounds", "setting", "strike"]

MEMBERS = ("worker-1", "worker-2", "worker-3")
AFTER_S = 6.0
"""What a slow machine with four lanes may add to recovering; figures: docs/reliability.md."""
DYNAMODB_DRIFT, DYNAMODB_POLL_S = 0.01, 0.2

Hook = Callable[[Stage], None]


def setting(store: str, *, own: bool = True, servers: int = 3, mode: str = "single") -> Setting:
    return Setting(store=store, own=own, servers=servers, mode=mode)


def strike(kind: str, target: str, *, at: str = "0.5s", lasts: str, **options: float) -> FaultPlan:
    return FaultPlan(
        kind=kind,
        target=target,
        at_s=parse_duration_s(at),
        for_s=parse_duration_s(lasts),
        options={**{one.name: one.default for one in CATALOGUE[kind].options}, **options},
    )


def bound_s(kind: str, ttl_s: float) -> float:
    """How long after the last healing a fleet may take."""
    if kind == "dynamodb":
        return ttl_s * (1 + DYNAMODB_DRIFT) + DYNAMODB_POLL_S + AFTER_S
    return ttl_s + AFTER_S


@dataclass(frozen=True)
class Played:
    """What a run left: its log, and who said what."""

    line: Timeline
    ttl_s: float
    bound_s: float
    results: list[RoundResult]
    said: list[str]

    @property
    def log(self) -> Log:
        return self.line.log

    def faults(self, kind: str) -> list[Fault]:
        return [fault for fault in faults(self.log) if fault.kind == kind]

    def check(self) -> None:
        """No rule is broken, and everybody recovered in time."""
        assert [str(violation) for violation in judge_log(self.line)] == []
        late = recovered(self.line, within_s=self.bound_s, tau_s=TAU_S)
        assert [str(violation) for violation in late] == []
        assert sum(one.stale_acts.accepted for one in self.results) == 0

    @property
    def gap_s(self) -> float:
        return max(max(one.gap_s) for one in self.results)

    @property
    def split_s(self) -> float:
        return max(max(one.split_s) for one in self.results)


class _Screen:
    """Keeps what is said; a test may look at the stage whenever the scene is drawn."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.look: Callable[[], None] = lambda: None

    def show(self, scene: Scene) -> None:
        self.look()

    def say(self, text: str, *, style: str = "") -> None:
        self.said.append(text)


def play_rounds(
    folder: Path,
    store: str,
    *plans: FaultPlan,
    servers: int = 1,
    rounds: int = 1,
    mode: str = "single",
    ttl_s: float | None = None,
    hook: Hook | None = None,
    interrupted: Callable[[], None] = lambda: None,
) -> Played:
    """Play them; `hook` is called at every beat."""
    (work := folder / "work").mkdir()
    (events := folder / "events").mkdir()
    screen = _Screen()
    scenario = Scenario(
        title="store",
        store=StorePlan(place=store, servers=servers),
        fleet=FleetPlan(mode=mode),
        faults=plans,
        rounds=rounds,
    )
    with ExitStack() as opened:
        here = opened.enter_context(_ground(scenario, work, screen, ttl_s))
        limit_s = bound_s(store, here.ttl_s)
        if mode == "queue":  # what piled up is worked off one by one
            limit_s = waits_of(scenario, here).bound_s
        stage = opened.enter_context(
            Stage(
                Housekeeping(mode_named(mode)),
                members=MEMBERS,
                ground=here,
                work=work,
                events=events,
                screen=screen,
                interrupted=interrupted,
            )
        )
        if hook is not None:
            screen.look = lambda: hook(stage)
        play(stage, scenario, bound_s=limit_s)
    line = timeline(load(events))
    measured = Settings(tau_s=TAU_S, aftermath_s=here.ttl_s, grace_s=0.5)
    results = measure_rounds(line, rounds_of(line.log), measured)
    return Played(line, here.ttl_s, limit_s, results, screen.said)


def _ground(
    scenario: Scenario, work: Path, screen: _Screen, ttl_s: float | None
) -> AbstractContextManager[Ground]:
    kinds = [CATALOGUE[fault.kind] for fault in scenario.faults]
    return ground(
        scenario.store.place,
        ttl_s,
        work=work,
        say=screen.say,
        roles={},
        servers=scenario.store.servers,
        linked=any(kind.linked for kind in kinds),
        own_disks=any(kind.own_disks for kind in kinds),
    )
