"""`coord meter` as a process that is stopped, interrupted and asked for nonsense."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coord.cli.playing import Interrupted, Signals
from coord.clock import SYSTEM_CLOCK
from coord.lab.meter import MOST_CORES
from coord.lab.pauses import read_pauses
from tests.documents import ROOT
from tests.unit.cli.commands import run

_PATIENCE_S = 60.0


def _until(so: Callable[[], bool]) -> None:
    end_s = SYSTEM_CLOCK.now() + _PATIENCE_S
    while not so():
        assert SYSTEM_CLOCK.now() < end_s, "it did not come to be"
        time.sleep(0.01)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _is_measuring(pid: int) -> bool:
    """Whether threads beside the first have been asleep some times, so that they all note."""
    found = [
        int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir()
        if task.name != str(pid)
        for line in (task / "status").read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    ]
    return len(found) == min(MOST_CORES, len(os.sched_getaffinity(0))) and min(found) > 20


@contextmanager
def _metering(*words: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, once it has begun to measure."""
    process = subprocess.Popen(
        [sys.executable, "-m", "coord", "meter", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _until(lambda: _is_measuring(process.pid))
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_process_that_was_stopped_notes_at_least_that_pause_on_every_core(tmp_path: Path) -> None:
    file = tmp_path / "pauses.json"
    with _metering("--for", "3s", "--out", str(file), "--json") as process:
        process.send_signal(signal.SIGSTOP)
        _until(lambda: _state(process.pid) == "T")
        time.sleep(0.3)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, err
    told = json.loads(out)
    found = read_pauses(file)
    cores = len(told["cores"])
    assert len([length for length in found.pauses_s if length >= 0.299]) >= cores
    assert all(one["max_s"] >= 0.299 for one in json.loads(file.read_text())["cores"])
    assert told["late_s"]["max"] >= 0.299
    assert told["late_s"]["p99"] > 0.1, "a tenth of the time it could not run, in few wake-ups"
    assert found.for_s == pytest.approx(told["for_s"])
    assert found.for_s >= 3.0
    assert sum(found.pauses_s) < found.observed_s


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_measured_before_an_interrupt_is_written_whole_and_said(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    file = tmp_path / "pauses.json"
    with _metering("--for", "10m", "--out", str(file)) as process:
        time.sleep(1.5)
        assert not file.exists()
        process.send_signal(number)
        process.send_signal(number)
        out, _ = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == code
    content = json.loads(file.read_text())
    assert content["interrupted"] is True
    assert 1.0 < content["for_s"] < 600
    assert "interrupted; measured for" in out
    assert list(tmp_path.iterdir()) == [file]


def test_an_interrupt_in_the_first_second_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Signals) -> None:
        raise Interrupted(signal.SIGINT)

    file = tmp_path / "pauses.json"
    file.write_text("older")
    monkeypatch.setattr(Signals, "check", interrupt)
    result = run("meter", "--out", str(file))
    assert (result.exit_code, result.stdout) == (130, "")
    assert "nothing is written" in result.stderr
    assert file.read_text() == "older"


def test_a_directory_that_goes_away_meanwhile_is_an_error_with_cause_and_cure(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with _metering("--for", "2s", "--out", str(folder / "p.json"), "--json") as process:
        folder.rmdir()
        out, err = process.communicate(timeout=_PATIENCE_S)
    assert (process.returncode, out) == (5, "")
    assert "cannot be written" in json.loads(err.splitlines()[-1])["cause"]


def test_the_summary_counts_and_gives_no_advice_that_follows_from_figures_alone() -> None:
    text = run("meter", "--for", "1s").stdout
    for said in (
        "woke late by: p50",
        "longer than the usual slack at a ttl of 10 s, 500 ms",
        "95 %",
    ):
        assert said in text
    assert "does not follow from these figures alone" in text


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--for", "soon"), 2, "'soon' is not a duration"),
        (("--for", "0s"), 2, "0s is too short"),
        (("--for", "10ms"), 2, "is not from 1 s to"),
        (("--for", "99d"), 2, "is not from 1 s to"),
        (("--threshold", "0.1ms"), 2, "is not from 0.001 s to 1 s"),
        (("--threshold", "2s"), 2, "is not from 0.001 s to 1 s"),
        (("--out", ""), 2, "names no file"),
        (("--out", "."), 2, "names no file"),
        (("--out", "/no/such/folder/p.json"), 5, "cannot be written: No such file"),
        (("--out", "/dev/null"), 5, "is no file"),
        (("extra",), 2, "unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_words_are_refused_before_anything_is_measured(
    words: tuple[str, ...], code: int, says: str
) -> None:
    result = run("meter", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr
    assert json.loads(run("meter", *words, "--json").stderr)["exit_code"] == code


def _names(value: Any) -> set[str]:  # noqa: ANN401
    if isinstance(value, dict):
        return set(value).union(*(_names(inner) for inner in value.values()))
    return set().union(*(_names(inner) for inner in value)) if isinstance(value, list) else set()


def test_every_field_of_both_shapes_is_documented(tmp_path: Path) -> None:
    file = tmp_path / "pauses.json"
    told = json.loads(run("meter", "--for", "1s", "--out", str(file), "--json").stdout)
    page = (ROOT / "docs" / "meter.md").read_text(encoding="utf-8")
    fields = _names(told) | _names(json.loads(file.read_text()))
    assert {name for name in fields if f"`{name}`" not in page} == set()
