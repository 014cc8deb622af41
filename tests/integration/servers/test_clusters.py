"""Three members: one leads, a lost leader is replaced, and a hurt cluster heals."""

from __future__ import annotations

import pytest

from coord.testing.servers import ServerFailed, Servers
from coord.testing.servers.member import wait_until
from tests.integration.servers.asking import get, put

_CLUSTERS = [
    pytest.param("etcd", marks=pytest.mark.xdist_group("etcd")),
    pytest.param("zookeeper", marks=pytest.mark.xdist_group("zookeeper")),
]


@pytest.fixture
def cluster(request: pytest.FixtureRequest, kind: str) -> Servers:
    found = request.getfixturevalue(f"{kind}_cluster")
    assert isinstance(found, Servers)
    return found


@pytest.mark.parametrize("kind", _CLUSTERS)
def test_three_members_have_one_leader_and_two_followers(cluster: Servers, kind: str) -> None:
    assert len(cluster.members) == 3
    assert {cluster.leader(), *cluster.followers()} == set(cluster.members)
    assert cluster.url("group") == f"{kind}://{cluster.hosts}/group"
    assert cluster.hosts == ",".join(member.hostport for member in cluster.members)


@pytest.mark.parametrize("kind", _CLUSTERS)
@pytest.mark.parametrize("fate", ["kill", "pause", "stop"])
def test_a_leader_that_is_gone_is_replaced(cluster: Servers, kind: str, fate: str) -> None:
    before = cluster.leader()
    getattr(before, fate)()
    after = cluster.leader()
    assert after is not before
    assert before in cluster.followers()
    cluster.wait_ready()


@pytest.mark.parametrize("kind", _CLUSTERS)
def test_a_revived_leader_leads_no_more_beside_the_new_one(cluster: Servers, kind: str) -> None:
    before = cluster.leader()
    before.pause()
    after = cluster.leader()
    before.resume()
    cluster.wait_ready()
    assert cluster.leader() is after


@pytest.mark.parametrize("kind", _CLUSTERS)
def test_without_a_majority_there_is_no_leader_until_the_cluster_heals(
    cluster: Servers, kind: str
) -> None:
    first, second, third = cluster.members
    first.kill()
    second.pause()
    assert wait_until(lambda: not third.serves(), timeout_s=20)
    with pytest.raises(ServerFailed, match=r"has 0 leaders after 0.5 s: .*down.*paused.*up"):
        cluster.leader(timeout_s=0.5)
    cluster.heal()
    assert all(member.serves() for member in cluster.members)


@pytest.mark.parametrize("kind", _CLUSTERS)
def test_a_rolling_restart_keeps_the_data(cluster: Servers, kind: str) -> None:
    put(kind, cluster.leader(), "kept")
    for member in cluster.members:
        member.stop()
        member.start()
        member.wait_ready()
    assert [get(kind, member) for member in cluster.members] == ["kept"] * 3
