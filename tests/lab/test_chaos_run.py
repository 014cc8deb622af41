"""`coord chaos`, run for real: each mode and example, bad input, its endings, what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coord.cli import main
from coord.lab.chaos.capabilities import CAPABILITIES
from coord.lab.chaos.reading import read
from coord.lab.measure import checked_report, load
from coord.lab.measure.events import FaultMark
from tests.documents import ROOT
from tests.servers import require

pytestmark = [pytest.mark.serial, pytest.mark.timeout(120)]

EXAMPLES = ROOT / "examples" / "chaos"


@dataclass
class Ended:
    """How a `coord chaos` ended that was run as users run it."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


def _ran(scratch: Path, *words: str | Path) -> Ended:
    (temporary := scratch / "tmp").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "coord", "chaos", *map(str, words)],
        env={**os.environ, "TMPDIR": str(temporary)},
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert list(temporary.glob("coord-chaos-*")) == [] or "events" in done.stdout + done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def _processes(folder: Path) -> dict[int, str]:
    """The processes with that folder in their command line, and their states."""
    found = {}
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder) in command.read_text():
                stat = (command.parent / "stat").read_text()
                found[int(command.parent.name)] = stat.rpartition(")")[2].split()[0]
    return found


# --- whole runs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("example", "mode"),
    [
        ("leader-kill", "single"),
        pytest.param("half-wedge", "localized", marks=pytest.mark.soak),
        pytest.param("leader-kill", "co-leaders", marks=pytest.mark.soak),
        ("leader-pause", "queue"),
    ],
)
def test_an_example_is_played_and_all_rules_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], example: str, mode: str
) -> None:
    run = tmp_path / "run"
    words = ("--mode", mode, "--rounds", "1", "--ttl", "1500ms", "--json", "--events", run)
    ended = _ran(tmp_path, EXAMPLES / f"{example}.toml", *words)
    assert ended.code == 0, ended.out + ended.err
    told = ended.told
    assert (told["schema"], told["kept"], told["violations"]) == ("coord.chaos/1", True, [])
    assert told["events"] == str(run)
    [measured] = checked_report(told["report"])["runs"]
    fault = example.rpartition("-")[2]
    assert (measured["mode"], measured["fault"]) == (mode, fault)
    assert measured["stale_acts"]["accepted"] == measured["missed"] == 0
    assert measured["split_s"]["worst"] == 0 or told["excused"]
    _was_struck(run, fault)
    scenario = read(run / "scenario.toml")
    assert (scenario.fleet.mode, scenario.rounds, scenario.name) == (mode, 1, fault)
    with pytest.raises(SystemExit) as again:
        main(["chaos", "check", str(run), "--json"])
    assert (again.value.code, json.loads(capsys.readouterr().out)) == (0, told)
    assert _processes(tmp_path) == {}


def test_in_mode_queue_no_store_is_started_and_none_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COORD_ETCD", str(tmp_path / "none"))
    words = ("--store", "etcd", "--mode", "queue", "--rounds", "1", "--events", "run")
    ended = _ran(tmp_path, EXAMPLES / "leader-kill.toml", *words)
    assert ended.code == 0, ended.out + ended.err
    assert "no store is used, and none is started or asked" in ended.err
    assert "mode queue, no store, ttl 2 s" in ended.out
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    bound_s = 2.0 + 2.0 + 5.0  # what the fault stood for is what piled up meanwhile
    assert (facts["store"], facts["expiry"], facts["bound_s"]) == ("none", "visibility", bound_s)
    assert set(facts["versions"]) == {"coord", "python"}


def _was_struck(run: Path, fault: str) -> None:
    marks = load(run).all(FaultMark)
    assert {mark.fault for mark in marks} == {fault}
    assert {"begin", "effect"} <= {mark.phase for mark in marks}


@pytest.mark.xdist_group("etcd")
def test_a_killed_leader_on_etcd_is_replaced_within_the_bound(tmp_path: Path) -> None:
    require("etcd")
    words = ("--store", "etcd", "--rounds", "1", "--json", "--events", "run")
    ended = _ran(tmp_path, EXAMPLES / "leader-kill.toml", *words)
    assert ended.code == 0, ended.out + ended.err
    told = ended.told
    assert (told["report"]["store"], told["events"], told["kept"]) == ("etcd", "run", True)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (facts["expiry"], facts["bound_s"]) == ("proven", facts["ttl_s"] + 2)
    [measured] = told["report"]["runs"]
    assert 0 < measured["gap_s"]["worst"] < facts["bound_s"]
    assert _processes(tmp_path) == {}


