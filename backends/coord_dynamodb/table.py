"""The table: whether it can serve, and making it.

Owns its schema. Knows no group. Members need no right to make tables: `coord init` makes it, with
the rights of whoever runs that.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from coord.errors import Certainty, CoordError, InternalError, StoreRefused, StoreUnavailable
from coord_dynamodb.failures import Cancelled, TooMany
from coord_dynamodb.link import Deadline, Link

__all__ = ["EXPIRES", "KEY", "Billing", "Found", "Table"]

KEY = (("pk", "HASH", "S"), ("sk", "RANGE", "S"))
EXPIRES = "expires"
"""The attribute by which DynamoDB deletes garbage."""

Billing = tuple[int, int] | None
"""Read and write units a second; None: on demand."""

_MAKING_S = 60.0
_LOOK_S = 0.25
_MISSING = "there is no table"


class Found(NamedTuple):
    """A table as it was described."""

    status: str
    key: tuple[tuple[str, str, str], ...]
    billing: str
    items: int

    @property
    def key_text(self) -> str:
        """The key in words."""
        return ", ".join(f"{name} ({role.lower()}, {kind})" for name, role, kind in self.key)


class Table:
    """One table, seen through one link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._usable = False

    def check(self, deadline: Deadline) -> None:
        """Raise unless it can serve: StoreRefused if it is missing or another's, StoreUnavailable
        while it is being made or deleted. Asks once.
        """
        if not self._usable:
            self.judge(self.describe(deadline))
            self._usable = True

    def explained(self, error: CoordError, deadline: Deadline) -> CoordError:
        """A better error, if it is the table's state that made a request fail."""
        try:
            self.judge(self.describe(deadline))
        except (StoreRefused, StoreUnavailable) as reason:
            return reason if _MISSING not in reason.cause else error
        return error

    def describe(self, deadline: Deadline) -> Found:
        """Ask for it. Raises StoreRefused if there is none."""
        answer = self._link.manage("describe_table", deadline, TableName=self._link.table)
        raw: dict[str, Any] = answer["Table"]
        kinds = {one["AttributeName"]: one["AttributeType"] for one in raw["AttributeDefinitions"]}
        key = tuple(
            (one["AttributeName"], one["KeyType"], kinds.get(one["AttributeName"], "?"))
            for one in raw["KeySchema"]
        )
        units = raw.get("ProvisionedThroughput", {})
        billing = f"{units.get('ReadCapacityUnits')} read, {units.get('WriteCapacityUnits')} write"
        if raw.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
            billing = "on demand"
        return Found(raw["TableStatus"], key, billing, int(raw.get("ItemCount", 0)))

    def create(self, billing: Billing, deadline: Deadline) -> bool:
        """Ask for it to be made; False if it is there or under way already."""
        asked: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"}
        if billing is not None:
            units = {"ReadCapacityUnits": billing[0], "WriteCapacityUnits": billing[1]}
            asked = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": units}
        try:
            self._link.manage(
                "create_table",
                deadline,
                TableName=self._link.table,
                KeySchema=[{"AttributeName": n, "KeyType": role} for n, role, _ in KEY],
                AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, _, t in KEY],
                **asked,
            )
        except StoreRefused as error:
            if "ResourceInUse" in error.cause:
                return False
            raise
        return True

    def await_active(self) -> Found:
        """Wait until it is made, for a minute at most; each request keeps to the timeout."""
        for _ in range(int(_MAKING_S / _LOOK_S)):
            try:
                found = self.describe(self._link.deadline())
                self.judge(found)
                return found
            except StoreUnavailable:
                time.sleep(_LOOK_S)
            except StoreRefused as error:  # it is listed a moment after it was asked for
                if _MISSING not in error.cause:
                    raise
                time.sleep(_LOOK_S)
        raise StoreUnavailable(
            f"table {self._link.table} is still being made after {_MAKING_S:g} s",
            cure="Ask again: what is there is left as it is.",
            certainty=Certainty.APPLIED,
        )

    def let_expire(self, deadline: Deadline) -> bool:
        """Have DynamoDB delete garbage; False if it does already."""
        if self.expiry(deadline) == EXPIRES:
            return False
        try:
            self._link.manage(
                "update_time_to_live",
                deadline,
                TableName=self._link.table,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES},
            )
        except InternalError as error:  # called invalid: somebody was quicker, or it may not be
            if self.expiry(deadline) == EXPIRES:
                return False
            raise StoreRefused(
                f"garbage of table {self._link.table} cannot be made to expire: {error.cause}",
                cure="The table works without. Where it expires by another attribute, or was "
                "switched on or off within the last hour, ask again later.",
            ) from None
        return True

    def expiry(self, deadline: Deadline) -> str:
        """The attribute by which it deletes garbage, or ""."""
        answer = self._link.manage("describe_time_to_live", deadline, TableName=self._link.table)
        found = answer["TimeToLiveDescription"]
        enabled = found.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
        return str(found.get("AttributeName", "")) if enabled else ""

    def most(self, deadline: Deadline, *, asked: int) -> int:
        """How many items the server takes a transaction, up to `asked`. Changes nothing, costs
        nothing: all actions are on one item, which no server allows, and on a condition that
        nothing meets.
        """
        action = {
            "ConditionCheck": {
                "TableName": self._link.table,
                "Key": {name: {"S": "-"} for name, _, _ in KEY},
                "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(pk)",
            }
        }
        try:
            self._link.call("transact_write_items", deadline, TransactItems=[action] * asked)
        except TooMany as error:
            return error.limit
        except (Cancelled, InternalError):
            pass  # they were not too many: it is something else that it finds wrong with them
        return asked

    def judge(self, found: Found) -> None:
        """Raise as `check` does."""
        name, where = self._link.table, self._link.endpoint
        if found.key != KEY:
            raise StoreRefused(
                f"table {name} at {where} has the key {found.key_text}, and coord needs "
                "pk (hash, S), sk (range, S)",
                cure="It belongs to something else: name another table, and make it with "
                "`coord init URL`.",
            )
        if found.status not in {"ACTIVE", "UPDATING"}:
            raise StoreUnavailable(
                f"table {name} at {where} is {found.status}",
                cure="Wait until it is ACTIVE (`coord init URL` does); a member tries again by "
                "itself.",
                certainty=Certainty.NOT_APPLIED,
            )
