"""`DynamoDBFence`: a superseded leader's writes are refused, whatever it still believes."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

from coord.errors import ConfigError, Fenced, LeadershipLost, UsageError
from coord.model import ClaimKey
from coord.testing import fake_term
from coord.testing.proxy import FaultProxy
from coord.testing.servers import DynamoDBLocal
from coord_dynamodb import DynamoDBFence
from tests.integration.dynamodb.hook import Hook

pytestmark = pytest.mark.xdist_group("dynamodb")


@dataclass(frozen=True)
class Tenure:
    """What a fence needs of a term; `fake_term` is the real thing, and used below as well."""

    key: ClaimKey
    token: int

    def check(self) -> None:
        """It stands."""


def tenure(token: int, *, generation: int = 1, shard: int = 0, seat: int = 0) -> Tenure:
    return Tenure(ClaimKey("reaper", generation, shard, seat), token)


class Bench:
    """A table of users', a register, and what is written."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.client = self.connect(endpoint)
        self.items, self.register = f"items-{secrets.token_hex(3)}", f"f-{secrets.token_hex(3)}"
        self.client.create_table(
            TableName=self.items,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        )
        for _ in range(2):
            DynamoDBFence.create_table(self.client, table=self.register)

    @staticmethod
    def connect(endpoint: str, **settings: object) -> Any:  # noqa: ANN401  a client of boto3
        config = Config(read_timeout=5, **settings)
        return boto3.client(
            "dynamodb", region_name="us-east-1", endpoint_url=endpoint, config=config
        )

    def act(self, term: Any, row: int, value: str, *, client: Any = None) -> None:  # noqa: ANN401
        with DynamoDBFence(term, client or self.client, table=self.register) as writes:
            writes.put(TableName=self.items, Item={"id": {"N": str(row)}, "v": {"S": value}})

    def value(self, row: int) -> str | None:
        found = self.client.get_item(
            TableName=self.items, Key={"id": {"N": str(row)}}, ConsistentRead=True
        )
        value: str | None = found.get("Item", {}).get("v", {}).get("S")
        return value


