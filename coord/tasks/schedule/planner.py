"""The planner: from a cursor, the time and what was recorded to what shall be done now.

Owns every decision about ticks: which start, which wait, which are given up and why, and how far
the cursor moves. Pure: no clock, thread, store or log; the same arguments give the same plan, so
members that plan the same task at the same time agree, and the ledger settles it where they do
not. Rules it keeps, each with its test in `tests/unit/tasks/test_schedule_planner.py`:

- a tick that is due after the cursor is started, waits, or is named in `skipped`; never forgotten;
- the cursor stands still before a unit that is not settled, and never goes back. A wall clock
  that is set back therefore repeats nothing (its ticks are behind the cursor) and loses nothing
  (they are due again when it has caught up); one that leaps ahead finds missed ticks;
- two ticks of one part never run at once, as far as the records tell; ticks that are cut into
  different numbers of parts never run at once at all, since their parts overlap;
- what another was given up for is not given up for that other: a run in whose favour a later tick
  was dropped is tried again if it fails or dies after all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from coord.tasks.schedule.cut import Cut
from coord.tasks.schedule.plan import Plan, Seen, Skip, TickPart, UnitState, Why
from coord.tasks.schedule.policies import Missed, Overlap, Policies
from coord.tasks.schedule.schedule import Schedule
from coord.tasks.schedule.sight import AHEAD_MOST, Sight, look
from coord.tasks.schedule.tick import Tick

__all__ = ["plan"]

_NEVER = Tick(2**63)
_NOTHING = Seen(UnitState.NONE)
_SETTLED = (UnitState.DONE, UnitState.SKIPPED)


def plan(
    schedule: Schedule,
    cursor: Tick,
    now_s: float,
    policies: Policies,
    states: Mapping[TickPart, Seen],
    *,
    parts: int | Cut = 1,
    mine: Collection[int] | None = None,
    sight: Sight | None = None,
) -> Plan:
    """What to do about a task's units at `now_s`, the wall clock's reading.

    `states` holds what is recorded of the units of `look(…).ticks` with the same arguments; a
    unit that is not in it has no record. `parts` says how many parts each tick has, `mine` which of
    them the caller may start (None: all): the units of other parts hold the cursor back and are
    left to their callers, except for those that nobody will start any more. `sight` spares a
    second look: it must be what `look` gave for the same arguments.
    """
    sight = look(schedule, cursor, now_s, policies) if sight is None else sight
    cut = Cut(parts) if isinstance(parts, int) else parts
    ticks, whole = _considered(sight, states, cut)
    draft = _Draft(policies, sight, ticks, states, cut)
    for part in range(max((cut.of(tick) for tick in ticks), default=0)):
        draft.sort(part, ours=mine is None or part in mine)
    draft.order()
    reached = _reached(draft, cursor)
    more = not whole and bool(ticks) and reached >= ticks[-1]
    skipped = [one for one in draft.skipped if one.ours or one.unit.tick <= reached]
    skips = [_single(one) for one in skipped]
    if sight.gap is not None and reached >= sight.gap[1]:
        skips += _gap_skips(schedule, policies, sight, cut.parts)
    return Plan(
        start=tuple(sorted(draft.start)),
        stop=tuple(sorted(draft.stop)),
        waiting=tuple(sorted(draft.waiting)),
        skipped=tuple(skips),
        record=tuple(sorted(one.unit for one in skipped if one.unit.tick > reached)),
        cursor=reached,
        more=more,
        look_again_s=_look_again_s(schedule, cursor, now_s, policies),
    )


@dataclass(frozen=True, slots=True)
class _Skipped:
    unit: TickPart
    why: Why
    ours: bool


class _Part(NamedTuple):
    """Units of a part of ours: those that run, and those that are due, both in order."""

    running: list[TickPart]
    due: list[TickPart]


@dataclass(slots=True)
class _Draft:
    """A plan while it is made: the units of each part are sorted, then put in order."""

    policies: Policies
    sight: Sight
    ticks: tuple[Tick, ...]
    states: Mapping[TickPart, Seen]
    cut: Cut
    ours: list[_Part] = field(default_factory=list)
    running: list[TickPart] = field(default_factory=list)
    busy: set[Tick] = field(default_factory=set)
    start: list[TickPart] = field(default_factory=list)
    stop: list[TickPart] = field(default_factory=list)
    waiting: list[TickPart] = field(default_factory=list)
    skipped: list[_Skipped] = field(default_factory=list)
    open: set[Tick] = field(default_factory=set)

    def sort(self, part: int, *, ours: bool) -> None:
        """Sort the part's units: settled, running, to be run, given up."""
        running: list[TickPart] = []
        due: list[TickPart] = []
        units = [TickPart(tick, part) for tick in self.ticks if part < self.cut.of(tick)]
        wanted_from = self._wanted_from(units)
        for unit in units:
            tick = unit.tick
            state = self.states.get(unit, _NOTHING).state
            if state in _SETTLED:
                continue
            if state is UnitState.IN_PROGRESS or state is UnitState.ENQUEUED:
                if state is UnitState.ENQUEUED and tick < self.sight.window:
                    self._skip(unit, Why.LOST_IN_QUEUE, ours=ours)
                else:
                    running.append(unit)
            elif tick >= wanted_from or (state is UnitState.QUEUED and tick == self.sight.latest):
                due.append(unit)
            else:
                self._skip(unit, self.sight.why_not(tick, self.policies), ours=ours)
        self.running += running
        self.busy.update(unit.tick for unit in (*running, *due))
        self.open.update(unit.tick for unit in running)
        if ours:
            self.ours.append(_Part(running, due))
        else:
            self.open.update(unit.tick for unit in due)

    def _wanted_from(self, units: list[TickPart]) -> Tick:
        """The first tick of a part that is wanted.

        Where that is the latest alone, and it was given up, it is the latest that was not: it may
        have been given up for one that ran, and has failed or died since.
        """
        wanted_from = self.sight.wanted[0] if self.sight.wanted else _NEVER
        is_seen = bool(units) and units[-1].tick == self.sight.latest
        if self.policies.missed is Missed.ONCE and is_seen:
            for unit in reversed(units):
                if self.states.get(unit, _NOTHING).state is not UnitState.SKIPPED:
                    return unit.tick
        return wanted_from

    def order(self) -> None:
        """Of each part of ours, start the first if nothing is in its way; the others wait."""
        is_mixed = len({self.cut.of(tick) for tick in self.ticks}) > 1
        for running, due in self.ours:
            is_free = not running
            for unit in due:
                others = self._cut_otherwise(unit) if is_mixed else []
                in_its_way = [one for one in (*running, *others) if self._overlaps(one, unit)]
                if in_its_way and self.policies.overlap is Overlap.SKIP:
                    self._skip(unit, Why.OVERLAP, ours=True)
                    continue
                if self.policies.overlap is Overlap.REPLACE:
                    self.stop += [one for one in in_its_way if one not in self.stop]
                self.open.add(unit.tick)
                if not is_free or others or (is_mixed and self._comes_after_another_cut(unit)):
                    self.waiting.append(unit)
                elif self.states.get(unit, _NOTHING).state is not UnitState.RESTING:
                    self.start.append(unit)
                is_free = False

    def _cut_otherwise(self, unit: TickPart) -> list[TickPart]:
        """What runs of ticks with another number of parts: any may be at what `unit` is for."""
        parts = self.cut.of(unit.tick)
        return [one for one in self.running if self.cut.of(one.tick) != parts]

    def _comes_after_another_cut(self, unit: TickPart) -> bool:
        """Whether a tick before it that has another number of parts is not settled."""
        parts = self.cut.of(unit.tick)
        return any(tick < unit.tick and self.cut.of(tick) != parts for tick in self.busy)

    def _overlaps(self, running: TickPart, unit: TickPart) -> bool:
        """Whether `running` had begun when `unit` became due.

        Else `unit` is older than that run: missed work that waits for its turn. Two members' wall
        clocks meet here; where they differ a tick waits instead of being dropped, or the reverse.
        """
        since_s = self.states[running].since_s
        begun = since_s is None or since_s <= unit.tick.at_s + self.policies.offset_s
        return begun and running.tick < unit.tick

    def _skip(self, unit: TickPart, why: Why, *, ours: bool) -> None:
        self.skipped.append(_Skipped(unit, why, ours))


