"""The comparison that all guards make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import ConfigError, Fenced
from coord.fencing import Fenceable, Stamp, Verdict, checked_stamp, judge, refusal
from coord.model import ClaimKey
from tests.unit.fencing.terms import FakeTerm, term

stamps = st.builds(Stamp, st.integers(1, 4), st.integers(1, 6))


@pytest.mark.parametrize(
    ("offered", "seen", "generation", "verdict"),
    [
        pytest.param((2, 70), (2, 70), 2, Verdict.ADMIT, id="the-same"),
        pytest.param((2, 80), (2, 70), 2, Verdict.ADVANCE, id="newer-token"),
        pytest.param((2, 60), (2, 70), 2, Verdict.OLD_TOKEN, id="older-token"),
        pytest.param((2, 70), None, 2, Verdict.OPEN, id="new-scope"),
        pytest.param((2, 70), None, 0, Verdict.OPEN, id="new-role"),
        pytest.param((2, 70), (1, 90), 1, Verdict.OPEN, id="newer-generation-smaller-token"),
        pytest.param((2, 70), (1, 40), 2, Verdict.OPEN, id="scope-left-behind"),
        pytest.param((1, 90), (2, 70), 2, Verdict.OLD_GENERATION, id="older-generation"),
        pytest.param((1, 90), (1, 90), 2, Verdict.OLD_GENERATION, id="closed-by-another-shard"),
        pytest.param((1, 90), None, 2, Verdict.OLD_GENERATION, id="closed-before-first-act"),
        pytest.param((1, 90), (2, 70), 0, Verdict.OLD_GENERATION, id="the-row-alone-tells"),
    ],
)
def test_every_case_of_the_comparison(
    offered: tuple[int, int], seen: tuple[int, int] | None, generation: int, verdict: Verdict
) -> None:
    found = judge(Stamp(*offered), seen=Stamp(*seen) if seen else None, generation=generation)
    assert found is verdict


@given(st.lists(stamps, max_size=30))
def test_a_register_that_obeys_the_verdicts_never_goes_back(offers: list[Stamp]) -> None:
    seen: Stamp | None = None
    admitted: list[Stamp] = []
    for offered in offers:
        if not judge(offered, seen=seen).refused:
            seen = offered
            admitted.append(offered)
    assert admitted == sorted(admitted)


@given(stamps, stamps)
def test_of_two_different_stamps_exactly_one_refuses_the_other(one: Stamp, other: Stamp) -> None:
    refused = judge(one, seen=other).refused, judge(other, seen=one).refused
    assert refused == ((False, False) if one == other else (one < other, other < one))


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(term(0), id="token-zero"),
        pytest.param(term(-3), id="token-negative"),
        pytest.param(term(2**63), id="token-beyond-64-bits"),
        pytest.param(FakeTerm(ClaimKey("reaper", 1, 0, 0), True), id="token-bool"),
        pytest.param(term(1, generation=0), id="generation-zero"),
        pytest.param(term(1, shard=-1), id="shard-of-the-gate"),
        pytest.param(term(1, seat=-1), id="seat-of-the-gate"),
        pytest.param(term(1, role="re'aper"), id="role-with-a-quote"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_sent(bad: FakeTerm) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_stamp(bad)
    assert caught.value.cure


def test_a_refusal_names_the_claim_both_stamps_and_what_to_do() -> None:
    error = refusal(
        ClaimKey("reaper", 1, 5, 0),
        Stamp(1, 41),
        Verdict.OLD_TOKEN,
        Stamp(1, 57),
        by="fence table f",
    )
    assert isinstance(error, Fenced)
    assert "fence table f" in str(error)
    assert "reaper/1/5/0" in str(error)
    assert "41" in str(error)
    assert "57" in str(error)
    assert "nothing was written" in str(error)
    assert error.cure


def test_a_guard_needs_only_key_token_and_check() -> None:
    assert isinstance(term(1), Fenceable)
