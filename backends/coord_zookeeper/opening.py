"""How a member's session begins.

Owns the one transaction that makes a member live, and whom it may end. Three ephemeral nodes: the
name, so that it is there once; the session's own node, which every write of the session checks; the
first beacon. They are there together or not at all, until ZooKeeper ends the session and removes
them at once. Ending a former session of ours removes the first two of its nodes, in the transaction
that makes the new ones: from then on its claims are free and each of its requests finds nothing,
whatever its process does (`test_a_superseded_session_changes_nothing_any_more`).
"""

from __future__ import annotations

import secrets

from coord.errors import Certainty, DuplicateMember, StoreUnavailable
from coord.model import MemberRecord
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.eviction import ending
from coord_zookeeper.failures import in_doubt, refused
from coord_zookeeper.group import Group, make_layout
from coord_zookeeper.layout import BeaconName
from coord_zookeeper.nodes import MemberNode, member_data, member_node, session_data
from coord_zookeeper.pulse import Pulse
from coord_zookeeper.requests import (
    NO_NODE,
    NODE_EXISTS,
    Node,
    Op,
    Refused,
    create,
    data_of,
    refusal,
)

__all__ = ["make_live"]

_RANDOM_BYTES = 4


def make_live(
    group: Group, pulse: Pulse, record: MemberRecord, ttl_s: float, deadline: Deadline
) -> str:
    """Make a member live in a session that has begun; its id. Raises DuplicateMember."""
    sid = f"{pulse.owner & (2**64 - 1):x}-{secrets.token_hex(_RANDOM_BYTES)}"
    former: MemberNode | None = None
    while not deadline.is_over:
        ops = ending(group.layout, former.sid, record.name) if former is not None else []
        ops += _beginning(group, sid, record, ttl_s)
        found = refusal(pulse.link.commit(ops, deadline))
        if found is None:
            with in_doubt():
                _check_owner(group, sid, pulse, deadline)
            return sid
        former = _in_the_way(group, pulse, record, found, deadline)
    raise StoreUnavailable(
        f"member {record.name!r} came and went too often to be opened in time",
        cure="Give each process its own member name.",
        certainty=Certainty.NOT_APPLIED,
    )


def _beginning(group: Group, sid: str, record: MemberRecord, ttl_s: float) -> list[Op]:
    layout, acl = group.layout, group.acl
    beacon = f"{layout.beacons}/{BeaconName.made(sid, 0, b'')}"
    member = f"{layout.members}/{record.name}"
    return [
        create(member, member_data(sid, ttl_s, record), acl, ephemeral=True),
        create(layout.session(sid), session_data(0), acl, ephemeral=True),
        create(beacon, b"", acl, ephemeral=True),
        layout.ring(),
    ]


def _check_owner(group: Group, sid: str, pulse: Pulse, deadline: Deadline) -> None:
    """See that the nodes hang on the session that greeted us, and no other.

    They alone are made without a check: whatever the session makes later checks its own node.
    """
    [node] = pulse.link.read([data_of(group.layout.session(sid))], deadline)
    if not isinstance(node, Node) or node.stat.owner != pulse.owner:
        raise StoreUnavailable(
            f"session {sid} was lost while it was opened", cure="Open another; it starts anew."
        )


def _in_the_way(
    group: Group, pulse: Pulse, record: MemberRecord, found: Refused, deadline: Deadline
) -> MemberNode | None:
    """What kept the member from living: our own former session, or nothing any more."""
    link, layout = pulse.link, group.layout
    if found.code not in {NO_NODE, NODE_EXISTS}:
        raise refused(found.code, f"{link.where}{layout.root}")
    [node] = link.read([data_of(f"{layout.members}/{record.name}")], deadline)
    if not isinstance(node, Node):
        if found.code == NO_NODE:
            make_layout(layout, group.acl, link, deadline)
        return None
    former = member_node(record.name, node.data)
    if former is not None and former.incarnation == record.incarnation:
        return former
    raise DuplicateMember(
        f"member {record.name!r} is live in group {group.name!r} with another incarnation",
        session=former.sid if former is not None else "",
        cure="Give each process its own member name, or wait for the old one to expire.",
    )
