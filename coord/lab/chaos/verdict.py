"""From the event log of a run to a verdict: which rules were broken, and what it cost.

Owns which violations are the fleet's and which are excused, with the reason. Plays nothing and
reads no file. The figures are `coord.lab.measure`'s; the rules are those of `judge_log` and
`recovered`, and besides:

- `split`: two processes could act on one seat (on a queue: on one item) at once.
- `missed`: a unit that fell due was never done.

Excused are, each with its reason: a split under a fault under which the store itself does not keep
its promises; a split that lies between a death and its being seen (what is dead cannot say since
when, and peers on one machine may know before we do); a unit that the resource has as done though
no record says so, because the record died with its process. Such units are left out of all figures.

What is judged is what reached the resources and what a guard would have let pass, never who was
elected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from coord.errors import UsageError
from coord.lab.measure import (
    Log,
    Report,
    Round,
    RoundResult,
    Settings,
    Setup,
    Timeline,
    Violation,
    build_report,
    checked_report,
    judge_log,
    measure_rounds,
    recovered,
    rounds_of,
    shard_times,
    timeline,
)
from coord.lab.measure.effects import counted_acts
from coord.lab.measure.events import Backlog, FaultMark
from coord.lab.measure.faults import DIED, Fault
from coord.lab.measure.intervals import Span

__all__ = ["Excused", "Facts", "Verdict", "bound_of", "judge", "without"]

_MARGIN_S = 2.0
_GRACE_S = 0.5
_SHOWN = 3
_SEEN_WITHIN_S = 0.5
"""How long a process may have been dead that ended by itself, before the lab looked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a verdict depends on besides the log. Durations in seconds.

    `ttl_s` is what the store granted. `expiry`: how the store tells that a session is over (see
    `coord.spi.Expiry`); `drift` and `poll_s`: of those who watch it. `bound_s`: within how long
    after the last healing the fleet must have recovered. `tau_s`: how long due work may rest.
    `breaks`: by fault, why the store does not keep its promises under it. `unrecorded`: units that
    the resource has as done and no record tells of. `logs`: the log files and how long they were.
    """

    title: str
    store: str
    own: bool
    versions: Mapping[str, str]
    ttl_s: float
    expiry: str
    drift: float
    poll_s: float
    mode: str
    fault: str
    shards: int
    seats: int
    members: int
    seed: int
    rounds: int
    tau_s: float
    bound_s: float
    breaks: Mapping[str, str] = field(default_factory=dict)
    unrecorded: tuple[str, ...] = ()
    logs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Excused:
    """A violation that is not laid to the fleet, and why."""

    violation: Violation
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be said of a run. `kept`: no rule was broken."""

    facts: Facts
    report: Report
    results: tuple[RoundResult, ...]
    faults: tuple[Fault, ...]
    violations: tuple[Violation, ...]
    excused: tuple[Excused, ...]
    damaged: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether all rules were kept."""
        return not self.violations

    def round_at(self, moment_s: float) -> Round | None:
        """The round in which that was; None: in none."""
        for one in (result.round for result in self.results):
            if one.window.start_s <= moment_s <= one.window.end_s:
                return one
        return None


def bound_of(*, ttl_s: float, observed: bool, drift: float, poll_s: float) -> float:
    """Within how long after the last healing a fleet must have recovered.

    Whoever is silent is waited for up to the ttl; where only peers can tell, they watch for it by
    their own clocks and from when they next look. The rest is for noticing, claiming, beginning.
    """
    return (ttl_s * (1 + drift) + poll_s if observed else ttl_s) + _MARGIN_S


def judge(log: Log, facts: Facts) -> Verdict:
    """Judge a run by its log. Raises UsageError if the log is not of that whole run."""
    rounds = rounds_of(log)
    if len(rounds) != facts.rounds:
        raise UsageError(
            f"the log has {len(rounds)} of {facts.rounds} rounds",
            cure="Files are missing from it, or the run was interrupted: run it again.",
        )
    line = timeline(without(log, frozenset(facts.unrecorded)))
    settings = Settings(tau_s=facts.tau_s, aftermath_s=facts.ttl_s, grace_s=_GRACE_S)
    results = measure_rounds(line, rounds, settings)
    excused = [*_splits(line, facts), *_missed(log, facts)]
    broken = [
        *judge_log(line),
        *recovered(line, within_s=facts.bound_s, tau_s=facts.tau_s),
        *(one.violation for one in excused if not one.reason),
    ]
    return Verdict(
        facts=facts,
        report=checked_report(build_report(_setup(facts), results)),
        results=tuple(results),
        faults=line.faults,
        violations=tuple(sorted(broken, key=lambda violation: violation.at_s)),
        excused=tuple(one for one in excused if one.reason),
        damaged=log.damaged,
    )


def without(log: Log, unrecorded: frozenset[str]) -> Log:
    """The same log as if these units had never fallen due: when they were done, nobody knows."""
    if not unrecorded:
        return log
    kept = [
        replace(one, units=tuple(unit for unit in one.units if unit not in unrecorded))
        if isinstance(one, Backlog)
        else one
        for one in log.records
    ]
    return Log.of(kept, damaged=log.damaged)


def _setup(facts: Facts) -> Setup:
    return Setup(
        store=facts.store,
        ttl_s=facts.ttl_s,
        seed=facts.seed,
        members=facts.members,
        shards=facts.shards,
        seats=facts.seats,
        rounds=facts.rounds,
    )


def _splits(line: Timeline, facts: Facts) -> Iterator[Excused]:
    """All of them, wherever in the log; those without a reason are the fleet's."""
    for shard, times in shard_times(line, tau_s=facts.tau_s).items():
        for span in times.split:
            detail = f"{shard.role}/{shard.generation}/{shard.number} for {span.length_s:.3f} s"
            violation = Violation("split", span.start_s, detail)
            yield Excused(violation, _excuse(span, line, facts))


