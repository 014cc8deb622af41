"""What user code's doings mean: working, resting, making progress, ending, and being late.

Owns the faux-leader rule on the member's own side. May not know what the work is.

A term owes progress whenever its code runs outside `term.wait()`. If none comes within the role's
`progress_timeout_s` (one declared longer step excepted), counted on the attended clock, the claim
is given back at once although the code still runs, this member is barred from it, and the beacon
admits it until the store has confirmed. Giving back before the code has stopped is deliberate: a
wedged holder may never stop. What its code does later carries an old token, and the resource
refuses it. Shown by `tests/unit/core/test_progress_rules.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import replace

from coord.core import commands as c
from coord.core import events as e
from coord.core.claim_rules import ClaimRules
from coord.core.endings import after_progress
from coord.core.member import Member
from coord.core.states import SessionPhase, TenurePhase
from coord.core.tenures import Tenancy
from coord.model import EndingKind, Note

__all__ = ["WorkRules"]

_INF = float("inf")
_LEADING, _STOPPING = TenurePhase.LEADING, TenurePhase.STOPPING
_EPSILON_S = 1e-6
"""Float sums of attended time may miss a deadline by less than this; waking early would spin."""


class WorkRules:
    """The work side of one member."""

    def __init__(self, member: Member, claims: ClaimRules) -> None:
        self._m = member
        self._claims = claims
        self._bars: list[tuple[float, int]] = []
        """When the bars on a claim that we hold have run out, and its tenure; a heap."""

    def began(self, numbers: Iterable[int], now: float, max_s: float | None = None) -> None:
        """Code of these tenures left `wait()`, or declared one longer step."""
        m = self._m
        attended_s = m.attended.reading(now)
        for number in numbers:
            tenancy = m.tenures.numbered(number)
            if tenancy is None or not tenancy.active:
                continue
            if tenancy.timeout_s != _INF and not self._owes_stop(tenancy):
                m.debts.owe(tenancy, attended_s + (tenancy.timeout_s if max_s is None else max_s))

    @staticmethod
    def _owes_stop(tenancy: Tenancy) -> bool:
        """Code that was asked to stop owes that, and nothing else buys it more time."""
        return tenancy.phase is _STOPPING and tenancy.due_s != _INF

    def rested(self, numbers: Iterable[int], now: float, *, cycled: bool) -> None:
        """Code entered `wait()`. Coming back to it after working shows that it is not wedged."""
        m = self._m
        for number in numbers:
            tenancy = m.tenures.numbered(number)
            if tenancy is None or tenancy.phase is not _LEADING:
                continue
            m.debts.settle(tenancy)
            if cycled:
                self._made_progress(tenancy, now)

    def progressed(self, event: e.WorkProgressed) -> None:
        """Code got something done."""
        m = self._m
        tenancy = m.tenures.numbered(event.number)
        if tenancy is None or not tenancy.active:
            return
        tenancy.count += 1
        if tenancy.due_s != _INF and not self._owes_stop(tenancy):
            m.debts.owe(tenancy, m.attended.reading(event.now) + tenancy.timeout_s)
        self._made_progress(tenancy, event.now)

    def _made_progress(self, tenancy: Tenancy, now: float) -> None:
        """The first progress of a tenure wipes the endings that it inherited, but for the bars."""
        tenancy.progressed = True
        if tenancy.wiping:
            return
        m = self._m
        if not m.keeper.renewing or m.keeper.session is None or now < m.retry_s:
            return
        tenancy.wiping = True
        note = after_progress(tenancy.note, m.name)
        if note != tenancy.note:
            m.emit(c.Amend(m.keeper.session, (tenancy.as_tenure()._replace(note=note),)))
        else:
            self._count_bars(tenancy, now)

    def on_amended(self, command: c.Amend, now: float) -> None:
        """The store confirmed the cleared note."""
        for item in command.tenures:
            tenancy = self._m.tenures.at(item.key)
            if tenancy is not None and tenancy.token == item.token and tenancy.active:
                tenancy.note = item.note
                self._count_bars(tenancy, now)

    def _count_bars(self, tenancy: Tenancy, now: float) -> None:
        """Look at the bars on a claim that works here when the longest of them has run out."""
        if tenancy.note.endings:
            longest_s = max(ending.bar_s for ending in tenancy.note.endings)
            heapq.heappush(self._bars, (now + longest_s, tenancy.number))

    def drop_old_bars(self, now: float) -> None:
        """Take bars off the claims that we hold once they have run out.

        Asked again, a ttl later, until the store has confirmed it.

        A member that starts, or starts again, counts the bars that it finds from their beginning.
        One that was left on a claim for days would then shut out the only member that could take
        over (`test_a_bar_that_ran_out_under_another_holder_bars_nobody`).
        """
        session = self._m.keeper.session
        while self._bars and self._bars[0][0] <= now and session is not None:
            _, number = heapq.heappop(self._bars)
            tenancy = self._m.tenures.numbered(number)
            if tenancy is not None and tenancy.active and tenancy.note.endings:
                heapq.heappush(self._bars, (now + self._m.timing.ttl_s, number))
                note = replace(tenancy.note, endings=())
                self._m.emit(c.Amend(session, (tenancy.as_tenure()._replace(note=note),)))

    def on_amend_failed(self, command: c.Amend, now: float) -> None:
        """Not certain: the next progress tries again."""
        self._m.back_off(now)
        for item in command.tenures:
            tenancy = self._m.tenures.at(item.key)
            if tenancy is not None and tenancy.token == item.token:
                tenancy.wiping = False

    def ended(self, event: e.WorkEnded) -> None:
        """Code has stopped, as asked or by itself."""
        tenancy = self._m.tenures.numbered(event.number)
        if tenancy is None:
            return
        if tenancy.active:
            self._claims.give_back(tenancy, event.kind or tenancy.kind)
            return
        self._m.debts.settle(tenancy)
        self._m.tenures.work_ended(tenancy, None)

    def judge_late(self) -> None:
        """Give back what is late with progress."""
        m = self._m
        for debt in m.debts.late(m.attended.now_s + _EPSILON_S):
            tenancy = m.tenures.numbered(debt.number)
            if tenancy is None or not tenancy.active or m.keeper.phase is SessionPhase.FADING:
                continue
            why = f"no progress for {debt.timeout_s:g} s"
            note = self._claims.last_note(tenancy, EndingKind.WEDGED, clean=False)
            self._force(tenancy, note, why)
            m.tenures.late[tenancy.key] = tenancy
            m.report("late", f"claim {tenancy.key}: {why}; this member is barred from it")

    def force_all(self) -> None:
        """The user does not want to wait for the code any longer."""
        for tenancy in self._m.tenures:
            if tenancy.active and self._m.keeper.phase is SessionPhase.LEAVING:
                note = self._claims.last_note(tenancy, None, clean=False)
                self._force(tenancy, note, "the member stops without waiting")

    def _force(self, tenancy: Tenancy, note: Note, why: str) -> None:
        self._m.stop_term(tenancy, why, now_over=True)
        self._m.tenures.force(tenancy, note, why)

    def wake_s(self, now: float) -> float:
        """When a bar runs out, or a debt may be due if the control thread stays awake till then."""
        bars = self._bars[0][0] if self._bars else _INF
        due = self._m.debts.next_due_s()
        if due == _INF:
            return bars
        return min(bars, now + max(_EPSILON_S, due - self._m.attended.reading(now)))
