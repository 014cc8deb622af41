"""The hostile matrix: what is in it, how its table reads, how it goes on where it was left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from coord.lab.chaos.faults import CATALOGUE
from coord.lab.chaos.reading import read
from coord.lab.chaos.writing import to_toml
from tests.documents import ROOT
from tests.lab.chaos_runs import FACTS, healthy, saved
from tests.lab.matrix import __main__ as command
from tests.lab.matrix.cells import (
    MODE_NAMES,
    ROWS,
    STORES,
    Cell,
    Plan,
    cells,
    columns,
    scenario_of,
    unfit,
)
from tests.lab.matrix.results import Figures, Outcome, Results, failed, outcome_of
from tests.lab.matrix.table import BEGIN, END, RED, render, with_table

PLAN = Plan()
CELL = Cell("single", ROWS[0], "sqlite")
OTHER = Cell("single", ROWS[0], "etcd")
FIGURES = Figures(
    gap_s=2.34,
    split_s=0.0,
    faux_s=0.012,
    false_failovers=1,
    attempted=3,
    fenced=0,
    unfenced=2,
)


def _outcome(cell: Cell = CELL, plan: Plan = PLAN) -> Outcome:
    return Outcome(
        cell=cell.name,
        state="kept",
        scenario=to_toml(scenario_of(cell, plan)),
        figures=FIGURES,
        date="2026-01-02 03:04",
    )


def _table(*outcomes: Outcome) -> str:
    return render({one.cell: one for one in outcomes}, PLAN, ("single",), "a machine")


def _row(table: str, name: str = CELL.row.name) -> list[str]:
    [line] = [line for line in table.splitlines() if line.startswith(f"| {name} |")]
    return [part.strip() for part in line.strip("|").split("|")]


# --- what is in it ---------------------------------------------------------------------------


def test_every_fault_of_the_catalogue_has_a_row_and_a_target_that_it_can_strike() -> None:
    assert {row.fault for row in ROWS} == set(CATALOGUE)
    assert all(row.target in CATALOGUE[row.fault].targets for row in ROWS)
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)


def test_every_row_is_in_every_column_of_every_mode() -> None:
    found = list(cells())
    assert len({cell.name for cell in found}) == len(found)
    assert len(found) == len(ROWS) * sum(len(columns(mode)) for mode in MODE_NAMES)
    assert [columns(mode) for mode in MODE_NAMES] == [*[tuple(STORES)] * 3, ("sqlite",)]


def test_what_is_played_can_be_written_and_read_as_any_scenario(tmp_path: Path) -> None:
    file = tmp_path / "cell.toml"
    for cell in cells():
        if not unfit(cell, PLAN):
            scenario = scenario_of(cell, PLAN)
            file.write_text(to_toml(scenario))
            assert read(file) == scenario


def test_a_cell_that_does_not_apply_says_why_in_the_fault_s_own_words() -> None:
    [row] = [row for row in ROWS if row.name == "partition leader"]
    assert unfit(Cell("single", row, "sqlite"), PLAN) == "a file has no network"
    assert "no store is used" in unfit(Cell("queue", row, "sqlite"), PLAN)
    assert unfit(Cell("queue", ROWS[0], "sqlite"), PLAN) == ""


# --- how it reads ----------------------------------------------------------------------------


def test_a_cell_shows_its_figures_in_the_order_that_the_page_tells() -> None:
    assert _row(_table(_outcome()))[1:3] == ["2.3 · 0 · 0.01 · 1 · 3:0:2", "not played"]


def test_a_broken_rule_is_red_and_named_below_the_table() -> None:
    why = "split: single/1/0 for 0.200 s"
    table = _table(replace(_outcome(), state="broken", why=(why,)))
    assert _row(table)[1] == f"{RED} **2.3 · 0 · 0.01 · 1 · 3:0:2** (1)"
    assert f"(1) {why}" in table
    assert "red: 1" in table


def test_a_cell_that_was_not_played_to_its_end_is_red() -> None:
    table = _table(failed(CELL, PLAN, "WorkerFailed: m1 ended by itself"))
    assert _row(table)[1] == f"{RED} **failed** (1)"
    assert "(1) WorkerFailed: m1 ended by itself" in table


def test_a_long_reason_is_one_line_and_no_more_than_fits() -> None:
    table = _table(failed(CELL, PLAN, "WorkerFailed: Trace\n  back | " + "x " * 500))
    [note] = [line for line in table.splitlines() if line.startswith("(1) ")]
    assert note.startswith("(1) WorkerFailed: Trace back / x x")
    assert note.rstrip().endswith("…")
    assert len(note) < 320


def test_what_was_the_store_s_is_told_with_its_reason() -> None:
    table = _table(replace(_outcome(), excused=("split: the store broke it",) * 2))
    assert _row(table)[1].endswith("3:0:2 (1)")
    assert "(1) split: the store broke it" in table


def test_the_same_reason_is_told_once_in_a_table() -> None:
    table = _table()
    assert table.count("a file has no network") == 1
    shown = {_row(table, row.name)[1] for row in ROWS if "partition" in row.name}
    assert len(shown) == 1
    assert "–" in shown.pop()


def test_the_table_stands_between_its_marks_and_nowhere_else() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = with_table(page, "new")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert with_table(once, "new") == once
    with pytest.raises(ValueError, match="no place"):
        with_table("before", "new")


def test_the_page_has_a_place_for_it() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert "red" in with_table(page, _table())


# --- how it goes on --------------------------------------------------------------------------


def test_what_came_of_a_run_is_written_down_and_read_again(tmp_path: Path) -> None:
    outcome = outcome_of(CELL, PLAN, saved(tmp_path, healthy(), FACTS))
    assert outcome.state == "kept"
    assert outcome.figures is not None
    assert (outcome.figures.attempted, outcome.figures.fenced, outcome.figures.unfenced) == (
        2,
        0,
        1,
    )
    results = Results(tmp_path / "build" / "cells.jsonl")
    assert results.all() == {}
    results.add(outcome)
    assert results.all() == {CELL.name: outcome}


def test_the_last_word_on_a_cell_counts_and_half_a_line_does_not(tmp_path: Path) -> None:
    results = Results(file := tmp_path / "cells.jsonl")
    results.add(failed(CELL, PLAN, "a busy machine"))
    results.add(_outcome())
    with file.open("a") as lines:
        lines.write('{"cell": "half a li')
    assert results.all() == {CELL.name: _outcome()}


class _Played:
    """What would have been played, instead of playing it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, *_: object) -> _Played:
        return self

    def play(self, left: Sequence[Cell], plan: Plan, *, lanes: int) -> None:
        self.names += [cell.name for cell in left]


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Played:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}{END}")
    monkeypatch.setattr(command, "_PAGE", page)
    monkeypatch.setattr(command, "_DIRECTORY", tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(command, "Lanes", found := _Played())
    return found


def _ask(*more: str) -> int:
    chosen = ["--stores", "sqlite", "etcd", "--modes", "single", "--faults", "kill"]
    return command.main([*chosen, *more])


def test_only_what_is_left_is_played(tmp_path: Path, played: _Played) -> None:
    results = Results(tmp_path / "cells.jsonl")
    results.add(_outcome(CELL))
    results.add(failed(OTHER, PLAN, "a busy machine"))
    assert _ask() == 1
    first, second = (row.name for row in ROWS if row.fault == "kill")
    left = [f"single / {first} / etcd", *(f"single / {second} / {s}" for s in ("sqlite", "etcd"))]
    assert played.names == left


def test_a_cell_that_is_played_otherwise_by_now_is_played_again(
    tmp_path: Path, played: _Played
) -> None:
    Results(tmp_path / "cells.jsonl").add(_outcome(CELL))
    assert _ask("--ttl", "5s") == 0
    assert CELL.name in played.names


def test_all_is_played_again_if_that_is_asked_for(tmp_path: Path, played: _Played) -> None:
    Results(tmp_path / "cells.jsonl").add(_outcome(CELL))
    assert _ask("--again") == 0
    assert CELL.name in played.names


@pytest.mark.parametrize(("more", "again"), [((), False), (("--red",), True)])
def test_a_broken_rule_stays_until_its_cell_is_asked_for_again(
    tmp_path: Path, played: _Played, more: tuple[str, ...], again: bool
) -> None:
    """Another throw of the dice does not make it undone."""
    Results(tmp_path / "cells.jsonl").add(replace(_outcome(CELL), state="broken"))
    assert _ask(*more) == 1
    assert (CELL.name in played.names) is again


def test_a_red_cell_ends_it_with_1_and_is_told_with_its_run(
    tmp_path: Path, played: _Played, capsys: pytest.CaptureFixture[str]
) -> None:
    red = replace(_outcome(), state="broken", why=("split: x",), events="runs/x")
    Results(tmp_path / "cells.jsonl").add(red)
    assert _ask("--render") == 1
    assert played.names == []
    told = capsys.readouterr().out
    assert f"RED {CELL.name}: split: x\n    runs/x" in told
    assert f"{RED} **" in (tmp_path / "page.md").read_text()
