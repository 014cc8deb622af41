"""What these tests share: a way to the server that can be cut."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coord.testing import FaultProxy
from coord.testing.servers import ZooKeeperServers


@pytest.fixture
def proxy(zookeeper_server: ZooKeeperServers) -> Iterator[FaultProxy]:
    """The way to the only server."""
    member = zookeeper_server.members[0]
    with FaultProxy((member.host, member.port)) as found:
        yield found
