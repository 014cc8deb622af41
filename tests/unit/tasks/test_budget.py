"""Budgets: what a fleet may spend in any hour."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import BudgetSpent, Certainty, ConfigError, Fenced, StoreUnavailable
from coord.tasks.budget import Budgets, Spender, Spent, spent
from coord.tasks.opening import open_ledger
from coord.testing.clock import ManualClock
from coord.testing.faults import Delivery, Fate, FaultPlan, Request
from coord.testing.faulty_ledger import FaultyLedger
from coord.testing.memory_ledger import MemoryLedger

NOW_S = 1_800_000_000.0
A = Spender("reaper/1/0/0", 5)


def _spend(record: Spent, now_s: float, *, amount: int = 1, who: Spender = A) -> Spent:
    return spent(record, "hosts", who, per_hour=5, amount=amount, now_s=now_s)


def test_so_many_an_hour_and_no_more() -> None:
    record = Spent()
    for second in range(5):
        record = _spend(record, NOW_S + second)
    with pytest.raises(BudgetSpent, match="5 of 5 an hour are spent") as caught:
        _spend(record, NOW_S + 10)
    assert 3540 <= caught.value.retry_after_s <= 3660


def test_what_was_spent_is_back_after_an_hour_and_not_before() -> None:
    record = _spend(Spent(), NOW_S, amount=5)
    with pytest.raises(BudgetSpent) as caught:
        _spend(record, NOW_S + 3599)
    _spend(record, NOW_S + 3599 + caught.value.retry_after_s)


def test_a_clock_that_is_set_back_frees_nothing() -> None:
    record = _spend(Spent(), NOW_S, amount=5)
    with pytest.raises(BudgetSpent):
        _spend(record, NOW_S - 86_400)


def test_a_successor_does_not_begin_with_a_full_budget() -> None:
    record = _spend(Spent(), NOW_S, amount=5)
    with pytest.raises(BudgetSpent):
        _spend(record, NOW_S + 1, who=Spender(A.scope, 6))


def test_a_deposed_leader_spends_nothing() -> None:
    record = _spend(Spent(), NOW_S, who=Spender(A.scope, 6))
    with pytest.raises(Fenced):
        _spend(record, NOW_S + 1)


@given(st.lists(st.tuples(st.floats(-100.0, 900.0), st.integers(1, 5)), max_size=80))
def test_in_no_hour_more_is_granted_than_the_budget_allows(
    steps: list[tuple[float, int]],
) -> None:
    """Whatever the clocks of those who ask show, as long as the true time does not run back."""
    record, now_s, granted = Spent(), NOW_S, list[tuple[float, int]]()
    for step_s, amount in steps:
        now_s = max(now_s, now_s + step_s)
        try:
            record = Spent.from_bytes("b", _spend(record, now_s, amount=amount).to_bytes())
        except BudgetSpent:
            continue
        granted.append((now_s, amount))
        assert sum(n for at_s, n in granted if at_s > now_s - 3600) <= 5


def test_messages_make_no_leaders_token_forgotten() -> None:
    record = _spend(Spent(), NOW_S, who=Spender(A.scope, 6))
    for number in range(200):
        record = _spend(record, NOW_S + 3700.0 * (number + 1), who=Spender())
    with pytest.raises(Fenced):
        _spend(record, NOW_S + 3700.0 * 300)
    assert list(record.tokens) == [A.scope]


def test_a_budget_that_is_lowered_counts_what_was_granted_before() -> None:
    record = _spend(Spent(), NOW_S, amount=4)
    with pytest.raises(BudgetSpent, match="4 of 2 an hour") as caught:
        spent(record, "hosts", A, per_hour=2, amount=1, now_s=NOW_S + 60)
    later_s = NOW_S + 60 + caught.value.retry_after_s
    spent(record, "hosts", A, per_hour=2, amount=1, now_s=later_s)


def test_a_clock_that_leapt_ahead_stops_no_budget_for_longer_than_an_hour() -> None:
    clock, store = ManualClock(1000.0), open_ledger("memory://budgets-leap")
    leapt = Budgets(store, wall=lambda: NOW_S + 1e7, clock=clock)
    leapt.spend("hosts", A, per_hour=1)
    sound = Budgets(store, wall=lambda: NOW_S + clock.now(), clock=clock)
    with pytest.raises(BudgetSpent):
        sound.spend("hosts", A, per_hour=1)
    clock.advance(3500.0)
    with pytest.raises(BudgetSpent):
        sound.spend("hosts", A, per_hour=1)
    clock.advance(200.0)
    sound.spend("hosts", A, per_hour=1)
    with pytest.raises(BudgetSpent):
        sound.spend("hosts", A, per_hour=1)
    store.close()


class Asking:
    """A budget behind a bad network, and what was granted of it."""

    def __init__(self, per_hour: int) -> None:
        self.inner = MemoryLedger()
        self.plan = FaultPlan()
        self.per_hour = per_hour
        self.granted = 0
        self.doubted = 0

    def ask(self, sender: str = "") -> None:
        store = FaultyLedger(self.inner, self.plan, clock=ManualClock(1000.0), sender=sender)
        try:
            Budgets(store, wall=lambda: NOW_S).spend("hosts", A, per_hour=self.per_hour)
        except BudgetSpent:
            return
        except StoreUnavailable:
            self.doubted += 1
            return
        self.granted += 1

    def counted(self) -> int:
        entry = self.inner.read(["budget/hosts"]).get("budget/hosts")
        return 0 if entry is None else sum(Spent.from_bytes("hosts", entry.body).minutes.values())


@pytest.mark.parametrize("fate", [Fate.LOSE_REPLY, Fate.LOSE_REQUEST, Fate.HOLD])
def test_a_grant_whose_reply_is_lost_is_read_back_and_counted_once(fate: Fate) -> None:
    asking = Asking(5)
    asking.plan.add(fate, "write")
    asking.ask()
    asking.plan.land_held()
    assert (asking.granted, asking.doubted, asking.counted()) == (1, 0, 1)


def test_a_grant_that_nobody_can_know_of_is_refused_in_clear_words() -> None:
    asking = Asking(5)
    asking.plan.add(Fate.LOSE_REPLY, "write")
    asking.plan.add(Fate.DELIVER, "read")
    asking.plan.add(Fate.LOSE_REQUEST, "read")
    store = FaultyLedger(asking.inner, asking.plan, clock=ManualClock(1000.0))
    with pytest.raises(StoreUnavailable, match="nothing was granted of budget 'hosts'") as caught:
        Budgets(store, wall=lambda: NOW_S).spend("hosts", A, per_hour=5)
    assert caught.value.certainty is Certainty.UNKNOWN
    assert asking.counted() == 1, "counted, and not granted: never the reverse"


def test_a_grant_whose_mark_was_written_over_is_counted_twice_and_given_once() -> None:
    asking = Asking(5)

    class Late(FaultPlan):
        """Another asks between the lost reply and the reading back."""

        def decide(self, request: Request[Any]) -> Delivery:
            if request.method == "read" and asking.counted() == 1:
                others.ask("other")
            return super().decide(request)

    others = Asking(5)
    others.inner = asking.inner
    asking.plan = Late()
    asking.plan.add(Fate.LOSE_REPLY, "write")
    asking.ask()
    assert (asking.granted, others.granted, asking.counted()) == (1, 1, 3)


@given(
    st.integers(1, 6),
    st.lists(st.sampled_from([*Fate, Fate.DELIVER, Fate.DELIVER]), max_size=60),
    st.integers(1, 12),
)
def test_whatever_becomes_of_requests_nothing_is_granted_that_is_not_counted(
    per_hour: int, fates: list[Fate], times: int
) -> None:
    """Held requests land at the worst moment: right before the next one."""
    asking = Asking(per_hour)
    for fate in fates:
        asking.plan.add(fate)
    for _ in range(times):
        asking.ask()
        asking.plan.land_held()
        assert 0 <= asking.granted <= asking.counted() <= per_hour
        assert asking.counted() <= 2 * (asking.granted + asking.doubted)


_SPENDER = """
import sys
from coord.errors import BudgetSpent
from coord.tasks.budget import Budgets, Spender
from coord.tasks.opening import open_ledger
store = open_ledger(sys.argv[1], timeout_s=5.0)
granted = 0
for _ in range(20):
    try:
        Budgets(store).spend("hosts", Spender(f"reaper/1/{sys.argv[2]}/0", 1), per_hour=50)
    except BudgetSpent:
        continue
    granted += 1
print(granted)
"""


def test_eight_processes_are_granted_what_the_budget_holds_and_no_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SPENDER, f"sqlite:///{tmp_path}/ledger.db"]
    processes = [
        subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(8)
    ]
    assert sum(int(process.communicate(timeout=60)[0]) for process in processes) == 50


def test_of_many_who_ask_at_once_no_more_are_served_than_it_holds() -> None:
    store = open_ledger("memory://budgets-at-once")
    budgets = Budgets(store, wall=lambda: NOW_S)

    def ask(_: int) -> bool:
        try:
            budgets.spend("hosts", A, per_hour=7)
        except BudgetSpent:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(20))) == 7
    store.close()


@pytest.mark.parametrize(("per_hour", "amount"), [(0, 1), (5, 6), (5, 0), (1.5, 1)])
def test_impossible_budgets_are_refused(per_hour: int, amount: int) -> None:
    store = open_ledger("memory://budgets-refused")
    with pytest.raises(ConfigError):
        Budgets(store).spend("hosts", A, per_hour=per_hour, amount=amount)
    store.close()
