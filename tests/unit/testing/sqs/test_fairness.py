"""Fair queues as modelled, and messages that are gone while they wait for their turn."""

from __future__ import annotations

from tests.unit.testing.sqs.desk import Desk


def loud(desk: Desk, number: int, *, flying: int) -> list[str]:
    """Messages of one tenant, of whom some are in flight; their receipts."""
    for place in range(number):
        desk.send(f"loud{place}", MessageGroupId="loud")
    receipts: list[str] = []
    while len(receipts) < flying:
        receipts += [
            each["ReceiptHandle"] for each in desk.receive(min(10, flying - len(receipts)))
        ]
    return receipts


def test_groups_with_much_in_flight_wait_behind_the_others() -> None:
    desk = Desk()
    loud(desk, 40, flying=30)
    desk.send("quiet", MessageGroupId="quiet")
    assert desk.bodies(1) == ["quiet"]
    assert desk.bodies(1) == ["loud30"]


def test_messages_without_a_group_are_nobodys_noise() -> None:
    desk = Desk()
    for number in range(40):
        desk.send(str(number))
    for _ in range(3):
        desk.receive(10)
    desk.send("quiet", MessageGroupId="quiet")
    assert desk.bodies(1) == ["30"]


def test_a_group_with_less_than_thirty_in_flight_waits_for_nobody() -> None:
    desk = Desk()
    loud(desk, 40, flying=29)
    desk.send("quiet", MessageGroupId="quiet")
    assert desk.bodies(1) == ["loud29"]


def test_a_group_with_a_tenth_of_what_is_in_flight_waits_for_nobody() -> None:
    desk = Desk()
    for number in range(270):
        desk.send(f"other{number}")
    for _ in range(27):
        desk.receive(10)
    loud(desk, 40, flying=30)
    desk.send("quiet", MessageGroupId="quiet")
    assert desk.bodies(1) == ["loud30"]


def test_a_group_that_is_quiet_again_gets_its_place_back() -> None:
    desk = Desk()
    receipts = loud(desk, 40, flying=30)
    desk.send("quiet1", MessageGroupId="quiet")
    assert desk.bodies(1) == ["quiet1"]
    for receipt in receipts[:5]:
        desk.delete(receipt)
    desk.send("quiet2", MessageGroupId="quiet")
    assert desk.bodies(1) == ["loud30"]


def test_a_message_that_ages_away_while_its_group_waits_is_not_received() -> None:
    desk = Desk("q", {"MessageRetentionPeriod": "60"})
    loud(desk, 31, flying=30)
    desk.send("quiet", MessageGroupId="quiet")
    assert desk.bodies(1) == ["quiet"]  # and loud30 was set aside
    desk.advance(60)
    desk.send("new")
    assert desk.bodies() == ["new"]
    assert desk.bodies() == []


def test_a_message_of_a_fifo_group_that_ages_away_is_not_received() -> None:
    desk = Desk("q.fifo", {"FifoQueue": "true", "MessageRetentionPeriod": "60"})
    desk.send("old", MessageGroupId="g", MessageDeduplicationId="1")
    desk.advance(60)
    desk.send("new", MessageGroupId="g", MessageDeduplicationId="2")
    assert desk.bodies() == ["new"]
    assert desk.bodies() == []


def test_a_message_that_was_deleted_after_its_time_is_not_received() -> None:
    desk = Desk()
    desk.send("a")
    receipt = desk.one()
    desk.advance(30)
    desk.send("b")
    desk.delete(receipt)
    assert desk.bodies() == ["b"]
