"""`docs/cli.md` says what the commands do: codes, reasons, and every field of every shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from coord.cli.app import COMMANDS
from coord.cli.changes import Change
from coord.cli.displays import JsonLines, Look
from coord.cli.exits import MEANINGS
from coord.cli.reading import read
from coord.core.explain import Code
from tests.documents import ROOT
from tests.unit.cli.commands import Group, answer, run

PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
_COMMON = {"schema", "group", "store"}


def _section(title: str) -> str:
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def _rows(title: str) -> list[list[str]]:
    lines = [line for line in _section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_the_exit_codes_are_those_of_the_table() -> None:
    assert _rows("Exit codes") == [[f"{code:d}", text] for code, text in MEANINGS.items()]


def test_every_reason_is_explained_in_the_order_of_the_code() -> None:
    assert [row[0].strip("`") for row in _rows("Reasons")] == [code.value for code in Code]


def test_every_command_is_described() -> None:
    titles = ("Looking", "Changing", "Queues and tasks")
    told = [row[0] for title in titles for row in _rows(title)]
    assert {text.split()[1].strip("`") for text in told} == set(COMMANDS)


def _names(value: Any) -> Iterator[str]:  # noqa: ANN401
    """The names of all fields, but not the names of members and roles that are keys."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if re.fullmatch(r"[a-z_ ]+", name) and name not in {"one", "reaper"}:
                yield name
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def _told(group: Group, schema: str) -> dict[str, Any]:
    led = group.join("one")
    group.take(led, "reaper", 0)
    commands: dict[str, tuple[str | int, ...]] = {
        "coord.status/1": ("status", group.url),
        "coord.why/1": ("why", group.url, "reaper"),
        "coord.role/1": ("reshape", group.url, "reaper", "--shards", 2, "--wait", "0s"),
        "coord.depose/1": ("depose", group.url, "reaper", 0),
        "coord.tokens/1": ("tokens", "raise", group.url, "--all", "--to", 5),
    }
    if schema in ("coord.doctor/1", "coord.init/1"):  # memory cannot be reached from elsewhere
        return answer(schema.removeprefix("coord.").removesuffix("/1"), group.url, code=1)
    if schema == "coord.status/1":
        answer("depose", group.url, "reaper", 0)  # so that an ending is shown
    return answer(*commands[schema])


@pytest.mark.parametrize(
    "schema",
    [
        "coord.status/1",
        "coord.why/1",
        "coord.role/1",
        "coord.depose/1",
        "coord.tokens/1",
        "coord.doctor/1",
        "coord.init/1",
    ],
)
def test_every_field_of_an_answer_is_documented(schema: str, group: Group) -> None:
    group.role("reaper", 2 if schema == "coord.status/1" else 1)
    told = _told(group, schema)
    assert told["schema"] == schema
    assert told.keys() >= _COMMON
    section = _section(schema)
    missing = {name for name in _names(told) if f"`{name}`" not in section} - _COMMON
    assert missing == set()


def test_every_field_of_a_change_is_documented(
    group: Group, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"role": "r", "generation": 1, "from": None, "to": "one", "seats": []}
    display, looked = JsonLines(), read(group.found)
    display.show(Look(looked, (Change("led", "x", facts),)))
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    missing = {name for name in told if f"`{name}`" not in _section("coord.change/1")}
    assert missing - _COMMON == set()


def test_every_field_of_an_error_is_documented() -> None:
    told = json.loads(run("status", "sqlite:///no/such/folder/x.db", "--json").stderr)
    missing = {name for name in told if f"`{name}`" not in _section("coord.error/1")}
    assert missing - _COMMON == set()
