"""A runner whose ticks meet: what is replaced, what rests, and what is told of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pytest

from coord.tasks import Job, Tick, spec_of, task
from coord.tasks.job import Unit
from coord.tasks.queue.payload import PARTS, Call, Handler, JsonCodec, outgoing, read
from coord.tasks.queue.spi import Message
from coord.tasks.runner.notes import LedgerNotes
from coord.tasks.runner.round import Rounds
from coord.tasks.schedule import Missed, Policies, TickPart, Why
from tests.unit.tasks.troubled import START_S, Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.ledger.close()


def _tick(seconds: float) -> Tick:
    return Tick.of(START_S + seconds)


def test_what_is_replaced_is_told_of_as_all_that_is_left_out(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    bell = threading.Event()

    @task(every="10s", overlap="replace")
    def sweep(job: Job) -> None:
        ran.append(job.tick)
        if len(ran) == 1:
            for turn in range(1000):
                if turn in (0, 100):  # the runner may look for the first time after the first
                    scene.clock.advance(11.0)
                    scene.terms[0].renew()
                if job.cancelled:
                    return
                bell.wait(0.01)

    with caplog.at_level(logging.INFO, "coord.tasks"):
        scene.leading(sweep, 1).run()
    assert ran[0] == str(_tick(0.0))
    assert ran[1] in (str(_tick(10.0)), str(_tick(20.0)))
    (line,) = [text for text in caplog.messages if "why='replaced'" in text]
    assert "tick-skipped" in line
    assert f"first='{_tick(0.0)}'" in line


def test_a_run_that_has_failed_and_rests_gives_way_to_the_next_tick(scene: Scene) -> None:
    """Nothing of it runs. Once the new tick was dropped for it, and then it for the new tick."""
    ran: list[tuple[str, float]] = []

    @task(every="10s")
    def sweep(job: Job) -> None:
        ran.append((job.tick, scene.wall() - START_S))
        if job.tick == str(_tick(0.0)):
            raise OSError("the disk is full")

    scene.backoff_s = 100.0
    scene.leading(sweep, 3).run()
    assert [tick for tick, _ in ran[:2]] == [str(_tick(0.0)), str(_tick(10.0))]
    assert ran[1][1] == pytest.approx(10.0, abs=0.5)


def test_of_a_tick_whose_shape_has_changed_only_what_is_left_is_run(scene: Scene) -> None:
    ran: list[tuple[int, int]] = []

    @task(every="1h", parts=4)
    def old(job: Job) -> None:
        ran.append((job.shard, job.parts))
        if job.shard == 2:
            raise OSError("not this one")

    @task(every="1h", parts=6)
    def new(job: Job) -> None:
        ran.append((job.shard, job.parts))

    old.__dict__["__coord_task__"] = replace(spec_of(old), name="sweep")
    new.__dict__["__coord_task__"] = replace(spec_of(new), name="sweep")
    scene.backoff_s = 10_000.0
    scene.leading(old, 1).run()
    assert sorted(ran) == [(0, 4), (1, 4), (2, 4), (3, 4)]
    del ran[:]
    scene.clock.advance(-600.0 if scene.wall() > START_S + 3600.0 else 0.0)
    scene.leading(new, 0, token=2).run()
    assert ran == [(2, 4)]


# --- what is left out is told, however it comes to that -------------------------------------------


def test_all_that_a_long_gap_leaves_out_is_told(scene: Scene) -> None:
    """It takes several plans to come through it; each has its own to tell."""

    @task(every="10s", missed="catch-up")
    def sweep(job: Job) -> None:
        """For its schedule."""

    spec = spec_of(sweep)
    schedule = spec.schedule
    assert schedule is not None
    notes = LedgerNotes(scene.ledger, spec, schedule, scope="a", token=1)
    notes.cursor(START_S)
    rules = Policies(missed=Missed.CATCH_UP, window_s=100.0)
    plan, _ = Rounds(notes, schedule, rules, parts=1).plan(START_S + 100_000.0, {})
    told = sum(skip.units for skip in plan.skipped)
    assert told + len(plan.start) + len(plan.waiting) == 10_001
    assert {skip.why for skip in plan.skipped} == {Why.OUT_OF_WINDOW}


def test_what_was_written_down_as_left_out_is_told_although_the_plan_is_made_anew(
    scene: Scene,
) -> None:
    """Another member moves the cursor in between: no plan after that sees a reason to tell it."""

    @task(every="10s", parts=2)
    def sweep(job: Job) -> None:
        """For its schedule."""

    spec = spec_of(sweep)
    schedule = spec.schedule
    assert schedule is not None
    notes = LedgerNotes(scene.ledger, spec, schedule, scope="a", token=1)
    other = LedgerNotes(scene.ledger, spec, schedule, scope="b", token=1)
    notes.cursor(START_S - 5.0)
    other.begin(TickPart(_tick(10.0), 1), lost=lambda: None)
    skip = notes.skip

    def meanwhile(units: Iterable[TickPart]) -> None:
        skip(units)
        other.cursor(START_S)
        other.move(_tick(0.0))

    notes.skip = meanwhile  # type: ignore[method-assign]
    plan, _ = Rounds(notes, schedule, Policies(), parts=2).plan(START_S + 25.0, {})
    assert {(skip.first, skip.part, skip.why) for skip in plan.skipped} == {
        (_tick(10.0), 0, Why.MISSED),
        (_tick(20.0), 1, Why.OVERLAP),
    }


def test_a_message_says_of_how_many_parts_its_tick_is() -> None:
    handlers = {"sweep": Handler.of("sweep", print)}
    sent = outgoing("sweep", {}, codec=JsonCodec(), tick=str(_tick(0.0)), part=2, parts=4)

    def delivered(attributes: Mapping[str, str]) -> Message:
        return Message(id="1", receipt="r", body=sent.body, received=1, attributes=attributes)

    found = read(delivered(sent.attributes), handlers, JsonCodec())
    assert isinstance(found, Call)
    assert found.unit == Unit("sweep", str(_tick(0.0)), 2, parts=4)
    old = {name: text for name, text in sent.attributes.items() if name != PARTS}
    found = read(delivered(old), handlers, JsonCodec())
    assert isinstance(found, Call)
    assert found.unit.parts == 1
