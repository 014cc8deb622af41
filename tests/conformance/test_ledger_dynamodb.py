"""The DynamoDB ledger keeps every promise, on DynamoDB Local."""

from __future__ import annotations

import time
from collections.abc import Iterator

import boto3
import pytest

from coord.clock import SYSTEM_CLOCK
from coord.testing.ledger_conformance import (
    LEDGER_CHECKS,
    LedgerCheck,
    LedgerGate,
    LedgerHarness,
)
from coord.testing.servers import DynamoDBLocal
from coord_dynamodb import DynamoDBStore
from coord_dynamodb.ledger import DynamoDBLedger
from coord_dynamodb.url import Target
from tests.conformance.ledger_servers import ProxyGate, leftovers

pytestmark = pytest.mark.xdist_group("dynamodb")

TABLE = "ledger-conformance"
TIMEOUT_S = 2.0


class _Server:
    """The real server, and what the suite needs to do to it."""

    def __init__(self, server: DynamoDBLocal) -> None:
        self._server = server
        self._gates: list[ProxyGate] = []

    def target(self, group: str, hostport: str = "") -> Target:
        endpoint = f"http://{hostport or self._server.hosts}"
        return Target(table=TABLE, group=group, region="us-east-1", endpoint=endpoint)

    def open(self, group: str) -> DynamoDBLedger:
        return DynamoDBLedger(self.target(group), timeout_s=TIMEOUT_S)

    def gate(self, group: str) -> LedgerGate:
        member = self._server.members[0]
        self._gates.append(
            ProxyGate(
                (member.host, member.port),
                lambda hostport: DynamoDBLedger(self.target(group, hostport), timeout_s=TIMEOUT_S),
                always=b"PutItem",
            )
        )
        return self._gates[-1]

    def remove(self, group: str, key: str) -> None:
        """As Amazon deletes what has expired: by its key."""
        client = boto3.client(
            "dynamodb", region_name="us-east-1", endpoint_url=self._server.endpoint
        )
        key_of_item = {"pk": {"S": f"{group}#l#{key}"}, "sk": {"S": "l#"}}
        found = client.delete_item(TableName=TABLE, Key=key_of_item, ReturnValues="ALL_OLD")
        client.close()
        assert "expires" in found["Attributes"]

    def reopen(self) -> None:
        """In order: killed, DynamoDB Local forgets transactions that it has acknowledged."""
        self._server.members[0].stop()
        self._server.members[0].restart()

    def close(self) -> None:
        while self._gates:
            self._gates.pop().proxy.close()

    def harness(self) -> LedgerHarness:
        return LedgerHarness(
            open=self.open,
            clock=SYSTEM_CLOCK,
            sleep=time.sleep,
            timeout_s=TIMEOUT_S,
            gate=self.gate,
            remove=self.remove,
            reopen=self.reopen,
            leftovers=leftovers,
        )


@pytest.fixture(scope="module")
def table(dynamodb_server: DynamoDBLocal) -> Iterator[DynamoDBLocal]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dynamodb_server.environment.items():
            patch.setenv(name, value)
        target = Target(table=TABLE, region="us-east-1", endpoint=dynamodb_server.endpoint)
        store = DynamoDBStore(target, timeout_s=30.0)
        store.init("any")
        store.close()
        yield dynamodb_server


@pytest.mark.parametrize("check", LEDGER_CHECKS, ids=lambda check: check.name)
def test_the_dynamodb_ledger_keeps_the_promise(check: LedgerCheck, table: DynamoDBLocal) -> None:
    server = _Server(table)
    assert not check.missing(server.harness()), "no check is left out"
    try:
        check.run(server.harness())
    finally:
        server.close()
