"""Fleets that are cut off, or whose servers lose their quorum: who still leads is ended by nobody.

Peers end sessions here. What they have seen is old when an outage is over, and whoever they looked
out for may have renewed meanwhile. Real processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coord.errors import StoreUnavailable
from coord.testing import FaultProxy
from coord.testing.servers import ZooKeeperServers
from tests.integration.fleet import Fleet, until
from tests.integration.zookeeper.support import group_name

pytestmark = pytest.mark.serial

TTL_S = 4.0
TIMING = {"ttl_s": TTL_S}
ROLE = {"name": "reaper", "work": {"every_s": 0.01}}


def settled(fleet: Fleet, size: int) -> bool:
    """Whether so many members live and one leads; no, while the servers are between two leaders."""
    try:
        return fleet.is_settled("reaper", size)
    except StoreUnavailable:
        return False


def check_that_no_two_led(fleet: Fleet) -> None:
    """A resource that takes whatever comes was shown tokens that only grow."""
    tokens = [act.token for act in fleet.acts("plain")]
    assert tokens == sorted(tokens), "somebody acted after its successor had"
    assert fleet.marks("check-after-deadline") == []


class TestCutOff:
    """One server; the way to it is cut for some of the members."""

    pytestmark = pytest.mark.xdist_group("zookeeper")

    @pytest.fixture
    def ways(self, zookeeper_server: ZooKeeperServers) -> Iterator[dict[str, FaultProxy]]:
        """A way to the server for each member."""
        member = zookeeper_server.members[0]
        with (
            FaultProxy((member.host, member.port)) as a,
            FaultProxy((member.host, member.port)) as b,
            FaultProxy((member.host, member.port)) as c,
        ):
            yield {"a": a, "b": b, "c": c}

    @pytest.fixture
    def fleet(self, zookeeper_server: ZooKeeperServers, tmp_path: Path) -> Iterator[Fleet]:
        found = Fleet(tmp_path, url=zookeeper_server.url(group_name()))
        yield found
        found.close()

    def started(self, fleet: Fleet, ways: dict[str, FaultProxy]) -> str:
        """The fleet at work; the name of its leader."""
        group = fleet.opened.group
        for name, way in ways.items():
            fleet.url = f"zookeeper://{way.hostport}/{group}"
            fleet.start(name, ROLE, timing=TIMING)
        until(lambda: settled(fleet, len(ways)))
        return fleet.holders("reaper")[0, 0]

    def test_a_leader_that_is_cut_off_is_ended_by_a_peer_and_comes_back_as_another(
        self, fleet: Fleet, ways: dict[str, FaultProxy]
    ) -> None:
        leader = self.started(fleet, ways)
        former = fleet.view().claims.values()
        with ways[leader].blackhole("requests"):
            successor = until(lambda: set(fleet.holders("reaper").values()) - {leader})
            time.sleep(TTL_S)
        until(lambda: settled(fleet, len(ways)))
        assert set(fleet.holders("reaper").values()) == successor
        assert {claim.session for claim in former}.isdisjoint(fleet.view().members)
        check_that_no_two_led(fleet)

    def test_a_leader_whose_peers_were_cut_off_from_its_heartbeats_is_ended_by_none(
        self, fleet: Fleet, ways: dict[str, FaultProxy]
    ) -> None:
        """What they saw last is older than its ttl when they are back; it has renewed all along."""
        leader = self.started(fleet, ways)
        [claim] = fleet.view().claims.values()
        others = [way for name, way in ways.items() if name != leader]
        for way in others:
            way.requests.hold()
        time.sleep(1.5 * TTL_S)
        for way in others:
            way.heal()
        until(lambda: settled(fleet, len(ways)))
        time.sleep(1.5 * TTL_S)
        [after] = fleet.view().claims.values()
        assert (after.session, after.token) == (claim.session, claim.token)
        assert fleet.logged(f"session {claim.session} is dead") == []
        assert fleet.marks("ended") == []
        check_that_no_two_led(fleet)


@pytest.fixture
def fleet(zookeeper_cluster: ZooKeeperServers, tmp_path: Path) -> Iterator[Fleet]:
    found = Fleet(tmp_path, url=zookeeper_cluster.url(group_name()))
    yield found
    found.close()


def stopped_for(servers: ZooKeeperServers, outage_s: float) -> None:
    """Two of three are killed for so long."""
    for server in servers.members[:2]:
        server.kill()
    time.sleep(outage_s)
    for server in servers.members[:2]:
        server.restart()
    servers.leader()


@pytest.mark.soak
@pytest.mark.xdist_group("zookeeper-cluster")
@pytest.mark.timeout(400)
def test_after_a_quorum_was_lost_for_longer_than_the_ttl_none_that_trusts_itself_is_ended(
    zookeeper_cluster: ZooKeeperServers, fleet: Fleet
) -> None:
    """ZooKeeper then gives every session a whole ttl more; their members have given them up."""
    crew = [fleet.start(name, ROLE, timing=TIMING) for name in "abc"]
    until(lambda: settled(fleet, len(crew)))
    for _ in range(3):
        stopped_for(zookeeper_cluster, 1.5 * TTL_S)
        until(lambda: settled(fleet, len(crew)))
        time.sleep(2 * TTL_S)
    until(lambda: settled(fleet, len(crew)))
    assert fleet.logged("session-given-up"), "the outage was too short: what does this show?"
    assert fleet.logged("session-lost") == []
    check_that_no_two_led(fleet)
