"""Checks of promise 6 and of the limits: what is refused, and by itself."""

from __future__ import annotations

from functools import partial

from coord.errors import Certainty, ConfigError, StoreError, StoreRefused
from coord.tasks.queue.spi import Hide, Message, Outgoing
from coord.testing.queue_conformance.harness import QueueChecks
from coord.testing.queue_conformance.kit import QueueKit, bodies
from coord.testing.setting import expect

checks = QueueChecks()

_NO_RECEIPTS = ("no receipt", "0.0", "1", "9" * 30 + ".0", "é")


def _stale(kit: QueueKit) -> tuple[Message, Message]:
    """Two deliveries of one message: the first is superseded."""
    kit.send("stale")
    first = kit.one(kit.queue)
    kit.hide(first, 0)
    return first, kit.one(kit.queue)


@checks.add()
def entries_of_a_batch_are_hidden_each_by_itself(kit: QueueKit) -> None:
    """Promise 6."""
    old, present = _stale(kit)
    kit.send("a")
    other = kit.one(kit.queue)
    receipts = [*_NO_RECEIPTS, old.receipt, present.receipt, other.receipt]
    answers = kit.queue.hide([Hide(receipt, 0) for receipt in receipts])
    for receipt, answer in zip(receipts[:-2], answers[:-2], strict=True):
        assert isinstance(answer, StoreRefused), f"{receipt!r} was answered with {answer!r}"
        assert answer.certainty is Certainty.NOT_APPLIED
    assert answers[-2:] == [None, None]
    assert {one.id for one in kit.look()} == {present.id, other.id}


@checks.add()
def entries_of_a_batch_are_deleted_each_by_itself(kit: QueueKit) -> None:
    """Promise 6."""
    old, present = _stale(kit)
    kit.send("a")
    other = kit.one(kit.queue)
    receipts = [*_NO_RECEIPTS, old.receipt, other.receipt]
    answers = kit.queue.delete(receipts)
    assert answers[-1] is None
    for receipt, answer in zip(receipts[:-2], answers[:-2], strict=True):
        assert answer is None or isinstance(answer, StoreRefused), f"{receipt!r}: {answer!r}"
    kit.hide(present, 0)
    assert bodies(kit.take(1)) == ["stale"]


@checks.add()
def what_is_asked_twice_in_one_batch_is_answered_twice(kit: QueueKit) -> None:
    """Promise 6: one answer each, in order."""
    kit.send("a", "b")
    a, b = kit.take(2)
    changes = [Hide(one.receipt, kit.long_s) for one in (a, b, a)]
    assert kit.queue.hide(changes) == [None, None, None]
    assert kit.queue.delete([a.receipt, b.receipt, a.receipt]) == [None, None, None]
    kit.gone()


@checks.add()
def batches_of_nothing_are_nothing(kit: QueueKit) -> None:
    """Queue: one answer each."""
    assert kit.queue.send([]) == []
    assert kit.queue.hide([]) == []
    assert kit.queue.delete([]) == []


@checks.add()
def a_whole_batch_is_sent_received_hidden_and_deleted(kit: QueueKit) -> None:
    """QueueLimits.batch_size; more are not received at once."""
    size = kit.queue.limits.batch_size
    kit.send(*(f"{n}" for n in range(size + 1)))
    found = kit.take(size, kit.queue)
    assert kit.queue.hide([Hide(one.receipt, kit.long_s) for one in found]) == [None] * size
    kit.delete(*found)
    rest = kit.look(count=100 * size)
    assert len(rest) == 1
    kit.send(*(f"{n}" for n in range(2 * size)))
    assert 0 < len(kit.look(count=100 * size)) <= size


