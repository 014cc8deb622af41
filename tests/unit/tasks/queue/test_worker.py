"""The worker's front door: what it refuses, how it starts and how it stops."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from coord.errors import Certainty, ConfigError, StoreUnavailable, UsageError
from coord.tasks import Job, Ledger, Worker, task
from coord.tasks.job import Unit
from coord.tasks.ledger import State
from coord.tasks.memory import LedgerMemory
from coord.tasks.queue.admission import Fixed
from coord.tasks.queue.hand import InHand
from coord.tasks.queue.worker import handlers_of
from coord.testing.clock import ManualClock
from tests.unit.tasks.queue.hands import PATIENCE, message
from tests.unit.tasks.queue.scripted import WITHIN_S, Notes, Scripted

_AWAY = StoreUnavailable("no answer", certainty=Certainty.UNKNOWN)


@task("work")
def work(job: Job) -> None:
    """Does it."""


def _worker(queue: Scripted, **settings: Any) -> Worker:  # noqa: ANN401
    def opener(_url: str, **opened: float) -> Scripted:
        opened_with.append(opened["timeout_s"])
        return queue

    opened_with: list[float] = []
    made = Worker("scripted:", **{"tasks": [work], "opener": opener, "wait_s": 0.05, **settings})
    made.opened_with = opened_with  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize(
    "settings",
    [
        {"visibility_s": 0.0},
        {"visibility_s": 0.9},
        {"visibility_s": float("nan")},
        {"visibility_s": float("inf")},
        {"drain_s": -1.0},
        {"wait_s": float("inf")},
        {"tasks": []},
        {"tasks": [work, work]},
    ],
    ids=lambda settings: "-".join(f"{name}={value}" for name, value in settings.items())[:20],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        _worker(Scripted(), **settings)


def test_a_visibility_above_what_the_queue_allows_is_refused_and_nothing_is_left() -> None:
    before = threading.active_count()
    with pytest.raises(ConfigError, match="hides a message for 43200 s at the most"):
        _worker(Scripted(), visibility_s=50_000.0).start()
    assert threading.active_count() == before


@pytest.mark.parametrize(("visibility_s", "timeout_s"), [(1.0, 0.25), (30.0, 3.0), (3600.0, 10.0)])
def test_a_request_takes_a_part_of_a_lease_within_reason(
    visibility_s: float, timeout_s: float
) -> None:
    worker = _worker(Scripted(), visibility_s=visibility_s)
    with worker:
        assert worker.opened_with == [timeout_s]  # type: ignore[attr-defined]


def test_a_worker_is_started_once() -> None:
    worker = _worker(Scripted())
    with worker, pytest.raises(UsageError, match="started before"):
        worker.start()
    worker.close()
    with pytest.raises(UsageError, match="started before"):
        worker.run()


def test_a_worker_that_was_stopped_before_it_ran_ends_at_once() -> None:
    worker = _worker(Scripted([message(1)]))
    worker.stop()
    worker.run()


def test_until_empty_survives_a_look_that_fails_and_ends_when_all_is_done() -> None:
    queue, notes = Scripted([message(n) for n in range(30)]), Notes()
    queue.faults = {"depth": [_AWAY]}
    worker = _worker(queue, listener=notes)
    worker.run(until_empty=True)
    assert len(queue.deleted) == 30
    assert worker.counts["done"] == 30
    assert notes.troubles == ["no answer"]


def test_a_signal_stops_a_worker_whatever_its_thread_was_about_to_do() -> None:
    queue = Scripted([message(1)])
    main = threading.get_ident()

    @task("work")
    def signals(job: Job) -> None:
        signal.pthread_kill(main, signal.SIGTERM)

    _worker(queue, tasks=[signals]).run()
    assert queue.deleted == ["r1.1"]


def test_a_forked_child_leaves_its_parents_worker_alone() -> None:
    queue = Scripted()
    with _worker(queue) as worker:
        pid = os.fork()
        if not pid:
            worker.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        queue.add(message(1))
        queue.wait_for(lambda: bool(queue.deleted))


def test_functions_that_no_worker_can_call_are_no_tasks() -> None:
    with pytest.raises(ConfigError):
        handlers_of([len])


# ------------------------------------------------------------ what a coroutine remembers of itself


def _job(memory: LedgerMemory, number: int, received: int = 1) -> Job:
    clock = ManualClock()
    found = message(number, received=received)
    hand = InHand(found, clock.now(), PATIENCE, clock)
    unit = Unit("work", message=found.id)
    return Job(hand, unit, clock=clock, memory=memory, scope=f"q/{found.id}", token=received)


class _Gate:
    """A ledger's `begin` that waits in the middle of it."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_in = threading.Event()
        self.may_go = threading.Event()
        write = ledger.store.write

        def waits(*args: Any, **kwargs: Any) -> str:  # noqa: ANN401
            self.is_in.set()
            assert self.may_go.wait(WITHIN_S)
            return write(*args, **kwargs)

        monkeypatch.setattr(ledger.store, "write", waits)


