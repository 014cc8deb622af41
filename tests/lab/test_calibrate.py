"""`coord sim calibrate` with real processes: one short kill on a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coord.cli import main
from coord.lab.chaos.saved import load_run

KILL = """
title = "the leader is killed"
ttl = "2s"
[[fault]]
kind = "kill"
target = "leader"
at = "0.2s"
for = "0.5s"
"""


def test_a_kill_on_a_file_is_played_in_both_worlds_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out, events = tmp_path / "kill.toml", tmp_path / "out.json", tmp_path / "runs"
    file.write_text(KILL)
    words = ["sim", "calibrate", str(file), "--store", "sqlite", "--rounds", "1", "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--simulated", "30", "--out", str(out), "--events", str(events)])
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert ended.value.code == (1 if told["beyond"] else 0), printed.err
    assert (told["pairs"], told["no_verdict"]) == (1, [])
    [row] = json.loads(out.read_text())["pairs"]
    gap, _, _, failover = row["cells"]
    assert 0 < gap["real"]["p50"] < 2  # the kernel tells of the death: nobody waits for a ttl
    assert failover["real"]["n"] == row["real"]["rounds"] == 1
    assert load_run(events / "kill-sqlite")[0].fault == "kill"


def test_ctrl_c_heals_and_keeps_what_was_ready_and_the_same_command_goes_on(
    tmp_path: Path,
) -> None:
    """The pair without a network comes first and needs no processes, so it is ready at once."""
    first, second, out = tmp_path / "cut.toml", tmp_path / "kill.toml", tmp_path / "out.json"
    first.write_text(KILL.replace('"kill"', '"partition"'))
    second.write_text(KILL)
    words = [str(first), str(second), "--store", "sqlite", "--rounds", "1", "--simulated", "30"]
    command = [sys.executable, "-m", "coord", "sim", "calibrate", *words, "--out", str(out)]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "kill: " in line:
                break
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
        assert running.wait(30) == 130
    assert "the same command goes on" in told
    assert [row["fault"] for row in json.loads(out.read_text())["pairs"]] == ["partition"]
    ended = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert json.loads(ended.stdout)["pairs"] == 2, ended.stderr
    assert "2 of 2: kill on sqlite" in ended.stderr
    assert "partition on sqlite" not in ended.stderr
