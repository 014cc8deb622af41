"""`DynamoDBFence`: writes to DynamoDB that a superseded leader cannot slip in.

Owns the register's items, and the order of steps. The comparison is `coord.fencing`'s. Knows no
session, no store and no clock: `term.check()` knows the time.

The register is a table of its own with the keys `pk` and `sk` (`create_table` makes it), in the
same account and region as the items that are written. One item for each seat that has acted,
`{gen, tok}`, and one for the role, the *gate*, `{gen, closed}`.

An act is one transaction: a check that the seat's item shows exactly our generation and token, and
the writes. Acts of different shards have no item in common, so they never collide. Only the first
act of a tenure finds another stamp there; then the register is moved, and the act is sent again:

1. An older token of our generation: it is replaced by ours, if it is still that one.
2. An older generation, or no item: raise the gate to our generation, then raise every item of the
   role that shows an older one, then say in the gate that this is done (`closed`); whoever dies in
   between leaves it to the next. After that nobody of an older generation passes, at any seat:
   items that exist show the newer generation, and an item is only made in one transaction with a
   check that the gate still shows the maker's generation.

An item is made with token 0, which nobody has; its maker then sees it there, reads the gate once
more and only then puts its token in, as in step 1. For Amazon shows the items of a transaction one
by one: whoever raises the gate just after an item was made may not find the item yet when it lists
them. With its maker's token in it that item would let an older generation act, for good
(`test_an_item_that_shows_late_lets_no_older_generation_act`). A gate that is read after the item
was seen tells: if it still shows our generation, whoever raises it later finds the item.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from coord.errors import ConfigError, InternalError, UsageError
from coord.fencing import Fenceable, Stamp, Verdict, checked_stamp, judge, refusal
from coord.model import checked_name
from coord_dynamodb.acts import (
    ActWrites,
    Client,
    code_of,
    collided,
    make_table,
    pause,
    reasons_of,
)

__all__ = ["DynamoDBFence", "FencedWrites"]

_TRIES = 8
_GATE = "gate"
_Item = Mapping[str, Any]


class FencedWrites(ActWrites):
    """What one fenced act is to write."""


class DynamoDBFence:
    """One transaction of writes, refused if a newer leader has acted before.

        with DynamoDBFence(term, boto3.client("dynamodb")) as writes:
            writes.delete(TableName="sessions", Key={"id": {"S": "17"}})

    When the block ends without an error, its writes are sent in one transaction with the comparison
    of this term's generation and token; nothing is sent if it raises. Once a newer token of the
    same (role, shard, seat), or a newer generation of the role, has acted, nothing older is
    written.

    Costs two write units for the comparison, and doubles those of the writes, as transactions do.
    `client` is a client of boto3, not `resource.meta.client`, which has values of another form.
    `table` is the register, `resource` a name for what is guarded, where registers share a table.

    What it does not do: seats of one shard are not fenced against each other, reads are not
    guarded, and until the successor's first act a superseded leader that still passes
    `term.check()` is admitted. The items of the register must never be deleted.

    It raises, and nothing is written:

    - `Fenced`: somebody newer has acted.
    - `LeadershipLost`: `term.check()` refused, at the beginning or just before sending.
    - `ConfigError`, `UsageError`: the term, a name or the writes are unfit.
    - botocore's errors, as they come; a TransactionCanceledException for a condition of the writes
      has the comparison as its first reason. After a timeout the outcome is unknown; what boto3
      repeats by itself is written once (the request carries a token).
    """

    def __init__(
        self,
        term: Fenceable,
        client: Client,
        *,
        table: str = "coord_fence",
        resource: str = "default",
    ) -> None:
        self._term = term
        self._client = client
        self._table = table
        self._key = term.key
        self._stamp = checked_stamp(term)
        self._pk = f"{checked_name('resource', resource)}#{term.key.role}"
        self._seat = f"{term.key.shard}#{term.key.seat}"
        self._writes: FencedWrites | None = None

    @staticmethod
    def create_table(client: Client, *, table: str = "coord_fence") -> None:
        """Have the register made, on demand, unless it exists. It takes some seconds to be ready.

        Raises botocore's errors (missing rights).
        """
        make_table(client, table)

    def __enter__(self) -> FencedWrites:
        """Check the term; hand out what collects the writes."""
        if self._writes is not None:
            raise UsageError("this DynamoDBFence is in use", cure="Make one for each act.")
        self._term.check()
        self._writes = FencedWrites()
        return self._writes

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Send the writes if the block ended well and the term still stands."""
        writes, self._writes = self._writes, None
        if writes is None:
            raise UsageError("this DynamoDBFence was not entered", cure="Use it in a with block.")
        if error is None and writes.actions:
            self._act(writes.actions)

    # ------------------------------------------------------------------------------- the act

    def _act(self, actions: list[dict[str, Any]]) -> None:
        for turn in range(_TRIES):
            self._term.check()
            try:
                self._transact([self._ours(), *actions])
                return
            except Exception as error:
                reasons = reasons_of(error)
                if reasons and reasons[0].get("Code") == "ConditionalCheckFailed":
                    self._move(_stamp(reasons[0].get("Item")))
                elif not collided(error) or turn == _TRIES - 1:
                    raise
                else:
                    pause(turn)
        raise InternalError(
            f"fence table {self._table} does not keep the stamp of {self._key}: nothing written",
            cure="Its items must never be deleted or changed by hand or by clean-up jobs.",
        )

    def _ours(self) -> dict[str, Any]:
        return self._condition("gen = :g AND tok = :t", self._values())

    def _move(self, seen: Stamp | None) -> None:
        """Move the register one step towards our stamp. Raises Fenced for a newer one."""
        gate = self._gate()
        verdict = judge(self._stamp, seen=seen, generation=gate[0])
        if verdict.refused:
            newer = seen or Stamp(gate[0], 0)
            if verdict is Verdict.OLD_GENERATION:
                newer = Stamp(max(gate[0], newer.generation), 0)
            by = f"fence table {self._table}"
            raise refusal(self._key, self._stamp, verdict, newer, by=by)
        if verdict is Verdict.ADVANCE:
            self._raise_item(self._seat, "gen = :g AND tok < :t", self._values())
        elif verdict is Verdict.OPEN:
            self._open(gate)

    def _open(self, gate: tuple[int, int]) -> None:
        generation = self._stamp.generation
        raised = {":g": _n(generation)}
        if gate[0] < generation:
            self._raise_gate("SET gen = :g", "attribute_not_exists(gen) OR gen < :g", raised)
        if gate[1] < generation:
            for sk, stamp in self._items():
                if stamp.generation < generation:
                    self._raise_item(sk, "gen < :g", {":g": _n(generation), ":t": _n(0)})
            still = "gen = :g AND (attribute_not_exists(closed) OR closed < :g)"
            self._raise_gate("SET closed = :g", still, raised)
        made = {
            "TableName": self._table,
            "Key": self._item_key(self._seat),
            "UpdateExpression": "SET gen = :g, tok = :t",
            "ConditionExpression": "attribute_not_exists(gen) OR gen < :g",
            "ExpressionAttributeValues": {**raised, ":t": _n(0)},
        }
        open_gate = self._condition("gen = :g AND closed = :g", raised, sk=_GATE)
        try:
            self._transact([open_gate, {"Update": made}])
        except Exception as error:
            if not reasons_of(error):
                raise  # else: somebody was quicker, and the next look tells

    # --------------------------------------------------------------------------- the register

    def _transact(self, actions: list[dict[str, Any]]) -> None:
        token = secrets.token_hex(16)
        self._client.transact_write_items(TransactItems=actions, ClientRequestToken=token)

    def _condition(self, when: str, values: _Item, sk: str | None = None) -> dict[str, Any]:
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": self._item_key(sk or self._seat),
                "ConditionExpression": when,
                "ExpressionAttributeValues": values,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _raise_item(self, sk: str, when: str, values: _Item) -> None:
        self._update(sk, "SET gen = :g, tok = :t", when, values)

    def _raise_gate(self, change: str, when: str, values: _Item) -> None:
        self._update(_GATE, change, when, values)

    def _update(self, sk: str, change: str, when: str, values: _Item) -> None:
        """Change an item unless somebody was quicker, which the next look tells."""
        for turn in range(_TRIES):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=self._item_key(sk),
                    UpdateExpression=change,
                    ConditionExpression=when,
                    ExpressionAttributeValues=values,
                )
                return
            except Exception as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return
                if not collided(error) or turn == _TRIES - 1:
                    raise
                pause(turn)

    def _gate(self) -> tuple[int, int]:
        """The role's generation, and the generation to which all items have been raised."""
        found = self._client.get_item(
            TableName=self._table, Key=self._item_key(_GATE), ConsistentRead=True
        )
        item = found.get("Item") or {}
        return _int(item, "gen"), _int(item, "closed")

    def _items(self) -> list[tuple[str, Stamp]]:
        asked: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": self._pk}},
            "ConsistentRead": True,
        }
        out: list[tuple[str, Stamp]] = []
        while True:
            found = self._client.query(**asked)
            for item in found["Items"]:
                stamp = _stamp(item)
                if item["sk"]["S"] != _GATE and stamp is not None:
                    out.append((item["sk"]["S"], stamp))
            if not found.get("LastEvaluatedKey"):
                return out
            asked["ExclusiveStartKey"] = found["LastEvaluatedKey"]

    def _item_key(self, sk: str) -> _Item:
        return {"pk": {"S": self._pk}, "sk": {"S": sk}}

    def _values(self) -> _Item:
        return {":g": _n(self._stamp.generation), ":t": _n(self._stamp.token)}


def _stamp(item: _Item | None) -> Stamp | None:
    return Stamp(_int(item, "gen"), _int(item, "tok")) if item else None


def _int(item: _Item, name: str) -> int:
    try:
        return int(item.get(name, {}).get("N", 0))
    except ValueError:
        raise ConfigError(
            f"a fence's item has {name} that is no whole number",
            cure="Name a table that nothing else writes to.",
        ) from None


def _n(value: int) -> _Item:
    return {"N": str(value)}
