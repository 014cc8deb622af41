"""The fake answers call by call as moto does, where moto is right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.sqs.client import Client
from tests.integration.sqs.moto_server import MotoServer
from tests.integration.sqs.scenes import SCENES

pytestmark = pytest.mark.xdist_group("sqs")


@pytest.fixture
def other(moto_server: MotoServer) -> Iterator[Client]:
    found = Client(moto_server.endpoint)
    yield found
    found.close()


@pytest.mark.parametrize("name", SCENES)
def test_the_fake_answers_as_moto_does(name: str, client: Client, other: Client) -> None:
    for each in (client, other):
        SCENES[name](each)
    assert len(client.record) > 1
    assert client.record == other.record
