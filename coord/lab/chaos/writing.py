"""From a scenario to the TOML file that says it in full.

Owns that form of writing. `reading` gets the same scenario from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from coord.lab.chaos.faults import CATALOGUE
from coord.lab.chaos.scenario import FaultPlan, Scenario

__all__ = ["to_toml"]


def to_toml(scenario: Scenario) -> str:
    """All of it, also what was not said; only what is usual for a mode or a store stays out."""
    return "\n".join(_lines(scenario)) + "\n"


def _lines(scenario: Scenario) -> Iterator[str]:
    store, fleet = scenario.store, scenario.fleet
    yield f"title = {_text(scenario.title)}"
    yield f"rounds = {scenario.rounds}"
    yield f"seed = {scenario.seed}"
    if scenario.ttl_s is not None:
        yield f"ttl = {_duration(scenario.ttl_s)}"
    yield from ("", "[store]")
    if "://" in store.place:
        yield f"url = {_text(store.place)}"
    else:
        yield f"kind = {_text(store.place)}"
        yield f"servers = {store.servers}"
    yield from ("", "[fleet]", f"members = {fleet.members}")
    if fleet.command:
        yield f"command = {_texts(fleet.command)}"
        yield f"roles = {_texts(fleet.roles)}"
    else:
        yield f"mode = {_text(fleet.mode)}"
    if fleet.shards is not None:
        yield f"shards = {fleet.shards}"
    if fleet.seats is not None:
        yield f"seats = {fleet.seats}"
    for fault in scenario.faults:
        yield from ("", "[[fault]]", *_fault(fault))


def _fault(plan: FaultPlan) -> Iterator[str]:
    yield f"kind = {_text(plan.kind)}"
    if plan.target:
        yield f"target = {_text(plan.target)}"
    yield f"at = {_duration(plan.at_s)}"
    yield f"for = {_duration(plan.for_s)}"
    kinds = {option.name: option.kind for option in CATALOGUE[plan.kind].options}
    for name, value in plan.options.items():
        shown = {"seconds": _duration, "count": _count}.get(kinds[name], repr)(value)
        yield f"{name} = {shown}"


def _text(value: str) -> str:
    """A TOML text: JSON's, which leaves one character as it is that TOML does not take."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(values: Iterable[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"


def _count(value: float) -> str:
    return str(int(value))


def _duration(seconds: float) -> str:
    """In seconds, exactly; `repr` would write small ones with an exponent."""
    shown = repr(float(seconds))
    if "e" in shown:
        shown = f"{seconds:.12f}"
    return f'"{shown.rstrip("0").rstrip(".") if "." in shown else shown}s"'
