"""What doctor is told of a cluster: its members, its faults, and each with a cure."""

from __future__ import annotations

import pytest

from coord.testing.servers import EtcdServers
from coord_etcd.probe import revokes_wrongly
from tests.integration.etcd.tools import group_name, opened

pytestmark = pytest.mark.xdist_group("etcd-cluster")


def test_a_healthy_cluster_is_described(cluster: EtcdServers) -> None:
    with opened(cluster.url("unused")) as store:
        findings = {finding.name: finding for finding in store.probe(group_name())}
    leader = cluster.leader()
    assert "leader" in findings[f"endpoint {leader.hostport}"].value
    assert findings["cluster"].value == f"3 members, led by {leader.name}"
    release = findings[f"endpoint {leader.hostport}"].value.split()[1].rstrip(",")
    assert findings["version"].ok != revokes_wrongly(release)
    assert all(finding.ok for name, finding in findings.items() if name != "version")


def test_a_member_that_does_not_answer_is_named(cluster: EtcdServers) -> None:
    """One that is down and one that hangs would be no majority: one at a time."""
    for kills, told in ((True, "nobody listens"), (False, "did not answer")):
        cluster.heal()
        down, _ = cluster.followers()
        if kills:
            down.kill()
        else:
            down.pause()
        with opened(cluster.url("unused")) as store:
            findings = {finding.name: finding for finding in store.probe(group_name())}
        found = findings[f"endpoint {down.hostport}"]
        assert not found.ok
        assert told in found.value
        assert found.cure
        assert findings["rights"].ok
        assert "2 of them" in findings["cluster"].value


@pytest.mark.parametrize(
    ("version", "is_bad"),
    [
        ("3.4.23", True),
        ("3.4.30", True),
        ("3.4.31", False),
        ("3.5.12", True),
        ("3.5.13", False),
        ("3.6.0", False),
        ("3.6.0-rc.1", False),
        ("3.3.27", True),
        ("4.0.0", False),
        ("unknown", False),
    ],
)
def test_releases_that_revoke_wrongly_are_known(version: str, is_bad: bool) -> None:
    assert revokes_wrongly(version) == is_bad
