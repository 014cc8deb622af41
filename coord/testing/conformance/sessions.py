"""Checks of promise 3 and of how sessions begin and end: names, duplicates, closing, eviction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from coord.errors import Certainty, CoordError, DuplicateMember, SessionLost
from coord.model import Ending, EndingKind, MemberRecord, Note
from coord.spi import Expiry, Observed, Proof, Session, Tenure
from coord.testing.conformance.harness import Checks
from coord.testing.conformance.kit import Kit, fresh_record, shown
from coord.testing.setting import expect

checks = Checks()


def _calls(kit: Kit, session: Session, record: MemberRecord) -> Mapping[str, Callable[[], object]]:
    """Every method that must fail once the session is over."""
    key = kit.record_of("r").claim_keys()[0]
    request = kit.request(key)
    return {
        "heartbeat": lambda: session.heartbeat(b"late"),
        "claim": lambda: session.claim([request]),
        "release": lambda: session.release([Tenure(key, 1, Note())]),
        "amend": lambda: session.amend([Tenure(key, 1, Note())]),
        "update": lambda: session.update(record),
    }


def _assert_dead(kit: Kit, session: Session, record: MemberRecord) -> None:
    for _ in range(2):  # the second round shows that the first resurrected nothing
        for name, call in _calls(kit, session, record).items():
            error = expect(SessionLost, call)
            assert error.certainty is Certainty.NOT_APPLIED, f"{name}: {error.certainty}"
        session.close()
        view = kit.view()
        assert session.id not in view.members, "a lost session lives again"
        assert session.id not in kit.other.beacons(kit.group)
        assert all(claim.session != session.id for claim in view.claims.values())


@checks.add()
def a_session_that_died_silently_is_dead_for_every_method(kit: Kit) -> None:
    """Promise 3: after its end nothing it does has an effect, and nothing re-creates it."""
    kit.role()
    record = fresh_record("a")
    session = kit.member(record=record, ttl_s=kit.harness.ttl_s)
    kit.take(session, kit.record_of("r").claim_keys()[0])
    kit.let_die(session)
    _assert_dead(kit, session, record)


@checks.add()
def a_closed_session_is_dead_for_every_method(kit: Kit) -> None:
    """Promise 3, after its own close."""
    kit.role()
    record = fresh_record("a")
    session = kit.member(record=record)
    session.close()
    _assert_dead(kit, session, record)


@checks.add()
def a_lost_session_cannot_hurt_its_successor(kit: Kit) -> None:
    """Promises 3 and 6: a dead session's release, amendment and close leave the next one alone."""
    key = kit.role().claim_keys()[0]
    record = fresh_record("a")
    old = kit.member(record=record)
    [old_token] = kit.take(old, key)
    new = kit.member(record=replace(record, host="next"), store=kit.other)
    note = Note(member="a", lock_delay_s=2.0)
    [token] = kit.take(new, key, note=note)
    for tenure in (Tenure(key, old_token, Note()), Tenure(key, token, Note())):
        expect(SessionLost, partial(old.release, [tenure]))
        expect(SessionLost, partial(old.amend, [tenure]))
    old.close()
    claim = kit.claim_of(key)
    assert (claim.session, claim.token, claim.note) == (new.id, token, note)
    assert isinstance(new.heartbeat(b""), Proof)


@checks.add()
def our_own_incarnation_supersedes_its_former_session(kit: Kit) -> None:
    """Store.open_session: same name and incarnation is ours; the old one ends at once."""
    key = kit.role().claim_keys()[0]
    record = fresh_record("a")
    old = kit.member(record=record)
    [token] = kit.take(old, key)
    new = kit.member(record=record, store=kit.other)
    assert new.id != old.id, "a session id was given out twice"
    view = kit.view()
    assert set(view.members) == {new.id}
    claim = shown(view, key)
    assert (claim.session, claim.token, claim.note.clean) == (None, token, False)
    _assert_dead(kit, old, record)


@checks.add()
def another_live_incarnation_is_a_duplicate(kit: Kit) -> None:
    """Store.open_session: a live other incarnation of the name is reported, and left alone."""
    first = kit.member("a")
    error = expect(DuplicateMember, lambda: kit.member("a", store=kit.other))
    assert error.session == first.id
    assert error.certainty is Certainty.NOT_APPLIED
    assert set(kit.view().members) == {first.id}
    assert isinstance(first.heartbeat(b""), Proof)
    first.close()
    kit.member("a", store=kit.other)


@checks.add()
def racing_duplicates_leave_one_session(kit: Kit) -> None:
    """Store.open_session: of processes that open one name at once, one gets it."""
    stores = [kit.handle() for _ in range(kit.harness.threads)]
    for turn in range(3):
        name = f"twin-{turn}"
        results = kit.race(*(partial(kit.member, name, store=store) for store in stores))
        winners = [result for result in results if not isinstance(result, CoordError)]
        losers = [result for result in results if isinstance(result, DuplicateMember)]
        assert len(winners) == 1, f"{len(winners)} sessions of one name: {results}"
        assert len(losers) == len(stores) - 1, results
        named = [m.session for m in kit.view().members.values() if m.record.name == name]
        assert named == [winners[0].id]


