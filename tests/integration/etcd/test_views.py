"""Views are whole, and cost what has changed."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from coord.model import Beacon, Note, RoleRecord, Shape, View
from coord.spi import ClaimRequest, Tenure
from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from tests.integration.etcd.tools import (
    Etcd,
    group_name,
    opened,
    record,
    role_of,
    take,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("etcd")

MANY = 3000


@pytest.fixture
def store(alone: EtcdServers) -> Iterator[EtcdStore]:
    """With time for thousands of claims beside other lanes that keep the disk busy."""
    with opened(alone.url("unused"), timeout_s=8.0) as found:
        yield found


def test_a_view_is_the_same_object_while_nothing_changes(store: EtcdStore, etcd: Etcd) -> None:
    group, other = group_name(), group_name()
    take(store, group, store.open_session(group, record(), 60), role_of(store, group))
    view = store.view(group)
    role_of(store, other)
    etcd.put("/elsewhere", b"x")
    assert store.view(group) is view


def test_a_heartbeat_shares_everything_with_the_view_before(store: EtcdStore) -> None:
    group = group_name()
    session = store.open_session(group, record(), 60)
    take(store, group, session, role_of(store, group, shards=5))
    before = store.view(group)
    before.memo["plan"] = "kept"
    session.heartbeat(Beacon(more=1).to_bytes())
    after = store.view(group)
    assert after.members[session.id].seq > before.members[session.id].seq
    assert after.claims is before.claims
    assert after.memo["plan"] == "kept"


def test_a_view_costs_one_small_request_while_nothing_changes(alone: EtcdServers) -> None:
    member, group = alone.members[0], group_name()
    with (
        FaultProxy((member.host, member.port)) as proxy,
        opened(f"etcd://{proxy.hostport}/unused") as store,
    ):
        take(
            store,
            group,
            store.open_session(group, record(), 60),
            role_of(store, group, shards=MANY),
        )
        store.view(group)
        before = proxy.counters.replies.read
        for _ in range(10):
            store.view(group)
        assert proxy.counters.replies.read - before < 10 * 1000


def test_changes_come_by_watch_and_are_not_read_again(store: EtcdStore) -> None:
    group = group_name()
    keys = role_of(store, group, shards=MANY)
    session = store.open_session(group, record(), 60)
    begun = threading.Event()
    store.view(group)
    watch = store.watch(group, begun.set)
    assert begun.wait(5.0)
    tokens = take(store, group, session, keys)
    view = store.view(group)
    assert [view.claims[key].token for key in keys] == tokens
    session.release([Tenure(keys[0], tokens[0], Note())])
    assert store.view(group).claims[keys[0]].session is None
    [views] = store._groups.values()
    assert views.full_reads == 1
    watch.close()


def test_a_watch_that_hangs_delays_no_view_for_good(alone: EtcdServers) -> None:
    """The stream is silent, its connection open: the view notices that it lacks a change."""
    member, group = alone.members[0], group_name()
    with (
        FaultProxy((member.host, member.port)) as proxy,
        opened(alone.url("unused")) as writer,
        opened(f"etcd://{proxy.hostport}/unused") as store,
    ):
        keys = role_of(writer, group, shards=2)
        session = writer.open_session(group, record(), 60)
        store.view(group)
        rung = threading.Event()
        watch = store.watch(group, rung.set)
        assert rung.wait(5.0)
        rung.clear()
        feed = store._feeds[group]
        hears = feed._heard
        feed._heard = lambda *told: bool(told[0].events) or hears(*told)  # type: ignore[method-assign]
        take(writer, group, session, keys[:1])
        assert len(store.view(group).by_session[session.id]) == 1
        feed._heard = hears  # type: ignore[method-assign]
        assert rung.wait(5.0), "a stream that was given up was not replaced"
        rung.clear()
        take(writer, group, session, keys[1:])
        assert rung.wait(5.0)
        watch.close()


def test_a_session_of_many_claims_dies_as_cheaply_as_one(store: EtcdStore, etcd: Etcd) -> None:
    """Two keys hang on its lease, and watchers see one deletion."""
    group = group_name()
    session = store.open_session(group, record(), 60)
    keys = role_of(store, group, shards=MANY)
    take(store, group, session, keys)
    before = etcd.keys(f"/coord/{group}/")
    session.close()
    gone = set(before) - set(etcd.keys(f"/coord/{group}/"))
    assert gone == {f"/coord/{group}/m/a", f"/coord/{group}/b/{session.id}"}
    view = store.view(group)
    assert not view.by_session
    assert not any(claim.note.clean for claim in view.claims.values())


def test_a_reshape_leaves_no_claims_of_older_generations(store: EtcdStore, etcd: Etcd) -> None:
    group = group_name()
    session = store.open_session(group, record(), 60)
    keys = role_of(store, group, shards=300)
    tokens = take(store, group, session, keys)
    session.release([Tenure(k, t, Note()) for k, t in zip(keys[1:], tokens[1:], strict=True)])
    role = store.view(group).roles["r"]
    store.put_role(group, replace(role, generation=2))
    claims = f"/coord/{group}/c/"
    assert etcd.keys(claims) == [f"{claims}r/1/0/0"], "the one that is held stays"
    store.view(group)
    session.release([Tenure(keys[0], tokens[0], Note())])
    assert etcd.keys(claims) == []
    assert not store.view(group).claims


def test_strange_texts_keep_nobody_from_the_view(store: EtcdStore, etcd: Etcd) -> None:
    """What a later release, or a hand, may have put there; nobody takes what it cannot read."""
    group = group_name()
    keys = role_of(store, group, shards=2)
    session = store.open_session(group, record(), 60)
    for key in ("c/r/1/0/0", "c/r/x", "c/odd", "m/ghost", "r/odd", "k/unknown"):
        etcd.put(f"/coord/{group}/{key}", b"\xff\x00 strange")
    view = store.view(group)
    assert set(view.members) == {session.id}
    assert set(view.roles) == {"r"}
    assert view.claims[keys[0]].session is None
    request = ClaimRequest(keys[0], view.claims[keys[0]].token, view.roles["r"].version, Note())
    [answer] = session.claim([request])
    assert not hasattr(answer, "token")
    take(store, group, session, keys[1:])


def test_heartbeats_that_say_nothing_write_nothing(store: EtcdStore, etcd: Etcd) -> None:
    """Nor into etcd's history. What says something is put each time, and its end once."""
    group = group_name()
    session = store.open_session(group, record(), 60)
    before = etcd.revision()
    for _ in range(5):
        session.heartbeat(Beacon().to_bytes())
    assert etcd.revision() == before
    seen = []
    for _ in range(3):
        session.heartbeat(b"overdue")
        seen.append(store.beacons(group)[session.id])
    assert [beacon.payload for beacon in seen] == [b"overdue"] * 3
    assert seen[0].seq < seen[1].seq < seen[2].seq
    for _ in range(5):
        session.heartbeat(Beacon().to_bytes())
    assert store.beacons(group)[session.id].payload == Beacon().to_bytes()
    assert etcd.revision() == before + 4
    session.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_followed_view_is_the_view_that_is_read_anew(alone: EtcdServers, seed: int) -> None:
    """Whatever happens in whatever order: what the watch built equals what the keys say."""
    rng, group = random.Random(seed), group_name()
    with opened(alone.url("unused")) as writer, opened(alone.url("unused")) as follower:
        follower.view(group)
        begun = threading.Event()
        watch = follower.watch(group, begun.set)
        assert begun.wait(5.0)
        story = _Story(writer, group, rng)
        for _ in range(60):
            story.go_on()
            followed = follower.view(group)
            with opened(alone.url("unused")) as fresh:
                assert _shown(followed) == _shown(fresh.view(group))
        [views] = follower._groups.values()
        assert views.full_reads == 1
        watch.close()


