"""Budgets: what a fleet may spend in any hour."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import BudgetSpent, ConfigError, Fenced
from coord.tasks.budget import Budgets, Spender, Spent, spent
from coord.tasks.opening import open_ledger

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
