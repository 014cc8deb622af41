"""One measured stretch after another: all quantities of each round of a log.

Owns what belongs to a round and the settings of measuring. A round is one mode under one kind of
fault, from a steady fleet before the fault to a recovered one after it; the driver marks it in the
log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coord.errors import UsageError
from coord.lab.measure.effects import StaleActs, Units, stale_acts
from coord.lab.measure.events import Log, RoundMark, Rpc
from coord.lab.measure.failover import Failover, failovers, false_failovers
from coord.lab.measure.intervals import Span
from coord.lab.measure.metrics import affected_share, shard_times, within
from coord.lab.measure.tenures import Timeline, presence

__all__ = ["Round", "RoundResult", "Settings", "measure_rounds", "rounds_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the figures depend on besides the log. All in seconds.

    `tau_s`: how long due work may rest before its leader counts as faux: more than the work's own
    interval. `aftermath_s`: how long after its end a fault still explains a demotion: about the
    ttl. `grace_s`: units that fell due so shortly before the end of the log are not missed.
    `floor_s`: a shard counts as affected when it suffered for longer than this.
    """

    tau_s: float
    aftermath_s: float
    grace_s: float
    floor_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """What is measured: one mode under one kind of fault ("none" if there is none)."""

    number: int
    mode: str
    fault: str
    window: Span


@dataclass(frozen=True, slots=True)
class RoundResult:
    """All quantities of one round; gap, split and faux in seconds, one value a shard."""

    round: Round
    gap_s: tuple[float, ...]
    split_s: tuple[float, ...]
    faux_s: tuple[float, ...]
    failovers: tuple[Failover, ...]
    stale_acts: StaleActs
    false_failovers: int
    blast_radius: float
    duplicates: int
    missed: int
    requests: int
    member_s: float
    """The time that members were there, summed over members."""


def rounds_of(log: Log) -> tuple[Round, ...]:
    """The rounds that the driver marked. Raises UsageError if a mark lacks its counterpart."""
    started: dict[tuple[int, str, str], float] = {}
    found: list[Round] = []
    for mark in log.all(RoundMark):
        name = mark.number, mark.mode, mark.fault
        if mark.state == "start" and name not in started:
            started[name] = mark.t
        elif mark.state == "end" and name in started:
            found.append(Round(*name, Span(started.pop(name), mark.t)))
        else:
            raise _unpaired(mark.number, mark.mode, mark.fault)
    for name in started:
        raise _unpaired(*name)
    return tuple(found)


def _unpaired(number: int, mode: str, fault: str) -> UsageError:
    return UsageError(
        f"round {number} ({mode}, {fault}) has a start without an end, or the other way round",
        cure="The experiment was interrupted: run it again, or measure the rounds that are whole.",
    )


def measure_rounds(
    line: Timeline, rounds: Iterable[Round], settings: Settings
) -> list[RoundResult]:
    """Measure each round. All rounds share one log, so what came before a round is known in it."""
    times = shard_times(line, tau_s=settings.tau_s)
    units = Units.of(line.log)
    present = presence(line)
    results: list[RoundResult] = []
    for one in rounds:
        window = one.window
        shards = within(times, window)
        results.append(
            RoundResult(
                round=one,
                gap_s=tuple(shard.gap.total_s for shard in shards.values()),
                split_s=tuple(shard.split.total_s for shard in shards.values()),
                faux_s=tuple(shard.faux.total_s for shard in shards.values()),
                failovers=tuple(failovers(line, window)),
                stale_acts=stale_acts(line.log, window),
                false_failovers=false_failovers(line, window, aftermath_s=settings.aftermath_s),
                blast_radius=affected_share(shards, floor_s=settings.floor_s),
                duplicates=units.duplicates(window),
                missed=units.missed(window, grace_s=settings.grace_s),
                requests=sum(
                    rpc.requests
                    for rpc in line.log.all(Rpc)
                    if window.start_s <= rpc.start_s < window.end_s
                ),
                member_s=sum(spans.clip(window).total_s for spans in present.values()),
            )
        )
    return results
