"""Views: cheap while nothing changes, and never behind what was acknowledged."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.model import ClaimKey, Note
from coord.spi import Claimed, Observed, Tenure
from coord_dynamodb import DynamoDBStore, changes, snapshot
from coord_dynamodb.group import Group
from coord_dynamodb.link import Deadline
from coord_dynamodb.listing import Listing, listing
from coord_dynamodb.own import OwnChanges
from coord_dynamodb.session import DynamoDBSession
from coord_dynamodb.sightings import GroupSightings
from coord_dynamodb.snapshot import Snapshots
from tests.integration.dynamodb.conftest import Desk
from tests.integration.dynamodb.hook import Hook

pytestmark = pytest.mark.xdist_group("dynamodb")


def _reads_of_claims(hook: Hook) -> int:
    return sum(
        1
        for operation, asked in hook.asked
        if operation == "Query" and ":c" in asked["ExpressionAttributeValues"]
    )


def test_a_view_of_a_quiet_group_is_one_query_and_one_object(desk: Desk, hook: Hook) -> None:
    store = desk.store(hook.endpoint)
    keys = desk.role(store, shards=40)
    session = desk.member(store)
    desk.take(store, session, *keys)
    before = store.view(desk.group)
    hook.forget()
    assert store.view(desk.group) is before
    session.heartbeat(b"x")
    beaten = store.view(desk.group)
    assert beaten.members[session.id].seq == 1
    assert beaten.revision == before.revision
    assert beaten.claims is before.claims
    assert beaten.memo is before.memo
    assert hook.count("Query") == 2
    assert _reads_of_claims(hook) == 0


def test_changes_by_others_are_learned_from_their_log(desk: Desk, hook: Hook) -> None:
    reader, writer = desk.store(hook.endpoint), desk.store()
    keys = desk.role(writer, shards=60)
    session = desk.member(writer)
    assert reader.view(desk.group).claims == {}
    hook.forget()
    tokens = {a.key: a.token for a in desk.take(writer, session, *keys) if isinstance(a, Claimed)}
    session.release([Tenure(keys[0], tokens[keys[0]], Note(member="a", poison_s=1.0))])
    session.amend([Tenure(keys[1], tokens[keys[1]], Note(member="a", lock_delay_s=2.0))])
    shown = reader.view(desk.group)
    assert _reads_of_claims(hook) == 0
    assert shown.claims == desk.store().view(desk.group).claims
    assert len(shown.by_session[session.id]) == 59
    session.close()
    assert set(reader.view(desk.group).by_session) == set()
    assert _reads_of_claims(hook) == 0


def test_a_log_that_does_not_reach_back_far_enough_is_not_believed(
    desk: Desk, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOG_BYTES", 200)
    reader, writer = desk.store(hook.endpoint), desk.store()
    keys = desk.role(writer, shards=40)
    session = desk.member(writer)
    reader.view(desk.group)
    hook.forget()
    desk.take(writer, session, *keys)
    assert len(reader.view(desk.group).by_session[session.id]) == 40
    assert _reads_of_claims(hook) == 1


def test_our_own_changes_are_not_read_back(
    desk: Desk, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOG_BYTES", 200)
    store = desk.store(hook.endpoint)
    keys = desk.role(store, shards=80)
    session = desk.member(store)
    store.view(desk.group)
    hook.forget()
    desk.take(store, session, *keys)
    assert len(store.view(desk.group).by_session[session.id]) == 80
    assert _reads_of_claims(hook) == 0


def test_a_deposal_and_an_unreadable_log_take_a_reading_of_all_claims(
    desk: Desk, hook: Hook
) -> None:
    reader, writer = desk.store(hook.endpoint), desk.store()
    [key] = desk.role(writer)
    session = desk.member(writer)
    [won] = desk.take(writer, session, key)
    assert isinstance(won, Claimed)
    reader.view(desk.group)
    hook.forget()
    writer.depose(desk.group, Tenure(key, won.token, Note(member="a", clean=False)))
    assert reader.view(desk.group).claims[key].session is None
    assert _reads_of_claims(hook) == 1
    desk.take(writer, session, key)
    desk.client.update_item(
        TableName="rules",
        Key={"pk": {"S": desk.group}, "sk": {"S": "m#a"}},
        UpdateExpression="SET lg = :x",
        ExpressionAttributeValues={":x": {"S": "[1,2,"}},
    )
    assert reader.view(desk.group).claims[key].session == session.id
    assert _reads_of_claims(hook) == 2


def test_an_owner_that_began_after_the_listing_is_not_taken_for_dead(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our reading of the sessions and that of the claims, a member begins and claims."""
    reader, writer = desk.store(), desk.store()
    [key] = desk.role(writer)
    real = listing
    began: list[DynamoDBSession] = []

    def late(group: Group, deadline: Deadline) -> Listing:
        found = real(group, deadline)
        if not began:
            began.append(desk.member(writer))
            desk.take(writer, began[0], key)
        return found

    monkeypatch.setattr(snapshot, "listing", late)
    view = reader.view(desk.group)
    assert view.claims[key].session == began[0].id
    assert set(view.members) == {began[0].id}