def test_what_was_begun_for_a_coroutine_that_was_cancelled_meanwhile_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its key would be renewed for an hour by nobody's run."""

    async def effect() -> None:
        raise AssertionError("it was cancelled before")

    async def scene(ledger: Ledger, gate: _Gate) -> None:
        job = _job(LedgerMemory(ledger), 1)
        run = asyncio.ensure_future(job.once("k", effect))
        assert await asyncio.to_thread(gate.is_in.wait, WITHIN_S)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        gate.may_go.set()
        for _ in range(1000):
            known = (await asyncio.to_thread(ledger.look, ["k"])).get("k")
            if known is not None and known.state is State.FAILED:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the key is still in progress")

    with Ledger.open(f"sqlite:///{tmp_path}/l.db") as ledger:
        asyncio.run(scene(ledger, _Gate(ledger, monkeypatch)))


def test_the_error_of_a_coroutine_is_told_also_if_it_cannot_be_recorded(tmp_path: Path) -> None:
    async def effect() -> None:
        ledger.store.close()
        raise LookupError("the real one")

    with Ledger.open(f"sqlite:///{tmp_path}/l.db") as ledger:
        job = _job(LedgerMemory(ledger), 1)
        with pytest.raises(LookupError, match="the real one") as found:
            asyncio.run(job.once("k", effect))
    assert "not in the ledger" in found.value.__notes__[0]


class _Halting(Fixed):
    """Fails when it is asked for the third time what begins next."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked = 0

    def take(self, running: int, now: float) -> InHand | None:
        self.asked += 1
        if self.asked >= 3:
            raise RuntimeError("a bug in take")
        return super().take(running, now)


@task("work")
async def awaited(job: Job) -> None:
    """Does it on the loop."""


@pytest.mark.parametrize("one", [work, awaited], ids=["plain", "coroutine"])
def test_an_admission_that_cannot_say_what_is_next_ends_the_worker_with_its_error(
    one: object,
) -> None:
    """And not a thread, without a word, which leaves a worker that does nothing for ever."""
    queue, notes = Scripted([message(n) for n in range(6)]), Notes()
    worker = _worker(queue, tasks=[one], admission=_Halting(), listener=notes)
    with pytest.raises(RuntimeError, match="a bug in take"):
        worker.run()
    counts = worker.counts
    assert counts["done"] + counts["returned"] == counts["received"]
    assert counts["returned"] >= 1, "what it had is given back"
    assert {change.seconds for change in queue.hidden} == {0.0}
    assert any("a bug in take" in told for told in notes.troubles)


def test_handlers_that_still_run_when_their_time_is_over_are_named_one_by_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun = threading.Barrier(3)

    @task("slow")
    def slow(job: Job) -> None:
        begun.wait(WITHIN_S)
        while not job.cancelled:
            job.wait(WITHIN_S)

    queue = Scripted([message(n) for n in range(2)])
    worker = _worker(queue, tasks=[slow], concurrency=2, drain_s=0.1)
    with caplog.at_level("WARNING", logger="coord.queue"), worker:
        begun.wait(WITHIN_S)
    told = [one.getMessage() for one in caplog.records if "not-drained" in one.getMessage()]
    assert len(told) == 2
    assert all("slow" in one for one in told)
    assert {f"m{n}" for n in range(2) for one in told if f"m{n}" in one} == {"m0", "m1"}


def test_handlers_that_end_in_time_are_not_named(caplog: pytest.LogCaptureFixture) -> None:
    queue = Scripted([message(1)])
    with caplog.at_level("WARNING", logger="coord.queue"), _worker(queue):
        queue.wait_for(lambda: bool(queue.deleted))
    assert not caplog.records
