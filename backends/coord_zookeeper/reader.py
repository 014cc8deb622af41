"""What is read of a group, in as few requests as can be.

Owns the requests behind a view: the marks that tell whether anything is new, the names, the
contents. Keeps nothing and decides nothing; `mirror` says why this is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from coord.errors import StoreRefused
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.failures import refused
from coord_zookeeper.layout import Layout, beacon_of
from coord_zookeeper.link import Link
from coord_zookeeper.requests import NO_NODE, Node, Op, Reading, children_of, data_of

__all__ = ["Listing", "Mark", "Marks", "Reader"]

_CHUNK = 500


class Mark(NamedTuple):
    """Tells one state of a directory from all others; zeros while it is missing."""

    born: int = 0
    changed: int = 0


class Marks(NamedTuple):
    """The marks of the three directories that carry a group."""

    members: Mark = Mark()
    roles: Mark = Mark()
    claims: Mark = Mark()

    @property
    def revision(self) -> int:
        """The transaction that changed the group last."""
        return max(mark.changed for mark in self)

    def follows(self, before: Marks) -> bool:
        """Whether these are the same directories, or the first ones."""
        return all(
            mark.born == old.born or not old.born for mark, old in zip(self, before, strict=True)
        )


class Listing(NamedTuple):
    """A group's names at one moment. `claims` is None where it was not asked for."""

    marks: Marks
    members: list[str]
    sessions: frozenset[str]
    roles: list[str]
    claims: list[str] | None
    seqs: Mapping[str, int]


class Reader:
    """Reads one group; `link` gives the connection to read through."""

    def __init__(self, layout: Layout, link: Callable[[], Link]) -> None:
        self._layout = layout
        self._link = link
        self._marks = [data_of(path) for path in (layout.members, layout.roles, layout.claims)]

    def marks(self, deadline: Deadline) -> tuple[Marks, Mapping[str, int]]:
        """The marks and the heartbeat numbers, after everything that was acknowledged before."""
        found = self._synced([*self._marks, children_of(self._layout.beacons)], deadline)
        return _marks(found), _seqs(found[3])

    def listing(self, deadline: Deadline, *, claims: bool) -> Listing:
        """All names, of one moment."""
        layout = self._layout
        paths = [layout.members, layout.sessions, layout.roles, layout.beacons]
        names = [children_of(path) for path in (*paths, *([layout.claims] if claims else []))]
        while True:
            found = self._read([*self._marks, *names, *self._marks], deadline)
            if _marks(found) == _marks(found[-3:]):
                break
        return Listing(
            _marks(found),
            _names(found[3]),
            frozenset(_names(found[4])),
            _names(found[5]),
            _names(found[7]) if claims else None,
            _seqs(found[6]),
        )

    def contents(
        self, paths: Sequence[str], deadline: Deadline
    ) -> Iterator[tuple[str, Node | None]]:
        """Nodes by path, None for those that are gone; some of them a request."""
        for start in range(0, len(paths), _CHUNK):
            chunk = paths[start : start + _CHUNK]
            found = self._read([data_of(path) for path in chunk], deadline)
            for path, one in zip(chunk, found, strict=True):
                yield path, one if isinstance(one, Node) else None

    def marked(self, paths: Sequence[str], deadline: Deadline) -> tuple[list[Node | None], Marks]:
        """Nodes in order, and the marks as they are with the last of them."""
        nodes = [node for _, node in self.contents(paths[:-_CHUNK], deadline)]
        ops = [*map(data_of, paths[-_CHUNK:]), *self._marks]
        found = self._read(ops, deadline)
        nodes.extend(one if isinstance(one, Node) else None for one in found[:-3])
        return nodes, _marks(found[-3:])

    def beacons(self, deadline: Deadline) -> tuple[list[str], set[str]]:
        """The names of all beacons, and the sessions that live."""
        ops = [children_of(self._layout.beacons), children_of(self._layout.sessions)]
        found = self._synced(ops, deadline)
        return _names(found[0]), set(_names(found[1]))

    def session(self, sid: str, deadline: Deadline) -> Node | None:
        """A session's own node; None once it is over."""
        path = self._layout.session(sid)
        [found] = self._read([data_of(path)], deadline, sync=path)
        return found if isinstance(found, Node) else None

    def _synced(self, ops: list[Op], deadline: Deadline) -> list[Reading]:
        """What is there, all that was acknowledged before included; not below a missing chroot."""
        parent = self._layout.parent
        found = self._read([*ops, data_of(parent)], deadline, sync=parent)
        if found[-1] == NO_NODE:
            raise no_parent(self._layout, self._link().where)
        return found

    def _read(self, ops: list[Op], deadline: Deadline, *, sync: str = "") -> list[Reading]:
        link = self._link()
        found = link.read(ops, deadline, sync=sync)
        for one in found:
            if isinstance(one, int) and one != NO_NODE:
                raise refused(one, f"{link.where}{self._layout.root}")
        return found


def no_parent(layout: Layout, where: str) -> StoreRefused:
    """The chroot is missing: nobody makes one in passing, for it may be a mistyped one."""
    return StoreRefused(
        f"there is no node {layout.parent} at {where}",
        cure="`coord init URL` makes it; or correct the URL.",
    )


def _marks(found: Sequence[Reading]) -> Marks:
    return Marks(
        *(
            Mark(node.stat.czxid, max(node.stat.mzxid, node.stat.pzxid))
            if isinstance(node, Node)
            else Mark()
            for node in found[:3]
        )
    )


def _names(found: Reading) -> list[str]:
    return found if isinstance(found, list) else []


def _seqs(found: Reading) -> dict[str, int]:
    seqs: dict[str, int] = {}
    for name in _names(found):
        beacon = beacon_of(name)
        if beacon is not None:
            seqs[beacon.sid] = max(beacon.seq, seqs.get(beacon.sid, 0))
    return seqs
