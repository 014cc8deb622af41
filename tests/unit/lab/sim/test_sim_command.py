"""What whoever types `coord sim` is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coord.lab.measure import report_from_json
from coord.lab.pauses import read_pauses
from coord.lab.sim.finding import smallest_of
from coord.lab.sim.pauses import Stalls
from coord.lab.sim.run import Setting, simulate
from tests.unit.cli.commands import run
from tests.unit.lab.sim.plants import PLANTS

_WORDS = ("sim", "--mode", "single", "--store", "etcd", "--ttl", "10", "--heartbeat", "3")
_SHORT = ("--fault", "kill", "--hours", "0.05", "--seed", "7")


def test_json_is_a_report_with_a_trace_hash_and_comes_again() -> None:
    first, second = (run(*_WORDS, *_SHORT, "--json") for _ in range(2))
    assert first.exit_code == 0, first.stderr
    assert first.stdout == second.stdout
    assert first.stderr == ""
    told = json.loads(first.stdout)
    assert told["schema"] == "coord.report/1"
    assert len(told["trace_hash"]) == 32
    assert told["simulated"]["heartbeat_s"] == 3.0
    assert (told["kept"], told["violations"]) == (True, [])
    assert report_from_json(first.stdout)["runs"][0]["fault"] == "kill"


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("--beta", "1.5"), "beta is 1.5"),
        (("--zones", "4"), "3 members cannot be in 4 zones"),
        (("--target", "zone"), "nobody is in a zone"),
    ],
)
def test_zones_and_shares_that_cannot_be_are_refused(words: tuple[str, ...], cause: str) -> None:
    result = run("sim", *words, "--json")
    assert result.exit_code == 5
    told = json.loads(result.stderr)
    assert cause in told["cause"]
    assert told["cure"]


def test_people_are_told_the_figures_and_the_verdict() -> None:
    text = run(*_WORDS, *_SHORT).stdout
    for word in ("gap:", "split:", "failover:", "all rules kept", "trace "):
        assert word in text


@pytest.mark.parametrize("written", ["10", "10s", "10000ms"])
def test_durations_are_written_as_everywhere(written: str) -> None:
    words = ("sim", "--store", "memory", "--ttl", written, "--hours", "0.01", "--json")
    assert json.loads(run(*words).stdout)["ttl_s"] == 10.0


@pytest.mark.parametrize(
    ("words", "cause", "cure"),
    [
        (("--store", "redis"), "redis", "etcd34"),
        (("--fault", "disk-full"), "real processes only", "kill"),
        (("--mode", "queue"), "queue", "co-leaders"),
        (("--target", "nobody"), "nobody", "follower"),
        (("--hours", "0"), "0 is not above 0", "--help"),
        (("--heartbeat", "6"), "control_timeout_s", "heartbeat_s"),
    ],
)
def test_what_cannot_be_is_refused_with_cause_and_cure(
    words: tuple[str, ...], cause: str, cure: str
) -> None:
    result = run("sim", *words, "--json")
    assert result.exit_code != 0
    assert result.stdout == ""
    told = json.loads(result.stderr)
    assert cause in told["cause"]
    assert cure in told["cure"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no json",
        '{"schema": "coord.pauses/2", "for_s": 1, "pauses_s": [0.5]}',
        '{"schema": "coord.pauses/1", "for_s": 1, "pauses_s": []}',
    ],
)
def test_a_file_of_pauses_that_says_nothing_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "pauses.json"
    file.write_text(content)
    result = run("sim", "--pauses", file, "--json")
    assert result.exit_code != 0
    told = json.loads(result.stderr)
    assert str(file) in told["cause"]
    assert told["cure"]


def test_pauses_of_a_file_befall_the_members(tmp_path: Path) -> None:
    file = tmp_path / "pauses.json"
    file.write_text('{"schema": "coord.pauses/1", "for_s": 300, "pauses_s": [20.0]}')
    words = ("sim", "--fault", "none", "--hours", "1", "--pauses", file, "--json")
    result = run(*words)
    assert result.exit_code == 0, result.stderr
    [figures] = json.loads(result.stdout)["runs"]
    assert figures["false_failovers"] > 0


def test_the_trace_is_the_same_in_processes_that_hash_differently() -> None:
    words = ("--mode", "localized", "--fault", "partition", "--target", "half", "--hours", "0.02")
    told = [
        subprocess.run(
            [sys.executable, "-m", "coord", "sim", *words, "--json"],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert json.loads(told[0])["trace_hash"]


def test_a_broken_rule_comes_with_the_blows_that_are_enough_and_they_break_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Planted: the guard of the resource takes any token."""
    PLANTS["token not compared"](monkeypatch)
    words = ("--fault", "pause", "--hours", "0.2", "--seed", "3")
    told = run("sim", *words, "--json")
    assert told.exit_code == 1, told.stderr
    answer = json.loads(told.stdout)
    assert not answer["kept"]
    rules = {one["rule"] for one in answer["violations"]}
    assert {one["fault"] for one in answer["script"]["strikes"]} == {"pause"}

    people = run("sim", *words)
    assert "blows are enough" in people.stdout
    line = next(line for line in people.stdout.splitlines() if line.startswith("{"))
    assert json.loads(line) == answer["script"]
    file = tmp_path / "blows.json"
    file.write_text(line)
    again = json.loads(run("sim", "--script", str(file), "--json").stdout)
    assert rules & {one["rule"] for one in again["violations"]}


def test_pauses_of_a_file_cannot_be_told_as_blows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    PLANTS["token not compared"](monkeypatch)
    outcome = simulate(Setting(fault="pause", hours=0.2, seed=3))
    assert not outcome.kept
    assert smallest_of(outcome) is not None
    file = tmp_path / "pauses.json"
    file.write_text('{"schema": "coord.pauses/1", "for_s": 300, "pauses_s": [20.0]}')
    stalled = replace(outcome.setting, pauses=Stalls.of(read_pauses(file)))
    assert smallest_of(replace(outcome, setting=stalled)) is None
