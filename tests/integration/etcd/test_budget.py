"""Budgets on a real etcd whose replies are lost, or whose requests land late."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from random import Random

import pytest

from coord.errors import BudgetSpent, Certainty, StoreConflict, StoreUnavailable
from coord.tasks.budget import Budgets, Spender, Spent
from coord.tasks.opening import open_ledger
from coord.tasks.spi import LedgerStore
from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers

pytestmark = pytest.mark.xdist_group("etcd")

_PER_HOUR = 30


@pytest.fixture
def group() -> str:
    return f"g-{secrets.token_hex(4)}"


@pytest.fixture
def direct(alone: EtcdServers, group: str) -> Iterator[LedgerStore]:
    """A way to the records that is never cut."""
    with closing(open_ledger(f"etcd://{alone.members[0].hostport}/{group}", timeout_s=5.0)) as made:
        yield made


def _counted(store: LedgerStore) -> int:
    entry = store.read(["budget/hosts"]).get("budget/hosts")
    return 0 if entry is None else sum(Spent.from_bytes("hosts", entry.body).minutes.values())


def test_a_grant_whose_reply_is_lost_is_counted_once(
    proxy: FaultProxy, direct: LedgerStore, group: str
) -> None:
    with closing(open_ledger(f"etcd://{proxy.hostport}/{group}", timeout_s=5.0)) as store:
        budgets, who = Budgets(store), Spender("reaper/1/0/0", 1)
        budgets.spend("hosts", who, per_hour=_PER_HOUR)
        trap = proxy.on_request(b'"mark"', "lose_reply")
        try:
            budgets.spend("hosts", who, per_hour=_PER_HOUR)
        except StoreUnavailable as error:  # the way back was not there in time
            assert "nothing was granted of budget" in str(error)  # noqa: PT017
        assert trap.fired == 1
        assert _counted(direct) == 2


def test_a_fleet_behind_a_bad_network_is_granted_no_more_than_is_counted(
    proxy: FaultProxy, direct: LedgerStore, group: str
) -> None:
    """Four members ask at once; what they send may land late, and replies be lost."""
    end_s = time.monotonic() + 12.0

    def ask(member: int) -> tuple[int, int]:
        granted = doubted = 0
        who = Spender(f"reaper/1/{member}/0", 1)
        with closing(open_ledger(f"etcd://{proxy.hostport}/{group}", timeout_s=0.4)) as store:
            budgets = Budgets(store)
            while time.monotonic() < end_s:
                try:
                    budgets.spend("hosts", who, per_hour=_PER_HOUR)
                except BudgetSpent:
                    break
                except StoreConflict:
                    continue
                except StoreUnavailable as error:
                    doubted += error.certainty is Certainty.UNKNOWN
                else:
                    granted += 1
                time.sleep(0.05)
        return granted, doubted

    random, faults = Random(7), 0
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, member) for member in range(4)]
        while not all(one.done() for one in asking):
            time.sleep(random.uniform(0.05, 0.2))
            how = proxy.blackhole("requests") if faults % 2 else proxy.lose_replies(answer_s=0.2)
            with how:
                time.sleep(random.uniform(0.1, 0.6))
            faults += 1
        told = [one.result() for one in asking]
    granted, doubted = (sum(numbers) for numbers in zip(*told, strict=True))
    counted = _counted(direct)
    assert faults >= 3
    assert 0 < granted <= counted <= _PER_HOUR, (granted, doubted, counted)
    assert counted <= 2 * (granted + doubted), "what is asked for once is counted twice at worst"
