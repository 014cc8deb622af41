"""A store that was closed stays closed, and says so."""

from __future__ import annotations

import secrets

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import StoreRefused
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper import ZooKeeperStore

pytestmark = pytest.mark.xdist_group("zookeeper")


def test_a_store_that_was_closed_connects_no_more(zookeeper_server: ZooKeeperServers) -> None:
    group = f"g-{secrets.token_hex(4)}"
    url = f"zookeeper://{zookeeper_server.hosts}/{group}"
    store, _ = ZooKeeperStore.from_url(url, clock=SYSTEM_CLOCK, timeout_s=2.0)
    store.view(group)
    store.close()
    for _ in range(2):
        with pytest.raises(StoreRefused, match="is closed"):
            store.view(group)
    store.close()
