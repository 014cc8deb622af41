"""Connections cut between a write and the reading after it: what was sent may have been done."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from coord.errors import Certainty, StoreUnavailable
from coord.model import Note
from coord.spi import Claimed, ClaimRequest, Tenure
from coord.testing import FaultProxy
from coord.testing.servers import ZooKeeperServers
from tests.integration.zookeeper.support import (
    group_name,
    opened,
    record_of,
    role_of,
    taken,
    until,
)

pytestmark = pytest.mark.xdist_group("zookeeper")


@pytest.mark.parametrize("what", ["claim", "release"])
def test_what_was_sent_before_a_reading_failed_is_in_doubt(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy, what: str
) -> None:
    """One key of two is ours and one has moved, so the group is read again, in vain."""
    group = group_name()
    with opened(zookeeper_server.hosts) as other, opened(proxy.hostport, timeout_s=1.0) as store:
        role = role_of(other, group, shards=2)
        session = store.open_session(group, record_of("a"), 30.0)
        store.view(group)
        first, second = role.claim_keys()
        calls: dict[str, Callable[[], object]] = {}
        if what == "release":
            claims = taken(session, store, group)
            assert other.depose(group, Tenure(second, claims[1].token, Note()))
            tenures = [Tenure(claim.key, claim.token, Note()) for claim in claims]
            calls[what] = lambda: session.release(tenures)
        else:
            rival = other.open_session(group, record_of("b"), 30.0)
            request = ClaimRequest(second, 0, role.version, Note())
            other.view(group)
            assert isinstance(rival.claim([request])[0], Claimed)
            requests = [ClaimRequest(first, 0, role.version, Note()), request]
            calls[what] = lambda: session.claim(requests)
        proxy.admit("refuse")
        proxy.on_request(f"/{group}/beacons".encode(), "reset", times=None)  # in views alone
        with pytest.raises(StoreUnavailable) as caught:
            calls[what]()
        assert caught.value.certainty is Certainty.UNKNOWN
        held = other.view(group).claims[first].session
        assert held == (session.id if what == "claim" else None), "it was done"
        proxy.heal()


def test_a_session_made_before_its_check_failed_is_in_doubt(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    group = group_name()
    with opened(zookeeper_server.hosts) as other, opened(proxy.hostport, timeout_s=1.0) as store:
        role_of(other, group)
        checked = proxy.on_request(
            lambda data: b"/sessions/" in data and b"/members/" not in data, "hold"
        )

        def cut() -> None:
            assert checked.wait(10.0)
            proxy.admit("refuse")
            proxy.reset()

        cutting = threading.Thread(target=cut)
        cutting.start()
        with pytest.raises(StoreUnavailable) as caught:
            store.open_session(group, record_of(), 2.0)
        cutting.join()
        assert caught.value.certainty is Certainty.UNKNOWN
        assert len(other.view(group).members) == 1, "it was made"
        assert until(lambda: not other.view(group).members)
        proxy.heal()
