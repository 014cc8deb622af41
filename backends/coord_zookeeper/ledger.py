"""The ledger's records in ZooKeeper: `coord.tasks.spi.LedgerStore`.

Owns the order of requests. Names, texts and transactions are `ledger_nodes`'s, the connection is
`link`'s. Rules and their reasons:

- A write is one transaction, and is sent once: kazoo's connection may be lost with the answer, and
  nobody here can tell his own effect from another's, so it is `unknown`, and the ledger reads back.
- What this handle saw of a record last, it keeps: a write after a read needs no other request.
- Garbage has nobody else to remove it (nodes with a time to live are switched off in most
  ensembles), so one write in 512 looks through the bucket that it wrote to: a bucket holds a 256th
  of all, so garbage stays within some 130,000 writes, and each write pays for one node's reading at
  most. Times are the servers' own: no clock of a member's matters.
"""

from __future__ import annotations

import random
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import Certainty, StoreConflict, StoreError, StoreUnavailable
from coord.model import checked_name
from coord.spi import Probe
from coord.tasks.spi import (
    Entry,
    LedgerGuarantees,
    checked_body,
    checked_keep,
    checked_key,
)
from coord_zookeeper.acl import ACLS
from coord_zookeeper.connector import Connector
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.failures import refused
from coord_zookeeper.group import Group
from coord_zookeeper.layout import Layout
from coord_zookeeper.ledger_nodes import (
    Place,
    Seen,
    data_text,
    entry_of,
    is_garbage,
    removing,
    tag_of,
    writing,
)
from coord_zookeeper.probe import findings
from coord_zookeeper.reader import no_parent
from coord_zookeeper.requests import (
    BAD_VERSION,
    NO_NODE,
    NODE_EXISTS,
    Node,
    Reading,
    Stat,
    children_of,
    create,
    data_of,
    refusal,
)
from coord_zookeeper.url import Target, target_of

__all__ = ["ZooKeeperLedger"]

GUARANTEES = LedgerGuarantees(kind="zookeeper")

SWEEP_ONE_IN = 512
_KEYS_A_READ = 100
_SWEPT_A_READ = 100
_REMEMBERED = 10_000
_CHANGED = {BAD_VERSION, NO_NODE, NODE_EXISTS}


