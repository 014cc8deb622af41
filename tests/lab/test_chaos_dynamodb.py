"""Throttling and collisions, which DynamoDB Local never answers: as Amazon words them."""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from coord.lab.chaos.faults import CATALOGUE, MEMBERS
from coord.lab.chaos.faults.dynamodb import conflict, throttled
from coord.lab.chaos.refuser import Refuser
from coord.lab.chaos.stage import Stage
from coord.testing.servers import DynamoDBLocal
from tests.lab.store_rounds import Played, play_rounds, setting, strike
from tests.servers import require

pytestmark = pytest.mark.xdist_group("dynamodb")


@contextmanager
def _client(refuser: Refuser) -> Iterator[Any]:
    """boto3 as it comes, but for trying again."""
    host, port = refuser.address
    client = boto3.client(
        "dynamodb",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def refuser(dynamodb_server: DynamoDBLocal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Refuser]:
    for name, value in dynamodb_server.environment.items():
        monkeypatch.setenv(name, value)
    [server] = dynamodb_server.members
    with Refuser((server.host, server.port)) as found:
        yield found


def test_what_is_not_refused_passes(refuser: Refuser) -> None:
    with _client(refuser) as client:
        assert isinstance(client.list_tables()["TableNames"], list)
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            client.describe_table(TableName="nobody-made-it")
    assert refuser.refused == 0


def test_throttling_reaches_boto3_as_amazons_with_its_checksum(refuser: Refuser) -> None:
    with (
        _client(refuser) as client,
        refuser.refusing(throttled),
        pytest.raises(client.exceptions.ProvisionedThroughputExceededException) as caught,
    ):
        client.list_tables()
    head = caught.value.response["ResponseMetadata"]
    assert head["HTTPStatusCode"] == 400
    assert head["RequestId"]
    assert head["HTTPHeaders"]["x-amz-crc32"].isdecimal()
    assert refuser.refused == 1
    with _client(refuser) as client:
        client.list_tables()


def test_a_collision_reaches_boto3_with_a_reason_for_each_item(refuser: Refuser) -> None:
    put = {"Put": {"TableName": "leases", "Item": {"pk": {"S": "x"}}}}
    with _client(refuser) as client, refuser.refusing(conflict):
        with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
            client.transact_write_items(TransactItems=[put, put])
        reasons = caught.value.response["CancellationReasons"]
        assert [reason["Code"] for reason in reasons] == ["TransactionConflict", "None"]
        assert "[TransactionConflict, None]" in str(caught.value)
        with pytest.raises(client.exceptions.TransactionConflictException):
            client.delete_item(TableName="leases", Key={"pk": {"S": "x"}})
        client.list_tables()
    assert refuser.refused == 2


def test_the_checksum_is_that_of_the_body(refuser: Refuser) -> None:
    host, port = refuser.address
    connection = http.client.HTTPConnection(host, port, timeout=5.0)
    with refuser.refusing(throttled):
        connection.request("POST", "/", b"{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"})
        answer = connection.getresponse()
        body = answer.read()
    connection.close()
    assert int(answer.headers["x-amz-crc32"]) == zlib.crc32(body)


@pytest.mark.parametrize("name", ["throttle", "conflicts"])
def test_only_dynamodb_does_that_and_each_member_needs_a_way_of_its_own(name: str) -> None:
    kind = CATALOGUE[name]
    assert kind.targets == MEMBERS
    assert kind.linked
    assert kind.unfit(setting("dynamodb", servers=1)) is None
    assert "etcd has no throughput" in (kind.unfit(setting("etcd")) or "")


# --- played ----------------------------------------------------------------------------------


def _play(folder: Path, name: str, target: str, share: float) -> tuple[Played, dict[str, int]]:
    """And how many requests of each member were refused."""
    require("dynamodb")
    refused: dict[str, int] = {}

    def count(stage: Stage) -> None:
        assert stage.ground.links is not None
        for member in stage.fleet.members:
            refused[member] = sum(one.refused for one in stage.ground.links.refusers(member))

    plan = strike(name, target, lasts="4s", share=share)
    return play_rounds(folder, "dynamodb", plan, hook=count), refused


def test_a_leader_that_is_throttled_throughout_is_followed(tmp_path: Path) -> None:
    played, refused = _play(tmp_path, "throttle", "leader", 1.0)
    played.check()
    [fault] = played.faults("throttle")
    struck = fault.target.member
    assert refused.pop(struck) > 5
    assert set(refused.values()) == {0}, "it is done to the struck alone"
    [lost] = played.results[0].failovers
    assert lost.fault.target.member == struck
    assert played.split_s == 0


def test_half_of_all_requests_throttled_breaks_nothing(tmp_path: Path) -> None:
    played, refused = _play(tmp_path, "throttle", "all", 0.5)
    played.check()
    assert min(refused.values()) > 5
    assert played.split_s == 0


@pytest.mark.soak  # CI has the cell of the matrix
def test_half_of_a_leaders_writes_colliding_breaks_nothing(tmp_path: Path) -> None:
    played, refused = _play(tmp_path, "conflicts", "leader", 0.5)
    played.check()
    assert sum(refused.values()) > 2
    assert played.split_s == 0
