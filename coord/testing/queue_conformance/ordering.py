"""Checks of promise 5 and of names that are sent twice, on FIFO queues."""

from __future__ import annotations

from coord.errors import ConfigError
from coord.tasks.queue.spi import Depth, Hide
from coord.testing.queue_conformance.harness import QueueChecks
from coord.testing.queue_conformance.kit import QueueKit, bodies
from coord.testing.setting import expect

checks = QueueChecks()


@checks.add("fifo")
def a_group_is_delivered_in_its_order(kit: QueueKit) -> None:
    """Promise 5, whatever the sizes of batches, in which several of one group may come at once."""
    wanted = [f"{n:02d}" for n in range(25)]
    kit.send(*(kit.message(body, group="g") for body in wanted))
    seen: list[str] = []
    for count in (1, 3, 10, 2, 5, 10, 10, 10, 10):
        found = kit.look(count=count)
        seen += bodies(found)
        kit.delete(*found)
    assert seen == wanted
    kit.gone()


@checks.add("fifo")
def several_of_a_group_come_in_one_answer(kit: QueueKit) -> None:
    """Promise 5: in order, and to one receiver."""
    kit.send(*(kit.message(body, group="g") for body in "abc"))
    assert bodies(kit.look()) == ["a", "b", "c"]


@checks.add("fifo")
def a_group_waits_while_one_of_its_messages_is_in_flight(kit: QueueKit) -> None:
    """Promise 5; other groups go on."""
    kit.send(*(kit.message(body, group=body[0]) for body in ("g1", "g2", "h1")))
    first = kit.one(kit.queue, visibility_s=kit.long_s)
    assert first.body == "g1"
    assert bodies(kit.look()) == ["h1"]
    assert kit.look() == []
    kit.eventually(lambda depth: depth == Depth(1, 2, 0, 0), "the next one is ready, and waits")
    kit.delete(first)
    assert bodies(kit.take(1)) == ["g2"]


@checks.add("fifo")
def what_comes_again_comes_before_what_followed_it(kit: QueueKit) -> None:
    """Promise 5: after a visibility that ran out, and after giving back in whatever order."""
    kit.send(*(kit.message(body, group="g") for body in "abc"))
    assert kit.one(kit.queue, visibility_s=kit.short_s).body == "a"
    found = kit.take(2, within_s=kit.short_s)
    assert bodies(found) == ["a", "b"]
    for one in reversed(found):
        kit.hide(one, 0)
    assert bodies(kit.look()) == ["a", "b", "c"]


@checks.add("fifo")
def a_message_that_rests_holds_its_group_back(kit: QueueKit) -> None:
    """Promise 5: what was received behind it and given back does not overtake it."""
    kit.send(*(kit.message(body, group="g") for body in "ab"))
    first, second = kit.look(kit.queue)
    sent_at_s = kit.now()
    answers = kit.queue.hide([Hide(first.receipt, 2 * kit.short_s), Hide(second.receipt, 0)])
    assert answers == [None, None]
    assert kit.look() == []
    found = kit.take(2, within_s=2 * kit.short_s)
    assert kit.now() >= sent_at_s + 2 * kit.short_s
    assert bodies(found) == ["a", "b"]


@checks.add("fifo")
def a_dead_message_lets_its_group_go_on(kit: QueueKit) -> None:
    """Promise 5: it is gone from the group."""
    kit.kill("poison", group="g")
    kit.send(kit.message("next", group="g"))
    assert bodies(kit.take(1)) == ["next"]


@checks.add("fifo")
def what_dies_within_its_group_is_followed_at_once(kit: QueueKit) -> None:
    """Promise 5; no deadlock behind what is received too often."""
    most = kit.queue.limits.max_receives
    assert most is not None
    kit.send(*(kit.message(body, group="g") for body in ("poison", "next")))
    for _ in range(most):
        found = kit.one()
        assert found.body == "poison"
        kit.hide(found, 0)
    assert bodies(kit.take(1)) == ["next"]
    kit.eventually(lambda depth: depth == Depth(0, 1, 0, 1), "one is dead, one in flight")


@checks.add("fifo")
def a_name_that_is_sent_twice_is_one_message(kit: QueueKit) -> None:
    """Outgoing.dedup: in one batch, in another one, and after it was deleted."""
    ids = kit.send(
        kit.message("a", group="g", dedup="1"),
        kit.message("again", group="g", dedup="1"),
        kit.message("b", group="g", dedup="2"),
    )
    assert ids[0] == ids[1] != ids[2]
    found = kit.take(2)
    assert bodies(found) == ["a", "b"]
    kit.delete(*found)
    assert kit.send(kit.message("late", group="g", dedup="1")) == ids[:1]
    kit.gone()


@checks.add("fifo")
def messages_without_a_name_are_all_different(kit: QueueKit) -> None:
    """Outgoing.dedup: empty; equal bodies are no reason to drop one."""
    ids = kit.send(*(kit.message("same", group="g") for _ in range(3)))
    assert len(set(ids)) == 3
    assert bodies(kit.take(3)) == ["same"] * 3


@checks.add("fifo")
def a_message_without_a_group_is_refused(kit: QueueKit) -> None:
    """Queue.send: ConfigError, and nothing is sent."""
    good, bad = kit.message("a", group="g"), kit.message("b", group="")
    expect(ConfigError, lambda: kit.queue.send([good, bad]))
    kit.gone()


@checks.add("fifo")
def a_delay_of_its_own_is_refused(kit: QueueKit) -> None:
    """QueueLimits.max_delay_s: 0, since a delayed message would be overtaken."""
    assert kit.queue.limits.max_delay_s == 0
    expect(ConfigError, lambda: kit.queue.send([kit.message("a", delay_s=1.0)]))
    kit.gone()
