"""Checks of the ledger's rules on the store: attempts, stale runs, results."""

from __future__ import annotations

import json
import time
from functools import partial

from coord.errors import CoordError, Fenced, InProgress, PayloadMismatch
from coord.tasks.ledger import Attempt, Finished, Ledger, State
from coord.testing.ledger_conformance.harness import LedgerChecks
from coord.testing.ledger_conformance.kit import DRIFT, LedgerKit
from coord.testing.setting import expect

checks = LedgerChecks()


def _begun(found: Attempt | Finished) -> Attempt:
    assert isinstance(found, Attempt), f"it was done already: {found}"
    return found


@checks.add()
def what_is_done_gives_its_result_to_all(kit: LedgerKit) -> None:
    """`Ledger.once`: called once, and everybody has the result."""
    calls: list[int] = []

    def work(n: int) -> dict[str, object]:
        calls.append(n)
        return {"n": n, "text": "é", "none": None, "list": [1, 2.5, True]}

    mine, theirs = kit.ledger(), kit.ledger(kit.other)
    first = mine.once("k", work, 1)
    assert first == {"n": 1, "text": "é", "none": None, "list": [1, 2.5, True]}
    assert theirs.once("k", work, 2) == first
    assert mine.once("k", work, 3) == first
    assert calls == [1]
    known = theirs.look(["k", "nothing"])
    assert set(known) == {"k"}
    assert known["k"][:3] == (State.DONE, 1, first)


@checks.add()
def a_failure_lets_the_next_attempt_begin_at_once(kit: LedgerKit) -> None:
    """`Ledger.once`: what the work raises goes through; attempts grow."""

    def fails() -> None:
        raise ValueError("no")

    mine, theirs = kit.ledger(), kit.ledger(kit.other)
    for number in (1, 2):
        try:
            mine.once("k", fails)
        except ValueError:
            pass
        else:
            raise AssertionError("what the work raised was swallowed")
        assert theirs.look(["k"])["k"][:2] == (State.FAILED, number)
    assert theirs.once("k", lambda: "yes") == "yes"
    assert theirs.look(["k"])["k"][:2] == (State.DONE, 3)


@checks.add()
def of_racing_runs_one_begins(kit: LedgerKit) -> None:
    """`Ledger.begin`: one is given the attempt, the others hear that it is in progress."""
    ledgers = [kit.ledger(kit.handle()) for _ in range(kit.harness.threads)]
    for turn in range(5):
        found = kit.race(*(partial(ledger.begin, f"k{turn}") for ledger in ledgers))
        begun = [one for one in found if isinstance(one, Attempt)]
        assert [one.number for one in begun] == [1], found
        busy = [one for one in found if isinstance(one, InProgress)]
        assert len(busy) == len(ledgers) - 1, found
        begun[0].done(turn)


@checks.add()
def of_racing_calls_one_is_made(kit: LedgerKit) -> None:
    """`Ledger.once`, by many at once, repeated until all have the result."""
    calls: list[str] = []

    def call(key: str) -> int:
        calls.append(key)
        return len(calls)

    ledgers = [kit.ledger(kit.handle()) for _ in range(kit.harness.threads)]

    def patient(ledger: Ledger, key: str) -> object:
        for _ in range(500):
            try:
                return ledger.once(key, call, key)
            except InProgress:
                time.sleep(0.01)  # several threads wait: not on a clock that they would move
        raise AssertionError(f"{key} stayed in progress")

    for turn in range(3):
        found = kit.race(*(partial(patient, ledger, f"k{turn}") for ledger in ledgers))
        assert found == [turn + 1] * len(ledgers)
    assert calls == ["k0", "k1", "k2"]


@checks.add()
def a_stale_run_changes_nothing_of_its_successors_record(kit: LedgerKit) -> None:
    """Promise 2, as a ledger needs it: late, a run can neither complete nor fail nor renew what
    another has taken over, whether that is at work, has failed or is done.
    """
    mine, theirs = kit.ledger(), kit.ledger(kit.other)
    for ending in ("at work", "failed", "done"):
        stale = _begun(mine.begin(ending, scope="s", token=1))
        successor = _begun(theirs.begin(ending, scope="s", token=2))
        if ending == "failed":
            successor.failed("no")
        if ending == "done":
            successor.done("theirs")
        before = kit.shown(ending)
        for late in (partial(stale.done, "mine"), stale.failed, stale.renew):
            expect(Fenced, late)
            assert kit.shown(ending) == before, f"a stale run changed what is {ending}"
        if ending == "at work":
            assert successor.done("theirs") == "theirs"
    assert mine.once("done", lambda: "mine") == "theirs"


@checks.add()
def attempts_grow_across_failures_and_takeovers(kit: LedgerKit) -> None:
    """`Attempt.number`."""
    ledgers = [kit.ledger(), kit.ledger(kit.other)]
    numbers = []
    for token in range(1, 9):
        attempt = _begun(ledgers[token % 2].begin("k", scope="s", token=token))
        numbers.append(attempt.number)
        if token % 3 == 0:
            attempt.failed()
    assert numbers == list(range(1, 9))


