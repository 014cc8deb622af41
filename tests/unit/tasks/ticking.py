"""A task that is planned by members who crash, over records that do not: for the planner's tests.

Owns the records, the cursor and the wall clock of one task, does what plans say in the order that
they ask for, and keeps count. Judges nothing but what must hold in every single plan.
"""

from __future__ import annotations

from collections import Counter

from coord.tasks.schedule import (
    Plan,
    Policies,
    Schedule,
    Seen,
    TickPart,
    UnitState,
    Why,
    first_cursor,
    look,
    plan,
    ticks_between,
)

__all__ = ["Desk"]


class Desk:
    """The records of one task, and what became of its units."""

    def __init__(self, schedule: Schedule, policies: Policies, *, parts: int, now_s: float) -> None:
        self.schedule = schedule
        self.policies = policies
        self.parts = parts
        self.now_s = self.latest_s = now_s
        self.first = self.cursor = first_cursor(schedule, now_s)
        self.records: dict[TickPart, Seen] = {}
        self.stopping: list[TickPart] = []
        self.completed: Counter[TickPart] = Counter()
        self.dropped: dict[TickPart, Why | None] = {}
        self.drops: Counter[TickPart] = Counter()

    def pass_time(self, seconds: float) -> None:
        """Let the wall clock step, forwards or backwards."""
        self.now_s += seconds
        self.latest_s = max(self.latest_s, self.now_s)

    def round(self, crash_after: str = "") -> Plan:
        """Plan until a plan asks for no more, and do what it says, as far as the crash allows."""
        while True:
            todo = self._plan()
            self._write_records(todo)
            if crash_after == "record":
                return todo
            self._write_cursor(todo)
            if crash_after == "cursor":
                return todo
            self._act(todo)
            if not todo.more:
                return todo

    def running(self) -> list[TickPart]:
        """The units that run, in order."""
        return sorted(
            unit for unit, seen in self.records.items() if seen.state is UnitState.IN_PROGRESS
        )

    def finish(self, unit: TickPart) -> None:
        """A run ends well, unless it has been told to stop: then it ends unfinished."""
        if unit in self.stopping:
            self.stopping.remove(unit)
            self._drop(unit, None)
            self.records[unit] = Seen(UnitState.SKIPPED)
            return
        self.completed[unit] += 1
        self.records[unit] = Seen(UnitState.DONE)

    def fail(self, unit: TickPart) -> None:
        """A run dies; what it was told dies with it."""
        self.stopping = [one for one in self.stopping if one != unit]
        del self.records[unit]

    def drain(self) -> None:
        """Let every due unit come to its end, with nothing else happening."""
        self.now_s = self.latest_s
        while True:
            todo = self.round()
            running = self.running()
            for unit in running:
                self.finish(unit)
            if not (running or todo.waiting):
                return

    def due_units(self) -> set[TickPart]:
        """Every unit that has ever been due."""
        upto = type(self.first).of(self.latest_s - self.policies.offset_s)
        ticks = list(ticks_between(self.schedule, self.first, upto))
        return {TickPart(tick, part) for tick in ticks for part in range(self.parts)}

    def _plan(self) -> Plan:
        sight = look(self.schedule, self.cursor, self.now_s, self.policies)
        units = [TickPart(tick, part) for tick in sight.ticks for part in range(self.parts)]
        seen = {unit: self.records[unit] for unit in units if unit in self.records}
        todo = plan(
            self.schedule,
            self.cursor,
            self.now_s,
            self.policies,
            seen,
            parts=self.parts,
            sight=sight,
        )
        assert todo.cursor >= self.cursor
        assert todo.look_again_s > self.now_s
        for unit in todo.start:
            assert unit.tick > todo.cursor
            assert unit.tick.at_s + self.policies.offset_s <= self.now_s + 1e-3
            assert unit not in self.records
            assert unit not in self.dropped
        parts = [unit.part for unit in (*todo.start, *self.running())]
        assert len(set(parts)) == len(parts), "two ticks of one part at once"
        for unit, record in self.records.items():
            if record.state is UnitState.IN_PROGRESS:
                assert unit.tick > todo.cursor, "the cursor has passed a unit that runs"
        return todo

    def _write_records(self, todo: Plan) -> None:
        beyond = set(todo.record)
        for skip in todo.skipped:
            unit = TickPart(skip.first, skip.part or 0)
            if skip.part is not None and unit in beyond:
                self._drop(unit, skip.why)
                self.records[unit] = Seen(UnitState.SKIPPED)

    def _write_cursor(self, todo: Plan) -> None:
        self.cursor = todo.cursor
        for skip in todo.skipped:
            if skip.first > todo.cursor:
                continue
            parts = range(self.parts) if skip.part is None else [skip.part]
            ticks = list(ticks_between(self.schedule, skip.first.shifted(-1), skip.last))
            assert skip.units == len(ticks) * len(parts)
            for tick in ticks:
                for part in parts:
                    self._drop(TickPart(tick, part), skip.why)

    def _act(self, todo: Plan) -> None:
        self.stopping += [unit for unit in todo.stop if unit not in self.stopping]
        for unit in todo.start:
            self.records[unit] = Seen(UnitState.IN_PROGRESS, self.now_s)

    def _drop(self, unit: TickPart, why: Why | None) -> None:
        self.dropped[unit] = why
        self.drops[unit] += 1
