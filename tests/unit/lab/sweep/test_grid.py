"""Grids: what they combine to, and what is refused of them with line, cause and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from coord.errors import ConfigError
from coord.lab.sweep.grid import Grid, grid_of, read_grid

_EXAMPLE = Path(__file__).parents[4] / "examples" / "sim" / "grid.toml"


def _grid(text: str) -> Grid:
    return grid_of(text, "g.toml", beside=Path())


def test_every_combination_is_a_setting_and_seeds_vary_fastest() -> None:
    grid = _grid('stores = ["etcd", "sqlite"]\nttls = ["5s", "10s"]\nseeds = [1, 2]\nhours = 2')
    found = [(one.store, one.ttl_s, one.seed) for one in grid.settings]
    assert found[:3] == [("etcd", 5.0, 1), ("etcd", 5.0, 2), ("etcd", 10.0, 1)]
    assert len(found) == 8
    assert {one.hours for one in grid.settings} == {2.0}
    assert grid.skipped == ()


def test_heartbeats_are_usual_or_a_share_or_a_duration_and_equal_ones_count_once() -> None:
    grid = _grid('ttls = ["10s", "20s"]\nheartbeats = ["usual", "25%", "3s"]')
    found = [(one.ttl_s, one.heartbeat_s) for one in grid.settings]
    assert found == [(10.0, 2.5), (10.0, 3.0), (20.0, 5.0), (20.0, 3.0)]


def test_what_does_not_go_together_is_left_out_with_its_reason() -> None:
    text = 'stores = ["sqlite", "etcd"]\nfaults = ["store-pause"]\nheartbeats = ["2s", "8s"]'
    grid = _grid(text)
    assert [(one.store, one.heartbeat_s) for one in grid.settings] == [("etcd", 2.0)]
    assert len(grid.skipped) == 3
    assert any("budget" in one.reason or "heartbeat" in one.reason for one in grid.skipped)
    assert any("sqlite" in one.reason for one in grid.skipped)


def test_whom_a_fault_strikes_makes_no_setting_where_it_does_not_matter() -> None:
    grid = _grid('faults = ["none", "kill"]\ntargets = ["leader", "all"]')
    assert [(one.fault, one.target) for one in grid.settings] == [
        ("none", "leader"),
        ("kill", "leader"),
        ("kill", "all"),
    ]


def test_equal_grids_have_equal_digests_and_others_do_not() -> None:
    assert _grid("seeds = [1]").digest == _grid('stores = "etcd"').digest
    assert _grid("seeds = [1]").digest != _grid("seeds = [2]").digest


def test_the_example_is_a_grid() -> None:
    assert len(read_grid(_EXAMPLE).settings) == 48


@pytest.mark.parametrize(
    ("text", "cause", "cure"),
    [
        ("\nstore = 3", "g.toml:2: there is no key 'store'", "'stores'"),
        ('hours = 1\nstores = ["redis"]', "g.toml:2: there is no store 'redis'", "etcd34"),
        ('faults = ["kil"]', "g.toml:1: there is no fault 'kil'", "'kill'"),
        ('modes = ["queue"]', "there is no mode 'queue'", "localized"),
        ('targets = ["me"]', "there is no target 'me'", "leader"),
        ("stores = []", "g.toml:1: stores is empty", "leave stores out"),
        ("ttls = [10]", "10 in ttls is no duration", '"5s"'),
        ('ttls = ["-1s"]', "ttls", '"5s"'),
        ('heartbeats = ["150%"]', "'150%' is no share", "25%"),
        ("members = [0]", "0 in members", "from 1 to 1000"),
        ("seeds = [1, 1]", "1 stands twice in seeds", "Leave one out"),
        ("hours = 0", "hours is 0", "above 0"),
        ("hours = true", "hours is True", "above 0"),
        ('every = "2d"', "every is 2d", "86400"),
        ("hours = 1\n\nhours = 2", "g.toml:3: this is no TOML", "twice"),
        ('pauses = "none.json"', "g.toml:1: none.json cannot be read", "coord meter"),
        ('heartbeats = ["9s"]', "g.toml:1: none of the 1 settings can be", "other timings"),
        (f"seeds = {list(range(20_001))}", "20001 settings", "several files"),
    ],
)
def test_a_bad_grid_is_refused_with_line_cause_and_cure(text: str, cause: str, cure: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _grid(text)
    assert cause in refused.value.cause
    assert cure in refused.value.cure


def test_an_empty_file_of_pauses_is_refused_with_the_line_of_the_grid(tmp_path: Path) -> None:
    (tmp_path / "pauses.json").write_text("")
    file = tmp_path / "grid.toml"
    file.write_text('hours = 1\npauses = "pauses.json"')
    with pytest.raises(ConfigError, match=r"grid\.toml:2: .*pauses\.json is empty"):
        read_grid(file)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"a" * (1 << 21)])
def test_what_is_no_grid_at_all_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "grid.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"grid\.toml"):
        read_grid(file)
