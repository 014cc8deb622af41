"""One round of planning: read what is known, decide, write it down.

Owns the order of these steps: into how many parts a tick is cut is written before any unit of it
is, what is given up before the cursor passes it, and the cursor before anything begins. A crash
between any two of them repeats nothing and loses nothing (`coord.tasks.schedule.planner` says why).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from coord.tasks.runner.notes import Notes
from coord.tasks.schedule import (
    Cut,
    Plan,
    Policies,
    Schedule,
    Seen,
    Skip,
    Tick,
    TickPart,
    UnitState,
    look,
    plan,
)

__all__ = ["Rounds"]

_RUNS = UnitState.IN_PROGRESS


class Rounds:
    """Plans one task for one runner. One thread. Raises the store's errors.

    `parts`: into how many a tick is cut that nobody has begun; `mine`: the parts that fall to this
    runner, however many there are (None: all).
    """

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
        self._cut = Cut(parts)
        self._parts = parts
        self._mine = mine
        self._waiting: frozenset[TickPart] = frozenset()

    def parts_of(self, tick: Tick) -> int:
        """Into how many parts a tick of the last plan is cut."""
        return self._cut.of(tick)

    def plan(self, now_s: float, own: Mapping[TickPart, Seen]) -> tuple[Plan, set[TickPart]]:
        """What to do at `now_s` of the wall clock, and which units run elsewhere.

        `own` is what this runner knows better than any record: what it runs, and what rests.
        """
        skipped: list[Skip] = []
        while True:
            cursor = self._notes.cursor(now_s)
            cut = self._cut = self._notes.cut(self._parts)
            ticks = look(self._schedule, cursor, now_s, self._policies).ticks
            units = [TickPart(tick, part) for tick in ticks for part in range(cut.of(tick))]
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
                parts=cut,
                mine=self._mine,
            )
            touched = [unit.tick for unit in (*found.start, *found.record)]
            if touched and not self._notes.pin(cut.pinned(max(touched))):
                continue  # others have begun it, cut otherwise perhaps
            self._notes.skip(found.record)
            written = set(found.record)
            if not self._notes.move(found.cursor):
                # What was planned may lie behind that cursor, where nobody looks. But what has a
                # record by now is given up, and no other plan will say so.
                skipped += [one for one in found.skipped if _unit(one) in written]
                continue
            skipped += found.skipped
            self._waiting = frozenset(found.waiting)
            if not found.more:
                return replace(found, skipped=tuple(skipped)), elsewhere


def _unit(skip: Skip) -> TickPart | None:
    return None if skip.part is None else TickPart(skip.first, skip.part)
