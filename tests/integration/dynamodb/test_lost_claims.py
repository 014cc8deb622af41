"""What claims cost that others were quicker to take: not what winning them costs."""

from __future__ import annotations

import pytest

from coord.spi import Claimed, Held, Observed
from tests.integration.dynamodb.conftest import Desk
from tests.integration.dynamodb.hook import Hook

pytestmark = pytest.mark.xdist_group("dynamodb")

TIMEOUT_S = 10.0  # nothing here waits for it
SHARDS = 40


def test_after_a_loss_what_is_left_is_looked_at_before_it_is_paid_for(
    desk: Desk, hook: Hook
) -> None:
    """40 claims are five transactions of this server: one is refused, the others are not sent."""
    store = desk.store(hook.endpoint, timeout_s=TIMEOUT_S, batch=100)
    other = desk.store(timeout_s=TIMEOUT_S)
    keys = desk.role(other, shards=SHARDS)
    session = desk.member(store)
    asks = desk.asks(store, *keys)
    store._limit.lower(10, sent=100)  # as the server would say at the first one
    desk.take(other, desk.member(other, "b"), *keys)
    hook.forget()
    assert session.claim(asks) == [Held(key) for key in keys]
    assert hook.count("TransactWriteItems") == 1
    assert hook.count("BatchGetItem") == 1
    hook.forget()
    assert session.claim(asks) == [Held(key) for key in keys]
    assert hook.count("TransactWriteItems") == 0, "the session knows that it is behind"


def test_what_is_still_free_is_taken_after_a_loss(desk: Desk, hook: Hook) -> None:
    """Some are lost, some are ours already, one belongs to somebody dead, the rest are free."""
    store = desk.store(hook.endpoint, timeout_s=TIMEOUT_S, batch=100)
    other = desk.store(timeout_s=TIMEOUT_S)
    keys = desk.role(other, shards=SHARDS)
    session, rival, dead = desk.member(store), desk.member(other, "b"), desk.member(other, "c")
    desk.take(other, dead, keys[30])
    asks = desk.asks(store, *keys)
    assert other.evict(desk.group, Observed(dead.id, 0))
    mine = session.claim(asks[20:22])
    assert all(isinstance(answer, Claimed) for answer in mine)
    desk.take(other, rival, *keys[:5], *keys[25:30])
    hook.forget()
    answers = session.claim(asks)
    lost = {answer.key for answer in answers if isinstance(answer, Held)}
    assert lost == {*keys[:5], *keys[25:30]}
    assert answers[20:22] == mine
    shown = desk.store(timeout_s=TIMEOUT_S).view(desk.group)
    assert {claim.key for claim in shown.by_session[session.id]} == set(keys) - lost
    assert hook.count("TransactWriteItems") <= 6, "one refusal, and what 28 claims take"


def test_a_call_that_loses_nothing_ends_the_looking(desk: Desk, hook: Hook) -> None:
    store, other = desk.store(hook.endpoint, timeout_s=TIMEOUT_S), desk.store(timeout_s=TIMEOUT_S)
    keys = desk.role(other, shards=4)
    session = desk.member(store)
    asks = desk.asks(store, *keys)
    desk.take(other, desk.member(other, "b"), keys[0])
    looks = []
    for ask in asks:
        hook.forget()
        session.claim([ask])
        looks.append((hook.count("TransactWriteItems"), hook.count("BatchGetItem")))
    assert looks == [(1, 0), (1, 1), (1, 0), (1, 0)]
