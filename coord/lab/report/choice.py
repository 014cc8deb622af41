"""What a sweep says of each setting, as far as pictures show it.

Owns the values behind the pictures of a choice: which setting is on the front, which one is that
of client-go's timings, which meets the user's limits. Draws nothing; what is refused of a file is
refused by `coord.lab.sweep.saved`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from coord.errors import ConfigError

__all__ = ["Cell", "Limits", "Point", "SweepView", "cells", "front", "sweep_view"]

CLIENT_GO = 15.0, 2.0
"""Lease duration and retry period of client-go's defaults. Its renew deadline of 10 s has no
counterpart: here a leader's own budget ends its term in time."""


class Point(NamedTuple):
    """One setting. Stale acts are those that an unfenced resource took, for each fault."""

    mode: str
    store: str
    fault: str
    ttl_s: float
    heartbeat_s: float
    members: int
    gap_s: float
    worst_gap_s: float
    worst_split_s: float
    stale: float
    requests_per_s: float

    @property
    def starred(self) -> bool:
        """Whether these are client-go's timings."""
        return (self.ttl_s, self.heartbeat_s) == CLIENT_GO

    @property
    def title(self) -> str:
        """Which setting it is, and what came of it."""
        return (
            f"{self.mode} on {self.store}, {self.members} members, ttl {self.ttl_s:g} s, heartbeat "
            f"{self.heartbeat_s:g} s: gap {self.gap_s:.2f} s, {self.stale:.3f} stale acts a fault"
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user can bear: the worst gap and the worst split of a round; None: not told."""

    gap_s: float | None = None
    split_s: float | None = None

    def met(self, gap_s: float, split_s: float) -> bool | None:
        """Whether; None if there is no limit."""
        pairs = ((self.gap_s, gap_s), (self.split_s, split_s))
        told = [value <= limit for limit, value in pairs if limit is not None]
        return all(told) if told else None


@dataclass(frozen=True, slots=True)
class SweepView:
    """One sweep. `complete`: no setting of its grid is missing."""

    title: str
    version: str
    complete: bool
    skipped: int
    points: tuple[Point, ...]


class Cell(NamedTuple):
    """One pair of timings, at its worst over faults, targets, members and seeds."""

    gap_s: float
    split_s: float
    requests_per_s: float


def sweep_view(sweep: Mapping[str, Any], file: str) -> SweepView:
    """From `coord.sweep/1`, as `coord.lab.sweep.saved` has read it.

    Raises ConfigError for a sweep without points, and for points of which something is missing.
    """
    points = tuple(_checked(one, file) for one in sweep["points"] if one["rounds"])
    if not points:
        raise ConfigError(
            f"{file} has no settings that were simulated",
            cure="Go on with the sweep: the same command with the same --out.",
        )
    title = Path(str(sweep["grid"].get("name", "a sweep"))).name
    complete = bool(sweep.get("complete"))
    return SweepView(title, sweep["coord"], complete, len(sweep["skipped"]), points)


def _checked(one: Mapping[str, Any], file: str) -> Point:
    try:
        return _point(one)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{file} is damaged: point {one['index']} has no usable {error}",
            cure="Bring it back from where it was copied, or sweep again into another file.",
        ) from error


def _point(one: Mapping[str, Any]) -> Point:
    setting = one["setting"]
    return Point(
        setting["mode"],
        setting["store"],
        setting["fault"],
        float(setting["ttl_s"]),
        float(setting["heartbeat_s"]),
        setting["members"],
        one["gap_s"]["mean"] or 0.0,
        one["gap_s"]["max"] or 0.0,
        one["split_s"]["max"] or 0.0,
        one["stale_acts"]["accepted_unfenced"] / one["rounds"],
        one["requests"]["per_s"],
    )


def front(points: Iterable[Point]) -> list[Point]:
    """Those that no other beats in gap and in stale acts; from the shortest gap on."""
    found: list[Point] = []
    for point in sorted(points, key=lambda one: (one.gap_s, one.stale)):
        if not found or point.stale < found[-1].stale:
            found.append(point)
    return found


def cells(points: Sequence[Point]) -> dict[tuple[float, float], Cell]:
    """By ttl and heartbeat."""
    found: dict[tuple[float, float], Cell] = {}
    for one in points:
        new = Cell(one.worst_gap_s, one.worst_split_s, one.requests_per_s)
        old = found.get((one.ttl_s, one.heartbeat_s), new)
        found[one.ttl_s, one.heartbeat_s] = Cell(*map(max, old, new))
    return found
