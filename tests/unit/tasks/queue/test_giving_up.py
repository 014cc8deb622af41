"""Handlers that go on after their timeout, and what becomes of their messages."""

from __future__ import annotations

import threading

from coord.tasks import Job, task
from coord.tasks.queue.hand import Outcome
from tests.unit.tasks.queue.hands import message
from tests.unit.tasks.queue.scripted import WITHIN_S, Desk, Scripted


def test_a_handler_that_ignores_its_timeout_keeps_its_message_from_nobody() -> None:
    """However long the queue hides it: it is shown after its rest, as if it had failed."""
    go_on = threading.Event()

    @task("work", timeout=0.05)
    def deaf(job: Job) -> None:
        assert go_on.wait(WITHIN_S)
        raise ValueError("late")

    queue = Scripted([message()])
    with Desk(queue, deaf, visibility_s=6.0) as desk:
        assert 2.0 <= queue.rest_of("r1.1") <= 8.0
        assert desk.engine.running == 1
        go_on.set()
    counts = desk.end()
    assert [end.outcome for end in desk.notes.ends] == [Outcome.LAPSED]
    assert "its handler raised ValueError: late" in desk.notes.ends[0].why
    assert len(queue.hidden) == 1, "what is given up is said once"
    assert (counts["received"], counts["lapsed"]) == (1, 1)


def test_a_handler_that_comes_back_late_and_before_it_is_given_up_has_failed_with_its_rest() -> (
    None
):
    @task("work", timeout=0.05)
    def late(job: Job) -> None:
        while not job.cancelled:
            job.wait(0.01)
        raise ValueError("late")

    queue = Scripted([message()])
    with Desk(queue, late) as desk:
        assert 4.0 <= queue.rest_of("r1.1") <= 8.0
    assert [end.outcome for end in desk.notes.ends] == [Outcome.FAILED]


def test_what_is_behind_a_message_that_is_given_up_goes_back_while_its_handler_runs() -> None:
    """Or a handler that hangs would keep a whole group for as long as its worker lives."""
    go_on = threading.Event()

    @task("work", timeout=0.05)
    def deaf(job: Job) -> None:
        assert go_on.wait(WITHIN_S)

    queue = Scripted([message(n, group="a") for n in range(3)], ordered=True)
    with Desk(queue, deaf, visibility_s=6.0) as desk:
        assert (queue.rest_of("r1.1"), queue.rest_of("r2.1")) == (0.0, 0.0)
        assert queue.rest_of("r0.1") >= 2.0
        assert desk.engine.running == 1
        go_on.set()
        queue.wait_for(lambda: bool(queue.deleted))
    counts = desk.end()
    assert queue.deleted == ["r0.1"], "what is done is done"
    assert (counts["done"], counts["late"], counts["returned"]) == (1, 1, 2)
