"""What befalls a queue under test is in the event log, and the verdict knows of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from coord.lab.fixture import Lab
from coord.lab.measure import load
from coord.lab.measure.events import FaultMark
from coord.lab.measure.faults import EVERYBODY
from coord.lab.sqs_queue import SqsQueue
from coord.telemetry import EventLog
from coord.testing.proxy import Trigger
from coord.testing.sqs import Fault

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("tested-fleet")]


@dataclass
class Heard:
    """A queue, and the log of a fleet that hears of it."""

    queue: SqsQueue
    folder: Path
    log: EventLog
    rests: list[str] = field(default_factory=list)

    def marks(self) -> list[str]:
        """What the log tells, oldest first."""
        found = load(self.folder).all(FaultMark)
        assert {mark.who.member for mark in found} <= {EVERYBODY}
        return [f"{mark.fault} {mark.phase}" for mark in found]


@pytest.fixture(scope="module")
def queue() -> Iterator[SqsQueue]:
    with SqsQueue("jobs") as queue:
        yield queue


@pytest.fixture
def heard(queue: SqsQueue, tmp_path: Path) -> Iterator[Heard]:
    log = EventLog(tmp_path / "injector.jsonl", member="injector")
    heard = Heard(queue, tmp_path, log)
    queue.faults.tell(log, lambda: heard.rests.append("at rest"))
    yield heard
    queue.faults.forget()
    queue.server.heal()
    queue.proxy.heal()
    log.close()


def whole(*kinds: str) -> list[str]:
    """One fault after the other, each with all its marks."""
    return [f"queue-{kind} {phase}" for kind in kinds for phase in ("begin", "effect", "end")]


STANDING: dict[str, tuple[Callable[[SqsQueue], object], Callable[[SqsQueue], object]]] = {
    "error": (lambda q: q.server.inject(Fault.throttle()), lambda q: q.server.heal()),
    "slow": (lambda q: q.server.inject(Fault.slow(wait_s=1)), lambda q: q.server.heal()),
    "entries": (lambda q: q.server.inject(Fault.fail_entries()), lambda q: q.server.heal()),
    "lose-reply": (lambda q: q.server.inject(Fault.drop_reply()), lambda q: q.server.heal()),
    "lose-request": (lambda q: q.server.inject(Fault.drop_request()), lambda q: q.server.heal()),
    "misbehave": (
        lambda q: q.server.misbehave(duplicate_rate=0.5),
        lambda q: q.server.misbehave(),
    ),
    "admit": (lambda q: q.server.admit(region="us-west-2"), lambda q: q.server.admit()),
    "pause": (
        lambda q: q.server.members[0].pause(),
        lambda q: q.server.members[0].resume(),
    ),
    "down": (lambda q: q.server.members[0].kill(), lambda q: q.server.heal()),
    "network": (
        lambda q: q.proxy.replies.set(latency_s=0.2, loss=0.1),
        lambda q: q.proxy.replies.set(),
    ),
    "hold": (lambda q: q.proxy.requests.hold(), lambda q: q.proxy.requests.mend()),
    "drop": (lambda q: q.proxy.replies.drop(), lambda q: q.proxy.replies.mend()),
    "refuse": (lambda q: q.proxy.admit("refuse"), lambda q: q.proxy.admit("serve")),
    "silent": (lambda q: q.proxy.admit("silent"), lambda q: q.proxy.heal()),
    "tear": (lambda q: q.proxy.tear(0.5), lambda q: q.proxy.tear(None)),
    "moved": (
        lambda q: setattr(q.proxy, "target", ("127.0.0.1", 9)),
        lambda q: setattr(q.proxy, "target", ("127.0.0.1", q.server.members[0].port)),
    ),
    "reset": (
        lambda q: q.proxy.on_request(b"never said", "reset", times=None),
        lambda q: q.proxy.heal(),
    ),
}


@pytest.mark.parametrize("kind", STANDING)
def test_a_fault_of_the_queue_is_told_when_it_strikes_and_when_it_is_healed(
    heard: Heard, kind: str
) -> None:
    strike, heal = STANDING[kind]
    strike(heard.queue)
    assert heard.marks() == whole(kind)[:2]
    assert heard.rests == ["at rest"], "a fleet is at rest before it is struck"
    heal(heard.queue)
    assert heard.marks() == whole(kind)
    heard.queue.server.heal()
    heard.queue.proxy.heal()
    assert heard.marks() == whole(kind), "healed once is healed"


def test_what_heals_without_a_fault_is_not_told(heard: Heard) -> None:
    heard.queue.server.heal()
    heard.queue.proxy.heal()
    heard.queue.server.misbehave()
    heard.queue.proxy.on_request(b"counted alone", "pass")
    assert heard.marks() == []
    assert heard.rests == []


def test_blocks_of_the_proxy_are_told_from_entering_to_leaving(heard: Heard) -> None:
    proxy = heard.queue.proxy
    with proxy.blackhole("requests"):
        assert heard.marks() == whole("hold")[:2]
    with proxy.lose_replies(answer_s=0.1):
        pass
    proxy.reset()
    assert heard.marks() == whole("hold", "drop", "reset")


def test_a_fault_that_could_not_be_is_no_fault_that_stands(heard: Heard) -> None:
    with pytest.raises(Exception, match="every_s"):
        heard.queue.proxy.tear(-1)
    assert heard.marks() == ["queue-tear begin", "queue-tear end"]


def test_a_server_that_is_restarted_is_down_until_it_serves(heard: Heard) -> None:
    heard.queue.server.inject(Fault.throttle())
    heard.queue.server.members[0].restart()
    assert heard.marks() == [
        *whole("error")[:2],
        "queue-down begin",
        "queue-error end",
        "queue-down effect",
        "queue-down end",
    ], "what was ordered ends with it"


def test_a_fault_that_may_hit_so_many_times_is_over_when_it_has(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in heard.queue.environment.items():
        monkeypatch.setenv(name, value)
    once: list[Trigger] = []
    heard.queue.server.inject(Fault.throttle("SendMessageBatch", times=1))
    once.append(heard.queue.proxy.on_request(b"never said"))
    heard.queue.faults.look()
    assert len(heard.marks()) == 4, "both stand"
    heard.queue.send("resize", picture="cat")  # boto3 tries again
    once[0].disarm()
    heard.queue.faults.look()
    assert sorted(heard.marks()) == sorted(whole("error", "lose-reply"))


def test_whoever_comes_later_is_told_what_stands(heard: Heard, tmp_path: Path) -> None:
    heard.queue.server.misbehave(duplicate_rate=0.5)
    heard.queue.server.misbehave()
    heard.queue.proxy.tear(5.0)
    (late := tmp_path / "late").mkdir()
    log = EventLog(late / "injector.jsonl", member="injector")
    heard.queue.faults.tell(log, lambda: None)
    heard.queue.proxy.tear(None)
    log.close()
    assert [f"{m.fault} {m.phase}" for m in load(late).all(FaultMark)] == whole("tear")


# --- with a fleet ----------------------------------------------------------------------------


def test_a_verdict_knows_what_befell_the_queue_and_what_was_left_standing(tmp_path: Path) -> None:
    with Lab(tmp_path, title="test", seed=7, needs=lambda _: None) as lab:
        queue = lab.sqs("jobs")
        fleet = lab.fleet(
            [sys.executable, "-m", "tests.lab.naive_daemon"],
            members=1,
            ttl_s=2.0,
            roles=["reaper"],
            environ={"MANNER": "unfenced"},
        )
        with queue.proxy.blackhole():
            fleet.wait(0.2)
        queue.server.inject(Fault.throttle("ReceiveMessage"))
        broken = fleet.settle()
        assert broken.faults == ("queue-hold", "queue-hold", "queue-error")
        [left] = broken.violations
        assert (left.rule, left.detail) == ("fault-left-standing", "queue-error of *")
        assert not broken.kept
        assert "faults: queue-hold, queue-hold, queue-error" in str(broken)
        told = json.loads((fleet.directory / "run.json").read_text())
        assert told["fault"] == "queue-hold+queue-hold+queue-error"

        queue.server.heal()
        queue.server.members[0].pause()
        queue.server.members[0].resume()
        whole_again = fleet.settle()
        assert whole_again.kept, whole_again
        assert whole_again.faults == ("queue-pause",)
        directory = fleet.directory
    marks = load(directory).all(FaultMark)
    assert [mark.phase for mark in marks].count("end") == 4, "its end with the test is no fault"
    assert not [mark for mark in marks if mark.fault == "queue-down"]
