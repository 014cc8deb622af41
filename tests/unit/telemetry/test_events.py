"""The writer of coord.events/1: every line whole and valid, and nothing raised into the work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import ConfigError, LeadershipLost
from coord.model import ClaimKey, Shape
from coord.telemetry import KINDS, SCHEMA, EventLog, fault_in

KEY = ClaimKey("reaper", 2, 5, 1)
ROOT = Path(__file__).parents[3]


class Holder(NamedTuple):
    key: ClaimKey = KEY
    token: int = 41


class FixedClock:
    def now(self) -> float:
        return 100.25


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def log_to(path: Path) -> EventLog:
    return EventLog(path, member="worker-1", clock=FixedClock())


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


TELL: dict[str, tuple[Callable[[EventLog], None], dict[str, Any]]] = {
    "member": (lambda log: log.member("start"), {"kind": "member", "state": "start"}),
    "trust": (lambda log: log.trusted(101.5), {"kind": "trust", "until": 101.5}),
    "lead": (
        lambda log: log.term_began(KEY, 41, 102.0, asked_s=99.5),
        {"kind": "belief", "state": "lead", "until": 102.0, "asked": 99.5, "token": 41, "seat": 1},
    ),
    "lead-without-deadline": (
        lambda log: log.term_began(KEY, 41, float("inf")),
        {"kind": "belief", "state": "lead", "until": None},
    ),
    "end": (
        lambda log: log.term_ended(KEY, 41, "released"),
        {"kind": "belief", "state": "end", "why": "released", "generation": 2, "shard": 5},
    ),
    "progress": (lambda log: log.progressed(KEY, 41), {"kind": "progress", "role": "reaper"}),
    "rpc": (
        lambda log: log.called("heartbeat", 99.0, 99.5, certainty=None, requests=2),
        {"kind": "rpc", "op": "heartbeat", "ok": True, "certainty": None, "requests": 2},
    ),
    "failed-rpc": (
        lambda log: log.called("claim", 99.0, 99.5, certainty="unknown"),
        {"kind": "rpc", "ok": False, "certainty": "unknown", "requests": 1},
    ),
    "note": (lambda log: log.report("late", "by 3 s"), {"kind": "note", "detail": "by 3 s"}),
    "act": (
        lambda log: log.act(
            Holder(), "table", fenced=True, accepted=False, start_s=99.0, seq=7, error="Fenced"
        ),
        {"kind": "act", "resource": "table", "accepted": False, "seq": 7, "error": "Fenced"},
    ),
    "backlog": (lambda log: log.backlog("reaper", 5, ["u1"]), {"kind": "backlog", "units": ["u1"]}),
    "role": (lambda log: log.role("reaper", 2, Shape(12, 3)), {"kind": "role", "shards": 12}),
    "round": (
        lambda log: log.round(3, "single", "kill", "start"),
        {"kind": "round", "number": 3, "mode": "single", "fault": "kill", "state": "start"},
    ),
    "fault": (
        lambda log: log.fault("kill", "kill-1", "begin", member="worker-9", pid=77),
        {"kind": "fault", "fault": "kill", "id": "kill-1", "member": "worker-9", "pid": 77},
    ),
}


@pytest.mark.parametrize("name", TELL)
def test_every_method_writes_one_valid_record(path: Path, name: str) -> None:
    tell, expected = TELL[name]
    log = log_to(path)
    tell(log)
    log.close()
    header, record = records(path)
    assert header["schema"] == SCHEMA
    assert fault_in(header) is None
    assert fault_in(record) is None
    assert record | expected == record
    assert record["t"] == 100.25


def test_every_kind_of_the_schema_has_a_writer(path: Path) -> None:
    log = log_to(path)
    for tell, _ in TELL.values():
        tell(log)
    log.close()
    assert {record["kind"] for record in records(path)} == set(KINDS)


def test_a_record_speaks_of_its_member_and_process(path: Path) -> None:
    log = log_to(path)
    log.member("start")
    log.close()
    record = records(path)[1]
    assert (record["member"], record["pid"]) == ("worker-1", os.getpid())


def test_the_clock_is_the_one_that_decides_about_deadlines(path: Path) -> None:
    before = SYSTEM_CLOCK.now()
    log = EventLog(path, member="worker-1")
    log.close()
    assert before - 1e-6 <= records(path)[0]["t"] <= SYSTEM_CLOCK.now() + 1e-6


def test_acting_records_an_act_that_was_accepted(path: Path) -> None:
    log = log_to(path)
    with log.acting(Holder(), "table", fenced=True) as units:
        units += ["row-1", "row-2"]
    log.close()
    record = records(path)[1]
    assert record["accepted"] is True
    assert record["units"] == ["row-1", "row-2"]


def test_acting_records_an_act_that_was_refused_and_raises_on(path: Path) -> None:
    log = log_to(path)
    with pytest.raises(ZeroDivisionError), log.acting(Holder(), "table", fenced=False):
        raise ZeroDivisionError
    log.close()
    record = records(path)[1]
    assert (record["accepted"], record["error"]) == (False, "ZeroDivisionError")
    assert "units" not in record


def test_an_act_held_back_by_its_own_check_never_reached_the_resource(path: Path) -> None:
    log = log_to(path)
    with pytest.raises(LeadershipLost), log.acting(Holder(), "table", fenced=True):
        raise LeadershipLost("the deadline has passed")
    log.close()
    assert [record["kind"] for record in records(path)] == ["log"]


def test_without_the_variable_nothing_is_written_and_nothing_fails() -> None:
    log = EventLog.from_environment("worker-1", environ={})
    assert not log.enabled
    for tell, _ in TELL.values():
        tell(log)
    log.close()
    assert log.lost == 0


def test_a_directory_gets_a_file_for_each_process(tmp_path: Path) -> None:
    for value in (str(tmp_path), f"{tmp_path}/not/yet/there/"):
        log = EventLog.from_environment("worker-1", environ={"COORD_EVENTS": value})
        log.close()
        assert (Path(value) / f"events-worker-1-{os.getpid()}.jsonl").exists()


def test_any_other_path_is_the_file_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    for member in ("worker-1", "worker-2"):
        EventLog.from_environment(member, environ={"COORD_EVENTS": str(path)}).close()
    assert [record["member"] for record in records(path)] == ["worker-1", "worker-2"]


def test_a_path_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environ = {"COORD_EVENTS": str(tmp_path / "file" / "run.jsonl")}
    with pytest.raises(ConfigError, match="events cannot be written") as caught:
        EventLog.from_environment("worker-1", environ=environ)
    assert "COORD_EVENTS" in caught.value.cure


def test_a_full_disk_is_counted_and_told_once_and_never_raised() -> None:
    complaints: list[str] = []
    log = EventLog(Path("/dev/full"), member="worker-1", complain=complaints.append)
    for _ in range(3):
        log.member("start")
    log.close()
    assert log.lost == 4  # the header among them
    assert len(complaints) == 1
    assert "No space left" in complaints[0]


def test_what_json_cannot_say_is_counted_and_never_raised(path: Path) -> None:
    complaints: list[str] = []
    log = EventLog(path, member="worker-1", complain=complaints.append)
    log.backlog("reaper", 0, [object()])  # type: ignore[list-item]
    log.member("stop")
    log.close()
    assert log.lost == 1
    assert len(complaints) == 1
    assert [record["kind"] for record in records(path)] == ["log", "member"]


def test_after_half_a_line_the_next_one_stands_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(path, member="worker-1", complain=lambda _: None)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:20]))
    log.member("start")
    monkeypatch.undo()
    log.member("stop")
    log.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["state"] == "stop"
    assert log.lost == 1


def test_telling_after_closing_is_dropped(path: Path) -> None:
    log = log_to(path)
    log.close()
    log.close()
    log.member("stop")
    assert len(records(path)) == 1
    assert log.lost == 0


def test_lines_of_several_threads_and_writers_do_not_mix(path: Path) -> None:
    def tell() -> None:
        log = EventLog(path, member="worker-1")
        for number in range(200):
            log.backlog("reaper", number, [f"unit-{number}-{part}" for part in range(50)])
        log.close()

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = records(path)
    assert len(found) == 4 * 201
    assert all(fault_in(record) is None for record in found)


KILLED = """
import sys
from pathlib import Path
from coord.telemetry import EventLog
log = EventLog(Path(sys.argv[1]), member="worker-1")
log.member("start")
print("told", flush=True)
sys.stdin.read()
"""


def test_what_was_told_before_a_kill_is_in_the_file(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == b"told\n"
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()
    assert [record["kind"] for record in records(path)] == ["log", "member"]


@pytest.mark.parametrize(
    "record",
    [
        {"t": 1.0, "kind": "trust", "member": "w", "pid": 1},
        {"t": 1.0, "kind": "trust", "member": "w", "pid": 1, "until": "soon"},
        {"t": 1.0, "kind": "trust", "member": "w", "pid": 1, "until": True},
        {"t": None, "kind": "trust", "member": "w", "pid": 1, "until": 2.0},
        {"t": 1.0, "kind": "trust", "member": 7, "pid": 1, "until": 2.0},
        {"t": 1.0, "kind": "trust", "member": "w", "pid": -1, "until": 2.0},
        {"t": 1.0, "kind": "gossip", "member": "w", "pid": 1},
        {"t": 1.0, "kind": "member", "member": "w", "pid": 1, "state": "paused"},
        {"t": 1.0, "kind": "backlog", "member": "w", "pid": 1, "role": "r", "shard": 0, "units": 3},
        {"t": 1.0, "kind": ["trust"], "member": "w", "pid": 1},
        {},
    ],
    ids=lambda record: json.dumps(record)[-30:],
)
def test_the_schema_finds_what_is_wrong(record: dict[str, Any]) -> None:
    assert fault_in(record) is not None


def test_fields_of_later_releases_are_welcome() -> None:
    assert (
        fault_in({"t": 1, "kind": "trust", "member": "w", "pid": 1, "until": 2, "new": []}) is None
    )
