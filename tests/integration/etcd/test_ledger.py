"""What the etcd ledger costs its cluster: leases that many records share, and nobody woken."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator

import etcd3.etcdrpc as rpc
import grpc
import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from coord_etcd.ledger import EtcdLedger

pytestmark = pytest.mark.xdist_group("etcd")


class Place:
    """A group of the test's own, a ledger in it, and the server's own word."""

    def __init__(self, servers: EtcdServers) -> None:
        self.group = f"g-{secrets.token_hex(4)}"
        self.url = f"etcd://{servers.hosts}/{self.group}"
        self.channel = grpc.insecure_channel(servers.hosts)
        self.ledger = EtcdLedger.from_url(self.url, clock=SYSTEM_CLOCK, timeout_s=2.0)

    def leases(self, *keys: str) -> set[int]:
        found = set()
        for key in keys:
            name = f"/coord/{self.group}/t/{key}".encode()
            answer = rpc.KVStub(self.channel).Range(rpc.RangeRequest(key=name), timeout=5.0)
            found |= {kv.lease for kv in answer.kvs}
        return found

    def ttl_s(self, lease: int) -> int:
        request = rpc.LeaseTimeToLiveRequest(ID=lease)
        answer = rpc.LeaseStub(self.channel).LeaseTimeToLive(request, timeout=5.0)
        return int(answer.grantedTTL)


@pytest.fixture
def place(etcd_server: EtcdServers) -> Iterator[Place]:
    found = Place(etcd_server)
    yield found
    found.ledger.close()
    found.channel.close()


def test_records_that_are_kept_alike_share_a_lease_that_outlives_them(place: Place) -> None:
    keys = [f"k{n}" for n in range(50)]
    for n, key in enumerate(keys):
        place.ledger.write(key, b"{}", expect=None, keep_s=1000.0 + n % 3)
    [lease] = place.leases(*keys)
    assert place.ttl_s(lease) >= 1000 * (1 + 1 / 8)
    place.ledger.write("week", b"{}", expect=None, keep_s=7 * 86_400.0)
    [other] = place.leases("week")
    assert other != lease
    assert 7 * 86_400 <= place.ttl_s(other) <= 2 * 7 * 86_400


def test_a_record_moves_to_a_later_lease_when_it_is_written_again(place: Place) -> None:
    first = place.ledger.write("k", b"{}", expect=None, keep_s=2.0)
    [lease] = place.leases("k")
    time.sleep(0.6)
    second = place.ledger.write("k", b"{}", expect=first, keep_s=3600.0)
    assert not place.leases("k") & {lease}
    until_s = SYSTEM_CLOCK.now() + 30
    request = rpc.LeaseTimeToLiveRequest(ID=lease)
    while rpc.LeaseStub(place.channel).LeaseTimeToLive(request, timeout=5.0).TTL > 0:
        assert SYSTEM_CLOCK.now() < until_s, "the first lease does not end"
        time.sleep(0.2)
    time.sleep(1.0)
    assert place.ledger.read(["k"])["k"].tag == second


def test_a_lease_that_somebody_revoked_is_replaced(place: Place) -> None:
    place.ledger.write("k", b"{}", expect=None, keep_s=1000.0)
    [lease] = place.leases("k")
    rpc.LeaseStub(place.channel).LeaseRevoke(rpc.LeaseRevokeRequest(ID=lease), timeout=5.0)
    assert place.ledger.read(["k"]) == {}
    tag = place.ledger.write("k", b"{}", expect=None, keep_s=1000.0)
    assert place.ledger.read(["k"])["k"].tag == tag
    assert not place.leases("k") & {lease}


def test_no_record_wakes_anybody_or_shows_in_a_view(place: Place) -> None:
    store, group = EtcdStore.from_url(place.url, clock=SYSTEM_CLOCK, timeout_s=2.0)
    assert isinstance(store, EtcdStore)
    woken = threading.Event()
    watch = store.watch(group, woken.set)
    before = store.view(group)
    time.sleep(0.5)
    woken.clear()
    for n in range(20):
        place.ledger.write(f"k{n}", b"{}", expect=None, keep_s=1000.0)
    assert not woken.wait(1.0)
    assert store.view(group) is before
    watch.close()
    store.close()
