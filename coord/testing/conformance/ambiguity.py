"""Checks of promises 5 and 6 when requests land after their senders gave up.

Owns the nasty case: a request is held on its way, the caller sees a timeout, a strong read says
that nothing happened, and then it lands. Each check needs the hook `gate`. What is asserted is
what any ordering of the landing allows: the store's conditions decide, never the sender's hopes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from coord.errors import Certainty, SessionLost, StoreUnavailable
from coord.model import Note
from coord.spi import Claimed, Held, Tenure
from coord.testing.conformance.harness import Checks
from coord.testing.conformance.kit import Kit, fresh_record
from coord.testing.setting import expect

checks = Checks()

SCHEDULING_S = 2.0  # what a busy machine may add to a timeout


def _times_out(kit: Kit, call: Callable[[], object]) -> None:
    """The call gets no answer: in time, and without a lie about what became of it."""
    before_s = kit.now()
    error = expect(StoreUnavailable, call)
    took_s = kit.now() - before_s
    assert error.certainty is Certainty.UNKNOWN, f"a held request was called {error.certainty}"
    assert took_s <= kit.harness.timeout_s + SCHEDULING_S, f"a timeout took {took_s:.1f} s"


@checks.add("gate")
def a_claim_that_lands_late_is_ours_or_nobodys(kit: Kit) -> None:
    """Promise 5: absent in a strong read, and then it lands; repeating it tells the truth."""
    key = kit.role().claim_keys()[0]
    gate = kit.gate()
    session = kit.member("a", store=gate.store)
    request = kit.request(key)
    gate.shut()
    _times_out(kit, lambda: session.claim([request]))
    assert kit.claim_of(key).session is None, "a held request has already landed"
    gate.open()
    landed = kit.claim_of(key)
    [answer] = session.claim([request])
    if landed.session is None:  # the store's client gave the request up for good
        assert isinstance(answer, Claimed)
    else:
        assert landed.session == session.id
        assert answer == Claimed(key, landed.token), "a repeated claim changed its token"
    claim = kit.claim_of(key)
    assert (claim.session, claim.token) == (session.id, answer[1])


@checks.add("gate")
def a_claim_that_lands_late_never_takes_from_a_later_holder(kit: Kit) -> None:
    """Promises 1 and 2: what was decided on an older view loses, whenever it lands."""
    key = kit.role().claim_keys()[0]
    gate = kit.gate()
    session, other = kit.member("a", store=gate.store), kit.member("b", store=kit.other)
    request = kit.request(key)
    gate.shut()
    _times_out(kit, lambda: session.claim([request]))
    [token] = kit.take(other, key)
    gate.open()
    assert session.claim([request]) == [Held(key)]
    claim = kit.claim_of(key)
    assert (claim.session, claim.token) == (other.id, token)
    kit.drop(other, key, token)
    assert session.claim([request]) == [Held(key)], "it saw no token, and one has been given out"


@checks.add("gate")
def a_release_that_lands_late_never_hits_a_later_tenure(kit: Kit) -> None:
    """Promise 6: the token of the release is gone by the time it lands."""
    key = kit.role().claim_keys()[0]
    gate = kit.gate()
    session, other = kit.member("a", store=gate.store), kit.member("b", store=kit.other)
    [old] = kit.take(session, key)
    gate.shut()
    _times_out(kit, lambda: kit.drop(session, key, old))
    kit.other.depose(kit.group, Tenure(key, old, Note(clean=False)))
    [new] = kit.take(other, key)
    gate.open()
    claim = kit.claim_of(key)
    assert (claim.session, claim.token) == (other.id, new)


@checks.add("gate")
def a_deposal_that_lands_late_never_hits_a_later_tenure(kit: Kit) -> None:
    """Promise 6, for an operator's or a peer's deposal."""
    key = kit.role().claim_keys()[0]
    gate = kit.gate()
    session = kit.member("a")
    [old] = kit.take(session, key)
    tenure = Tenure(key, old, Note(member="a", clean=False))
    gate.shut()
    _times_out(kit, lambda: gate.store.depose(kit.group, tenure))
    kit.drop(session, key, old)
    [new] = kit.take(session, key)
    gate.open()
    claim = kit.claim_of(key)
    assert (claim.session, claim.token) == (session.id, new)


@checks.add("gate")
def a_heartbeat_that_lands_late_resurrects_nobody(kit: Kit) -> None:
    """Promise 3: the session ended while its heartbeat was on the way."""
    key = kit.role().claim_keys()[0]
    gate = kit.gate()
    session = kit.member("a", store=gate.store, ttl_s=kit.harness.ttl_s)
    kit.take(session, key)
    gate.shut()
    _times_out(kit, lambda: session.heartbeat(b"late"))
    kit.let_die(session)
    gate.open()
    assert kit.live(session) is None, "a late heartbeat brought a dead session back"
    assert kit.claim_of(key).session is None
    expect(SessionLost, lambda: session.heartbeat(b"again"))
    assert kit.live(session) is None


@checks.add("gate")
def a_claim_that_lands_after_its_session_ended_holds_nothing(kit: Kit) -> None:
    """Promise 3: a dead session never holds anything, however late its claim lands."""
    key = kit.role().claim_keys()[0]
    gate = kit.gate()
    session = kit.member("a", store=gate.store, ttl_s=kit.harness.ttl_s)
    request = kit.request(key)
    gate.shut()
    _times_out(kit, lambda: session.claim([request]))
    kit.let_die(session)
    gate.open()
    assert kit.claim_of(key).session is None
    assert isinstance(kit.try_take(kit.member("b", store=kit.other), key), Claimed)


@checks.add("gate")
def an_opening_that_lands_late_leaves_one_session_of_the_name(kit: Kit) -> None:
    """Store.open_session: a ghost of our own incarnation is superseded by our next opening."""
    gate = kit.gate()
    record = fresh_record("a")
    gate.shut()
    _times_out(kit, lambda: kit.member(store=gate.store, record=record))
    assert not kit.view().members
    gate.open()
    session = kit.member(store=gate.store, record=record)
    assert set(kit.view().members) == {session.id}
    session.heartbeat(b"")


@checks.add("gate")
def a_close_that_lands_late_ends_its_own_session_only(kit: Kit) -> None:
    """Promise 6: the next session of the same member is not what was meant."""
    gate = kit.gate()
    record = fresh_record("a")
    old = kit.member(store=gate.store, record=record)
    gate.shut()
    _times_out(kit, old.close)
    new = kit.member(store=kit.other, record=record)
    gate.open()
    assert set(kit.view().members) == {new.id}
    new.heartbeat(b"")


@checks.add("gate")
def a_role_write_that_lands_late_never_overwrites_a_newer_one(kit: Kit) -> None:
    """Store.put_role: the version it was decided on is gone by the time it lands."""
    role = kit.role()
    gate = kit.gate()
    gate.shut()
    _times_out(kit, lambda: gate.store.put_role(kit.group, replace(role, preferred=("late",))))
    newer = kit.other.put_role(kit.group, replace(role, paused=True))
    gate.open()
    assert kit.record_of("r") == newer
