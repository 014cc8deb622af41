"""The DynamoDB ledger keeps every promise, on DynamoDB Local."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from coord.testing.ledger_conformance import LEDGER_CHECKS, LedgerCheck
from coord.testing.servers import DynamoDBLocal
from coord_dynamodb import DynamoDBStore
from coord_dynamodb.ledger import DynamoDBLedger
from coord_dynamodb.url import Target
from tests.conformance.servers import prove_ledger

pytestmark = pytest.mark.xdist_group("dynamodb")

TABLE = "ledger-conformance"
TIMEOUT_S = 2.0


def _opened(hostport: str, group: str) -> DynamoDBLedger:
    target = Target(table=TABLE, group=group, region="us-east-1", endpoint=f"http://{hostport}")
    return DynamoDBLedger(target, timeout_s=TIMEOUT_S)


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
    [member] = table.members

    def remove(group: str, key: str) -> None:
        """As Amazon deletes what has expired: by its key."""
        client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=table.endpoint)
        key_of_item = {"pk": {"S": f"{group}#l#{key}"}, "sk": {"S": "l#"}}
        found = client.delete_item(TableName=TABLE, Key=key_of_item, ReturnValues="ALL_OLD")
        client.close()
        assert "expires" in found["Attributes"]

    def reopen() -> None:
        """In order: killed, DynamoDB Local forgets transactions that it has acknowledged."""
        member.stop()
        member.restart()

    prove_ledger(
        check,
        member,
        _opened,
        remove=remove,
        reopen=reopen,
        timeout_s=TIMEOUT_S,
        always=b"PutItem",
    )
