"""The demo, run for real: its processes, its faults, its report, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from coord.cli import main
from coord.lab.chaos.ground import Ground
from coord.lab.chaos.scene import Scene
from coord.lab.demo.run import Plan, perform
from coord.lab.measure import Log, Report, judge_log, load, report_from_json, timeline
from coord.lab.measure.events import Act, Backlog, Lead, Rpc
from coord.lab.measure.report import Run
from coord.lab.work import app
from coord.lab.work.modes import BATCH, MODES, PROGRESS_TIMEOUT_S, mode_named
from coord.tasks.opening import open_queue

pytestmark = [pytest.mark.serial, pytest.mark.timeout(240)]

TTL_S = 1.5
NOISE_S = 1.5  # what this machine may add to any duration


@dataclass
class Shown:
    """A whole demo that was run as users run it."""

    report: Report
    events: Path
    progress: str
    scratch: Path
    seconds: float

    def run(self, mode: str, fault: str) -> Run:
        (found,) = [r for r in self.report["runs"] if (r["mode"], r["fault"]) == (mode, fault)]
        return found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """`coord demo --json`, with stdout and stderr piped."""
    folder = tmp_path_factory.mktemp("demo")
    scratch, events = folder / "scratch", folder / "events"
    scratch.mkdir()
    start = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "coord", "demo", "--json", "--ttl", f"{TTL_S}s"),
            *("--store", f"sqlite:///{folder / 'fleet.db'}?group=demo", "--events", str(events)),
            *("--out", str(folder / "demo.html")),
        ],
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seconds = time.monotonic() - start
    return Shown(report_from_json(done.stdout), events, done.stderr, scratch, seconds)


def _workers_in(folder: Path) -> list[int]:
    """The worker processes that work in this folder and exist."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            command_line = command.read_text()
            words = command_line.split("\0")
            if "coord.lab.work.worker" in words and str(folder) in command_line:
                found.append(int(command.parent.name))
    return found


def test_it_ends_by_writing_a_page_of_all_rounds_and_naming_it(shown: Shown) -> None:
    file = shown.events.parent / "demo.html"
    assert f"all rounds, drawn: {file}" in shown.progress
    drawn = file.read_text()
    assert drawn.startswith("<!doctype html>")
    assert "4 runs, none of them with a broken rule" in drawn
    assert drawn.count('class="entry"') == len(shown.report["runs"])


# --- what it reports -------------------------------------------------------------------------


def test_json_is_one_report_that_names_what_was_run(shown: Shown) -> None:
    report = shown.report
    assert [(run["mode"], run["fault"]) for run in report["runs"]] == [
        (mode, fault)
        for mode in ("single", "localized", "co-leaders", "queue")
        for fault in ("kill", "pause", "wedge")
    ]
    assert (report["store"], report["ttl_s"], report["rounds"]) == ("sqlite", TTL_S, 1)
    assert (report["members"], report["shards"], report["seats"]) == (4, 12, 3)


def test_the_fenced_table_takes_no_stale_act_and_the_unfenced_one_does(shown: Shown) -> None:
    stale = [run["stale_acts"] for run in shown.report["runs"]]
    assert sum(one["accepted"] for one in stale) == 0
    assert sum(one["accepted_unfenced"] for one in stale) > 0
    for mode in ("single", "localized", "co-leaders", "queue"):  # mended work goes on in mid-act
        assert shown.run(mode, "wedge")["stale_acts"]["accepted_unfenced"] > 0


def test_no_two_leaders_could_act_at_once_and_no_healthy_one_was_replaced(shown: Shown) -> None:
    for run in shown.report["runs"]:
        assert run["split_s"]["worst"] == 0, run
        assert run["false_failovers"] == 0, run


@pytest.mark.parametrize("mode", [mode.name for mode in MODES])
@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_a_silent_leader_is_replaced_within_the_ttl(shown: Shown, mode: str, fault: str) -> None:
    run = shown.run(mode, fault)
    total = run["failover_s"]["total"]
    assert total["n"] >= 1
    assert total["max"] is not None
    assert total["max"] <= TTL_S + 0.5 + NOISE_S
    assert run["gap_s"]["worst"] <= TTL_S + 0.5 + NOISE_S


