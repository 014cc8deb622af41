"""One group: its directories, its role records, and what anybody may do to a claim.

Owns the making of what is missing, and the writes that belong to no session. A chroot is made by
`coord init` alone: one that is missing may be a mistyped one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from coord.clock import Clock
from coord.errors import Certainty, StoreConflict, StoreError, StoreUnavailable
from coord.model import Claim, RoleRecord, View
from coord.sightings import Sightings
from coord.spi import Tenure
from coord_zookeeper.changes import next_change, removal
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.failures import refused
from coord_zookeeper.layout import Layout
from coord_zookeeper.link import Link
from coord_zookeeper.lookout import Lookout
from coord_zookeeper.mirror import Mirror
from coord_zookeeper.nodes import ClaimNode
from coord_zookeeper.reader import Reader, no_parent
from coord_zookeeper.requests import (
    BAD_VERSION,
    NO_NODE,
    NODE_EXISTS,
    Op,
    Refused,
    create,
    refusal,
    set_data,
)

__all__ = ["Group", "make_layout"]

_SWEPT = 200
_SWEEP_SHARE = 0.5


def make_layout(layout: Layout, acl: bytes, link: Link, deadline: Deadline) -> bool:
    """Make a group's directories, all at once if there are none; whether any was missing."""

    def make(paths: Sequence[str]) -> bool:
        ops = [create(path, b"", acl) for path in paths]
        found = refusal(link.commit(ops, deadline))
        if found is not None and found.code == NO_NODE:
            raise no_parent(layout, link.where)
        if found is not None and found.code != NODE_EXISTS:
            raise refused(found.code, f"{link.where}{layout.root}")
        return found is None

    paths = layout[1:]
    if make(paths):
        return True
    made = [make([path]) for path in paths]
    return any(made)


class Group:
    """One group through one store. `link` gives the store's connection; any thread."""

    def __init__(
        self, name: str, layout: Layout, acl: bytes, link: Callable[[], Link], clock: Clock
    ) -> None:
        self.name = name
        self.layout = layout
        self.acl = acl
        self.link = link
        self.reader = Reader(layout, link)
        self.sightings = Sightings(clock)
        self.mirror = Mirror(name, layout, self.reader, self.sightings)
        self.lookouts: dict[str, Lookout] = {}
        self._left: list[ClaimNode] = []

    def put_role(self, record: RoleRecord, deadline: Deadline) -> RoleRecord:
        """Write a role record, conditional on its version."""
        found = self._write_role(record, deadline)
        if found is not None and found.code == NO_NODE and record.version == 0:
            make_layout(self.layout, self.acl, self.link(), deadline)
            found = self._write_role(record, deadline)
        if found is not None:
            if found.code in {NODE_EXISTS, BAD_VERSION, NO_NODE}:
                raise StoreConflict(
                    f"role {record.name!r} is not at version {record.version} any more",
                    cure="Read the view again and decide anew.",
                )
            raise refused(found.code, self.link().where)
        stored = replace(record, version=record.version + 1)
        if stored.generation > 1:
            self._sweep(Deadline(deadline.left_s() * _SWEEP_SHARE))
        return stored

    def _write_role(self, record: RoleRecord, deadline: Deadline) -> Refused | None:
        path, text = f"{self.layout.roles}/{record.name}", record.to_json().encode()
        if record.version:
            written: Op = set_data(path, text, record.version - 1)
        else:
            written = create(path, text, self.acl)
        ops = [written, set_data(self.layout.roles, b""), self.layout.ring()]
        return refusal(self.link().commit(ops, deadline))

    def look_out(self, sid: str, over: threading.Event, timeout_s: float) -> Lookout:
        """Have a session of ours look out for others until it is `over`."""
        made = self.lookouts[sid] = Lookout(
            sid,
            layout=self.layout,
            link=self.link,
            sightings=self.sightings,
            over=over,
            timeout_s=timeout_s,
        )
        return made

    def view(self, deadline: Deadline) -> View:
        """The group as it is now. A part of what a sweep has left goes with it, unwaited."""
        found = self.mirror.view(deadline)
        for lookout in list(self.lookouts.values()):
            lookout.look(found)
        part, self._left = self._left[:_SWEPT], self._left[_SWEPT:]
        if part:
            self.link().send(removal(self.layout, part))
        return found

    def _sweep(self, deadline: Deadline) -> None:
        """Remove free keys of older generations, as far as time allows; `view` goes on with it.

        Views hide them anyway: nobody is woken, and no failure is told, for the role is written.
        """
        try:
            self.mirror.view(deadline)
            left = self._left = self.mirror.leftovers()
            parts = (left[start : start + _SWEPT] for start in range(0, len(left), _SWEPT))
            ops = (removal(self.layout, part) for part in parts)
            for _ in self.link().commit_all(ops, deadline):
                self._left = self._left[_SWEPT:]
        except StoreError:
            return

    def depose(self, tenure: Tenure, deadline: Deadline) -> None:
        """Take one tenure away from its holder; afterwards it is not held any more."""
        while (node := self._held(tenure, deadline)) is not None:
            claim = Claim(tenure.key, tenure.token, None, tenure.note)
            change = next_change(self.layout, self.acl, node, claim)
            link = self.link()
            change.answered(link.commit(change.ops, deadline), link.where)
            if change.done and change.node is not None:
                self.mirror.wrote([change.node])
                return
            if deadline.is_over:
                raise StoreUnavailable(
                    f"claim {tenure.key} changed again and again",
                    cure="Try again.",
                    certainty=Certainty.NOT_APPLIED,
                )

    def _held(self, tenure: Tenure, deadline: Deadline) -> ClaimNode | None:
        """The key's node, if a live session holds it under that token."""
        self.mirror.view(deadline)
        node = self.mirror.known(tenure.key)
        if node is None or node.claim.token != tenure.token or node.claim.session is None:
            return None
        return node if self.mirror.lives(node.claim.session) else None
