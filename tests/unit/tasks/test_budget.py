"""Budgets: what a fleet may spend in any hour."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import BudgetSpent, ConfigError, Fenced
from coord.tasks.budget import Budgets, Spender, Spent, spent
from coord.tasks.opening import open_ledger
from coord.testing.clock import ManualClock

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
