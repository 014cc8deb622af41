"""One round of planning: read what is known, decide, write it down.

Owns the order of these steps: what is given up is written before the cursor passes it, and the
cursor before anything begins. A crash between any two of them repeats nothing and loses nothing
(`coord.tasks.schedule.planner` says why).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from coord.tasks.runner.notes import Notes
from coord.tasks.schedule import Plan, Policies, Schedule, Seen, TickPart, UnitState, look, plan

__all__ = ["Rounds"]

_RUNS = UnitState.IN_PROGRESS


class Rounds:
    """Plans one task for one runner. One thread. Raises the store's errors."""

    def __init__(
        self,
        notes: Notes,
        schedule: Schedule,
        policies: Policies,
        *,
        parts: int,
        mine: Collection[int] | None = None,
    ) -> None:
        self._notes = notes
        self._schedule = schedule
        self._policies = policies
        self._parts = parts
        self._mine = mine
        self._waiting: frozenset[TickPart] = frozenset()

    def plan(self, now_s: float, own: Mapping[TickPart, Seen]) -> tuple[Plan, set[TickPart]]:
        """What to do at `now_s` of the wall clock, and which units run elsewhere.

        `own` is what this runner knows better than any record: what it runs, and what rests.
        """
        while True:
            cursor = self._notes.cursor(now_s)
            ticks = look(self._schedule, cursor, now_s, self._policies).ticks
            units = [TickPart(tick, part) for tick in ticks for part in range(self._parts)]
            states = self._notes.states(units)
            elsewhere = {unit for unit, seen in states.items() if seen.state is _RUNS} - own.keys()
            for unit in self._waiting - states.keys():
                states[unit] = Seen(UnitState.QUEUED)
            states |= own
            found = plan(
                self._schedule,
                cursor,
                now_s,
                self._policies,
                states,
                parts=self._parts,
                mine=self._mine,
            )
            self._notes.skip(found.record)
            if not self._notes.move(found.cursor):
                continue  # what was planned may lie behind that cursor, where nobody looks
            self._waiting = frozenset(found.waiting)
            if not found.more:
                return found, elsewhere