def test_a_reading_that_fails_halfway_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken in before the failure shows in the next view all the same."""
    reader, writer = desk.store(), desk.store()
    keys = desk.role(writer, shards=3)
    session = desk.member(writer)
    reader.view(desk.group)
    desk.take(writer, session, *keys)
    real = snapshot._Reading._shown

    def broken(*_: object) -> None:
        raise OSError("halfway")

    monkeypatch.setattr(snapshot._Reading, "_shown", broken)
    with pytest.raises(OSError, match="halfway"):
        reader.view(desk.group)
    monkeypatch.setattr(snapshot._Reading, "_shown", real)
    assert len(reader.view(desk.group).by_session[session.id]) == 3


@pytest.mark.parametrize("seed", range(3))
def test_a_view_by_changes_is_the_view_of_a_fresh_reader(desk: Desk, seed: int) -> None:
    """Whatever two members and a deposing peer do, in any order, looked at now and then."""
    rng = random.Random(seed)
    first, second, third = (desk.store(timeout_s=10.0) for _ in range(3))  # no timeout is wanted
    stores = first, second
    keys = desk.role(first, shards=6)
    members = [desk.member(first, "a"), desk.member(second, "b")]
    readers = [first, second, third]
    for _ in range(60):
        _step(desk, rng, stores, members, keys)
        if rng.random() < 0.4:
            reader = rng.choice(readers)
            fresh = Snapshots(OwnChanges(), GroupSightings(SYSTEM_CLOCK)).view(
                Group(reader._link, desk.group)
            )
            shown = reader.view(desk.group)
            assert shown.claims == fresh.claims
            assert shown.members.keys() == fresh.members.keys()


def _step(
    desk: Desk,
    rng: random.Random,
    stores: tuple[DynamoDBStore, DynamoDBStore],
    members: list[DynamoDBSession],
    keys: tuple[ClaimKey, ...],
) -> None:
    n = rng.randrange(2)
    store, session = stores[n], members[n]
    some = rng.sample(keys, rng.randint(1, 4))
    view = store.view(desk.group)
    held = view.by_session.get(session.id, ())
    what = rng.random()
    if what < 0.5:
        desk.take(store, session, *some)
    elif what < 0.7:
        session.release([Tenure(c.key, c.token, Note(member="x")) for c in held[:2]])
    elif what < 0.8:
        session.amend([Tenure(c.key, c.token, replace(c.note, poison_s=what)) for c in held])
    elif what < 0.9:
        for claim in held[:1]:
            stores[1 - n].depose(desk.group, Tenure(claim.key, claim.token, Note(clean=False)))
    else:
        seen = store.view(desk.group).members[session.id]
        assert stores[1 - n].evict(desk.group, Observed(session.id, seen.seq))
        members[n] = desk.member(store, "ab"[n])
