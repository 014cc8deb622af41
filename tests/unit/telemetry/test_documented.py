"""docs/events.md and the table of fields say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coord.lab.measure.failover import DEMOTIONS
from coord.telemetry.schema import COMMON, KINDS

PAGE = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
SCOPE = {"role", "generation", "shard", "seat", "token"}


def documented() -> dict[str, str]:
    """The rows of the table of kinds: name to fields and meaning."""
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
    return {name: fields for name, fields, _ in rows}


def test_every_kind_is_documented_and_no_other() -> None:
    table = PAGE[PAGE.index("| Kind |") : PAGE.index("Optional fields:")]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_and_choice_of_a_kind_is_documented(kind: str) -> None:
    row = documented()[kind]
    named = set(re.findall(r"`([\w-]+)`", row)) | (SCOPE if "scope" in row else set())
    fields = KINDS[kind]
    assert named == set(fields) | {choice for field in fields.values() for choice in field.choices}


def test_the_common_fields_are_documented() -> None:
    assert {name for name in COMMON if f"| `{name}` |" in PAGE} == set(COMMON)


def test_the_optional_fields_are_named_as_such() -> None:
    sentence = PAGE[PAGE.index("Optional fields:") :].split("\n\n")[0]
    optional = {
        name for fields in KINDS.values() for name, field in fields.items() if not field.required
    }
    assert set(re.findall(r"`(\w+)`", sentence)) == optional


def test_the_notes_that_count_as_demotions_are_documented() -> None:
    assert all(f"`{what}`" in documented_notes() for what in DEMOTIONS)


def documented_notes() -> str:
    return next(line for line in PAGE.splitlines() if line.startswith("| `note`"))
