"""The picture of a calibration: a point for each median, in its place, and a row for each point."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from coord.cli import main
from coord.errors import ConfigError
from coord.lab.calibration.saved import calibration_json, write_calibration
from coord.lab.report import calibration_view, page
from coord.lab.report.scatter import counted_rows, scatter, scatter_rows
from tests.unit.lab.report.pages import outline, parsed


def _cell(metric: str, real_s: float | None, simulated_s: float | None) -> dict[str, Any]:
    there = real_s is not None and simulated_s is not None
    off_s = (simulated_s or 0.0) - (real_s or 0.0)
    bound_s = max(0.1 * (real_s or 0.0), 0.15)
    side = {"n": 9, "p25": real_s, "p75": real_s}
    return {
        "metric": metric,
        "real": {**side, "p50": real_s, "interval": None},
        "simulated": {**side, "p50": simulated_s},
        "difference_s": off_s if there else None,
        "bound_s": bound_s if there else None,
        "within": abs(off_s) <= bound_s if there else None,
        "why": "the lab's <work> differs" if abs(off_s) > bound_s else "",
    }


def _side(requests: float) -> dict[str, Any]:
    counts = {"false_failovers": 0, "duplicates": 2, "missed": 0, "blast_radius": 1.0}
    stale = {"attempted": 6, "accepted": 0, "accepted_unfenced": 3}
    figures = {**counts, "stale_acts": stale, "store_requests_per_member_s": requests}
    return {"rounds": 4, "figures": figures}


def _calibration(cells: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "fault": "kill",
        "title": "t",
        "digest": "d",
        "state": "measured",
        "cause": "",
        "real": _side(2.5),
        "simulated": _side(2.25),
    }
    unfit: dict[str, Any] = {
        "fault": "partition",
        "state": "does not apply",
        "cause": "no network",
        "cells": [],
    }
    pairs = [{**row, "store": "etcd", "cells": cells}, {**row, **unfit, "store": "sqlite"}]
    return calibration_json(pairs)


CELLS = [
    _cell("gap_s", 2.0, 2.1),
    _cell("split_s", 0.0, 0.0),
    _cell("faux_s", 1.0, 0.4),
    _cell("failover_s", None, 1.0),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "calibration.json"
    write_calibration(path, _calibration(CELLS))
    return path


def _places(drawn: str) -> dict[str, tuple[float, float]]:
    """By title, where the points are."""
    found = re.findall(
        r'<a href="[^"]*" aria-label="([^"]*)"[^>]*>.*?<path d="M([\d.]+) ([\d.]+)m', drawn
    )
    return {title: (float(x), float(y)) for title, x, y in found}


def test_points_lie_on_above_and_below_the_diagonal_as_the_medians_do() -> None:
    drawn = scatter("c", calibration_view(_calibration(CELLS), "c.json"))
    places = _places(drawn)
    assert len(places) == 3  # the failover has no real median, and no place
    off = {
        title.partition(" ")[0]: (x - 56) / (400 - 56) - (360 - y) / (360 - 16)
        for title, (x, y) in places.items()
    }
    assert off["split"] == pytest.approx(0.0, abs=1e-3)
    assert off["gap"] < -0.005  # simulated more than real: above the diagonal
    assert off["faux"] > 0.1


def test_the_bound_around_a_point_is_what_decides_whether_it_is_beyond() -> None:
    at_s = 1.0
    for simulated_s, beyond in ((1.149, False), (1.151, True)):
        view = calibration_view(_calibration([_cell("gap_s", at_s, simulated_s)]), "c")
        assert ("beyond" in scatter("c", view).partition("</desc>")[2]) is beyond
        assert (view.bound_s(at_s), view.bound_s(10.0)) == (0.15, 1.0)


def test_each_point_leads_to_its_row_which_has_the_figures_and_the_reason() -> None:
    view = calibration_view(_calibration(CELLS), "c.json")
    links = re.findall(r'href="#(c-row\d)"', scatter("c", view))
    told = scatter_rows("c", view)
    rows = dict(re.findall(r'<tr id="(c-row\d)"[^>]*>(.*?)</tr>', told))
    assert links == ["c-row1", "c-row2", "c-row3"]
    assert set(rows) == {"c-row1", "c-row2", "c-row3", "c-row4"}
    assert "2.000" in rows["c-row1"]
    assert "within the bound" in rows["c-row1"]
    assert "the lab&#x27;s &lt;work&gt; differs" in rows["c-row3"]
    assert "not compared" in rows["c-row4"]
    parsed(scatter("c", view))
    parsed(told)


def test_what_is_counted_stands_beside_each_other_by_the_round() -> None:
    told = counted_rows(calibration_view(_calibration(CELLS), "c.json"))
    parsed(told)
    for pair in ("1.50 / 1.50", "0.75 / 0.75", "0.50 / 0.50", "1.00 / 1.00", "2.50 / 2.25"):
        assert f"<td>{pair}</td>" in told
    damaged = _calibration(CELLS)
    del damaged["pairs"][0]["real"]["figures"]["stale_acts"]
    with pytest.raises(ConfigError, match="'stale_acts'"):
        calibration_view(damaged, "c.json")


def test_the_page_has_the_section_and_says_what_was_left_out(file: Path) -> None:
    view = calibration_view(json.loads(file.read_text()), str(file))
    told = page([], calibrations=[view])
    assert {"calibration", "calibration1", "calibration1-row1"} <= set(outline(told).ids)
    assert "partition on sqlite: does not apply: no network" in told
    assert 'data-export="png"' in told


def test_the_command_takes_a_calibration(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    with pytest.raises(SystemExit) as ended:
        main(["report", str(file), "--out", str(out), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (ended.value.code, told["sweeps"], told["calibrations"]) == (0, [], [str(file)])
    assert "calibration1-row1" in out.read_text()


def test_a_calibration_of_another_schema_or_without_figures_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text().replace("calibration/1", "calibration/9"))
    with pytest.raises(SystemExit) as ended:
        main(["report", str(file), "--out", str(tmp_path / "page.html")])
    said = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 5
    assert "line 2" in said
    assert "coord.calibration/9" in said
    with pytest.raises(ConfigError, match="nothing that was measured"):
        calibration_view(_calibration([]), "c.json")
