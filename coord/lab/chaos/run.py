"""A scenario from its beginning to its verdict.

Owns the order: the ground, the stage, the play, the facts, the verdict. Whatever happens, what
struck is healed and what was started is stopped.
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from coord._version import __version__
from coord.config import Timing
from coord.errors import CoordError
from coord.lab.chaos.contestant import Contestant
from coord.lab.chaos.daemon import Daemon
from coord.lab.chaos.faults import CATALOGUE
from coord.lab.chaos.ground import Ground, ground, groundless
from coord.lab.chaos.housekeeping import Housekeeping
from coord.lab.chaos.play import play
from coord.lab.chaos.preflight import setting_of, uses_store
from coord.lab.chaos.saved import keep, logs_in, note, refuse_full
from coord.lab.chaos.scenario import FaultPlan, FleetPlan, Scenario, StorePlan
from coord.lab.chaos.stage import Screen, Stage
from coord.lab.chaos.verdict import Facts, Verdict, bound_of, judge
from coord.lab.measure import Log, load
from coord.lab.measure.effects import counted_acts
from coord.lab.measure.events import RoleMark
from coord.lab.work import app
from coord.lab.work.modes import MODES, mode_named, visibility_s
from coord.model import Shape
from coord.registry import open_store
from coord.spi import Expiry

__all__ = ["Waits", "contestant_of", "facts_of", "perform", "waits_of"]

_CLIENTS = {"etcd": "cslab-etcd3", "zookeeper": "kazoo", "dynamodb": "boto3"}
_VISIBILITY = "visibility"


def perform(
    scenario: Scenario,
    *,
    work: Path,
    events: Path,
    screen: Screen,
    interrupted: Callable[[], None],
    breaking: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Verdict:
    """Play it and judge it; `events` then has all that `saved.load_run` needs.

    `work` and `events` are existing, empty directories. `interrupted` is asked at every beat and
    may raise; whatever may be broken off in its middle runs within `breaking()`. The scenario has
    passed `preflight.check`. Raises what the store raises before anything is struck, Unsteady if
    the fleet does not come to rest before a round, and WorkerFailed if a worker ends by itself.
    """
    note(events, scenario)
    contestant = contestant_of(scenario.fleet)
    stage_files = work / "fleet"
    stage_files.mkdir()
    with ExitStack() as opened:
        with breaking():
            with _telling_where(scenario.store):
                here = opened.enter_context(_ground(scenario, work, screen))
            waits = waits_of(scenario, here)
        screen.say(here.words)
        stage = Stage(
            contestant,
            members=[f"m{number}" for number in range(1, scenario.fleet.members + 1)],
            ground=here,
            work=stage_files,
            events=events,
            screen=screen,
            interrupted=interrupted,
        )
        with _telling_full(events, work), stage, _telling_full(events, work):
            play(stage, scenario, bound_s=waits.bound_s)
    interrupted()
    refuse_full(events)
    log = load(events)
    facts = replace(
        facts_of(scenario, here, contestant, waits, log),
        unrecorded=_unrecorded(stage_files / "app.db", log),
        logs=logs_in(events),
    )
    verdict = judge(log, facts)
    keep(events, verdict)
    return verdict


def contestant_of(fleet: FleetPlan) -> Contestant:
    """Who is struck: the user's daemon, or the lab's own work in its mode."""
    if fleet.command:
        return Daemon(command=fleet.command, roles=fleet.roles)
    return Housekeeping(mode_named(fleet.mode, shards=fleet.shards, seats=fleet.seats))


@contextmanager
def _telling_where(store: StorePlan) -> Iterator[None]:
    """What is wrong with a store of the user's is told with the place that names it."""
    try:
        yield
    except CoordError as error:
        if store.told and "://" in store.place:
            error.cause = f"{store.told}: {error.cause}"
        raise


@contextmanager
def _telling_full(*directories: Path) -> Iterator[None]:
    """What goes wrong where nothing can be written goes wrong because of that.

    Asked before the stage is left, because that may make room again.
    """
    try:
        yield
    except (CoordError, OSError, sqlite3.Error):
        for directory in directories:
            refuse_full(directory)
        raise


