"""The store: the contract's methods on top of one etcd cluster.

Owns opening and closing, and nothing else: the rules are in `heartbeat` (heartbeats), `opening` and
`session`, `tenancy` and `claims`, `views` and `feed`, `lane` (endpoints, retries), `keys` (layout).
Non-guarantees: etcd before 3.4.31 and 3.5.13 may revoke leases by the word of a leader that was
replaced (`probe` says so; tokens that reach the resource are for it). A cluster restored from a
backup forgets tokens unless its revision was bumped (docs/stores/etcd.md).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from coord.clock import SYSTEM_CLOCK, Clock
from coord.codec import role_of
from coord.errors import ConfigError, StoreConflict
from coord.model import MemberRecord, RoleRecord, View, checked_name
from coord.spi import BeaconSeen, Expiry, Guarantees, Observed, OpenedStore, Probe, Tenure
from coord_etcd import wire
from coord_etcd.connection import Target
from coord_etcd.deadline import Deadline
from coord_etcd.feed import EtcdWatch, Feed
from coord_etcd.heartbeat import Heartbeat
from coord_etcd.housekeeping import forget_older
from coord_etcd.keys import Keys
from coord_etcd.lane import Lane
from coord_etcd.login import Login, User
from coord_etcd.opening import open_session
from coord_etcd.probe import findings
from coord_etcd.session import BATCH_SIZE, EtcdSession
from coord_etcd.tenancy import Seen, Tenancy, depose
from coord_etcd.url import ROOT, place_of
from coord_etcd.views import Views

__all__ = ["EtcdStore"]

GUARANTEES = Guarantees(
    kind="etcd",
    token_source="the revision of the write that made the claim",  # noqa: S106  a fencing token
    expiry=Expiry.PROVEN,
    pushes_changes=True,
    peers_evict=False,
    batch_size=BATCH_SIZE,
    min_ttl_s=1.0,
)


class EtcdStore:
    """An etcd cluster as a store. Implements `coord.spi.Store`.

    `timeout_s` bounds every call, on the system's clock; `clock` stamps proofs. Any thread; not
    usable in a forked child. Nothing is connected before the first call.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        user: User | None = None,
        root: str = ROOT,
        clock: Clock = SYSTEM_CLOCK,
        timeout_s: float = 1.0,
    ) -> None:
        self._root = root
        self._clock = clock
        self._timeout_s = timeout_s
        self._targets = targets
        self._lane = Lane(targets, Login(user))
        self._heartbeat_lane = Lane(targets, Login(user))
        self._lock = threading.Lock()
        self._groups: dict[str, Views] = {}
        self._feeds: dict[str, Feed] = {}

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        clock: Clock = SYSTEM_CLOCK,
        timeout_s: float,
    ) -> OpenedStore:
        """Open `etcd://host:port,…/group?tls=true`. Raises `ConfigError`."""
        place = place_of(url, os.environ, timeout_s=timeout_s)
        store = cls(
            place.targets,
            user=place.user,
            root=place.root,
            clock=clock,
            timeout_s=timeout_s,
        )
        return OpenedStore(store, place.group)

    @property
    def guarantees(self) -> Guarantees:
        """What this store declares about itself."""
        return GUARANTEES

    def open_session(self, group: str, record: MemberRecord, ttl_s: float) -> EtcdSession:
        """Make a member live; the ttl is rounded up to whole seconds, and may be granted longer."""
        checked_name("member", record.name)
        if not 0 < ttl_s < float("inf"):
            raise ConfigError(f"a session of {ttl_s} s", cure="Ask for a ttl above 0.")
        keys, views = self._keys(group), self._views(group)
        opened = open_session(
            self._lane, self._clock, keys, record, ttl_s=ttl_s, timeout_s=self._timeout_s
        )
        session, name = opened.session, record.name
        return EtcdSession(
            opened,
            keys=keys,
            lane=self._lane,
            heartbeat=Heartbeat(
                self._heartbeat_lane, self._clock, keys, session=session, name=name
            ),
            tenancy=Tenancy(self._lane, keys, session, name, Seen(views.row, views.generation)),
            timeout_s=self._timeout_s,
        )

    def view(self, group: str) -> View:
        """Read the group: the same object as long as nothing has changed."""
        return self._views(group).view(self._deadline())

    def beacons(self, group: str) -> Mapping[str, BeaconSeen]:
        """The latest beacon of each live session; numbers count those that were put."""
        keys = self._keys(group)
        found = self._lane.call("Range", wire.get(*keys.beacons), self._deadline())
        return {keys.session_in(kv.key): BeaconSeen(kv.version, kv.value) for kv in found.kvs}

    def watch(self, group: str, wake: Callable[[], None]) -> EtcdWatch:
        """Call `wake()` in the watching thread soon after a change. The server need not be up."""
        self._lane.check_usable()
        self._views(group)
        return self._feeds[group].add(wake)

    def evict(self, group: str, observed: Observed) -> bool:
        """Whether the session is over: etcd itself ends sessions, and nobody is asked to."""
        request = wire.get(self._keys(group).beacon(observed.session), count_only=True)
        found = self._lane.call("Range", request, self._deadline())
        return not found.count

    def depose(self, group: str, tenure: Tenure) -> bool:
        """Take one tenure away from its holder; afterwards it is not held any more."""
        depose(self._lane, self._keys(group), tenure, self._views(group).row, self._deadline())
        return True

    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        """Write a role record, conditional on its version.

        When the generation moves on, free claims of older ones are deleted, as far as there is
        time; views do not show them either way.
        """
        checked_name("role", record.name)
        keys, deadline = self._keys(group), self._deadline()
        key = keys.role(record.name)
        request = wire.txn(
            [wire.at_revision(key, record.version)],
            [
                wire.put(key, record.to_json().encode(), prev_kv=True),
                wire.put(keys.changes, b""),
            ],
            [wire.read(key)],
        )
        answer = self._lane.call("Txn", request, deadline, repeatable=False)
        if not answer.succeeded:
            found = answer.responses[0].response_range.kvs
            version = found[0].mod_revision if found else 0
            raise StoreConflict(
                f"role {record.name!r} is at version {version}, not {record.version}",
                cure="Read the view again and decide anew.",
            )
        before = answer.responses[0].response_put.prev_kv
        older = role_of(before.value, before.mod_revision)
        if record.generation > (1 if older is None else older.generation):
            forget_older(self._lane, keys, record, deadline)
        return replace(record, version=answer.header.revision)

    def probe(self, group: str) -> list[Probe]:
        """Endpoints, versions, leader, round trips, space and alarms, users, what is granted."""
        return findings(self._lane, self._targets, self._keys(group), self._deadline())

    def close(self) -> None:
        """Close connections and stop threads. Sessions are left to expire. Idempotent.

        Does nothing in a forked child: they are the parent's, and gRPC, whose threads are not
        there, would wait for ever (`test_a_forked_child_is_refused_and_ends`).
        """
        if not self._lane.is_ours:
            return
        with self._lock:
            feeds = tuple(self._feeds.values())
        deadline = self._deadline()
        for feed in feeds:
            feed.close(deadline)
        self._lane.close()
        self._heartbeat_lane.close()

    def _deadline(self) -> Deadline:
        return Deadline(self._timeout_s)

    def _keys(self, group: str) -> Keys:
        return Keys(self._root, checked_name("group", group))

    def _views(self, group: str) -> Views:
        keys = self._keys(group)
        with self._lock:
            views = self._groups.get(group)
            if views is None:
                feed = self._feeds[group] = Feed(self._lane, keys, self._timeout_s)
                views = self._groups[group] = Views(self._lane, keys, group, feed)
            return views
