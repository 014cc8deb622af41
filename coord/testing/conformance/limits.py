"""Checks of names, numbers and tidiness: all that may be named, a thousand claims, no leftovers."""

from __future__ import annotations

import string

from coord.model import MAX_NAME_LENGTH, MemberRecord, Note, RoleRecord, Shape, checked_name
from coord.spi import Tenure
from coord.testing.conformance.harness import Checks
from coord.testing.conformance.kit import Kit, chunks, fresh_record, shown

checks = Checks()

_ALPHABET = string.ascii_letters + string.digits + "._:@-"
LONGEST = (_ALPHABET * 2)[:MAX_NAME_LENGTH]
SETTLE_S = 5.0  # how long threads and sockets may take to be gone after a close
_ROUNDS = 6


@checks.add()
def guarantees_are_stated(kit: Kit) -> None:
    """Guarantees: what the core computes with is there and possible, and equal on all handles."""
    stated = kit.guarantees
    assert stated.kind
    assert stated.token_source
    assert stated.batch_size >= 1
    assert 0 <= stated.min_ttl_s <= kit.harness.ttl_s, "the harness asks for less than is granted"
    assert kit.other.guarantees == stated


@checks.add()
def every_permitted_name_works_everywhere(kit: Kit) -> None:
    """checked_name: each permitted character, at full length, for groups, members, roles, zones."""
    assert len(LONGEST) == MAX_NAME_LENGTH
    assert set(LONGEST) == set(_ALPHABET)
    checked_name("group", LONGEST)
    group = (kit.group + "." + LONGEST)[:MAX_NAME_LENGTH]
    record = MemberRecord(name=LONGEST, incarnation="f" * 32, zone=LONGEST, host=LONGEST)
    role = kit.store.put_role(
        group, RoleRecord(name=LONGEST, shape=Shape(2, 2), preferred=(LONGEST,))
    )
    session = kit.member(record=record, group=group)
    key = role.claim_keys()[-1]
    kit.group = group
    [token] = kit.take(session, key, note=Note(member=LONGEST))
    view = kit.view()
    assert view.roles == {LONGEST: role}
    assert kit.alive(session).record == record
    claim = shown(view, key)
    assert (claim.key, claim.session, claim.token) == (key, session.id, token)
    assert claim.note == Note(member=LONGEST)
    assert set(kit.other.beacons(group)) == {session.id}


@checks.add()
def similar_names_are_different_names(kit: Kit) -> None:
    """Case, separators and prefixes tell names apart, for members and for roles."""
    names = ["a", "A", "a.", "a:", "a@", "a-", "a_", "a.b", "a:1:0:0", "a-1-0-0", "a.1.0.0", "aa"]
    roles = [kit.role(name) for name in names]
    sessions = [kit.member(name) for name in names]
    for session, role in zip(sessions, roles, strict=True):
        kit.take(session, role.claim_keys()[0])
    view = kit.view()
    assert sorted(member.record.name for member in view.members.values()) == sorted(names)
    assert sorted(view.roles) == sorted(names)
    for session, role in zip(sessions, roles, strict=True):
        assert kit.alive(session).record.name == role.name
        assert shown(view, role.claim_keys()[0]).session == session.id
    sessions[0].close()
    view = kit.view()
    assert len(view.members) == len(names) - 1
    held = [role.name for role in roles if shown(view, role.claim_keys()[0]).session is not None]
    assert held == names[1:], "closing one member let go of another's claim"


@checks.add()
def many_claims_fit_a_session(kit: Kit) -> None:
    """Guarantees.batch_size: a thousand keys in such batches, then all free by one close."""
    many, size = kit.harness.many, kit.guarantees.batch_size
    role = kit.role(shards=many)
    keys = role.claim_keys()
    session = kit.member("a")
    tokens = kit.take(session, *keys)
    view = kit.view()
    assert len(view.by_session[session.id]) == many
    assert [shown(view, key).token for key in keys] == tokens
    half = [Tenure(key, token, Note()) for key, token in zip(keys, tokens, strict=True)][::2]
    for batch in chunks(half, size):
        session.release(batch)
    assert len(kit.view().by_session[session.id]) == many - len(half)
    session.close()
    view = kit.view()
    assert not view.by_session
    assert all(shown(view, key).note.clean == (key.shard % 2 == 0) for key in keys)
    again = kit.take(kit.member("b", store=kit.other), *keys)
    assert all(new > old for new, old in zip(again, tokens, strict=True))


@checks.add("leftovers")
def nothing_is_left_behind_after_close(kit: Kit) -> None:
    """Store.close: threads, sockets and files of a handle are gone; rounds do not add up."""
    assert kit.harness.leftovers is not None
    counts = kit.harness.leftovers
    kit.role()
    _use_a_handle(kit)  # what a process makes once (pools, caches) exists from now on
    before = dict(counts())

    def grown() -> dict[str, int]:
        """What adds up. SQLite keeps a file open for as long as another handle holds a lock."""
        least = _ROUNDS // 2
        return {name: n for name, n in counts().items() if n >= before.get(name, 0) + least}

    for _ in range(_ROUNDS):
        _use_a_handle(kit)
    assert kit.wait_for(lambda: not grown(), within_s=SETTLE_S), (
        f"{_ROUNDS} rounds left behind {grown()}, over {before}"
    )


def _use_a_handle(kit: Kit) -> None:
    store = kit.handle()
    watch = store.watch(kit.group, lambda: None)
    session = kit.member(store=store, record=fresh_record("visitor"))
    session.heartbeat(b"")
    kit.take(session, kit.record_of("r").claim_keys()[0])
    session.close()
    watch.close()
    kit.close_handle(store)
