"""Checks of receiving that waits: it ends in time, and it is woken by whatever shows a message."""

from __future__ import annotations

from coord.testing.queue_conformance.harness import QueueChecks
from coord.testing.queue_conformance.kit import QueueKit, bodies

checks = QueueChecks()

_PROMPT_S = 5.0
"""Real time in which a waiting receiver must have come back: well below how long it would wait."""
_WAIT_S = 15.0


@checks.add()
def receiving_waits_its_time_and_no_longer(kit: QueueKit) -> None:
    """Queue.receive: for nothing, up to `wait_s`."""
    wait_s = 2 * kit.short_s
    asked_s = kit.now()
    receiver = kit.waiting(wait_s=wait_s)
    assert not receiver.is_over, "it did not wait"
    kit.harness.sleep(max(0.0, asked_s + wait_s + kit.harness.late_s - kit.now()))
    assert receiver.messages(wait_s + _PROMPT_S) == []


@checks.add()
def receiving_without_waiting_comes_back_at_once(kit: QueueKit) -> None:
    """Queue.receive."""
    assert kit.queue.receive(10, wait_s=0.0, visibility_s=kit.short_s) == []
    kit.send("a")
    assert bodies(kit.queue.receive(10, wait_s=_WAIT_S, visibility_s=kit.short_s)) == ["a"]


@checks.add()
def a_waiting_receiver_is_woken_by_what_another_process_sends(kit: QueueKit) -> None:
    """Queue.receive."""
    receiver = kit.waiting(wait_s=_WAIT_S)
    kit.send("a")
    assert bodies(receiver.messages(_PROMPT_S)) == ["a"]


@checks.add()
def a_waiting_receiver_is_woken_when_a_message_shows_again(kit: QueueKit) -> None:
    """Queue.receive: at the end of a visibility, without anybody doing anything."""
    kit.send("a")
    held = kit.one(kit.queue, visibility_s=2 * kit.short_s)
    sent_at_s = kit.now()
    kit.hide(held, 2 * kit.short_s)
    receiver = kit.waiting(wait_s=_WAIT_S)
    assert not receiver.is_over
    kit.harness.sleep(2 * kit.short_s)
    assert bodies(receiver.messages(_PROMPT_S)) == ["a"]
    assert kit.now() >= sent_at_s + 2 * kit.short_s


@checks.add()
def a_waiting_receiver_is_woken_by_what_is_given_back(kit: QueueKit) -> None:
    """Queue.receive."""
    kit.send("a")
    held = kit.one(kit.queue)
    receiver = kit.waiting(wait_s=_WAIT_S)
    assert not receiver.is_over
    kit.hide(held, 0)
    assert bodies(receiver.messages(_PROMPT_S)) == ["a"]


@checks.add("standard")
def a_waiting_receiver_is_woken_when_a_delay_ends(kit: QueueKit) -> None:
    """Queue.receive."""
    kit.send(kit.message("a", delay_s=2 * kit.short_s))
    receiver = kit.waiting(wait_s=_WAIT_S)
    assert not receiver.is_over
    kit.harness.sleep(2 * kit.short_s)
    assert bodies(receiver.messages(_PROMPT_S)) == ["a"]


@checks.add("fifo")
def a_waiting_receiver_is_woken_when_its_group_is_free(kit: QueueKit) -> None:
    """Promise 5: by the delete of the message before."""
    kit.send(*(kit.message(body, group="g") for body in ("a", "b")))
    held = kit.one(kit.queue)
    receiver = kit.waiting(wait_s=_WAIT_S)
    assert not receiver.is_over
    kit.delete(held)
    assert bodies(receiver.messages(_PROMPT_S)) == ["b"]


@checks.add()
def each_of_several_waiting_receivers_gets_its_own(kit: QueueKit) -> None:
    """Queue: all methods from any threads at once, also of one handle."""
    handles = [kit.other, kit.other, kit.handle()]
    receivers = [kit.waiting(handle, wait_s=_WAIT_S, count=1) for handle in handles]
    ids = kit.send("a", "b", "c")
    found = [one for receiver in receivers for one in receiver.messages(_PROMPT_S)]
    assert sorted(one.id for one in found) == sorted(ids)


@checks.add()
def other_calls_do_not_wait_behind_a_waiting_receiver(kit: QueueKit) -> None:
    """Queue: threads. On the same handle messages are extended and deleted meanwhile."""
    kit.send("a")
    held = kit.one(kit.other)
    receiver = kit.waiting(kit.other, wait_s=_WAIT_S)
    kit.hide(held, kit.long_s, kit.other)
    kit.delete(held, queue=kit.other)
    assert kit.other.depth().undone == 0
    assert not receiver.is_over, "it came back with nothing"
    kit.send("b")
    assert bodies(receiver.messages(_PROMPT_S)) == ["b"]
