"""A full database: named, nobody's end, and no promise about what it refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, StoreRefused
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from tests.integration.etcd.tools import Etcd, opened, record, role_of, started

pytestmark = pytest.mark.xdist_group("etcd")


@pytest.fixture
def store() -> Iterator[EtcdStore]:
    """Of a server that has little space."""
    with (
        started(lambda: EtcdServers(flags=["--quota-backend-bytes", "200000"])) as servers,
        opened(servers.url("unused")) as found,
    ):
        yield found


def _fill(store: EtcdStore) -> None:
    with Etcd.at(store._targets[0].endpoint) as etcd:
        etcd.fill()


def test_a_full_database_is_named(store: EtcdStore) -> None:
    """What it refuses may have been written: etcd looks at its quota again after it has written."""
    session = store.open_session("g", record(), 60)
    _fill(store)
    with pytest.raises(StoreRefused) as raised:
        role_of(store, "g")
    assert "full" in raised.value.cause
    assert "compaction" in raised.value.cure
    assert raised.value.certainty is Certainty.UNKNOWN
    findings = {finding.name: finding for finding in store.probe("g")}
    assert not findings["space"].ok
    assert "NOSPACE" in findings["space"].value
    session.close()


def test_a_full_database_demotes_nobody(store: EtcdStore) -> None:
    """Leases can be renewed all the same; a beacon that cannot be put costs nobody the proof."""
    well, late = (store.open_session("g", record(name), 60) for name in ("well", "late"))
    for session in (well, late):
        session.heartbeat(b"{}")
    _fill(store)
    for beacon in (b"overdue", b"overdue", b"{}", b"{}"):
        before_s = SYSTEM_CLOCK.now()
        assert well.heartbeat(b"{}").sent_at_s >= before_s
        assert late.heartbeat(beacon).sent_at_s >= before_s
    assert set(store.view("g").members) == {well.id, late.id}
    well.close()
    late.close()
