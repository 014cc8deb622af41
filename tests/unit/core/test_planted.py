"""Cores with a planted mistake: every one is caught by a play that the true core passes.

A check that never fails proves nothing. Each mistake below is one that real systems have made, or
that this core made while it was written; each is planted alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from coord.core import endings
from coord.core.claim_rules import ClaimRules
from coord.core.decision import Round
from coord.core.desk import Desk
from coord.core.keeper import Keeper
from coord.core.lease import Lease
from coord.core.member import Member
from coord.core.peers import Peers
from coord.core.progress import AttendedClock
from coord.core.states import TenureSignal
from coord.core.tenures import Tenancy, Tenures
from coord.spi import Observed, Tenure
from coord.testing.group_state import GroupState
from tests.unit.core.scenarios import SCENARIOS

Plant = Callable[[pytest.MonkeyPatch], None]
_PLANTS: dict[str, tuple[Plant, str]] = {}


def caught_by(play: str) -> Callable[[Plant], Plant]:
    """Register a mistake with the play that it spoils."""

    def register(plant: Plant) -> Plant:
        _PLANTS[plant.__name__] = (plant, play)
        return plant

    return register


# --- time ------------------------------------------------------------------------------------


@caught_by("a_slow_reply_gives_nobody_more_time")
def the_deadline_is_stamped_at_the_response(patch: pytest.MonkeyPatch) -> None:
    true = Keeper.beat_proven
    patch.setattr(
        Keeper,
        "beat_proven",
        lambda self, proof, now: true(self, replace(proof, sent_at_s=now), now),
    )


@caught_by("a_slow_clock_gives_nobody_more_time")
def the_deadline_has_no_margin_for_drift(patch: pytest.MonkeyPatch) -> None:
    true = Lease.extend
    patch.setattr(
        Lease, "extend", lambda self, proof, timing: true(self, proof, replace(timing, drift=0.0))
    )


@caught_by("a_store_that_forgets_part_of_a_renewal_is_trusted_less")
def the_lag_of_the_store_is_ignored(patch: pytest.MonkeyPatch) -> None:
    true = Lease.extend
    patch.setattr(
        Lease, "extend", lambda self, proof, timing: true(self, replace(proof, lag_s=0.0), timing)
    )


@caught_by("a_leader_whose_replies_are_lost_is_succeeded")
def the_session_is_kept_after_its_time_to_stop(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Keeper, "doubted", lambda _self, _now: False)
    true = Keeper.beat_now

    def beat_now(self: Keeper, now: float, attentive_s: float) -> bool:
        stop_at_s, self.lease.stop_at_s = self.lease.stop_at_s, float("inf")
        try:
            return true(self, now, attentive_s)
        finally:
            self.lease.stop_at_s = stop_at_s

    patch.setattr(Keeper, "beat_now", beat_now)


@caught_by("a_member_whose_control_thread_is_stuck_loses_its_claims")
def heartbeats_go_on_although_control_is_silent(patch: pytest.MonkeyPatch) -> None:
    true = Keeper.beat_now
    patch.setattr(Keeper, "beat_now", lambda self, now, _attentive_s: true(self, now, now))


@caught_by("a_paused_machine_accuses_nobody")
def the_progress_clock_runs_while_the_machine_is_paused(patch: pytest.MonkeyPatch) -> None:
    def reading(self: AttendedClock, now: float) -> float:
        return self.now_s + (max(0.0, now - self._last_s) if self._last_s is not None else 0.0)

    patch.setattr(AttendedClock, "reading", reading)


# --- sessions --------------------------------------------------------------------------------


@caught_by("healthy_sessions_are_never_evicted")
def peers_count_from_the_first_heartbeat_and_not_from_the_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Peers, "_due_s", lambda _self, peer: peer.since_s + peer.member.ttl_s * 1.01)


@caught_by("a_peer_that_cannot_look_evicts_nobody_who_lives")
def an_eviction_does_not_compare_the_heartbeat(patch: pytest.MonkeyPatch) -> None:
    true = GroupState.evict

    def evict(self: GroupState, now_s: float, observed: Observed) -> bool:
        member = self._members.get(observed.session)
        seq = member.seq if member is not None else observed.seq
        return true(self, now_s, observed._replace(seq=seq))

    patch.setattr(GroupState, "evict", evict)


@caught_by("a_peer_that_was_paused_evicts_nobody_who_lives")
def time_that_was_lost_counts_as_silence_and_the_store_compares_nothing(
    patch: pytest.MonkeyPatch,
) -> None:
    an_eviction_does_not_compare_the_heartbeat(patch)
    patch.setattr(AttendedClock, "lost", lambda _self, _now: 0.0)


@caught_by("an_opening_that_lands_late_ends_no_trusted_session")
def an_opening_is_repeated_under_the_same_incarnation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Member, "new_incarnation", lambda _self: None)


# --- claims ----------------------------------------------------------------------------------


@caught_by("code_that_does_not_stop_keeps_its_claim_while_it_may_act")
def a_claim_is_released_before_its_code_has_stopped(patch: pytest.MonkeyPatch) -> None:
    true = Tenures.ask

    def ask(self: Tenures, tenancy: Tenancy, why: str) -> bool:
        asked = true(self, tenancy, why)
        if asked:
            self._move(tenancy, TenureSignal.FORCE)
            self._give_back(tenancy)
        return asked

    patch.setattr(Tenures, "ask", ask)


@caught_by("a_release_that_lands_late_ends_no_later_tenure")
def a_release_does_not_compare_the_token(patch: pytest.MonkeyPatch) -> None:
    true = GroupState.release

    def release(self: GroupState, now_s: float, session: str, tenures: tuple[Tenure, ...]) -> None:
        claims = [self._claims.get(t.key) for t in tenures]
        now = tuple(
            t._replace(token=claim.token)
            for t, claim in zip(tenures, claims, strict=True)
            if claim is not None
        )
        true(self, now_s, session, now)

    patch.setattr(GroupState, "release", release)


@caught_by("a_claim_whose_answer_is_lost_is_adopted")
def a_claim_without_an_answer_is_taken_as_not_applied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClaimRules, "_known", lambda _self, _claim: True)


@caught_by("a_claim_or_record_whose_request_is_lost_is_asked_for_again")
def a_lost_request_is_not_thought_of_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Member, "reconsider", lambda _self, _role, _when_s: None)


@caught_by("what_was_asked_to_be_released_is_not_led_again")
def what_has_ended_is_adopted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tenures, "ended_before", lambda _self, _claim: False)


@caught_by("a_wedged_leader_is_replaced_and_barred")
def bars_are_not_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endings, "_bar_s", lambda _role, _kind, _count: 0.0)


@caught_by("two_generations_never_act_at_once")
def the_next_generation_does_not_wait_for_the_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Desk, "_drained", staticmethod(lambda _view, _record: True))
    patch.setattr(Tenures, "ask", lambda _self, _tenancy, _why: False)


@caught_by("a_leader_that_is_succeeded_by_force_of_time_is_not_handed_its_claim_at_once")
def an_absent_member_is_handed_everything_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Round, "_note_absences", lambda _self, _key: None)


# --- the two halves of the proof -------------------------------------------------------------


@pytest.mark.parametrize("play", SCENARIOS)
def test_the_core_plays(play: str) -> None:
    SCENARIOS[play]()


@pytest.mark.parametrize("mistake", _PLANTS)
def test_a_planted_mistake_is_caught(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, play = _PLANTS[mistake]
    plant(monkeypatch)
    with pytest.raises((AssertionError, RuntimeError)):
        SCENARIOS[play]()


def test_every_play_can_fail() -> None:
    assert {play for _, play in _PLANTS.values()} <= set(SCENARIOS)