def test_text_says_what_struck_when_what_it_cost_and_the_verdict(tmp_path: Path) -> None:
    scenario = tmp_path / "list"  # named like a command, and reached all the same
    scenario.write_text(
        'title = "two at once"\nttl = "1500ms"\n'
        '[[fault]]\nkind = "pause"\nat = "100ms"\nfor = "3s"\n'
        '[[fault]]\nkind = "kill"\ntarget = "follower"\nat = "500ms"\nfor = "1s"\n'
    )
    ended = _ran(tmp_path, "./list")
    assert ended.code == 0, ended.out + ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "two at once"
    assert "3 members, mode single, sqlite, ttl 1.5 s, seed 1" in ended.out
    assert re.search(r"  [01]\.\d\d s  pause of m\d \(process \d+\), for [23]\.\d\d s", ended.out)
    assert re.search(r"  [012]\.\d\d s  kill of m\d \(process \d+\)$", ended.out, re.MULTILINE)
    assert "all rules kept: " in ended.out
    assert lines[-1] == "events: not kept; --events DIR keeps them"
    for words in ("pause: m", "kill: m", "pause: healed", "kill: healed"):
        assert words in ended.err
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_run_that_cannot_go_on_says_where_its_events_are(tmp_path: Path) -> None:
    scenario = tmp_path / "x.toml"
    scenario.write_text(
        'title = "a daemon that ends"\n[fleet]\ncommand = ["false"]\n[[fault]]\nkind = "kill"\n'
    )
    ended = _ran(tmp_path, scenario)
    assert (ended.code, ended.out) == (6, ""), "which 1 is not: no rule was broken"
    assert "ended by itself, with exit code 1" in ended.err
    [kept] = (tmp_path / "tmp").iterdir()
    assert f"events until then: {kept}" in ended.err
    assert (kept / "scenario.toml").exists()
    refused = _ran(tmp_path, "check", kept)
    assert refused.code == 5
    assert "has no run.json" in refused.err


def test_a_daemon_that_does_not_take_part_is_refused_before_anything_strikes_it(
    tmp_path: Path,
) -> None:
    scenario = tmp_path / "x.toml"
    scenario.write_text(
        'title = "a kill, and a fault from inside"\nttl = "1500ms"\n'
        f'[fleet]\nmembers = 1\ncommand = ["env", "PYTHONPATH={ROOT}", "MANNER=stranger", '
        f'"{sys.executable}", "-m", "tests.lab.naive_daemon"]\n'
        '[[fault]]\nkind = "kill"\n[[fault]]\nkind = "slow"\nat = "2s"\n'
    )
    ended = _ran(tmp_path, scenario, "--events", "run")
    assert ended.code == 5, ended.out + ended.err
    told = " ".join(ended.err.split())
    assert "slow (line 8): m1 cannot be struck from inside" in told
    assert "take_part(member)" in told
    assert load(tmp_path / "run").all(FaultMark) == ()


# --- how it ends -----------------------------------------------------------------------------


