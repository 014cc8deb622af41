"""`coord init` and `coord doctor` for DynamoDB: the table, its limits, and what is said of them."""

from __future__ import annotations

import secrets
import threading

import pytest

from coord.spi import Claimed, Initializable
from tests.integration.dynamodb.conftest import Desk
from tests.integration.dynamodb.hook import Hook

pytestmark = pytest.mark.xdist_group("dynamodb")


@pytest.fixture
def table() -> str:
    return f"made-{secrets.token_hex(3)}"


def test_init_makes_the_table_and_may_be_repeated(desk: Desk, table: str) -> None:
    store = desk.store(table=table)
    assert isinstance(store, Initializable)
    first, second = store.init(desk.group), store.init(desk.group)
    assert "was made" in first[0].value
    assert "there already" in second[0].value
    assert all(finding.ok for finding in [*first, *second])
    described = desk.client.describe_table(TableName=table)["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    expiry = desk.client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "expires")
    desk.member(store)


def test_init_makes_a_table_of_provisioned_capacity(desk: Desk, table: str) -> None:
    store = desk.store(table=table, provisioned=(7, 9))
    store.init(desk.group)
    units = desk.client.describe_table(TableName=table)["Table"]["ProvisionedThroughput"]
    assert (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) == (7, 9)
    [key] = desk.role(store)
    assert isinstance(desk.take(store, desk.member(store), key)[0], Claimed)
    found = {finding.name: finding.value for finding in store.probe(desk.group)}
    assert "7 read, 9 write" in found["table"]


def test_two_who_init_at_once_both_find_a_table(desk: Desk, table: str) -> None:
    stores = [desk.store(table=table) for _ in range(2)]
    found: list[bool] = []

    def run(n: int) -> None:
        found.append(all(finding.ok for finding in stores[n].init(desk.group)))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert found == [True, True]


def test_doctor_tells_how_many_items_a_transaction_may_have(desk: Desk) -> None:
    before = desk.items()
    found = {finding.name: finding for finding in desk.store(batch=100).probe(desk.group)}
    assert "of up to 10 items" in found["transactions"].value
    assert "batch=100" in found["transactions"].value
    found = {finding.name: finding for finding in desk.store(batch=10).probe(desk.group)}
    assert found["transactions"].value == "of up to 10 items"
    assert desk.items() == before, "asking changes nothing"


def test_doctor_shows_way_table_and_round_trips(desk: Desk) -> None:
    found = {finding.name: finding for finding in desk.store().probe(desk.group)}
    assert found["access"].value.startswith(desk.server.endpoint)
    assert "us-east-1" in found["access"].value
    assert "env" in found["access"].value, "where the credentials are from"
    assert "ACTIVE" in found["table"].value
    assert "ms" in found["round trip"].value
    assert "tokens raise" in found["backups"].value
    assert found["clocks"].ok


def test_doctor_says_what_it_may_not_ask(desk: Desk, hook: Hook) -> None:
    message = "User: x is not authorized to perform: dynamodb:DescribeTimeToLive on y"
    hook.refuse("DescribeTimeToLive", "AccessDeniedException", times=None, message=message)
    found = {finding.name: finding for finding in desk.store(hook.endpoint).probe(desk.group)}
    assert not found["expiry of garbage"].ok
    assert "dynamodb:DescribeTimeToLive" in found["expiry of garbage"].cure
    assert found["round trip"].ok


def test_a_limit_that_the_server_names_is_kept_to(desk: Desk, hook: Hook) -> None:
    """One refusal, which has changed nothing; then transactions of the size that it named."""
    store = desk.store(hook.endpoint, batch=100)
    assert store.guarantees.batch_size == 98
    keys = desk.role(store, shards=90)
    session = desk.member(store)
    hook.forget()
    answers = desk.take(store, session, *keys)
    assert all(isinstance(answer, Claimed) for answer in answers)
    sizes = [len(asked["TransactItems"]) for op, asked in hook.asked if op == "TransactWriteItems"]
    assert sizes == [92, *[10] * 11, 4], "90 claims, eight at a time"
    view = desk.store().view(desk.group)
    assert len(view.by_session[session.id]) == 90
