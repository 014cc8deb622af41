"""Checks of what a store keeps: role records, member records, notes, beacons, and of its views."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import MappingProxyType

from coord.errors import Certainty, StoreConflict
from coord.model import (
    BEACON_LIMIT_BYTES,
    Ending,
    EndingKind,
    MemberRecord,
    Note,
    RoleRecord,
    Shape,
)
from coord.spi import Tenure
from coord.testing.conformance.harness import Checks
from coord.testing.conformance.kit import Kit, shown
from coord.testing.setting import expect

checks = Checks()


@checks.add()
def a_role_record_survives_whole(kit: Kit) -> None:
    """Store.put_role: every field comes back from another handle, with a version above 0."""
    record = RoleRecord(
        name="r",
        shape=Shape(7, 3),
        generation=4,
        preferred=("a", "b"),
        paused=True,
        pending=Shape(9, 2),
        token_base=12345678901,
    )
    stored = kit.store.put_role(kit.group, record)
    assert stored.version > 0
    assert stored == replace(record, version=stored.version)
    assert kit.view().roles == {"r": stored}


@checks.add()
def a_role_write_on_a_stale_version_is_a_conflict(kit: Kit) -> None:
    """Store.put_role: conditional on the version; NOT_APPLIED, and the stored record stays."""
    record = RoleRecord(name="r", shape=Shape(1, 1))
    first = kit.store.put_role(kit.group, record)
    second = kit.other.put_role(kit.group, replace(first, paused=True))
    assert second.version > first.version
    for stale in (record, replace(first, shape=Shape(5, 5))):
        error = expect(StoreConflict, partial(kit.store.put_role, kit.group, stale))
        assert error.certainty is Certainty.NOT_APPLIED
    unknown = replace(second, name="r2")
    expect(StoreConflict, lambda: kit.store.put_role(kit.group, unknown))
    assert kit.view().roles == {"r": second}


@checks.add()
def racing_role_writes_have_one_winner(kit: Kit) -> None:
    """Store.put_role: of writes on one version one is stored, the others are conflicts."""
    stores = [kit.handle() for _ in range(kit.harness.threads)]
    version = 0
    for _ in range(4):
        records = [
            RoleRecord(name="r", shape=Shape(1, 1), preferred=(f"m{n}",), version=version)
            for n in range(len(stores))
        ]
        results = kit.race(
            *(
                partial(store.put_role, kit.group, record)
                for store, record in zip(stores, records, strict=True)
            )
        )
        winners = [result for result in results if isinstance(result, RoleRecord)]
        losers = [result for result in results if isinstance(result, StoreConflict)]
        assert (len(winners), len(losers)) == (1, len(stores) - 1), results
        assert kit.record_of("r") == winners[0]
        version = winners[0].version


@checks.add()
def a_member_record_survives_whole_and_can_be_replaced(kit: Kit) -> None:
    """Session.update: peers see the new record; session, heartbeat number and claims stay."""
    record = MemberRecord(
        name="a",
        incarnation="1f",
        zone="eu-1",
        weight=2.5,
        max_shards=12,
        roles=MappingProxyType({"r": Shape(3, 2), "s": Shape(1, 1)}),
        host="h",
        pid=4711,
    )
    key = kit.role().claim_keys()[0]
    session = kit.member(record=record)
    [token] = kit.take(session, key)
    before = kit.alive(session)
    assert before.record == record
    newer = replace(record, draining=True, weight=0.5, roles=MappingProxyType({}), max_shards=None)
    session.update(newer)
    after = kit.alive(session)
    assert after.record == newer
    assert (after.session, after.seq) == (before.session, before.seq)
    claim = kit.claim_of(key)
    assert (claim.session, claim.token) == (session.id, token)
    session.heartbeat(b"")
    beaten = kit.alive(session)
    assert beaten.record == newer, "a heartbeat brought the former record back"


@checks.add()
def notes_travel_with_claims_amendments_releases_and_deposals(kit: Kit) -> None:
    """Note: what the last write on a tenure left is what the next holder reads, all of it."""
    ending = Ending(member="b", kind=EndingKind.RAISED, count=3, bar_s=61.5, barren=False)
    notes = [
        Note(member="a", lock_delay_s=1.25, endings=(ending,)),
        Note(member="a", endings=(ending, replace(ending, member="c", kind=EndingKind.LOST))),
        Note(member="a", clean=True, poison_s=30.5),
        Note(member="a", clean=False, lock_delay_s=7.0),
    ]
    key = kit.role().claim_keys()[0]
    session = kit.member()
    [token] = kit.take(session, key, note=notes[0])
    assert kit.claim_of(key).note == notes[0]
    session.amend([Tenure(key, token, notes[1])])
    assert kit.claim_of(key).note == notes[1]
    assert kit.claim_of(key).session == session.id
    session.release([Tenure(key, token, notes[2])])
    assert kit.claim_of(key).note == notes[2]
    [token] = kit.take(session, key, note=notes[0])
    assert kit.claim_of(key).note == notes[0]
    kit.other.depose(kit.group, Tenure(key, token, notes[3]))
    assert kit.claim_of(key).note == notes[3]


@checks.add()
def a_beacon_is_what_the_last_heartbeat_said(kit: Kit) -> None:
    """Store.beacons: any bytes up to the limit, by session, with a number that grows."""
    first, second = kit.member("a"), kit.member("b", store=kit.other)
    every_byte = bytes(range(256))
    payloads = [b"", b"{}", every_byte, every_byte * (BEACON_LIMIT_BYTES // 256)]
    seqs: list[int] = []
    for payload in payloads:
        first.heartbeat(payload)
        second.heartbeat(b"second")
        seen = kit.other.beacons(kit.group)
        assert set(seen) == {first.id, second.id}
        assert seen[first.id].payload == payload
        assert seen[second.id].payload == b"second"
        seqs.append(seen[first.id].seq)
    assert seqs == sorted(set(seqs)), f"beacon numbers {seqs}"
    first.close()
    assert set(kit.other.beacons(kit.group)) == {second.id}


@checks.add()
def a_view_shows_every_acknowledged_write(kit: Kit) -> None:
    """Store.view is strong: our own writes, and those of another handle, at once."""
    key = kit.role().claim_keys()[0]
    handles = (kit.store, kit.other)
    sessions = [kit.member(f"m{n}", store=store) for n, store in enumerate(handles)]
    revision = 0
    for turn in range(20):
        session = sessions[turn % 2]
        [token] = kit.take(session, key)
        for store in handles:
            view = store.view(kit.group)
            claim = shown(view, key)
            assert (claim.session, claim.token) == (session.id, token), "an acknowledged write"
            assert view.revision > revision, "something changed and the revision did not grow"
        revision = kit.view().revision
        kit.drop(session, key, token)
        for store in handles:
            assert shown(store.view(kit.group), key).session is None


@checks.add()
def a_view_never_changes(kit: Kit) -> None:
    """View is a picture of one moment: later writes do not shine through."""
    key = kit.role().claim_keys()[0]
    session = kit.member()
    view = kit.store.view(kit.group)
    before = (dict(view.members), dict(view.claims), dict(view.roles), view.revision)
    [token] = kit.take(session, key)
    session.heartbeat(b"x")
    taken = kit.store.view(kit.group)
    kit.member("b")
    kit.drop(session, key, token)
    kit.store.put_role(kit.group, replace(kit.record_of("r"), paused=True))
    assert before == (dict(view.members), dict(view.claims), dict(view.roles), view.revision)
    assert shown(taken, key).session == session.id
    assert taken.by_session[session.id] == (shown(taken, key),)


@checks.add()
def the_revision_moves_with_changes_and_not_with_heartbeats(kit: Kit) -> None:
    """View.revision: equal ones mean equal records, claims and roles, so nobody looks twice."""
    key = kit.role().claim_keys()[0]
    session = kit.member()
    before = kit.view()
    for _ in range(3):
        session.heartbeat(b"x")
    after = kit.view()
    assert after.revision == before.revision, "a heartbeat moved the revision"
    assert (after.claims, after.roles) == (before.claims, before.roles)
    [token] = kit.take(session, key)
    changes = (
        lambda: session.amend([Tenure(key, token, Note(member="a"))]),
        lambda: kit.drop(session, key, token),
        lambda: kit.store.put_role(kit.group, replace(kit.record_of("r"), paused=True)),
        lambda: kit.member("b"),
    )
    for change in changes:
        last = kit.view().revision
        change()
        assert kit.view().revision > last, "a change left the revision where it was"


@checks.add()
def an_unknown_group_is_empty(kit: Kit) -> None:
    """Store.view and beacons of a group that nobody has used yet."""
    group = f"{kit.group}-unused"
    assert kit.store.view(group).group == group
    assert kit.shows_nothing(group)
    assert not kit.store.beacons(group)


@checks.add()
def what_a_probe_finds_wrong_it_can_cure(kit: Kit) -> None:
    """Store.probe: named findings; whatever is not well comes with a cure."""
    kit.member()
    findings = kit.store.probe(kit.group)
    assert findings, "a probe that finds nothing tells an operator nothing"
    assert len({finding.name for finding in findings}) == len(findings)
    for finding in findings:
        assert finding.name
        assert finding.ok or finding.cure, f"{finding.name} is not well and has no cure"
