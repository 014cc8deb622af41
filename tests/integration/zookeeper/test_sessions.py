"""One session of ZooKeeper's for one of ours: how it is lost, superseded, granted and closed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from coord.errors import Certainty, DuplicateMember, ForkedProcess, SessionLost, StoreUnavailable
from coord.model import Claim, Note
from coord.spi import ClaimRequest, Tenure
from coord.testing import FaultProxy
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper.session import ZooKeeperSession
from tests.integration.zookeeper.support import (
    bare,
    group_name,
    live_sessions,
    number_of,
    opened,
    record_of,
    role_of,
    taken,
    until,
)

pytestmark = pytest.mark.xdist_group("zookeeper")

TTL_S = 1.0


def calls(session: ZooKeeperSession, claim: Claim, version: int) -> list[Callable[[], object]]:
    """Everything that a session can ask for."""
    tenure = Tenure(claim.key, claim.token, Note(member="late", lock_delay_s=9.0))
    request = ClaimRequest(claim.key, claim.token, version, Note(member="late"))
    return [
        lambda: session.heartbeat(b"late"),
        lambda: session.claim([request]),
        lambda: session.amend([tenure]),
        lambda: session.release([tenure]),
        lambda: session.update(replace(session._record, draining=True)),
    ]


def wires() -> list[str]:
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("coord-zookeeper"))


def all_fail(asked: list[Callable[[], object]], error: type[Exception]) -> None:
    """Each of them, at the same time: together they take one timeout, and no ttl runs out."""
    with ThreadPoolExecutor(len(asked)) as pool:
        for call in [pool.submit(one) for one in asked]:
            with pytest.raises(error):
                call.result()


def test_a_lost_session_sends_nothing_under_a_new_one(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """It ends while the way is cut; what was queued meanwhile dies with it when the way is back."""
    group = group_name()
    with opened(zookeeper_server.hosts) as other, opened(proxy.hostport, timeout_s=2.0) as store:
        role = role_of(other, group)
        session = store.open_session(group, record_of(), 4.0)
        taken(session, other, group)
        [claim] = other.view(group).claims.values()
        proxy.admit("refuse")
        proxy.reset()
        all_fail(calls(session, claim, role.version), StoreUnavailable)
        assert until(lambda: not other.view(group).members)
        before, sessions = other.view(group), live_sessions(zookeeper_server)
        proxy.heal()
        assert until(lambda: not session.lives), "its end was not noticed when the way was back"
        all_fail(calls(session, claim, role.version), SessionLost)
        time.sleep(0.3)
        assert other.view(group) is before
        assert number_of(session) not in live_sessions(zookeeper_server)
        assert live_sessions(zookeeper_server) <= sessions, "the store has kept its own, of 20 s"


def test_what_a_lost_session_had_queued_changes_nothing(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """Requests that were held on their way land after the end of the session that sent them."""
    group = group_name()
    with opened(zookeeper_server.hosts) as other, opened(proxy.hostport, timeout_s=0.3) as store:
        role = role_of(other, group, shards=2)
        session = store.open_session(group, record_of(), TTL_S)
        store.view(group)
        taken(session, other, group)
        claim, free = other.view(group).claims.values()
        session.release([Tenure(free.key, free.token, Note())])
        store.view(group)
        with proxy.blackhole("requests"):
            for call in calls(session, claim, role.version):
                with pytest.raises(StoreUnavailable):
                    call()
            with pytest.raises(StoreUnavailable):
                session.claim([ClaimRequest(free.key, free.token, role.version, Note())])
            assert until(lambda: not other.view(group).members)
            before = other.view(group)
        time.sleep(0.3)
        assert other.view(group) is before, "something of a dead session's landed"
        assert all(found.session is None for found in before.claims.values())


def test_a_member_that_stops_heartbeating_dies_though_its_process_lives(
    zookeeper_server: ZooKeeperServers,
) -> None:
    """No pings of the client's own: a heartbeat thread that hangs must not keep the claims."""
    group = group_name()
    with opened(zookeeper_server.hosts) as store:
        role_of(store, group)
        session = store.open_session(group, record_of(), TTL_S)
        taken(session, store, group)
        assert until(lambda: not store.view(group).members, within_s=TTL_S + 2.0)
        assert [claim.session for claim in store.view(group).claims.values()] == [None]
        with pytest.raises(SessionLost):
            session.heartbeat(b"")


