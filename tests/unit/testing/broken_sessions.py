"""Stores that are broken in who lives: resurrection, duplicates, closing, eviction, proofs."""

from __future__ import annotations

import time
from dataclasses import replace

from coord.errors import DuplicateMember
from coord.model import LiveMember, MemberRecord
from coord.spi import Observed, Proof
from coord.testing.group_state import GroupState, Manner, _Row
from coord.testing.memory import MemoryServer, MemorySession, MemoryStore
from tests.unit.testing.bugs import broken


@broken(
    "a_session_that_died_silently_is_dead_for_every_method",
    "a_closed_session_is_dead_for_every_method",
    "our_own_incarnation_supersedes_its_former_session",
    "a_heartbeat_that_lands_late_resurrects_nobody",
)
class HeartbeatsWriteWhatIsNotThere(GroupState):
    def heartbeat(self, now_s: float, session: str, beacon: bytes) -> None:
        if session not in self._rows:
            record = MemberRecord(name=session.partition(".")[0], incarnation="back")
            self._rows[session] = _Row(now_s, b"", set())
            self._names[record.name] = session
            self._members.put(
                session, LiveMember(session=session, record=record, ttl_s=10.0, seq=0)
            )
            self.revision += 1
        super().heartbeat(now_s, session, beacon)


@broken(
    "a_session_that_died_silently_is_dead_for_every_method",
    "an_eviction_and_a_heartbeat_that_race_have_one_winner",
)
class HeartbeatsOfTheDeadAreAcknowledged(GroupState):
    def heartbeat(self, now_s: float, session: str, beacon: bytes) -> None:
        if session in self._rows:
            super().heartbeat(now_s, session, beacon)


@broken(
    "our_own_incarnation_supersedes_its_former_session",
    "an_opening_that_lands_late_leaves_one_session_of_the_name",
)
class OurOwnIncarnationIsADuplicate(GroupState):
    def _give_way(self, now_s: float, sitting: str, record: MemberRecord) -> None:
        raise DuplicateMember("the name is taken", session=sitting)


@broken(
    "our_own_incarnation_supersedes_its_former_session",
    "an_opening_that_lands_late_leaves_one_session_of_the_name",
    "another_live_incarnation_is_a_duplicate",
)
class NamesAreNotChecked(GroupState):
    def open(self, now_s: float, record: MemberRecord, ttl_s: float) -> tuple[str, float]:
        self._names.pop(record.name, None)
        return super().open(now_s, record, ttl_s)

    def _end(self, session: str) -> None:
        self._names[self._members[session].record.name] = session
        super()._end(session)


@broken("another_live_incarnation_is_a_duplicate")
class NewcomersTakeTheName(GroupState):
    def _give_way(self, now_s: float, sitting: str, record: MemberRecord) -> None:
        self._end(sitting)


@broken("racing_duplicates_leave_one_session", locked=False)
class NamesAreReadThenWritten(GroupState):
    def open(self, now_s: float, record: MemberRecord, ttl_s: float) -> tuple[str, float]:
        if self._names.get(record.name) is None:
            time.sleep(0.02)
            self._names.pop(record.name, None)
        return super().open(now_s, record, ttl_s)


@broken("a_dead_incarnations_name_is_free_again")
class TheDeadKeepTheirNames(GroupState):
    def open(self, now_s: float, record: MemberRecord, ttl_s: float) -> tuple[str, float]:
        sitting = self._names.get(record.name)
        if sitting and self._members[sitting].record.incarnation != record.incarnation:
            raise DuplicateMember("the name is taken", session=sitting)
        return super().open(now_s, record, ttl_s)


@broken("close_lets_go_of_everything_as_unclean", "a_dead_sessions_claims_are_free_and_unclean")
class EndedSessionsLeaveCleanNotes(GroupState):
    def _end(self, session: str) -> None:
        keys = tuple(self._rows[session].keys)
        super()._end(session)
        for key in keys:
            claim = self._claims[key]
            self._claims.put(key, replace(claim, note=replace(claim.note, clean=True)))


@broken("close_lets_go_of_everything_as_unclean", "many_claims_fit_a_session")
class ClosingLetsGoOfOneClaim(GroupState):
    def close(self, now_s: float, session: str) -> None:
        row = self._rows.get(session)
        if row is not None:
            row.keys = set(sorted(row.keys)[:1])
        super().close(now_s, session)