@pytest.fixture
def bench(dynamodb_server: DynamoDBLocal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name, value in dynamodb_server.environment.items():
        monkeypatch.setenv(name, value)
    found = Bench(dynamodb_server.endpoint)
    yield found
    found.client.close()


def test_a_stale_token_is_refused_and_a_newer_one_accepted(bench: Bench) -> None:
    bench.act(tenure(5), 1, "first")
    bench.act(tenure(5), 1, "again")
    bench.act(tenure(9), 1, "successor")
    with pytest.raises(Fenced, match="token 9 has acted already"):
        bench.act(tenure(5), 1, "stale")
    with pytest.raises(Fenced):
        bench.act(tenure(8), 2, "stale, elsewhere")
    assert bench.value(1) == "successor"
    assert bench.value(2) is None
    bench.act(tenure(9), 1, "still leading")
    assert bench.value(1) == "still leading"


def test_a_newer_generation_closes_every_shard_of_the_older(bench: Bench) -> None:
    for shard in range(3):
        bench.act(tenure(90 + shard, shard=shard), shard, "one")
    bench.act(tenure(5, generation=2, shard=7), 0, "two")
    for shard in (0, 1, 2, 7, 8):
        with pytest.raises(Fenced, match="generation 2"):
            bench.act(tenure(1000, shard=shard), 0, "stale")
    assert bench.value(0) == "two"
    bench.act(tenure(4, generation=2, shard=1), 1, "two")
    assert bench.value(1) == "two"


def test_shards_and_seats_are_fenced_apart(bench: Bench) -> None:
    bench.act(tenure(9, shard=0), 1, "a")
    bench.act(tenure(3, shard=1), 2, "b")
    bench.act(tenure(2, shard=0, seat=1), 3, "c")
    bench.act(tenure(9, shard=0), 1, "d")
    assert [bench.value(row) for row in (1, 2, 3)] == ["d", "b", "c"]


def test_registers_of_resources_and_roles_are_apart(bench: Bench) -> None:
    bench.act(tenure(9), 1, "a")
    other = Tenure(ClaimKey("other", 1, 0, 0), 1)
    bench.act(other, 2, "b")
    with DynamoDBFence(tenure(1), bench.client, table=bench.register, resource="two") as writes:
        writes.put(TableName=bench.items, Item={"id": {"N": "3"}, "v": {"S": "c"}})
    assert [bench.value(row) for row in (1, 2, 3)] == ["a", "b", "c"]


def test_all_kinds_of_writes_are_one_transaction(bench: Bench) -> None:
    bench.act(tenure(5), 1, "one")
    bench.act(tenure(5), 2, "two")
    key = {"id": {"N": "2"}}
    with DynamoDBFence(tenure(5), bench.client, table=bench.register) as writes:
        writes.delete(TableName=bench.items, Key={"id": {"N": "1"}})
        writes.update(
            TableName=bench.items,
            Key=key,
            UpdateExpression="SET v = :v",
            ExpressionAttributeValues={":v": {"S": "changed"}},
        )
        writes.check(
            TableName=bench.items,
            Key={"id": {"N": "3"}},
            ConditionExpression="attribute_not_exists(id)",
        )
    assert (bench.value(1), bench.value(2)) == (None, "changed")


def test_a_condition_of_the_user_is_reported_as_botocore_does(bench: Bench) -> None:
    bench.act(tenure(5), 1, "one")
    fence = DynamoDBFence(tenure(5), bench.client, table=bench.register)
    with pytest.raises(bench.client.exceptions.TransactionCanceledException), fence as writes:
        writes.put(
            TableName=bench.items,
            Item={"id": {"N": "1"}, "v": {"S": "twice"}},
            ConditionExpression="attribute_not_exists(id)",
        )
    assert bench.value(1) == "one"


def test_a_block_that_raises_or_writes_nothing_sends_nothing(bench: Bench) -> None:
    fence = DynamoDBFence(tenure(5), bench.client, table=bench.register)
    with pytest.raises(OSError, match="no"), fence as writes:  # noqa: PT012
        writes.put(TableName=bench.items, Item={"id": {"N": "1"}})
        raise OSError("no")
    with fence:
        pass
    assert bench.value(1) is None
    assert bench.client.scan(TableName=bench.register)["Items"] == []


def test_a_term_that_is_over_writes_nothing(bench: Bench) -> None:
    term = fake_term("reaper")
    bench.act(term, 1, "mine")
    fence = DynamoDBFence(term, bench.client, table=bench.register)
    with pytest.raises(LeadershipLost), fence as writes:  # noqa: PT012
        writes.put(TableName=bench.items, Item={"id": {"N": "2"}})
        term.clock.advance(1000.0)
    with pytest.raises(LeadershipLost):
        bench.act(term, 3, "late")
    assert [bench.value(row) for row in (1, 2, 3)] == ["mine", None, None]


def test_a_write_whose_answer_was_lost_is_done_once(bench: Bench, proxy: FaultProxy) -> None:
    client = bench.connect(f"http://{proxy.hostport}")
    bench.act(tenure(5), 1, "first", client=client)
    trap = proxy.on_request(b"TransactWriteItems", "lose_reply")
    with DynamoDBFence(tenure(5), client, table=bench.register) as writes:
        writes.update(
            TableName=bench.items,
            Key={"id": {"N": "1"}},
            UpdateExpression="ADD times :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    client.close()
    assert trap.fired == 1
    item = bench.client.get_item(TableName=bench.items, Key={"id": {"N": "1"}})["Item"]
    assert item["times"]["N"] == "1", "what boto3 sent again was known to the server"


def test_a_late_write_of_a_superseded_leader_lands_nowhere(bench: Bench, proxy: FaultProxy) -> None:
    """The case that guards are for: held on its way, behind the successor's first act."""
    client = bench.connect(f"http://{proxy.hostport}", retries={"total_max_attempts": 1})
    bench.act(tenure(5), 1, "old", client=client)
    failed: list[BaseException] = []

    def late() -> None:
        try:
            bench.act(tenure(5), 1, "late", client=client)
        except Exception as error:  # noqa: BLE001  kept for the main thread
            failed.append(error)

    trap = proxy.on_request(b"TransactWriteItems", "hold")
    thread = threading.Thread(target=late)
    thread.start()
    assert trap.wait(10.0)
    bench.act(tenure(9), 1, "new")
    proxy.requests.mend()
    thread.join(20.0)
    client.close()
    assert [type(error) for error in failed] == [Fenced]
    assert bench.value(1) == "new"


def test_collisions_are_repeated(bench: Bench, hook: Hook) -> None:
    client = bench.connect(hook.endpoint, retries={"total_max_attempts": 1})
    bench.act(tenure(5), 1, "first")
    hook.collide(times=3)
    bench.act(tenure(5), 1, "second", client=client)
    client.close()
    assert bench.value(1) == "second"


def test_leaders_of_many_shards_open_a_generation_at_once(bench: Bench) -> None:
    for shard in range(6):
        bench.act(tenure(50 + shard, shard=shard), shard, "one")
    failed: list[BaseException] = []

    def open_it(shard: int) -> None:
        try:
            bench.act(tenure(7, generation=2, shard=shard), shard, "two")
        except Exception as error:  # noqa: BLE001  kept for the main thread
            failed.append(error)

    threads = [threading.Thread(target=open_it, args=(shard,)) for shard in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert failed == []
    assert [bench.value(shard) for shard in range(6)] == ["two"] * 6


class Late:
    """A client whose transaction that makes an item shows that item late, as Amazon's may."""

    def __init__(self, client: Any, between: Callable[[], None]) -> None:  # noqa: ANN401
        self._client = client
        self._between = between

    def transact_write_items(self, **asked: Any) -> Any:  # noqa: ANN401
        made = asked["TransactItems"][-1].get("Update")
        if made is None:
            return self._client.transact_write_items(**asked)
        self._between()
        return self._client.update_item(**made)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._client, name)


def test_an_item_that_shows_late_lets_no_older_generation_act(bench: Bench) -> None:
    """Whoever raised the gate has listed the items meanwhile, and not found it."""
    bench.act(tenure(10, shard=1), 1, "opened")

    def supersede() -> None:
        bench.act(tenure(100, generation=2, shard=1), 1, "newer")

    with pytest.raises(Fenced):
        bench.act(tenure(11), 2, "older", client=Late(bench.client, supersede))
    assert bench.value(2) is None
    with pytest.raises(Fenced):
        bench.act(tenure(11), 2, "older")
    bench.act(tenure(101, generation=2), 2, "newer")
    assert bench.value(2) == "newer"


def test_wrong_use_is_told(bench: Bench) -> None:
    fence = DynamoDBFence(tenure(5), bench.client, table=bench.register)
    with fence, pytest.raises(UsageError, match="in use"):
        fence.__enter__()
    with pytest.raises(UsageError, match="not entered"):
        fence.__exit__(None, None, None)
    with pytest.raises(ConfigError):
        DynamoDBFence(tenure(0), bench.client)
    with pytest.raises(UsageError, match="more than 99"), fence as writes:  # noqa: PT012
        for row in range(100):
            writes.put(TableName=bench.items, Item={"id": {"N": str(row)}})
