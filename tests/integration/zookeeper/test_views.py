"""Views: what they read, what they cost, and what they stand."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from coord.errors import StoreUnavailable
from coord.model import Note, RoleRecord, Shape
from coord.spi import Claimed, ClaimRequest, Held, Tenure
from coord.testing import FaultProxy
from coord.testing.servers import ZooKeeperServers
from tests.integration.zookeeper.support import (
    bare,
    group_name,
    opened,
    record_of,
    role_of,
    taken,
)

pytestmark = pytest.mark.xdist_group("zookeeper")

SHARDS = 2000
QUIET_BYTES = 1_000
NAME_BYTES = 30


def test_a_view_reads_only_what_changed(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """Quiet: a few hundred bytes. One change: the names, and one node. Never all contents again."""
    group = group_name()
    with opened(zookeeper_server.hosts) as writer, opened(proxy.hostport) as reader:
        role_of(writer, group, shards=SHARDS)
        session = writer.open_session(group, record_of(), 30.0)
        reader.view(group)

        def costs() -> int:
            before = proxy.counters.replies.passed
            reader.view(group)
            return proxy.counters.replies.passed - before

        claims = taken(session, writer, group)
        whole = costs()
        assert whole > SHARDS * 60, "the contents of all claims"
        view = reader.view(group)
        quiet = costs()
        assert quiet < QUIET_BYTES
        assert reader.view(group) is view
        session.heartbeat(b"")
        assert costs() < QUIET_BYTES, "a heartbeat is no change"
        session.amend([Tenure(claims[7].key, claims[7].token, Note(member="a", poison_s=1.0))])
        one = costs()
        assert one < SHARDS * NAME_BYTES + 2 * QUIET_BYTES
        assert reader.view(group).claims[claims[7].key].note.poison_s == 1.0
        session.close()


def test_what_a_store_wrote_itself_it_does_not_read(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    group = group_name()
    with opened(zookeeper_server.hosts) as other, opened(proxy.hostport) as store:
        role_of(other, group, shards=500)
        session = store.open_session(group, record_of(), 30.0)
        taken(session, store, group)
        before = proxy.counters.replies.passed
        view = store.view(group)
        assert proxy.counters.replies.passed - before < 500 * NAME_BYTES + 2 * QUIET_BYTES
        assert view.claims == other.view(group).claims
        assert view.revision == other.view(group).revision
        session.close()


def test_a_view_that_runs_out_of_time_goes_on_where_it_was(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """The first view of a large group may take longer than one timeout: it must get there."""
    group = group_name()
    with (
        opened(zookeeper_server.hosts) as writer,
        opened(proxy.hostport, timeout_s=0.6) as reader,
    ):
        role_of(writer, group, shards=SHARDS)
        session = writer.open_session(group, record_of(), 30.0)
        taken(session, writer, group)
        assert not reader.view(group_name()).members
        proxy.replies.set(latency_s=0.15)  # seven requests, of which four fit one timeout
        failures = 0
        for _ in range(30):
            with suppress(StoreUnavailable):
                assert len(reader.view(group).claims) == SHARDS
                break
            failures += 1
        assert 0 < failures < 30
        session.close()


def test_a_key_claimed_a_moment_ago_through_the_same_store_is_held(
    zookeeper_server: ZooKeeperServers,
) -> None:
    """Its holder is in no view of this store yet, and must not be taken for dead."""
    group = group_name()
    with opened(zookeeper_server.hosts) as store, opened(zookeeper_server.hosts) as other:
        role = role_of(other, group)
        store.view(group)
        holder = store.open_session(group, record_of("a"), 30.0)
        rival = store.open_session(group, record_of("b"), 30.0)
        key = role.claim_keys()[0]
        [claim] = holder.claim([ClaimRequest(key, 0, role.version, Note())])
        assert isinstance(claim, Claimed)
        assert rival.claim([ClaimRequest(key, claim.token, role.version, Note())]) == [Held(key)]
        assert other.view(group).claims[key].session == holder.id
        holder.close()
        rival.close()


def test_what_was_written_counts_until_the_next_view(zookeeper_server: ZooKeeperServers) -> None:
    """A holder that wrote, and died before any view, whose other key was swept: it is dead."""
    group = group_name()
    with opened(zookeeper_server.hosts) as store, opened(zookeeper_server.hosts) as other:
        swept = store.put_role(group, RoleRecord(name="q", shape=Shape(1, 1)))
        role = role_of(store, group)
        store.view(group)
        holder = store.open_session(group, record_of("a"), 30.0)
        keys = (*swept.claim_keys(), *role.claim_keys())
        for answer in holder.claim([ClaimRequest(key, 0, 1, Note()) for key in keys]):
            assert isinstance(answer, Claimed)
        holder.close()
        other.put_role(group, replace(swept, generation=2))
        rival = store.open_session(group, record_of("b"), 30.0)
        claim = store.view(group).claims[keys[1]]
        assert claim.session is None
        [won] = rival.claim([ClaimRequest(keys[1], claim.token, 1, Note())])
        assert isinstance(won, Claimed)
        rival.close()


def test_a_member_that_cannot_be_read_keeps_its_claims(zookeeper_server: ZooKeeperServers) -> None:
    """A later release may write what this one cannot read; its heartbeats go on."""
    group = group_name()
    with opened(zookeeper_server.hosts) as store, opened(zookeeper_server.hosts) as other:
        role = role_of(store, group)
        holder = store.open_session(group, record_of("a"), 30.0)
        [claim] = taken(holder, store, group)
        with bare(zookeeper_server.hosts) as client:
            client.set(f"/{group}/members/a", b"what is this")
            client.set(f"/{group}/members", b"")
        rival = other.open_session(group, record_of("b"), 30.0)
        assert set(other.view(group).members) == {rival.id}
        assert other.view(group).claims[claim.key].session == holder.id
        request = ClaimRequest(claim.key, claim.token, role.version, Note())
        assert rival.claim([request]) == [Held(claim.key)]
        assert holder.claim([request]) == [claim]
        assert other.depose(group, Tenure(claim.key, claim.token, Note()))
        assert other.view(group).claims[claim.key].session is None
        holder.close()
        rival.close()


def test_revisions_grow_though_directories_are_deleted(zookeeper_server: ZooKeeperServers) -> None:
    group = group_name()
    with opened(zookeeper_server.hosts) as store, bare(zookeeper_server.hosts) as client:
        role_of(store, group)
        store.view(group)
        session = store.open_session(group, record_of(), 30.0)
        before = store.view(group)
        client.delete(f"/{group}/members", recursive=True)
        after = store.view(group)
        assert not after.members
        assert after.revision > before.revision
        session.close()


def test_a_deleted_group_that_comes_back_is_read_anew(zookeeper_server: ZooKeeperServers) -> None:
    """Its nodes have the same names as before, and other contents."""
    group = group_name()
    with opened(zookeeper_server.hosts) as store, opened(zookeeper_server.hosts) as watching:
        revision = 0
        for turn in range(2):
            role_of(store, group)
            session = store.open_session(group, record_of(), 30.0)
            [claim] = taken(session, store, group, note=Note(member=f"turn{turn}"))
            view = watching.view(group)
            assert view.revision > revision
            assert view.claims[claim.key].note.member == f"turn{turn}"
            assert view.claims[claim.key].token == claim.token
            revision = view.revision
            with bare(zookeeper_server.hosts) as client:
                client.delete(f"/{group}", recursive=True)
            if turn:
                assert watching.view(group).revision > revision
                assert not watching.view(group).members


def test_nodes_of_later_releases_blind_nobody_and_give_nothing_away(
    zookeeper_server: ZooKeeperServers,
) -> None:
    group = group_name()
    with opened(zookeeper_server.hosts) as store:
        role_of(store, group, shards=2)
        session = store.open_session(group, record_of(), 30.0)
        first, second = taken(session, store, group)
        with bare(zookeeper_server.hosts) as client:
            client.create(f"/{group}/roles/later", b"\xff{not json")
            client.create(f"/{group}/members/later", b"\xff")
            client.create(f"/{group}/beacons/later", b"")
            client.create(f"/{group}/claims/later", b"")
            client.delete(f"/{group}/claims/r,1,1,0=1")
            client.create(f"/{group}/claims/r,1,1,0=1", b"what is this")
        with opened(zookeeper_server.hosts) as newcomer:
            view = newcomer.view(group)
            assert set(view.members) == {session.id}
            assert set(view.roles) == {"r"}
            assert set(view.claims) == {first.key}, "who holds the other one cannot be told"
            rival = newcomer.open_session(group, record_of("b"), 30.0)
            version = view.roles["r"].version
            assert rival.claim([ClaimRequest(second.key, 0, version, Note())]) == [Held(second.key)]
            assert set(newcomer.beacons(group)) == {session.id, rival.id}
            rival.close()
        session.close()


def test_a_large_old_generation_is_removed_by_and_by(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """What there was no time for goes with later views; nobody is woken for it."""
    group = group_name()
    with opened(zookeeper_server.hosts) as writer, opened(proxy.hostport, timeout_s=4.0) as store:
        role = role_of(writer, group, shards=SHARDS)
        session = writer.open_session(group, record_of(), 30.0)
        claims = taken(session, writer, group)
        size = writer.guarantees.batch_size
        tenures = [Tenure(claim.key, claim.token, Note()) for claim in claims]
        for start in range(0, SHARDS, size):
            session.release(tenures[start : start + size])
        while not store.view(group).claims:
            pass
        with bare(zookeeper_server.hosts) as client:
            bell = client.exists(f"/{group}/bell").version
            proxy.requests.set(bandwidth_bytes_s=20_000)  # of some 150,000
            store.put_role(group, replace(role, generation=2, shape=Shape(1, 1)))
            left = len(client.get_children(f"/{group}/claims"))
            assert 0 < left < SHARDS
            proxy.heal()
            for _ in range(SHARDS // 200 + 1):
                assert not store.view(group).claims
            assert client.get_children(f"/{group}/claims") == []
            assert client.get_children(f"/{group}/keys") == []
            assert client.exists(f"/{group}/bell").version == bell + 1, "the role's own"
        session.close()


def test_keys_of_older_generations_are_removed_once_free(
    zookeeper_server: ZooKeeperServers,
) -> None:
    """By whoever opens the next generation, and by whoever lets go of one later."""
    group = group_name()
    with opened(zookeeper_server.hosts) as store, bare(zookeeper_server.hosts) as client:
        role = role_of(store, group, shards=120)
        session = store.open_session(group, record_of(), 30.0)
        claims = taken(session, store, group)
        session.release([Tenure(claim.key, claim.token, Note()) for claim in claims[20:]])
        store.put_role(group, replace(role, generation=2))
        assert len(client.get_children(f"/{group}/claims")) == 20
        session.release([Tenure(claim.key, claim.token, Note()) for claim in claims[:20]])
        assert client.get_children(f"/{group}/claims") == []
        assert client.get_children(f"/{group}/keys") == []
        assert store.view(group).claims == {}
        again = taken(session, store, group)
        assert min(claim.token for claim in again) > max(claim.token for claim in claims)
        session.close()
