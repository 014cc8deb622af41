"""What a chaos test asserts about: the figures of one stretch, from its first fault to its rest.

Owns their names and words. They are measured by `coord.lab.measure` and judged by
`coord.lab.chaos.verdict`, from the event log alone; nothing is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from coord.lab.chaos.verdict import Verdict
from coord.lab.measure.effects import StaleActs
from coord.lab.measure.events import Act, Log
from coord.lab.measure.failover import Failover
from coord.lab.measure.judge import Violation

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outcome:
    """Of one stretch of a fleet. Durations in seconds on the boot clock.

    `gap_s`, `split_s`, `faux_s`: of the shard that suffered most, nobody could act on it; two
    could; one could and did nothing though work was due. `stale_acts`: attempted, accepted by a
    resource that compares tokens, and accepted_unfenced. `acts`: how many were accepted in all, so
    that nothing stale among none can be told apart. `duplicates`, `missed`: units done more than
    once, and never; of a daemon that tells what falls due. `violations`: rules that were broken,
    `excused` ones left out. `faults`: the kinds of all that were in force, as the log tells them,
    by when they began. `recovered`: the fleet came to rest in time. `directory`: the run's
    files, for `coord chaos check`.
    """

    directory: Path
    number: int
    recovered: bool
    acts: int
    stale_acts: StaleActs
    gap_s: float
    split_s: float
    faux_s: float
    failovers: tuple[Failover, ...]
    false_failovers: int
    duplicates: int
    missed: int
    violations: tuple[Violation, ...]
    excused: tuple[str, ...]
    faults: tuple[str, ...]

    @classmethod
    def of(cls, verdict: Verdict, log: Log, *, directory: Path, recovered: bool) -> Self:
        """Of the last stretch of a fleet."""
        result = verdict.results[-1]
        window = result.round.window
        return cls(
            directory=directory,
            number=result.round.number,
            recovered=recovered,
            acts=sum(
                act.accepted and window.start_s <= act.t <= window.end_s for act in log.all(Act)
            ),
            stale_acts=result.stale_acts,
            gap_s=max(result.gap_s, default=0.0),
            split_s=max(result.split_s, default=0.0),
            faux_s=max(result.faux_s, default=0.0),
            failovers=result.failovers,
            false_failovers=result.false_failovers,
            duplicates=result.duplicates,
            missed=result.missed,
            violations=tuple(one for one in verdict.violations if one.at_s >= window.start_s),
            excused=tuple(
                f"{one.violation}: {one.reason}"
                for one in verdict.excused
                if one.violation.at_s >= window.start_s
            ),
            faults=tuple(
                fault.kind
                for fault in verdict.faults
                if fault.begin_s <= window.end_s and window.start_s <= fault.end_s
            ),
        )

    @property
    def kept(self) -> bool:
        """Whether no rule was broken and the fleet came to rest in time."""
        return self.recovered and not self.violations

    def __repr__(self) -> str:
        """Short: it stands in the message of every assertion that fails."""
        broken = f", {len(self.violations)} violations" if self.violations else ""
        late = "" if self.recovered else ", not recovered"
        return f"<outcome {self.number} of {self.directory}{late}{broken}>"

    def __str__(self) -> str:
        """All of it, a line each."""
        stale = self.stale_acts
        lines = [
            f"{'recovered' if self.recovered else 'NOT RECOVERED'}; {self.acts} acts",
            f"faults: {', '.join(self.faults) or 'none'}",
            (
                f"stale acts: {stale.attempted} attempted, {stale.accepted} accepted by fenced "
                f"resources, {stale.accepted_unfenced} by unfenced ones"
            ),
            (
                f"worst shard: gap {self.gap_s:.2f} s, split {self.split_s:.2f} s, "
                f"faux {self.faux_s:.2f} s"
            ),
            f"failovers: {len(self.failovers)}, without need {self.false_failovers}",
            f"units: {self.duplicates} done more than once, {self.missed} never",
            *(f"broken: {one}" for one in self.violations),
            *(f"excused: {one}" for one in self.excused),
        ]
        return "\n".join(lines)
