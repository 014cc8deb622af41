"""What has gone wrong in other workers, played to this one; docs/reliability.md says where."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from coord.tasks import Job, Worker, task
from coord.tasks.queue.admission import Fixed
from coord.tasks.queue.spi import Outgoing
from coord_sqlite.queue import SqliteQueue
from tests.unit.tasks.queue.hands import message
from tests.unit.tasks.queue.scripted import WITHIN_S, Desk, Notes, Scripted


def _worker(queue: Any, function: Any, **settings: Any) -> Worker:  # noqa: ANN401
    settings = {"concurrency": 1, "wait_s": 0.05, "opener": lambda _url, **_: queue, **settings}
    return Worker("scripted:", tasks=[function], **settings)


# --- stopping --------------------------------------------------------------------------------


def test_leases_are_extended_while_a_worker_drains() -> None:
    """It receives nothing any more; what it works on is not shown to others for that."""
    begun, go_on = threading.Event(), threading.Event()

    @task("work")
    def slow(job: Job) -> None:
        begun.set()
        assert go_on.wait(WITHIN_S)

    queue = Scripted([message()])
    with Desk(queue, slow, visibility_s=2.0) as desk:
        assert begun.wait(WITHIN_S)
        desk.engine.stop()
        before = len(queue.hidden)
        queue.wait_for(lambda: len(queue.hidden) >= before + 3)
        assert {change.seconds for change in queue.hidden} == {2.0}
        go_on.set()
    assert queue.deleted == ["r1.1"]


def test_stopping_again_and_again_and_from_many_threads_ends_a_worker_once() -> None:
    begun = threading.Event()

    @task("work")
    def rests(job: Job) -> None:
        begun.set()
        job.wait(WITHIN_S)
        job.check()

    queue = Scripted([message()])
    worker = _worker(queue, rests, drain_s=0.2).start()
    assert begun.wait(WITHIN_S)
    stoppers = [threading.Thread(target=stop) for stop in (worker.stop, worker.close) * 3]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join(WITHIN_S)
        assert not stopper.is_alive()
    worker.close()
    assert [change.seconds for change in queue.hidden] == [0.0]


def test_a_handler_that_never_ends_does_not_keep_its_worker_from_its_end() -> None:
    begun, go_on = threading.Event(), threading.Event()

    @task("work")
    def deaf(job: Job) -> None:
        begun.set()
        go_on.wait(10 * WITHIN_S)

    queue, notes = Scripted([message()]), Notes()
    worker = _worker(queue, deaf, drain_s=0.1, listener=notes).start()
    try:
        assert begun.wait(WITHIN_S)
        ended = threading.Thread(target=worker.close)
        ended.start()
        ended.join(WITHIN_S)
        assert not ended.is_alive()
    finally:
        go_on.set()
    assert queue.deleted == []


def test_restarts_lead_nothing_to_the_dead_letters_that_was_not_begun(tmp_path: Path) -> None:
    """Each delivery counts, also one that is given back untouched: so nothing is received ahead."""
    queue = SqliteQueue(tmp_path / "q.db", max_receives=2, timeout_s=WITHIN_S)
    numbers = set(queue.send([Outgoing(body="{}") for _ in range(10)]))
    seen: set[str] = set()
    begun = threading.Event()

    @task("work")
    def rests(job: Job) -> None:
        seen.add(job.unit.message)
        begun.set()
        job.wait(WITHIN_S)
        job.check()

    for _ in range(6):
        begun.clear()
        again = SqliteQueue(tmp_path / "q.db", max_receives=2, timeout_s=WITHIN_S)
        with _worker(again, rests, drain_s=0.0):
            assert begun.wait(WITHIN_S)
    depth = queue.depth()
    assert (depth.ready, depth.dead) == (10, 0)
    untouched = {one.id: one.received for one in queue.receive(10, wait_s=0.0, visibility_s=30.0)}
    assert {untouched[str(one)] for one in numbers if one not in seen} == {1}
    assert 0 < len(seen) < 10
    queue.close()


# --- how many at once ------------------------------------------------------------------------


def test_no_ending_of_any_kind_makes_room_for_more_than_one() -> None:
    """Done, failed, timed out, given up, cancelled: each gives back one place, and once."""
    running, most = 0, 0
    lock = threading.Lock()
    ends: Counter[int] = Counter()

    @task("work", timeout=0.02)
    def mixed(job: Job) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        kind = int(job.unit.message[1:]) % 4
        try:
            if kind == 0:
                raise ValueError("no")
            if kind == 1:
                job.wait(WITHIN_S)  # until its timeout is over
                job.check()
            if kind == 2:
                threading.Event().wait(0.1)  # deaf to its timeout, for a while
            if kind == 3:
                job.cancel("enough")
        finally:
            with lock:
                running -= 1
                ends[kind] += 1

    queue = Scripted([message(n) for n in range(60)])
    with Desk(queue, mixed, admission=Fixed(3)) as desk:
        desk.notes.wait_for(lambda: len(desk.notes.ends) == 60)
    assert most == 3
    assert ends == {0: 15, 1: 15, 2: 15, 3: 15}
    assert desk.end()["received"] == 60


@pytest.mark.parametrize("count", [1, 3])
def test_a_worker_holds_no_more_messages_than_it_can_begin_soon(count: int) -> None:
    """Whatever waits in the queue: memory and others' waiting do not grow with it."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    @task("work")
    def slow(job: Job) -> None:
        begun.release()
        assert go_on.wait(WITHIN_S)

    queue = Scripted([message(n) for n in range(500)])
    with _worker(queue, slow, concurrency=count, drain_s=WITHIN_S) as worker:
        for _ in range(count):
            assert begun.acquire(timeout=WITHIN_S)
        asked = len(queue.waits)
        assert not begun.acquire(timeout=0.6)
        assert worker.counts["received"] <= count + 1, f"asked {len(queue.waits) - asked} times"
        worker.stop()
        go_on.set()
