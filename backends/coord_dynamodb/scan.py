"""Reading all claims of a group, in as many calls as it takes.

Owns the pages. Decides nothing. A large group takes longer to read than one timeout; a reader that
began anew each time would never get in
(`test_a_group_that_takes_longer_than_a_timeout_to_read_is_read_all_the_same`). So a scan remembers
how far it is, and the counters that were read before it began: what they stand for is in it, and
what came later is told by the logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coord.model import ClaimKey
from coord_dynamodb.group import Group
from coord_dynamodb.items import Stored, claim_of, text
from coord_dynamodb.link import Deadline

__all__ = ["Scan"]

_PAGE = 300
"""Claims a request: some 50 KB, so that one fits even what is left of a short timeout."""


@dataclass(slots=True)
class Scan:
    """`upto` and `rest`: the counters of members and of changes by no session, when it began."""

    upto: Mapping[str, int]
    rest: int
    found: dict[ClaimKey, Stored] = field(default_factory=dict)
    _after: str | None = None

    def read_on(self, group: Group, deadline: Deadline) -> None:
        """Read to the end. After an error it may be called again, and goes on where it was."""
        while True:
            items, after = group.page(
                "begins_with(sk, :c)", {":c": text("c#")}, deadline, after=self._after, most=_PAGE
            )
            self.found.update(claim for item in items if (claim := claim_of(item)) is not None)
            if after is None:
                return
            self._after = after
