"""The store: the contract's methods on top of one file.

Owns opening and closing, and nothing else: the rules are in `life` (sessions, roles), `claims`,
`snapshot` (views), `link` (transactions, retries), `handshake` (what is refused) and `place`
(clocks and processes). Non-guarantees: the file must not be deleted, replaced or copied over while
members run, and a member must not open it by other means than SQLite (closing it would drop the
member's locks); a member that is stopped inside a write stops all others (`probe` names it). The
end of a process is taken for proven when the kernel says so, but its children, and what it has
handed to the kernel to send, may act on, and a checkpointed process may be brought back.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError
from coord.model import MemberRecord, RoleRecord, View, checked_name
from coord.spi import BeaconSeen, Expiry, Guarantees, Observed, OpenedStore, Probe, Proof, Tenure
from coord_sqlite import claims, life
from coord_sqlite.access import Access
from coord_sqlite.life import Observer
from coord_sqlite.peers import Peers
from coord_sqlite.place import Place, place_of, this_process
from coord_sqlite.probe import findings, findings_before
from coord_sqlite.session import BATCH_SIZE, SqliteSession
from coord_sqlite.snapshot import Snapshots
from coord_sqlite.url import parsed
from coord_sqlite.watch import SqliteWatch, Watcher

__all__ = ["SqliteStore"]

MIN_TTL_S = 0.1

GUARANTEES = Guarantees(
    kind="sqlite",
    token_source="one counter in the file",  # noqa: S106  a fencing token
    expiry=Expiry.PROVEN,
    pushes_changes=True,
    peers_evict=True,
    batch_size=BATCH_SIZE,
    min_ttl_s=MIN_TTL_S,
)


class SqliteStore:
    """A SQLite file as a store for the processes of one machine. Implements `coord.spi.Store`.

    `timeout_s` bounds every call, on the system's clock; `clock` decides expiry. `place` (for
    tests) says where this process claims to be. Any thread; not usable in a forked child. The
    file is made by the first `open_session` or `put_role`; reading a missing file is refused.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock = SYSTEM_CLOCK,
        timeout_s: float = 1.0,
        place: Place | None = None,
    ) -> None:
        self.path = os.path.realpath(path)
        self._clock = clock
        process = this_process()
        self._observer = Observer(clock, place or place_of(clock), process)
        self._access = Access(self.path, self._observer, timeout_s=timeout_s)
        self._peers = Peers(process)
        self._snapshots = Snapshots(self._access.reader, self._observer, self._peers)
        self._watcher = Watcher(self._access, self._peers)
        self._lock = threading.Lock()
        self._sessions: list[SqliteSession] = []
        self._access.check()

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        clock: Clock = SYSTEM_CLOCK,
        timeout_s: float,
    ) -> OpenedStore:
        """Open `sqlite:///file.db?group=NAME`. Raises `ConfigError` and `StoreRefused`."""
        target = parsed(url)
        place = place_of(clock, machine=target.machine)
        store = cls(target.path, clock=clock, timeout_s=timeout_s, place=place)
        return OpenedStore(store, target.group)

    @property
    def guarantees(self) -> Guarantees:
        """What this store declares about itself."""
        return GUARANTEES

    def open_session(self, group: str, record: MemberRecord, ttl_s: float) -> SqliteSession:
        """Make a member live; makes the file if need be."""
        checked_name("group", group)
        checked_name("member", record.name)
        if not 0 < ttl_s < float("inf"):
            raise ConfigError(f"a session of {ttl_s} s", cure="Ask for a ttl above 0.")
        writer = self._access.writer(create=True)
        pulse = self._access.connect(durable=False)
        session = secrets.token_hex(12)
        opened = Proof(sent_at_s=self._clock.now(), ttl_s=max(ttl_s, MIN_TTL_S))
        try:
            gid = writer.write(
                lambda connection: life.open_session(
                    connection, self._observer, group, record, session=session, opened=opened
                )
            )
        except BaseException:
            pulse.close()
            raise
        made = SqliteSession(
            pulse=pulse, writer=writer, clock=self._clock, session=session, gid=gid, opened=opened
        )
        with self._lock:
            self._sessions = [known for known in self._sessions if known.lives]
            self._sessions.append(made)
        return made

    def view(self, group: str) -> View:
        """Read the group: the same object as long as nothing has changed."""
        return self._snapshots.view(checked_name("group", group))

    def beacons(self, group: str) -> Mapping[str, BeaconSeen]:
        """The latest beacon of each live session."""
        rows = self._access.reader().read(
            "SELECT s.id, s.seq, s.beacon FROM sessions s JOIN groups g ON s.gid = g.gid "
            "WHERE g.name=?",
            (checked_name("group", group),),
        )
        return {session: BeaconSeen(seq, beacon) for session, seq, beacon in rows}

    def watch(self, group: str, wake: Callable[[], None]) -> SqliteWatch:
        """Call `wake()` in the watching thread within some 20 ms of a change, and when the process
        of a member that a view of this store has shown exits. The file need not exist yet.
        """
        self._access.check_usable()
        return self._watcher.add(checked_name("group", group), wake)

    def evict(self, group: str, observed: Observed) -> bool:
        """End a session that is dead. Readers of another clock must have watched it themselves."""

        def work(connection: sqlite3.Connection) -> bool:
            gid = life.find_group(connection, group)
            return gid is None or life.evict(connection, self._observer, gid, observed)

        return self._access.writer().write(work)

    def depose(self, group: str, tenure: Tenure) -> bool:
        """Take one tenure away from its holder; afterwards it is not held any more."""

        def work(connection: sqlite3.Connection) -> bool:
            gid = life.find_group(connection, group)
            if gid is not None:
                claims.depose(connection, gid, tenure)
            return True

        return self._access.writer().write(work)

    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        """Write a role record, conditional on its version; makes the file if need be."""
        checked_name("group", group)
        checked_name("role", record.name)
        version = self._access.writer(create=True).write(
            lambda connection: life.put_role(connection, life.make_group(connection, group), record)
        )
        return replace(record, version=version)

    def probe(self, group: str) -> list[Probe]:
        """File, filesystem, space, clock; once there is a file also journal, locks, round trips."""
        checked_name("group", group)
        self._access.check_usable()
        if not self._access.exists:
            return findings_before(self.path, self._observer)
        return findings(self._access.writer(), self._observer, group)

    def close(self) -> None:
        """Close connections and stop the watching thread. Sessions are left to expire."""
        self._watcher.close()
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.abandon()
        self._access.close()
        self._peers.close()
