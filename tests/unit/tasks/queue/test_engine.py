"""The path of messages through a worker, when what is around it misbehaves."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from coord.errors import Certainty, Fenced, InProgress, StoreError, StoreRefused, StoreUnavailable
from coord.tasks import Job, task
from coord.tasks.queue.admission import Fixed
from coord.tasks.queue.hand import InHand, Outcome
from coord.tasks.queue.listener import Listener
from coord.tasks.queue.runs import Ended
from coord.tasks.queue.spi import Message
from tests.unit.tasks.queue.hands import message
from tests.unit.tasks.queue.scripted import WITHIN_S, Desk, Scripted

_AWAY = StoreUnavailable("no answer", certainty=Certainty.UNKNOWN)
_OUTCOMES = tuple(outcome.value for outcome in Outcome)


@task("work")
def work(job: Job, **_fields: object) -> None:
    """Does it."""


def _messages(count: int, *, group: str = "") -> list[Message]:
    return [message(n, group=group) for n in range(count)]


def _receipts(count: int) -> list[str]:
    return [one.receipt for one in _messages(count)]


def _add_up(counts: Any) -> bool:  # noqa: ANN401
    return bool(counts["received"] == sum(counts.get(name, 0) for name in _OUTCOMES))


def test_what_is_done_is_deleted_and_counted() -> None:
    queue = Scripted(_messages(25))
    with Desk(queue, work) as desk:
        queue.wait_for(lambda: len(queue.deleted) == 25)
    counts = desk.end()
    assert sorted(queue.deleted) == sorted(_receipts(25))
    assert (counts["received"], counts["done"]) == (25, 25)


def test_what_is_done_is_freed_at_once_and_not_by_the_garbage_collector() -> None:
    queue = Scripted(_messages(200))
    gc.collect()
    before = _hands_in_memory()
    gc.disable()
    try:
        with Desk(queue, work):
            queue.wait_for(lambda: len(queue.deleted) == 200)
            left = _hands_in_memory() - before
    finally:
        gc.enable()
    assert left <= 30, "those of the latest requests may be held yet"


def _hands_in_memory() -> int:
    return sum(isinstance(one, InHand) for one in gc.get_objects())


class _Rude(Listener):
    """Raises whatever it hears."""

    def began(self, hand: InHand) -> None:
        raise RuntimeError("began")

    def ended(self, hand: InHand, end: Ended, seconds: float) -> None:
        raise RuntimeError("ended")

    def trouble(self, what: str) -> None:
        raise RuntimeError("trouble")


def test_a_listener_that_raises_costs_no_message() -> None:
    queue = Scripted(_messages(5))
    queue.faults = {"receive": [_AWAY], "delete": [_AWAY]}
    with Desk(queue, work, listener=_Rude(), visibility_s=1.0) as desk:
        queue.wait_for(lambda: len(queue.deleted) == 5)
    assert _add_up(desk.engine.counts)


@pytest.mark.parametrize("error", [_AWAY, ValueError("a bug"), StoreRefused("credentials")])
def test_no_error_of_the_queue_ends_the_threads_that_ask_it(error: Exception) -> None:
    queue = Scripted(_messages(3))
    queue.faults = {"receive": [error], "delete": [error]}
    with Desk(queue, work, visibility_s=1.0) as desk:
        queue.wait_for(lambda: len(queue.deleted) == 3)
        assert len(desk.notes.troubles) == 2


def test_a_queue_that_answers_too_few_entries_is_asked_again() -> None:
    queue = Scripted(_messages(1))
    queue.faults = {"delete": [[None, None, None]]}
    with Desk(queue, work, visibility_s=1.0) as desk:
        queue.wait_for(lambda: bool(queue.deleted))
    assert "answered 3 of 1" in desk.notes.troubles[0]


def test_leases_go_on_after_a_call_that_raised_what_no_queue_may_raise() -> None:
    queue = Scripted(_messages(1))
    queue.faults = {"hide": [ValueError("a bug")]}
    go_on = threading.Event()

    @task("work")
    def slow(job: Job) -> None:
        assert go_on.wait(WITHIN_S)

    with Desk(queue, slow, visibility_s=1.0):
        queue.wait_for(lambda: len(queue.hidden) >= 2)
        go_on.set()
        queue.wait_for(lambda: bool(queue.deleted))


@pytest.mark.parametrize(
    "answer",
    [None, [1], {1: 2}, {"job": 1}, ValueError("no")],
    ids=["nothing", "list", "numbers", "job", "error"],
)
def test_whatever_a_codec_makes_of_a_body_the_message_stays(answer: Any) -> None:  # noqa: ANN401
    class Odd:
        def dumps(self, arguments: object) -> str:
            return ""

        def loads(self, body: str) -> Any:  # noqa: ANN401
            if isinstance(answer, Exception):
                raise answer
            return answer

    queue = Scripted(_messages(1))
    with Desk(queue, work, codec=Odd()) as desk:
        assert queue.rest_of("r0.1") >= 4.0
    assert queue.deleted == []
    assert _add_up(desk.engine.counts)


def test_an_admission_that_raises_gives_back_what_it_did_not_take() -> None:
    class Broken(Fixed):
        def put(self, hands: Sequence[InHand], now: float) -> None:
            raise RuntimeError("a bug")

    queue = Scripted(_messages(3))
    with Desk(queue, work, admission=Broken(2)) as desk:
        queue.wait_for(lambda: len(queue.hidden) == 3)
    assert desk.engine.counts["returned"] == 3


def test_a_plain_function_that_returns_a_coroutine_has_done_nothing() -> None:
    async def real() -> None:
        """Never awaited by anybody."""

    @task("work")
    def wrapper(job: Job) -> object:
        return real()

    queue = Scripted(_messages(1))
    with Desk(queue, wrapper) as desk:
        desk.notes.wait_for(lambda: bool(desk.notes.ends))
    assert queue.deleted == []
    assert "nobody awaits" in desk.notes.ends[0].why


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), ValueError("no")])
def test_no_error_of_a_handler_ends_a_thread(error: BaseException) -> None:
    @task("work")
    def fails(job: Job) -> None:
        raise error

    queue = Scripted(_messages(20))
    with Desk(queue, fails, admission=Fixed(1)) as desk:
        queue.wait_for(lambda: len(queue.hidden) == 20)
    assert desk.engine.counts["failed"] == 20


def test_rests_grow_with_each_delivery_and_are_not_cut_by_a_timeout() -> None:
    @task("work", timeout=1.0)
    def fails(job: Job) -> None:
        raise ValueError("no")

    queue = Scripted([message(1, received=1), message(2, received=3)])
    with Desk(queue, fails):
        assert 4.0 <= queue.rest_of("r1.1") <= 8.0
        assert 16.0 <= queue.rest_of("r2.3") <= 32.0


@pytest.mark.parametrize("is_async", [True, False])
def test_a_timeout_is_a_failure_with_its_rest(is_async: bool) -> None:
    @task("work", timeout=0.05)
    async def waits(job: Job) -> None:
        await asyncio.sleep(WITHIN_S)

    @task("work", timeout=0.05)
    def rests(job: Job) -> None:
        job.wait(WITHIN_S)
        job.check()

    queue = Scripted(_messages(1))
    with Desk(queue, waits if is_async else rests) as desk:
        assert queue.rest_of("r0.1") >= 4.0
    assert desk.notes.ends == [
        Ended(Outcome.FAILED, desk.notes.ends[0].rest_s, "its timeout is over")
    ]


def test_of_a_message_that_may_be_others_nothing_is_said() -> None:
    """Its lease is over before the worker has noticed: it was stopped, for instance."""

    @task("work")
    def fails(job: Job) -> None:
        job._ground.hidden_s = 0.0  # type: ignore[attr-defined]
        raise ValueError("no")

    queue = Scripted(_messages(1))
    with Desk(queue, fails) as desk:
        desk.notes.wait_for(lambda: bool(desk.notes.ends))
    assert desk.notes.ends[0].outcome is Outcome.LAPSED
    assert queue.hidden == []


def test_whom_a_newer_delivery_has_fenced_says_nothing_of_its_message() -> None:
    @task("work")
    def fenced(job: Job) -> None:
        raise Fenced("token 2 was here")

    queue = Scripted(_messages(1))
    with Desk(queue, fenced) as desk:
        desk.notes.wait_for(lambda: bool(desk.notes.ends))
    assert desk.notes.ends[0].outcome is Outcome.LAPSED
    assert queue.hidden == []


def test_a_message_whose_key_is_in_progress_rests_longer_each_time() -> None:
    """Or a key that takes ten leases would lead its second message to the dead letters."""

    @task("work")
    def second(job: Job) -> None:
        raise InProgress("somebody is at it", retry_after_s=0.1)

    queue = Scripted([message(1, received=4)])
    with Desk(queue, second):
        assert queue.rest_of("r1.4") >= 32.0


def test_what_was_done_late_is_deleted_and_counted() -> None:
    @task("work")
    def slow(job: Job) -> None:
        job._ground.hidden_s = 0.0  # type: ignore[attr-defined]

    queue = Scripted(_messages(1))
    with Desk(queue, slow) as desk:
        queue.wait_for(lambda: bool(queue.deleted))
    counts = desk.end()
    assert (counts["done"], counts["late"]) == (1, 1)


def test_a_coroutine_that_swallows_its_cancellation_has_not_done_its_work() -> None:
    @task("work")
    async def stubborn(job: Job) -> None:
        try:
            await asyncio.sleep(WITHIN_S)
        except asyncio.CancelledError:
            return

    queue = Scripted(_messages(1))
    with Desk(queue, stubborn) as desk:
        queue.wait_for(lambda: desk.engine.running == 1)
        desk.engine.stop()
        desk.engine.cancel()
        desk.notes.wait_for(lambda: bool(desk.notes.ends))
    assert desk.notes.ends[0].outcome is Outcome.RETURNED
    assert queue.deleted == []


def test_giving_back_is_tried_again_while_the_message_is_ours() -> None:
    @task("work")
    def fails(job: Job) -> None:
        raise ValueError("no")

    queue = Scripted(_messages(1))
    queue.faults = {"hide": [_AWAY, [_AWAY]]}
    with Desk(queue, fails, visibility_s=1.0) as desk:
        queue.wait_for(lambda: len(queue.hidden) >= 2)
    assert len(desk.notes.troubles) == 1


def test_a_stop_gives_back_all_that_has_not_begun_at_once() -> None:
    go_on = threading.Event()

    @task("work")
    def slow(job: Job) -> None:
        assert go_on.wait(WITHIN_S)

    queue = Scripted(_messages(8))
    with Desk(queue, slow, admission=Fixed(2)) as desk:
        queue.wait_for(lambda: desk.engine.running == 2 and not queue._ready)
        queue.wait_for(lambda: len(queue.waits) >= 2)
        desk.engine.stop()
        queue.wait_for(lambda: len(queue.hidden) == 6)
        assert {change.seconds for change in queue.hidden} == {0.0}
        go_on.set()
    assert desk.end()["returned"] == 6
    assert queue.waits[1] == 0.0, "or its own request would receive what it gives back"


def test_what_is_behind_a_message_in_its_group_begins_when_that_is_deleted() -> None:
    seen: list[str] = []

    @task("work")
    def note(job: Job) -> None:
        seen.append(job.unit.message)
        assert len(queue.deleted) == len(seen) - 1

    queue = Scripted(_messages(5, group="a"), ordered=True)
    with Desk(queue, note, admission=Fixed(5)):
        queue.wait_for(lambda: len(queue.deleted) == 5)
    assert seen == [f"m{n}" for n in range(5)]


def test_what_is_behind_a_message_that_is_deleted_while_the_worker_stops_is_given_back() -> None:
    begun, go_on = threading.Event(), threading.Event()

    @task("work")
    def slow(job: Job) -> None:
        begun.set()
        assert go_on.wait(WITHIN_S)

    queue = Scripted(_messages(3, group="a"), ordered=True)
    with Desk(queue, slow, visibility_s=1.0) as desk:
        queue.faults = {"delete": [_AWAY, _AWAY]}
        assert begun.wait(WITHIN_S)
        desk.engine.stop()
        go_on.set()
    counts = desk.end()
    assert queue.deleted == ["r0.1"]
    assert {"r1.1", "r2.1"} <= {change.receipt for change in queue.hidden if not change.seconds}
    assert (counts["done"], counts["returned"]) == (1, 2)
    assert _add_up(counts)


def test_deletes_that_never_succeed_do_not_keep_a_worker_from_its_end() -> None:
    queue = Scripted(_messages(2))
    queue.faults = {"delete": [_AWAY] * 10_000}
    with Desk(queue, work, visibility_s=1.0) as desk:
        desk.notes.wait_for(lambda: len(desk.notes.ends) == 2)
        desk.engine.stop()
        queue.close()
        assert desk.engine.drain(WITHIN_S)
        assert desk.engine.close(0.2) == []
    counts = desk.engine.counts
    assert (counts["done"], counts["undeleted"]) == (2, 2)
    assert _add_up(counts)


def test_one_delete_that_fails_does_not_hold_up_the_others() -> None:
    queue = Scripted(_messages(1))
    queue.faults = {"delete": [[StoreError("internal")]]}
    with Desk(queue, work, visibility_s=30.0) as desk:
        desk.notes.wait_for(lambda: len(desk.notes.ends) == 1)
        queue.add(*(message(n) for n in range(1, 21)))
        queue.wait_for(lambda: len(queue.deleted) >= 20)


def test_all_that_was_received_is_counted_once_whatever_becomes_of_it() -> None:
    @task("work")
    def mixed(job: Job) -> None:
        number = int(job.unit.message[1:])
        if number % 5 == 1:
            raise ValueError("no")
        if number % 5 == 2:
            raise InProgress("busy", retry_after_s=1.0)
        if number % 5 == 3:
            job.cancel("enough")
            job.check()

    queue = Scripted([*_messages(100), message(100, body="{")])
    with Desk(queue, mixed, admission=Fixed(4)) as desk:
        desk.notes.wait_for(lambda: len(desk.notes.ends) == 101)
    counts = desk.end()
    assert [counts[name] for name in ("done", "failed", "deferred", "returned", "parked")] == [
        *(40, 20, 20, 20, 1)
    ]
    assert _add_up(counts)
