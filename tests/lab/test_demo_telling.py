"""What the event log is told of messages, by a worker on the embedded queue."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.lab.measure import Log, Shard, load, shard_times, timeline
from coord.lab.measure.events import End, Extension, Lead, Note
from coord.lab.measure.intervals import Span
from coord.lab.work import app
from coord.lab.work.handler import Telling
from coord.lab.work.items import QUEUE, InHand, Item, message_of
from coord.tasks import Job, Worker, task
from coord.tasks.opening import open_queue
from coord.tasks.queue.engine import Settings
from coord.telemetry import EventLog

ITEM = Item(3, 17, ["03-000017-0", "03-000017-1"])
WITHIN_S = 20.0


def _handled(
    folder: Path, work: Callable[[Job, EventLog], None], *, timeout_s: float, ends: int = 1
) -> Log:
    """One item, handled by a worker whose messages are hidden for a second at a time."""
    url, path = f"sqlite:///{folder / 'queue.db'}", folder / "log.jsonl"
    with closing(EventLog(path, member="worker-1")) as events:

        @task("reap", timeout=timeout_s)
        def reap(job: Job, **_fields: object) -> None:
            work(job, events)

        with closing(open_queue(url)) as queue:
            queue.send([message_of(ITEM)])
        settings = Settings(visibility_s=1.0, wait_s=0.1)
        events.role(QUEUE.role.name, 1, QUEUE.role.shape, queue=True)
        events.member("start")
        events.backlog(QUEUE.role.name, ITEM.partition, ITEM.units, seat=ITEM.number)
        with Worker(url, tasks=[reap], settings=settings, listener=Telling(events)):
            end_s = SYSTEM_CLOCK.now() + WITHIN_S
            while len(load(path).all(End)) < ends and SYSTEM_CLOCK.now() < end_s:
                time.sleep(0.02)
    return load(path)


def test_a_message_that_stays_hidden_for_longer_is_told_as_held_throughout(tmp_path: Path) -> None:
    def slow(job: Job, events: EventLog) -> None:
        assert job.wait(1.5)
        held = InHand(job, ITEM.key)
        events.act(held, app.FENCED, fenced=True, accepted=True, units=ITEM.units)

    log = _handled(tmp_path, slow, timeout_s=60)
    assert len(log.all(Extension)) >= 2
    assert [end.why for end in log.all(End)] == ["done"]
    (lead,) = log.all(Lead)
    assert (lead.key, lead.token) == (ITEM.key, 1)
    times = shard_times(timeline(log), tau_s=0.4)[Shard(QUEUE.role.name, 1, ITEM.partition)]
    assert not times.gap.clip(Span(lead.t, log.end_s)), (
        "its second second rests on extensions alone"
    )


def test_a_handler_that_takes_too_long_is_told_as_holding_it_until_its_timeout(
    tmp_path: Path,
) -> None:
    def wedged(_job: Job, _events: EventLog) -> None:
        time.sleep(1.2)

    log = _handled(tmp_path, wedged, timeout_s=0.5)
    lead = log.all(Lead)[0]
    assert lead.until_s - lead.t == pytest.approx(0.5, abs=0.3), "as long as `job.check()` passes"
    assert lead.until_s <= lead.t + 0.5, "and not for as long as it is hidden"


def test_a_handler_that_runs_into_its_timeout_is_told_as_late_or_lapsed(tmp_path: Path) -> None:
    def slow(job: Job, _events: EventLog) -> None:
        while not job.cancelled:
            time.sleep(0.01)
        job.check()

    log = _handled(tmp_path, slow, timeout_s=0.3)
    told = {"failed": "late", "lapsed": "lapsed"}  # the second when it noticed late, if at all
    assert log.all(Note)[0].what == told[log.all(End)[0].why]


def test_a_delivery_after_a_failure_is_told_with_a_larger_token(tmp_path: Path) -> None:
    def failing_once(job: Job, _events: EventLog) -> None:
        if job.token == 1:
            raise ValueError("no")

    log = _handled(tmp_path, failing_once, timeout_s=60, ends=2)
    assert [(lead.key, lead.token) for lead in log.all(Lead)] == [(ITEM.key, 1), (ITEM.key, 2)]
    assert [end.why for end in log.all(End)] == ["failed", "done"]
