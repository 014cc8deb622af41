"""The promises of `coord.tasks.queue.spi` as checks that any queue can be put to. Public.

Owns the list of checks; each is a claim (its name), the place of the promise (its docstring) and
plain assertions, without any test framework. Knows no queue: `QueueHarness` tells it about one.

    harness = QueueHarness(open=lambda name: MyQueue(url, name), clock=SYSTEM_CLOCK,
                           sleep=time.sleep, ordered=False)

    @pytest.mark.parametrize("check", QUEUE_CHECKS, ids=lambda check: check.name)
    def test_my_queue_keeps_the_promise(check):
        if check.missing(harness):
            pytest.skip(check.missing(harness))
        check.run(harness)
"""

from __future__ import annotations

from collections.abc import Sequence

from coord.testing.checks import MissingHook, run_all
from coord.testing.queue_conformance import delivery, ending, limits, ordering, visibility, waiting
from coord.testing.queue_conformance.harness import QueueCheck, QueueHarness
from coord.testing.queue_conformance.kit import QueueKit

__all__ = [
    "QUEUE_CHECKS",
    "MissingHook",
    "QueueCheck",
    "QueueHarness",
    "QueueKit",
    "check_queue",
]

QUEUE_CHECKS: tuple[QueueCheck, ...] = tuple(
    check
    for module in (delivery, visibility, waiting, ordering, limits, ending)
    for check in module.checks
)
"""Every check, in the order in which a new queue best meets them."""


def check_queue(
    harness: QueueHarness, *, checks: Sequence[QueueCheck] = QUEUE_CHECKS
) -> list[QueueCheck]:
    """Run all checks that the harness has hooks for; return those that it has none for.

    Raises ExceptionGroup of all failures, each with a note that names its check.
    """
    return run_all(harness, checks)
