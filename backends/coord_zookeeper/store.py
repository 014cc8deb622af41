"""The store: the contract's methods on top of one connection, and one more for each session.

Owns opening and closing, and nothing else. Sessions are in `opening`, `session` and `pulse`; claims
in `claims`; views in `mirror`; watches in `watch`; what kazoo is made to do in `wire`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Self

from coord.clock import Clock
from coord.errors import ConfigError
from coord.model import MemberRecord, RoleRecord, View, checked_name
from coord.spi import BeaconSeen, Expiry, Guarantees, Observed, OpenedStore, Probe, Tenure
from coord_zookeeper.acl import ACLS
from coord_zookeeper.connector import Connector
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.eviction import evicted
from coord_zookeeper.group import Group
from coord_zookeeper.init import init_group
from coord_zookeeper.layout import Layout
from coord_zookeeper.opening import make_live
from coord_zookeeper.probe import findings
from coord_zookeeper.pulse import Pulse
from coord_zookeeper.session import ZooKeeperSession, batch_size
from coord_zookeeper.url import Target, target_of
from coord_zookeeper.watch import ZooKeeperWatch

__all__ = ["ZooKeeperStore"]

_MOST_TTL_S = 2**31 / 1000 - 1


class ZooKeeperStore:
    """ZooKeeper as a store. Implements `coord.spi.Store` and `coord.spi.Initializable`.

    `timeout_s` bounds every call, on the system's clock. Nothing is asked of the servers before the
    first call. Any thread; not usable in a forked child.
    """

    def __init__(self, target: Target, *, clock: Clock, timeout_s: float) -> None:
        self._target = target
        self._clock = clock
        self._timeout_s = timeout_s
        self._guarantees = Guarantees(
            kind="zookeeper",
            token_source="number of the claim's transaction (czxid)",  # noqa: S106  fencing token
            expiry=Expiry.BOUNDED_LAG,
            pushes_changes=True,
            peers_evict=True,
            batch_size=batch_size(timeout_s),
        )
        self._lock = threading.Lock()
        self._connector = Connector(target, clock=clock, timeout_s=timeout_s)
        self._groups: dict[str, Group] = {}
        self._sessions: list[ZooKeeperSession] = []
        self._watches: list[ZooKeeperWatch] = []

    @classmethod
    def from_url(cls, url: str, *, clock: Clock, timeout_s: float) -> OpenedStore:
        """Open `zookeeper://host:2181,host:2181/chroot/group`. Raises `ConfigError`."""
        target = target_of(url)
        return OpenedStore(cls(target, clock=clock, timeout_s=timeout_s), target.group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def guarantees(self) -> Guarantees:
        """What this store declares about itself."""
        return self._guarantees

    def init(self, group: str) -> list[Probe]:
        """Make the chroot and the group's directories, where they are missing."""
        return init_group(self._group(group), self._target, self._timeout_s)

    def open_session(self, group: str, record: MemberRecord, ttl_s: float) -> ZooKeeperSession:
        """Make a member live, in a session of ZooKeeper's and a connection of its own."""
        found = self._group(group)
        checked_name("member", record.name)
        if not 0 < ttl_s < _MOST_TTL_S:
            raise ConfigError(f"a session of {ttl_s} s", cure="Ask for a ttl above 0.")
        self._connector.link()  # a forked child, or a closed store, is told so before all else
        deadline = Deadline(self._timeout_s)
        pulse = Pulse(self._target, self._clock, ttl_s=ttl_s, timeout_s=self._timeout_s)
        try:
            opened = pulse.connect(deadline)
            sid = make_live(found, pulse, record, opened.ttl_s, deadline)
        except BaseException:
            pulse.end(deadline, farewell=True)
            raise
        made = ZooKeeperSession(
            sid=sid,
            group=found,
            pulse=pulse,
            opened=opened,
            record=record,
            lookout=found.look_out(sid, pulse.over, self._timeout_s),
            timeout_s=self._timeout_s,
        )
        with self._lock:
            self._sessions = [known for known in self._sessions if known.lives]
            self._sessions.append(made)
        return made

    def view(self, group: str) -> View:
        """Read the group: the same object as long as nothing has changed."""
        return self._group(group).view(Deadline(self._timeout_s))

    def beacons(self, group: str) -> Mapping[str, BeaconSeen]:
        """The latest beacon of each live session, in one request."""
        return self._group(group).mirror.beacons(Deadline(self._timeout_s))

    def watch(self, group: str, wake: Callable[[], None]) -> ZooKeeperWatch:
        """Call `wake()`, in a thread of its own, within some 10 ms of a change (60 ms with 10,000
        claims). The group need not exist yet.
        """
        watch = ZooKeeperWatch(self._group(group), wake, self._timeout_s)
        watch.start()
        with self._lock:
            self._watches = [known for known in self._watches if known.open]
            self._watches.append(watch)
        return watch

    def evict(self, group: str, observed: Observed) -> bool:
        """End a session that is still at `seq`, and was here for a ttl. ZooKeeper ends it too."""
        return evicted(self._group(group), observed, Deadline(self._timeout_s))

    def depose(self, group: str, tenure: Tenure) -> bool:
        """Take one tenure away from its holder; afterwards it is not held any more."""
        self._group(group).depose(tenure, Deadline(self._timeout_s))
        return True

    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        """Write a role record, conditional on its version."""
        checked_name("role", record.name)
        return self._group(group).put_role(record, Deadline(self._timeout_s))

    def probe(self, group: str) -> list[Probe]:
        """Servers, version, role, session timeouts, load, rights and round trips."""
        return findings(self._group(group), self._target, self._connector.link(), self._timeout_s)

    def close(self) -> None:
        """Close connections and stop threads. Sessions are left to expire. Idempotent."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
            watches, self._watches = self._watches, []
        for watch in watches:
            watch.close()
        for session in sessions:
            session.abandon()
        self._connector.close()

    def _group(self, name: str) -> Group:
        with self._lock:
            found = self._groups.get(name)
        if found is None:
            layout = Layout.of(self._target.parents, checked_name("group", name))
            acl = ACLS[self._target.acl]
            found = Group(name, layout, acl, self._connector.link, self._clock)
            with self._lock:
                found = self._groups.setdefault(name, found)
        return found
