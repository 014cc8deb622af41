"""The deadlines of one session: what moves them, how far, and what never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.config import Timing
from coord.core.lease import NEVER, Lease
from coord.spi import Proof

TIMING = Timing.of(10.0, drift=0.01, stop_grace_s=2.0)


def _proof(sent_at_s: float, *, ttl_s: float = 10.0, lag_s: float = 0.0) -> Proof:
    return Proof(sent_at_s=sent_at_s, ttl_s=ttl_s, lag_s=lag_s)


def test_a_lease_without_proof_is_not_trusted_at_any_time() -> None:
    lease = Lease("s")
    assert lease.trusted_until_s == lease.stop_at_s == NEVER
    assert NEVER < -1e300


def test_trust_is_counted_from_the_sending_less_drift_and_lag() -> None:
    """The reply may have come at any time later: it is no part of the sum."""
    lease = Lease("s")
    lease.extend(_proof(100.0, ttl_s=8.0, lag_s=0.5), TIMING)
    assert lease.trusted_until_s == pytest.approx(100.0 + 8.0 * 0.99 - 0.5)


def test_the_granted_ttl_counts_and_not_the_asked_one() -> None:
    lease = Lease("s")
    lease.extend(_proof(100.0, ttl_s=20.0), TIMING)
    assert lease.trusted_until_s == pytest.approx(100.0 + 19.8)


def test_work_is_asked_to_stop_a_grace_before_the_deadline() -> None:
    lease = Lease("s")
    lease.extend(_proof(100.0), TIMING)
    assert lease.trusted_until_s - lease.stop_at_s == pytest.approx(2.0)


def test_a_proof_that_was_sent_earlier_moves_nothing_back() -> None:
    """Replies overtake each other; what the later request proved stays proven."""
    lease = Lease("s")
    lease.extend(_proof(103.0), TIMING)
    before = (lease.trusted_until_s, lease.stop_at_s)
    lease.extend(_proof(101.0), TIMING)
    assert (lease.trusted_until_s, lease.stop_at_s) == before


def test_a_later_proof_of_a_greater_lag_moves_nothing_back() -> None:
    lease = Lease("s")
    lease.extend(_proof(100.0), TIMING)
    before = lease.trusted_until_s
    lease.extend(_proof(101.0, lag_s=1.5), TIMING)
    assert lease.trusted_until_s == before


def test_a_revoked_lease_is_never_trusted_again() -> None:
    """A proof that was on its way while the session was closed revives nothing."""
    lease = Lease("s")
    lease.extend(_proof(100.0), TIMING)
    lease.revoke()
    assert lease.trusted_until_s == lease.stop_at_s == NEVER
    lease.extend(_proof(200.0), TIMING)
    assert lease.trusted_until_s == lease.stop_at_s == NEVER


_PROOFS = st.builds(
    _proof,
    st.floats(0, 1e6),
    ttl_s=st.floats(0.1, 1e4),
    lag_s=st.floats(0, 10),
)


@given(st.lists(_PROOFS, min_size=1))
def test_the_best_proof_holds_whatever_the_order(proofs: list[Proof]) -> None:
    lease = Lease("s")
    last = NEVER
    for proof in proofs:
        lease.extend(proof, TIMING)
        assert lease.trusted_until_s >= last
        last = lease.trusted_until_s
    best = max(p.sent_at_s + p.ttl_s * (1 - TIMING.drift) - p.lag_s for p in proofs)
    assert lease.trusted_until_s == best


@given(_PROOFS, st.floats(-0.01, 0.01))
def test_no_store_whose_clock_keeps_the_bound_ends_a_session_that_is_trusted(
    proof: Proof, rate: float
) -> None:
    """The store counts the ttl, less what it forgets, on its own clock, from the sending on."""
    lease = Lease("s")
    lease.extend(proof, TIMING)
    store_ends_s = proof.sent_at_s + (proof.ttl_s - proof.lag_s) / (1 + max(rate, 0.0))
    assert lease.trusted_until_s <= store_ends_s + 1e-6
