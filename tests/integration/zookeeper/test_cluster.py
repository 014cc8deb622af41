"""Three servers: what a heartbeat through each of them proves, and what outlives which failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import SessionLost, StoreUnavailable
from coord.model import Note, View
from coord.spi import Claimed, ClaimRequest, Proof, Session, Tenure
from coord.testing.servers import ZooKeeperServers, four_letters
from coord_zookeeper import ZooKeeperStore
from tests.integration.zookeeper.support import (
    bare,
    group_name,
    opened,
    record_of,
    role_of,
    taken,
    until,
)

pytestmark = pytest.mark.xdist_group("zookeeper-cluster")

TICK_S = 0.2


def beaten(session: Session, *, every_s: float, times: int) -> Proof:
    """Heartbeats at that pace; the last one's proof."""
    proof = session.opened
    for _ in range(times):
        time.sleep(every_s)
        proof = session.heartbeat(b"")
    return proof


@pytest.mark.parametrize("every_s", [0.07, 0.5])
def test_a_follower_that_stops_after_its_answer_leaves_nobody_trusting_too_long(
    zookeeper_cluster: ZooKeeperServers, every_s: float
) -> None:
    """What the follower had noted dies with it, and the leader ends the session the earlier."""
    group = group_name()
    leader, follower = zookeeper_cluster.leader(), zookeeper_cluster.followers()[0]
    for _ in range(2):
        with opened(f"{follower.hostport}", options=f"?tick_s={TICK_S}") as store:
            session = store.open_session(group, record_of(), 2.0)
            with bare(leader.hostport) as client:
                proof = beaten(session, every_s=every_s, times=5)
                follower.pause()
                try:
                    path = f"/{group}/sessions/{session.id}"
                    assert until(lambda: client.exists(path) is None)  # noqa: B023
                    ended_s = SYSTEM_CLOCK.now()
                finally:
                    follower.resume()
        zookeeper_cluster.heal()
        leader, follower = zookeeper_cluster.leader(), zookeeper_cluster.followers()[0]
        trusted_s = proof.sent_at_s + proof.ttl_s - proof.lag_s
        assert ended_s >= trusted_s, f"trusted {trusted_s - ended_s:.3f} s too long"


def test_heartbeats_through_the_leader_lag_by_nothing(zookeeper_cluster: ZooKeeperServers) -> None:
    leader, follower = zookeeper_cluster.leader(), zookeeper_cluster.followers()[0]
    for server, is_leader in ((leader, True), (follower, False)):
        with opened(server.hostport, options=f"?tick_s={TICK_S}") as store:
            session = store.open_session(group_name(), record_of(), 2.0)
            assert session.opened.lag_s == 0.0, "a new session is the leader's own making"
            time.sleep(TICK_S)  # its role is asked for meanwhile
            lags = [beaten(session, every_s=TICK_S, times=1).lag_s for _ in range(4)]
            assert all((lag == 0.0) == is_leader for lag in lags[1:]), lags
            session.close()


def test_where_no_role_is_told_every_heartbeat_counts_as_a_followers(
    zookeeper_cluster: ZooKeeperServers,
) -> None:
    leader = zookeeper_cluster.leader()
    with opened(leader.hostport, options=f"?tick_s={TICK_S}&ask_role=false") as store:
        session = store.open_session(group_name(), record_of(), 2.0)
        lags = [beaten(session, every_s=TICK_S, times=1).lag_s for _ in range(4)]
        assert all(lag >= TICK_S for lag in lags[1:]), lags
        session.close()


def test_a_view_through_a_revived_leader_shows_what_was_acknowledged(
    zookeeper_cluster: ZooKeeperServers,
) -> None:
    """It answers `sync` from memory until it notices that there is another leader."""
    group = group_name()
    leader, others = zookeeper_cluster.leader(), zookeeper_cluster.followers()
    healthy = ",".join(other.hostport for other in others)
    with opened(healthy) as store, opened(leader.hostport, timeout_s=20.0) as late:
        role = role_of(store, group)
        first = store.open_session(group, record_of("a"), 30.0)
        second = store.open_session(group, record_of("b"), 30.0)
        [claim] = taken(first, store, group)
        assert late.view(group).claims[claim.key].session == first.id
        leader.pause()
        views: list[View] = []
        reading = threading.Thread(target=lambda: views.append(late.view(group)))
        try:
            assert until(lambda: _deposed(store, group, claim), within_s=30.0)
            request = ClaimRequest(claim.key, claim.token, role.version, Note())
            [taken_over] = second.claim([request])
            reading.start()
            time.sleep(0.2)  # the question waits in the paused server
        finally:
            leader.resume()
        reading.join(30.0)
        [view] = views
        assert isinstance(taken_over, Claimed)
        seen = view.claims[claim.key]
        assert (seen.session, seen.token) == (second.id, taken_over.token)
        first.close()
        second.close()


