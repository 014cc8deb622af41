"""Checks of promises 3 and 4 when replies are lost and requests land late. All need `gate`."""

from __future__ import annotations

from collections.abc import Callable

from coord.errors import Certainty, Fenced, InProgress, StoreError, StoreUnavailable
from coord.tasks.ledger import Attempt, Finished
from coord.testing.ledger_conformance.harness import LedgerChecks
from coord.testing.ledger_conformance.kit import KEEP_S, LedgerKit
from coord.testing.setting import expect

checks = LedgerChecks()


def _begun(found: Attempt | Finished) -> Attempt:
    assert isinstance(found, Attempt), f"it was done already: {found}"
    return found


def _times_out(call: Callable[[], object]) -> None:
    """The call gets no answer, and says nothing that it cannot know."""
    error = expect(StoreUnavailable, call)
    assert error.certainty is Certainty.UNKNOWN, f"a held request was called {error.certainty}"


@checks.add("gate")
def a_store_never_takes_its_own_write_for_anothers(kit: LedgerKit) -> None:
    """LedgerStore.write: a lost reply is unknown, or answered with the tag; it is no conflict."""
    gate = kit.gate()
    tag: str | None = None
    for body in (b"the first needle", b"the second needle"):
        gate.lose_reply(b"needle")
        found, error = "", None
        try:
            found = gate.store.write("k", body, expect=tag, keep_s=KEEP_S)
        except StoreError as told:
            error = told
        if error is not None:
            assert error.certainty is Certainty.UNKNOWN, f"it was called {error.certainty}"
            assert isinstance(error, StoreUnavailable), repr(error)
            found = kit.shown("k").tag
        assert kit.shown("k") == (found, body), "the write whose reply was lost did not land"
        tag = found


@checks.add("gate")
def a_write_whose_reply_was_lost_is_known_for_ours(kit: LedgerKit) -> None:
    """Ledger: begin, renew and done, each acknowledged by a reply that was lost."""
    gate = kit.gate()
    ledger = kit.ledger(gate.store)
    gate.lose_reply(b"in-progress")
    attempt = _begun(ledger.begin("k"))
    assert attempt.number == 1
    until_s = attempt.trusted_until_s
    gate.lose_reply(b"in-progress")
    kit.harness.sleep(0.01)
    attempt.renew()
    assert attempt.trusted_until_s > until_s
    gate.lose_reply(b'"done"')
    assert attempt.done(7) == 7
    found = kit.ledger(kit.other).begin("k")
    assert found == Finished(7, 1)


@checks.add("gate")
def a_failure_whose_reply_was_lost_frees_the_key(kit: LedgerKit) -> None:
    """Ledger: the next attempt begins at once, and the former cannot end again."""
    gate = kit.gate()
    attempt = _begun(kit.ledger(gate.store).begin("k"))
    gate.lose_reply(b"failed")
    attempt.failed("no")
    assert _begun(kit.ledger(kit.other).begin("k")).number == 2


@checks.add("gate")
def a_write_that_lands_late_never_hits_a_later_record(kit: LedgerKit) -> None:
    """Promise 3: the tag of the write is gone by the time it lands."""
    gate = kit.gate()
    tag = kit.put("k", b"1")
    gate.store.read(["k"])
    gate.shut()
    _times_out(lambda: gate.store.write("k", b"late", expect=tag, keep_s=KEEP_S))
    later = kit.put("k", b"2", tag)
    gate.open()
    assert kit.shown("k") == (later, b"2")


@checks.add("gate")
def a_completion_that_lands_late_never_hits_a_successor(kit: LedgerKit) -> None:
    """A stale run's `done`, held on its way while another took over."""
    gate = kit.gate()
    stale = _begun(kit.ledger(gate.store).begin("k", scope="s", token=1))
    gate.shut()
    _times_out(lambda: stale.done("late"))
    successor = _begun(kit.ledger(kit.other).begin("k", scope="s", token=2))
    before = kit.shown("k")
    gate.open()
    assert kit.shown("k") == before
    expect(Fenced, lambda: stale.done("late"))
    assert successor.done("theirs") == "theirs"


@checks.add("gate")
def a_completion_that_was_given_up_may_be_repeated(kit: LedgerKit) -> None:
    """`Attempt.done`: whether the first landed or not, the second tells the truth."""
    gate = kit.gate()
    attempt = _begun(kit.ledger(gate.store).begin("k"))
    gate.shut()
    _times_out(lambda: attempt.done(1))
    gate.open()
    assert attempt.done(1) == 1
    assert kit.ledger(kit.other).begin("k") == Finished(1, 1)


@checks.add("gate")
def a_begin_that_lands_late_is_freed_by_watching(kit: LedgerKit) -> None:
    """`Ledger.begin`: whoever gave up has no attempt; the record is taken over after a lease."""
    lease_s = kit.harness.lease_s
    gate = kit.gate()
    gate.store.read(["k"])
    given_up = kit.ledger(gate.store, lease_s=lease_s)
    gate.shut()
    error = expect(StoreUnavailable, lambda: given_up.begin("k"))
    landed = error.certainty is not Certainty.NOT_APPLIED
    gate.open()
    theirs = kit.ledger(kit.other, lease_s=lease_s)
    if kit.seen("k") is not None:
        assert landed, "it was called not applied, and it landed"
        expect(InProgress, lambda: theirs.begin("k"))
    attempt = kit.patiently(lambda: theirs.begin("k"))
    assert attempt.done("theirs") == "theirs"