@broken(
    "a_lost_session_cannot_hurt_its_successor",
    "a_close_that_lands_late_ends_its_own_session_only",
)
class ClosingGoesByName(GroupState):
    def close(self, now_s: float, session: str) -> None:
        sitting = self._names.get(session.rpartition(".")[0])
        if sitting is not None:
            super().close(now_s, sitting)


@broken("evict_leaves_alone_a_session_that_moved", manner=Manner.OBSERVED)
class EvictionIgnoresTheHeartbeatNumber(GroupState):
    def evict(self, now_s: float, observed: Observed) -> bool:
        member = self._members.get(observed.session)
        seq = observed.seq if member is None else member.seq
        return super().evict(now_s, observed._replace(seq=seq))


@broken("evict_answers_true_for_a_session_that_is_over")
class EvictionDeniesWhatIsOver(GroupState):
    def evict(self, now_s: float, observed: Observed) -> bool:
        return observed.session in self._rows and super().evict(now_s, observed)


@broken("nothing_ends_a_session_before_its_proof_does")
class EvictionIgnoresTheTime(GroupState):
    def evict(self, now_s: float, observed: Observed) -> bool:
        return super().evict(now_s + 1e9, observed)


@broken("nothing_ends_a_session_before_its_proof_does", manner=Manner.SERVER)
class TheServerSweepsEarly(GroupState):
    def sweep(self, now_s: float) -> None:
        super().sweep(now_s + 2.0)


@broken("a_silent_session_is_over_within_the_declared_bound", manner=Manner.SERVER)
class TheServerSweepsLate(GroupState):
    def sweep(self, now_s: float) -> None:
        super().sweep(now_s - 20.0)


@broken("heartbeats_keep_a_session_and_its_claims")
class HeartbeatsRenewNothing(GroupState):
    def heartbeat(self, now_s: float, session: str, beacon: bytes) -> None:
        self._alive(now_s, session)
        deadline_s = self._rows[session].deadline_s
        super().heartbeat(now_s, session, beacon)
        self._rows[session].deadline_s = deadline_s


@broken("a_heartbeat_shows_in_the_view_as_a_larger_number")
class HeartbeatsAreNotCounted(GroupState):
    def heartbeat(self, now_s: float, session: str, beacon: bytes) -> None:
        super().heartbeat(now_s, session, beacon)
        self._members.put(session, replace(self._members[session], seq=1))


@broken("an_expiry_hint_is_never_early_and_never_idle")
class HintsComeEarly(GroupState):
    def _renew(self, now_s: float, session: str, seq: int) -> None:
        super()._renew(now_s, session, seq)
        self._members.put(session, replace(self._members[session], expires_at_s=now_s + 5.0))


@broken("an_expiry_hint_is_never_early_and_never_idle")
class HintsAreIdle(GroupState):
    def evict(self, now_s: float, observed: Observed) -> bool:
        return super().evict(now_s - 1.0, observed)


@broken("a_proof_is_stamped_before_its_request_and_bears_the_granted_ttl")
class ProofsAreStampedInTheFuture(MemorySession):
    def heartbeat(self, beacon: bytes) -> Proof:
        proof = super().heartbeat(beacon)
        return replace(proof, sent_at_s=proof.sent_at_s + 0.5)


@broken("a_proof_is_stamped_before_its_request_and_bears_the_granted_ttl")
class PeersAreShownAnotherTtl(GroupState):
    def open(self, now_s: float, record: MemberRecord, ttl_s: float) -> tuple[str, float]:
        session, granted_s = super().open(now_s, record, ttl_s)
        return session, granted_s * 2


@broken("closing_a_handle_leaves_its_sessions_to_expire")
class ClosingAHandleEndsItsSessions(MemoryStore):
    def open_session(self, group: str, record: MemberRecord, ttl_s: float) -> MemorySession:
        session = super().open_session(group, record, ttl_s)
        self.__dict__.setdefault("mine", []).append(session)
        return session

    def close(self) -> None:
        for session in self.__dict__.get("mine", ()):
            session.close()
        super().close()


@broken("groups_are_apart", "an_unknown_group_is_empty")
class AllGroupsAreOne(MemoryServer):
    def apply(self, group: str, request: object) -> object:  # type: ignore[override]
        return super().apply("one", request)  # type: ignore[arg-type]
