"""The ledger in virtual time: beginning, renewing, losing, and what lost replies leave behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coord.errors import (
    Certainty,
    ConfigError,
    Fenced,
    InProgress,
    LeadershipLost,
    StoreUnavailable,
    UsageError,
)
from coord.tasks.ledger import Attempt, Finished, State
from coord.testing.faults import Fate
from tests.unit.tasks.ledger_desk import DRIFT, LEASE_S, Desk, begun


@pytest.fixture
def desk() -> Desk:
    return Desk()


def _busy_s(begin: Callable[[], object]) -> float:
    with pytest.raises(InProgress) as caught:
        begin()
    return caught.value.retry_after_s


# ------------------------------------------------------------------------------------ observing


def test_nobody_takes_over_before_a_whole_lease_was_observed(desk: Desk) -> None:
    begun(desk.ledger("a").begin("k"))
    desk.clock.advance(10 * LEASE_S)  # nobody looked: it proves nothing
    watcher = desk.ledger("b")
    looked_s = desk.clock.now()
    assert _busy_s(lambda: watcher.begin("k")) == pytest.approx(LEASE_S * (1 + DRIFT))
    desk.clock.set(looked_s + LEASE_S * (1 + DRIFT) - 0.01)
    assert _busy_s(lambda: watcher.begin("k")) == pytest.approx(0.01)
    stranger = desk.ledger("c")
    assert _busy_s(lambda: stranger.begin("k")) == pytest.approx(LEASE_S * (1 + DRIFT))
    desk.clock.advance(0.0101)
    assert begun(watcher.begin("k")).number == 2


def test_watching_counts_from_the_reply_that_first_showed_it(desk: Desk) -> None:
    begun(desk.ledger("a").begin("k"))
    watcher = desk.ledger("b")
    desk.plan.add(Fate.DELIVER, "read", sender="b", request_s=0.2, reply_s=0.7)
    assert _busy_s(lambda: watcher.begin("k")) == pytest.approx(LEASE_S * (1 + DRIFT))
    desk.clock.advance(LEASE_S * (1 + DRIFT) - 0.5)
    assert _busy_s(lambda: watcher.begin("k")) == pytest.approx(0.5)


def test_looking_counts_as_watching(desk: Desk) -> None:
    begun(desk.ledger("a").begin("k"))
    watcher = desk.ledger("b")
    assert watcher.look(["k", "x"])["k"].retry_after_s == pytest.approx(LEASE_S * (1 + DRIFT))
    desk.clock.advance(20)
    known = watcher.look(["k"])["k"]
    assert (known.state, known.attempt) == (State.IN_PROGRESS, 1)
    assert known.retry_after_s == pytest.approx(LEASE_S * (1 + DRIFT) - 20)
    desk.clock.advance(LEASE_S)
    assert watcher.look(["k"])["k"].retry_after_s == 0.0
    assert begun(watcher.begin("k")).number == 2


def test_a_renewal_is_watched_anew(desk: Desk) -> None:
    attempt = begun(desk.ledger("a").begin("k"))
    watcher = desk.ledger("b")
    _busy_s(lambda: watcher.begin("k"))
    desk.clock.advance(20)
    attempt.renew()
    desk.clock.advance(20)
    assert _busy_s(lambda: watcher.begin("k")) == pytest.approx(LEASE_S * (1 + DRIFT))


def test_the_watchers_own_clock_decides_and_trust_ends_first(desk: Desk) -> None:
    """The run's clock is slow and the watcher's fast, by all that the drift allows."""
    attempt = begun(desk.ledger("a", rate=1 - DRIFT / 2).begin("k"))
    watcher = desk.ledger("b", rate=1 + DRIFT / 2)
    _busy_s(lambda: watcher.begin("k"))
    while True:
        desk.clock.advance(0.05)
        try:
            begun(watcher.begin("k"))
        except InProgress:
            continue
        break
    assert not attempt.is_trusted, "two could act at once"


# ------------------------------------------------------------------------------------- the keeper


def test_a_keeper_renews_until_the_work_is_done(desk: Desk) -> None:
    ledger, watcher = desk.ledger("a"), desk.ledger("b")
    attempt = begun(ledger.begin("k"))
    for _ in range(100):
        desk.clock.advance(5)
        ledger.keeper.turn()
        _busy_s(lambda: watcher.begin("k"))
        attempt.check()
    attempt.done("late")
    assert watcher.begin("k") == Finished("late", 1)
    assert ledger.keeper.turn() == float("inf")


def test_work_that_is_quick_is_never_renewed(desk: Desk) -> None:
    ledger = desk.ledger("a")
    attempt = begun(ledger.begin("k"))
    before = desk.body("k")
    desk.clock.advance(LEASE_S / 3 - 0.01)
    assert ledger.keeper.turn() == pytest.approx(desk.clock.now() + 0.01)
    assert desk.body("k") == before
    attempt.done()


@pytest.mark.parametrize("fate", [Fate.REFUSE, Fate.LOSE_REQUEST, Fate.LOSE_REPLY, Fate.HOLD])
def test_a_keeper_outlives_a_store_that_is_away_for_a_while(desk: Desk, fate: Fate) -> None:
    lost: list[str] = []
    ledger = desk.ledger("a")
    attempt = begun(ledger.begin("k", lost=lambda: lost.append("k")))
    until_s = attempt.trusted_until_s
    desk.clock.advance(LEASE_S / 3)
    desk.lose(fate, sender="a", times=6)
    while attempt.trusted_until_s == until_s:
        desk.clock.advance(0.5)
        ledger.keeper.turn()
        desk.plan.land_held()
    attempt.check()
    assert lost == []
    assert attempt.done(1) == 1


def test_whoever_cannot_be_renewed_is_told_before_another_may_begin(desk: Desk) -> None:
    """Though the renewal that would be the last hangs over the end of the trust."""
    lost: list[float] = []
    ledger, watcher = desk.ledger("a"), desk.ledger("b")
    attempt = begun(ledger.begin("k", lost=lambda: lost.append(desk.clock.now())))
    ends_s = attempt.trusted_until_s
    free_s = desk.clock.now() + _busy_s(lambda: watcher.begin("k"))
    desk.lose(Fate.LOSE_REQUEST, sender="a", times=1000)
    desk.clock.set(ends_s - 0.5)
    ledger.keeper.turn()
    assert desk.clock.now() > free_s, "the renewal was not under way all the time"
    assert len(lost) == 1
    assert ends_s <= lost[0] < free_s
    assert begun(watcher.begin("k")).number == 2
    with pytest.raises(LeadershipLost, match="renewed in time"):
        attempt.check()
    with pytest.raises(LeadershipLost):
        attempt.renew()
    assert ledger.keeper.turn() == float("inf"), "it is not kept any more"
    assert len(lost) == 1


def test_the_deadline_counts_from_before_a_renewal_was_sent(desk: Desk) -> None:
    ledger = desk.ledger("a")
    attempt = begun(ledger.begin("k"))
    desk.clock.advance(12)
    sent_s = desk.clock.now()
    desk.plan.add(Fate.DELIVER, "write", request_s=0.4, reply_s=0.4)
    ledger.keeper.turn()
    assert desk.clock.now() == sent_s + 0.8
    assert attempt.trusted_until_s == pytest.approx(sent_s + LEASE_S * (1 - DRIFT))


def test_work_that_hangs_loses_its_key(desk: Desk) -> None:
    ledger, watcher = desk.ledger("a", renew_for_s=60.0), desk.ledger("b")
    begun(ledger.begin("k"))
    for _ in range(200):
        desk.clock.advance(1)
        ledger.keeper.turn()
        try:
            found = watcher.begin("k")
        except InProgress:
            continue
        assert begun(found).number == 2
        return
    pytest.fail("a run that hangs keeps its key for ever")


def test_a_successor_is_noticed_at_the_next_renewal(desk: Desk) -> None:
    lost: list[str] = []
    ledger = desk.ledger("a")
    attempt = begun(ledger.begin("k", scope="s", token=1, lost=lambda: lost.append("k")))
    begun(desk.ledger("b").begin("k", scope="s", token=2))
    desk.clock.advance(11)
    ledger.keeper.turn()
    assert lost == ["k"]
    assert not attempt.is_trusted
    with pytest.raises(Fenced, match="attempt 2 has taken over from attempt 1"):
        attempt.done()


def test_closing_renews_nothing_any_more(desk: Desk) -> None:
    ledger = desk.ledger("a")
    attempt = begun(ledger.begin("k"))
    ledger.close()
    desk.clock.advance(LEASE_S)
    ledger.keeper.turn()
    assert not attempt.is_trusted


# --------------------------------------------------------------------------- ambiguous writes


def test_a_write_whose_reply_was_lost_is_known_for_ours(desk: Desk) -> None:
    ledger = desk.ledger("a")
    desk.lose(Fate.LOSE_REPLY, "write")
    sent_s = desk.clock.now()
    attempt = begun(ledger.begin("k"))
    assert attempt.number == 1
    assert attempt.trusted_until_s == pytest.approx(sent_s + LEASE_S * (1 - DRIFT))
    desk.lose(Fate.LOSE_REPLY, "write")
    attempt.renew()
    desk.lose(Fate.LOSE_REPLY, "write")
    assert attempt.done([1]) == [1]
    assert desk.ledger("b").begin("k") == Finished([1], 1)


def test_a_write_that_never_landed_is_sent_again(desk: Desk) -> None:
    ledger = desk.ledger("a")
    desk.lose(Fate.LOSE_REQUEST, "write")
    attempt = begun(ledger.begin("k"))
    desk.lose(Fate.LOSE_REQUEST, "write", times=2)
    assert attempt.done(2) == 2
    assert desk.ledger("b").begin("k") == Finished(2, 1)


def test_a_write_that_lands_after_it_was_sent_again_changes_nothing(desk: Desk) -> None:
    attempt = begun(desk.ledger("a").begin("k"))
    desk.lose(Fate.HOLD, "write")
    attempt.done(3)
    before = desk.store.read(["k"])
    desk.plan.land_held()
    assert desk.store.read(["k"]) == before


def test_a_begin_of_which_nobody_knows_says_so_and_is_freed_by_watching(desk: Desk) -> None:
    ledger, watcher = desk.ledger("a"), desk.ledger("b")
    desk.lose(Fate.HOLD, "write", times=3)
    with pytest.raises(StoreUnavailable) as caught:
        ledger.begin("k")
    assert caught.value.certainty is Certainty.UNKNOWN
    assert desk.store.read(["k"]) == {}
    desk.plan.land_held()
    assert _busy_s(lambda: watcher.begin("k")) == pytest.approx(LEASE_S * (1 + DRIFT))
    desk.clock.advance(LEASE_S * (1 + DRIFT) + 0.001)
    assert begun(watcher.begin("k")).number == 2


def test_a_renewal_that_landed_unseen_does_not_lock_its_run_out(desk: Desk) -> None:
    """Its tag is not the one that we know; the record bears our run, so we go on from it."""
    attempt = begun(desk.ledger("a").begin("k"))
    desk.lose(Fate.LOSE_REPLY, "write")
    desk.lose(Fate.LOSE_REQUEST, "read")
    with pytest.raises(StoreUnavailable):
        attempt.renew()
    attempt.renew()
    desk.lose(Fate.LOSE_REPLY, "write")
    desk.lose(Fate.LOSE_REQUEST, "read")
    with pytest.raises(StoreUnavailable):
        attempt.renew()
    assert attempt.done(4) == 4
    assert desk.ledger("b").begin("k") == Finished(4, 1)


def test_a_completion_of_which_nobody_knows_may_be_repeated_and_not_changed(desk: Desk) -> None:
    attempt = begun(desk.ledger("a").begin("k"))
    desk.lose(Fate.LOSE_REPLY, "write")
    desk.lose(Fate.LOSE_REQUEST, "read")
    with pytest.raises(StoreUnavailable) as caught:
        attempt.done(5)
    assert caught.value.certainty is Certainty.UNKNOWN
    for change in (attempt.failed, lambda: attempt.done(6), attempt.renew):
        with pytest.raises(UsageError, match="ended"):
            change()
    assert attempt.done(5) == 5
    assert desk.ledger("b").begin("k") == Finished(5, 1)


def test_a_completion_that_was_certainly_not_written_may_be_changed(desk: Desk) -> None:
    attempt = begun(desk.ledger("a").begin("k"))
    desk.lose(Fate.REFUSE, "write")
    with pytest.raises(StoreUnavailable) as caught:
        attempt.done(5)
    assert caught.value.certainty is Certainty.NOT_APPLIED
    assert attempt.done(6) == 6


def test_once_never_turns_a_completion_into_a_failure(desk: Desk) -> None:
    """The completion landed, its reply was lost, and nothing could be read: it stays done."""
    calls: list[int] = []
    ledger = desk.ledger("a")
    attempts: list[Attempt] = []

    def work() -> int:
        calls.append(1)
        desk.lose(Fate.LOSE_REPLY, "write")
        desk.lose(Fate.LOSE_REQUEST, "read")
        return 7

    with pytest.raises(StoreUnavailable):
        ledger.once("k", work)
    assert attempts == []
    assert ledger.once("k", work) == 7
    assert calls == [1]


# ------------------------------------------------------------------------------------------- once


def test_a_failure_that_cannot_be_recorded_is_noted_and_the_key_waits(desk: Desk) -> None:
    ledger = desk.ledger("a")

    def fails() -> None:
        desk.lose(Fate.REFUSE, "write")
        raise ValueError("the work's own")

    with pytest.raises(ValueError, match="the work's own") as caught:
        ledger.once("k", fails)
    assert "not in the ledger" in caught.value.__notes__[0]
    _busy_s(lambda: desk.ledger("b").begin("k"))


def test_even_an_interrupted_work_is_recorded_as_failed(desk: Desk) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.ledger("a").once("k", interrupted)
    known = desk.ledger("b").look(["k"])["k"]
    assert known.state is State.FAILED
    assert b"KeyboardInterrupt" in desk.body("k")


@pytest.mark.parametrize("result", [object(), "x" * 300_000], ids=["no JSON", "too large"])
def test_a_result_that_cannot_be_kept_is_told_and_counts_as_a_failure(
    desk: Desk, result: object
) -> None:
    with pytest.raises(UsageError, match="nothing was written"):
        desk.ledger("a").once("k", lambda: result)
    assert desk.ledger("b").look(["k"])["k"].state is State.FAILED


def test_a_run_that_lost_its_key_hears_that_its_effect_may_come_twice(desk: Desk) -> None:
    other = desk.ledger("b")

    def slow() -> int:
        begun(other.begin("k", scope="s", token=2)).done("theirs")
        return 1

    with pytest.raises(Fenced, match="taken over"):
        desk.ledger("a").once("k", slow, scope="s", token=1)
    assert other.begin("k") == Finished("theirs", 2)


def test_an_attempt_ends_once(desk: Desk) -> None:
    attempt = begun(desk.ledger("a").begin("k"))
    attempt.done()
    for again in (attempt.done, attempt.failed, attempt.renew):
        with pytest.raises(UsageError, match="ended already"):
            again()


def test_what_cannot_be_is_refused_before_anything_is_sent(desk: Desk) -> None:
    ledger = desk.ledger("a")
    for wrong in (
        {"lease_s": 0.0},
        {"lease_s": float("nan")},
        {"keep_s": -1.0},
        {"keep_s": LEASE_S},
        {"token": -1},
        {"token": 2**63},
    ):
        with pytest.raises(ConfigError):
            ledger.begin("k", **wrong)
    with pytest.raises(ConfigError, match="key"):
        ledger.begin("")
    with pytest.raises(UsageError, match="payload"):
        ledger.begin("k", payload=object())
    with pytest.raises(ConfigError, match="drift"):
        type(ledger)(ledger.store, drift=0.5)
    assert desk.store.read(["k"]) == {}
