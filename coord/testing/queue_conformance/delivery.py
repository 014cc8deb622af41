"""Checks of promises 1 and 4: what was sent is there until it is deleted, or dead."""

from __future__ import annotations

import time
from functools import partial

from coord.errors import StoreError
from coord.tasks.queue.spi import Depth, Message, Queue
from coord.testing.queue_conformance.harness import QueueChecks
from coord.testing.queue_conformance.kit import QueueKit, bodies

checks = QueueChecks()

_BODIES = (
    "{}",
    '{"a": [1, 2.5, null, true], "b": "c"}',
    " a\tb\nc\r\n",
    "<a href='b'>&amp;</a>",
    "é 鍵 🔑 e\u0301",
    "x" * 10_000,
    "0",
)
_DAY_S = 86_400.0


@checks.add()
def what_was_sent_is_delivered_as_it_was(kit: QueueKit) -> None:
    """Promise 1; Message: the id that sending gave, body, attributes, group, first delivery."""
    attributes = {"coord.task": "resize", "coord.tick": "2026-11-23T15:30:00Z", "n": "é 🔑"}
    sent = kit.message('{"n":1}', group="g" if kit.harness.ordered else None, attributes=attributes)
    (number,) = kit.send(sent)
    found = kit.one()
    assert (found.id, found.body, found.received) == (number, sent.body, 1)
    assert dict(found.attributes) == attributes
    assert found.group == sent.group
    assert found.receipt
    assert abs(found.sent_at_s - time.time()) < _DAY_S  # noqa: TID251  the age, for people


@checks.add()
def every_text_comes_back_unchanged(kit: QueueKit) -> None:
    """Outgoing.body."""
    kit.send(*_BODIES)
    assert sorted(bodies(kit.take(len(_BODIES)))) == sorted(_BODIES)


@checks.add()
def handles_share_one_queue(kit: QueueKit) -> None:
    """Queue: sent by one process, received by a second, deleted by a third."""
    kit.send("a")
    found = kit.one(kit.other)
    assert kit.look(kit.queue) == []
    kit.delete(found, queue=kit.handle())
    kit.gone()


@checks.add()
def a_message_has_one_receiver(kit: QueueKit) -> None:
    """Promise 2: whoever asks in turns."""
    ids = kit.send(*(f"m{n}" for n in range(20)))
    found: list[Message] = []
    while len(found) < len(ids):
        for queue in (kit.queue, kit.other):
            found += kit.take(min(3, len(ids) - len(found)), queue) if len(found) < len(ids) else []
    assert sorted(one.id for one in found) == sorted(ids)
    assert kit.look() == []


@checks.add()
def racing_receivers_never_share_a_message(kit: QueueKit) -> None:
    """Promise 2: whoever asks at once; nothing is lost between them."""
    ids = kit.send(*(f"m{n}" for n in range(40)))

    def drain(queue: Queue) -> list[str]:
        found: list[str] = []
        while batch := kit.look(queue, 3):
            found += [one.id for one in batch]
        return found

    handles = [kit.handle() for _ in range(kit.harness.threads)]
    taken: list[str] = []
    for part in kit.race(*(partial(drain, handle) for handle in handles)):
        assert isinstance(part, list), part
        taken += part
    taken += [one.id for one in kit.take(len(ids) - len(taken))]
    assert sorted(taken) == sorted(ids)
    assert kit.look() == []


@checks.add()
def what_was_deleted_never_comes_again(kit: QueueKit) -> None:
    """Promise 1; Queue.delete: for good, and a receipt may be repeated."""
    kit.send("a", "b")
    found = kit.take(2, visibility_s=kit.short_s)
    kit.delete(*found)
    kit.delete(*found)
    kit.harness.sleep(kit.short_s + kit.harness.late_s)
    kit.gone()


@checks.add()
def what_is_not_deleted_comes_again_under_another_receipt(kit: QueueKit) -> None:
    """Promises 1 and 4: same message, growing count."""
    (number,) = kit.send("a")
    most = kit.queue.limits.max_receives
    assert most is not None
    seen = [kit.one(visibility_s=kit.short_s, within_s=kit.short_s) for _ in range(most)]
    assert {one.id for one in seen} == {number}
    assert len({one.receipt for one in seen}) == most
    counts = [one.received for one in seen]
    assert counts == sorted(set(counts)), f"received did not grow: {counts}"