@checks.add()
def a_dead_incarnations_name_is_free_again(kit: Kit) -> None:
    """Store.open_session: an expired session of the name is in nobody's way.

    With proven expiry opening evicts it; where patience is the proof, a peer evicts it first.
    """
    old = kit.member("a", ttl_s=kit.harness.ttl_s)
    kit.harness.silence(old)
    if kit.guarantees.expiry is Expiry.OBSERVED:
        kit.let_die(old)

    def opens() -> bool:
        try:
            kit.member("a", store=kit.other)
        except DuplicateMember:
            return False
        return True

    within_s = old.ttl_s + kit.harness.late_s
    assert kit.wait_for(opens, within_s=within_s), f"the name was taken for {within_s:g} s"
    assert kit.live(old) is None


@checks.add()
def close_lets_go_of_everything_as_unclean(kit: Kit) -> None:
    """Session.close: every claim is free at once, marked unclean; closing twice is no error."""
    keys = kit.role(shards=5).claim_keys()
    session, other = kit.member("a"), kit.member("b", store=kit.other)
    tokens = kit.take(session, *keys, note=Note(member="a"))
    session.close()
    session.close()
    view = kit.view()
    assert session.id not in view.members
    for key, token in zip(keys, tokens, strict=True):
        claim = shown(view, key)
        assert (claim.session, claim.token) == (None, token)
        assert claim.note == Note(member="a", clean=False)
    kit.take(other, *keys)


@checks.add()
def a_dead_sessions_claims_are_free_and_unclean(kit: Kit) -> None:
    """Store.evict, or expiry: its claims are free, unclean, and keep the rest of their notes."""
    keys = kit.role(shards=3).claim_keys()
    session, other = kit.member("a", ttl_s=kit.harness.ttl_s), kit.member("b", store=kit.other)
    note = Note(
        member="a",
        lock_delay_s=3.5,
        endings=(Ending(member="c", kind=EndingKind.WEDGED, count=2, bar_s=60.0),),
    )
    tokens = kit.take(session, *keys, note=note)
    kit.let_die(session)
    view = kit.view()
    for key, token in zip(keys, tokens, strict=True):
        claim = shown(view, key)
        assert (claim.session, claim.token) == (None, token)
        assert claim.note == replace(note, clean=False), claim.note
    kit.take(other, *keys)


@checks.add()
def evict_leaves_alone_a_session_that_moved(kit: Kit) -> None:
    """Store.evict: conditional on the heartbeat number that was observed."""
    session = kit.member()
    member = kit.alive(session)
    session.heartbeat(b"")
    assert not kit.other.evict(kit.group, Observed(session.id, member.seq)), (
        "a session was evicted on an observation that a heartbeat had overtaken"
    )
    assert kit.live(session) is not None
    assert isinstance(session.heartbeat(b""), Proof)


@checks.add()
def evict_answers_true_for_a_session_that_is_over(kit: Kit) -> None:
    """Store.evict: True when the session is over, now or before; whoever was first."""
    session = kit.member()
    member = kit.alive(session)
    session.close()
    assert kit.other.evict(kit.group, Observed(session.id, member.seq))


@checks.add()
def an_eviction_and_a_heartbeat_that_race_have_one_winner(kit: Kit) -> None:
    """Promise 3 and Store.evict: either the session goes on, or it is over; never both, nor none.

    Nothing is checked where the store ends sessions itself.
    """
    if not kit.guarantees.peers_evict:
        return
    sessions = [kit.member(f"m{n}", ttl_s=kit.harness.ttl_s) for n in range(4)]
    members = kit.view().members
    kit.harness.sleep(sessions[-1].ttl_s + kit.harness.late_s)
    for session in sessions:
        seen = Observed(session.id, members[session.id].seq)
        beat, evicted = kit.race(
            partial(session.heartbeat, b""),
            partial(kit.other.evict, kit.group, seen),
        )
        if evicted is True:
            assert isinstance(beat, SessionLost), f"evicted, and its heartbeat said {beat!r}"
            assert kit.live(session) is None
        else:
            assert evicted is False, f"evict said {evicted!r}"
            assert isinstance(beat, Proof), f"not evicted, and its heartbeat said {beat!r}"
            assert kit.live(session) is not None


@checks.add()
def closing_a_handle_leaves_its_sessions_to_expire(kit: Kit) -> None:
    """Store.close: it is no farewell; what the process held is protected until its ttl is over."""
    key = kit.role().claim_keys()[0]
    store = kit.handle()
    session = kit.member("a", store=store)
    kit.take(session, key)
    kit.close_handle(store)
    assert kit.live(session) is not None, "closing a handle ended its session"
    assert kit.claim_of(key).session == session.id


@checks.add()
def groups_are_apart(kit: Kit) -> None:
    """A group is a namespace: names, roles and claims of another one do not show."""
    neighbours = [f"{kit.group}{suffix}" for suffix in ("0", ".x", ":x")]
    key = kit.role().claim_keys()[0]
    session = kit.member("a")
    kit.take(session, key)
    for group in neighbours:
        assert kit.shows_nothing(group), f"{group} shows another group's state"
        twin = kit.member("a", group=group)
        assert set(kit.other.view(group).members) == {twin.id}
    assert set(kit.view().members) == {session.id}
