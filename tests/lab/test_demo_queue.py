"""The demo's queue, part by part: what is sent, what is told of it, and what the script asks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import ConfigError, Fenced, JobCancelled, StoreRefused
from coord.fencing import Fenceable
from coord.lab.chaos.queue_scene import QueueScene
from coord.lab.demo.cast import MEMBERS
from coord.lab.measure.events import Act, Backlog, End, FaultMark, Lead, MemberMark, Record, Who
from coord.lab.work import app
from coord.lab.work.deed import Deed
from coord.lab.work.feed import Feed
from coord.lab.work.handler import Handler
from coord.lab.work.items import QUEUE, InHand, Item, item_of, message_of
from coord.lab.work.modes import ITEM_ROWS, visibility_s
from coord.lab.work.requests import Counted
from coord.model import ClaimKey
from coord.tasks import Job
from coord.tasks.job import Unit
from coord.tasks.memory import NoMemory
from coord.tasks.opening import open_queue
from coord.tasks.queue.spi import Hide, Message
from coord.telemetry import EventLog

ITEM = Item(3, 17, ["03-000017-0", "03-000017-1"])


@pytest.fixture
def events(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog(tmp_path / "log.jsonl", member="worker-1")) as log:
        yield log


def _told(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    return [record for line in lines if (record := json.loads(line))["kind"] == kind]


class Ground:
    """A message that is ours until `until_s`."""

    def __init__(self, until_s: float = float("inf")) -> None:
        self.deadline_s = until_s
        self.stopping = False

    def loss(self) -> JobCancelled:
        return JobCancelled("it is somebody else's")

    def progress(self) -> None:
        pass

    def rest(self) -> None:
        pass

    def work(self) -> None:
        pass


def _job(delivery: int, ground: Ground | None = None) -> Job:
    return Job(
        ground or Ground(),
        Unit("reap", message="1"),
        clock=SYSTEM_CLOCK,
        memory=NoMemory(),
        scope="q/1",
        token=delivery,
    )


# --- the feed --------------------------------------------------------------------------------


def test_a_turn_sends_one_message_a_partition_with_the_rows_that_it_announced(
    tmp_path: Path, events: EventLog
) -> None:
    database, url = tmp_path / "app.db", f"sqlite:///{tmp_path / 'queue.db'}"
    app.create(database)
    with Feed(database, QUEUE, events, queue=url) as feed:
        feed.turn()
        rows = feed.waiting()
    with closing(open_queue(url)) as queue:
        found: list[Message] = []
        while batch := queue.receive(10, wait_s=0, visibility_s=30):
            found += batch
    items = sorted(item_of(message) for message in found)
    assert [item.partition for item in items] == list(range(app.PARTITIONS))
    assert {len(item.units) for item in items} == {ITEM_ROWS}
    assert rows == app.PARTITIONS * ITEM_ROWS
    told = [(one["shard"], one["seat"], one["units"]) for one in _told(tmp_path, "backlog")]
    assert sorted(told) == items


def test_messages_that_the_queue_did_not_take_are_sent_later_and_once(
    tmp_path: Path, events: EventLog
) -> None:
    database, file = tmp_path / "app.db", tmp_path / "queue.db"
    app.create(database)
    with Feed(database, QUEUE, events, queue=f"sqlite:///{file}") as feed:
        with closing(sqlite3.connect(file, isolation_level=None)) as stopped:
            stopped.execute("BEGIN IMMEDIATE")  # as a process that is stopped while it receives
            feed.turn()
            stopped.execute("ROLLBACK")
        with closing(open_queue(f"sqlite:///{file}")) as queue:
            assert queue.depth().ready == 0
            feed.waiting()
            feed.waiting()
            assert queue.depth().ready == app.PARTITIONS


# --- the deed under a message ----------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    app.create(path)
    return path


def _effects(database: Path, table: str) -> list[tuple[str, int]]:
    with closing(app.connect(database)) as connection:
        return [(effect.unit, effect.token) for effect in app.effects(connection, table)]


def test_an_item_is_deleted_from_both_tables_under_its_delivery(
    database: Path, tmp_path: Path, events: EventLog
) -> None:
    Handler(database, "worker-1", events).reap(_job(1), ITEM)
    for table in app.TABLES:
        assert _effects(database, table) == [(unit, 1) for unit in ITEM.units]
    acts = _told(tmp_path, "act")
    assert [(act["resource"], act["seat"], act["token"]) for act in acts] == [
        (app.UNFENCED, 17, 1),
        (app.FENCED, 17, 1),
    ]
    assert [one["token"] for one in _told(tmp_path, "progress")] == [1]


def test_the_fence_refuses_an_earlier_delivery_of_the_same_message_and_no_other(
    database: Path, tmp_path: Path, events: EventLog
) -> None:
    """Each is sure that the message is its own, as one is that was stopped after its check."""
    deed = Deed("worker-1", events)
    other = Item(3, 18, ["03-000018-0"])
    with closing(app.connect(database)) as connection:
        deed.do(InHand(_job(2), ITEM.key), connection, ITEM.units, 0.0)
        with pytest.raises(Fenced):
            deed.do(InHand(_job(1), ITEM.key), connection, ITEM.units, 0.0)
        deed.do(InHand(_job(1), other.key), connection, other.units, 0.0)
    assert _effects(database, app.FENCED) == [
        *((unit, 2) for unit in ITEM.units),
        ("03-000018-0", 1),
    ]
    assert len(_effects(database, app.UNFENCED)) == 5
    refused = [act["error"] for act in _told(tmp_path, "act") if not act["accepted"]]
    assert refused == ["Fenced"]


def test_a_handler_that_has_lost_its_message_deletes_nothing_more_under_the_fence(
    database: Path, tmp_path: Path, events: EventLog
) -> None:
    lost = Ground(SYSTEM_CLOCK.now() + 0.02)  # shorter than archiving takes
    with pytest.raises(JobCancelled):
        Handler(database, "worker-1", events).reap(_job(1, lost), ITEM)
    assert _effects(database, app.FENCED) == []
    assert len(_effects(database, app.UNFENCED)) == len(ITEM.units)
    refused = [act["error"] for act in _told(tmp_path, "act") if not act["accepted"]]
    assert refused == ["JobCancelled"]


def test_an_item_in_hand_is_what_a_fence_needs() -> None:
    held = InHand(_job(4), ITEM.key)
    assert isinstance(held, Fenceable)
    assert (held.key, held.token) == (ClaimKey("reaper-queue", 1, 3, 17), 4)
    assert item_of(Message(id="1", receipt="r", body=message_of(ITEM).body, received=1)) == ITEM


def test_a_visibility_that_no_worker_would_take_is_not_asked_for() -> None:
    assert [visibility_s(ttl_s) for ttl_s in (0.5, 1.0, 2.0)] == [1.0, 1.0, 2.0]


# --- requests --------------------------------------------------------------------------------


def test_each_request_to_the_queue_is_told_whatever_comes_of_it(
    tmp_path: Path, events: EventLog
) -> None:
    with closing(Counted(open_queue(f"sqlite:///{tmp_path / 'q.db'}"), events)) as queue:
        queue.send([message_of(ITEM)])
        (message,) = queue.receive(1, wait_s=0, visibility_s=5)
        queue.hide([Hide(message.receipt, 5)])
        assert queue.delete([message.receipt]) == [None]
        with pytest.raises(ConfigError):
            queue.receive(0, wait_s=0, visibility_s=5)
        assert queue.depth().undone == 0
        assert (queue.limits.kind, queue.name) == ("sqlite", f"{tmp_path / 'q.db'}#default")
    told = [(rpc["op"], rpc["ok"], rpc["certainty"]) for rpc in _told(tmp_path, "rpc")]
    assert told == [
        ("send", True, None),
        ("receive", True, None),
        ("hide", True, None),
        ("delete", True, None),
        ("receive", False, "not applied"),
        ("depth", True, None),
    ]


def test_a_refused_request_is_told_with_its_certainty(tmp_path: Path, events: EventLog) -> None:
    queue = Counted(open_queue(f"sqlite:///{tmp_path / 'q.db'}"), events)
    queue.close()
    with pytest.raises(StoreRefused):
        queue.depth()
    assert [rpc["certainty"] for rpc in _told(tmp_path, "rpc")] == ["not applied"]


# --- the scene -------------------------------------------------------------------------------

NAMES = [Who(name, 1) for name in MEMBERS]
ONE, TWO = NAMES[0], NAMES[1]


def _key(number: int, partition: int = 3) -> ClaimKey:
    return ClaimKey(QUEUE.role.name, 1, partition, number)


def _due(t: float, number: int, partition: int = 3) -> Backlog:
    return Backlog(t, Who("injector", 9), QUEUE.role.name, partition, ("u",), number)


def _take(t: float, who: Who, number: int, delivery: int = 1) -> Lead:
    return Lead(t, who, _key(number), delivery, t + 2, t)


def _do(t: float, who: Who, number: int, delivery: int = 1, *, accepted: bool = True) -> Act:
    return Act(t, who, _key(number), delivery, app.FENCED, True, accepted, t, None, ("u",), "")


def _scene(*records: Record, now_s: float = 100.0) -> QueueScene:
    scene = QueueScene(QUEUE, MEMBERS)
    scene.take([MemberMark(90.0, who, "start") for who in NAMES], 90.0)
    scene.take(records, now_s)
    return scene


def test_who_has_messages_in_hand_can_be_struck() -> None:
    scene = _scene(_due(91, 1), _due(91, 2), _take(92, ONE, 1), _take(92, TWO, 2))
    assert scene.leaders() == [ONE.member, TWO.member]
    scene.take([_do(93, ONE, 1), End(93, ONE, _key(1), 1, "done")], 93)
    assert scene.leaders() == [TWO.member]
    assert scene.handled == {ONE.member: 1}


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_an_item_of_the_struck_is_stuck_until_another_has_it(fault: str) -> None:
    scene = _scene(_due(91, 1), _take(92, ONE, 1), _due(91, 2))
    assert scene.unled() == []
    scene.take([FaultMark(93, ONE, fault, "f", "effect")], 93)
    assert scene.unled() == [3]
    scene.take([_take(95, TWO, 1, 2)], 95)
    assert scene.unled() == []


@pytest.mark.parametrize("fault", ["kill", "pause", "wedge"])
def test_a_fault_is_recovered_from_when_all_that_was_in_hand_is_done(fault: str) -> None:
    scene = _scene(_due(91, 1), _due(91, 2), _take(92, ONE, 1), _take(92, ONE, 2))
    lost = {_key(1): 1}  # the other one came into its hands after the script had looked
    scene.take([FaultMark(93, ONE, fault, "f", "effect")], 93)
    assert not scene.taken_over(lost)
    scene.take([_take(95, TWO, 1, 2), _do(95, TWO, 1, 2, accepted=False)], 95)
    assert not scene.taken_over(lost)
    scene.take([_do(96, TWO, 1, 2)], 96)
    assert scene.taken_over(lost) is (fault == "kill")  # the dead have nothing in hand
    scene.take([_take(96, TWO, 2, 2), _do(97, TWO, 2, 2)], 97)
    assert scene.taken_over(lost)


def _at_work(now_s: float) -> list[Record]:
    records: list[Record] = []
    for number, who in enumerate(NAMES):
        t = now_s - 0.5
        records += [_due(t, number), _take(t, who, number), _do(t + 0.2, who, number)]
    return records


@pytest.mark.parametrize(
    ("change", "steady"),
    [
        ([], True),
        ([_due(99.0, 77)], False),
        ([_due(99.9, 77)], True),
        ([FaultMark(99.5, ONE, "pause", "f", "end")], False),
        ([FaultMark(95.0, ONE, "pause", "f", "effect")], False),
        ([FaultMark(95.0, ONE, "pause", "f", "end")], True),
    ],
    ids=["at-work", "an-item-lies", "a-new-item", "just-healed", "stopped", "healed"],
)
def test_a_fleet_is_steady_when_all_are_at_work_and_nothing_lies(
    change: list[Record], steady: bool
) -> None:
    scene = _scene(*change, *_at_work(100.0))
    assert scene.steady(100.0, quiet_s=1.0) is steady


def test_a_fleet_in_which_one_does_nothing_is_not_steady() -> None:
    scene = _scene(*(record for record in _at_work(100.0) if record.who != TWO))
    assert not scene.steady(100.0, quiet_s=1.0)


def test_nothing_falls_due_before_all_workers_have_come_once() -> None:
    scene = QueueScene(QUEUE, MEMBERS)
    for who in NAMES:
        assert not scene.awaits_work
        scene.take([MemberMark(90.0, who, "start")], 90.0)
    assert scene.awaits_work
    scene.take([FaultMark(91.0, ONE, "kill", "f", "effect")], 91.0)
    assert scene.awaits_work


def test_a_fleet_that_has_left_items_lying_is_steady_a_while_after_they_are_done() -> None:
    scene = _scene(_due(98.0, 77), *_at_work(100.0))
    scene.take([_take(100.0, ONE, 77), _do(100.1, ONE, 77), *_at_work(101.0)], 101.1)
    assert scene.steady(101.1, quiet_s=1.0)
    assert not scene.steady(101.1, quiet_s=1.2)


def test_a_column_shows_the_most_that_was_in_hand() -> None:
    scene = _scene(_due(100, 1), _take(100, ONE, 1), now_s=100.05)
    scene.take([_do(100.1, ONE, 1), End(100.1, ONE, _key(1), 1, "done")], 100.1)
    assert scene.workers[ONE.member].leads == {}
    assert scene.columns[-1].held[ONE.member] == 1
