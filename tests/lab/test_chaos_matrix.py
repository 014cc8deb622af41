"""A column of the hostile matrix for each store: a few of its cells, by the matrix's own code.

All of it is `make matrix`. These are the cells that no other test plays, in modes other than it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.matrix.cells import ROWS, Cell, Plan, unfit
from tests.lab.matrix.playing import play_cell
from tests.servers import require

_CHOSEN = {
    "sqlite": [
        ("localized", "pause half"),
        ("co-leaders", "sigterm leader"),
        ("queue", "memory leader"),
        ("single", "grow all"),
    ],
    "etcd": [
        ("localized", "partition-requests leader"),
        ("co-leaders", "reset all"),
        ("single", "clock-jump follower"),
    ],
    "zookeeper": [
        ("co-leaders", "pause leader"),
        ("localized", "partition-replies leader"),
        ("single", "store-restart store-leader"),
    ],
    "dynamodb": [
        ("localized", "kill leader"),
        ("co-leaders", "conflicts all"),
        ("single", "clock-drift follower, fast"),
    ],
}
_GROUPS = {"etcd": "etcd-cluster", "zookeeper": "zookeeper-cluster"}
_PLAN = Plan(ttl_s=2.0)
_IN_CI = 1


def _marks(number: int) -> list[pytest.MarkDecorator]:
    """CI has time for the first of each store."""
    return [] if number < _IN_CI else [pytest.mark.soak]


def _cells() -> list[object]:
    rows = {row.name: row for row in ROWS}
    return [
        pytest.param(
            cell := Cell(mode, rows[row], store),
            id=cell.name,
            marks=[pytest.mark.xdist_group(_GROUPS.get(store, store)), *_marks(number)],
        )
        for store, chosen in _CHOSEN.items()
        for number, (mode, row) in enumerate(chosen)
    ]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("cell", _cells())
def test_no_rule_is_broken_in_a_cell_of_the_matrix(cell: Cell, tmp_path: Path) -> None:
    if cell.store != "sqlite":
        require(cell.store)
    assert unfit(cell, _PLAN) == ""
    (events := tmp_path / "events").mkdir()
    outcome = play_cell(cell, _PLAN, events=events, scratch=tmp_path)
    assert outcome.state == "kept", outcome.why
    assert outcome.figures is not None
    assert outcome.figures.fenced == 0
    assert outcome.figures.split_s == 0 or outcome.excused
    assert (events / "report.json").exists()