def _ground(scenario: Scenario, work: Path, screen: Screen) -> AbstractContextManager[Ground]:
    if not uses_store(setting_of(scenario)):
        return nullcontext(groundless(scenario.store.place, scenario.ttl_s))
    return ground(
        scenario.store.place,
        scenario.ttl_s,
        work=work,
        say=screen.say,
        roles=_roles(scenario.fleet),
        servers=scenario.store.servers,
        linked=any(CATALOGUE[plan.kind].linked for plan in scenario.faults),
        own_disks=any(CATALOGUE[plan.kind].own_disks for plan in scenario.faults),
    )


def _roles(fleet: FleetPlan) -> Mapping[str, Shape]:
    """What may be found in a group that a scenario was played in before."""
    usual = {mode.role.name: mode.role.shape for mode in MODES if not mode.queue}
    if fleet.command:
        return usual
    mode = mode_named(fleet.mode, shards=fleet.shards, seats=fleet.seats)
    return {**usual, mode.role.name: mode.role.shape}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How this store, or the queue, tells that somebody is gone, and how long that may take.

    `backlog_s`: for how long messages may pile up in a round. A leader does at once whatever has
    fallen due; workers of a queue take it one by one, and are given as long as it took to come.
    """

    silent_s: float
    expiry: str
    drift: float = 0.0
    poll_s: float = 0.0
    backlog_s: float = 0.0

    @property
    def bound_s(self) -> float:
        """Within how long after the last healing a fleet must have recovered."""
        observed = self.expiry == Expiry.OBSERVED.value
        bound_s = bound_of(
            ttl_s=self.silent_s, observed=observed, drift=self.drift, poll_s=self.poll_s
        )
        return bound_s + self.backlog_s


def waits_of(scenario: Scenario, here: Ground) -> Waits:
    """What holds where it is played."""
    timing = Timing.of(here.ttl_s)
    if not uses_store(setting_of(scenario)):
        silent_s = visibility_s(here.ttl_s)
        return Waits(silent_s=silent_s, expiry=_VISIBILITY, backlog_s=_struck_s(scenario.faults))
    with closing(open_store(here.url).store) as store:
        expiry = store.guarantees.expiry
    poll_s = timing.rpc_timeout_s if expiry is Expiry.OBSERVED else 0.0
    told = parse_qs(urlsplit(here.url).query).get("poll")
    return Waits(
        silent_s=here.ttl_s,
        expiry=expiry.value,
        drift=timing.drift,
        poll_s=float(told[0]) if told else poll_s,
    )


def _struck_s(faults: Sequence[FaultPlan]) -> float:
    """From the first blow of a round to its last healing."""
    if not faults:
        return 0.0
    return max(plan.at_s + plan.for_s for plan in faults) - min(plan.at_s for plan in faults)


def facts_of(
    scenario: Scenario, here: Ground, contestant: Contestant, waits: Waits, log: Log
) -> Facts:
    """What a verdict depends on besides the log; its files are not looked at."""
    shapes = [mark.shape for mark in log.all(RoleMark)]
    return Facts(
        title=scenario.title,
        store=here.kind,
        own=here.own,
        versions=_versions(here.kind),
        ttl_s=here.ttl_s,
        expiry=waits.expiry,
        drift=waits.drift,
        poll_s=waits.poll_s,
        mode=contestant.name,
        fault=scenario.name,
        shards=max((shape.shards for shape in shapes), default=1),
        seats=max((shape.seats for shape in shapes), default=1),
        members=scenario.fleet.members,
        seed=scenario.seed,
        rounds=scenario.rounds,
        tau_s=contestant.tau_s,
        bound_s=waits.bound_s,
        breaks=_breaks(scenario),
    )


def _versions(kind: str) -> dict[str, str]:
    found = {"coord": __version__, "python": platform.python_version()}
    client = _CLIENTS.get(kind)
    if client is not None:
        with suppress(PackageNotFoundError):
            found[client] = version(client)
    return found


def _breaks(scenario: Scenario) -> dict[str, str]:
    where = setting_of(scenario)
    told = {plan.kind: CATALOGUE[plan.kind].breaks(where) for plan in scenario.faults}
    return {kind: reason for kind, reason in told.items() if reason is not None}


def _unrecorded(database: Path, log: Log) -> tuple[str, ...]:
    """Units that the lab's own resource has as done, and no act record.

    Who is killed between its commit and its log line takes the record of that act with it.
    """
    if not database.exists():
        return ()
    told = {unit for act in counted_acts(log) for unit in act.units}
    with closing(app.connect(database)) as connection:
        done = {effect.unit for effect in app.effects(connection, app.FENCED)}
    return tuple(sorted(done - told))
