"""Deleting claims of closed generations, a few at a time.

Owns the choice of who does it. Why nothing can go wrong: a claim is taken only under the generation
that its role's record names, generations only grow, and these claims are free. So they are free for
ever, and who deletes them does not matter; that only one member does it saves requests.
"""

from __future__ import annotations

from contextlib import suppress

from coord_dynamodb.failures import ConditionFailed
from coord_dynamodb.group import Group
from coord_dynamodb.items import claim_sk, number, text
from coord_dynamodb.snapshot import Snapshots

__all__ = ["sweep"]

_MOST = 25  # one by one, each on condition of being as it was read


def sweep(group: Group, snapshots: Snapshots, mine: set[str]) -> None:
    """Delete some, if it is for one of the sessions in `mine` to do so."""
    if snapshots.eldest(group.name) not in mine:
        return
    stale = snapshots.stale(group.name, _MOST)
    deadline = group.link.deadline()  # one for all: the watching thread has more to do
    for key, stored in stale:
        owner = {":own": text(stored.owner)} if stored.owner is not None else {}
        action = group.delete(
            claim_sk(key),
            when=f"tok = :t AND {'own = :own' if owner else 'attribute_not_exists(own)'}",
            values={":t": number(stored.token), **owner},
        )
        with suppress(ConditionFailed):  # deleted before, or edited by somebody
            group.write(action, deadline)
    snapshots.forget_stale(group.name, [key for key, _ in stale])