@checks.add()
def a_larger_token_of_the_scope_takes_over_at_once(kit: LedgerKit) -> None:
    """Rules of `begin`: the former run's tenure is over; an older token is refused."""
    mine, theirs = kit.ledger(), kit.ledger(kit.other)
    _begun(mine.begin("k", scope="r/1/0/0", token=7))
    expect(InProgress, lambda: theirs.begin("k", scope="r/1/0/0", token=7))
    expect(InProgress, lambda: theirs.begin("k", scope="r/1/0/1", token=8))
    expect(InProgress, lambda: theirs.begin("k", token=9))
    expect(Fenced, lambda: theirs.begin("k", scope="r/1/0/0", token=6))
    second = _begun(theirs.begin("k", scope="r/1/0/0", token=8))
    assert second.number == 2
    expect(Fenced, lambda: mine.begin("k", scope="r/1/0/0", token=7))
    second.failed()
    expect(Fenced, lambda: mine.begin("k", scope="r/1/0/0", token=7))
    assert _begun(mine.begin("k", scope="other")).number == 3


@checks.add()
def another_payload_is_refused(kit: LedgerKit) -> None:
    """PayloadMismatch, while it is at work and once it is done; the order of names is nothing."""
    mine, theirs = kit.ledger(), kit.ledger(kit.other)
    attempt = _begun(mine.begin("k", payload={"a": 1, "b": [2]}))
    expect(PayloadMismatch, lambda: theirs.begin("k", payload={"a": 1, "b": [3]}))
    attempt.done("result")
    expect(PayloadMismatch, lambda: theirs.once("k", lambda: 0, payload={"a": 2, "b": [2]}))
    assert theirs.once("k", lambda: 0, payload={"b": [2], "a": 1}) == "result"
    assert theirs.once("k", lambda: 0) == "result"


@checks.add()
def nobody_takes_over_before_a_whole_lease_was_observed(kit: LedgerKit) -> None:
    """Rules of `begin`: whoever is silent is taken over, by whoever has watched for a lease."""
    lease_s = kit.harness.lease_s
    mine, theirs = kit.ledger(lease_s=lease_s), kit.ledger(kit.other, lease_s=lease_s)
    silent = _begun(mine.begin("k"))
    kit.harness.sleep(2 * lease_s)  # unobserved silence counts for nothing
    looked_s = kit.now()
    expect(InProgress, lambda: theirs.begin("k"))
    successor = kit.patiently(lambda: theirs.begin("k"))
    assert kit.now() - looked_s >= lease_s * (1 + DRIFT)
    assert successor.number == 2
    assert not silent.is_trusted
    expect(Fenced, lambda: silent.done("late"))
    assert successor.done("theirs") == "theirs"


@checks.add()
def a_run_that_is_renewed_is_not_taken_over(kit: LedgerKit) -> None:
    """`Attempt.renew`: it moves the record, and each movement is watched anew."""
    lease_s = kit.harness.lease_s * 4
    mine, theirs = kit.ledger(lease_s=lease_s), kit.ledger(kit.other, lease_s=lease_s)
    attempt = _begun(mine.begin("k"))
    for _ in range(8):
        kit.harness.sleep(lease_s / 4)
        attempt.renew()
        expect(InProgress, lambda: theirs.begin("k"))
    assert attempt.is_trusted
    assert attempt.done(1) == 1


@checks.add("reopen")
def results_and_attempts_outlive_a_restart(kit: LedgerKit) -> None:
    """Promise 1."""
    ledger = kit.ledger()
    ledger.once("done", lambda: [1, 2])
    _begun(ledger.begin("failed")).failed("why")
    _begun(ledger.begin("open", scope="s", token=1))
    kit.reopen()
    again = kit.ledger()
    assert again.once("done", lambda: 0) == [1, 2]
    assert _begun(again.begin("failed")).number == 2
    assert _begun(again.begin("open", scope="s", token=2)).number == 2


@checks.add("remove")
def a_run_whose_record_was_removed_cannot_complete(kit: LedgerKit) -> None:
    """Promise 3: neither while nothing stands there nor once another has begun anew."""
    mine, theirs = kit.ledger(), kit.ledger(kit.other)
    slept = _begun(mine.begin("k"))
    kit.remove("k")
    slept_too = _begun(theirs.begin("k"))
    expect(Fenced, lambda: slept.done("late"))
    kit.remove("k")
    expect(Fenced, lambda: slept_too.done("late"))
    assert kit.seen("k") is None
    assert mine.once("k", lambda: "anew") == "anew"


@checks.add()
def a_record_says_for_people_who_began_it_and_when(kit: LedgerKit) -> None:
    """Record: JSON, with `by` and `at`."""
    _begun(kit.ledger().begin("k", scope="s", token=3))
    fields = json.loads(kit.shown("k").body)
    assert fields["state"] == "in-progress"
    assert (fields["scope"], fields["token"], fields["attempt"]) == ("s", 3, 1)
    assert fields["by"]
    assert fields["at"]
    busy = expect(CoordError, lambda: kit.ledger(kit.other).begin("k"))
    assert fields["by"] in str(busy)
