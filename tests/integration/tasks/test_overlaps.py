"""Runs that outlast their period, in every mode, on real processes: what becomes of each tick.

A part takes longer than two periods, and the fleets of all modes run side by side. What each policy
promises is read from the runs' own journal, and what was left out must stand in the log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from coord.tasks import Tick
from tests.integration.fleet import until
from tests.integration.tasks.tickers import Run, Tickers

pytestmark = [pytest.mark.xdist_group("modes"), pytest.mark.timeout(240)]

_EVERY_S = 1.0
_TAKES_S = 2.5
_LONG_S = 8.0
_TTL_S = 10.0  # many processes on few cores: nobody is to lose a term or a message by that
_PARTS = 2
_MODES = ["single", "localized", "co-leaders", "queue"]


_BRIEF, _LONG = 4, 24  # runs of each fleet


@pytest.fixture
def fleets(tmp_path: Path) -> Iterator[Callable[..., dict[str, Tickers]]]:
    """Plays fleets of several modes side by side, each with files of its own."""
    made: dict[str, Tickers] = {}

    def play(modes: list[str], overlap: str, *, runs: int, **told: Any) -> dict[str, Tickers]:  # noqa: ANN401
        """Two processes each until so many runs of each have ended, then an orderly end."""
        processes = {}
        for named in modes:
            folder = tmp_path / named
            folder.mkdir()
            tickers = made[named] = Tickers(folder)
            mode, _, other = named.partition("-r")
            wanted = {"takes_s": _TAKES_S, "overlap": "replace" if other else overlap, **told}
            processes[named] = tickers.begin(
                mode, 2, every_s=_EVERY_S, parts=_PARTS, ttl_s=_TTL_S, **wanted
            )
        for named, started in processes.items():
            made[named].await_served(started)
        for tickers in made.values():
            until(lambda: _ended(tickers) >= runs, within_s=90.0 + 3.0 * runs)  # noqa: B023
        for named, started in processes.items():
            made[named].end(started)
        return made

    try:
        yield play
    finally:
        for tickers in made.values():
            tickers.close()


def _ended(tickers: Tickers) -> int:
    return sum(run.end is not None for run in tickers.runs())


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


def _ended_by_itself(tickers: Tickers) -> list[Run]:
    """Those that did not end with their process, and had time to be told of; nor because their
    unit went to the other process, as at the start, when that one joins.
    """
    runs = tickers.runs()
    last_s = min(tickers.end_asked_s, max(run.began.at_s for run in runs))
    by = defaultdict(set)
    for run in runs:
        by[run.began.tick, run.began.part].add(run.began.pid)
    return [
        run
        for run in runs
        if run.end is not None
        and run.end.at_s < last_s
        and len(by[run.began.tick, run.began.part]) == 1
    ]


_RUNS = pytest.mark.parametrize(
    "runs",
    [_BRIEF, pytest.param(_LONG, marks=[pytest.mark.soak, pytest.mark.timeout(600)])],
)


@_RUNS
def test_the_run_is_told_and_the_newer_tick_runs_where_it_replaces(
    fleets: Callable[..., dict[str, Tickers]], runs: int
) -> None:
    modes = ["single", "localized", "co-leaders"]
    for tickers in fleets(modes, "replace", runs=2 * runs, takes_s=_LONG_S).values():
        seen = _check_each_unit(tickers)
        ended = _ended_by_itself(tickers)
        assert len(ended) >= runs
        for run in ended:
            assert run.end is not None
            assert run.end.what == "told", "it takes longer than its period"
            assert run.end.at_s - run.began.at_s < _LONG_S
            unit = run.began.tick, run.began.part
            assert tickers.skipped().get(unit) == {"replaced"}, tickers.logs()
        for run in ended:
            again = [one for one in seen if one.began[2:4] == run.began[2:4]]
            assert len(again) == 1, "what was replaced is not begun again"


@_RUNS
def test_the_newer_tick_is_dropped_where_it_is_skipped(
    fleets: Callable[..., dict[str, Tickers]], runs: int
) -> None:
    for tickers in fleets(_MODES, "skip", runs=runs).values():
        _check_each_unit(tickers)
        ended = _ended_by_itself(tickers)
        assert ended
        for run in ended:
            assert run.end is not None
            assert run.end.what == "done"
            part, following = run.began.part, run.began.tick.shifted(round(_EVERY_S * 1e6))
            assert "overlap" in tickers.skipped().get((following, part), set()), tickers.logs()


@_RUNS
def test_every_tick_waits_for_its_turn_where_they_queue(
    fleets: Callable[..., dict[str, Tickers]], runs: int
) -> None:
    """With all of the window wanted none is dropped. On a queue those that replace wait too."""
    modes = [*_MODES, "queue-replace"]
    for tickers in fleets(modes, "queue", runs=runs, missed="catch-up").values():
        seen = _check_each_unit(tickers)
        assert not tickers.skipped()
        ended = _ended_by_itself(tickers)
        assert ended
        for run in ended:
            assert run.end is not None
            assert run.end.what == "done"
        for part in range(_PARTS):
            begun = [run.began.tick for run in seen if run.began.part == part]
            ticks = list(
                dict.fromkeys(begun)
            )  # one that the other process took over is begun twice
            spread = [(tick.us - ticks[0].us) / 1e6 for tick in ticks]
            assert spread == [_EVERY_S * n for n in range(len(ticks))], "in order, none left out"
