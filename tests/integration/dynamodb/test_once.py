"""`DynamoDBOnce`: the writes are there once, whatever is lost, repeated, raced or broken off."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from coord.errors import ConfigError, PayloadMismatch, UsageError
from coord.testing.proxy import FaultProxy
from coord.testing.servers import DynamoDBLocal
from coord_dynamodb import DynamoDBOnce
from coord_dynamodb.acts import ActWrites
from tests.integration.dynamodb.hook import Hook
from tests.integration.dynamodb.once_child import DIED

pytestmark = pytest.mark.xdist_group("dynamodb")


class Bank:
    """A table of accounts, a register, and what is charged."""

    def __init__(self, server: DynamoDBLocal) -> None:
        self.server = server
        self.client = self.connect(server.endpoint)
        self.accounts, self.register = f"a-{secrets.token_hex(3)}", f"o-{secrets.token_hex(3)}"
        self.client.create_table(
            TableName=self.accounts,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )
        for _ in range(2):
            DynamoDBOnce.create_table(self.client, table=self.register)

    @staticmethod
    def connect(endpoint: str) -> Any:  # noqa: ANN401  a client of boto3
        config = Config(read_timeout=3, retries={"total_max_attempts": 5, "mode": "standard"})
        return boto3.client(
            "dynamodb", region_name="us-east-1", endpoint_url=endpoint, config=config
        )

    def once(self, endpoint: str | None = None) -> DynamoDBOnce:
        client = self.connect(endpoint) if endpoint else self.client
        return DynamoDBOnce(client, table=self.register)

    def charge(self, account: str, amount: int = 1) -> Callable[[ActWrites], dict[str, int]]:
        def collect(writes: ActWrites) -> dict[str, int]:
            writes.update(
                TableName=self.accounts,
                Key={"id": {"S": account}},
                UpdateExpression="ADD balance :n",
                ExpressionAttributeValues={":n": {"N": str(amount)}},
            )
            return {"amount": amount}

        return collect

    def balance(self, account: str) -> int:
        found = self.client.get_item(
            TableName=self.accounts, Key={"id": {"S": account}}, ConsistentRead=True
        )
        return int(found.get("Item", {}).get("balance", {}).get("N", 0))


@pytest.fixture
def bank(local: DynamoDBLocal) -> Bank:
    return Bank(local)


def test_the_writes_are_made_once_and_their_result_is_given_to_all(bank: Bank) -> None:
    for amount in (3, 4, 5):
        assert bank.once().run("invoice/17", bank.charge("x", amount)) == {"amount": 3}
    assert bank.balance("x") == 3
    assert bank.once().run("invoice/18", bank.charge("x", 4)) == {"amount": 4}
    assert bank.balance("x") == 7


@pytest.mark.parametrize("server", ["with-token", "without-token"])
def test_a_refused_act_tells_its_own_record_from_anothers(
    bank: Bank, proxy: FaultProxy, hook: Hook, server: str
) -> None:
    """The reply is lost and boto3 repeats the request; the server may not remember its token."""
    if server == "without-token":
        hook.forget_tokens = True
        host, port = hook.endpoint.removeprefix("http://").split(":")
        proxy.target = (host, int(port))
    trap = proxy.on_request(b"TransactWriteItems", "lose_reply")
    once = bank.once(f"http://{proxy.hostport}")
    assert once.run("k", bank.charge("x", 3)) == {"amount": 3}
    assert trap.fired == 1
    assert bank.balance("x") == 3
    assert bank.once().run("k", bank.charge("x", 9)) == {"amount": 3}
    assert bank.balance("x") == 3


def test_whoever_was_slower_has_the_result_of_the_other(bank: Bank) -> None:
    """Both have looked and found nothing; the record's condition decides."""
    slower = bank.once()

    def collect(writes: ActWrites) -> dict[str, int]:
        bank.once().run("k", bank.charge("x", 3))
        return bank.charge("x", 5)(writes)

    assert slower.run("k", collect) == {"amount": 3}
    assert bank.balance("x") == 3


def test_of_many_at_once_one_is_applied(bank: Bank) -> None:
    results: list[object] = []

    def work(amount: int) -> None:
        once = bank.once(bank.server.endpoint)
        results.extend(once.run(f"k{n}", bank.charge("x", amount))["amount"] for n in range(5))

    threads = [threading.Thread(target=work, args=(amount,)) for amount in (1, 10, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 15
    won = [bank.once().run(f"k{n}", bank.charge("x"))["amount"] for n in range(5)]
    assert bank.balance("x") == sum(won)
    assert sorted(results, key=str) == sorted(won * 3, key=str)


def test_a_condition_of_the_writes_that_is_not_met_leaves_nothing(bank: Bank) -> None:
    def collect(writes: ActWrites) -> None:
        bank.charge("x")(writes)
        writes.check(
            TableName=bank.accounts,
            Key={"id": {"S": "y"}},
            ConditionExpression="attribute_exists(id)",
        )

    with pytest.raises(ClientError) as caught:
        bank.once().run("k", collect)
    codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert codes == ["None", "None", "ConditionalCheckFailed"]
    assert bank.balance("x") == 0
    assert bank.once().run("k", bank.charge("x")) == {"amount": 1}


def test_another_payload_is_refused(bank: Bank) -> None:
    once = bank.once()
    once.run("k", bank.charge("x"), payload={"a": 1, "b": 2})
    with pytest.raises(PayloadMismatch):
        once.run("k", bank.charge("x"), payload={"a": 2})
    assert once.run("k", bank.charge("x"), payload={"b": 2, "a": 1}) == {"amount": 1}
    assert bank.balance("x") == 1


def test_what_cannot_be_is_refused_and_nothing_is_written(bank: Bank) -> None:
    once = bank.once()
    with pytest.raises(ConfigError, match="key"):
        once.run("", bank.charge("x"))
    with pytest.raises(UsageError, match="no JSON"):
        once.run("k", lambda writes: (bank.charge("x")(writes), object()))
    with pytest.raises(UsageError, match="nothing was written"):
        once.run("k", lambda writes: bank.charge("x")(writes) and "x" * 300_000)
    with pytest.raises(UsageError, match="more than 99"):
        once.run("k", lambda writes: [bank.charge(str(n))(writes) for n in range(100)])
    with pytest.raises(ConfigError, match="keep_s"):
        DynamoDBOnce(bank.client, keep_s=0)
    assert bank.balance("x") == 0


def test_an_act_survives_a_crash_at_any_step_exactly_once(bank: Bank) -> None:
    outcome = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.integration.dynamodb.once_child",
            bank.server.endpoint,
            bank.accounts,
            bank.register,
        ],
        env={**os.environ, **bank.server.environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    *crashed, whole = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert whole["ended"] == 0
    assert [one["ended"] for one in crashed] == [DIED] * 4
    assert [bank.balance(one["key"]) for one in [*crashed, whole]] == [1] * 5
