"""Who may touch the nodes that coord makes.

Owns the two choices and their bytes. `open`: anybody who reaches the servers, as everywhere in
ZooKeeper without credentials. `creator`: whoever shows the credentials that the nodes were made
with.
"""

from __future__ import annotations

from kazoo.protocol.serialization import write_string
from kazoo.security import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE

from coord_zookeeper.requests import number

__all__ = ["ACLS", "CREATOR", "OPEN"]

OPEN, CREATOR = "open", "creator"


def _bytes(acls: list[ACL]) -> bytes:
    parts = [number(len(acls))]
    for acl in acls:
        parts += [number(acl.perms), write_string(acl.id.scheme), write_string(acl.id.id)]
    return b"".join(parts)


ACLS = {OPEN: _bytes(OPEN_ACL_UNSAFE), CREATOR: _bytes(CREATOR_ALL_ACL)}
"""Each choice as a request carries it."""