def _excuse(span: Span, line: Timeline, facts: Facts) -> str:
    """Why a split is not the fleet's; empty if it is."""
    for fault in line.faults:
        if _dead_unseen(span, fault, line.log):
            return f"{fault.target.member} was dead, and had not been seen dead yet"
        stands = fault.begin_s <= span.start_s <= fault.end_s + facts.bound_s
        if stands and fault.kind in facts.breaks:
            return facts.breaks[fault.kind]
    return ""


def _dead_unseen(span: Span, fault: Fault, log: Log) -> bool:
    """Whether a split lies between a death and its being seen: after its blow, or its last word."""
    if span.end_s > fault.effect_s:
        return False
    if fault.kind == "kill":
        return fault.begin_s <= span.start_s
    if fault.kind != DIED or span.start_s < fault.effect_s - _SEEN_WITHIN_S:
        return False
    return not any(
        record.who == fault.target and span.start_s < record.t
        for record in log.records
        if not isinstance(record, FaultMark)
    )


def _missed(log: Log, facts: Facts) -> Iterator[Excused]:
    """One for each shard whose units were left undone, and one for those that are excused."""
    done = {name for act in counted_acts(log) for name in act.units}
    left: dict[tuple[str, str, int], list[str]] = {}
    since: dict[tuple[str, str, int], float] = {}
    unrecorded = frozenset(facts.unrecorded)
    for unit, first, last in _units(log):
        if unit in done or first.t > log.end_s - _GRACE_S:
            continue
        why = "the resource has it done; the record of it died with its process"
        group = (why if unit in unrecorded else "", last.role, last.shard)
        left.setdefault(group, []).append(unit)
        since.setdefault(group, first.t)
    for (why, role, shard), units in left.items():
        more = f" and {len(units) - _SHOWN} more" if len(units) > _SHOWN else ""
        detail = f"{role} shard {shard}: {', '.join(units[:_SHOWN])}{more}"
        violation = Violation("missed", since[why, role, shard], detail)
        yield Excused(violation, why)


def _units(log: Log) -> Iterable[tuple[str, Backlog, Backlog]]:
    """Each unit that fell due, with the records that first and last told whose it is."""
    first: dict[str, Backlog] = {}
    last: dict[str, Backlog] = {}
    for record in log.all(Backlog):
        for unit in record.units:
            first.setdefault(unit, record)
            last[unit] = record
    return [(unit, first[unit], last[unit]) for unit in first]
