"""A Lambda function deletes what was done, keeps what was not, and loses nothing in between."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from coord import Job, task
from coord.errors import ConfigError
from coord.testing.clock import ManualClock
from coord_sqs import lambda_handler
from tests.unit.sqs.invocations import FIFO, Context, event, failed, record

CALLS: list[tuple[str, object]] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CALLS.clear()


@task("work")
def work(job: Job, n: int = 0, *, bad: bool = False) -> None:
    CALLS.append((job.unit.message, n))
    if bad:
        raise ValueError("no")


@task("later")
async def later(job: Job, n: int = 0) -> None:
    await asyncio.sleep(0)
    CALLS.append((job.unit.message, n))


@task("endless")
async def endless(job: Job) -> None:
    await asyncio.sleep(3600)


@task("once")
def once(job: Job, n: int) -> None:
    job.once(f"effect/{n}", CALLS.append, ("effect", n))


def test_what_was_done_is_not_named() -> None:
    handler = lambda_handler(tasks=[work, later])
    records = [record("a", {"n": 1}, task="work"), record("b", {"n": 2}, task="later")]
    assert failed(handler(event(*records), Context())) == []
    assert CALLS == [("a", 1), ("b", 2)]


def test_what_raised_is_named_and_the_rest_is_done() -> None:
    handler = lambda_handler(tasks=[work])
    records = [record(n, {"n": i, "bad": n == "b"}) for i, n in enumerate("abc")]
    assert failed(handler(event(*records), Context())) == ["b"]
    assert [number for number, _ in CALLS] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("body", "name"),
    [("{", "work"), ("[]", "work"), ('{"x": 1}', "work"), ("{}", "unknown"), ("", "unknown")],
)
def test_what_cannot_be_read_is_kept_and_told(
    body: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler = lambda_handler(tasks=[work])
    records = [record("a", body, task=name), record("b", "{}", task="work")]
    with caplog.at_level(logging.WARNING):
        assert failed(handler(event(*records), Context())) == ["a"]
    assert "message-parked" in caplog.text
    assert [number for number, _ in CALLS] == ["b"]


def test_after_a_failure_the_rest_of_its_group_is_kept_and_not_begun() -> None:
    """Else it would overtake. Other groups go on."""
    handler = lambda_handler(tasks=[work])
    records = [
        record(f"{group}{n}", {"n": n, "bad": (group, n) == ("g", 1)}, group=group, arn=FIFO)
        for n in range(4)
        for group in "gh"
    ]
    assert failed(handler(event(*records), Context())) == ["g1", "g2", "g3"]
    assert [number for number, _ in CALLS] == ["g0", "h0", "g1", "h1", "h2", "h3"]


def test_what_cannot_be_read_holds_its_group_back_too() -> None:
    handler = lambda_handler(tasks=[work])
    records = [record(n, body, group="g", arn=FIFO) for n, body in (("a", "{"), ("b", "{}"))]
    assert failed(handler(event(*records), Context())) == ["a", "b"]
    assert CALLS == []


def test_groups_of_a_fair_queue_are_tenants_and_hold_nothing_back() -> None:
    handler = lambda_handler(tasks=[work])
    records = [record(n, {"bad": n == "a"}, group="tenant") for n in "ab"]
    assert failed(handler(event(*records), Context())) == ["a"]


def test_a_failed_group_is_forgotten_with_its_invocation() -> None:
    handler = lambda_handler(tasks=[work])
    bad = record("a", {"bad": True}, group="g", arn=FIFO)
    assert failed(handler(event(bad), Context())) == ["a"]
    good = [record(n, {}, group="g", arn=FIFO, received=2) for n in "ab"]
    assert failed(handler(event(*good), Context())) == []


def test_without_time_left_nothing_is_begun_and_all_is_kept() -> None:
    """No time left is not: no end."""
    handler = lambda_handler(tasks=[work])
    for left_s in (0.0, -1.0):
        records = [record(n, {}) for n in "ab"]
        assert failed(handler(event(*records), Context(left_s))) == ["a", "b"]
    assert CALLS == []


def test_what_the_time_does_not_reach_for_is_kept() -> None:
    """A handler is told to stop before the end, and those after it are not begun."""
    clock = ManualClock()
    seen: list[tuple[float, bool]] = []

    @task("slow")
    def slow(job: Job) -> None:
        clock.advance(8)
        seen.append((job.deadline_s - clock.now(), job.cancelled))

    handler = lambda_handler(tasks=[slow], clock=clock)
    records = [record(n, {}) for n in "abc"]
    assert failed(handler(event(*records), Context(12.0))) == ["b", "c"]
    (first, is_first_told), (second, is_second_told) = seen
    assert 3.9 < first <= 4.0
    assert not is_first_told
    assert second < 0
    assert is_second_told


def test_a_coroutine_is_cancelled_before_the_invocation_ends() -> None:
    handler = lambda_handler(tasks=[endless, later])
    records = [record("a", {}, task="endless"), record("b", {}, task="later")]
    assert failed(handler(event(*records), Context(1.0))) == ["a", "b"]


def test_a_task_stops_at_its_own_timeout_as_well() -> None:
    @task("bounded", timeout="200ms")
    async def bounded(job: Job) -> None:
        await asyncio.sleep(3600)

    handler = lambda_handler(tasks=[bounded, later])
    records = [record("a", {}, task="bounded"), record("b", {"n": 1}, task="later")]
    assert failed(handler(event(*records), Context(60.0))) == ["a"]
    assert CALLS == [("b", 1)]


def test_an_effect_under_once_is_not_repeated(tmp_path: Path) -> None:
    """The same message again, and another one that asks for the same."""
    handler = lambda_handler(tasks=[once], ledger=f"sqlite:///{tmp_path}/ledger.db")
    for records in ([record("a", {"n": 1})], [record("a", {"n": 1}, received=2)]):
        assert failed(handler(event(*records), Context())) == []
    assert failed(handler(event(record("b", {"n": 1})), Context())) == []
    assert CALLS == [("effect", 1)]


def test_a_ledger_that_cannot_be_opened_keeps_the_whole_batch(tmp_path: Path) -> None:
    handler = lambda_handler(tasks=[work], ledger=f"sqlite:///{tmp_path}/no/folder/ledger.db")
    for _ in range(2):
        with pytest.raises(Exception, match="folder"):
            handler(event(record("a", {})), Context())
    assert CALLS == []


_BROKEN: list[Any] = [
    None,
    {},
    {"Records": []},
    {"Records": {"a": 1}},
    [record("a", {})],
    {"detail-type": "Scheduled Event"},
    event({"eventSource": "aws:s3", "s3": {}}),
    event({**record("a", {}), "messageId": ""}),
    event({**record("a", {}), "messageId": None}),
    event(record("a", {}), {"body": "x"}),
    event({**record("a", {}), "attributes": {"ApproximateReceiveCount": "many"}}),
]


@pytest.mark.parametrize("broken", _BROKEN, ids=range(len(_BROKEN)))
def test_what_is_no_event_of_sqs_fails_as_a_whole(broken: object) -> None:
    """An answer without failures would have it deleted, one with a wrong id is refused anyway."""
    handler = lambda_handler(tasks=[work])
    with pytest.raises(ConfigError, match="event"):
        handler(broken, Context())
    assert CALLS == []


def test_a_context_without_an_end_is_refused() -> None:
    handler = lambda_handler(tasks=[work])
    with pytest.raises(ConfigError, match="how much time"):
        handler(event(record("a", {})), object())


def test_only_ids_of_the_event_are_ever_named() -> None:
    handler = lambda_handler(tasks=[work])
    records = [record(n, {"bad": True}) for n in ("a", "b", "a")]
    answer = handler(event(*records), Context())
    assert set(failed(answer)) <= {one["messageId"] for one in records}
    assert json.loads(json.dumps(answer)) == answer


def test_impossible_tasks_are_refused_when_the_function_is_loaded() -> None:
    with pytest.raises(ConfigError, match="without tasks"):
        lambda_handler(tasks=[])
    with pytest.raises(ConfigError, match="two tasks"):
        lambda_handler(tasks=[work, work])
