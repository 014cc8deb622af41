"""The DynamoDB store: groups, sessions, views, watches.

Owns what one process keeps of one table: two clients, cached views, one watching thread. The rules
are in the modules that this one puts together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, InternalError
from coord.model import MemberRecord, RoleRecord, View, checked_name
from coord.spi import (
    BeaconSeen,
    Expiry,
    Guarantees,
    Observed,
    OpenedStore,
    Probe,
    Proof,
    Tenure,
)
from coord_dynamodb import life, probe
from coord_dynamodb.cutting import Limit
from coord_dynamodb.group import Group
from coord_dynamodb.link import Charged, Link, clients_of
from coord_dynamodb.listing import sessions
from coord_dynamodb.own import OwnChanges
from coord_dynamodb.pen import Pen
from coord_dynamodb.session import DynamoDBSession
from coord_dynamodb.sightings import GroupSightings
from coord_dynamodb.snapshot import Snapshots
from coord_dynamodb.sweep import sweep
from coord_dynamodb.table import Table
from coord_dynamodb.url import BATCH_MAX, BATCH_MIN, Target, default_poll_s, parsed
from coord_dynamodb.watch import DynamoDBWatch, Watcher

__all__ = ["DynamoDBStore"]

_QUIET_POLLS = 5.0


class DynamoDBStore:
    """Implements `coord.spi.Store` and `coord.spi.Initializable` on one table. Any thread of the
    process that opened it.

    Opening makes no request; it asks boto3 for region and credentials, and raises `ConfigError`
    where there are none. `timeout_s` bounds each later call but `init`.
    """

    def __init__(
        self, target: Target, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 1.0
    ) -> None:
        if not BATCH_MIN <= target.batch <= BATCH_MAX:
            raise ConfigError(
                f"transactions of {target.batch} items",
                cure=f"A batch is {BATCH_MIN} to {BATCH_MAX} items.",
            )
        self._target = target
        self._clock = clock
        self._maker = clients_of(target, timeout_s=timeout_s)
        self._link = Link(self._maker, target, clock=clock, timeout_s=timeout_s)
        self._pulse = Link(self._maker, target, clock=clock, timeout_s=timeout_s)
        self._table = Table(self._link)
        self._limit = Limit(target.batch)
        self._own = OwnChanges()
        self._sightings = GroupSightings(clock)
        self._snapshots = Snapshots(self._own, self._sightings)
        poll_s = target.poll_s or default_poll_s(timeout_s)
        self._watcher = Watcher(poll_s, self._tidy, self._sightings)
        self._lock = threading.Lock()
        self._sessions: list[DynamoDBSession] = []

    @classmethod
    def from_url(cls, url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> OpenedStore:
        """Open `dynamodb://table/group?region=…&endpoint=…`. Raises `ConfigError`."""
        target = parsed(url)
        return OpenedStore(cls(target, clock=clock, timeout_s=timeout_s), target.group)

    @property
    def guarantees(self) -> Guarantees:
        """What this store declares about itself. A batch fits one transaction of one role."""
        return Guarantees(
            kind="dynamodb",
            token_source="generation and a counter of each claim",  # noqa: S106  a fencing token
            expiry=Expiry.OBSERVED,
            pushes_changes=False,
            peers_evict=True,
            batch_size=self._target.batch - 2,
        )

    @property
    def charged(self) -> Charged:
        """What this handle has asked and was charged so far, as the server reports it."""
        main, pulse = self._link.charged, self._pulse.charged
        return Charged(
            main.requests + pulse.requests,
            main.read_units + pulse.read_units,
            main.write_units + pulse.write_units,
        )

    def open_session(self, group: str, record: MemberRecord, ttl_s: float) -> DynamoDBSession:
        """Make a member live: one read and one transaction; the first time the table is checked."""
        checked_name("member", record.name)
        if not 0 < ttl_s < float("inf"):
            raise ConfigError(f"a session of {ttl_s} s", cure="Ask for a ttl above 0.")
        where, deadline = self._group(group), self._link.deadline()
        self._table.check(deadline)
        opened = Proof(sent_at_s=self._clock.now(), ttl_s=ttl_s)
        begun = life.begin(where, record, ttl_s, deadline)
        pen = Pen(where, self._own, session=begun.session, name=record.name, last=begun.last)
        made = DynamoDBSession(
            pen,
            Group(self._pulse, group),
            clock=self._clock,
            limit=self._limit,
            batch_size=self.guarantees.batch_size,
            record=record,
            opened=opened,
            snapshots=self._snapshots,
        )
        with self._lock:
            self._sessions = [known for known in self._sessions if known.lives]
            self._sessions.append(made)
        return made

    def view(self, group: str) -> View:
        """Read the group: the same object as long as nothing has changed."""
        try:
            return self._snapshots.view(self._group(group))
        except InternalError as error:
            raise self._table.explained(error, self._link.deadline()) from None

    def beacons(self, group: str) -> Mapping[str, BeaconSeen]:
        """The latest beacon of each live session."""
        found = sessions(self._group(group), self._link.deadline())
        self._sightings.shown(group, {one.session: one.seq for one in found})
        return {one.session: BeaconSeen(one.seq, one.beacon) for one in found}

    def watch(self, group: str, wake: Callable[[], None]) -> DynamoDBWatch:
        """Call `wake()` in the watching thread within some `poll` seconds of a change."""
        return self._watcher.add(self._group(group), wake)

    def evict(self, group: str, observed: Observed) -> bool:
        """End a session that is dead: the caller has watched it for long enough."""
        return life.evict(self._group(group), observed, self._link.deadline())

    def depose(self, group: str, tenure: Tenure) -> bool:
        """Take one tenure away from its holder; afterwards it is not held any more."""
        life.depose(self._group(group), tenure, self._link.deadline())
        return True

    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        """Write a role record, conditional on its version."""
        checked_name("role", record.name)
        return life.put_role(self._group(group), record, self._link.deadline())

    def init(self, group: str) -> list[Probe]:
        """Make the table unless it is there, have garbage deleted, and say how it is.

        Takes up to a minute. Raises `StoreRefused` for a table that is another's.
        """
        checked_name("group", group)
        made = self._table.create(self._target.provisioned, self._link.deadline())
        found = self._table.await_active()
        expiring = self._table.let_expire(self._link.deadline())
        return [
            Probe(
                name="made",
                ok=True,
                value=f"table {self._target.table} was {'made' if made else 'there already'}; "
                f"deleting of garbage was {'switched on' if expiring else 'on already'}",
            ),
            *probe.findings(self._link, self._pulse, self._maker, self._target, found),
        ]

    def probe(self, group: str) -> list[Probe]:
        """The table, its capacity, rights and limits, and the round trips."""
        checked_name("group", group)
        return probe.findings(self._link, self._pulse, self._maker, self._target)

    def close(self) -> None:
        """Close connections and stop the watching thread. Sessions are left to expire.

        Takes no longer than a moment: requests under way, whoever makes them, fail at once.
        """
        self._watcher.stop()
        with self._lock:
            left, self._sessions = self._sessions, []
        for session in left:
            session.abandon()
        self._link.close()
        self._pulse.close()
        self._watcher.join(self._link.timeout_s)

    def _group(self, group: str) -> Group:
        return Group(self._link, checked_name("group", group))

    def _tidy(self, group: str) -> None:
        """In the watching thread, after each look."""
        with self._lock:
            mine = list(self._sessions)
        for session in mine:
            session.tidy(_QUIET_POLLS * self._watcher.poll_s)
        sweep(self._group(group), self._snapshots, {session.id for session in mine})