def test_a_superseded_session_changes_nothing_any_more(zookeeper_server: ZooKeeperServers) -> None:
    group, record = group_name(), record_of()
    with opened(zookeeper_server.hosts) as first, opened(zookeeper_server.hosts) as second:
        role = role_of(first, group)
        old = first.open_session(group, record, 30.0)
        taken(old, first, group)
        [claim] = first.view(group).claims.values()
        new = second.open_session(group, record, 30.0)
        before = second.view(group)
        assert set(before.members) == {new.id}
        assert [found.session for found in before.claims.values()] == [None]
        for call in reversed(calls(old, claim, role.version)):
            with pytest.raises(SessionLost):
                call()
        assert second.view(group).claims == before.claims
        assert until(lambda: number_of(old) not in live_sessions(zookeeper_server))
        old.close()
        new.heartbeat(b"")
        new.close()


def test_a_refused_duplicate_leaves_nothing_behind(zookeeper_server: ZooKeeperServers) -> None:
    group = group_name()
    with opened(zookeeper_server.hosts) as store:
        session = store.open_session(group, record_of("twin"), 30.0)
        store.view(group)
        threads, sessions = wires(), live_sessions(zookeeper_server)
        with pytest.raises(DuplicateMember) as caught:
            store.open_session(group, record_of("twin"), 30.0)
        assert caught.value.session == session.id
        assert until(lambda: wires() == threads)
        assert until(lambda: live_sessions(zookeeper_server) == sessions)
        session.close()


def test_the_granted_ttl_counts_not_the_asked_one() -> None:
    """Servers bound session timeouts; claims, proofs and views bear what was granted."""
    config = {"minSessionTimeout": "10000", "maxSessionTimeout": "20000"}
    with ZooKeeperServers(config=config) as servers, opened(servers.hosts) as store:
        for asked_s, granted_s in ((0.1, 10.0), (15.0, 15.0), (60.0, 20.0)):
            group = group_name()
            session = store.open_session(group, record_of(), asked_s)
            assert session.ttl_s == session.opened.ttl_s == granted_s
            assert session.heartbeat(b"").ttl_s == granted_s
            assert store.view(group).members[session.id].ttl_s == granted_s
            session.close()


def test_a_session_that_is_granted_less_when_it_reconnects_is_over() -> None:
    """`maxSessionTimeout` was lowered in a restart: the server honours less than proofs say."""
    with ZooKeeperServers(config={"maxSessionTimeout": "9000"}) as servers:
        [server] = servers.members
        with opened(servers.hosts) as store:
            session = store.open_session(group_name(), record_of(), 9.0)
            assert session.heartbeat(b"").ttl_s == 9.0
            config = server.log.parent / "zoo.cfg"
            text = config.read_text()
            config.write_text(text.replace("maxSessionTimeout=9000", "maxSessionTimeout=2000"))
            server.restart()
            with pytest.raises(SessionLost):
                until(lambda: _beats(session))


