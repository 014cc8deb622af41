"""One group's items as requests: actions of transactions, single writes, strong reads.

Owns the words of DynamoDB's protocol. Knows no rule: callers say what to change on which condition.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from coord_dynamodb.items import Item
from coord_dynamodb.link import Deadline, Link

__all__ = ["Action", "Group"]

Action = Mapping[str, Any]
"""One action of a transaction."""

Values = Mapping[str, Item]

_BATCH_GET = 100


class Group(NamedTuple):
    """A group, and the client through which it is asked. Any thread."""

    link: Link
    name: str

    def key(self, sk: str) -> Item:
        """The whole key of an item."""
        return {"pk": {"S": self.name}, "sk": {"S": sk}}

    # ------------------------------------------------------------------------------- actions

    def update(self, sk: str, change: str, *, values: Values, when: str = "") -> Action:
        """Change an item, if it meets the condition."""
        asked = {"UpdateExpression": change, "ExpressionAttributeValues": values}
        return {"Update": {"Key": self.key(sk), **asked, **self._when(when)}}

    def put(self, sk: str, item: Item, *, when: str = "", values: Values | None = None) -> Action:
        """Write a whole item, if what is there meets the condition."""
        asked = {"ExpressionAttributeValues": values} if values else {}
        return {"Put": {"Item": {**self.key(sk), **item}, **asked, **self._when(when)}}

    def delete(self, sk: str, *, when: str = "", values: Values | None = None) -> Action:
        """Delete an item, if it meets the condition."""
        asked = {"ExpressionAttributeValues": values} if values else {}
        return {"Delete": {"Key": self.key(sk), **asked, **self._when(when)}}

    def check(self, sk: str, *, when: str, values: Values) -> Action:
        """Change nothing, and refuse the transaction if the item does not meet the condition."""
        asked = {"Key": self.key(sk), "ExpressionAttributeValues": values}
        return {"ConditionCheck": {**asked, **self._when(when)}}

    def _when(self, condition: str) -> Mapping[str, str]:
        if not condition:
            return {"TableName": self.link.table}
        return {
            "TableName": self.link.table,
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    # ------------------------------------------------------------------------------ requests

    def transact(self, actions: Sequence[Action], deadline: Deadline) -> None:
        """All of it or nothing. Raises Cancelled, TooMany, and what `Link.call` does."""
        token = secrets.token_hex(16)
        self.link.call(
            "transact_write_items", deadline, TransactItems=actions, ClientRequestToken=token
        )

    def write(self, action: Action, deadline: Deadline) -> None:
        """One action by itself, at half the price. Raises ConditionFailed."""
        [(kind, asked)] = action.items()
        operation = {"Update": "update_item", "Put": "put_item", "Delete": "delete_item"}[kind]
        alone = {k: v for k, v in asked.items() if k != "ReturnValuesOnConditionCheckFailure"}
        self.link.call(operation, deadline, **alone)

    def read(self, sk: str, deadline: Deadline) -> Item:
        """One item, strongly; empty if there is none."""
        found = self.link.call(
            "get_item",
            deadline,
            TableName=self.link.table,
            Key=self.key(sk),
            ConsistentRead=True,
        )
        item: Item = found.get("Item") or {}
        return item

    def read_all(self, sks: Sequence[str], deadline: Deadline) -> dict[str, Item]:
        """Those of some items that exist, strongly."""
        out: dict[str, Item] = {}
        for start in range(0, len(sks), _BATCH_GET):
            keys = [self.key(sk) for sk in sks[start : start + _BATCH_GET]]
            while keys:
                asked = {self.link.table: {"Keys": keys, "ConsistentRead": True}}
                found = self.link.call("batch_get_item", deadline, RequestItems=asked)
                for item in found.get("Responses", {}).get(self.link.table, ()):
                    out[item["sk"]["S"]] = item
                keys = found.get("UnprocessedKeys", {}).get(self.link.table, {}).get("Keys", [])
        return out

    def query(
        self,
        condition: str,
        values: Values,
        deadline: Deadline,
        *,
        strong: bool = True,
        only: str | None = None,
    ) -> Iterator[Item]:
        """All items of a range of sort keys, in their order. `only`: these attributes."""
        asked = self._range(condition, values, strong=strong)
        if only is not None:
            asked["ProjectionExpression"] = only
        while True:
            found = self.link.call("query", deadline, **asked)
            yield from found["Items"]
            if not found.get("LastEvaluatedKey"):
                return
            asked["ExclusiveStartKey"] = found["LastEvaluatedKey"]

    def page(
        self, condition: str, values: Values, deadline: Deadline, *, after: str | None, most: int
    ) -> tuple[list[Item], str | None]:
        """Some items of a range of sort keys, strongly: the first that come `after` one; and after
        which to go on, None at the end.
        """
        asked = self._range(condition, values, strong=True)
        if after is not None:
            asked["ExclusiveStartKey"] = self.key(after)
        found = self.link.call("query", deadline, Limit=most, **asked)
        last = found.get("LastEvaluatedKey")
        return found["Items"], last["sk"]["S"] if last else None

    def _range(self, condition: str, values: Values, *, strong: bool) -> dict[str, Any]:
        return {
            "TableName": self.link.table,
            "KeyConditionExpression": f"pk = :pk AND {condition}",
            "ExpressionAttributeValues": {":pk": {"S": self.name}, **values},
            "ConsistentRead": strong,
        }
