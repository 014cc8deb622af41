"""Fleets on three servers that lose their leader, or are restarted one by one: nobody notices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coord.errors import StoreUnavailable
from coord.model import ClaimKey
from coord.testing.servers import Servers
from tests.integration.fleet import Fleet, now, until

TTL_S = 8.0
SHARDS = 6
ROLE = {"name": "reaper", "shards": SHARDS, "work": {"every_s": 0.05}}
MEMBERS = ("a", "b", "c")
PAUSE_S = 2.0
"""Between two restarts, as an operator leaves one: until the fleet has been seen to renew."""

_KINDS = [
    pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-cluster"))
    for name in ("etcd", "zookeeper")
]


@pytest.fixture(params=_KINDS)
def cluster(request: pytest.FixtureRequest) -> Servers:
    found: Servers = request.getfixturevalue(f"{request.param}_cluster")
    return found


@pytest.fixture
def fleet(cluster: Servers, tmp_path: Path) -> Iterator[Fleet]:
    found = Fleet(tmp_path, url=cluster.url(f"fleet-{tmp_path.name[-20:].strip('_-')}"))
    yield found
    found.close()


Tenures = set[tuple[ClaimKey, int, str | None]]


def held(fleet: Fleet) -> Tenures:
    """Each claim with the token and the session that hold it now."""
    return {(claim.key, claim.token, claim.session) for claim in fleet.view().claims.values()}


def led(fleet: Fleet) -> Tenures:
    """The fleet, at work: each member leads its share, and nothing is left to be handed over."""
    for name in MEMBERS:
        fleet.start(name, ROLE, timing={"ttl_s": TTL_S})
    until(reached(lambda: fleet.is_even("reaper", len(MEMBERS))))
    return held(fleet)


def reached(condition: Callable[[], object]) -> Callable[[], object]:
    """The condition, where the test's own client may be between two servers."""

    def ask() -> object:
        try:
            return condition()
        except StoreUnavailable:
            return False

    return ask


def check_that_nobody_noticed(fleet: Fleet, begun: float, tenures: Tenures) -> None:
    """Sessions and tokens are the same a ttl later, and all have worked all the time."""
    ended = now()
    until(lambda: now() > ended + TTL_S + 1.0, every_s=0.1)
    until(reached(lambda: held(fleet) == tenures))
    for text in ("session-given-up", "session-lost", "overrun", "store-went-back"):
        assert fleet.logged(text) == []
    assert fleet.marks("ended", "at > ?", begun) == [], "shards moved at the start end before"
    for shard in range(SHARDS):
        acts = fleet.acts("fenced", "shard = ? AND at > ?", shard, begun)
        assert len(acts) > (now() - begun) / 0.05 / 5, "it led, and worked"


def test_the_loss_of_the_servers_leader_demotes_nobody(fleet: Fleet, cluster: Servers) -> None:
    tenures, begun = led(fleet), now()
    cluster.leader().kill()
    cluster.leader()
    check_that_nobody_noticed(fleet, begun, tenures)


@pytest.mark.timeout(180)
def test_a_rolling_restart_of_the_servers_demotes_nobody(fleet: Fleet, cluster: Servers) -> None:
    tenures, begun = led(fleet), now()
    for member in cluster.members:
        member.stop()
        member.restart()
        cluster.leader()
        time.sleep(PAUSE_S)
    check_that_nobody_noticed(fleet, begun, tenures)
