"""Where the wall clock is read: for people, for sweeping garbage and for schedules, and no more.

Locks of other systems compared wall clocks of several machines, and had two holders.
"""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.project import named, parsed, python_files

_READERS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
}
_MAY = {
    "coord/tasks/budget.py": "so much in any hour",
    "coord/tasks/runner/serving.py": "when a task is due",
    "coord/tasks/queue/worker.py": "ages of messages, for people and for scaling",
    "coord/tasks/ledger/ledger.py": "when a record was written, for people",
    "coord/tasks/ledger/sql.py": "which rows are old enough to be removed",
    "backends/coord_dynamodb/items.py": "expiry of garbage, and numbers nobody compares",
    "backends/coord_dynamodb/ledger.py": "expiry of garbage",
    "backends/coord_dynamodb/once.py": "expiry of garbage",
    "backends/coord_sqlite/ledger.py": "which rows are old enough to be removed",
    "backends/coord_sqlite/queue_rows.py": "ages of messages, for people",
}
_ASIDE = ("coord/cli/", "coord/lab/", "coord/testing/", "coord/telemetry/")


def _reads(path: Path) -> bool:
    """Whether any function of the module is handed or calls what reads the wall clock."""
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in _READERS
        for node in ast.walk(parsed(path))
    )


def test_nothing_that_decides_about_ownership_reads_the_wall_clock() -> None:
    found = {
        named(path)
        for path in python_files("coord", "backends")
        if not named(path).startswith(_ASIDE) and _reads(path)
    }
    assert found - set(_MAY) == set()
    assert set(_MAY) - found == set(), "these read it no more"
