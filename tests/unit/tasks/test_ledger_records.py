"""Who may begin, what is stored, and what a run may trust: the pure rules."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import StoreRefused, UsageError
from coord.tasks.ledger.lease import Lease, Watched
from coord.tasks.ledger.records import (
    Asked,
    Begin,
    Busy,
    Done,
    Mismatch,
    Older,
    Record,
    State,
    decide,
)
from coord.tasks.payloads import digest, result_text

AT_WORK = Record(
    state=State.IN_PROGRESS,
    attempt=3,
    run="a1",
    beat=2,
    lease_s=30.0,
    scope="r/1/0/0",
    token=7,
    payload="p",
)
DONE = replace(AT_WORK, state=State.DONE, result='{"n":1}')
FAILED = replace(AT_WORK, state=State.FAILED, why="no")
DRIFT = 0.01


def _asked(**settings: object) -> Asked:
    return Asked(lease_s=30.0, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "asked", "answer"),
    [
        (None, _asked(), Begin(1)),
        (FAILED, _asked(payload="other"), Begin(4)),
        (FAILED, _asked(scope="r/1/0/0", token=7), Begin(4)),
        (FAILED, _asked(scope="r/1/0/0", token=6), Older(FAILED)),
        (FAILED, _asked(scope="r/1/0/1", token=6), Begin(4)),
        (DONE, _asked(), Done(DONE)),
        (DONE, _asked(payload="p"), Done(DONE)),
        (DONE, _asked(payload="other"), Mismatch(DONE)),
        (DONE, _asked(scope="r/1/0/0", token=6), Done(DONE)),
        (DONE, _asked(scope="r/1/0/0", token=8), Done(DONE)),
        (AT_WORK, _asked(payload="other"), Mismatch(AT_WORK)),
        (AT_WORK, _asked(scope="r/1/0/0", token=8), Begin(4)),
        (AT_WORK, _asked(scope="r/1/0/0", token=8, payload="other"), Mismatch(AT_WORK)),
        (AT_WORK, _asked(scope="r/1/0/0", token=7), Busy(AT_WORK, 30.3)),
        (AT_WORK, _asked(scope="r/1/0/0", token=6), Older(AT_WORK)),
        (AT_WORK, _asked(scope="r/1/0/1", token=8), Busy(AT_WORK, 30.3)),
        (AT_WORK, _asked(token=8), Busy(AT_WORK, 30.3)),
        (replace(AT_WORK, scope=""), _asked(token=8), Busy(replace(AT_WORK, scope=""), 30.3)),
        (replace(AT_WORK, payload=""), _asked(payload="x", scope="r/1/0/0", token=8), Begin(4)),
    ],
)
def test_the_decision_follows_the_table(
    record: Record | None, asked: Asked, answer: object
) -> None:
    found = decide(record, asked, drift=DRIFT)
    if isinstance(found, Busy):
        assert isinstance(answer, Busy)
        assert found.record == answer.record
        assert found.retry_after_s == pytest.approx(answer.retry_after_s)
    else:
        assert found == answer


def test_a_run_is_free_when_it_was_seen_unmoved_for_a_lease_and_the_drift() -> None:
    just_short = decide(AT_WORK, _asked(), unmoved_s=30.299, drift=DRIFT)
    assert isinstance(just_short, Busy)
    assert just_short.retry_after_s == pytest.approx(0.001)
    assert decide(AT_WORK, _asked(), unmoved_s=30.3 + 1e-9, drift=DRIFT) == Begin(4)


def test_the_lease_that_counts_is_the_one_in_the_record() -> None:
    short = replace(AT_WORK, lease_s=1.0)
    assert decide(short, _asked(), unmoved_s=1.02, drift=DRIFT) == Begin(4)
    busy = decide(AT_WORK, Asked(lease_s=1.0), unmoved_s=29.0, drift=DRIFT)
    assert isinstance(busy, Busy)


@given(
    record=st.builds(
        Record,
        state=st.sampled_from(State),
        attempt=st.integers(1),
        run=st.text(),
        beat=st.integers(0),
        lease_s=st.floats(0.001, 1e6),
        scope=st.text(),
        token=st.integers(0, 2**63 - 1),
        payload=st.text(),
        result=st.sampled_from(["", "null", "0", '"é"', '{"a":[1,2.5,true,null]}']),
        why=st.text(),
        at=st.text(),
        by=st.text(),
    )
)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert Record.from_bytes("k", record.to_bytes()) == record
    json.loads(record.to_bytes())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"state":"done"}',
        b'{"state":"paused","attempt":1,"run":"a","beat":0,"lease_s":1}',
        b'{"state":"done","attempt":"x","run":"a","beat":0,"lease_s":1}',
    ],
)
def test_what_cannot_be_read_is_refused_and_never_taken_for_nothing(body: bytes) -> None:
    with pytest.raises(StoreRefused, match="cannot be read"):
        Record.from_bytes("k", body)


def test_what_a_later_release_adds_is_read_over() -> None:
    body = b'{"state":"done","attempt":1,"run":"a","beat":0,"lease_s":1,"new":{},"result":5}'
    assert Record.from_bytes("k", body).result == "5"


def test_equal_payloads_have_equal_digests_and_others_do_not() -> None:
    assert digest(None) == ""
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    payloads: list[object] = [{}, [], 0, "", "0", b"", {"a": 1}, {"a": "1"}, False, [1], 1]
    assert len({digest(one) for one in payloads}) == len(payloads)
    for payload in (object(), float("nan"), {1, 2}):
        with pytest.raises(UsageError, match="JSON"):
            digest(payload)


def test_a_result_that_is_no_json_is_refused() -> None:
    for result in (object(), float("inf"), b"bytes"):
        with pytest.raises(UsageError, match="'k' is no JSON"):
            result_text("k", result)


# ------------------------------------------------------------------------------------- the lease


def test_a_run_distrusts_itself_before_any_observer_may_take_over() -> None:
    """Whatever the rates of both clocks within the drift, and however late the first look."""
    for fast in (1 - DRIFT / 2, 1.0, 1 + DRIFT / 2):
        for slow in (1 - DRIFT / 2, 1.0, 1 + DRIFT / 2):
            lease = Lease(sent_at_s=0.0, lease_s=30.0, drift=DRIFT, renewed_until_s=1e9)
            distrusts_at = lease.trusted_until_s / slow
            earliest_takeover = AT_WORK.lease_s * (1 + DRIFT) / fast  # seen as it was sent
            assert distrusts_at < earliest_takeover


def test_renewal_is_due_after_a_third_and_repeated_soon() -> None:
    lease = Lease(sent_at_s=100.0, lease_s=30.0, drift=DRIFT, renewed_until_s=1e9)
    assert lease.next_s(100.0) == 110.0
    assert not lease.is_due(109.9)
    assert lease.is_due(110.0)
    failed = lease.failed(111.0)
    assert failed.next_s(111.0) == 113.5
    assert not failed.is_due(111.0)
    assert failed.is_due(113.5)
    assert failed.trusted_until_s == lease.trusted_until_s == pytest.approx(129.7)
    assert lease.renewed(113.5).next_s(113.6) == 123.5
    assert lease.is_over(129.7)
    assert not lease.is_due(129.7)


def test_nothing_is_renewed_beyond_its_time() -> None:
    lease = Lease(sent_at_s=100.0, lease_s=30.0, drift=DRIFT, renewed_until_s=111.0)
    assert lease.is_due(110.5)
    assert not lease.is_due(111.0)
    assert lease.next_s(111.0) == lease.trusted_until_s
    assert not lease.renewed(110.5).is_due(125.0)


def test_watching_starts_anew_with_each_writing() -> None:
    watched = Watched()
    assert watched.unmoved_s("k", AT_WORK, 10.0) == 0.0
    assert watched.unmoved_s("k", AT_WORK, 15.0) == 5.0
    assert watched.unmoved_s("other", AT_WORK, 15.0) == 0.0
    assert watched.unmoved_s("k", replace(AT_WORK, beat=3), 16.0) == 0.0
    assert watched.unmoved_s("k", replace(AT_WORK, beat=3, run="b"), 17.0) == 0.0
    watched.forget("k")
    assert watched.unmoved_s("k", replace(AT_WORK, beat=3, run="b"), 18.0) == 0.0


def test_what_is_watched_is_bounded() -> None:
    watched = Watched(most=2)
    for n, key in enumerate("abc"):
        watched.unmoved_s(key, AT_WORK, float(n))
    assert watched.unmoved_s("b", AT_WORK, 10.0) == 9.0
    assert watched.unmoved_s("a", AT_WORK, 10.0) == 0.0, "it was forgotten, and is watched anew"