def _shown(view: View) -> object:
    return dict(view.members), dict(view.claims), dict(view.roles)


class _Story:
    """Members that come and go, claim, release, amend, and roles that change."""

    def __init__(self, store: EtcdStore, group: str, rng: random.Random) -> None:
        self._store, self._group, self._rng = store, group, rng
        self._sessions = [store.open_session(group, record("m0"), 60)]
        store.put_role(group, RoleRecord(name="r", shape=Shape(6, 1)))

    def go_on(self) -> None:
        action = self._rng.choice([self._come, self._leave, self._claim, self._drop, self._role])
        action()

    def _come(self) -> None:
        name = f"m{self._rng.randrange(6)}"
        taken = {member.record.name for member in self._store.view(self._group).members.values()}
        if name not in taken:
            session = self._store.open_session(self._group, record(name), 60)
            self._sessions.append(session)

    def _leave(self) -> None:
        if self._sessions:
            self._sessions.pop(self._rng.randrange(len(self._sessions))).close()

    def _claim(self) -> None:
        view = self._store.view(self._group)
        role = view.roles["r"]
        for session in self._sessions:
            key = self._rng.choice(role.claim_keys())
            claim = view.claims.get(key)
            token = 0 if claim is None else claim.token
            note = Note(member=session.id, clean=self._rng.random() < 0.5)
            session.claim([ClaimRequest(key, token, role.version, note)])

    def _drop(self) -> None:
        view = self._store.view(self._group)
        for session in self._sessions:
            for claim in view.by_session.get(session.id, ())[:2]:
                note = Note(member="x", lock_delay_s=self._rng.random())
                act = self._rng.choice([session.release, session.amend])
                act([Tenure(claim.key, claim.token, note)])

    def _role(self) -> None:
        role = self._store.view(self._group).roles["r"]
        step = self._rng.random() < 0.3
        newer = replace(role, paused=not role.paused, generation=role.generation + step)
        self._store.put_role(self._group, newer)


def test_the_store_went_back_in_time_and_says_so(alone: EtcdServers) -> None:
    """A smaller revision than before: everything is read anew, and the view's revision is less."""
    group = group_name()
    with opened(alone.url("unused")) as store:
        role_of(store, group)
        revision = store.view(group).revision
        [views] = store._groups.values()
        assert views._picture is not None
        views._picture.revision += 1000
        assert wait_until(lambda: store.view(group).revision >= revision, within_s=1.0)
        assert views.full_reads == 2
