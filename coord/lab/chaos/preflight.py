"""Whether a scenario can be played here: everything that is refused before anything is started.

Owns the refusals: the line, the cause and the cure. What only the store can say, such as that it
does not answer, is `ground`'s; that too is told before anything is struck.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from coord.errors import ConfigError
from coord.lab.chaos.capabilities import client_of, missing, server_of
from coord.lab.chaos.faults import CATALOGUE, SERVERS, FaultKind, Setting
from coord.lab.chaos.faults.kind import anywhere
from coord.lab.chaos.scenario import FaultPlan, FleetPlan, Scenario
from coord.lab.work.modes import mode_named
from coord.testing.servers import KINDS

__all__ = ["Refusal", "check", "refusals", "refuse", "setting_of", "uses_store"]

_FILE = "sqlite"

Missing = Callable[[str], str]
"""What the machine lacks for a capability, by its name, and the cure; empty if nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something cannot be played, and the cure.

    `line` in the scenario, 0 if in none; `told`: where it was chosen if that is not it.
    """

    line: int
    cause: str
    cure: str
    told: str = ""


def setting_of(scenario: Scenario) -> Setting:
    """Where its faults would strike."""
    kind, is_url, _ = scenario.store.place.partition("://")
    has_servers = not is_url and kind != _FILE
    return Setting(
        store=kind,
        own=not is_url,
        servers=scenario.store.servers if has_servers else 0,
        mode="" if scenario.fleet.command else scenario.fleet.mode,
    )


def uses_store(where: Setting) -> bool:
    """Whether anybody elects there: on a queue nobody does."""
    return where.daemon or not mode_named(where.mode).queue


def check(scenario: Scenario, name: str, *, lacks: Missing = missing) -> None:
    """Raise ConfigError with all refusals of a scenario that was read from the file `name`."""
    refuse(refusals(scenario, lacks=lacks), name)


def refuse(found: Sequence[Refusal], name: str) -> None:
    """Raise ConfigError with all of them, if there is any."""
    if not found:
        return
    causes = [f"{_place(one, name)}: {one.cause}" for one in found]
    cures = list(dict.fromkeys(one.cure for one in found))
    raise ConfigError("\n".join(causes), cure=" ".join(cures))


def _place(refusal: Refusal, name: str) -> str:
    return refusal.told or (f"{name}:{refusal.line}" if refusal.line else name)


def refusals(scenario: Scenario, *, lacks: Missing = missing) -> list[Refusal]:
    """All that keeps it from being played: the store, the fleet, each fault. Starts nothing."""
    return [
        *_of_store(scenario, lacks),
        *_of_command(scenario.fleet),
        *_of_faults(scenario, lacks),
    ]


def _of_store(scenario: Scenario, lacks: Missing) -> Iterator[Refusal]:
    where = setting_of(scenario)
    if where.store not in KINDS or not uses_store(where):
        return
    names = [client_of(where.store)]
    if where.own:
        names.append(server_of(where.store))
    for name in names:
        wrong = lacks(name)
        if wrong:
            yield Refusal(
                line=0,
                cause=f"there is no store {where.store} here: {wrong}",
                cure=_elsewhere(where),
                told=scenario.store.told,
            )


def _elsewhere(where: Setting) -> str:
    other = f", or give the URL of your own: --store {where.store}://…"
    return (
        "Install what is missing, or choose another store, such as --store sqlite"
        f"{other if where.own else '.'}"
    )


def _of_command(fleet: FleetPlan) -> Iterator[Refusal]:
    """A daemon's program; one whose name depends on the member is looked for when it is started."""
    program = fleet.command[0] if fleet.command else ""
    if program and "{" not in program and shutil.which(program) is None:
        yield Refusal(
            line=fleet.line,
            cause=f"there is no program {program!r} that could be started",
            cure="Give its path, or one that the shell would find, and see that it is executable.",
        )


def _of_faults(scenario: Scenario, lacks: Missing) -> Iterator[Refusal]:
    where = setting_of(scenario)
    for plan in scenario.faults:
        kind = CATALOGUE[plan.kind]
        unfit = _unfit(kind, plan, where)
        if unfit is not None:
            yield Refusal(line=plan.line, cause=f"{plan.kind}: {unfit[0]}", cure=unfit[1])
            continue
        for name in kind.needs:
            wrong = lacks(name)
            if wrong:
                yield Refusal(
                    line=plan.line,
                    cause=f"{plan.kind} needs {name}: {wrong}",
                    cure="`coord chaos list` shows which faults this machine can do.",
                )


def _unfit(kind: FaultKind, plan: FaultPlan, where: Setting) -> tuple[str, str] | None:
    """Why it does not apply there, and the cure; what the fault itself says goes first."""
    told = kind.unfit(where)
    if told is not None:
        return told, "Choose another fault, store or mode."
    judges_itself = kind.unfit is not anywhere  # then it knows better what a file can suffer
    of_servers = plan.target in SERVERS and not judges_itself
    if not kind.linked and not of_servers:
        return None
    what = f"target {plan.target}" if plan.target in SERVERS else "the way to the store"
    if not uses_store(where):
        return (
            f"{what} is nothing to mode {where.mode}, which uses no store",
            "Choose another mode.",
        )
    if where.servers:
        return None
    if where.own:
        return f"{what}: {where.store} is a file, without servers or network", _SERVERS
    return f"{what}: the store that a URL names is not ours to strike", _SERVERS


_SERVERS = f"Let servers be started for the run: --store {'|'.join((*KINDS, 'memory'))}."
