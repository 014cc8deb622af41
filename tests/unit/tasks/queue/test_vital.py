"""The threads that a worker cannot do without."""

from __future__ import annotations

import threading

import pytest

from coord.tasks import Job, Worker, task
from coord.tasks.queue.clerk import Clerk
from coord.tasks.queue.deletes import Deletes
from coord.tasks.queue.intake import Intake
from coord.tasks.queue.vital import VitalThread
from tests.unit.tasks.queue.scripted import Scripted

_IN_TIME_S = 10.0


def test_who_owns_it_is_told_of_its_end_though_memory_runs_out_on_the_way() -> None:
    told: list[Exception] = []
    heard = threading.Event()

    def fails() -> None:
        raise SystemError("returned NULL without setting an exception")

    def broke(error: Exception) -> None:
        told.append(error)
        if len(told) < 3:
            raise MemoryError
        heard.set()

    VitalThread(fails, "vital").begin(broke)
    assert heard.wait(_IN_TIME_S)
    assert [str(error) for error in told] == ["returned NULL without setting an exception"] * 3


def test_one_that_ends_in_order_tells_nobody() -> None:
    told: list[Exception] = []
    thread = VitalThread(lambda: None, "vital")
    thread.begin(told.append)
    thread.join(_IN_TIME_S)
    assert not told


@pytest.mark.parametrize("part", [Clerk, Deletes, Intake])
def test_a_worker_that_loses_one_of_its_threads_ends_with_that_error(
    part: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would live on in silence: deaf, or with leases that nobody renews, or done for nothing."""

    def lost(_: object) -> None:
        raise SystemError("lost")

    monkeypatch.setattr(part, "_run", lost)

    @task("nothing")
    def nothing(job: Job) -> None:
        """Does nothing."""

    queue = Scripted()
    worker = Worker("scripted:", tasks=[nothing], opener=lambda _url, **_: queue, wait_s=0.05)
    with pytest.raises(SystemError, match="lost"):
        worker.run()