def test_broken_connections_keep_nobody_alive_who_does_not_heartbeat(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """The client reconnects unasked, and each connection renews."""
    group = group_name()
    with opened(zookeeper_server.hosts) as other, opened(proxy.hostport) as store:
        session = store.open_session(group, record_of(), TTL_S)
        until_s = time.monotonic() + 3 * TTL_S
        while time.monotonic() < until_s:
            time.sleep(0.4 * TTL_S)
            proxy.reset()
        assert not session.lives
        assert until(lambda: not other.view(group).members, within_s=TTL_S + 2.0)


def test_close_ends_the_session_at_the_server(zookeeper_server: ZooKeeperServers) -> None:
    group = group_name()
    with opened(zookeeper_server.hosts) as store:
        store.view(group)
        threads, sessions = wires(), live_sessions(zookeeper_server)
        session = store.open_session(group, record_of(), 30.0)
        assert number_of(session) in live_sessions(zookeeper_server)
        session.close()
        assert until(lambda: live_sessions(zookeeper_server) == sessions, within_s=2.0)
        assert until(lambda: wires() == threads, within_s=2.0)
    assert until(lambda: wires() == [])
    with bare(zookeeper_server.hosts) as client:
        assert client.get_children(f"/{group}/beacons") == []


def test_a_closed_handle_leaves_its_sessions_to_expire(zookeeper_server: ZooKeeperServers) -> None:
    """As if the process had been killed: no farewell, and no pings from beyond."""
    group = group_name()
    with opened(zookeeper_server.hosts) as other:
        with opened(zookeeper_server.hosts) as store:
            session = store.open_session(group, record_of(), TTL_S)
        assert set(other.view(group).members) == {session.id}
        assert until(lambda: not other.view(group).members, within_s=TTL_S + 2.0)
    assert until(lambda: wires() == [])


def test_a_session_given_up_in_silence_stops_renewing_within_its_timeout(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """Replies are lost: closing takes no longer than the timeout, and ends the connection."""
    group = group_name()
    with opened(zookeeper_server.hosts) as other, opened(proxy.hostport, timeout_s=0.5) as store:
        session = store.open_session(group, record_of(), 30.0)
        with proxy.blackhole("both", lands="never"):
            began_s = time.monotonic()
            with pytest.raises(StoreUnavailable):
                session.close()
            assert time.monotonic() - began_s < 2.0
            session.close()
            assert not session.lives
            with pytest.raises(SessionLost):
                session.heartbeat(b"")
        assert set(other.view(group).members) == {session.id}, "its ttl is not over"


def test_a_session_whose_opening_was_given_up_is_ended(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """Time was up before the server's answer: nobody would end it for a whole ttl."""
    group = group_name()
    with opened(zookeeper_server.hosts) as other, opened(proxy.hostport, timeout_s=4.0) as store:
        role_of(other, group)
        sessions = live_sessions(zookeeper_server)
        made = proxy.on_request(f"/{group}/members/a".encode(), "pass")
        proxy.replies.set(latency_s=1.4)  # of three, two come in time
        with pytest.raises(StoreUnavailable) as caught:
            store.open_session(group, record_of("a"), 60.0)
        assert made.fired
        assert caught.value.certainty is Certainty.UNKNOWN
        assert until(lambda: live_sessions(zookeeper_server) <= sessions)
        assert not other.view(group).members


def test_a_view_outlives_a_restarted_server(zookeeper_server: ZooKeeperServers) -> None:
    """Reads are sent again while there is time; sessions go on where their ttl allows it."""
    group = group_name()
    with opened(zookeeper_server.hosts, timeout_s=20.0) as store:
        session = store.open_session(group, record_of(), 30.0)
        restart = threading.Thread(target=zookeeper_server.members[0].restart)
        restart.start()
        try:
            for _ in range(20):
                assert set(store.view(group).members) == {session.id}
                time.sleep(0.05)
        finally:
            restart.join()
        session.heartbeat(b"")
        session.close()


def test_a_heartbeat_of_unknown_fate_leaves_one_beacon(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    group = group_name()
    with opened(zookeeper_server.hosts) as other, opened(proxy.hostport, timeout_s=0.5) as store:
        session = store.open_session(group, record_of(), 30.0)
        session.heartbeat(b"one")
        with proxy.lose_replies(), pytest.raises(StoreUnavailable):
            session.heartbeat(b"two")
        assert until(lambda: _beats(session))
        seen = other.beacons(group)[session.id]
        assert seen.payload == b"three"
        assert other.view(group).members[session.id].seq == seen.seq
        with bare(zookeeper_server.hosts) as client:
            assert until(lambda: len(client.get_children(f"/{group}/beacons")) == 1)
        session.close()


def test_a_heartbeat_whose_directory_was_deleted_ends_the_session(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    group = group_name()
    with opened(proxy.hostport) as store, bare(zookeeper_server.hosts) as client:
        session = store.open_session(group, record_of(), 30.0)
        session.heartbeat(b"")
        client.delete(f"/{group}/beacons", recursive=True)
        sent = proxy.on_request(f"/{group}/beacons/".encode(), "pass", times=None)
        with pytest.raises(SessionLost):
            session.heartbeat(b"")
        assert sent.fired == 2, "one transaction: a beacon made, another removed"
        assert until(lambda: not store.view(group).members)


def _beats(session: ZooKeeperSession) -> bool:
    try:
        session.heartbeat(b"three")
    except StoreUnavailable:
        return False
    return True


def test_a_forked_child_is_told_to_open_its_own(zookeeper_server: ZooKeeperServers) -> None:
    with opened(zookeeper_server.hosts) as store:
        group = group_name()
        store.view(group)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                store.view(group)
                os.write(writing, b"served")
            except ForkedProcess:
                os.write(writing, b"refused")
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as answer:
            assert answer.read() == b"refused"
        assert store.view(group) is store.view(group)


def test_a_forked_child_that_closes_leaves_its_parents_connections_alone(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    group = group_name()
    with opened(proxy.hostport, options="?ask_role=false") as store:
        session = store.open_session(group, record_of(), 30.0)
        store.view(group)
        session.heartbeat(b"")
        before = proxy.counters.total
        child = os.fork()
        if child == 0:
            try:
                with suppress(ForkedProcess):
                    session.close()
                store.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        session.heartbeat(b"")
        assert set(store.view(group).members) == {session.id}
        assert proxy.counters.total == before
        session.close()
