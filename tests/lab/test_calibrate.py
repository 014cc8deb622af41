"""`coord sim calibrate` with real processes: one short kill on a file."""

from __future__ import annotations

import json
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
