"""Checks of promises 2 and 3: who is hidden for how long, and whose receipt counts."""

from __future__ import annotations

from coord.errors import Certainty, StoreError, StoreRefused
from coord.tasks.queue.spi import Hide, Message
from coord.testing.queue_conformance.harness import QueueChecks
from coord.testing.queue_conformance.kit import QueueKit

checks = QueueChecks()

_MARGIN_S = 60.0


def _refused(error: StoreError | None) -> None:
    assert isinstance(error, StoreRefused), f"a receipt that is over was answered with {error!r}"
    assert error.certainty is Certainty.NOT_APPLIED


def _comes_again(kit: QueueKit, message: Message, sent_at_s: float, seconds: float) -> Message:
    """It shows again, and not before what was promised from `sent_at_s` on."""
    again = kit.one(within_s=seconds)
    early_s = sent_at_s + seconds - kit.now()
    assert early_s <= 0, f"it was visible {early_s:.3f} s before its time"
    assert again.id == message.id
    return again


@checks.add()
def a_message_is_hidden_until_its_time_is_over_and_not_before(kit: QueueKit) -> None:
    """Promise 2."""
    for seconds in (kit.short_s, 2 * kit.short_s):
        kit.send("a")
        sent_at_s = kit.now()
        found = kit.one(kit.queue, visibility_s=seconds)
        kit.delete(_comes_again(kit, found, sent_at_s, seconds))


@checks.add()
def hiding_counts_anew_from_its_request(kit: QueueKit) -> None:
    """Promise 2: as often as it is asked for."""
    kit.send("a")
    found = kit.one(kit.queue, visibility_s=2 * kit.short_s)
    sent_at_s = kit.now()
    for _ in range(3):
        kit.harness.sleep(kit.short_s)
        sent_at_s = kit.now()
        kit.hide(found, 2 * kit.short_s)
        assert kit.look() == []
    again = _comes_again(kit, found, sent_at_s, 2 * kit.short_s)
    assert again.received == found.received + 1


@checks.add()
def hiding_for_less_shows_it_earlier(kit: QueueKit) -> None:
    """Promise 2: the latest request counts."""
    kit.send("a")
    found = kit.one(kit.queue, visibility_s=kit.long_s)
    sent_at_s = kit.now()
    kit.hide(found, kit.short_s)
    _comes_again(kit, found, sent_at_s, kit.short_s)


@checks.add()
def what_is_given_back_is_there_at_once(kit: QueueKit) -> None:
    """Hide: 0 gives it back."""
    kit.send("a", "b", "c")
    found = kit.take(3, kit.queue)
    assert kit.look() == []
    assert kit.queue.hide([Hide(one.receipt, 0) for one in found]) == [None] * 3
    again = kit.look()
    assert sorted(one.id for one in again) == sorted(one.id for one in found)
    assert {one.received for one in again} == {2}


@checks.add()
def a_superseded_receipt_neither_hides_nor_gives_back(kit: QueueKit) -> None:
    """Promise 3: after its time was over, and after it was given back."""
    kit.send("a")
    first = kit.one(kit.queue, visibility_s=kit.short_s)
    second = kit.one(within_s=kit.short_s)
    for seconds in (0, kit.short_s):
        (error,) = kit.queue.hide([Hide(first.receipt, seconds)])
        _refused(error)
    assert kit.look() == [], "a superseded receipt made the message visible"
    kit.harness.sleep(2 * kit.short_s)
    assert kit.look() == [], "a superseded receipt cut short how long it is hidden"
    kit.hide(second, 0)
    third = kit.one()
    for old in (first, second):
        (error,) = kit.queue.hide([Hide(old.receipt, 0)])
        _refused(error)
    kit.delete(third)


@checks.add()
def a_superseded_receipt_deletes_nothing(kit: QueueKit) -> None:
    """Promise 3: whatever the answer says, the message is there."""
    kit.send("a")
    first = kit.one(kit.queue, visibility_s=kit.short_s)
    second = kit.one(within_s=kit.short_s)
    kit.queue.delete([first.receipt])
    kit.hide(second, 0)
    third = kit.one()
    assert third.id == first.id
    kit.queue.delete([first.receipt, second.receipt])
    kit.hide(third, kit.long_s)
    kit.delete(third)
    kit.gone()


@checks.add()
def the_receipt_of_a_deleted_message_hides_nothing(kit: QueueKit) -> None:
    """Queue.hide: gone, for good."""
    kit.send("a")
    found = kit.one()
    kit.delete(found)
    (error,) = kit.queue.hide([Hide(found.receipt, kit.short_s)])
    _refused(error)


@checks.add()
def nothing_is_hidden_beyond_the_ceiling(kit: QueueKit) -> None:
    """QueueLimits.max_hidden_s, counted from the delivery; what was asked before still holds."""
    most_s = kit.queue.limits.max_hidden_s
    kit.send("a")
    sent_at_s = kit.now()
    found = kit.one(kit.queue, visibility_s=4 * kit.short_s)
    kit.harness.sleep(2 * kit.short_s)
    for seconds in (most_s, most_s + _MARGIN_S):
        (error,) = kit.queue.hide([Hide(found.receipt, seconds)])
        _refused(error)
    assert kit.look() == []
    _comes_again(kit, found, sent_at_s, 4 * kit.short_s)


@checks.add()
def up_to_the_ceiling_it_can_be_hidden(kit: QueueKit) -> None:
    """QueueLimits.max_hidden_s: at once, too."""
    most_s = kit.queue.limits.max_hidden_s
    kit.send("a", "b")
    found = kit.one(kit.queue)
    kit.hide(found, most_s - _MARGIN_S)
    assert kit.queue.receive(1, wait_s=0.0, visibility_s=most_s)
    assert kit.look() == []
