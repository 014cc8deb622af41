"""Three servers: what a heartbeat through each of them proves, and what outlives which failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.core.lease import Lease
from coord.errors import SessionLost, StoreUnavailable
from coord.model import Note, View
from coord.spi import Claimed, ClaimRequest, Proof, Session, Tenure
from coord.testing.servers import ZooKeeperServers
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


BUSY_S = 30.0
"""What a busy machine is given for what takes a second at rest."""
TIMING = Timing.of(16.0, heartbeat_s=1.6)
RECONNECT_S = 1.5
"""A server that does not answer is left after half a timeout; attempts are 0.7 s apart at most."""
ALLOWED_S = (
    TIMING.ttl_s * (1 - TIMING.drift)
    - TIMING.stop_grace_s
    - 2 * TIMING.heartbeat_s  # the last one before, and the lag of one through a follower
    - TIMING.rpc_timeout_s
    - TIMING.slack_s
    - RECONNECT_S
)
"""How long servers may be without a quorum before a member gives its session up: 5.7 s."""
ROUNDS = 3


class _Heart:
    """Heartbeats as a member sends them; fails as a member gives up: at the end of its trust."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.error = ""
        self.beats = 0
        self._lease = Lease(session.id)
        self._lease.extend(session.opened, TIMING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        pause_s = TIMING.heartbeat_s
        while not self.error and not self._stop.wait(pause_s):
            pause_s = TIMING.heartbeat_s
            said = "an answer that came too late"
            try:
                proof = self.session.heartbeat(b"")
            except StoreUnavailable as error:
                proof, said, pause_s = None, str(error), TIMING.rpc_timeout_s
            except SessionLost as error:
                self.error = f"lost: {error}"
                return
            if SYSTEM_CLOCK.now() >= self._lease.stop_at_s:
                self.error = f"given up: {said}"
            elif proof is not None:
                self._lease.extend(proof, TIMING)
                self.beats += 1

    def goes_on(self) -> None:
        """Wait until it beats steadily, or has given up."""
        before = self.beats
        assert until(lambda: self.beats > before + 2 or bool(self.error), within_s=2 * BUSY_S)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)


class _Quorum:
    """Watches the servers, past coord: for how long at a stretch no two of them were in step."""

    def __init__(self, servers: ZooKeeperServers) -> None:
        self.missing_s = 0.0
        self._servers = servers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        seen_s = SYSTEM_CLOCK.now()
        while not self._stop.wait(0.05):
            in_step = self._servers.in_step()
            self.missing_s = max(self.missing_s, SYSTEM_CLOCK.now() - seen_s)
            if in_step >= 2:
                seen_s = SYSTEM_CLOCK.now()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)


def _outlived(servers: ZooKeeperServers, disturb: Callable[[_Heart], None]) -> None:
    """A member outlives that with its session and its claim, where its ttl allows it.

    Its ttl does not allow it where the servers themselves were without a quorum for longer than
    `ALLOWED_S`, as elections may be on a busy machine. Whether a member then gives up says nothing
    about coord, so such a round is repeated, `ROUNDS` times at most.
    """
    missing: list[float] = []
    for _ in range(ROUNDS):
        error, missing_s = _round(servers, disturb)
        if not error:
            return
        assert missing_s > ALLOWED_S, f"{error} ({missing_s:.1f} s without a quorum)"
        missing.append(missing_s)
    pytest.fail(f"no quorum for {missing} s: this machine is too busy to prove anything")


def _round(servers: ZooKeeperServers, disturb: Callable[[_Heart], None]) -> tuple[str, float]:
    """Why a member gave up meanwhile, empty if it still has what it had; and the longest time
    without a quorum.
    """
    servers.heal()
    group = group_name()
    options = f"?tick_s={TICK_S}"
    with opened(servers.hosts, timeout_s=TIMING.rpc_timeout_s, options=options) as store:
        role_of(store, group)
        session = store.open_session(group, record_of(), TIMING.ttl_s)
        [claim] = taken(session, store, group)
        with _Quorum(servers) as quorum, _Heart(session) as heart:
            heart.goes_on()
            disturb(heart)
            heart.goes_on()
        if not heart.error:
            assert until(lambda: _version(store, group) > 0, within_s=BUSY_S)
            held = store.view(group).claims[claim.key]
            assert (held.session, held.token) == (session.id, claim.token)
    return heart.error, quorum.missing_s


@pytest.mark.timeout(300)
def test_a_killed_leader_demotes_nobody_whose_ttl_allows_it(
    zookeeper_cluster: ZooKeeperServers,
) -> None:
    def kill(_: _Heart) -> None:
        zookeeper_cluster.leader().kill()
        zookeeper_cluster.leader()

    _outlived(zookeeper_cluster, kill)


@pytest.mark.timeout(300)
def test_a_stopped_server_demotes_nobody_whose_ttl_allows_it(
    zookeeper_cluster: ZooKeeperServers,
) -> None:
    """It takes connections and answers none: silence must move a member to another server.

    Each is stopped while all three are in step: to stop one while another is still coming back
    leaves no quorum, and that no ttl of ours need allow for.
    """

    def stop_each(heart: _Heart) -> None:
        for server in zookeeper_cluster.members:
            server.pause()
            heart.goes_on()
            server.resume()
            zookeeper_cluster.heal()

    _outlived(zookeeper_cluster, stop_each)


def test_an_ensemble_is_healed_when_all_of_it_is_in_step(
    zookeeper_cluster: ZooKeeperServers,
) -> None:
    """A woken leader serves by its own account, then nobody leads it for a moment."""
    for _ in range(4):
        zookeeper_cluster.leader().pause()
        zookeeper_cluster.leader()
        zookeeper_cluster.heal()
        assert zookeeper_cluster.in_step() == 3


@pytest.mark.timeout(300)
def test_a_watch_goes_on_through_a_rolling_restart(zookeeper_cluster: ZooKeeperServers) -> None:
    """And nobody is demoted: each server is killed and started again, one after the other."""
    group = group_name()
    woken = threading.Event()
    hosts = zookeeper_cluster.hosts
    with opened(hosts) as store, opened(hosts, options="?ask_role=false") as other:
        watched = role_of(other, group)
        watch = store.watch(group, woken.set)

        def restart_each(_: _Heart) -> None:
            for server in zookeeper_cluster.members:
                server.restart()
                zookeeper_cluster.heal()
                assert until(lambda: _written(other, group), within_s=BUSY_S)
                assert until(lambda: _version(store, group) > watched.version, within_s=BUSY_S)
                time.sleep(0.2)  # what the restart itself woke is not what is asked about
                woken.clear()
                assert until(lambda: _written(other, group), within_s=BUSY_S)
                assert woken.wait(BUSY_S), "a change after the restart woke nobody"

        _outlived(zookeeper_cluster, restart_each)
        watch.close()


def _written(store: ZooKeeperStore, group: str) -> bool:
    """Whether a role record could be written: right after a restart it takes a while."""
    try:
        store.put_role(group, store.view(group).roles["r"])
    except StoreUnavailable:
        return False
    return True


def _version(store: ZooKeeperStore, group: str) -> int:
    """Of the role record; 0 if it cannot be read just now."""
    try:
        return store.view(group).roles["r"].version
    except StoreUnavailable:
        return 0
