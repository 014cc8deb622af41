"""What DynamoDB Local never answers and Amazon does: throttling, and transactions that collide.

Owns which requests are refused and in which words. Nothing that is refused was applied. It is done
on the way of the struck members alone, so others get through meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from coord.lab.chaos.faults.kind import MEMBERS, Blow, FaultKind, Option, Setting
from coord.lab.chaos.links import links_of
from coord.lab.chaos.refuser import Answer
from coord.lab.chaos.stage import Stage

__all__ = ["KINDS", "conflict", "throttled"]

_SHARE = "share"
_TYPE = "com.amazonaws.dynamodb.v20120810#"
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
_ITEMS = "TransactItems"
_ONGOING = "Transaction is ongoing for the item"


def throttled(_operation: str, _asked: dict[str, Any]) -> dict[str, Any]:
    """Any request, on a table whose capacity is used up."""
    return {
        "__type": f"{_TYPE}ProvisionedThroughputExceededException",
        "message": (
            "The level of configured provisioned throughput for the table was exceeded. "
            "Consider increasing your provisioning level with the UpdateTable API."
        ),
    }


def conflict(operation: str, asked: dict[str, Any]) -> dict[str, Any] | None:
    """A write, while a transaction of somebody else is at one of its items; reads pass."""
    if operation in _WRITES:
        return {"__type": f"{_TYPE}TransactionConflictException", "message": _ONGOING}
    if _ITEMS not in asked:
        return None
    codes = ["TransactionConflict", *("None" for _ in asked[_ITEMS][1:])]
    reasons = [{"Code": code} for code in codes]
    reasons[0]["Message"] = _ONGOING
    return {
        "__type": f"{_TYPE}TransactionCanceledException",
        "Message": (
            "Transaction cancelled, please refer cancellation reasons for specific reasons "
            f"[{', '.join(codes)}]"
        ),
        "CancellationReasons": reasons,
    }


def _inject(name: str, answer: Answer) -> Callable[[Stage, Blow], AbstractContextManager[None]]:
    @contextmanager
    def inject(stage: Stage, blow: Blow) -> Iterator[None]:
        links = links_of(stage.ground.links)
        with ExitStack() as healing:
            for member in blow.members:
                for refuser in links.refusers(member):
                    dice = random.Random(blow.dice.random())
                    refusing = refuser.refusing(_some(answer, blow.options[_SHARE], dice))
                    healing.enter_context(stage.injector.struck(name, refusing, member=member))
            yield

    return inject


def _some(answer: Answer, share: float, dice: random.Random) -> Answer:
    """That answer to a share of those requests that it answers."""

    def maybe(operation: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        found = answer(operation, asked)
        return found if found is not None and dice.random() < share else None

    return maybe


def _elsewhere(setting: Setting) -> str | None:
    if setting.store == "dynamodb":
        return None
    return f"{setting.store} has no throughput to exceed and refuses no transaction that collides"


def _kind(name: str, says: str, answer: Answer) -> FaultKind:
    share = Option(name=_SHARE, says="of these requests is refused", kind="share", default=0.5)
    return FaultKind(
        name=name,
        says=says,
        targets=MEMBERS,
        inject=_inject(name, answer),
        options=(share,),
        linked=True,
        unfit=_elsewhere,
    )


KINDS = (
    _kind("throttle", "DynamoDB answers that the table's throughput is exceeded", throttled),
    _kind("conflicts", "DynamoDB answers writes that another transaction is under way", conflict),
)