def _await(condition: Callable[[], object], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _ended_in_mid_fault(tmp_path: Path, words: list[str], sent: str, said: str) -> tuple[int, str]:
    """Send a signal when the fault has struck; its exit code, and what it had said."""
    stderr = tmp_path / "stderr"
    with stderr.open("wb") as errors:
        chaos = subprocess.Popen(
            [sys.executable, "-m", "coord", "chaos", *words],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        assert _await(lambda: said in stderr.read_text(), 60), stderr.read_text()
        time.sleep(0.3)
        chaos.send_signal(signal.Signals[sent])
        code = chaos.wait(20)
        assert _await(lambda: not _processes(tmp_path), 10), _processes(tmp_path)
    finally:
        chaos.kill()
        chaos.wait(10)
        for pid in _processes(tmp_path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    told = stderr.read_text()
    assert "Traceback" not in told
    return code, told


@pytest.mark.parametrize(
    ("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -signal.SIGKILL)]
)
def test_ending_it_while_a_leader_is_stopped_leaves_no_process(
    tmp_path: Path, sent: str, code: int
) -> None:
    words = [str(EXAMPLES / "leader-pause.toml"), "--ttl", "5s"]
    ended, told = _ended_in_mid_fault(tmp_path, words, sent, "pause: m")
    assert ended == code
    if sent != "SIGKILL":
        assert "interrupted: all is healed" in told
        assert [path.name for path in tmp_path.iterdir()] == ["stderr"]


@pytest.mark.xdist_group("etcd")
def test_ending_it_in_a_partition_leaves_no_server_and_no_proxy(tmp_path: Path) -> None:
    require("etcd")
    words = [str(EXAMPLES / "leader-partition.toml"), "--events", str(tmp_path / "run")]
    ended, told = _ended_in_mid_fault(tmp_path, words, "SIGINT", "partition: m")
    assert ended == 130
    marks = [mark.phase for mark in load(tmp_path / "run").all(FaultMark)]
    assert marks == ["begin", "effect", "end"], "healed, and recorded as healed"
    assert "healed" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "stderr"]


# --- bad input -------------------------------------------------------------------------------

KILL = 'title = "x"\n[[fault]]\nkind = "kill"\n'
BAD: Mapping[str, tuple[str, list[str], int, str]] = {
    # the text, the words after the file's name, the exit code, words of the cause
    "unknown fault": (KILL.replace("kill", "kil"), [], 5, "x.toml:3: there is no fault 'kil'"),
    "unknown target": (KILL + 'target = "boss"\n', [], 5, "x.toml:4: there is no target 'boss'"),
    "no TOML": ("title =", [], 5, "x.toml:1: this is no TOML"),
    "no network in a file": (
        KILL.replace("kill", "partition"),
        ["--store", "sqlite"],
        5,
        "x.toml:2: partition: a file has no network",
    ),
    "unknown store": (KILL, ["--store", "ectd"], 5, "--store: there is no store 'ectd'"),
    "unknown mode": (KILL, ["--mode", "solo"], 5, "--mode: there is no mode 'solo'"),
    "odd ttl": (KILL, ["--ttl", "soon"], 5, "--ttl: ttl: 'soon' is not a duration"),
    "no rounds": (KILL, ["--rounds", "0"], 2, "--rounds"),
    "seed no number": (KILL, ["--seed", "x"], 2, "--seed"),
    "events not empty": (KILL, ["--events", "."], 5, "is not empty"),
    "unknown option": (KILL, ["--evil"], 2, "--evil"),
    "store not reachable": (KILL, ["--store", "etcd://127.0.0.1:9/lab"], 3, "127.0.0.1:9"),
    "store of no place": (KILL, ["--store", "sqlite:////no/such/folder/x.db"], 4, "/no/such"),
}


def _refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        main(["chaos", *words, "--json"])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert isinstance(ended.value.code, int)
    error: dict[str, Any] = json.loads(printed.err.splitlines()[-1])
    assert error["cure"]
    return ended.value.code, error


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_played_is_refused_before_anything_starts(
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, words, code, cause = BAD[what]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "x.toml").write_text(text)
    found, error = _refused(capsys, "x.toml", *words)
    assert (found, cause in error["cause"]) == (code, True), error
    assert list((tmp_path / "tmp").iterdir()) == []
    assert _processes(tmp_path) == {}


def test_what_is_missing_on_the_machine_is_told_with_the_line_and_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text(KILL)
    monkeypatch.setenv("COORD_ETCD", str(tmp_path / "none"))
    monkeypatch.setattr("coord.lab.chaos.capabilities._asked", lambda n: CAPABILITIES[n].missing())
    code, error = _refused(capsys, "x.toml", "--store", "etcd")
    assert code == 5
    assert "there is no store etcd here: COORD_ETCD names" in error["cause"]
    assert "--store sqlite" in error["cure"]


def test_words_and_files_named_like_commands_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, error = _refused(capsys, "lst")
    assert (code, "commands are check and list" in error["cause"]) == (2, True)
    code, error = _refused(capsys, "none.toml")
    assert (code, "none.toml cannot be read" in error["cause"]) == (5, True)
    (tmp_path / "check").write_text("title = 1")
    code, error = _refused(capsys, "./check")
    assert (code, "check:1: title is a whole number" in error["cause"]) == (5, True)
