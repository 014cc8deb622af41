"""Claims that rest by rule: poisoned ones, which nobody takes for as long as their note says.

Owns which claims rested when, and which late recoveries are explained by that. A claim that has
defeated several members is left alone for a time that the design promises, and a fleet that keeps
that promise has not failed to recover. Told as excused, never left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from coord.lab.chaos.verdict import Excused
from coord.lab.measure import Violation
from coord.lab.sim.fleet import SimWorld
from coord.model import Claim

__all__ = ["Rests"]

_WHY = "the claim had defeated several members: it rested for as long as its note says"
_KEPT_S = 60.0
_TOLD_S = 2.0
"""How much earlier than the store shows the note its claim may have been given up."""


class Rests:
    """The rests of all claims of one world, seen as they begin."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world
        self._last: dict[tuple[str, int, int], Claim] = {}
        self._found: list[tuple[str, float, float]] = []
        world.server.subscribe(world.group, self._changed)

    def until_s(self) -> float:
        """When the last rest that has begun is over; minus infinity without any."""
        return max((until_s for _, _, until_s in self._found), default=float("-inf"))

    def excused(self, violations: Iterable[Violation], bound_s: float) -> list[Excused]:
        """Late recoveries of shards that rested then, or had just stopped resting."""
        return [
            Excused(one, _WHY)
            for one in violations
            if one.rule == "not-recovered"
            and any(
                one.detail.startswith(f"{shard} ")
                and since_s - _TOLD_S <= one.at_s <= until_s + bound_s
                for shard, since_s, until_s in self._found
            )
        ]

    def forget(self) -> None:
        """Drop the rests that are long over: what was judged is dropped too."""
        now_s = self._world.now_s
        self._found = [one for one in self._found if one[2] + _KEPT_S > now_s]

    def _changed(self) -> None:
        for key, claim in self._world.view().claims.items():
            if claim.session is not None or not claim.note.poison_s:
                continue
            place = key.role, key.generation, key.shard
            if self._last.get(place) is not claim:
                self._last[place] = claim
                now_s = self._world.now_s
                name = f"{key.role}/{key.generation}/{key.shard}"
                self._found.append((name, now_s, now_s + claim.note.poison_s))
