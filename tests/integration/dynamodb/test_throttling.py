"""Throttling and collisions: passing refusals, sure to have changed nothing, repeated in time."""

from __future__ import annotations

import threading
import time

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, CoordError, StoreUnavailable
from coord.spi import Claimed, Tenure
from coord.testing.proxy import FaultProxy
from tests.integration.dynamodb.conftest import Desk
from tests.integration.dynamodb.hook import Hook

pytestmark = pytest.mark.xdist_group("dynamodb")

THROTTLED = "ProvisionedThroughputExceededException"


@pytest.mark.parametrize("code", [THROTTLED, "ThrottlingException", "RequestLimitExceeded"])
def test_a_throttled_claim_is_repeated_until_it_passes(desk: Desk, hook: Hook, code: str) -> None:
    store = desk.store(hook.endpoint)
    keys = desk.role(store, shards=2)
    session = desk.member(store)
    asks = desk.asks(store, *keys)
    hook.refuse("TransactWriteItems", code, times=3)
    assert all(isinstance(answer, Claimed) for answer in session.claim(asks))


@pytest.mark.parametrize(
    "reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_claim_that_collides_is_repeated_until_it_passes(
    desk: Desk, hook: Hook, reason: str
) -> None:
    store = desk.store(hook.endpoint)
    [key] = desk.role(store)
    session = desk.member(store)
    asks = desk.asks(store, key)
    hook.forget()
    hook.collide(times=3, reason=reason)
    assert isinstance(session.claim(asks)[0], Claimed)
    assert hook.count("TransactWriteItems") == 4
    tokens = {asked["ClientRequestToken"] for op, asked in hook.asked if op.startswith("Transact")}
    assert len(tokens) == 1, "it is the same request each time"


def test_every_other_write_is_repeated_too(desk: Desk, hook: Hook) -> None:
    store = desk.store(hook.endpoint)
    for operation in ("PutItem", "UpdateItem", "Query", "GetItem"):
        hook.refuse(operation, THROTTLED, times=1)
    hook.refuse("TransactWriteItems", "TransactionConflictException", times=1)
    [key] = desk.role(store)
    session = desk.member(store)
    session.heartbeat(b"")
    [won] = desk.take(store, session, key)
    assert isinstance(won, Claimed)
    hook.collide(times=1)
    session.release([Tenure(key, won.token, desk.asks(store, key)[0].note)])
    hook.collide(times=1)
    session.close()
    assert desk.items("s#") == {}


def test_what_stays_throttled_is_not_applied_and_ends_in_time(desk: Desk, hook: Hook) -> None:
    store = desk.store(hook.endpoint, timeout_s=1.0)
    [key] = desk.role(store)
    session = desk.member(store)
    asks = desk.asks(store, key)
    hook.refuse("TransactWriteItems", THROTTLED, times=None)
    hook.refuse("UpdateItem", THROTTLED, times=None)
    for call in (lambda: session.claim(asks), lambda: session.heartbeat(b"")):
        begun_s = SYSTEM_CLOCK.now()
        with pytest.raises(StoreUnavailable, match="throttled") as caught:
            call()
        assert caught.value.certainty is Certainty.NOT_APPLIED
        assert SYSTEM_CLOCK.now() - begun_s <= 1.5
    assert desk.items("c#") == {}


def test_a_server_in_trouble_leaves_the_outcome_open(desk: Desk, hook: Hook) -> None:
    store = desk.store(hook.endpoint, timeout_s=1.0)
    session = desk.member(store)
    hook.refuse("UpdateItem", "InternalServerError", times=1, status=500)
    session.heartbeat(b"")
    hook.refuse("UpdateItem", "InternalServerError", times=None, status=500)
    with pytest.raises(StoreUnavailable) as caught:
        session.heartbeat(b"")
    assert caught.value.certainty is Certainty.UNKNOWN


def test_a_certain_refusal_after_a_doubtful_try_is_not_certain(desk: Desk, hook: Hook) -> None:
    store = desk.store(hook.endpoint, timeout_s=1.0)
    session = desk.member(store)
    hook.refuse("UpdateItem", "InternalServerError", times=1, status=500)
    hook.refuse("UpdateItem", THROTTLED, times=None)
    with pytest.raises(StoreUnavailable) as caught:
        session.heartbeat(b"")
    assert caught.value.certainty is Certainty.UNKNOWN


def test_heartbeats_do_not_wait_behind_a_claim_that_hangs(desk: Desk, proxy: FaultProxy) -> None:
    store = desk.store(f"http://{proxy.hostport}", timeout_s=3.0)
    [key] = desk.role(store)
    session = desk.member(store)
    session.heartbeat(b"")
    asks = desk.asks(store, key)
    trap = proxy.on_request(b"TransactWriteItems", "hold")
    outcome: list[object] = []

    def claim() -> None:
        try:
            outcome.append(session.claim(asks))
        except CoordError as error:
            outcome.append(error)

    thread = threading.Thread(target=claim)
    thread.start()
    assert trap.wait(5.0)
    proxy.requests.mend()  # what came before flows on; the claim's own answer is still to come
    took_s = []
    for _ in range(5):
        begun_s = SYSTEM_CLOCK.now()
        session.heartbeat(b"")
        took_s.append(SYSTEM_CLOCK.now() - begun_s)
        time.sleep(0.01)
    thread.join(10.0)
    assert not thread.is_alive()
    assert max(took_s) < 1.0, took_s


def test_members_that_claim_at_once_all_get_what_is_theirs(desk: Desk) -> None:
    """They share the check of one role record; DynamoDB Local puts such transactions in a row."""
    first = desk.store()
    keys = desk.role(first, shards=48)
    stores = [desk.store() for _ in range(6)]
    members = [desk.member(store, f"m{n}") for n, store in enumerate(stores)]
    asks = desk.asks(first, *keys)
    won: list[int] = []

    def claim(n: int) -> None:
        won.append(sum(isinstance(a, Claimed) for a in members[n].claim(asks[n * 8 : n * 8 + 8])))

    threads = [threading.Thread(target=claim, args=(n,)) for n in range(len(members))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert won == [8] * 6
