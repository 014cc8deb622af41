"""Who owes progress, and who is late with it.

Owns the attended clock and the progress deadlines of the tenures of one member. May not know
what user code does, only that it runs outside `term.wait()` and since when.

The attended clock runs only while the control thread's steps arrive when they were asked for. Why:
a process that was stopped for a minute, or a machine that was, made no progress in that minute and
is not to blame for it; without this rule every pause would bar healthy members. A step that comes
later than asked for (plus the scheduling slack of the timing budget) adds only the time up to
the moment it was asked for. Every step of that thread counts, not only ticks: after a pause inside
a store call its answer comes first, asks for a tick soon, and would hide the pause from it.

What it lost is counted the other way round, for whoever judges others by it (`peers`): before a
step that came late nothing is sure to have been attended, because the clock may have leapt right
after the step before that (`test_of_a_step_that_came_late_all_the_time_before_it_counts_as_lost`).
A leap is not seen if no step comes late by it: at most a heartbeat and the slack.

Cost: O(log tenures) an event, nothing an idle tick; tenures are never scanned. A heap keeps one
entry a moment, which is moved lazily: a debt whose entry comes up early is put back where it
belongs. Debts that are entered for the same moment one after another share its entry, since one
loop that works for thousands of tenures makes them all fall due together.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

__all__ = ["AttendedClock", "Debt", "DebtBook"]

_INF = float("inf")


class AttendedClock:
    """Seconds during which this member's control thread was provably awake."""

    __slots__ = ("_asked_s", "_last_s", "_lost_s", "_slack_s", "now_s")

    def __init__(self, slack_s: float) -> None:
        self._slack_s = slack_s
        self._last_s: float | None = None
        self._lost_s = 0.0
        self._asked_s = _INF
        self.now_s = 0.0

    def attend(self, now: float) -> None:
        """Count the time since the last step, up to the moment this one was asked for."""
        last_s = self._last_s
        if last_s is None:
            self._last_s = now
        elif now > last_s:
            self.now_s, self._lost_s = self.reading(now), self.lost(now)
            self._last_s = now

    def ask(self, wake_s: float) -> None:
        """Note when the next step is asked for."""
        self._asked_s = wake_s

    def reading(self, now: float) -> float:
        """The attended time of an event between two steps."""
        last_s = self._last_s
        if last_s is None or now <= last_s:
            return self.now_s
        fair_s = self._fair_s(last_s)
        passed_s = (now if now < fair_s else fair_s) - last_s
        return self.now_s + passed_s

    def lost(self, now: float) -> float:
        """How much of the time since the first step may not have been attended."""
        last_s = self._last_s
        if last_s is None or now <= self._fair_s(last_s):
            return self._lost_s
        return self._lost_s + now - last_s

    def _fair_s(self, last_s: float) -> float:
        """Until when the step after that of `last_s` is not late."""
        asked_s = self._asked_s
        return (asked_s if asked_s > last_s else last_s) + self._slack_s


@dataclass(slots=True, eq=False)
class Debt:
    """What one tenure owes. `due_s` on the attended clock; infinite while it owes nothing."""

    number: int
    timeout_s: float
    due_s: float = field(default=_INF, kw_only=True)
    count: int = field(default=0, kw_only=True)
    """How often it has made progress."""
    entry_s: float = field(default=_INF, kw_only=True)
    """Where its entry stands in the book; infinite while it has none."""


class DebtBook:
    """The debts of one member, and the earliest of them."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, list[Debt]]] = []
        self._sequence = 0
        self._open: list[Debt] = []
        """The entry that was made last, while it is in the heap."""
        self._open_s = _INF
        """Its moment; infinite if it is not there any more."""

    def owe(self, debt: Debt, due_s: float) -> None:
        """Set or move the deadline of `debt`."""
        debt.due_s = due_s
        if due_s < debt.entry_s:  # else its entry comes up early and is put back by `late`
            self._enter(debt)

    def settle(self, debt: Debt) -> None:
        """`debt` owes nothing any more; its entry dissolves when it comes up."""
        debt.due_s = _INF

    def _enter(self, debt: Debt) -> None:
        due_s = debt.entry_s = debt.due_s
        if due_s != self._open_s:
            self._sequence += 1
            self._open_s, self._open = due_s, []
            heapq.heappush(self._heap, (due_s, self._sequence, self._open))
        self._open.append(debt)

    def _take_out(self) -> tuple[float, list[Debt]]:
        entry_s, _, debts = heapq.heappop(self._heap)
        if debts is self._open:
            self._open_s = _INF
        return entry_s, debts

    def late(self, attended_s: float) -> list[Debt]:
        """Take out the debts that are due at `attended_s`."""
        found: list[Debt] = []
        while self._heap and self._heap[0][0] <= attended_s:
            entry_s, debts = self._take_out()
            for debt in debts:
                if entry_s != debt.entry_s:
                    continue  # an earlier entry took its place
                debt.entry_s = _INF
                if debt.due_s <= attended_s:
                    debt.due_s = _INF
                    found.append(debt)
                elif debt.due_s != _INF:
                    self._enter(debt)
        return found

    def next_due_s(self) -> float:
        """The earliest deadline on the attended clock; may be early, never late."""
        while self._heap:
            entry_s, _, debts = self._heap[0]
            while debts:
                debt = debts[-1]
                if entry_s == debt.entry_s:
                    if debt.due_s != _INF:
                        return entry_s
                    debt.entry_s = _INF
                debts.pop()
            self._take_out()
        return _INF
