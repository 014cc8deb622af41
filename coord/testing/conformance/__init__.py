"""The promises of `coord.spi` as checks that any store can be put to. Public, for store writers.

Owns the list of checks; each is a claim (its name), the place of the promise (its docstring) and
plain assertions, without any test framework. Knows no store: `Harness` tells it about one.

    harness = Harness(open=lambda: MyStore(url), clock=SYSTEM_CLOCK, sleep=time.sleep)

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
    def test_my_store_keeps_the_promise(check):
        check.run(harness)

`docs/writing-a-store.md` explains the hooks and what a store must do to pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from coord.testing.checks import run_all
from coord.testing.conformance import (
    ambiguity,
    exclusion,
    limits,
    proofs,
    records,
    sessions,
    tokens,
    watching,
)
from coord.testing.conformance.harness import Check, Gate, Harness, MissingHook, gate_over
from coord.testing.conformance.kit import Kit

__all__ = [
    "CHECKS",
    "Check",
    "Gate",
    "Harness",
    "Kit",
    "MissingHook",
    "check_store",
    "gate_over",
]

CHECKS: tuple[Check, ...] = tuple(
    check
    for module in (
        exclusion,
        tokens,
        sessions,
        proofs,
        records,
        watching,
        ambiguity,
        limits,
    )
    for check in module.checks
)
"""Every check, in the order in which a new store best meets them."""


def check_store(harness: Harness, *, checks: Sequence[Check] = CHECKS) -> list[Check]:
    """Run all checks that the harness has hooks for; return those that it has none for.

    Raises ExceptionGroup of all failures, each with a note that names its check.
    """
    return run_all(harness, checks)
