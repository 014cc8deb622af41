"""Deleting claims of closed generations, a few at a time.

Owns the choice of who does it. Why nothing can go wrong: a claim is taken only under the generation
that its role's record names, generations only grow, and these claims are free. So they are free for
ever, and who deletes them does not matter; that only one member does it saves requests.
"""

from __future__ import annotations

from coord_dynamodb.group import Group
from coord_dynamodb.items import claim_sk
from coord_dynamodb.snapshot import Snapshots

__all__ = ["sweep"]

_MOST = 25  # what one request of DynamoDB deletes


def sweep(group: Group, snapshots: Snapshots, mine: set[str]) -> None:
    """Delete some, if it is for one of the sessions in `mine` to do so."""
    if snapshots.eldest(group.name) not in mine:
        return
    keys = snapshots.stale_keys(group.name, _MOST)
    if not keys:
        return
    deletes = [{"DeleteRequest": {"Key": group.key(claim_sk(key))}} for key in keys]
    table = group.link.table
    answer = group.link.call(
        "batch_write_item", group.link.deadline(), RequestItems={table: deletes}
    )
    if not answer.get("UnprocessedItems"):
        snapshots.forget_stale(group.name, keys)