@checks.add()
def the_largest_message_is_sent_and_a_larger_one_is_not(kit: QueueKit) -> None:
    """QueueLimits.max_body_bytes, in bytes of UTF-8; ConfigError, and nothing of it is sent."""
    most = kit.queue.limits.max_body_bytes
    for body in ("x" * (most + 1), "é" * (most // 2 + 1)):
        batch = [kit.message("small"), kit.message(body)]
        expect(ConfigError, partial(kit.queue.send, batch))
    kit.gone()
    kit.send("é" * (most // 2))
    found = kit.one(kit.queue)
    assert found.body == "é" * (most // 2)
    kit.delete(found)


@checks.add()
def attributes_count_towards_the_size(kit: QueueKit) -> None:
    """QueueLimits.max_body_bytes."""
    most = kit.queue.limits.max_body_bytes
    message = kit.message("x" * (most - 10), attributes={"coord.task": "a" * 10})
    expect(ConfigError, lambda: kit.queue.send([message]))
    kit.gone()


@checks.add()
def a_batch_of_large_messages_is_sent(kit: QueueKit) -> None:
    """Queue.send: whatever a request of the queue may hold."""
    size = kit.queue.limits.batch_size
    body = "x" * (kit.queue.limits.max_body_bytes // 3)
    kit.send(*(f"{n}{body}" for n in range(size)))
    found = kit.take(size)
    assert sorted(one.body[:1] for one in found) == sorted(f"{n}"[:1] for n in range(size))
    assert {len(one.body) for one in found} == {len(body) + 1}


def _impossible(kit: QueueKit) -> list[Outgoing]:
    most_s = kit.queue.limits.max_delay_s
    return [
        kit.message("a", delay_s=most_s + 1),
        kit.message("a", delay_s=-1.0),
        kit.message("a", delay_s=float("nan")),
        kit.message("lone surrogate \ud800"),
        kit.message("a", attributes={"n": "\ud800"}),
    ]


@checks.add()
def what_can_never_be_sent_is_refused_before_anything_is(kit: QueueKit) -> None:
    """Queue.send: ConfigError."""
    for bad in _impossible(kit):
        expect(ConfigError, partial(kit.queue.send, [kit.message("good"), bad]))
    kit.gone()


@checks.add("standard")
def a_name_against_sending_twice_is_refused(kit: QueueKit) -> None:
    """Outgoing.dedup: a queue that is not FIFO would not keep it."""
    expect(ConfigError, lambda: kit.queue.send([kit.message("a", dedup="1")]))
    kit.gone()


@checks.add()
def a_receive_that_makes_no_sense_is_refused(kit: QueueKit) -> None:
    """Queue.receive: ConfigError, and nothing is delivered."""
    kit.send("a")
    most_s = kit.queue.limits.max_hidden_s
    for count in (0, -1):
        expect(
            ConfigError,
            partial(kit.queue.receive, count, wait_s=0.0, visibility_s=kit.short_s),
        )
    for seconds in (-1.0, most_s + 1, float("nan"), float("inf")):
        expect(ConfigError, partial(kit.queue.receive, 1, wait_s=0.0, visibility_s=seconds))
    assert kit.one().received == 1


@checks.add()
def a_hiding_that_makes_no_sense_is_refused_alone(kit: QueueKit) -> None:
    """Promise 6."""
    kit.send("a", "b")
    a, b = kit.take(2, kit.queue)
    for seconds in (-1.0, float("nan"), float("inf")):
        bad, good = kit.queue.hide([Hide(a.receipt, seconds), Hide(b.receipt, kit.long_s)])
        assert isinstance(bad, StoreError), f"hiding for {seconds} s was answered with {bad!r}"
        assert good is None
    assert kit.look() == []


@checks.add()
def the_limits_are_told_and_stay_the_same(kit: QueueKit) -> None:
    """QueueLimits."""
    mine, theirs = kit.queue.limits, kit.other.limits
    assert mine == theirs
    assert mine.ordered is kit.harness.ordered
    assert mine.batch_size >= 1
    assert mine.max_hidden_s >= kit.long_s
    assert mine.max_wait_s > 0
    assert mine.max_body_bytes > 0
    assert mine.max_receives is None or mine.max_receives >= 1
