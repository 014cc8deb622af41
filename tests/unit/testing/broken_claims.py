"""Stores that are broken in who holds what: exclusion, tokens, stale requests."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import count

from coord.errors import StoreRefused
from coord.model import Claim, ClaimKey, Note, RoleRecord
from coord.spi import Claimed, ClaimRequest, Held, Observed, Tenure
from coord.testing.group_state import GroupState, Shelf
from coord.testing.memory import MemorySession
from tests.unit.testing.bugs import broken


def _give(state: GroupState, session: str, request: ClaimRequest, token: int) -> Claimed:
    state._claims.put(request.key, Claim(request.key, token, session, request.note))
    state._rows[session].keys.add(request.key)
    state.revision += 1
    return Claimed(request.key, token)


@broken("a_held_key_is_refused_to_everyone_else", "nothing_ends_a_session_before_its_proof_does")
class ClaimsOverwriteTheHolder(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        known = self._claims.get(request.key)
        if known is not None and known.session not in {None, session}:
            if known.token != request.seen_token:
                return Held(request.key)
            return _give(self, session, request, next(self._rules.serial))
        return super()._claim_one(session, request)


@broken("each_seat_and_shard_is_a_key_of_its_own")
class SeatsAreOneKey(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        answer = super()._claim_one(session, request._replace(key=request.key._replace(seat=0)))
        return answer._replace(key=request.key)


@broken("a_claim_on_a_stale_token_loses", "a_claim_that_lands_late_never_takes_from_a_later_holder")
class ClaimsIgnoreTheSeenToken(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        known = self._claims.get(request.key)
        if known is not None and known.session is None:
            request = request._replace(seen_token=known.token)
        return super()._claim_one(session, request)


@broken("a_claim_on_a_stale_role_record_loses")
class ClaimsIgnoreTheRoleVersion(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        version = self._roles[request.key.role].version
        return super()._claim_one(session, request._replace(role_version=version))


@broken("in_a_batch_each_key_wins_or_loses_alone_and_in_order")
class BatchesWinOrLoseTogether(GroupState):
    def claim(
        self, now_s: float, session: str, requests: tuple[ClaimRequest, ...]
    ) -> list[Claimed | Held]:
        known = [self._claims.get(request.key) for request in requests]
        if any(claim and claim.session not in {None, session} for claim in known):
            return [Held(request.key) for request in requests]
        return super().claim(now_s, session, requests)


@broken("in_a_batch_each_key_wins_or_loses_alone_and_in_order")
class BatchesAreAnsweredInKeyOrder(GroupState):
    def claim(
        self, now_s: float, session: str, requests: tuple[ClaimRequest, ...]
    ) -> list[Claimed | Held]:
        return sorted(super().claim(now_s, session, requests))


@broken("empty_batches_are_no_error")
class EmptyBatchesAreRefused(GroupState):
    def claim(
        self, now_s: float, session: str, requests: tuple[ClaimRequest, ...]
    ) -> list[Claimed | Held]:
        if not requests:
            raise StoreRefused("an empty transaction")
        return super().claim(now_s, session, requests)


@broken("repeating_a_claim_answers_with_the_present_token")
class OurOwnKeyIsRefused(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        known = self._claims.get(request.key)
        if known is not None and known.session == session:
            return Held(request.key)
        return super()._claim_one(session, request)


@broken(
    "repeating_a_claim_answers_with_the_present_token", "a_claim_that_lands_late_is_ours_or_nobodys"
)
class RepeatedClaimsGetNewTokens(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        known = self._claims.get(request.key)
        if known is not None and known.session == session:
            return _give(self, session, request, next(self._rules.serial))
        return super()._claim_one(session, request)


@broken("racing_threads_never_hold_one_key_together", locked=False)
class ClaimsReadThenWrite(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        known = self._claims.get(request.key)
        time.sleep(0.0002)
        if known is not None and known.session not in {None, session}:
            return Held(request.key)
        return _give(self, session, request, next(self._rules.serial))


@broken(
    "a_stale_release_never_hits_a_later_tenure",
    "a_release_that_lands_late_never_hits_a_later_tenure",
)
class ReleasesIgnoreTokenAndHolder(GroupState):
    def release(self, now_s: float, session: str, tenures: tuple[Tenure, ...]) -> None:
        for tenure in tenures:
            known = self._claims.get(tenure.key)
            if known is not None and known.session is not None:
                self._rows[known.session].keys.discard(tenure.key)
                self._free(known, tenure.note)


@broken("a_stale_amend_never_hits_a_later_tenure")
class AmendmentsIgnoreTheToken(GroupState):
    def amend(self, now_s: float, session: str, tenures: tuple[Tenure, ...]) -> None:
        for tenure in tenures:
            self._claims.put(tenure.key, replace(self._claims[tenure.key], note=tenure.note))
            self.revision += 1


@broken(
    "a_stale_depose_never_hits_a_later_tenure",
    "a_deposal_that_lands_late_never_hits_a_later_tenure",
)
class DeposalsIgnoreTheToken(GroupState):
    def depose(self, now_s: float, tenure: Tenure) -> bool:
        known = self._claims[tenure.key]
        return super().depose(now_s, tenure._replace(token=known.token))


@broken("tokens_are_64_bit_and_what_the_view_shows")
class AnswersAndViewDisagreeOnTokens(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        answer = super()._claim_one(session, request)
        return answer._replace(token=answer.token + 1) if isinstance(answer, Claimed) else answer


@broken("a_free_key_keeps_its_last_token_in_the_view")
class FreeClaimsLeaveTheView(GroupState):
    def _free(self, claim: Claim, note: Note) -> None:
        self._claims.drop(claim.key)
        self.revision += 1


class _Restarting(GroupState):
    """Token numbers begin anew for the next claim when `_restart` was called."""

    def _restart(self) -> None:
        self._rules.serial = count(1)


@broken("tokens_grow_across_releases", "every_token_of_a_newer_generation_is_larger")
class ReleasesRestartTheTokens(_Restarting):
    def release(self, now_s: float, session: str, tenures: tuple[Tenure, ...]) -> None:
        super().release(now_s, session, tenures)
        self._restart()


@broken("tokens_grow_across_deposals")
class DeposalsRestartTheTokens(_Restarting):
    def depose(self, now_s: float, tenure: Tenure) -> bool:
        self._restart()
        return super().depose(now_s, tenure)


@broken("tokens_grow_across_closed_sessions")
class ClosingRestartsTheTokens(_Restarting):
    def close(self, now_s: float, session: str) -> None:
        super().close(now_s, session)
        self._restart()


@broken("tokens_grow_across_expired_sessions")
class EvictionRestartsTheTokens(_Restarting):
    def evict(self, now_s: float, observed: Observed) -> bool:
        evicted = super().evict(now_s, observed)
        if evicted:
            self._restart()
        return evicted


@broken("tokens_grow_across_deletion")
class DeletionRestartsTheTokens(_Restarting):
    def forget(self) -> None:
        super().forget()
        self._restart()


@broken("every_token_of_a_newer_generation_is_larger")
class TokensAreCountedPerKey(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        answer = super()._claim_one(session, request)
        if isinstance(answer, Held):
            return answer
        return _give(self, session, request, request.seen_token + 1)


@broken("a_newer_generation_starts_with_free_keys")
class ClaimsAreInheritedByTheNextGeneration(GroupState):
    def put_role(self, now_s: float, record: RoleRecord) -> RoleRecord:
        inherited: Shelf[ClaimKey, Claim] = Shelf()
        for key, claim in self._claims.picture().items():
            newer = key._replace(generation=record.generation)
            inherited.put(newer, replace(claim, key=newer))
        self._claims = inherited
        return super().put_role(now_s, record)


@broken("a_token_base_leaves_the_tokens_of_the_store_alone")
class TheTokenBaseIsAdded(GroupState):
    def _claim_one(self, session: str, request: ClaimRequest) -> Claimed | Held:
        answer = super()._claim_one(session, request)
        if isinstance(answer, Held):
            return answer
        return _give(
            self, session, request, self._roles[request.key.role].token_base + answer.token
        )


@broken("a_lost_session_cannot_hurt_its_successor")
class ReleasesAskOnlyForTheToken(GroupState):
    def release(self, now_s: float, session: str, tenures: tuple[Tenure, ...]) -> None:
        for tenure in tenures:
            self.depose(now_s, tenure)


@broken("a_claim_that_lands_after_its_session_ended_holds_nothing")
class TheDeadMayClaim(GroupState):
    def claim(
        self, now_s: float, session: str, requests: tuple[ClaimRequest, ...]
    ) -> list[Claimed | Held]:
        if session in self._rows:
            return super().claim(now_s, session, requests)
        for request in requests:
            token = next(self._rules.serial)
            self._claims.put(request.key, Claim(request.key, token, session, request.note))
        self.revision += 1
        return [Claimed(request.key, self._claims[request.key].token) for request in requests]


@broken("a_heartbeat_is_not_held_up_by_other_calls_of_its_session")
class SessionsServeOneCallAtATime(MemorySession):
    _busy = False

    def claim(self, requests: object) -> list[Claimed | Held]:
        self._busy = True
        time.sleep(0.01)
        try:
            return super().claim(requests)  # type: ignore[arg-type]
        finally:
            self._busy = False

    def heartbeat(self, beacon: bytes) -> object:  # type: ignore[override]
        if self._busy:
            raise StoreRefused("this connection is in use by another thread")
        time.sleep(0.001)
        return super().heartbeat(beacon)
