"""The promises of `coord.tasks.spi` as checks that any ledger store can be put to. Public.

Owns the list of checks; each is a claim (its name), the place of the promise (its docstring) and
plain assertions, without any test framework. Knows no store: `LedgerHarness` tells it about one.

    harness = LedgerHarness(open=lambda group: MyLedger(url, group), clock=SYSTEM_CLOCK,
                            sleep=time.sleep)

    @pytest.mark.parametrize("check", LEDGER_CHECKS, ids=lambda check: check.name)
    def test_my_ledger_keeps_the_promise(check):
        check.run(harness)
"""

from __future__ import annotations

from collections.abc import Sequence

from coord.testing.checks import MissingHook, run_all
from coord.testing.ledger_conformance import ambiguity, limits, runs, writes
from coord.testing.ledger_conformance.harness import (
    LedgerCheck,
    LedgerGate,
    LedgerHarness,
    ledger_gate_over,
)
from coord.testing.ledger_conformance.kit import LedgerKit

__all__ = [
    "LEDGER_CHECKS",
    "LedgerCheck",
    "LedgerGate",
    "LedgerHarness",
    "LedgerKit",
    "MissingHook",
    "check_ledger",
    "ledger_gate_over",
]

LEDGER_CHECKS: tuple[LedgerCheck, ...] = tuple(
    check for module in (writes, runs, ambiguity, limits) for check in module.checks
)
"""Every check, in the order in which a new store best meets them."""


def check_ledger(
    harness: LedgerHarness, *, checks: Sequence[LedgerCheck] = LEDGER_CHECKS
) -> list[LedgerCheck]:
    """Run all checks that the harness has hooks for; return those that it has none for.

    Raises ExceptionGroup of all failures, each with a note that names its check.
    """
    return run_all(harness, checks)
