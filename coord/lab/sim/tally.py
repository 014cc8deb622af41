"""Rounds added up: what a report and an interval need of them, in memory that does not grow.

Owns the adding. What is kept is bounded however many rounds there are: counts, sums of at most 64
batches of rounds, a few thousand durations of each kind (beyond that how many fell into each of
some ten thousand buckets, each 0.1 % wide), and a sample of failovers. Measures nothing itself.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable

from coord.lab.measure.effects import StaleActs
from coord.lab.measure.events import Log, Rpc
from coord.lab.measure.failover import Failover, Stats, stats
from coord.lab.measure.report import (
    REPORT_SCHEMA,
    Extent,
    FailoverFigures,
    Figures,
    Report,
    Run,
    Setup,
    StaleFigures,
)
from coord.lab.measure.rounds import RoundResult

__all__ = ["PARTS", "SUMS", "Durations", "Tally", "Thinned"]

PARTS = ("detect", "claim", "warm_up", "total")
"""Of a failover."""
SUMS = ("gap_s", "split_s", "faux_s", "cells", "requests", "member_s", "failover_s", "failovers")
"""What is summed for each batch of rounds; a cell is a shard in a round."""
_EXACT = 4096
_BATCHES = 64
_SHOWN = 200
_FINEST_S = 1e-6
_STEP = math.log(1.001)
_ENOUGH_FOR_P99 = 100
_DECIMALS = 6
_Row = tuple[float | None, float | None, float | None, float]


class Durations:
    """Durations in seconds: each of them up to 4,096, beyond that to 0.1 %."""

    def __init__(self) -> None:
        self.n = 0
        self.worst_s = 0.0
        self._sum_s = 0.0
        self._values = array("d")
        self._buckets: Counter[int] = Counter()

    def add(self, value_s: float) -> None:
        """One more."""
        self.n += 1
        self._sum_s += value_s
        self.worst_s = max(self.worst_s, value_s)
        if self._buckets:
            self._buckets[_bucket(value_s)] += 1
            return
        self._values.append(value_s)
        if len(self._values) > _EXACT:
            self._buckets.update(_bucket(one) for one in self._values)
            del self._values[:]

    @property
    def mean_s(self) -> float:
        """Their mean; 0 of none."""
        return min(self._sum_s / self.n, self.worst_s) if self.n else 0.0

    def quantile_s(self, share: float) -> float | None:
        """So large a share of them is not longer; None of none."""
        if not self.n:
            return None
        if not self._buckets:
            ordered = sorted(self._values)
            rank = share * (self.n - 1)
            low = math.floor(rank)
            high = min(low + 1, self.n - 1)
            return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)
        left = math.floor(share * (self.n - 1))
        for number in sorted(self._buckets):
            left -= self._buckets[number]
            if left < 0:
                return min(_middle_s(number), self.worst_s)
        return self.worst_s

    def stats(self) -> Stats:
        """As `coord.lab.measure` gives them."""
        if not self._buckets:
            return stats(self._values)
        enough = self.n >= _ENOUGH_FOR_P99
        return Stats(
            n=self.n,
            mean=self.mean_s,
            p50=self.quantile_s(0.5),
            p99=self.quantile_s(0.99) if enough else None,
            max=self.worst_s,
        )


def _bucket(value_s: float) -> int:
    return 0 if value_s <= _FINEST_S else 1 + math.floor(math.log(value_s / _FINEST_S) / _STEP)


def _middle_s(number: int) -> float:
    return 0.0 if number == 0 else _FINEST_S * math.exp((number - 0.5) * _STEP)


class Thinned:
    """At most 200 of all rows, evenly spread over their order."""

    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self._every = 1
        self._seen = 0

    def add(self, row: _Row) -> None:
        """One more; it may be left out."""
        if self._seen % self._every == 0:
            self.rows.append(row)
            if len(self.rows) > _SHOWN:
                self.rows = self.rows[::2]
                self._every *= 2
        self._seen += 1


class Tally:
    """All rounds of one setting: they share mode and fault."""

    def __init__(self) -> None:
        self.rounds = 0
        self.cells = {name: Durations() for name in ("gap_s", "split_s", "faux_s")}
        self.parts = {name: Durations() for name in PARTS}
        self.sample = Thinned()
        self.batches: list[list[float]] = []
        self.stale = StaleActs()
        self.false_failovers = self.duplicates = self.missed = 0
        self.struck = 0
        """In how many rounds there was a failover."""
        self.calls: Counter[str] = Counter()
        """Requests by their name, also those between the rounds."""
        self._name = "", ""
        self._blast = 0.0
        self._batch = 1

    def add(self, results: Iterable[RoundResult], log: Log) -> None:
        """Rounds that were judged, and the log that they are of."""
        for result in results:
            self._add(result)
        self.calls.update(f"{rpc.op}" for rpc in log.all(Rpc))

    def _add(self, result: RoundResult) -> None:
        self._name = result.round.mode, result.round.fault
        sums = dict.fromkeys(SUMS, 0.0)
        for name, found in self.cells.items():
            for value_s in getattr(result, name):
                found.add(value_s)
                sums[name] += value_s
        sums["cells"] = len(result.gap_s)
        for one in result.failovers:
            self._add_failover(one)
            sums["failover_s"] += one.total_s
        sums["failovers"] = len(result.failovers)
        sums["requests"], sums["member_s"] = result.requests, result.member_s
        self._add_sums([sums[name] for name in SUMS])
        stale = result.stale_acts
        counted = StaleActs(stale.attempted, stale.accepted, stale.accepted_unfenced)
        self.stale += counted
        self.struck += bool(result.failovers)
        self.false_failovers += result.false_failovers
        self.duplicates += result.duplicates
        self.missed += result.missed
        self._blast += result.blast_radius

    def _add_failover(self, one: Failover) -> None:
        row = one.detect_s, one.claim_s, one.warm_up_s, one.total_s
        for name, value_s in zip(PARTS, row, strict=True):
            if value_s is not None:
                self.parts[name].add(value_s)
        self.sample.add(row)

    def _add_sums(self, sums: list[float]) -> None:
        """To the last batch, while it has fewer rounds than the others; else a new one begins."""
        if self.rounds % self._batch == 0:
            if len(self.batches) == _BATCHES:
                pairs = zip(self.batches[::2], self.batches[1::2], strict=True)
                self.batches = [[*map(sum, zip(*pair, strict=True))] for pair in pairs]
                self._batch *= 2
            self.batches.append([0.0] * len(SUMS))
        last = self.batches[-1]
        self.batches[-1] = [a + b for a, b in zip(last, sums, strict=True)]
        self.rounds += 1

    def total(self, name: str) -> float:
        """One of `SUMS`, over all rounds."""
        place = SUMS.index(name)
        return math.fsum(batch[place] for batch in self.batches)

    def report(self, setup: Setup) -> Report:
        """`coord.report/1`: as of the rounds themselves, quantiles of very many to 0.1 %."""
        runs = [self._run()] if self.rounds else []
        return Report(
            schema=REPORT_SCHEMA,
            store=setup.store,
            ttl_s=setup.ttl_s,
            seed=setup.seed,
            members=setup.members,
            shards=setup.shards,
            seats=setup.seats,
            rounds=setup.rounds,
            runs=runs,
        )

    def _run(self) -> Run:
        member_s = self.total("member_s")
        mode, fault = self._name
        return Run(
            mode=mode,
            fault=fault,
            gap_s=_extent(self.cells["gap_s"]),
            split_s=_extent(self.cells["split_s"]),
            faux_s=_extent(self.cells["faux_s"]),
            failover_s=FailoverFigures(
                detect=_figures(self.parts["detect"]),
                claim=_figures(self.parts["claim"]),
                warm_up=_figures(self.parts["warm_up"]),
                total=_figures(self.parts["total"]),
            ),
            stale_acts=StaleFigures(
                attempted=self.stale.attempted,
                accepted=self.stale.accepted,
                accepted_unfenced=self.stale.accepted_unfenced,
            ),
            false_failovers=self.false_failovers,
            blast_radius=round(self._blast / self.rounds, _DECIMALS),
            duplicates=self.duplicates,
            missed=self.missed,
            store_requests_per_member_s=round(
                self.total("requests") / member_s if member_s else 0.0, _DECIMALS
            ),
        )


def _extent(found: Durations) -> Extent:
    return Extent(worst=round(found.worst_s, _DECIMALS), mean=round(found.mean_s, _DECIMALS))


def _figures(found: Durations) -> Figures:
    of = found.stats()
    return Figures(
        n=of.n, mean=_maybe(of.mean), p50=_maybe(of.p50), p99=_maybe(of.p99), max=_maybe(of.max)
    )


def _maybe(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
