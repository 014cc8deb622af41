"""Mistakes in the production core and its stores, each planted alone, for the simulator to find.

Owns the mistakes. Each patches what production runs, and nothing of the simulator: the checkers
that find them are those of chaos.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from coord.config import Timing
from coord.core import assignment, endings
from coord.core.claim_rules import ClaimRules
from coord.core.commands import Opened
from coord.core.desk import Desk
from coord.core.keeper import Keeper
from coord.core.lease import Lease
from coord.core.states import TenureSignal
from coord.core.tenures import Tenancy, Tenures
from coord.lab.measure.effects import Register
from coord.lab.sim import fleet
from coord.model import ClaimKey, LiveMember
from coord.spi import Observed, Proof, Tenure
from coord.testing.group_state import GroupState

__all__ = ["PLANTS", "Plant"]

Plant = Callable[[pytest.MonkeyPatch], None]


def _deadline_stamped_at_the_response(patch: pytest.MonkeyPatch) -> None:
    proven, opened = Keeper.beat_proven, Keeper.opened

    def beat_proven(self: Keeper, proof: Proof, now: float) -> None:
        proven(self, replace(proof, sent_at_s=now), now)

    def opened_now(self: Keeper, answer: Opened, now: float) -> None:
        opened(self, answer._replace(proof=replace(answer.proof, sent_at_s=now)), now)

    patch.setattr(Keeper, "beat_proven", beat_proven)
    patch.setattr(Keeper, "opened", opened_now)


def _no_drift_margin(patch: pytest.MonkeyPatch) -> None:
    true = Lease.extend
    patch.setattr(
        Lease, "extend", lambda self, proof, timing: true(self, proof, replace(timing, drift=0.0))
    )


def _token_not_compared(patch: pytest.MonkeyPatch) -> None:
    """The guard at the resource takes any token; the checkers compare by one of their own."""
    patch.setattr(fleet, "Register", _TakesAll)


def _token_of_a_release_not_compared(patch: pytest.MonkeyPatch) -> None:
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


def _release_before_stop(patch: pytest.MonkeyPatch) -> None:
    true = Tenures.ask

    def ask(self: Tenures, tenancy: Tenancy, why: str) -> bool:
        asked = true(self, tenancy, why)
        if asked:
            self._move(tenancy, TenureSignal.FORCE)
            self._give_back(tenancy)
        return asked

    patch.setattr(Tenures, "ask", ask)


def _eviction_without_seq(patch: pytest.MonkeyPatch) -> None:
    true = GroupState.evict

    def evict(self: GroupState, now_s: float, observed: Observed) -> bool:
        member = self._members.get(observed.session)
        seq = member.seq if member is not None else observed.seq
        return true(self, now_s, observed._replace(seq=seq))

    patch.setattr(GroupState, "evict", evict)


def _session_kept_after_stop_at(patch: pytest.MonkeyPatch) -> None:
    true = Lease.extend

    def extend(self: Lease, proof: Proof, timing: Timing) -> None:
        true(self, proof, timing)
        self.stop_at_s = float("inf")

    patch.setattr(Lease, "extend", extend)


def _read_back_taken_as_not_applied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClaimRules, "_known", lambda _self, _claim: True)


def _bar_not_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endings, "_bar_s", lambda _role, _kind, _count: 0.0)


def _quota_from_local_config(patch: pytest.MonkeyPatch) -> None:
    """Each member deals by its own limit, as if all had the same."""
    true = Desk.decide
    own: list[int | None] = []

    def decide(self: Desk, me: Any, tenures: Tenures, now: float) -> Any:  # noqa: ANN401
        own[:] = [me.max_shards]
        if self._view is not None:
            self._view.memo.clear()  # a plan is shared by all who see the same view
        return true(self, me, tenures, now)

    def limit_of(member: LiveMember, shards: int) -> int:
        del member
        return shards if own[0] is None else min(shards, own[0])

    patch.setattr(Desk, "decide", decide)
    patch.setattr(assignment, "limit_of", limit_of)


def _generation_ignored(patch: pytest.MonkeyPatch) -> None:
    """The next generation waits for nobody, and the last one goes on."""
    patch.setattr(Desk, "_drained", staticmethod(lambda _view, _record: True))
    true = Tenures.ask

    def ask(self: Tenures, tenancy: Tenancy, why: str) -> bool:
        return "reshaped" not in why and "generation" not in why and true(self, tenancy, why)

    patch.setattr(Tenures, "ask", ask)


class _TakesAll(Register):
    def refuses(self, key: ClaimKey, token: int) -> bool:
        del key, token
        return False

    def take(self, key: ClaimKey, token: int) -> None:
        """Forget it."""


PLANTS: dict[str, Plant] = {
    "deadline stamped at the response": _deadline_stamped_at_the_response,
    "no drift margin": _no_drift_margin,
    "token not compared": _token_not_compared,
    "token of a release not compared": _token_of_a_release_not_compared,
    "release before stop": _release_before_stop,
    "eviction without seq": _eviction_without_seq,
    "session kept after stop_at": _session_kept_after_stop_at,
    "read-back taken as not applied": _read_back_taken_as_not_applied,
    "bar not written": _bar_not_written,
    "quota from local config": _quota_from_local_config,
    "generation ignored": _generation_ignored,
}
