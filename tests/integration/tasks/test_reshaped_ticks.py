"""A role is reshaped while a tick of its task is half done, on real processes: each part runs once.

The task names no `parts`: its ticks have as many as the role has shards when they begin.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from coord.model import Shape
from coord.registry import open_store
from coord.tasks import Tick
from tests.integration.fleet import until
from tests.integration.tasks.tickers import Tickers

pytestmark = pytest.mark.xdist_group("modes")

_WITHIN_S = 90.0


@pytest.fixture
def tickers(tmp_path: Path) -> Iterator[Tickers]:
    made = Tickers(tmp_path)
    try:
        yield made
    finally:
        made.close()


def _serve(tickers: Tickers, shards: int) -> list[subprocess.Popen[str]]:
    return tickers.start(
        "localized", 2, every_s=2.0, shards=shards, missed="catch-up", overlap="queue"
    )


def _reshape(tickers: Tickers, shards: int) -> None:
    """What `coord reshape` does."""
    opened = open_store(f"sqlite:///{tickers.folder}/store.db", timeout_s=5.0)
    with closing(opened.store) as store:
        record = store.view(opened.group).roles["localized"]
        store.put_role(opened.group, replace(record, pending=Shape(shards, 1)))


def _half_done(tickers: Tickers, parts: int, held: set[int]) -> Tick:
    """A tick of so many parts, of which those that are held run, and all others are done."""
    tickers.hold(*held)

    def found() -> Tick | None:
        events = [one for one in tickers.events() if one.parts == parts]
        for tick in sorted({one.tick for one in events}, reverse=True):
            done = {one.part for one in events if one.tick == tick and one.what == "done"}
            began = {one.part for one in events if one.tick == tick and one.what == "began"}
            if done == set(range(parts)) - held and began == set(range(parts)):
                return tick
        return None

    return until(found, within_s=_WITHIN_S)  # type: ignore[no-any-return]


def _parts_of(tickers: Tickers) -> dict[Tick, set[int]]:
    """What each tick's runs were told that it is cut into."""
    found: dict[Tick, set[int]] = {}
    for one in tickers.events():
        found.setdefault(one.tick, set()).add(one.parts)
    return found


def _ends(tickers: Tickers, tick: Tick, pids: set[int]) -> set[int]:
    """The parts of a tick that these processes have done."""
    return {
        one.part
        for one in tickers.events()
        if one.what == "done" and one.tick == tick and one.pid in pids
    }


def _is_whole(tickers: Tickers, tick: Tick) -> bool:
    (parts,) = _parts_of(tickers)[tick]
    return {part for one, part in tickers.done() if one == tick} == set(range(parts))


def _finish(tickers: Tickers, processes: list[subprocess.Popen[str]], expected: set[int]) -> None:
    """Every tick is cut in one way, comes to be done whole and once, and none is left out."""
    last = max(_parts_of(tickers))

    def is_whole() -> bool:
        return all(_is_whole(tickers, tick) for tick in _parts_of(tickers) if tick <= last)

    until(is_whole, within_s=_WITHIN_S)
    tickers.end(processes)
    cuts = _parts_of(tickers)
    assert set().union(*cuts.values()) == expected
    assert all(len(parts) == 1 for parts in cuts.values()), "a tick was cut in two ways"
    assert max(tickers.done().values()) == 1, tickers.logs()
    ticks = sorted(cuts)
    assert [(tick.us - ticks[0].us) / 2e6 for tick in ticks] == list(range(len(ticks)))


@pytest.mark.parametrize("mode", ["queue", "single"])
def test_a_fleet_that_leaves_its_shards_in_the_middle_of_a_tick_runs_each_of_its_parts_once(
    tickers: Tickers, mode: str
) -> None:
    """What was cut in four stays so; what begins later has one part."""
    four = _serve(tickers, 4)
    cut_in_four = _half_done(tickers, 4, {1, 3})
    whole = tickers.start(mode, 2, every_s=2.0, missed="catch-up", overlap="queue")
    tickers.end(four)
    tickers.hold()
    pids = {process.pid for process in whole}
    until(lambda: _is_whole(tickers, cut_in_four), within_s=_WITHIN_S)
    assert _ends(tickers, cut_in_four, pids) == {1, 3}
    last = max(_parts_of(tickers))
    until(lambda: max(_parts_of(tickers)) > last, within_s=_WITHIN_S)
    _finish(tickers, whole, {1, 4})


def test_a_reshape_in_the_middle_of_a_tick_runs_each_of_its_parts_once(tickers: Tickers) -> None:
    """From 4 shards to 6 to 3; of the last members of 6 one is killed in the middle of its part."""
    four = _serve(tickers, 4)
    cut_in_four = _half_done(tickers, 4, {1, 3})
    six = _serve(tickers, 6)
    _reshape(tickers, 6)
    tickers.end(four)
    tickers.hold(3)
    pids = {process.pid for process in six}
    until(lambda: _ends(tickers, cut_in_four, pids) == {1}, within_s=_WITHIN_S)
    tickers.hold()
    until(lambda: _is_whole(tickers, cut_in_four), within_s=_WITHIN_S)

    cut_in_six = _half_done(tickers, 6, {0, 5})
    three = _serve(tickers, 3)
    _reshape(tickers, 3)
    os.kill(six[0].pid, signal.SIGKILL)
    tickers.end(six[1:])
    tickers.hold()
    pids = {process.pid for process in three}
    until(lambda: _is_whole(tickers, cut_in_six), within_s=_WITHIN_S)
    assert _ends(tickers, cut_in_six, pids) == {0, 5}
    until(lambda: {3} in _parts_of(tickers).values(), within_s=_WITHIN_S)
    _finish(tickers, three, {3, 4, 6})
