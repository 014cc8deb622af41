"""The file of a machine's pauses: what is read, what is refused and where, how it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import ConfigError
from coord.lab.pauses import parse_pauses, read_pauses, refuse_place, write_pauses

_GOOD: dict[str, Any] = {
    "schema": "coord.pauses/1",
    "for_s": 30.0,
    "observed_s": 60.0,
    "threshold_s": 0.001,
    "unknown": {"pauses_s": [9, 1]},
    "pauses_s": [0.001, 0.002, 0.002, 1],
}


def _refused(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse_pauses(text, "p.json")
    assert refused.value.cure
    return refused.value.cause


def test_a_file_is_read_and_fields_that_are_not_known_are_skipped() -> None:
    found = parse_pauses(json.dumps(_GOOD), "p.json")
    assert found.pauses_s == (0.001, 0.002, 0.002, 1.0)
    assert (found.for_s, found.observed_s, found.threshold_s) == (30.0, 60.0, 0.001)


def test_pauses_from_anywhere_else_need_three_fields_only() -> None:
    text = '{"schema": "coord.pauses/1", "for_s": 3600, "pauses_s": [0.5]}'
    found = parse_pauses(text, "p.json")
    assert (found.observed_s, found.threshold_s, found.pauses_s) == (3600.0, 0.0, (0.5,))


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        ({"schema": "coord.pauses/2"}, 2, "its schema is 'coord.pauses/2'"),
        ({"for_s": None}, 3, "for_s is None"),
        ({"for_s": 0}, 3, "for_s is 0"),
        ({"for_s": -1}, 3, "for_s is -1"),
        ({"for_s": True}, 3, "for_s is True"),
        ({"for_s": 10**400}, 3, "for_s is inf"),
        ({"observed_s": float("nan")}, 4, "observed_s is nan"),
        ({"observed_s": 0.5}, 12, "the pauses are 1.005 s together, and 0.5 s were observed"),
        ({"threshold_s": "1ms"}, 5, "threshold_s is '1ms'"),
        ({"pauses_s": []}, 12, "there is no pause in it"),
        ({"pauses_s": 3}, 12, "pauses_s is no list"),
        ({"pauses_s": [0.001, "x"]}, 14, "pause 2 is 'x'"),
        ({"pauses_s": [0.001, -0.002]}, 14, "pause 2 is -0.002"),
        ({"pauses_s": [0.001, float("inf")]}, 14, "pause 2 is inf"),
        ({"pauses_s": [0.001, 0.003, 0.002]}, 15, "pause 3 is 0.002, and the one before it is"),
        ({"pauses_s": [0.0005]}, 13, "pause 1 is 0.0005, below threshold_s, which is 0.001"),
        ({"pauses_s": [0], "threshold_s": 0}, 13, "pause 1 is 0"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_refused_with_its_line(
    change: dict[str, Any], line: int, says: str
) -> None:
    cause = _refused(json.dumps(_GOOD | change, indent=1))
    assert cause.startswith(f"p.json, line {line}: ")
    assert says in cause


@pytest.mark.parametrize("key", ["for_s", "pauses_s", "schema"])
def test_what_is_missing_is_named(key: str) -> None:
    cause = _refused(json.dumps({name: value for name, value in _GOOD.items() if name != key}))
    assert key in cause


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "p.json is empty"),
        (" \n ", "p.json is empty"),
        ('{"schema":\n "coord.pauses/1"', "p.json, line 2: it is no JSON"),
        ("[1, 2]", "p.json, line 1: it is no JSON object"),
        ("3", "p.json, line 1: it is no JSON object"),
        ("[" * 100_000, "no JSON"),
        ('{"for_s": ' + "1" * 5000 + "}", "no JSON"),
    ],
    ids=["nothing", "blank", "cut off", "list", "number", "deep", "digits"],
)
def test_what_is_no_such_file_at_all_is_refused(text: str, says: str) -> None:
    assert says in _refused(text)


@given(st.text())
def test_whatever_a_file_holds_is_read_or_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_pauses(text, "p.json")


@given(st.lists(st.floats(0.001, 1, allow_nan=False), min_size=1), st.integers(0, 4))
def test_what_is_written_is_read_again(lengths: list[float], indent: int) -> None:
    content = _GOOD | {"pauses_s": sorted(lengths), "observed_s": 1e6}
    found = parse_pauses(json.dumps(content, indent=indent or None), "p.json")
    assert list(found.pauses_s) == content["pauses_s"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, says in (("none", "No such file"), ("", "directory"), ("binary", "is no text")):
        with pytest.raises(ConfigError, match=says):
            read_pauses(tmp_path / name)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    write_pauses(file, _GOOD)
    assert read_pauses(file).pauses_s[-1] == 1
    with pytest.raises(TypeError):
        write_pauses(file, _GOOD | {"zzz": object()})  # half of it is written by then
    assert read_pauses(file).pauses_s[-1] == 1
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "p.json")
    write_pauses(tmp_path / "link", _GOOD)
    assert (tmp_path / "link").is_symlink()
    assert read_pauses(tmp_path / "p.json").for_s == 30


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    for place, says in (
        (tmp_path, "is a directory"),
        (tmp_path / "none" / "p.json", "No such file"),
        (Path("/dev/null"), "is no file"),
    ):
        with pytest.raises(ConfigError, match=says):
            refuse_place(place)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_pauses(tmp_path / "none" / "p.json", _GOOD)
    refuse_place(tmp_path / "p.json")
    assert list(tmp_path.iterdir()) == []
