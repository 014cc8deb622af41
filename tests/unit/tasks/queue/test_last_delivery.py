"""What comes of a message that is delivered for the last time: the dead letters, and no waiting."""

from __future__ import annotations

import threading

import pytest

from coord.tasks import Job, task
from coord.tasks.queue.hand import Outcome
from coord.tasks.queue.log import LogListener
from tests.unit.tasks.queue.hands import message
from tests.unit.tasks.queue.scripted import WITHIN_S, Desk, Scripted

_MOST = 5  # deliveries, of a scripted queue


@task("work")
def fails(job: Job) -> None:
    raise ValueError("no")


@pytest.mark.parametrize("body", ["{}", "{not json"], ids=["failed", "parked"])
def test_the_last_delivery_is_followed_by_no_rest_and_says_so(
    body: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Scripted([message(1, body=body, received=_MOST)])
    with (
        caplog.at_level("WARNING", logger="coord.queue"),
        Desk(queue, fails, listener=LogListener("q")),
    ):
        assert queue.rest_of("r1.5") == 0.0
    (told,) = caplog.records
    assert "last delivery" in told.getMessage()


@pytest.mark.parametrize("received", [_MOST - 1, _MOST + 1], ids=["before", "beyond"])
def test_any_other_delivery_rests(received: int, caplog: pytest.LogCaptureFixture) -> None:
    """Also one beyond the last: the queue was told of a larger number since, and a message that
    came back at once would use that up in seconds.
    """
    queue = Scripted([message(1, received=received)])
    with (
        caplog.at_level("WARNING", logger="coord.queue"),
        Desk(queue, fails, listener=LogListener("q")),
    ):
        assert queue.rest_of(f"r1.{received}") >= 4.0
    (told,) = caplog.records
    assert "last delivery" not in told.getMessage()


def test_one_that_is_given_up_in_its_last_delivery_is_shown_at_once() -> None:
    go_on = threading.Event()

    @task("work", timeout=0.05)
    def deaf(job: Job) -> None:
        assert go_on.wait(WITHIN_S)

    queue = Scripted([message(1, received=_MOST)])
    with Desk(queue, deaf, visibility_s=6.0) as desk:
        assert queue.rest_of("r1.5") == 0.0
        go_on.set()
    assert [end.outcome for end in desk.notes.ends] == [Outcome.DONE]
