"""Requests that were applied and whose answers were lost: recognised as ours, not done twice.

Twice each: with the server's own memory of transactions (the request token), and without it, as ten
minutes later or after a client's repeating with another token, where our numbers must tell.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from coord.errors import Certainty, CoordError, StoreConflict, StoreUnavailable
from coord.model import Note, RoleRecord, Shape
from coord.spi import Claimed, Held, Observed, Tenure
from coord.testing.proxy import FaultProxy
from tests.integration.dynamodb.conftest import Desk
from tests.integration.dynamodb.hook import Hook

pytestmark = pytest.mark.xdist_group("dynamodb")


@pytest.fixture(params=["with-token", "without-token"])
def lossy(request: pytest.FixtureRequest, hook: Hook, proxy: FaultProxy) -> FaultProxy:
    """A proxy that can lose replies; behind it the server, or one that forgets request tokens."""
    if request.param == "without-token":
        hook.forget_tokens = True
        host, port = hook.endpoint.removeprefix("http://").split(":")
        proxy.target = (host, int(port))
    return proxy


def test_a_claim_whose_answer_was_lost_is_recognised_as_ours(desk: Desk, lossy: FaultProxy) -> None:
    store = desk.store(f"http://{lossy.hostport}")
    keys = desk.role(store, shards=3)
    session = desk.member(store)
    before = int(desk.items("m#")["m#a"]["k"]["N"])
    asks = desk.asks(store, *keys)
    trap = lossy.on_request(b"TransactWriteItems", "lose_reply")
    answers = session.claim(asks)
    assert trap.fired == 1
    assert all(isinstance(answer, Claimed) for answer in answers)
    tokens = {answer.key: answer.token for answer in answers if isinstance(answer, Claimed)}
    view = desk.store().view(desk.group)
    assert {key: view.claims[key].token for key in keys} == tokens
    assert {view.claims[key].session for key in keys} == {session.id}
    assert int(desk.items("m#")["m#a"]["k"]["N"]) == before + 1, "one transaction took effect"
    assert session.claim(asks) == answers, "and asking again changes nothing"


def test_a_release_whose_answer_was_lost_leaves_its_note(desk: Desk, lossy: FaultProxy) -> None:
    store = desk.store(f"http://{lossy.hostport}")
    [key] = desk.role(store)
    session = desk.member(store)
    [won] = desk.take(store, session, key)
    assert isinstance(won, Claimed)
    lossy.on_request(b"TransactWriteItems", "lose_reply")
    session.release([Tenure(key, won.token, Note(member="a", poison_s=3.0))])
    claim = store.view(desk.group).claims[key]
    assert (claim.session, claim.token, claim.note.poison_s) == (None, won.token, 3.0)


def test_an_opening_whose_answer_was_lost_makes_one_session(desk: Desk, lossy: FaultProxy) -> None:
    store = desk.store(f"http://{lossy.hostport}")
    lossy.on_request(b"TransactWriteItems", "lose_reply")
    session = desk.member(store)
    assert set(desk.items("s#")) == {f"s#{session.id}"}
    session.heartbeat(b"")


def test_a_role_write_whose_answer_was_lost_is_no_conflict(desk: Desk, lossy: FaultProxy) -> None:
    store = desk.store(f"http://{lossy.hostport}")
    lossy.on_request(b"PutItem", "lose_reply", times=2)
    made = store.put_role(desk.group, RoleRecord(name="r", shape=Shape(1, 1)))
    changed = store.put_role(desk.group, replace(made, paused=True))
    assert store.view(desk.group).roles["r"] == changed
    with pytest.raises(StoreConflict):
        store.put_role(desk.group, made)


def test_a_heartbeat_and_a_close_whose_answers_were_lost(desk: Desk, lossy: FaultProxy) -> None:
    store = desk.store(f"http://{lossy.hostport}")
    session = desk.member(store)
    lossy.on_request(b"UpdateItem", "lose_reply")
    proof = session.heartbeat(b"beat")
    assert proof.ttl_s == 60.0
    lossy.on_request(b"TransactWriteItems", "lose_reply")
    session.close()
    assert desk.items("s#") == {}


def test_an_eviction_whose_answer_was_lost_is_an_eviction(desk: Desk, lossy: FaultProxy) -> None:
    session = desk.member(desk.store())
    store = desk.store(f"http://{lossy.hostport}")
    lossy.on_request(b"TransactWriteItems", "lose_reply")
    assert store.evict(desk.group, Observed(session.id, 0))
    assert desk.items("s#") == {}


def test_a_claim_that_gets_no_answer_at_all_is_unknown_and_then_ours(
    desk: Desk, lossy: FaultProxy
) -> None:
    store = desk.store(f"http://{lossy.hostport}", timeout_s=1.0)
    [key] = desk.role(store)
    session = desk.member(store)
    asks = desk.asks(store, key)
    with lossy.lose_replies(), pytest.raises(StoreUnavailable) as caught:
        session.claim(asks)
    assert caught.value.certainty is Certainty.UNKNOWN
    claim = desk.store().view(desk.group).claims[key]
    assert claim.session == session.id, "it was applied"
    assert session.claim(asks) == [Claimed(key, claim.token)]


@pytest.mark.parametrize("code", ["ExpiredTokenException", "ValidationException"])
def test_a_claim_that_was_applied_though_its_repetition_was_refused_is_not_taken_for_another(
    desk: Desk, hook: Hook, proxy: FaultProxy, code: str
) -> None:
    """Else the next claim would find its number stored, and pass for applied without being it."""
    host, port = hook.endpoint.removeprefix("http://").split(":")
    proxy.target = (host, int(port))
    store, other = desk.store(f"http://{proxy.hostport}"), desk.store()
    first, second = desk.role(other, shards=2)
    session, rival = desk.member(store), desk.member(other, "b")
    first_ask, second_ask = desk.asks(other, first, second)
    trap = proxy.on_request(b"TransactWriteItems", "lose_reply")
    hook.refuse("TransactWriteItems", code, after=1)
    with pytest.raises(CoordError):
        session.claim([first_ask])
    assert trap.fired == 1
    [won] = session.claim([second_ask])
    assert isinstance(won, Claimed)
    for reader in (store, other, desk.store()):
        claims = reader.view(desk.group).claims
        assert claims[first].session == session.id, "it was applied"
        assert (claims[second].session, claims[second].token) == (session.id, won.token)
    assert rival.claim([second_ask]) == [Held(second)]
