"""Requests that are held on their way and land after everybody has gone on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coord.errors import Certainty, SessionLost, StoreUnavailable
from coord.spi import Claimed, Held, Observed
from coord.testing.proxy import FaultProxy
from tests.integration.dynamodb.conftest import Desk

pytestmark = pytest.mark.xdist_group("dynamodb")

TIMEOUT_S = 0.6


def test_a_late_claim_of_a_dead_session_lands_nowhere(desk: Desk, proxy: FaultProxy) -> None:
    direct = desk.store()
    held = desk.store(f"http://{proxy.hostport}", timeout_s=TIMEOUT_S)
    [key] = desk.role(direct)
    session = desk.member(held)
    asks = desk.asks(direct, key)
    proxy.requests.hold()
    with pytest.raises(StoreUnavailable) as caught:
        session.claim(asks)
    assert caught.value.certainty is Certainty.UNKNOWN
    assert direct.evict(desk.group, Observed(session.id, 0))
    proxy.requests.mend()
    assert desk.items("c#") == {}
    with pytest.raises(SessionLost):
        session.claim(asks)
    other = desk.member(direct, "b")
    assert isinstance(desk.take(direct, other, key)[0], Claimed)


def test_a_late_claim_is_overtaken_by_any_later_transaction(desk: Desk, proxy: FaultProxy) -> None:
    """It would be a claim that nobody runs: its sender has gone on to other things."""
    direct = desk.store()
    held = desk.store(f"http://{proxy.hostport}", timeout_s=TIMEOUT_S)
    late, other = desk.role(direct, shards=2)
    session = desk.member(held)
    [late_ask, other_ask] = desk.asks(direct, late, other)
    trap = proxy.on_request(b"TransactWriteItems", "hold")
    with pytest.raises(StoreUnavailable):
        session.claim([late_ask])
    assert trap.fired == 1
    # Its sender goes on by another way: held bytes stay held.
    session._pen.group = session._pen.group._replace(link=direct._link)
    assert isinstance(session.claim([other_ask])[0], Claimed)
    proxy.requests.mend()
    assert set(desk.items("c#")) == {"c#r#1#1#0"}, "the late one has landed nowhere"
    assert isinstance(session.claim([late_ask])[0], Claimed)


def test_a_late_heartbeat_of_an_evicted_session_renews_nothing(
    desk: Desk, proxy: FaultProxy
) -> None:
    direct = desk.store()
    session = desk.member(desk.store(f"http://{proxy.hostport}", timeout_s=TIMEOUT_S))
    proxy.requests.hold()
    with pytest.raises(StoreUnavailable):
        session.heartbeat(b"late")
    assert direct.evict(desk.group, Observed(session.id, 0))
    proxy.requests.mend()
    assert desk.items("s#") == {}
    for _ in range(2):
        with pytest.raises(SessionLost):
            session.heartbeat(b"later")


def test_an_earlier_heartbeat_that_lands_late_sets_nothing_back(
    desk: Desk, proxy: FaultProxy
) -> None:
    direct = desk.store()
    session = desk.member(desk.store(f"http://{proxy.hostport}", timeout_s=TIMEOUT_S))
    proxy.requests.hold()
    with pytest.raises(StoreUnavailable):
        session.heartbeat(b"early")
    session._pulse = session._pulse._replace(link=direct._pulse)
    session.heartbeat(b"later")
    proxy.requests.mend()
    [seen] = direct.beacons(desk.group).values()
    assert seen.payload == b"later"


def test_a_late_eviction_spares_a_session_that_has_moved(desk: Desk, proxy: FaultProxy) -> None:
    direct = desk.store()
    held = desk.store(f"http://{proxy.hostport}", timeout_s=TIMEOUT_S)
    session = desk.member(direct)
    trap = proxy.on_request(b"TransactWriteItems", "hold")
    with pytest.raises(StoreUnavailable):
        held.evict(desk.group, Observed(session.id, 0))
    assert trap.fired == 1
    session.heartbeat(b"")
    proxy.requests.mend()
    assert set(desk.items("s#")) == {f"s#{session.id}"}
    session.heartbeat(b"")


def test_a_claim_in_the_name_of_a_dead_owner_loses_to_who_was_quicker(
    desk: Desk, proxy: FaultProxy
) -> None:
    direct = desk.store()
    held = desk.store(f"http://{proxy.hostport}", timeout_s=TIMEOUT_S)
    [key] = desk.role(direct)
    dead = desk.member(direct, "dead")
    desk.take(direct, dead, key)
    assert direct.evict(desk.group, Observed(dead.id, 0))
    slow, quick = desk.member(held, "slow"), desk.member(direct, "quick")
    held.view(desk.group)
    asks = desk.asks(direct, key)
    proxy.requests.hold()
    with pytest.raises(StoreUnavailable):
        slow.claim(asks)
    [won] = quick.claim(asks)
    assert isinstance(won, Claimed)
    proxy.requests.mend()
    claim = direct.view(desk.group).claims[key]
    assert (claim.session, claim.token) == (quick.id, won.token)
    assert slow.claim(asks) == [Held(key)]


def test_a_late_update_does_not_set_back_a_newer_one(desk: Desk, proxy: FaultProxy) -> None:
    """Nobody would send the newer record again: its sender knows it to be stored."""
    direct = desk.store()
    session = desk.member(desk.store(f"http://{proxy.hostport}", timeout_s=TIMEOUT_S))
    record = session._record
    trap = proxy.on_request(b"TransactWriteItems", "hold")
    with pytest.raises(StoreUnavailable):
        session.update(replace(record, weight=2.0))
    assert trap.fired == 1
    session._pen.group = session._pen.group._replace(link=direct._link)
    session.update(replace(record, weight=3.0, draining=True))
    proxy.requests.mend()
    [member] = direct.view(desk.group).members.values()
    assert (member.record.weight, member.record.draining) == (3.0, True)
