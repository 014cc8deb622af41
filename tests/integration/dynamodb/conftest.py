"""One table on DynamoDB Local, handles on it that are closed whatever happens, faults before it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, Shape
from coord.spi import Claimed, ClaimRequest, Held
from coord.testing.proxy import FaultProxy
from coord.testing.servers import DynamoDBLocal
from coord_dynamodb import DynamoDBStore
from coord_dynamodb.session import DynamoDBSession
from coord_dynamodb.url import Target
from tests.integration.dynamodb.hook import Hook, hooked

TABLE = "rules"


class Desk:
    """A group of the test's own, and handles on it."""

    def __init__(self, server: DynamoDBLocal) -> None:
        self.server = server
        self.group = f"g-{secrets.token_hex(4)}"
        self._open: list[DynamoDBStore] = []
        self.client: Any = boto3.client(
            "dynamodb", region_name="us-east-1", endpoint_url=server.endpoint
        )

    def target(self, endpoint: str | None = None, **settings: object) -> Target:
        """Where handles go, by default to the server itself."""
        asked: dict[str, Any] = {
            "table": TABLE,
            "region": "us-east-1",
            "batch": 10,
            "poll_s": 0.1,
            **settings,
        }
        return Target(endpoint=endpoint or self.server.endpoint, **asked)

    def store(
        self, endpoint: str | None = None, *, timeout_s: float = 5.0, **settings: object
    ) -> DynamoDBStore:
        store = DynamoDBStore(self.target(endpoint, **settings), timeout_s=timeout_s)
        self._open.append(store)
        return store

    def member(
        self, store: DynamoDBStore, name: str = "a", *, ttl_s: float = 60.0
    ) -> DynamoDBSession:
        record = MemberRecord(name=name, incarnation=secrets.token_hex(8))
        return store.open_session(self.group, record, ttl_s)

    def role(
        self, store: DynamoDBStore, *, shards: int = 1, name: str = "r"
    ) -> tuple[ClaimKey, ...]:
        made = store.put_role(self.group, RoleRecord(name=name, shape=Shape(shards, 1)))
        return tuple(made.claim_keys())

    def asks(self, store: DynamoDBStore, *keys: ClaimKey) -> list[ClaimRequest]:
        """Requests for keys as a handle sees them now."""
        view = store.view(self.group)
        return [
            ClaimRequest(
                key,
                view.claims[key].token if key in view.claims else 0,
                view.roles[key.role].version,
                Note(member="x"),
            )
            for key in keys
        ]

    def take(
        self, store: DynamoDBStore, session: DynamoDBSession, *keys: ClaimKey
    ) -> list[Claimed | Held]:
        """Claim keys as a handle sees them now, in as many calls as its batches need."""
        asks = self.asks(store, *keys)
        size = store.guarantees.batch_size
        return [
            answer
            for start in range(0, len(asks), size)
            for answer in session.claim(asks[start : start + size])
        ]

    def items(self, prefix: str = "") -> dict[str, dict[str, Any]]:
        """What is stored, by sort key."""
        found = self.client.query(
            TableName=TABLE,
            KeyConditionExpression="pk = :g",
            ExpressionAttributeValues={":g": {"S": self.group}},
            ConsistentRead=True,
        )
        return {
            item["sk"]["S"]: item for item in found["Items"] if item["sk"]["S"].startswith(prefix)
        }

    def close(self) -> None:
        for store in self._open:
            store.close()
        self.client.close()


@pytest.fixture(scope="session")
def local(dynamodb_server: DynamoDBLocal) -> Iterator[DynamoDBLocal]:
    """The server, with credentials in the environment and a table."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dynamodb_server.environment.items():
            patch.setenv(name, value)
        target = Target(table=TABLE, region="us-east-1", endpoint=dynamodb_server.endpoint)
        store = DynamoDBStore(target, timeout_s=30.0)  # the server has just started
        store.init("any")
        store.close()
        yield dynamodb_server


@pytest.fixture
def desk(local: DynamoDBLocal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name, value in local.environment.items():
        monkeypatch.setenv(name, value)
    found = Desk(local)
    yield found
    found.close()


@pytest.fixture
def proxy(local: DynamoDBLocal) -> Iterator[FaultProxy]:
    with FaultProxy((local.members[0].host, local.members[0].port)) as found:
        yield found


@pytest.fixture
def hook(local: DynamoDBLocal) -> Iterator[Hook]:
    with hooked(local.hosts) as found:
        yield found
