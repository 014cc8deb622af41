"""The fake and moto, each in a process of its own, one of each a lane."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coord.testing.proxy import FaultProxy
from coord.testing.sqs import SqsServer
from tests.integration.sqs.client import Client
from tests.integration.sqs.desk import Desk
from tests.integration.sqs.moto_server import MotoServer


@pytest.fixture(scope="session")
def moto_server() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def client(sqs: SqsServer) -> Iterator[Client]:
    found = Client(sqs.endpoint)
    yield found
    found.close()


@pytest.fixture
def desk(sqs: SqsServer, client: Client) -> Iterator[Desk]:
    found = Desk(sqs, client)
    yield found
    found.close()


@pytest.fixture
def proxy(sqs: SqsServer) -> Iterator[FaultProxy]:
    member = sqs.members[0]
    with FaultProxy((member.host, member.port)) as found:
        yield found