@checks.add()
def what_was_received_too_often_is_dead_and_kept(kit: QueueKit) -> None:
    """Promise 1; QueueLimits.max_receives; Queue.depth."""
    kit.kill("bad")
    kit.send("good")
    assert bodies(kit.take(1)) == ["good"]
    assert kit.eventually(lambda depth: depth.dead == 1, "one is dead").undone == 1
    kit.harness.sleep(kit.short_s)
    assert kit.look() == []


@checks.add()
def the_dead_come_back_when_they_are_told_to(kit: QueueKit) -> None:
    """Queue.redrive: as they were, and with all their deliveries before them."""
    for body in ("one", "two"):
        kit.kill(body)
    assert kit.queue.redrive(100) == 2
    most = kit.queue.limits.max_receives
    assert most is not None
    for _ in range(most):
        found = kit.take(2, within_s=kit.harness.late_s)
        assert sorted(bodies(found)) == ["one", "two"]
        for one in found:
            kit.hide(one, 0)
    kit.look()
    kit.eventually(lambda depth: depth == Depth(0, 0, 0, 2), "they are dead again")


@checks.add()
def redriving_where_nothing_is_dead_moves_nothing(kit: QueueKit) -> None:
    """Queue.redrive."""
    kit.send("a")
    assert kit.queue.redrive(10) == 0
    assert bodies(kit.take(1)) == ["a"]


@checks.add()
def purging_removes_all_but_the_dead(kit: QueueKit) -> None:
    """Queue.purge: what is delivered too; its receipts come to nothing."""
    kit.kill()
    kit.send("ready", "held")
    held = kit.take(1)
    kit.queue.purge()
    kit.eventually(lambda depth: depth == Depth(0, 0, 0, 1), "only the dead are left")
    assert len(kit.queue.delete([held[0].receipt])) == 1
    kit.send("new")
    assert bodies(kit.take(1)) == ["new"]


@checks.add()
def depth_counts_what_stands_where(kit: QueueKit) -> None:
    """Queue.depth."""
    assert kit.queue.depth() == Depth(0, 0, 0, 0)
    kit.send("a", "b", "c")
    kit.eventually(lambda depth: depth == Depth(3, 0, 0, 0), "three are ready")
    held = kit.take(2)
    assert kit.eventually(lambda depth: depth == Depth(1, 2, 0, 0), "two in flight").undone == 3
    kit.delete(held[0])
    kit.hide(held[1], 0)
    kit.eventually(lambda depth: depth == Depth(2, 0, 0, 0), "one is gone, one is back")


@checks.add("standard")
def a_delayed_message_shows_when_its_delay_is_over(kit: QueueKit) -> None:
    """Outgoing.delay_s: not before, nor long after; Depth.delayed."""
    sent_s = kit.now()
    kit.send(kit.message("late", delay_s=2 * kit.short_s), "soon")
    assert bodies(kit.take(1)) == ["soon"]
    kit.eventually(lambda depth: depth == Depth(0, 1, 1, 0), "one is delayed")
    found = kit.one(within_s=2 * kit.short_s)
    assert found.body == "late"
    assert kit.now() >= sent_s + 2 * kit.short_s, "it came before its delay was over"
    assert found.received == 1


@checks.add()
def queues_are_apart(kit: QueueKit) -> None:
    """Queue.name: its own for each queue, the same for each process."""
    neighbour = kit.handle(f"{kit.name}-2")
    assert kit.queue.name == kit.other.name
    assert neighbour.name != kit.queue.name
    kit.send("a")
    assert kit.look(neighbour) == []
    neighbour.purge()
    assert bodies(kit.take(1)) == ["a"]


@checks.add("reopen")
def messages_outlive_a_restart(kit: QueueKit) -> None:
    """Promise 1: what is ready, what is in flight, and what is dead."""
    kit.kill()
    kit.send("ready", "held")
    held = kit.take(1)
    kit.reopen()
    left = {"ready", "held"} - {held[0].body}
    assert set(bodies(kit.take(1))) == left
    kit.eventually(lambda depth: depth == Depth(0, 2, 0, 1), "nothing was lost")
    assert not isinstance(kit.queue.delete([held[0].receipt])[0], StoreError)
