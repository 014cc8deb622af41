"""Views that are right though the items of a transaction show one by one, or somebody edits them.

Amazon's queries may show a transaction's items one by one until it is acknowledged. DynamoDB Local
never does, so here the items of a transaction are written one by one, the counters first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from coord.errors import StoreRefused
from coord.model import Note
from coord.spi import Claimed, Held, Tenure
from coord_dynamodb import snapshot
from coord_dynamodb.group import Action, Group
from coord_dynamodb.link import Deadline
from coord_dynamodb.sweep import sweep
from tests.integration.dynamodb.conftest import TABLE, Desk
from tests.integration.dynamodb.hook import Hook

pytestmark = pytest.mark.xdist_group("dynamodb")

TIMEOUT_S = 6.0  # nothing here waits for it


def torn(patch: pytest.MonkeyPatch, between: Callable[[], object], *, last: int) -> None:
    """From now on, transactions write all but their action `last`, let somebody look, go on."""

    def transact(group: Group, actions: Sequence[Action], deadline: Deadline) -> None:
        late = actions[last]
        for action in actions:
            if action is not late and "ConditionCheck" not in action:
                group.write(action, deadline)
        between()
        group.write(late, group.link.deadline())

    patch.setattr(Group, "transact", transact)


def test_a_claim_that_shows_after_its_counter_is_in_the_view(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, known, writer = (
        desk.store(timeout_s=TIMEOUT_S),
        desk.store(timeout_s=TIMEOUT_S),
        desk.store(timeout_s=TIMEOUT_S),
    )
    [key] = desk.role(writer)
    session = desk.member(writer)
    asks = desk.asks(writer, key)
    known.view(desk.group)
    with monkeypatch.context() as patch:
        torn(patch, lambda: [store.view(desk.group) for store in (first, known)], last=-1)
        [won] = session.claim(asks)
    assert isinstance(won, Claimed)
    for store in (first, known, desk.store(timeout_s=TIMEOUT_S)):
        claim = store.view(desk.group).claims[key]
        assert (claim.session, claim.token) == (session.id, won.token)


def test_a_deposal_that_shows_after_its_counter_is_in_the_view(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers, writer = (
        [desk.store(timeout_s=TIMEOUT_S), desk.store(timeout_s=TIMEOUT_S)],
        desk.store(timeout_s=TIMEOUT_S),
    )
    [key] = desk.role(writer)
    session = desk.member(writer)

    def look() -> None:
        for store in readers:
            store.view(desk.group)

    for n in range(2):  # the first makes the counter's item
        [won] = desk.take(writer, session, key)
        assert isinstance(won, Claimed)
        readers[0].view(desk.group)
        with monkeypatch.context() as patch:
            torn(patch, look, last=0)
            writer.depose(desk.group, Tenure(key, won.token, Note(poison_s=1.0 + n)))
        for store in (*readers, desk.store(timeout_s=TIMEOUT_S)):
            claim = store.view(desk.group).claims[key]
            assert (claim.session, claim.note.poison_s) == (None, 1.0 + n)
        readers[1] = desk.store(timeout_s=TIMEOUT_S)  # one that has read nothing


def test_deposals_are_learned_from_their_log(desk: Desk, hook: Hook) -> None:
    reader, one, two = (
        desk.store(hook.endpoint, timeout_s=TIMEOUT_S),
        desk.store(timeout_s=TIMEOUT_S),
        desk.store(timeout_s=TIMEOUT_S),
    )
    keys = desk.role(one, shards=6)
    won = [a for a in desk.take(one, desk.member(one), *keys) if isinstance(a, Claimed)]
    one.depose(desk.group, Tenure(*won[0], Note()))
    reader.view(desk.group)
    hook.forget()
    for n, claimed in enumerate(won[1:]):
        (one, two)[n % 2].depose(desk.group, Tenure(*claimed, Note()))
    claims = reader.view(desk.group).claims
    assert [claim.session for claim in claims.values()] == [None] * 6
    assert hook.count("Query") == 1


@pytest.mark.parametrize("edit", ["deleted", "raised"])
def test_what_a_refusal_shows_puts_the_view_right(desk: Desk, edit: str) -> None:
    """Somebody has edited the table: nothing tells it, and the view would be wrong for ever."""
    store = desk.store(timeout_s=TIMEOUT_S)
    [key] = desk.role(store)
    session = desk.member(store)
    [won] = desk.take(store, session, key)
    assert isinstance(won, Claimed)
    session.release([Tenure(*won, Note())])
    assert store.view(desk.group).claims[key].token == won.token
    place = {"pk": {"S": desk.group}, "sk": {"S": "c#r#1#0#0"}}
    if edit == "deleted":
        desk.client.delete_item(TableName=TABLE, Key=place)
    else:
        five = {":five": {"N": "5"}}
        desk.client.update_item(
            TableName=TABLE,
            Key=place,
            UpdateExpression="SET tok = tok + :five",
            ExpressionAttributeValues=five,
        )
    assert desk.take(store, session, key) == [Held(key)]
    [again] = desk.take(store, session, key)
    assert isinstance(again, Claimed)
    assert again.token > won.token
    assert store.view(desk.group).claims[key].session == session.id


def test_a_claim_that_was_swept_while_a_view_failed_harms_no_later_view(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, writer = desk.store(timeout_s=TIMEOUT_S), desk.store(timeout_s=TIMEOUT_S)
    [key] = desk.role(writer)
    session, sweeper = desk.member(writer), desk.member(store, "b")
    [won] = desk.take(writer, session, key)
    assert isinstance(won, Claimed)
    role = writer.view(desk.group).roles["r"]
    writer.put_role(desk.group, replace(role, generation=2))
    store.view(desk.group)
    session.release([Tenure(*won, Note())])
    with monkeypatch.context() as patch:
        patch.setattr(snapshot._Reading, "_shown", _fails)
        with pytest.raises(OSError, match="halfway"):
            store.view(desk.group)
    sweep(Group(store._link, desk.group), store._snapshots, {session.id, sweeper.id})
    assert desk.items("c#") == {}
    assert store.view(desk.group).claims == {}


def _fails(*_: object) -> None:
    raise OSError("halfway")


def test_a_sweep_spares_what_is_not_as_it_was_read(desk: Desk) -> None:
    store = desk.store(timeout_s=TIMEOUT_S)
    [key] = desk.role(store)
    session = desk.member(store)
    [won] = desk.take(store, session, key)
    assert isinstance(won, Claimed)
    session.release([Tenure(*won, Note())])
    store.put_role(desk.group, replace(store.view(desk.group).roles["r"], generation=2))
    store.view(desk.group)
    desk.client.update_item(
        TableName=TABLE,
        Key={"pk": {"S": desk.group}, "sk": {"S": "c#r#1#0#0"}},
        UpdateExpression="SET own = :x",
        ExpressionAttributeValues={":x": {"S": "somebody"}},
    )
    sweep(Group(store._link, desk.group), store._snapshots, {session.id})
    assert len(desk.items("c#")) == 1


def test_a_group_that_takes_longer_than_a_timeout_to_read_is_read_all_the_same(
    desk: Desk, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader goes on where the last call ended, and what has changed since is in the logs."""
    monkeypatch.setattr("coord_dynamodb.scan._PAGE", 2)
    writer, reader = desk.store(timeout_s=TIMEOUT_S), desk.store(hook.endpoint, timeout_s=TIMEOUT_S)
    keys = desk.role(writer, shards=16)
    session = desk.member(writer)
    won = [a for a in desk.take(writer, session, *keys) if isinstance(a, Claimed)]
    hook.refuse("Query", "AccessDeniedException", after=6)
    with pytest.raises(StoreRefused):
        reader.view(desk.group)
    assert hook.count("Query") == 7
    session.release([Tenure(*won[0], Note(poison_s=2.0))])
    hook.forget()
    view = reader.view(desk.group)
    assert hook.count("Query") < 7, "it went on"
    assert view.claims == desk.store(timeout_s=TIMEOUT_S).view(desk.group).claims
    assert len(view.claims) == 16
    assert len(view.by_session[session.id]) == 15
