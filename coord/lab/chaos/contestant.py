"""Who is put to the test: the processes of one fleet, and the work that falls due for them.

Owns what the lab needs to know of a fleet in order to start, strike and measure it. The lab's own
work is one (`housekeeping`), a user's daemon another. Nothing here tells a contestant that it is
being struck.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from coord.lab.chaos.scene import Scene
from coord.telemetry import EventLog

__all__ = ["Contestant", "Entered", "Place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one process is told: who it is, which group it joins, and with which ttl."""

    member: str
    store: str
    ttl_s: float


class Entered(Protocol):
    """A contestant with its files in place. One thread; every method returns soon."""

    def command(self, place: Place) -> Sequence[str]:
        """What to start for one member."""
        ...

    def environ(self, place: Place) -> Mapping[str, str]:
        """What its environment has besides ours."""
        ...

    def turn(self) -> None:
        """Called some twenty times a second: let work fall due, if that is ours to do."""
        ...

    def waiting(self) -> int:
        """How many due units nobody has done yet; 0 if that cannot be known."""
        ...


class Contestant(Protocol):
    """One kind of fleet. A value: entering it anew begins with nothing of the last time."""

    @property
    def name(self) -> str:
        """Under which its rounds stand in the report: for the lab's own work, the mode."""
        ...

    @property
    def tau_s(self) -> float:
        """After how long without anything done, though units are due, its leader counts as faux."""
        ...

    def scene(self, members: Iterable[str]) -> Scene:
        """An empty picture of this fleet."""
        ...

    def enter(self, work: Path, events: EventLog) -> AbstractContextManager[Entered]:
        """Put its files into `work`, and tell `events` what there will be to lead."""
        ...