def _considered(
    sight: Sight, states: Mapping[TickPart, Seen], cut: Cut
) -> tuple[tuple[Tick, ...], bool]:
    """The ticks that this plan decides about, and whether they are all that are due.

    Nothing is begun or recorded further than AHEAD_MOST ticks behind the cursor that this plan
    leaves. So what was begun always lies within the head, never in the gap behind it, and a gap
    may be passed unread: else a run in it would be forgotten and the next tick started beside it.
    """
    running = (UnitState.IN_PROGRESS, UnitState.ENQUEUED)
    for index, tick in enumerate(sight.head):
        units = (TickPart(tick, part) for part in range(cut.of(tick)))
        if any(states.get(unit, _NOTHING).state in running for unit in units):
            near = sight.head if sight.gap is not None else sight.ticks
            chosen = near[: max(index + AHEAD_MOST, len(sight.head))]
            return chosen, len(chosen) == len(sight.ticks)
    chosen = sight.head + sight.wanted[:AHEAD_MOST]
    return chosen, len(chosen) == len(sight.ticks)


def _reached(draft: _Draft, cursor: Tick) -> Tick:
    """How far everything is settled."""
    sight, reached = draft.sight, cursor
    for index, tick in enumerate(draft.ticks):
        if tick in draft.open:
            return reached
        reached = tick
        if sight.gap is not None and index == len(sight.head) - 1:
            reached = sight.gap[1]
    return reached


def _single(skipped: _Skipped) -> Skip:
    tick, part = skipped.unit
    return Skip(why=skipped.why, first=tick, last=tick, part=part, units=1)


def _gap_skips(schedule: Schedule, policies: Policies, sight: Sight, parts: int) -> list[Skip]:
    """The gap as one skip, or as two where the reason changes inside it."""
    if sight.gap is None:
        return []
    first, last = sight.gap
    pieces = [(first, last)]
    if sight.why_not(first, policies) is not sight.why_not(last, policies):
        # The reason changes at the window's beginning, or with the latest tick.
        change = sight.window if policies.missed is Missed.CATCH_UP else last
        border = schedule.before(change) or first
        pieces = [(first, border), (schedule.after(border) or last, last)]
    return [
        Skip(
            why=sight.why_not(begin, policies),
            first=begin,
            last=end,
            part=None,
            units=schedule.count(begin.shifted(-1), end) * parts,
        )
        for begin, end in pieces
    ]


def _look_again_s(schedule: Schedule, cursor: Tick, now_s: float, policies: Policies) -> float:
    """When the next tick is due. Behind a cursor nothing is: a clock set back waits for it."""
    due = Tick.of(now_s - policies.offset_s)
    following = schedule.after(max(due, cursor))
    if following is None:
        return math.inf
    return max(following.at_s + policies.offset_s, math.nextafter(now_s, math.inf))
