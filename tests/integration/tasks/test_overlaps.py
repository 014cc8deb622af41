"""Runs that outlast their period, in every mode, on real processes: what becomes of each tick.

A part takes longer than two periods. What each policy promises is read from the runs' own journal,
and what was left out must stand in the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from coord.tasks import Tick
from tests.integration.fleet import until
from tests.integration.tasks.tickers import Run, Tickers

pytestmark = pytest.mark.xdist_group("modes")

_EVERY_S = 1.0
_TAKES_S = 2.5
_LONG_S = 8.0
_PARTS = 2
_MODES = ["single", "localized", "co-leaders", "queue"]


@pytest.fixture
def tickers(tmp_path: Path) -> Iterator[Tickers]:
    made = Tickers(tmp_path)
    try:
        yield made
    finally:
        made.close()


def _fleet(
    tickers: Tickers,
    mode: str,
    overlap: str,
    *,
    runs: int,
    missed: str = "once",
    takes_s: float = _TAKES_S,
) -> None:
    """Two processes until so many runs have ended, then an orderly end."""
    processes = tickers.start(
        mode, 2, every_s=_EVERY_S, takes_s=takes_s, parts=_PARTS, overlap=overlap, missed=missed
    )
    until(lambda: sum(run.end is not None for run in tickers.runs()) >= runs, within_s=90.0)
    tickers.end(processes)


def _check_each_unit(tickers: Tickers) -> list[Run]:
    """No unit is done twice, no two runs of one part overlap, and each tick is accounted for."""
    runs = tickers.runs()
    assert max(tickers.done().values(), default=0) <= 1, tickers.logs()
    for part in range(_PARTS):
        mine = [run for run in runs if run.began.part == part]
        for before, after in pairwise(mine):
            assert before.end is not None
            assert before.end.at_s <= after.began.at_s, "two runs of one part at once"
        began = {run.began.tick for run in mine}
        skipped = {tick for tick, other in tickers.skipped() if other in (part, None)}
        first, last = min(began), max(began)
        for us in range(first.us, last.us, round(_EVERY_S * 1e6)):
            assert Tick(us) in began | skipped, f"{Tick(us)} has vanished\n{tickers.logs()}"
    return runs


def _ended_by_itself(runs: list[Run]) -> list[Run]:
    """Those that did not end with their process."""
    last_s = max(run.began.at_s for run in runs)
    return [run for run in runs if run.end is not None and run.end.at_s < last_s]


@pytest.mark.parametrize("mode", ["single", "localized", "co-leaders"])
def test_the_run_is_told_and_the_newer_tick_runs_where_it_replaces(
    tickers: Tickers, mode: str
) -> None:
    _fleet(tickers, mode, "replace", runs=8, takes_s=_LONG_S)
    runs = _check_each_unit(tickers)
    ended = _ended_by_itself(runs)
    assert len(ended) >= 4
    for run in ended:
        assert run.end is not None
        assert run.end.what == "told", "it takes longer than its period"
        assert run.end.at_s - run.began.at_s < _LONG_S
        unit = run.began.tick, run.began.part
        assert tickers.skipped().get(unit) == {"replaced"}, tickers.logs()
    for run in runs:
        again = [one for one in runs if one.began[2:4] == run.began[2:4]]
        assert len(again) == 1, "what was replaced is not begun again"


@pytest.mark.parametrize("mode", _MODES)
def test_the_newer_tick_is_dropped_where_it_is_skipped(tickers: Tickers, mode: str) -> None:
    _fleet(tickers, mode, "skip", runs=6)
    runs = _check_each_unit(tickers)
    for run in _ended_by_itself(runs):
        assert run.end is not None
        assert run.end.what == "done"
        part, following = run.began.part, run.began.tick.shifted(round(_EVERY_S * 1e6))
        assert "overlap" in tickers.skipped().get((following, part), set()), tickers.logs()


@pytest.mark.parametrize("mode", [*_MODES, "queue-replace"])
def test_every_tick_waits_for_its_turn_where_they_queue(tickers: Tickers, mode: str) -> None:
    """With all of the window wanted none is dropped. On a queue those that replace wait too."""
    overlap = "replace" if mode == "queue-replace" else "queue"
    _fleet(tickers, mode.partition("-r")[0], overlap, runs=6, missed="catch-up")
    runs = _check_each_unit(tickers)
    assert not tickers.skipped()
    for run in _ended_by_itself(runs):
        assert run.end is not None
        assert run.end.what == "done"
    for part in range(_PARTS):
        ticks = [run.began.tick for run in runs if run.began.part == part]
        spread = [(tick.us - ticks[0].us) / 1e6 for tick in ticks]
        assert spread == [_EVERY_S * n for n in range(len(ticks))], "in order, none left out"
