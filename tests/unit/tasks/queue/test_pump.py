"""Where all tasks are coroutine functions, their loop takes the messages itself."""

from __future__ import annotations

import asyncio
import threading

import pytest

from coord.tasks import Job, task
from coord.tasks.queue.admission import Fair, Fixed, FixedLimit, Quota
from tests.unit.tasks.queue.hands import message
from tests.unit.tasks.queue.scripted import Desk, Scripted


@task("work")
async def work(job: Job, **_fields: object) -> None:
    """Does it."""


@task("plain")
def plain(job: Job, **_fields: object) -> None:
    """Does it on a thread."""


def _crew() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("coord-queue-work-")}


def test_a_worker_of_coroutine_functions_has_no_thread_beside_their_loop() -> None:
    before = _crew()
    queue = Scripted(message(n) for n in range(50))
    with Desk(queue, work) as desk:
        queue.wait_for(lambda: len(queue.deleted) == 50)
        assert _crew() <= before
    assert desk.end()["done"] == 50


def test_plain_functions_beside_coroutine_functions_do_not_block_their_loop() -> None:
    threads: set[str] = set()

    @task("plain")
    def noted(job: Job, **_fields: object) -> None:
        threads.add(threading.current_thread().name)

    bodies = [message(n, attributes={"coord.task": ("work", "plain")[n % 2]}) for n in range(20)]
    queue = Scripted(bodies)
    with Desk(queue, work, noted):
        queue.wait_for(lambda: len(queue.deleted) == 20)
    assert all(name.startswith("coord-queue-work-") for name in threads)


@pytest.mark.parametrize("limit", [1, 3])
def test_as_many_run_at_once_as_the_admission_says(limit: int) -> None:
    running: list[int] = []
    most: list[int] = []

    @task("work")
    async def counted(job: Job) -> None:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0.01)
        running.pop()

    queue = Scripted(message(n) for n in range(20))
    with Desk(queue, counted, admission=Fixed(limit)):
        queue.wait_for(lambda: len(queue.deleted) == 20)
    assert max(most) == limit


def test_what_only_time_lets_begin_begins() -> None:
    """Nothing arrives and nothing ends when the quota has a token again."""
    queue = Scripted([message(1, group="a"), message(2, group="a")])
    admission = Fair(FixedLimit(4), quota=Quota(per_minute=120, burst=1))
    with Desk(queue, work, admission=admission):
        queue.wait_for(lambda: len(queue.deleted) == 2)


def test_what_cannot_be_read_is_parked_and_what_comes_behind_it_is_run() -> None:
    queue = Scripted([*(message(n, body="{") for n in range(5)), message(5)])
    with Desk(queue, work, admission=Fixed(1)) as desk:
        queue.wait_for(lambda: queue.deleted == ["r5.1"])
        assert queue.rest_of("r4.1") >= 4.0
    assert desk.end()["parked"] == 5
