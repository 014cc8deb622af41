"""Cutting many claims into transactions that are small enough.

Owns the arithmetic. A transaction that claims has one action for the member's own item, one for
each role that its claims are of (the check of the role's version), and one for each claim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from coord.errors import InternalError, StoreRefused
from coord_dynamodb.url import BATCH_MIN

__all__ = ["Limit", "first_cut"]

T = TypeVar("T")


class Limit:
    """How many actions a transaction may have: as configured, or less once a server said so.
    Any thread: sessions share it.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def lower(self, limit: int, *, sent: int) -> None:
        """The server takes at most `limit`, and refused `sent`: what was sent is judged by that,
        since another session may have lowered the size meanwhile. Raises StoreRefused if nothing
        can be done with it.
        """
        if limit < BATCH_MIN:
            raise StoreRefused(
                f"the server takes {limit} items a transaction, and claiming needs {BATCH_MIN}",
                cure="Use a server that takes more.",
            )
        if limit >= sent:
            raise InternalError(f"a transaction of {sent} was refused by a limit of {limit}")
        self.size = min(self.size, limit)


def first_cut(
    items: Sequence[T], size: int, role: Callable[[T], str] | None = None
) -> tuple[list[T], list[T]]:
    """As many items, from the beginning, as one transaction of `size` actions may have, and the
    rest. `role`: of each item, where roles are to be checked beside them.
    """
    roles: set[str] = set()
    for taken, item in enumerate(items):
        if role is not None:
            roles.add(role(item))
        if 1 + len(roles) + taken + 1 > size:
            return list(items[:taken]), list(items[taken:])
    return list(items), []
