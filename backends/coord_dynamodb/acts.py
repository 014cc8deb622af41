"""What an act on DynamoDB collects before it is sent, and what botocore says when it was refused.

Owns both for whoever acts through the user's own client (`fence`, `once`). Sends nothing.
"""

from __future__ import annotations

import random
import time
from typing import Any, Protocol

from coord.errors import UsageError

__all__ = ["ActWrites", "Client", "code_of", "collided", "make_table", "pause", "reasons_of"]

_ACTIONS = 100
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.3


class Client(Protocol):
    """What we use of `boto3.client("dynamodb")`."""

    def transact_write_items(self, **asked: Any) -> Any:  # noqa: ANN401
        """All writes or none."""
        ...

    def get_item(self, **asked: Any) -> Any:  # noqa: ANN401
        """One item."""
        ...

    def query(self, **asked: Any) -> Any:  # noqa: ANN401
        """The items of a partition."""
        ...

    def update_item(self, **asked: Any) -> Any:  # noqa: ANN401
        """Change one item."""
        ...

    def create_table(self, **asked: Any) -> Any:  # noqa: ANN401
        """Make a table."""
        ...


class ActWrites:
    """What one act is to write; nothing is sent before the act ends.

    The arguments are those of boto3's `transact_write_items`, values in DynamoDB's own form
    (`{"S": "text"}`).
    """

    def __init__(self) -> None:
        self.actions: list[dict[str, Any]] = []

    def put(self, **asked: Any) -> None:  # noqa: ANN401
        """Write an item: `TableName`, `Item`, perhaps `ConditionExpression`."""
        self._add("Put", asked)

    def update(self, **asked: Any) -> None:  # noqa: ANN401
        """Change an item: `TableName`, `Key`, `UpdateExpression`, its values."""
        self._add("Update", asked)

    def delete(self, **asked: Any) -> None:  # noqa: ANN401
        """Delete an item: `TableName`, `Key`, perhaps `ConditionExpression`."""
        self._add("Delete", asked)

    def check(self, **asked: Any) -> None:  # noqa: ANN401
        """Write only if an item meets a condition: `TableName`, `Key`, `ConditionExpression`."""
        self._add("ConditionCheck", asked)

    def _add(self, kind: str, asked: dict[str, Any]) -> None:
        if len(self.actions) + 1 >= _ACTIONS:
            raise UsageError(
                f"an act of more than {_ACTIONS - 1} writes",
                cure="DynamoDB takes 100 a transaction, and one of them is ours: cut it up.",
            )
        self.actions.append({kind: asked})


def make_table(client: Client, table: str) -> None:
    """Have a table with the keys `pk` and `sk` made, on demand, unless it exists.

    Raises botocore's errors (missing rights).
    """
    try:
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
            ],
        )
    except Exception as error:
        if code_of(error) != "ResourceInUseException":
            raise


def code_of(error: Exception) -> str:
    """DynamoDB's name for an error; empty if it is none of its."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def reasons_of(error: Exception) -> list[dict[str, Any]]:
    """Why a transaction was refused: one reason for each action, in order."""
    found: list[dict[str, Any]] = getattr(error, "response", {}).get("CancellationReasons") or []
    return found


def collided(error: Exception) -> bool:
    """Whether it was another transaction on the same items, and nothing else, that refused it."""
    codes = {reason.get("Code") for reason in reasons_of(error)} - {"None", None}
    return codes == {"TransactionConflict"} or code_of(error) == "TransactionConflictException"


def pause(turn: int) -> None:
    """Let another transaction end."""
    longest_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**turn)
    time.sleep(random.uniform(longest_s / 3, longest_s))
