"""What the page shows of a run: values that any figure can be drawn from.

Owns their types. Reads nothing, judges nothing, knows no pixels and no colours. All moments are
seconds into the round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from coord.lab.chaos.verdict import Facts, Verdict
from coord.lab.measure import Shard
from coord.lab.measure.intervals import Spans

__all__ = ["ActMark", "Band", "Bar", "RoundView", "RunView", "ShardView"]


class Bar(NamedTuple):
    """A member could act. `token` is 0 where bars of many tenures were joined."""

    row: int
    start_s: float
    end_s: float
    seat: int
    token: int


class ActMark(NamedTuple):
    """An act that reached a resource."""

    at_s: float
    row: int
    token: int
    fenced: bool
    accepted: bool
    stale: bool


class Band(NamedTuple):
    """A fault. `row` is that of whom it struck; None: everybody."""

    kind: str
    target: str
    row: int | None
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class ShardView:
    """One shard in one round."""

    shard: Shard
    bars: tuple[Bar, ...]
    acts: tuple[ActMark, ...]
    frozen: tuple[tuple[int, Spans], ...]
    """By row: when it held the shard while its process was stopped."""
    gap: Spans
    split: Spans
    faux: Spans
    joined: int = 0
    """Of so many tenures the bars were joined; 0: each has its own."""

    @property
    def suffered_s(self) -> float:
        """Gap, split and faux together: by which the worst shards are found."""
        return (self.gap | self.split | self.faux).total_s


@dataclass(frozen=True, slots=True)
class RoundView:
    """One round: what it has in common, and its shards."""

    number: int
    fault: str
    length_s: float
    rows: tuple[str, ...]
    """The members, by name; several processes of one name share a row."""
    present: tuple[Spans, ...]
    """By row: when a process of that name was a member."""
    bands: tuple[Band, ...]
    shards: tuple[ShardView, ...]
    left_off: int = 0
    """So many shards that suffered less are not drawn."""

    @property
    def worst(self) -> int:
        """The index of the shard that suffered most."""
        return max(range(len(self.shards)), key=lambda one: self.shards[one].suffered_s, default=0)


@dataclass(frozen=True, slots=True)
class RunView:
    """One saved run."""

    directory: Path | None
    """Where it is kept; None: nowhere."""
    verdict: Verdict
    rounds: tuple[RoundView, ...]

    @property
    def facts(self) -> Facts:
        """What was run."""
        return self.verdict.facts

    @property
    def worst(self) -> int:
        """The index of the round with the shard that suffered most."""
        return max(
            range(len(self.rounds)), key=lambda one: _worst_s(self.rounds[one].shards), default=0
        )

    def worst_of(self, fault: str) -> int | None:
        """The same among the rounds of one fault; None: no shard of them is drawn."""
        places = [
            place for place, one in enumerate(self.rounds) if one.fault == fault and one.shards
        ]
        return max(places, key=lambda place: _worst_s(self.rounds[place].shards), default=None)


def _worst_s(shards: Sequence[ShardView]) -> float:
    return max((shard.suffered_s for shard in shards), default=0.0)
