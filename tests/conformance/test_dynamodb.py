"""The DynamoDB store keeps every promise, on DynamoDB Local, whatever the size of transactions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import boto3
import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.conformance import CHECKS, Check, Harness
from coord.testing.servers import DynamoDBLocal
from coord_dynamodb import DynamoDBStore
from coord_dynamodb.url import Target
from tests.conformance.harnesses import leftovers
from tests.conformance.servers import ProxyGate

pytestmark = pytest.mark.xdist_group("dynamodb")

TABLE = "conformance"
TIMEOUT_S = 4.0
"""DynamoDB Local, just begun and beside three other lanes, took more than 2 s for a batch."""
BATCH = 10
OTHER_BATCHES = (3, 100)
"""The smallest that can claim; and Amazon's, which this server refuses and has cut to its own."""
OF_BATCHES = [
    check
    for check in CHECKS
    if check.body.__module__.endswith(".exclusion") or "claims" in check.name
]


class _Server:
    """The real server, as one size of transactions sees it."""

    def __init__(self, server: DynamoDBLocal, batch: int) -> None:
        self._server = server
        self._batch = batch

    def target(self, hostport: str) -> Target:
        return Target(
            table=TABLE,
            region="us-east-1",
            endpoint=f"http://{hostport}",
            batch=self._batch,
            poll_s=0.1,
        )

    def store(self, hostport: str = "") -> DynamoDBStore:
        return DynamoDBStore(self.target(hostport or self._server.hosts), timeout_s=TIMEOUT_S)

    def forget(self, group: str) -> None:
        """What an operator would do: delete every item of the group."""
        client = boto3.client(
            "dynamodb", region_name="us-east-1", endpoint_url=self._server.endpoint
        )
        found = client.query(
            TableName=TABLE,
            KeyConditionExpression="pk = :g",
            ExpressionAttributeValues={":g": {"S": group}},
        )
        for item in found["Items"]:
            client.delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})
        client.close()

    def harness(self, ends: ExitStack) -> Harness:
        return Harness(
            open=self.store,
            clock=SYSTEM_CLOCK,
            sleep=time.sleep,
            ttl_s=1.0,
            late_s=1.0,
            timeout_s=TIMEOUT_S,
            many=200,
            gate=lambda: ProxyGate(self._server.members[0], self.store, ends),
            reopen=self._restart,
            forget=self.forget,
            leftovers=leftovers,
        )

    def _restart(self) -> None:
        """In order: killed, DynamoDB Local forgets transactions that it has acknowledged."""
        self._server.members[0].stop()
        self._server.members[0].restart()


@pytest.fixture(scope="module")
def table(dynamodb_server: DynamoDBLocal) -> Iterator[DynamoDBLocal]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dynamodb_server.environment.items():
            patch.setenv(name, value)
        store = _Server(dynamodb_server, BATCH).store()
        store.init("any")
        store.close()
        yield dynamodb_server


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_dynamodb_keeps_the_promise(check: Check, table: DynamoDBLocal) -> None:
    with ExitStack() as ends:
        check.run(_Server(table, BATCH).harness(ends))


@pytest.mark.parametrize("check", OF_BATCHES, ids=lambda check: check.name)
@pytest.mark.parametrize("batch", OTHER_BATCHES)
def test_dynamodb_keeps_the_promise_in_transactions_of_another_size(
    check: Check, batch: int, table: DynamoDBLocal
) -> None:
    with ExitStack() as ends:
        check.run(_Server(table, batch).harness(ends))
