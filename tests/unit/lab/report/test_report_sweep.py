"""Pictures of a sweep: the front, the heat maps, the model beside them, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from coord.cli import main
from coord.cli.exits import ExitCode
from coord.lab.report import Limits, gather, page, sweep_view
from coord.lab.report.choice import cells, front
from coord.lab.report.front import pareto
from coord.lab.report.heat import heat_map
from coord.lab.report.shared import beta_sweep
from coord.lab.sweep.grid import grid_of
from coord.lab.sweep.point import played
from coord.lab.sweep.saved import read_sweep, sweep_json, write_sweep
from tests.lab.chaos_runs import healthy, saved
from tests.unit.lab.report.pages import outline, parsed

GRID = """
ttls = ["5s", "15s"]
heartbeats = ["1s", "2s", "4s"]
faults = ["kill", "pause"]
hours = 0.05
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep that the simulator made, whole."""
    folder = tmp_path_factory.mktemp("sweep")
    grid = grid_of(GRID, "grid.toml", beside=folder)
    path = folder / "sweep.json"
    write_sweep(path, sweep_json(grid, {n: played(one) for n, one in enumerate(grid.settings)}))
    return path


def _changed(file: Path, folder: Path, **more: Any) -> Path:  # noqa: ANN401
    changed = folder / "changed.json"
    changed.write_text(json.dumps({**json.loads(file.read_text()), **more}, indent=1))
    return changed


def _refused(
    capsys: pytest.CaptureFixture[str], file: Path, *more: str
) -> tuple[int | str | None, str]:
    out = file.parent / "refused.html"
    with pytest.raises(SystemExit) as ended:
        main(["report", str(file), *more, "--out", str(out)])
    assert not out.exists()
    return ended.value.code, " ".join(capsys.readouterr().err.split())


def test_no_setting_of_the_front_is_beaten_by_another(file: Path) -> None:
    points = sweep_view(read_sweep(file), "sweep").points
    assert len(points) == 10, "a heartbeat of 4 s leaves no time within a ttl of 5 s"
    best = front(points)
    assert best
    for one in best:
        assert not [
            other
            for other in points
            if (other.gap_s <= one.gap_s and other.stale < one.stale)
            or (other.gap_s < one.gap_s and other.stale <= one.stale)
        ]


def test_only_the_timings_of_client_go_are_starred(file: Path) -> None:
    points = [one for one in sweep_view(read_sweep(file), "s").points if one.fault == "kill"]
    assert [(one.ttl_s, one.heartbeat_s) for one in points if one.starred] == [(15.0, 2.0)]
    drawn = pareto("p", "kill", points)
    stars = [one for one in parsed(drawn).iter() if one.get("class") == "star"]
    assert len(stars) == 2, "one in the plot, one in the legend"
    marks = [one for one in parsed(drawn).iter() if "mark" in one.get("class", "").split()]
    assert len(marks) == len(points) + 1


def test_a_pair_of_timings_is_told_at_its_worst_and_marked_only_within_the_limits(
    file: Path,
) -> None:
    points = sweep_view(read_sweep(file), "s").points
    found = cells(points)
    for (ttl_s, heartbeat_s), cell in found.items():
        here = [one for one in points if (one.ttl_s, one.heartbeat_s) == (ttl_s, heartbeat_s)]
        assert len(here) == 2
        assert cell.gap_s == max(one.worst_gap_s for one in here)
    for limits, ttls in (
        (Limits(), 0),
        (Limits(gap_s=8.0, split_s=0.0), 2),
        (Limits(gap_s=60.0), 5),
        (Limits(gap_s=0.1), 0),
    ):
        drawn = parsed(heat_map("h", "timings", points, limits))
        assert sum(one.get("class") == "fits" for one in drawn.iter()) == ttls


def test_the_model_of_co_leaders_has_a_curve_for_each_beta_and_names_its_floor() -> None:
    drawn = parsed(beta_sweep("beta"))
    assert "beta 0.05: never below 5.0e-04" in str(drawn[1].text)
    assert sum(one.get("class", "").startswith("part") for one in drawn.iter()) == 8


def test_a_page_of_a_sweep_and_a_run_has_the_pictures_of_both(file: Path, tmp_path: Path) -> None:
    saved(tmp_path, healthy())
    view = sweep_view(read_sweep(file), "s")
    both = page([gather(tmp_path)], [view, view], Limits(gap_s=8.0))
    found = outline(both)
    assert len(found.ids) == len(set(found.ids))
    assert {one["href"][1:] for one in found.of("a")} <= set(found.ids)
    assert {"timings", "matrix", "runs", "sweep1-kill", "sweep2-kill", "beta"} <= set(found.ids)
    alone = outline(page([], [view]))
    assert "timings" in alone.ids
    assert "matrix" not in alone.ids


def test_the_command_takes_a_sweep_and_limits(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = file.parent / "lab.html"
    words = ["report", str(file), "--gap-slo", "8s", "--split-slo", "0s", "--out", str(out)]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    told: Mapping[str, Any] = json.loads(capsys.readouterr().out)
    assert (ended.value.code, told["sweeps"], told["runs"]) == (0, [str(file)], [])
    assert "gap at most 8 s and split at most 0 s" in out.read_text()


def test_a_sweep_of_another_schema_version_is_refused_with_line_cause_and_cure(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = _refused(capsys, _changed(file, tmp_path, schema="coord.sweep/9"))
    assert code == ExitCode.CONFIG
    assert "changed.json, line 2" in said
    assert "coord.sweep/9" in said
    assert "Read it with the release that wrote it" in said


def test_a_sweep_that_is_damaged_or_empty_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = json.loads(file.read_text())["points"]
    bare = [{**points[0], "setting": {"mode": "single"}}]
    code, said = _refused(capsys, _changed(file, tmp_path, points=bare))
    assert code == ExitCode.CONFIG
    assert "point 0 has no usable 'store'" in said
    code, said = _refused(capsys, _changed(file, tmp_path, points=[]))
    assert code == ExitCode.CONFIG
    assert "has no settings that were simulated" in said


def test_a_limit_that_is_no_duration_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _refused(capsys, file, "--gap-slo", "soon")[0] == ExitCode.CONFIG
