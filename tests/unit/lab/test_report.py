"""Rounds and coord.report/1: one log worked out by hand, and what is refused as a report."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coord.errors import UsageError
from coord.lab.measure import (
    Report,
    Settings,
    Setup,
    build_report,
    checked_report,
    load,
    measure_rounds,
    report_from_json,
    rounds_of,
    timeline,
    to_json,
)
from tests.unit.lab.script import Script

SETTINGS = Settings(tau_s=1, aftermath_s=2, grace_s=1)
SETUP = Setup(store="sqlite", ttl_s=2, seed=7, members=2, shards=2, seats=1, rounds=2)


def script() -> Script:
    """Two shards; a round of kill (0–10), a round of pause (10–20), a second kill (20–30)."""
    s = Script()
    s.role(0, shards=2)
    s.round(0, 10, number=1, mode="localized", fault="kill")
    s.lead(0, "a", 1, shard=0)
    s.lead(0, "b", 2, shard=1)
    s.backlog(1, "u1", shard=0)
    s.act(2, "a", 1, shard=0, units=["u1"])
    s.fault("kill", "a", 4, effect=4)
    s.lead(6, "b", 3, shard=0, asked=5.5)
    s.act(6.5, "b", 3, shard=0)
    for t in (1, 2, 3):
        s.rpc(t, "a")
        s.rpc(t, "b", requests=2)

    s.round(10, 20, number=1, mode="localized", fault="pause")
    s.lead(11, "c", 4, shard=1, asked=11)
    s.end(11, "b", 2, shard=1)
    s.fault("pause", "c", 12, effect=12, end=16)
    s.end(16, "c", 4, shard=1)
    s.lead(15, "b", 5, shard=1, asked=14.8)
    s.act(15.2, "b", 5, shard=1)
    s.act(15.2, "b", 5, shard=1, resource="bare", fenced=False)
    s.act(16.1, "c", 4, shard=1, accepted=False, error="Fenced")
    s.act(16.1, "c", 4, shard=1, resource="bare", fenced=False)

    s.round(20, 30, number=2, mode="localized", fault="kill")
    s.backlog(21, "u2", "u3", shard=1)
    s.act(21.5, "b", 5, shard=1, units=["u2"])
    s.act(21.6, "b", 5, shard=1, units=["u2"])
    s.fault("kill", "b", 22, effect=22)
    s.lead(26, "c", 6, shard=1, asked=25)
    s.act(26.5, "c", 6, shard=1)
    s.last(30)
    return s


EXPECTED_KILL = {
    "mode": "localized",
    "fault": "kill",
    # round 1: shard 0 gap 4–6 = 2, shard 1 none. Round 2: shard 0 gap 22–30 = 8, shard 1 22–26 = 4.
    # worst 8; mean (2 + 0 + 8 + 4) / 4 = 3.5
    "gap_s": {"worst": 8.0, "mean": 3.5},
    "split_s": {"worst": 0.0, "mean": 0.0},
    # u1 was done after 1 s. u3 is never done: due from 21; led by b, last act 21.6, dead at 22;
    # by c from 26, acting at 26.5, so faux 27.5–30 = 2.5. Mean 2.5 / 4
    "faux_s": {"worst": 2.5, "mean": 0.625},
    # round 1, shard 0: 1.5 + 0.5 + 0.5 = 2.5. Round 2, shard 1: 3 + 1 + 0.5 = 4.5;
    # shard 0 of the dead b is never taken: 8 s to the end of the window, no parts
    "failover_s": {
        "detect": {"n": 2, "mean": 2.25, "p50": 2.25, "p99": None, "max": 3.0},
        "claim": {"n": 2, "mean": 0.75, "p50": 0.75, "p99": None, "max": 1.0},
        "warm_up": {"n": 2, "mean": 0.5, "p50": 0.5, "p99": None, "max": 0.5},
        "total": {"n": 3, "mean": 5.0, "p50": 4.5, "p99": None, "max": 8.0},
    },
    "stale_acts": {"attempted": 0, "accepted": 0, "accepted_unfenced": 0},
    "false_failovers": 0,
    # 1 of 2 shards, then 2 of 2
    "blast_radius": 0.75,
    "duplicates": 1,  # u2
    "missed": 1,  # u3
    # 9 requests. Present in round 1: a 0–4, b 0–10 = 14 s; in round 2: b 20–22, c 20–30 = 12 s
    "store_requests_per_member_s": round(9 / 26, 6),
}

EXPECTED_PAUSE = {
    "mode": "localized",
    "fault": "pause",
    # c leads shard 1 from 11, frozen 12–16, b from 15: gap 12–15 = 3; c's belief ends as it wakes
    "gap_s": {"worst": 3.0, "mean": 1.5},
    "split_s": {"worst": 0.0, "mean": 0.0},
    "faux_s": {"worst": 0.0, "mean": 0.0},
    # from 12: asked for at 14.8, led at 15, acted at 15.2
    "failover_s": {
        "detect": {"n": 1, "mean": 2.8, "p50": 2.8, "p99": None, "max": 2.8},
        "claim": {"n": 1, "mean": 0.2, "p50": 0.2, "p99": None, "max": 0.2},
        "warm_up": {"n": 1, "mean": 0.2, "p50": 0.2, "p99": None, "max": 0.2},
        "total": {"n": 1, "mean": 3.2, "p50": 3.2, "p99": None, "max": 3.2},
    },
    "stale_acts": {"attempted": 2, "accepted": 0, "accepted_unfenced": 1},
    "false_failovers": 0,
    "blast_radius": 0.5,
    "duplicates": 0,
    "missed": 0,
    "store_requests_per_member_s": 0.0,
}


@pytest.fixture(scope="module")
def report() -> Report:
    line = script().timeline
    return build_report(SETUP, measure_rounds(line, rounds_of(line.log), SETTINGS))


def test_a_whole_report_worked_out_by_hand(report: Report) -> None:
    assert report == {
        "schema": "coord.report/1",
        "store": "sqlite",
        "ttl_s": 2,
        "seed": 7,
        "members": 2,
        "shards": 2,
        "seats": 1,
        "rounds": 2,
        "runs": [EXPECTED_KILL, EXPECTED_PAUSE],
    }


def test_a_report_survives_its_json(report: Report) -> None:
    assert report_from_json(to_json(report)) == report


def test_a_report_with_more_to_say_is_still_a_report(report: Report) -> None:
    assert checked_report({**report, "trace_hash": "abc"})


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(raw: Any) -> None:  # noqa: ANN401
        *way, last = path.split(".")
        for step in way:
            raw = raw[int(step) if step.isdigit() else step]
        if value is ...:
            del raw[last]
        else:
            raw[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(_set("schema", "coord.report/2"), "schema", id="other-schema"),
        pytest.param(_set("seed", ...), "seed is missing", id="no-seed"),
        pytest.param(_set("runs", {}), "runs", id="runs-no-list"),
        pytest.param(_set("members", -1), "members is -1", id="members-negative"),
        pytest.param(_set("ttl_s", float("nan")), "ttl_s", id="ttl-not-a-number"),
        pytest.param(_set("runs.0.gap_s", 3.0), "gap_s", id="gap-without-worst-and-mean"),
        pytest.param(_set("runs.0.gap_s.mean", 99.0), "gap_s.mean", id="mean-above-worst"),
        pytest.param(_set("runs.0.blast_radius", 1.5), "blast_radius", id="more-than-all"),
        pytest.param(_set("runs.1.failover_s.total.p99", 3.0), "p99", id="p99-of-one"),
        pytest.param(_set("runs.1.failover_s.total.n", 0), "total", id="mean-of-none"),
        pytest.param(_set("runs.1.stale_acts.accepted", 5), "attempted", id="taken-unattempted"),
        pytest.param(_set("runs.1.missed", True), "missed", id="missed-a-flag"),
        pytest.param(_set("runs.1.mode", ""), "mode", id="mode-empty"),
    ],
)
def test_what_is_no_report_is_refused_with_the_place(
    report: Report, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    raw: Any = copy.deepcopy(report)
    change(raw)
    with pytest.raises(UsageError, match=named) as caught:
        checked_report(raw)
    assert caught.value.cure


@pytest.mark.parametrize("text", ["", "no json", "[]", "3"])
def test_text_that_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"no coord\.report/1"):
        report_from_json(text)


def test_a_report_without_any_round_has_no_runs() -> None:
    assert checked_report(build_report(SETUP, []))["runs"] == []


def test_a_round_without_its_end_is_refused() -> None:
    s = script()
    s.put(31, "round", "", number=9, mode="single", fault="kill", state="start")
    with pytest.raises(UsageError, match=r"round 9 \(single, kill\)"):
        rounds_of(s.log)


def test_an_end_without_its_round_is_refused() -> None:
    s = script()
    s.put(31, "round", "", number=9, mode="single", fault="kill", state="end")
    with pytest.raises(UsageError, match="round 9"):
        rounds_of(s.log)


def test_a_report_from_files_is_that_of_their_records(report: Report, tmp_path: Path) -> None:
    """One file a member, as processes write them; none of them is in the order of time."""
    for line in script().lines:
        with (tmp_path / f"events-{line['member'] or 'driver'}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
    log = load(tmp_path)
    found = build_report(SETUP, measure_rounds(timeline(log), rounds_of(log), SETTINGS))
    assert found == report
