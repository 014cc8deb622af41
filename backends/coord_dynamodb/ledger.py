"""The ledger's records in the table that `coord init` makes: `coord.tasks.spi.LedgerStore`.

Owns the items and the conditions of their writing. How requests are made, repeated and judged is
`link`'s. Each record has a partition of its own (`group#l#key`), so that no throughput is shared:

| attribute | |
|---|---|
| `pk`, `sk` | `group#l#key`, `l#` |
| `req` | a nonce, drawn for each write |
| `body` | the record |
| `expires` | when DynamoDB may delete it: seconds since 1970 |

Rules and their reasons:

- A tag is a nonce of 96 bits: it needs no counter that a deletion would set back.
- The link repeats requests. A repeated write that finds its own nonce stored was applied by its
  first try. One that was in doubt and finds another nonce is not called a conflict: the first try
  may have been applied and written over since
  (`test_a_repeated_write_finds_its_own_nonce`).
- A record whose `expires` has passed and that is still there reads as it is. DynamoDB deletes late,
  by days; to skip it here would let the reader's wall clock decide whether work is done again. So
  `keep_s` is the least time, and only the clock of whoever wrote, and Amazon's, end it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import InternalError, StoreConflict, StoreUnavailable
from coord.model import checked_name
from coord.spi import Probe
from coord.tasks.spi import (
    Entry,
    LedgerGuarantees,
    checked_body,
    checked_keep,
    checked_key,
)
from coord_dynamodb import probe
from coord_dynamodb.failures import ConditionFailed
from coord_dynamodb.items import Item
from coord_dynamodb.link import Charged, Deadline, Link, clients_of
from coord_dynamodb.table import EXPIRES, Table
from coord_dynamodb.url import Target, parsed

__all__ = ["SORT_KEY", "DynamoDBLedger"]

GUARANTEES = LedgerGuarantees(kind="dynamodb", shares_transaction=True)
SORT_KEY = "l#"

_BATCH_GET = 100
_NONCE_BYTES = 12


class DynamoDBLedger:
    """Records in one table, in one group. Any thread of the process that opened it.

    Opening makes no request; it asks boto3 for region and credentials, and raises `ConfigError`
    where there are none. `timeout_s` bounds each later call.
    """

    def __init__(
        self, target: Target, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 1.0
    ) -> None:
        self._target = target
        self._prefix = f"{checked_name('group', target.group)}#l#"
        self._maker = clients_of(target, timeout_s=timeout_s)
        self._link = Link(self._maker, target, clock=clock, timeout_s=timeout_s)
        self._table = Table(self._link)

    @classmethod
    def from_url(cls, url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> DynamoDBLedger:
        """Open `dynamodb://table/group?region=…&endpoint=…`. Raises `ConfigError`."""
        return cls(parsed(url), clock=clock, timeout_s=timeout_s)

    @property
    def guarantees(self) -> LedgerGuarantees:
        """What this store declares about itself."""
        return GUARANTEES

    @property
    def charged(self) -> Charged:
        """What this handle has asked and was charged so far, as the server reports it."""
        return self._link.charged

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """The records of those keys that have one, strongly: a request for 100 keys."""
        wanted = list(dict.fromkeys(checked_key(key) for key in keys))
        deadline = self._link.deadline()
        if len(wanted) == 1:
            entry = self._one(wanted[0], deadline)
            return {} if entry is None else {wanted[0]: entry}
        found: dict[str, Entry] = {}
        for start in range(0, len(wanted), _BATCH_GET):
            asked = [self._key(key) for key in wanted[start : start + _BATCH_GET]]
            while asked:
                request = {self._link.table: {"Keys": asked, "ConsistentRead": True}}
                answer = self._call("batch_get_item", deadline, RequestItems=request)
                for item in answer.get("Responses", {}).get(self._link.table, ()):
                    found[item["pk"]["S"].removeprefix(self._prefix)] = _entry(item)
                left = answer.get("UnprocessedKeys", {}).get(self._link.table, {})
                asked = left.get("Keys", [])
        return found

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        """Write one record if its tag is still `expect`. One request, if nobody is in the way."""
        checked_body(checked_key(key), body, GUARANTEES)
        tag = secrets.token_hex(_NONCE_BYTES)
        item = {
            **self._key(key),
            "req": {"S": tag},
            "body": {"B": body},
            EXPIRES: {"N": str(_expires_s(checked_keep(keep_s)))},
        }
        asked: dict[str, Any] = {"TableName": self._link.table, "Item": item}
        if expect is None:
            asked["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            asked["ConditionExpression"] = "req = :expected"
            asked["ExpressionAttributeValues"] = {":expected": {"S": expect}}
        deadline = self._link.deadline()
        try:
            self._call("put_item", deadline, **asked)
        except ConditionFailed as refusal:
            if refusal.doubtful:
                self._check_ours(key, tag, deadline)
            else:
                raise StoreConflict(
                    f"the record of {key!r} is not at {expect} any more",
                    cure="Read it again and decide anew.",
                ) from None
        return tag

    def probe(self) -> list[Probe]:
        """The table, its capacity, rights and limits, and the round trips."""
        found = probe.findings(self._link, self._link, self._maker, self._target)
        return [one for one in found if one.name != "heartbeat client"]  # there is one client

    def close(self) -> None:
        """Close connections. Idempotent."""
        self._link.close()

    def _check_ours(self, key: str, tag: str, deadline: Deadline) -> None:
        """Raise unless our own nonce is stored: then an earlier try was applied."""
        try:
            entry = self._one(key, deadline)
        except StoreUnavailable:
            entry = None
        if entry is None or entry.tag != tag:
            raise StoreUnavailable(
                f"a write of {key!r} had no answer at first, and found another record when it was "
                "repeated",
                cure="Read the record: what stands there now was written since.",
            )

    def _one(self, key: str, deadline: Deadline) -> Entry | None:
        answer = self._call(
            "get_item",
            deadline,
            TableName=self._link.table,
            Key=self._key(key),
            ConsistentRead=True,
        )
        item = answer.get("Item")
        return _entry(item) if item else None

    def _call(self, operation: str, deadline: Deadline, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        try:
            return self._link.call(operation, deadline, **asked)
        except InternalError as error:
            raise self._table.explained(error, self._link.deadline()) from None

    def _key(self, key: str) -> Item:
        return {"pk": {"S": f"{self._prefix}{key}"}, "sk": {"S": SORT_KEY}}


def _entry(item: Item) -> Entry:
    return Entry(item["req"]["S"], bytes(item["body"]["B"]))


def _expires_s(keep_s: float) -> int:
    """Rounded up: DynamoDB knows whole seconds."""
    now_s = time.time()  # noqa: TID251  garbage only; nothing is decided by it
    return int(now_s + keep_s) + 1