@pytest.mark.parametrize("mode", [mode.name for mode in MODES])
def test_a_wedged_leader_is_replaced_although_it_renews(shown: Shown, mode: str) -> None:
    run = shown.run(mode, "wedge")
    total = run["failover_s"]["total"]
    assert total["n"] >= 1
    assert total["max"] is not None
    assert 0 < total["max"] <= PROGRESS_TIMEOUT_S + 0.5 + NOISE_S
    if mode != "co-leaders":  # there, two others do the work meanwhile
        assert 0 < run["faux_s"]["worst"] <= PROGRESS_TIMEOUT_S + NOISE_S


def test_a_pause_leaves_a_gap_where_there_is_one_leader_and_none_with_three(shown: Shown) -> None:
    assert shown.run("single", "pause")["gap_s"]["worst"] > 0.1
    assert shown.run("localized", "pause")["gap_s"]["worst"] > 0.1
    for fault in ("kill", "pause", "wedge"):
        run = shown.run("co-leaders", fault)
        assert run["gap_s"]["worst"] == 0
        assert run["duplicates"] > 0


def test_messages_of_the_dead_and_the_stopped_wait_for_the_visibility_timeout(
    shown: Shown,
) -> None:
    for fault in ("kill", "pause"):
        run = shown.run("queue", fault)
        assert run["gap_s"]["worst"] > TTL_S / 2, "nothing but waiting brings them back"
        assert 0 < run["blast_radius"] < 1
        assert run["failover_s"]["claim"]["n"] == 0, "nobody asks for a message"
        assert run["failover_s"]["detect"]["n"] == run["failover_s"]["total"]["n"]


def test_on_a_queue_requests_to_the_queue_are_counted(shown: Shown) -> None:
    for fault in ("kill", "pause", "wedge"):
        assert shown.run("queue", fault)["store_requests_per_member_s"] > 1
    operations = {rpc.op for rpc in load(shown.events / "queue").all(Rpc)}
    assert {"receive", "delete", "hide"} == operations


def test_more_leaders_mean_a_smaller_blast_and_nothing_done_twice(shown: Shown) -> None:
    for fault in ("kill", "pause", "wedge"):
        single, localized = shown.run("single", fault), shown.run("localized", fault)
        assert single["blast_radius"] == 1
        assert 0 < localized["blast_radius"] < 1
        assert single["duplicates"] == localized["duplicates"] == 0


def test_no_due_row_is_left_over(shown: Shown) -> None:
    for run in shown.report["runs"]:
        # Who is killed between its commit and its log line takes the record of one act with it.
        unrecorded = BATCH if run["fault"] == "kill" and run["mode"] != "queue" else 0
        assert run["missed"] <= unrecorded, run


def test_the_logs_break_no_rule(shown: Shown) -> None:
    for mode in MODES:
        line = timeline(load(shown.events / mode.name))
        assert [str(violation) for violation in judge_log(line)] == []
        assert len(line.faults) == 3


def test_progress_goes_to_stderr_and_names_each_fault(shown: Shown) -> None:
    for words in ("kill -9 worker-", "(SIGSTOP)", "goes on where it hung"):
        assert shown.progress.count(words) == len(MODES)
    assert shown.progress.count("hangs, its heartbeat goes on") == len(MODES) - 1
    assert shown.progress.count("hangs, its leases are extended") == 1
    assert "queue: no leader, no store: messages of 2 rows each" in shown.progress
    assert "\x1b" not in shown.progress


def test_it_takes_about_a_minute_and_not_two(shown: Shown) -> None:
    assert shown.seconds < 110


def test_nothing_is_left_behind(shown: Shown) -> None:
    assert list(shown.scratch.iterdir()) == []


# --- whether the log tells what happened -----------------------------------------------------


class Unseen:
    """A screen that nobody looks at."""

    def show(self, scene: Scene) -> None:
        pass

    def say(self, text: str, *, style: str = "") -> None:
        pass


