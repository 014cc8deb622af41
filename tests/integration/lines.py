"""A leader with one that stands by, for ever: how soon each leader that goes is followed.

Owns the rounds; what is fast enough is each test's own. A member that went is replaced by a
newcomer, which has settled before the next round begins, and each round begins at a random phase
of the heartbeats.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.integration.fleet import Fleet, Process, until

__all__ = ["Handover", "Line"]

_ROLE = {"name": "reaper", "work": {"every_s": 0.01}}


class Handover(NamedTuple):
    """One leader that was asked to go: seconds from its work's end to the next act; its exit."""

    gap_s: float
    exit_code: int
    overlapped: bool


class Line:
    """A leader and one that stands by."""

    def __init__(self, fleet: Fleet, *, ttl_s: float, prefix: tuple[str, ...] = ()) -> None:
        self.fleet = fleet
        self.ttl_s = ttl_s
        self._prefix = prefix
        self._born = 0
        self._members: dict[str, Process] = {}
        for _ in range(2):
            self._add()

    def _add(self) -> None:
        self._born += 1
        name = f"m{self._born}"
        timing = {"ttl_s": self.ttl_s}
        self._members[name] = self.fleet.start(name, _ROLE, timing=timing, prefix=self._prefix)

    def _ready(self) -> Process:
        """The leader, once the other has settled; at a random phase of its heartbeats."""
        until(lambda: self.fleet.is_settled("reaper", 2))
        time.sleep(self.ttl_s / 4 * (2 + random.random()))
        return self._members.pop(self.fleet.holders("reaper")[0, 0])

    def kills(self, rounds: int) -> Iterator[float]:
        """Kill leader after leader; how long until the successor's first act."""
        for _ in range(rounds):
            leader = self._ready()
            at = leader.kill()
            yield self.fleet.first_act(at, "member <> ?", leader.member).at - at
            leader.wait()
            self._add()

    def handovers(self, rounds: int) -> Iterator[Handover]:
        """Ask leader after leader to go, by SIGTERM."""
        for _ in range(rounds):
            leader = self._ready()
            at = leader.terminate()
            successor = self.fleet.first_act(at, "member <> ?", leader.member)
            (ended,) = self.fleet.marks("ended", "member = ?", leader.member)
            code = leader.wait()
            last = self.fleet.last_act("member = ?", leader.member)
            yield Handover(successor.at - ended.at, code, last.at >= successor.at)
            self._add()