class ZooKeeperLedger:
    """Records in one ensemble, in one group. Any thread; not in a forked child.

    `timeout_s` bounds every call, on the system's clock. Nothing is asked of the servers before the
    first. The group's node is made by the first write, a chroot by `coord init` alone.
    """

    def __init__(self, target: Target, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> None:
        self._target = target
        self._clock = clock
        self._timeout_s = timeout_s
        self._layout = Layout.of(target.parents, checked_name("group", target.group))
        self._place = Place.of(self._layout.root)
        self._acl = ACLS[target.acl]
        self._connector = Connector(target, clock=clock, timeout_s=timeout_s)
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    @classmethod
    def from_url(
        cls, url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float
    ) -> ZooKeeperLedger:
        """Open `zookeeper://host:2181,host:2181/chroot/group`. Raises `ConfigError`."""
        return cls(target_of(url), clock=clock, timeout_s=timeout_s)

    @property
    def guarantees(self) -> LedgerGuarantees:
        """What this store declares about itself."""
        return GUARANTEES

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """The records of those keys that have one: two requests for 100 keys, sent together."""
        wanted = list(dict.fromkeys(checked_key(key) for key in keys))
        deadline = Deadline(self._timeout_s)
        found: dict[str, Entry] = {}
        for start in range(0, len(wanted), _KEYS_A_READ):
            part = wanted[start : start + _KEYS_A_READ]
            for key, node in self._look(part, deadline).items():
                if node is not None:
                    found[key] = entry_of(node)
        return found

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        """Write one record if its tag is still `expect`: one transaction after a read, else two."""
        checked_body(checked_key(key), body, GUARANTEES)
        data = data_text(body, checked_keep(keep_s))
        deadline = Deadline(self._timeout_s)
        with self._lock:
            seen = self._seen.get(key)
        fresh = False
        while True:
            if seen is None or seen.tag != expect:
                if fresh:
                    raise StoreConflict(
                        f"the record of {key!r} is at {seen.tag if seen else None}, not {expect}",
                        cure="Read it again and decide anew.",
                    )
                seen, fresh = self._see(key, deadline), True
                continue
            stat = self._send(key, data, seen, deadline)
            if stat is not None:
                after = Seen(seen.bucket_version, stat.czxid, stat.version)
                self._remember(key, after)
                self._sweep_sometimes(key, after, stat.mtime, deadline)
                return tag_of(stat)
            seen, fresh = None, False
            if deadline.is_over:
                raise StoreUnavailable(
                    f"the bucket of {key!r} changed again and again",
                    cure="Try again.",
                    certainty=Certainty.NOT_APPLIED,
                )

    def probe(self) -> list[Probe]:
        """Servers, version, role, session timeouts, load, rights and round trips."""
        link = self._connector.link
        group = Group(self._target.group, self._layout, self._acl, link, self._clock)
        return findings(group, self._target, link(), self._timeout_s)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._connector.close()

    # ------------------------------------------------------------------------------ requests

    def _look(self, keys: Sequence[str], deadline: Deadline) -> dict[str, Node | None]:
        """The nodes of these keys, after everything that was acknowledged before."""
        place, link = self._place, self._connector.link()
        ops = [data_of(self._layout.parent)]
        for key in keys:
            ops += [data_of(place.bucket(key)), data_of(place.record(key))]
        parent, *rest = link.read(ops, deadline, sync=self._layout.parent)
        if parent == NO_NODE:
            raise no_parent(self._layout, link.where)
        found: dict[str, Node | None] = {}
        for key, bucket, record in zip(keys, rest[::2], rest[1::2], strict=True):
            node = self._node(record)
            where = self._node(bucket)
            if where is not None:
                self._remember(key, Seen.of(where, node))
            found[key] = node
        return found

    def _node(self, found: Reading) -> Node | None:
        if isinstance(found, Node):
            return found
        if isinstance(found, int) and found != NO_NODE:
            raise refused(found, f"{self._target.where}{self._place.root}")
        return None

    def _see(self, key: str, deadline: Deadline) -> Seen:
        """How the key is now, its bucket made if need be."""
        while True:
            with self._lock:
                self._seen.pop(key, None)
            self._look([key], deadline)
            with self._lock:
                found = self._seen.get(key)
            if found is not None:
                return found
            for path in (self._place.group, self._place.root, self._place.bucket(key)):
                link = self._connector.link()
                answer = refusal(link.commit([create(path, b"", self._acl)], deadline))
                if answer is not None and answer.code != NODE_EXISTS:
                    raise refused(answer.code, f"{link.where}{path}")

    def _send(self, key: str, data: bytes, seen: Seen, deadline: Deadline) -> Stat | None:
        """One try; None if the record or its bucket is not as it was seen."""
        link = self._connector.link()
        ops = writing(self._place, key, data, seen, self._acl)
        results = link.commit(ops, deadline)
        answer = refusal(results)
        if answer is None:
            return next(one for one in results if isinstance(one, Stat))
        if answer.code not in _CHANGED:
            raise refused(answer.code, f"{link.where}{self._place.root}")
        return None

    def _remember(self, key: str, seen: Seen) -> None:
        with self._lock:
            self._seen[key] = seen
            self._seen.move_to_end(key)
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)

    # ------------------------------------------------------------------------------- garbage

    def _sweep_sometimes(self, key: str, seen: Seen, now_ms: int, deadline: Deadline) -> None:
        if random.randrange(SWEEP_ONE_IN) == 0:
            try:
                self._sweep(self._place.bucket(key), seen.bucket_version, now_ms, deadline)
            except StoreError:
                return  # the record is written; garbage is for another day

    def _sweep(self, bucket: str, version: int, now_ms: int, deadline: Deadline) -> None:
        """Remove some garbage of a bucket, from a place in it that chance chooses."""
        link = self._connector.link()
        [names] = link.read([children_of(bucket)], deadline)
        if not isinstance(names, list) or not names:
            return
        start = random.randrange(len(names))
        paths = [f"{bucket}/{name}" for name in (names[start:] + names[:start])[:_REMEMBERED]]
        for first in range(0, len(paths), _SWEPT_A_READ):
            part = paths[first : first + _SWEPT_A_READ]
            nodes = zip(part, link.read([data_of(path) for path in part], deadline), strict=True)
            old = [(p, n) for p, n in nodes if isinstance(n, Node) and is_garbage(n, now_ms)]
            if old:
                if refusal(link.commit(removing(bucket, version, old), deadline)) is not None:
                    return  # somebody else is at it
                version += 1
