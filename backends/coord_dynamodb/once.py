"""`DynamoDBOnce`: writes to DynamoDB that are there once, with the record of them.

Owns the record's item, and the order of steps. Knows no clock, no lease and no store: where effect
and record are one transaction, nothing needs any.

An act is one transaction: the record, put if there is none, and the writes. So of two that act on
one key at once, one is applied. The record bears a nonce of the act, which tells the rest:

- The transaction was refused, and the record shows our nonce: boto3 has repeated the request and
  the first was applied. (DynamoDB knows a repeated request by its token for ten minutes; the nonce
  tells for ever.)
- It shows another: somebody else has done it. Their result is ours
  (`test_a_refused_act_tells_its_own_record_from_anothers`).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from coord.errors import ConfigError, PayloadMismatch
from coord.tasks.payloads import digest, result_text
from coord.tasks.spi import checked_body, checked_key
from coord_dynamodb.acts import (
    ActWrites,
    Client,
    code_of,
    collided,
    make_table,
    pause,
    reasons_of,
)
from coord_dynamodb.ledger import GUARANTEES

__all__ = ["DynamoDBOnce"]

_TRIES = 8
_SORT_KEY = "once#"
_Item = Mapping[str, Any]


class DynamoDBOnce:
    """Writes to DynamoDB, made once for each key, with a result.

        once = DynamoDBOnce(boto3.client("dynamodb"))

        def charge(writes):
            writes.update(TableName="accounts", Key=…, UpdateExpression="ADD balance :n", …)
            return {"amount": 3}

        result = once.run("invoice/17", charge, payload={"amount": 3})

    Guarantees: the writes that `charge` collects are applied exactly once for a key, all of them or
    none, however often and by however many it is called; its result (JSON) is the same for all.
    `charge` itself may be called more than once, and must do nothing but collect.

    What it does not do: effects elsewhere are not part of it, and nothing that was read before is
    checked but by a `ConditionExpression` of the writes. A leader that was replaced is not refused:
    add a check of your own, or use `DynamoDBFence`.

    Costs a strong read, and two write units for the record; transactions double those of the
    writes. `client` is a client of boto3, not `resource.meta.client`. `table` has the keys `pk` and
    `sk`, both strings (`create_table` makes it; the table of `coord init` will do), and lies in the
    account and region of the items that are written. Records are kept for `keep_s`, if the table
    lets the attribute `expires` end items, else for ever.
    """

    def __init__(
        self, client: Client, *, table: str = "coord_once", keep_s: float = 30 * 86_400.0
    ) -> None:
        if not 0 < keep_s < float("inf"):
            raise ConfigError(f"keep_s is {keep_s}", cure="It is a number above 0.")
        self._client = client
        self._table = table
        self._keep_s = keep_s

    @staticmethod
    def create_table(client: Client, *, table: str = "coord_once") -> None:
        """Have the table made, on demand, unless it exists. It takes some seconds to be ready.

        Raises botocore's errors (missing rights).
        """
        make_table(client, table)

    def run(self, key: str, fn: Callable[[ActWrites], object], *, payload: object = None) -> Any:  # noqa: ANN401  whatever JSON holds
        """Make the writes that `fn(writes)` collects, unless they were made under `key`; the
        result.

        Raises, with nothing written: PayloadMismatch (the key was used for another payload),
        ConfigError and UsageError (a key, a result that is no JSON or too large), what `fn` raises,
        and botocore's errors as they come; a TransactionCanceledException for a condition of the
        writes has the record's as its first reason. After a timeout the outcome is unknown: call it
        again, and it is told or done.
        """
        checked_key(key)
        named = digest(payload)
        found = self._read(key)
        if found is not None:
            return _told(key, found, named)
        writes = ActWrites()
        text = result_text(key, fn(writes))
        checked_body(key, text.encode(), GUARANTEES)
        return self._act(key, named, text, writes.actions)

    def _act(self, key: str, named: str, text: str, actions: list[dict[str, Any]]) -> Any:  # noqa: ANN401
        nonce, token = secrets.token_hex(16), secrets.token_hex(16)
        record = {
            **self._key(key),
            "req": {"S": nonce},
            **({"named": {"S": named}} if named else {}),
            "outcome": {"S": text},
            "expires": {"N": str(_wall_s() + int(self._keep_s) + 1)},
        }
        put = {
            "TableName": self._table,
            "Item": record,
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        for turn in range(_TRIES):
            try:
                self._client.transact_write_items(
                    TransactItems=[{"Put": put}, *actions], ClientRequestToken=token
                )
                break
            except Exception as error:
                reasons = reasons_of(error)
                if reasons and reasons[0].get("Code") == "ConditionalCheckFailed":
                    return self._refused(key, named, nonce, text, error)
                repeated = code_of(error) == "TransactionInProgressException"
                if not (collided(error) or repeated) or turn == _TRIES - 1:
                    raise
                pause(turn)
        return json.loads(text)

    def _refused(self, key: str, named: str, nonce: str, text: str, error: Exception) -> Any:  # noqa: ANN401
        found = self._read(key)
        if found is None:  # it expired this very moment
            raise error
        return json.loads(text) if found["req"]["S"] == nonce else _told(key, found, named)

    def _read(self, key: str) -> _Item | None:
        found = self._client.get_item(
            TableName=self._table, Key=self._key(key), ConsistentRead=True
        )
        item: _Item | None = found.get("Item")
        return item

    def _key(self, key: str) -> _Item:
        return {"pk": {"S": f"once#{key}"}, "sk": {"S": _SORT_KEY}}


def _told(key: str, item: _Item, named: str) -> Any:  # noqa: ANN401
    before = item.get("named", {}).get("S", "")
    if named and before and named != before:
        raise PayloadMismatch(
            f"{key!r} was done for another payload; nothing was written",
            cure="Put what differs into the key, or send the same payload.",
        )
    return json.loads(item["outcome"]["S"])


def _wall_s() -> int:
    return int(time.time())  # noqa: TID251  garbage only; nothing is decided by it
