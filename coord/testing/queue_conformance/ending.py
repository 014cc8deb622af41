"""Checks of what is told and what is left behind: probing, closing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from coord.errors import CoordError, StoreRefused
from coord.tasks.queue.spi import Hide
from coord.testing.queue_conformance.harness import QueueChecks
from coord.testing.queue_conformance.kit import QueueKit, bodies
from coord.testing.setting import expect

checks = QueueChecks()

_PROMPT_S = 5.0
_WAIT_S = 15.0
_VISITS = 5
_LOOKS = 50


@checks.add()
def probing_tells_something_and_raises_nothing(kit: QueueKit) -> None:
    """Queue.probe; the dead are a finding that is not well."""
    findings = kit.queue.probe()
    assert findings
    assert all(one.ok for one in findings), findings
    kit.kill()
    assert not all(one.ok for one in kit.queue.probe())


@checks.add()
def a_handle_that_was_closed_refuses(kit: QueueKit) -> None:
    """Queue.close: idempotent; messages stay, and those in hand stay hidden."""
    kit.send("a", "b")
    queue = kit.handle()
    held = kit.one(queue)
    queue.close()
    queue.close()
    calls: tuple[Callable[[], object], ...] = (
        lambda: queue.send([kit.message("c")]),
        lambda: queue.receive(1, wait_s=0.0, visibility_s=kit.short_s),
        lambda: queue.hide([Hide(held.receipt, 0)]),
        lambda: queue.delete([held.receipt]),
        queue.depth,
        queue.purge,
    )
    for call in calls:
        expect(StoreRefused, call)
    assert bodies(kit.take(1)) == list({"a", "b"} - {held.body})
    assert kit.look() == []


@checks.add()
def closing_ends_a_receive_that_waits(kit: QueueKit) -> None:
    """Queue.close: whoever waits comes back at once, with nothing or with an error."""
    queue = kit.handle()
    receiver = kit.waiting(queue, wait_s=_WAIT_S)
    queue.close()
    found = receiver.outcome(_PROMPT_S)
    assert isinstance(found, CoordError) or found == []


@checks.add("leftovers")
def closing_leaves_nothing_behind(kit: QueueKit) -> None:
    """Queue.close: threads, sockets and files are gone; what libraries keep does not grow."""
    assert kit.harness.leftovers is not None

    def visit() -> None:
        queue = kit.handle()
        queue.send([kit.message("a")])
        queue.delete([one.receipt for one in kit.look(queue)])
        queue.depth()
        queue.close()

    for _ in range(3):
        visit()
    before = dict(kit.harness.leftovers())
    for _ in range(_VISITS):
        visit()
    looks = _LOOKS
    grown = _grown(kit, before)
    while grown and (looks := looks - 1):
        with suppress(CoordError):
            kit.harness.sleep(0.1)
        grown = _grown(kit, before)
    assert not grown, f"{_VISITS} visits left something behind (before, after): {grown}"


def _grown(kit: QueueKit, before: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """What there is more of than before, with room for one that is on its way."""
    assert kit.harness.leftovers is not None
    after = kit.harness.leftovers()
    return {
        name: (before.get(name, 0), count)
        for name, count in after.items()
        if count > before.get(name, 0) + 1
    }
