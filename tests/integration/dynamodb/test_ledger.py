"""The DynamoDB ledger under a client that repeats requests, and its bill."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from coord.errors import Certainty, StoreConflict, StoreRefused, StoreUnavailable
from coord.tasks.ledger import Finished, Ledger
from coord.tasks.spi import Entry
from coord.testing.proxy import FaultProxy
from coord.testing.servers import DynamoDBLocal
from coord_dynamodb.ledger import DynamoDBLedger
from coord_dynamodb.link import Deadline
from coord_dynamodb.url import Target
from tests.integration.dynamodb.conftest import TABLE

pytestmark = pytest.mark.xdist_group("dynamodb")

KEEP_S = 3600.0


class Place:
    """A group of the test's own, and handles on it."""

    def __init__(self, server: DynamoDBLocal) -> None:
        self._server = server
        self._group = f"g-{secrets.token_hex(4)}"
        self._open: list[DynamoDBLedger] = []

    def ledger(self, endpoint: str = "", *, table: str = TABLE) -> DynamoDBLedger:
        target = Target(
            table=table,
            group=self._group,
            region="us-east-1",
            endpoint=endpoint or self._server.endpoint,
        )
        self._open.append(DynamoDBLedger(target, timeout_s=2.0))
        return self._open[-1]

    def close(self) -> None:
        for ledger in self._open:
            ledger.close()


@pytest.fixture
def place(local: DynamoDBLocal) -> Iterator[Place]:
    found = Place(local)
    yield found
    found.close()


def test_a_repeated_write_finds_its_own_nonce(place: Place, proxy: FaultProxy) -> None:
    """The reply to the first try is lost, the link repeats it, and DynamoDB refuses the second."""
    ledger = place.ledger(f"http://{proxy.hostport}")
    trap = proxy.on_request(b"PutItem", "lose_reply", times=2)
    first = ledger.write("k", b"1", expect=None, keep_s=KEEP_S)
    second = ledger.write("k", b"2", expect=first, keep_s=KEEP_S)
    assert trap.fired == 2
    assert place.ledger().read(["k"]) == {"k": (second, b"2")}
    with pytest.raises(StoreConflict):
        ledger.write("k", b"3", expect=first, keep_s=KEEP_S)


def test_a_repeated_write_that_was_written_over_meanwhile_is_no_conflict(
    place: Place, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first try was applied: to say that nothing was would be a lie."""
    other = place.ledger()
    ledger = place.ledger(f"http://{proxy.hostport}")
    look = ledger._one
    overwritten: list[str] = []

    def look_too_late(key: str, deadline: Deadline) -> Entry | None:
        found = other.read([key])[key]
        assert found.body == b"ours"
        overwritten.append(other.write(key, b"theirs", expect=found.tag, keep_s=KEEP_S))
        return look(key, deadline)

    monkeypatch.setattr(ledger, "_one", look_too_late)
    proxy.on_request(b"PutItem", "lose_reply")
    with pytest.raises(StoreUnavailable) as caught:
        ledger.write("k", b"ours", expect=None, keep_s=KEEP_S)
    assert caught.value.certainty is Certainty.UNKNOWN
    assert other.read(["k"]) == {"k": (overwritten[0], b"theirs")}


def test_a_key_that_is_done_costs_two_reads_and_two_writes_in_all(place: Place) -> None:
    store = place.ledger()
    ledger = Ledger(store)
    assert ledger.once("k", lambda: 1) == 1
    done = store.charged
    assert (done.requests, done.write_units) == (3, 2.0)
    assert done.read_units <= 1.0
    assert ledger.begin("k") == Finished(1, 1)
    again = store.charged
    assert again.requests - done.requests == 1
    assert again.write_units == done.write_units
    ledger.close()


def test_a_table_that_is_not_made_is_named_with_its_cure(place: Place) -> None:
    ledger = place.ledger(table="nowhere-at-all")
    with pytest.raises(StoreRefused, match="coord init"):
        ledger.read(["k"])
    with pytest.raises(StoreRefused, match="coord init"):
        ledger.write("k", b"{}", expect=None, keep_s=KEEP_S)
