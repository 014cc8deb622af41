"""Reading logs: what is whole, what is damaged, and what is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coord.errors import UsageError
from coord.lab.measure import Log, load
from coord.lab.measure.events import Act, Lead, Trust
from coord.model import ClaimKey, Shape
from coord.telemetry import EventLog

HEADER = {
    "t": 1.0,
    "kind": "log",
    "member": "a",
    "pid": 1,
    "schema": "coord.events/1",
    "boot": "b-1",
}
KEY = ClaimKey("reaper", 1, 3, 0)


class Holder:
    key = KEY
    token = 41


def write(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_what_the_writer_writes_the_reader_reads(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    log = EventLog(path, member="a")
    log.role("reaper", 1, Shape(12, 3))
    log.member("start")
    log.term_began(KEY, 41, 1e6, asked_s=5.0)
    log.trusted(float("inf"))
    log.act(Holder(), "table", fenced=True, accepted=True, seq=3, units=["u1"])
    log.progressed(KEY, 41)
    log.backlog("reaper", 3, ["u1"])
    log.called("heartbeat", 1.0, 2.0, certainty="unknown", requests=2)
    log.fault("kill", "kill-1", "begin", member="b", pid=2)
    log.round(1, "single", "kill", "start")
    log.report("late", "by 3 s")
    log.term_ended(KEY, 41, "released")
    log.close()
    found = load(path)
    assert len(found.records) == 12
    assert found.damaged == ()
    (lead,) = found.all(Lead)
    assert (lead.key, lead.token, lead.until_s, lead.asked_s) == (KEY, 41, 1e6, 5.0)
    (act,) = found.all(Act)
    assert (act.resource, act.fenced, act.accepted, act.seq, act.units, act.error) == (
        "table",
        True,
        True,
        3,
        ("u1",),
        "",
    )
    (trust,) = found.all(Trust)
    assert trust.until_s == float("inf")


def test_records_of_all_files_are_in_the_order_of_time(tmp_path: Path) -> None:
    trust = {"kind": "trust", "member": "a", "pid": 1, "until": 9.0}
    write(tmp_path / "1.jsonl", HEADER, trust | {"t": 3.0}, trust | {"t": 2.0})
    write(tmp_path / "2.jsonl", HEADER, trust | {"t": 2.5})
    (tmp_path / "notes.txt").write_text("not a log")
    assert [record.t for record in load(tmp_path).records] == [2.0, 2.5, 3.0]


def test_half_a_line_is_damage_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "run.jsonl", HEADER)
    with path.open("a") as file:
        file.write('{"t":2.0,"kind":"trust","mem\n\n')
        file.write(json.dumps({"t": 3.0, "kind": "trust", "member": "a", "pid": 1, "until": 4.0}))
    found = load(path)
    assert found.damaged == (f"{path}:2",)
    assert len(found.records) == 1


def test_an_empty_log_has_no_time() -> None:
    assert (Log().start_s, Log().end_s) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("record", "named"),
    [
        pytest.param({"t": 1.0, "kind": "gossip", "member": "a", "pid": 1}, "kind", id="kind"),
        pytest.param({"t": 1.0, "kind": "trust", "member": "a", "pid": 1}, "until", id="field"),
        pytest.param([1, 2], "no object", id="no-object"),
        pytest.param(HEADER | {"schema": "coord.events/9"}, "coord.events/9", id="schema"),
    ],
)
def test_what_breaks_the_schema_is_refused_with_its_place(
    tmp_path: Path,
    record: object,
    named: str,
) -> None:
    path = write(tmp_path / "run.jsonl", HEADER, record)
    with pytest.raises(UsageError, match=named) as caught:
        load(path)
    assert f"{path}:2" in caught.value.cause
    assert caught.value.cure


def test_logs_of_two_boots_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path / "1.jsonl", HEADER)
    write(tmp_path / "2.jsonl", HEADER | {"boot": "b-2"})
    with pytest.raises(UsageError, match="two boots"):
        load(tmp_path)


def test_a_missing_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no event log"):
        load(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "absent.jsonl")