def _deposed(store: ZooKeeperStore, group: str, claim: Claimed) -> bool:
    """Whether it could be taken from its holder: during an election it takes a while."""
    try:
        return store.depose(group, Tenure(claim.key, claim.token, Note()))
    except StoreUnavailable:
        return False


class _Heart:
    """Heartbeats as a member sends them; fails as a member would give up: past its last proof."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.error = ""
        self.beats = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        proof = self.session.opened
        while not self._stop.wait(self.session.ttl_s / 10):
            try:
                proof = self.session.heartbeat(b"")
                self.beats += 1
            except StoreUnavailable as error:
                last = str(error)
                if SYSTEM_CLOCK.now() >= proof.sent_at_s + proof.ttl_s - proof.lag_s:
                    self.error = f"trust ended: {last}"
                    return
            except SessionLost as error:
                self.error = f"lost: {error}"
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)


@contextmanager
def _claimant(servers: ZooKeeperServers, group: str) -> Iterator[_Heart]:
    """A member with a long enough ttl, a claim and heartbeats, which must keep them."""
    with opened(servers.hosts, timeout_s=1.0, options=f"?tick_s={TICK_S}") as store:
        session = store.open_session(group, record_of(), 16.0)  # an election may take 8 s here
        [claim] = taken(session, store, group)
        with _Heart(session) as heart:
            yield heart
            before = heart.beats
            assert until(lambda: heart.beats > before + 2 or bool(heart.error), within_s=20.0)
        assert heart.error == ""
        held = store.view(group).claims[claim.key]
        assert (held.session, held.token) == (session.id, claim.token)
        session.close()


def test_a_killed_leader_demotes_nobody_whose_ttl_allows_it(
    zookeeper_cluster: ZooKeeperServers,
) -> None:
    group = group_name()
    with opened(zookeeper_cluster.hosts) as store:
        role_of(store, group)
    with _claimant(zookeeper_cluster, group):
        leader = zookeeper_cluster.leader()
        leader.kill()
        zookeeper_cluster.leader()


def _leaders(servers: ZooKeeperServers) -> int:
    """How many servers take themselves for the leader: two, right after one was woken."""
    answers = [four_letters(member.port, "srvr") for member in servers.members]
    return sum("Mode: leader" in answer for answer in answers)


@pytest.mark.soak  # elections around a server that wakes take up to 16 s on a busy machine
def test_a_stopped_server_demotes_nobody_whose_ttl_allows_it(
    zookeeper_cluster: ZooKeeperServers,
) -> None:
    """It takes connections and answers none: silence must move a member to another server."""
    group = group_name()
    with opened(zookeeper_cluster.hosts) as store:
        role_of(store, group)
    with _claimant(zookeeper_cluster, group) as heart:
        for server in zookeeper_cluster.members:
            server.pause()
            before = heart.beats
            assert until(
                lambda: heart.beats > before + 2 or bool(heart.error),  # noqa: B023
                within_s=20.0,
            )
            server.resume()
            zookeeper_cluster.wait_ready()
            assert until(lambda: _leaders(zookeeper_cluster) == 1)


def test_a_watch_goes_on_through_a_rolling_restart(zookeeper_cluster: ZooKeeperServers) -> None:
    """And nobody is demoted: each server is killed and started again, one after the other."""
    group = group_name()
    woken = threading.Event()
    hosts = zookeeper_cluster.hosts
    with opened(hosts) as store, opened(hosts, options="?ask_role=false") as other:
        role = role_of(other, group)
        watch = store.watch(group, woken.set)
        with _claimant(zookeeper_cluster, group):
            for server in zookeeper_cluster.members:
                server.restart()
                zookeeper_cluster.leader()
                assert until(lambda: _written(other, group))
                assert until(lambda: store.view(group).roles["r"].version > role.version)
                time.sleep(0.2)  # what the restart itself woke is not what is asked about
                woken.clear()
                assert until(lambda: _written(other, group))
                assert woken.wait(5.0), "a change after the restart woke nobody"
        watch.close()


def _written(store: ZooKeeperStore, group: str) -> bool:
    """Whether a role record could be written: right after a restart it takes a while."""
    try:
        store.put_role(group, store.view(group).roles["r"])
    except StoreUnavailable:
        return False
    return True
