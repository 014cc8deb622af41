"""`coord pause` and `coord resume`, as an operator types them, reach tasks and workers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coord import Coordinator, Job, Role, Timing, Worker, task
from coord.errors import ConfigError, StoreUnavailable
from coord.tasks.opening import open_queue
from coord.tasks.queue.payload import JsonCodec, outgoing
from tests.integration.fleet import until

pytestmark = pytest.mark.xdist_group("pausing")

_COORD = str(Path(sys.executable).parent / "coord")


class Place:
    """A folder with a fleet's store, a queue and a ledger."""

    def __init__(self, folder: Path) -> None:
        self.fleet = f"sqlite:///{folder}/fleet.db"
        self.queue = f"sqlite:///{folder}/queue.db"
        self.ledger = f"sqlite:///{folder}/ledger.db"

    def coord(self, *words: str) -> str:
        outcome = subprocess.run(
            [_COORD, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        return outcome.stdout

    def send(self, name: str, count: int) -> None:
        queue = open_queue(self.queue)
        try:
            for _ in range(count):
                queue.send([outgoing(name, {}, codec=JsonCodec())])
        finally:
            queue.close()

    def ready(self) -> int:
        queue = open_queue(self.queue)
        try:
            return queue.depth().ready
        finally:
            queue.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def test_a_paused_role_stops_its_task_and_tells_the_run(place: Place, stack: ExitStack) -> None:
    began, told = list[str](), list[str]()

    @task(every="500ms", overlap="skip")
    def sweep(job: Job) -> None:
        began.append(job.tick)
        while job.wait(0.05):
            pass
        told.append(job.why or "asked")

    timing = Timing.of(1.0, settle_s=0.1)
    fleet = stack.enter_context(Coordinator(place.fleet, timing=timing))
    fleet.serve(Role("sweep"), sweep)
    until(lambda: began)
    assert "nobody leads it" in place.coord("pause", place.fleet, "sweep", "--wait", "20s")
    assert told, "the run was told before the claim was free"
    before = len(began)
    time.sleep(1.5)
    assert len(began) == before
    place.coord("resume", place.fleet, "sweep")
    until(lambda: len(began) > before)


def test_a_paused_role_stops_a_worker_and_a_resumed_one_goes_on(
    place: Place, stack: ExitStack
) -> None:
    began, told = list[float](), threading.Event()

    @task("resize")
    def resize(job: Job) -> None:
        began.append(time.monotonic())
        while job.wait(0.02) and len(began) < 3:
            pass
        if job.cancelled:
            told.set()

    worker = Worker(
        place.queue, tasks=[resize], fleet=place.fleet, role="resize", concurrency=1, wait_s=0.3
    )
    stack.enter_context(worker)
    place.send("resize", 5)
    until(lambda: began)
    place.coord("pause", place.fleet, "resize")
    assert told.wait(10.0), "a running handler is told"
    assert until(lambda: place.ready() == 5), "all is given back"
    count = len(began)
    time.sleep(1.0)
    assert len(began) == count
    began += [0.0] * 3  # from here on handlers come back at once
    place.coord("resume", place.fleet, "resize")
    until(lambda: worker.counts.get("done", 0) == 5)


def test_a_worker_that_starts_while_its_role_is_paused_begins_nothing(
    place: Place, stack: ExitStack
) -> None:
    ran = list[str]()

    @task("tick", every="200ms")
    def tick(job: Job) -> None:
        ran.append(job.tick)

    def worker() -> Worker:
        return Worker(
            place.queue,
            tasks=[tick],
            ledger=place.ledger,
            fleet=place.fleet,
            role="tick",
            wait_s=0.2,
        )

    with worker():
        until(lambda: ran)
    place.coord("pause", place.fleet, "tick")
    ran.clear()
    stack.enter_context(worker())
    time.sleep(1.5)
    assert not ran
    place.coord("resume", place.fleet, "tick")
    until(lambda: ran)


def test_a_worker_that_cannot_ask_whether_it_is_paused_does_not_start(place: Place) -> None:
    @task("resize")
    def resize(job: Job) -> None:
        """Never runs."""

    url = "etcd://127.0.0.1:1/prod"
    with pytest.raises(StoreUnavailable):
        Worker(place.queue, tasks=[resize], fleet=url, role="resize", wait_s=0.2).start()


@pytest.mark.parametrize("given", [{"fleet": "sqlite:///f.db"}, {"role": "resize"}])
def test_a_fleet_without_a_role_and_the_reverse_are_refused(given: dict[str, str]) -> None:
    @task("resize")
    def resize(job: Job) -> None:
        """Never runs."""

    with pytest.raises(ConfigError, match="one of the two is missing"):
        Worker("sqlite:///q.db", tasks=[resize], **given)  # type: ignore[arg-type]
