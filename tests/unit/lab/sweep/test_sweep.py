"""A sweep as its user has it: the same file however it came about, and nothing overwritten."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coord.errors import ConfigError
from coord.lab.errors import Unplayed
from coord.lab.measure import Violation
from coord.lab.sim.run import Setting, simulate
from coord.lab.sweep.grid import Grid, read_grid
from coord.lab.sweep.point import point_of
from coord.lab.sweep.run import swept
from coord.lab.sweep.saved import read_sweep
from tests.unit.cli.commands import run

_GRID = 'stores = ["memory", "sqlite", "etcd"]\nhours = 0.05\nfaults = ["kill"]\n'


class _Stopped(Exception):
    pass


def _file(folder: Path, text: str = _GRID) -> Path:
    file = folder / "grid.toml"
    file.write_text(text)
    return file


def _nothing(_count: int, _before: int) -> None:
    return


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Grid, Path]:
    """A sweep that ran through."""
    folder = tmp_path_factory.mktemp("whole")
    grid = read_grid(_file(folder))
    swept(grid, folder / "sweep.json", jobs=2, look=_nothing)
    return grid, folder / "sweep.json"


def test_an_interrupted_sweep_goes_on_and_ends_as_if_it_had_not_been(
    whole: tuple[Grid, Path], tmp_path: Path
) -> None:
    grid, file = whole
    out = tmp_path / "sweep.json"

    def stop(count: int, _before: int) -> None:
        if count == 1:
            raise _Stopped

    with pytest.raises(_Stopped):
        swept(grid, out, jobs=1, look=stop)
    begun = read_sweep(out)
    assert (begun["complete"], len(begun["points"])) == (False, 1)
    counts: list[tuple[int, int]] = []
    swept(grid, out, jobs=1, look=lambda count, before: counts.append((count, before)))
    assert counts[0] == (1, 1)
    assert out.read_bytes() == file.read_bytes()


def test_a_sweep_that_is_whole_is_not_played_again(whole: tuple[Grid, Path]) -> None:
    grid, file = whole
    before = file.read_bytes(), file.stat().st_mtime_ns
    counts: list[int] = []
    found = swept(grid, file, jobs=2, look=lambda count, _before: counts.append(count))
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert counts == []
    assert found["complete"]


def test_a_point_tells_what_the_simulation_of_its_setting_tells(whole: tuple[Grid, Path]) -> None:
    sweep = read_sweep(whole[1])
    point = sweep["points"][2]
    outcome = simulate(Setting(store="etcd", hours=0.05))
    [figures] = outcome.report["runs"]
    assert point["trace_hash"] == outcome.trace_hash
    assert point["gap_s"]["mean"] == figures["gap_s"]["mean"]
    for part, found in figures["failover_s"].items():
        assert point["failover_s"][part]["p50"] == found["p50"]  # type: ignore[index]
    assert len(point["failovers"]) == point["rounds"]
    low, high = point["gap_s"]["intervals"]["p50"]
    assert low <= point["gap_s"]["p50"] <= high
    assert point["requests"]["per_s"] == pytest.approx(
        sum(point["requests"]["by_kind_per_s"].values()), abs=1e-4
    )
    assert point["setting"]["heartbeat_s"] == 2.5


def test_what_was_broken_is_told_with_its_seed() -> None:
    outcome = simulate(Setting(hours=0.02, seed=9))
    broken = tuple(Violation("split", 1000.0 + number, "two") for number in range(50))
    point = point_of(replace(outcome, violations=broken))
    assert not point["kept"]
    assert point["violations"]["count"] == 50
    assert len(point["violations"]["first"]) == 20
    assert point["violations"]["first"][1] == {
        "rule": "split",
        "at_s": 1001.0,
        "detail": "two",
        "seed": 9,
    }


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("coord.sweep/1", "coord.sweep/2", "line 2: its schema is 'coord.sweep/2'"),
        ('"coord": "', '"coord": "0.', "line 3: it was made by coord 0."),
        ('"digest": "', '"digest": "0', "line 4: it was made from another grid"),
        ('"trace_hash"', '"trace"', "trace_hash of point 1 is missing"),
        ('"index": 2', '"index": 7', "point 7 is not of this grid"),
        ('"points"', "points", "it is no JSON"),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(
    whole: tuple[Grid, Path], tmp_path: Path, old: str, new: str, cause: str
) -> None:
    grid, file = whole
    out = tmp_path / "sweep.json"
    out.write_text(file.read_text().replace(old, new, 1))
    before = out.read_bytes()
    with pytest.raises(ConfigError) as refused:
        swept(grid, out, jobs=1, look=_nothing)
    assert cause in refused.value.cause
    assert str(out) in refused.value.cause
    assert "another --out" in refused.value.cure or "release that wrote it" in refused.value.cure
    assert out.read_bytes() == before


def test_what_another_grid_has_is_named(whole: tuple[Grid, Path], tmp_path: Path) -> None:
    other = read_grid(_file(tmp_path, _GRID + "seeds = [2]"))
    with pytest.raises(ConfigError, match=r"seeds was \[1\], and is \[2\]"):
        swept(other, whole[1], jobs=1, look=_nothing)


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_played(
    whole: tuple[Grid, Path],
) -> None:
    grid, _ = whole
    with pytest.raises(ConfigError, match="cannot be written"):
        swept(grid, Path("/proc/none/sweep.json"), jobs=1, look=_nothing)


def test_a_process_that_is_killed_ends_the_sweep_and_what_is_done_is_kept(tmp_path: Path) -> None:
    grid = read_grid(_file(tmp_path, 'stores = ["memory"]\nseeds = [1, 2, 3]\nhours = 0.05'))
    out = tmp_path / "sweep.json"

    def strike(count: int, _before: int) -> None:
        if count == 1:
            for child in multiprocessing.active_children():
                child.kill()

    with pytest.raises(Unplayed, match="ended by itself, exit code -9"):
        swept(grid, out, jobs=1, look=strike)
    assert len(read_sweep(out)["points"]) >= 1
    assert multiprocessing.active_children() == []


# --- the command ------------------------------------------------------------------------------


def test_the_command_tells_people_what_came_of_it(whole: tuple[Grid, Path]) -> None:
    grid, file = whole
    result = run("sim", "sweep", "--grid", grid.name, "--out", file)
    assert result.exit_code == 0, result.stderr
    for word in ("sqlite", "gap p50", "all rules kept in 3 settings", str(file)):
        assert word in result.stdout
    told = json.loads(run("sim", "sweep", "--grid", grid.name, "--out", file, "--json").stdout)
    assert (told["schema"], told["kept"], told["settings"]) == ("coord.swept/1", True, 3)


def test_a_rule_that_was_broken_ends_it_with_its_seed(
    whole: tuple[Grid, Path], tmp_path: Path
) -> None:
    grid, file = whole
    sweep: dict[str, Any] = json.loads(file.read_text())
    first = {"rule": "split", "at_s": 1001.5, "detail": "two of them", "seed": 1}
    sweep["points"][1] |= {"kept": False, "violations": {"count": 1, "first": [first]}}
    out = tmp_path / "sweep.json"
    out.write_text(json.dumps(sweep))
    result = run("sim", "sweep", "--grid", grid.name, "--out", out)
    assert result.exit_code == 1
    for word in ("rules broken in 1 of 3", "sqlite", "seed 1", "1001.500 split"):
        assert word in result.stdout


def test_a_bad_grid_is_told_in_json(tmp_path: Path) -> None:
    file = _file(tmp_path, 'stores = ["redis"]')
    result = run("sim", "--json", "sweep", "--grid", file, "--out", tmp_path / "o.json")
    assert result.exit_code == 5
    told = json.loads(result.stderr)
    assert told["cause"] == f"{file}:1: there is no store 'redis'"
    assert "etcd" in told["cure"]


def test_ctrl_c_keeps_what_is_done_and_leaves_no_process(tmp_path: Path) -> None:
    seeds = [1, *range(100, 140)]
    file = _file(tmp_path, f'stores = ["memory"]\nseeds = {seeds}\nhours = 0.3\n')
    out = tmp_path / "sweep.json"
    command = [sys.executable, "-m", "coord", "sim", "sweep", "--jobs", "1"]
    with subprocess.Popen(
        [*command, "--grid", file, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        env=os.environ | {"COLUMNS": "200"},
    ) as process:
        deadline_s = time.monotonic() + 60
        while not out.exists() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stdout == ""
    assert "the same command goes on" in stderr
    assert "Traceback" not in stderr
    assert 0 < len(read_sweep(out)["points"]) < len(seeds)
    deadline_s = time.monotonic() + 20
    while _running(process.pid) and time.monotonic() < deadline_s:
        time.sleep(0.05)  # what watches over shared memory ends by itself, once we are gone
    assert _running(process.pid) == []


def _running(group: int) -> list[str]:
    """The processes of a group that are more than a number nobody has asked for."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(stat.parent.name)
    return found
