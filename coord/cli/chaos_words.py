"""What `coord chaos` says: the verdict and the faults, for people and as JSON.

Owns the wording and `coord.chaos/1` and `coord.faults/1`. Every number comes from the verdict;
nothing is judged here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coord.clock import SYSTEM_CLOCK
from coord.lab.chaos.capabilities import CAPABILITIES, missing
from coord.lab.chaos.faults import CATALOGUE, SERVERS, FaultKind, Option, Setting
from coord.lab.chaos.ground import NO_STORE
from coord.lab.chaos.reading import OWN_KINDS
from coord.lab.chaos.scene import Scene
from coord.lab.chaos.targets import SAYS
from coord.lab.chaos.verdict import Facts, Verdict
from coord.lab.measure import RoundResult
from coord.lab.measure.faults import DIED, EVERYBODY, Fault
from coord.lab.work.modes import MODES

__all__ = ["Lines", "faults_json", "print_faults", "print_verdict", "verdict_json"]

_VERDICT = "coord.chaos/1"
_FAULTS = "coord.faults/1"
_FILE = "sqlite"
_TABLE_COLUMNS = 72
_NARROWEST = 20


class Lines:
    """A line for whatever happens, with the time since the beginning. A `Screen` of the stage."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._start_s = SYSTEM_CLOCK.now()

    def show(self, scene: Scene) -> None:
        """The present is not shown: the lines are what is left of it."""

    def say(self, text: str, *, style: str = "") -> None:
        """Print one line."""
        moment = f"{SYSTEM_CLOCK.now() - self._start_s:6.1f} s  "
        say_line(self._out, (moment, "dim"), (text, style), hang=len(moment))


