"""Observed expiry: who is evicted, when, and by what proof."""

from __future__ import annotations

import secrets
import time
from contextlib import closing

import pytest

from coord import Coordinator
from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.errors import DuplicateMember, SessionLost
from coord.model import MemberRecord
from coord.spi import Claimed, Observed
from tests.integration.dynamodb.conftest import TABLE, Desk

pytestmark = pytest.mark.xdist_group("dynamodb")

TTL_S = 3.0
LATE_S = 20.0  # what a busy machine may add


def _gone_at_s(desk: Desk, session: str, *, within_s: float) -> float:
    """When the session's item was seen gone, asking all the time."""
    until_s = SYSTEM_CLOCK.now() + within_s
    while f"s#{session}" in desk.items("s#"):
        assert SYSTEM_CLOCK.now() < until_s, f"not evicted within {within_s} s"
        time.sleep(0.02)
    return SYSTEM_CLOCK.now()


def _url(desk: Desk) -> str:
    return desk.server.url(desk.group, table=TABLE, batch="10", poll="0.2")


def test_a_silent_session_is_evicted_after_its_ttl_counted_from_its_first_sight(
    desk: Desk,
) -> None:
    """Long silent or not: whoever has just arrived has to watch it for a whole ttl himself."""
    silent = desk.member(desk.store(), "silent", ttl_s=TTL_S)
    time.sleep(TTL_S)
    drift = Timing.of(TTL_S).drift
    begun_s = SYSTEM_CLOCK.now()
    with Coordinator(_url(desk), member="observer", ttl_s=TTL_S):
        gone_s = _gone_at_s(desk, silent.id, within_s=TTL_S + LATE_S)
    assert gone_s - begun_s >= TTL_S * (1 + drift), "evicted on somebody else's patience"


def test_each_heartbeat_begins_the_waiting_anew(desk: Desk) -> None:
    lively = desk.member(desk.store(), "lively", ttl_s=TTL_S)
    with Coordinator(_url(desk), member="observer", ttl_s=TTL_S):
        proof = lively.heartbeat(b"")
        until_s = SYSTEM_CLOCK.now() + 1.5 * TTL_S
        while SYSTEM_CLOCK.now() < until_s:
            time.sleep(TTL_S / 4)
            proof = lively.heartbeat(b"")
        gone_s = _gone_at_s(desk, lively.id, within_s=TTL_S + LATE_S)
    assert gone_s - proof.sent_at_s >= TTL_S
    with pytest.raises(SessionLost):
        lively.heartbeat(b"")
    assert desk.items("s#") == {}, "and the observer has left in order"


def test_the_ttl_that_counts_is_that_of_the_session(desk: Desk) -> None:
    patient = desk.member(desk.store(), "patient", ttl_s=60.0)
    with Coordinator(_url(desk), member="observer", ttl_s=TTL_S):
        time.sleep(2 * TTL_S)
    assert f"s#{patient.id}" in desk.items("s#")


def test_what_an_evicted_session_held_is_free_without_being_touched(desk: Desk) -> None:
    store = desk.store()
    keys = desk.role(store, shards=3)
    dead, heir = desk.member(store, "dead"), desk.member(store, "heir")
    desk.take(store, dead, *keys)
    before = desk.items("c#")
    assert store.evict(desk.group, Observed(dead.id, 0))
    assert desk.items("c#") == before
    view = desk.store().view(desk.group)
    assert {claim.session for claim in view.claims.values()} == {None}
    assert {claim.note.clean for claim in view.claims.values()} == {False}
    other = desk.store()  # which has seen nothing of all that
    again = heir.claim(desk.asks(other, *keys))
    assert all(isinstance(answer, Claimed) for answer in again)


def test_a_name_is_taken_over_once_its_session_is_dead(desk: Desk) -> None:
    store = desk.store()
    former = desk.member(store, "a")
    with pytest.raises(DuplicateMember) as caught:
        desk.member(store, "a")
    assert caught.value.session == former.id
    assert store.evict(desk.group, Observed(former.id, 0))
    again = desk.member(store, "a")
    assert set(desk.items("s#")) == {f"s#{again.id}"}
    with pytest.raises(SessionLost):
        former.heartbeat(b"")
    with pytest.raises(SessionLost):
        former.update(MemberRecord(name="a", incarnation=former._record.incarnation))


def test_a_session_whose_item_was_deleted_by_hand_is_over(desk: Desk) -> None:
    store = desk.store()
    session = desk.member(store)
    desk.client.delete_item(
        TableName=TABLE, Key={"pk": {"S": desk.group}, "sk": {"S": f"s#{session.id}"}}
    )
    with pytest.raises(SessionLost):
        session.heartbeat(b"")
    assert desk.items("s#") == {}, "no heartbeat makes a session"
    assert store.view(desk.group).members == {}
    desk.member(store)


def test_names_of_members_that_left_may_be_deleted_some_day(desk: Desk) -> None:
    """And no item of anybody who lives: that attribute decides nothing, and is taken away."""
    store = desk.store()
    session = desk.member(store)
    assert "expires" not in desk.items("m#")["m#a"]
    session.close()
    expires = int(desk.items("m#")["m#a"]["expires"]["N"])
    day_s = 86_400
    assert expires > time.time() + day_s / 2  # noqa: TID251  DynamoDB goes by the wall clock
    desk.member(store)
    assert "expires" not in desk.items("m#")["m#a"]


def test_a_view_survives_the_deletion_of_a_name(desk: Desk) -> None:
    store = desk.store()
    [key] = desk.role(store)
    session = desk.member(store)
    [won] = desk.take(store, session, key)
    session.close()
    before = store.view(desk.group)
    desk.client.delete_item(TableName=TABLE, Key={"pk": {"S": desk.group}, "sk": {"S": "m#a"}})
    after = store.view(desk.group)
    assert after.revision > before.revision
    assert after.claims == before.claims
    again = desk.member(store)
    [newer] = desk.take(store, again, key)
    assert isinstance(won, Claimed)
    assert isinstance(newer, Claimed)
    assert newer.token > won.token
    assert store.view(desk.group).claims[key].session == again.id


def test_a_handle_that_closes_leaves_its_session_to_others(desk: Desk) -> None:
    with closing(desk.store()) as store:
        session = desk.member(store, f"m-{secrets.token_hex(2)}")
    assert f"s#{session.id}" in desk.items("s#")
    with pytest.raises(SessionLost):
        session.heartbeat(b"")
