"""The embedded queue's own rules: settings, other boots, and how long a look takes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coord.errors import ConfigError, StoreRefused
from coord.tasks.queue.spi import Depth, Hide, Outgoing
from coord.testing.clock import ManualClock
from coord_sqlite.place import Place
from coord_sqlite.queue import SqliteQueue

HERE = Place("machine", "boot", "clock")
REBOOTED = Place("machine", "another boot", "clock")
ELSEWHERE = Place("machine", "boot", "clock of a container")

Opener = Callable[..., SqliteQueue]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens the queue as processes of several places would, each by its own clock."""
    queues: list[SqliteQueue] = []

    def open_(clock: ManualClock, place: Place = HERE, **settings: object) -> SqliteQueue:
        made = SqliteQueue(tmp_path / "q.db", clock=clock, place=place, **settings)  # type: ignore[arg-type]
        queues.append(made)
        return made

    yield open_
    for queue in queues:
        queue.close()


@pytest.mark.parametrize("place", [REBOOTED, ELSEWHERE], ids=["reboot", "container"])
@pytest.mark.parametrize("later_s", [5.0, 5_000.0], ids=["earlier", "later"])
def test_after_another_boot_what_is_hidden_waits_its_whole_time_again(
    opened: Opener, place: Place, later_s: float
) -> None:
    """Its clock began anew, or runs ahead: what was hidden must show neither early nor never."""
    before = ManualClock(1000.0)
    old = opened(before)
    old.send([Outgoing(body=body) for body in ("held", "ready")])
    old.send([Outgoing(body="late", delay_s=60.0)])
    (held,) = old.receive(1, wait_s=0.0, visibility_s=30.0)
    before.advance(29.0)
    clock = ManualClock(later_s)
    new = opened(clock, place)
    assert new.depth() == Depth(1, 1, 1, 0)
    assert [one.body for one in new.receive(9, wait_s=0.0, visibility_s=600.0)] == ["ready"]
    clock.advance(29.9)
    assert new.receive(9, wait_s=0.0, visibility_s=600.0) == []
    clock.advance(0.2)
    (found,) = new.receive(9, wait_s=0.0, visibility_s=600.0)
    assert (found.id, found.received) == (held.id, 2)
    clock.advance(30.0)
    assert [one.body for one in new.receive(9, wait_s=0.0, visibility_s=600.0)] == ["late"]


def test_who_was_there_before_another_boot_is_refused_from_then_on(opened: Opener) -> None:
    """Two clocks never take turns; nothing of its is done."""
    old = opened(ManualClock())
    old.send([Outgoing(body="a")])
    (held,) = old.receive(1, wait_s=0.0, visibility_s=30.0)
    new = opened(ManualClock(5.0), REBOOTED)
    calls: list[Callable[[], object]] = [
        lambda: old.send([Outgoing(body="b")]),
        lambda: old.receive(1, wait_s=0.0, visibility_s=30.0),
        lambda: old.hide([Hide(held.receipt, 0)]),
        lambda: old.delete([held.receipt]),
        lambda: old.redrive(1),
        old.purge,
    ]
    for call in calls:
        with pytest.raises(StoreRefused, match="taken over"):
            call()
    assert new.depth() == Depth(0, 1, 0, 0)
    again = opened(ManualClock())
    assert again.delete([held.receipt]) == [None], "whoever comes back takes it back"


def test_the_dead_stay_dead_in_another_boot(opened: Opener) -> None:
    old = opened(ManualClock(), max_receives=1)
    old.send([Outgoing(body="a")])
    (held,) = old.receive(1, wait_s=0.0, visibility_s=30.0)
    old.hide([Hide(held.receipt, 0)])
    assert old.receive(1, wait_s=0.0, visibility_s=30.0) == []
    new = opened(ManualClock(5.0), REBOOTED)
    assert new.depth() == Depth(0, 0, 0, 1)
    assert new.redrive(9) == 1
    assert [one.body for one in new.receive(1, wait_s=0.0, visibility_s=30.0)] == ["a"]


def test_settings_hold_for_all_who_come_later(opened: Opener) -> None:
    opened(ManualClock(), ordered=True, max_receives=7)
    same = opened(ManualClock())
    assert (same.limits.ordered, same.limits.max_receives) == (True, 7)
    for settings in ({"ordered": False}, {"max_receives": 6}):
        with pytest.raises(ConfigError, match="fifo=true and max_receives=7"):
            opened(ManualClock(), **settings)


@pytest.mark.parametrize(
    "options", ["fifo=yes", "max_receives=0", "max_receives=x", "max_receives=1001", "what=1"]
)
def test_bad_options_of_a_url_are_refused(options: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        SqliteQueue.from_url(f"sqlite:///{tmp_path}/q.db?{options}", timeout_s=1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_url_says_what_the_queue_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/q.db?group=jobs&fifo=true&max_receives=4"
    with closing(SqliteQueue.from_url(url, timeout_s=1.0)) as queue:
        assert queue.name.endswith("q.db#jobs")
        assert (queue.limits.ordered, queue.limits.max_receives) == (True, 4)


@pytest.mark.parametrize("ordered", [False, True], ids=["standard", "fifo"])
def test_receiving_does_not_look_at_all_that_waits(
    opened: Opener,
    ordered: bool,
    tmp_path: Path,
) -> None:
    """Counted in steps of SQLite's machine, which no other load moves."""
    queue = opened(ManualClock(), ordered=ordered)
    group = "g" if ordered else ""
    steps = []
    for number in (50, 2000):
        for _ in range(number // 10):
            queue.send([Outgoing(body="x", group=group)] * 10)
        steps.append(_steps_of_a_look(queue, tmp_path / "q.db"))
    few, many = steps
    assert many < 3 * few, f"{few} steps with 50 messages, {many} with 2,000 more"


def _steps_of_a_look(queue: SqliteQueue, path: Path) -> int:
    """How many steps the statement that finds messages takes."""
    from coord_sqlite import queue_rows  # noqa: PLC0415

    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(step, 1)
        settings = queue_rows.Settings(queue.limits.ordered, 10)
        assert queue_rows.is_ready(connection, 1, settings, 1000.0)
        connection.set_progress_handler(None, 0)
    return count