def say_line(
    out: Console, *parts: str | tuple[str, str], indent: int = 0, hang: int | None = None
) -> None:
    """Print one line: broken between words on a terminal, in one piece into pipes.

    What does not fit goes on below, `hang` columns further in than the line begins (2).
    """
    text = Text.assemble(*parts)
    if not (out.is_terminal or "COLUMNS" in os.environ):
        out.print(Text(" " * indent) + text, soft_wrap=True)
        return
    width = max(_NARROWEST, out.width - indent)
    more = min(2 if hang is None else hang, width // 2)
    for number, (start, end) in enumerate(_broken(text.plain, width, more)):
        out.print(Text(" " * (indent + more * bool(number))) + text[start:end], soft_wrap=True)


def _broken(text: str, width: int, hang: int) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends: at a space, or where a word has no room in any line."""
    start, room = 0, width
    while len(text) - start > room:
        end = text.rfind(" ", start + 1, start + room + 1)
        after = end + 1
        if end < 0:
            end = after = start + room
        yield start, end
        start, room = after, width - hang
    yield start, len(text)


# --- the verdict -----------------------------------------------------------------------------


def verdict_json(verdict: Verdict, directory: Path | None) -> dict[str, Any]:
    """`coord.chaos/1`."""
    facts = verdict.facts
    return {
        "schema": _VERDICT,
        "title": facts.title,
        "kept": verdict.kept,
        "violations": [_violation_json(verdict, one) for one in verdict.violations],
        "excused": [
            {**_violation_json(verdict, one.violation), "reason": one.reason}
            for one in verdict.excused
        ],
        "bound_s": facts.bound_s,
        "versions": dict(facts.versions),
        "damaged": list(verdict.damaged),
        "events": None if directory is None else str(directory),
        "report": {**verdict.report},
    }


def _violation_json(verdict: Verdict, violation: Any) -> dict[str, Any]:  # noqa: ANN401
    inside = verdict.round_at(violation.at_s)
    since_s = None if inside is None else round(violation.at_s - inside.window.start_s, 6)
    return {
        "rule": violation.rule,
        "at_s": violation.at_s,
        "round": None if inside is None else inside.number,
        "into_round_s": since_s,
        "detail": violation.detail,
    }


def print_verdict(out: Console, verdict: Verdict, directory: Path | None) -> None:
    """What struck when, what it cost, and the verdict; last, where the events are."""
    facts = verdict.facts
    say_line(out, (facts.title, "bold"))
    say_line(
        out,
        f"{facts.members} members, mode {facts.mode}, {_store(facts)}, ttl {facts.ttl_s:g} s, "
        f"seed {facts.seed}",
    )
    for result in verdict.results:
        out.print()
        _print_round(out, verdict, result)
    out.print()
    _print_figures(out, verdict.results)
    out.print()
    say_line(out, (_legend(facts.tau_s), "dim"), hang=0)
    out.print()
    _print_judgement(out, verdict)
    for place in verdict.damaged:
        say_line(out, f"damaged, and left out: {place}")
    out.print()
    if directory is None:
        say_line(out, "events: not kept; --events DIR keeps them")
    else:
        out.print(f"events: {directory}", soft_wrap=True)  # in one piece, to be copied


def _store(facts: Facts) -> str:
    return "no store" if facts.store == NO_STORE else facts.store


def _print_round(out: Console, verdict: Verdict, result: RoundResult) -> None:
    window = result.round.window
    say_line(out, f"round {result.round.number}, {window.length_s:.1f} s")
    for fault in verdict.faults:
        if window.start_s <= fault.begin_s <= window.end_s:
            moment = f"{fault.begin_s - window.start_s:6.2f} s  "
            say_line(out, f"{moment}{_fault(fault)}", indent=2, hang=len(moment))


def _fault(fault: Fault) -> str:
    target = fault.target
    whom = "" if target.member == EVERYBODY else f" of {target.member}"
    process = f" (process {target.pid})" if target.pid else ""
    if fault.kind in _OVER:
        return f"{fault.kind}{whom}{process}"
    return f"{fault.kind}{whom}{process}, for {fault.end_s - fault.effect_s:.2f} s"


_OVER = ("kill", "sigterm", DIED)


def _print_figures(out: Console, results: Iterable[RoundResult]) -> None:
    """A table; where there is no room for one, the same figures in words."""
    if out.width >= _TABLE_COLUMNS:
        out.print(_table(results))
        return
    for result in results:
        told = ", ".join(f"{name} {value}" for name, value in _figures(result).items())
        say_line(out, f"round {result.round.number}, {result.round.fault}: {told}", hang=2)


def _table(results: Iterable[RoundResult]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    grid.add_column("round", justify="right", no_wrap=True)
    grid.add_column("fault", overflow="fold")
    for name in _FIGURES:
        grid.add_column(name, justify="right", no_wrap=True)
    for result in results:
        values = _figures(result).values()
        grid.add_row(f"{result.round.number}", result.round.fault, *values)
    return grid


_FIGURES = ("gap", "split", "faux", "failover", "stale acts", "false", "missed")


def _figures(result: RoundResult) -> dict[str, str]:
    totals = [failover.total_s for failover in result.failovers]
    stale = result.stale_acts
    values = (
        _seconds(max(result.gap_s, default=0.0)),
        _seconds(max(result.split_s, default=0.0)),
        _seconds(max(result.faux_s, default=0.0)),
        _seconds(max(totals)) if totals else "–",
        f"{stale.attempted}/{stale.accepted}/{stale.accepted_unfenced}",
        f"{result.false_failovers}",
        f"{result.missed}",
    )
    return dict(zip(_FIGURES, values, strict=True))


def _seconds(value: float) -> str:
    return "0" if value == 0 else f"{value:.3f}"


def _legend(tau_s: float) -> str:
    return (
        "Seconds of the worst shard: gap, nobody could act; split, two could; faux, one could, "
        f"work was due, and for more than {tau_s:g} s nothing was done. failover: from the fault "
        "to the successor's first act, the longest. stale acts: attempted / taken by a fenced "
        "resource / by an unfenced one. false: leaders replaced though nothing had struck them. "
        "missed: due, and never done."
    )


def _print_judgement(out: Console, verdict: Verdict) -> None:
    facts = verdict.facts
    for one in verdict.excused:
        when = _when(verdict, one.violation.at_s)
        told = f"excused: {when}: {one.violation.rule}: {one.violation.detail} ({one.reason})"
        say_line(out, (told, "yellow"))
    if verdict.kept:
        say_line(out, ("all rules kept", "bold green"), f": {_kept_words(verdict)}")
        return
    count = len(verdict.violations)
    rules = "1 rule was broken" if count == 1 else f"rules were broken {count} times"
    say_line(out, (rules, "bold red"))
    for violation in verdict.violations:
        told = f"{_when(verdict, violation.at_s)}: {violation.rule}: {violation.detail}"
        say_line(out, (told, "red"), indent=2)
    if any(violation.rule == "not-recovered" for violation in verdict.violations):
        told = f"A fleet has to be back within {facts.bound_s:g} s of the last healing."
        say_line(out, told, indent=2)


def _kept_words(verdict: Verdict) -> str:
    stale = [result.stale_acts for result in verdict.results]
    attempted = sum(one.attempted for one in stale)
    unfenced = sum(one.accepted_unfenced for one in stale)
    acts = (
        f"of {attempted} stale acts no fenced resource took one, unfenced ones took {unfenced}; "
        if attempted
        else "no stale act was attempted; "
    )
    split = "no split that is the fleet's; " if verdict.excused else "no split; "
    return (
        f"{acts}{split}tokens only grew; nothing that was due was left undone; nothing was without "
        f"a leader at work {verdict.facts.bound_s:g} s after the last healing of a round."
    )


def _when(verdict: Verdict, at_s: float) -> str:
    inside = verdict.round_at(at_s)
    if inside is None:
        return f"outside of the rounds, boot clock {at_s:.3f} s"
    return f"round {inside.number}, {at_s - inside.window.start_s:.3f} s"


# --- the faults ------------------------------------------------------------------------------


def faults_json() -> dict[str, Any]:
    """`coord.faults/1`."""
    return {
        "schema": _FAULTS,
        "faults": [
            {
                "name": kind.name,
                "says": kind.says,
                "targets": list(kind.targets),
                "options": [
                    {"name": o.name, "kind": o.kind, "default": o.default, "says": o.says}
                    for o in kind.options
                ],
                "needs": list(kind.needs),
                "linked": kind.linked,
                "possible": not any(missing(name) for name in kind.needs),
                "unfit": _unfit(kind),
                "unfit_queue": _unfit_in_queue(kind),
                "unfit_daemon": _unfit_for_daemons(kind),
                "takes_part": bool(kind.failpoint),
            }
            for kind in CATALOGUE.values()
        ],
        "targets": dict(SAYS),
        "capabilities": [
            {"name": one.name, "says": one.says, "missing": missing(one.name) or None}
            for one in CAPABILITIES.values()
        ],
    }


def print_faults(out: Console) -> None:
    """The same for people."""
    say_line(out, ("faults", "bold"))
    for kind in CATALOGUE.values():
        say_line(out, (kind.name, "cyan"), f": {kind.says}", indent=2)
        for line in _details(kind):
            say_line(out, line, indent=6)
    out.print()
    say_line(out, ("targets", "bold"))
    for name, says in SAYS.items():
        say_line(out, (name, "cyan"), f": {says}", indent=2)
    out.print()
    say_line(out, ("this machine can", "bold"))
    for one in CAPABILITIES.values():
        lacks = missing(one.name)
        told = f"no: {lacks}" if lacks else "yes"
        say_line(out, (one.name, "cyan"), f" ({one.says}): {told}", indent=2)


def _details(kind: FaultKind) -> Iterable[str]:
    if kind.targets:
        yield f"strikes {', '.join(kind.targets)}"
    for option in kind.options:
        yield f"{option.name} = {_default(option)}: {option.says}"
    for name in kind.needs:
        lacks = missing(name)
        yield f"needs {name}" + (f", which is missing here: {lacks}" if lacks else "")
    if kind.linked:
        yield "needs servers that are started for the run, reached through a proxy of ours"
    for where, why in _unfit(kind).items():
        yield f"not on {where}: {why}"
    for where, told in (
        ("in mode queue", _unfit_in_queue(kind)),
        ("for a daemon of yours", _unfit_for_daemons(kind)),
    ):
        if told:
            yield f"not {where}: {told}"
    if kind.failpoint:
        yield "a daemon of yours has to take part: coord.lab.chaos.agent.take_part"


def _unfit(kind: FaultKind) -> dict[str, str]:
    """On which stores of the run's own it cannot strike, and why."""
    found = {}
    for store in OWN_KINDS:
        where = Setting(store=store, own=True, servers=int(store != _FILE), mode=MODES[0].name)
        why = kind.unfit(where)
        if why is not None:
            found[store] = why
    return found


def _unfit_in_queue(kind: FaultKind) -> str | None:
    """Why it cannot strike the lab's own work in mode `queue`, whatever the store."""
    if kind.linked or set(kind.targets) <= set(SERVERS):
        return "no store is used, so none of it can be struck"
    return kind.unfit(Setting(store=_FILE, own=True, servers=0, mode="queue"))


def _unfit_for_daemons(kind: FaultKind) -> str | None:
    """Why it cannot strike a user's daemon, on a store that has all that there is to strike."""
    told = [
        kind.unfit(Setting(store=store, own=True, servers=int(store != _FILE), mode=""))
        for store in OWN_KINDS
    ]
    return None if None in told else told[0]


def _default(option: Option) -> str:
    if option.kind == "seconds":
        return f'"{option.default:g}s"'
    return f"{option.default:g}"