def _played(tmp_path: Path, mode: str) -> tuple[Run, Log]:
    """One mode under a pause, which spares the log."""
    work, events = tmp_path / "work", tmp_path / "events"
    work.mkdir()
    events.mkdir()
    url = f"sqlite:///{work / 'fleet.db'}"
    plan = Plan(
        ground=Ground(url=url, kind="sqlite", group="default", ttl_s=TTL_S, own=True),
        seed=3,
        rounds=1,
        work=work,
        events=events,
        modes=[mode_named(mode)],
        faults=["pause"],
    )
    (run,) = perform(plan, Unseen(), lambda: None)["runs"]
    return run, load(events / mode)


@pytest.mark.parametrize("mode", ["co-leaders", "queue"])
def test_the_log_agrees_with_the_database(tmp_path: Path, mode: str) -> None:
    """Effects in the tables, act by act, against act records."""
    run, log = _played(tmp_path, mode)
    with closing(app.connect(tmp_path / "work" / mode / "app.db")) as connection:
        for table in app.TABLES:
            stored = Counter((e.seq, e.unit, e.token) for e in app.effects(connection, table))
            told = Counter(
                (act.seq, unit, act.token)
                for act in log.all(Act)
                if act.accepted and act.resource == table
                for unit in act.units
            )
            assert stored == told
        done = Counter(effect.unit for effect in app.effects(connection, app.FENCED))
        due = {unit for record in log.all(Backlog) for unit in record.units}
        assert due == set(done)
        assert app.waiting(connection) == 0
    assert run["duplicates"] <= sum(count - 1 for count in done.values())
    if mode == "co-leaders":
        assert run["duplicates"] > 0
    else:
        _each_item_was_handed_out_and_done(tmp_path / "work" / mode / "queue.db", log)


def _each_item_was_handed_out_and_done(queue: Path, log: Log) -> None:
    announced = {(record.shard, record.seat) for record in log.all(Backlog)}
    assert announced == {(lead.key.shard, lead.key.seat) for lead in log.all(Lead)}
    with closing(open_queue(f"sqlite:///{queue}")) as left:
        assert left.depth() == (0, 0, 0, 0)


# --- how it ends -----------------------------------------------------------------------------


def _await(condition: Callable[[], bool], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -signal.SIGKILL)]
)
def test_ending_it_while_a_leader_is_stopped_leaves_no_process(
    tmp_path: Path, sent: str, code: int
) -> None:
    said = tmp_path / "stderr"
    with said.open("wb") as stderr:
        demo = subprocess.Popen(
            [sys.executable, "-m", "coord", "demo", "--ttl", f"{TTL_S}s"],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        assert _await(lambda: "(SIGSTOP)" in said.read_text(), 60)
        assert len(_workers_in(tmp_path)) == 4
        demo.send_signal(signal.Signals[sent])
        assert demo.wait(20) == code
        assert _await(lambda: _workers_in(tmp_path) == [], 10)
    finally:
        demo.kill()
        demo.wait(10)
        for pid in _workers_in(tmp_path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert "Traceback" not in said.read_text()
    if sent != "SIGKILL":
        assert sorted(path.name for path in tmp_path.iterdir()) == ["stderr"]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (["--store", "memory://"], "a store in memory lives in one process"),
        (["--store", "sidecar"], "--store sidecar does not say where that store is"),
        (["--store", "paper"], "there is no store 'paper'"),
        (["--store", "sqlite:////no/such/folder/x.db"], "/no/such/folder"),
        (["--ttl", "fast"], "'fast' is not a duration"),
        (["--ttl", "1h"], "cannot be shown with a ttl of 3600 s"),
        (["--events", "."], "is not empty"),
        (["--rounds", "0"], "--rounds"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_a_cure(
    options: list[str],
    cause: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "a.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--json", *options])
    printed = capsys.readouterr()
    assert ended.value.code not in (0, 70)
    assert printed.out == ""
    error = json.loads(printed.err)
    assert cause in error["cause"]
    assert error["cure"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
