"""Stores that are broken in what they keep and show: records, views, watches, names, tidiness."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, ClassVar

from coord.errors import StoreConflict, StoreRefused
from coord.model import MemberRecord, RoleRecord, View
from coord.spi import BeaconSeen, Guarantees, Observed, Probe, Tenure
from coord.testing.group_state import GroupState
from coord.testing.memory import MemorySession, MemoryStore, MemoryWatch
from tests.unit.testing.bugs import broken


@broken("a_role_record_survives_whole")
class PendingShapesAreNotStored(GroupState):
    def put_role(self, now_s: float, record: RoleRecord) -> RoleRecord:
        return super().put_role(now_s, replace(record, pending=None))


@broken(
    "a_role_write_on_a_stale_version_is_a_conflict",
    "a_role_write_that_lands_late_never_overwrites_a_newer_one",
)
class TheLastRoleWriteWins(GroupState):
    def put_role(self, now_s: float, record: RoleRecord) -> RoleRecord:
        known = self._roles.get(record.name)
        version = 0 if known is None else known.version
        return super().put_role(now_s, replace(record, version=version))


@broken("racing_role_writes_have_one_winner", locked=False)
class RolesAreReadThenWritten(GroupState):
    def put_role(self, now_s: float, record: RoleRecord) -> RoleRecord:
        known = self._roles.get(record.name)
        if record.version != (0 if known is None else known.version):
            raise StoreConflict("stale")
        time.sleep(0.02)
        current = self._roles.get(record.name)
        version = 0 if current is None else current.version
        return super().put_role(now_s, replace(record, version=version))


@broken("a_member_record_survives_whole_and_can_be_replaced")
class HeartbeatsBringTheFirstRecordBack(MemorySession):
    _first: MemberRecord | None = None

    def heartbeat(self, beacon: bytes) -> object:  # type: ignore[override]
        if self._first is not None:
            super().update(self._first)
        return super().heartbeat(beacon)

    def update(self, record: MemberRecord) -> None:
        self._first = self._store.view(self._group).members[self._id].record
        super().update(record)


@broken("notes_travel_with_claims_amendments_releases_and_deposals")
class AmendmentsLoseTheEndings(GroupState):
    def amend(self, now_s: float, session: str, tenures: tuple[Tenure, ...]) -> None:
        cut = tuple(t._replace(note=replace(t.note, endings=())) for t in tenures)
        super().amend(now_s, session, cut)


@broken("a_beacon_is_what_the_last_heartbeat_said")
class BeaconsAreCutShort(GroupState):
    def heartbeat(self, now_s: float, session: str, beacon: bytes) -> None:
        super().heartbeat(now_s, session, beacon[:512])


@broken("a_beacon_is_what_the_last_heartbeat_said")
class BeaconsOutliveTheirSessions(GroupState):
    _ever: dict[str, BeaconSeen]

    def beacons(self, now_s: float) -> Mapping[str, BeaconSeen]:
        self.__dict__.setdefault("_ever", {}).update(super().beacons(now_s))
        return dict(self._ever)


@broken("a_view_shows_every_acknowledged_write")
class ViewsLagBehind(MemoryStore):
    """Each handle reads from a replica that is one read behind."""

    def view(self, group: str) -> View:
        newest = super().view(group)
        behind = self.__dict__.setdefault("behind", {})
        seen: View = behind.get(group, newest)
        behind[group] = newest
        return seen


@broken("a_view_never_changes")
class ViewsAreLive(GroupState):
    def view(self, now_s: float, *, hints: bool) -> View:
        view = super().view(now_s, hints=hints)
        self._claims._picture = None  # the next change goes into the mapping that was shown
        return view


@broken("the_revision_moves_with_changes_and_not_with_heartbeats")
class HeartbeatsMoveTheRevision(GroupState):
    def heartbeat(self, now_s: float, session: str, beacon: bytes) -> None:
        super().heartbeat(now_s, session, beacon)
        self.revision += 1


@broken("the_revision_moves_with_changes_and_not_with_heartbeats")
class AmendmentsLeaveTheRevision(GroupState):
    def amend(self, now_s: float, session: str, tenures: tuple[Tenure, ...]) -> None:
        before = self.revision
        super().amend(now_s, session, tenures)
        self.revision = before


@broken("what_a_probe_finds_wrong_it_can_cure")
class ProbesComplainOnly(MemoryStore):
    def probe(self, group: str) -> list[Probe]:
        return [replace(finding, cure="") for finding in super().probe(group)]


@broken("a_watch_wakes_for_every_kind_of_change_by_another_process")
class AmendmentsWakeNobody(MemorySession):
    def amend(self, tenures: Sequence[Tenure]) -> None:
        server = self._store.server
        watches = server._watches.pop(self._group, [])
        super().amend(tenures)
        server._watches[self._group] = watches


@broken("a_watch_wakes_for_changes_through_its_own_handle")
class OwnChangesWakeNobody(MemoryStore):
    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        mine = [watch for watch in self._watches if watch in self.server._watches.get(group, [])]
        for watch in mine:
            self.server._watches[group].remove(watch)
        try:
            return super().put_role(group, record)
        finally:
            self.server._watches.setdefault(group, []).extend(mine)


@broken("a_watch_wakes_when_a_silent_session_has_ended")
class EvictionsWakeNobody(MemoryStore):
    def evict(self, group: str, observed: Observed) -> bool:
        watches = self.server._watches.pop(group, [])
        try:
            return super().evict(group, observed)
        finally:
            self.server._watches[group] = watches


@broken("heartbeats_alone_hardly_wake_anybody")
class HeartbeatsWakeEverybody(MemorySession):
    def heartbeat(self, beacon: bytes) -> object:  # type: ignore[override]
        proof = super().heartbeat(beacon)
        for watch in tuple(self._store.server._watches.get(self._group, ())):
            watch.wake()
        return proof


@broken("a_closed_watch_stays_silent")
class ClosedWatchesGoOn(MemoryStore):
    def watch(self, group: str, wake: Callable[[], None]) -> MemoryWatch:
        self.server.subscribe(group, wake)
        return super().watch(group, lambda: None)


@broken("guarantees_are_stated")
class HandlesDisagreeOnGuarantees(MemoryStore):
    @property
    def guarantees(self) -> Guarantees:
        return replace(super().guarantees, batch_size=id(self) % 10**6 + 1)


@broken("every_permitted_name_works_everywhere")
class NamesAreCutAt64(GroupState):
    def open(self, now_s: float, record: MemberRecord, ttl_s: float) -> tuple[str, float]:
        return super().open(now_s, replace(record, name=record.name[:64]), ttl_s)


@broken("every_permitted_name_works_everywhere")
class ColonsAreRefused(GroupState):
    def put_role(self, now_s: float, record: RoleRecord) -> RoleRecord:
        if ":" in record.name:
            raise StoreRefused("a name with a colon")
        return super().put_role(now_s, record)


@broken("similar_names_are_different_names")
class ClosingGoesByPrefix(GroupState):
    def close(self, now_s: float, session: str) -> None:
        prefix = session.rpartition(".")[0]
        for other in [sid for sid in self._rows if sid.startswith(prefix)]:
            super().close(now_s, other)


@broken("many_claims_fit_a_session")
class ViewsStopAtOnePage(GroupState):
    def view(self, now_s: float, *, hints: bool) -> View:
        view = super().view(now_s, hints=hints)
        return replace(view, claims=dict(list(view.claims.items())[:500]))


@broken("nothing_is_left_behind_after_close")
class WatchesLeaveFilesOpen(MemoryStore):
    left_open: ClassVar[list[IO[bytes]]] = []

    def watch(self, group: str, wake: Callable[[], None]) -> MemoryWatch:
        self.left_open.append(Path(os.devnull).open("rb"))  # noqa: SIM115  that is the bug
        return super().watch(group, wake)
