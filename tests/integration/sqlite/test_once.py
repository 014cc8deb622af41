"""`SqlOnce` in processes that end between any two steps: the effect is there once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.sqlite.once_child import DIED

LEAST_STEPS = {"first": 16, "later": 12}
"""Before and after each statement: begin, insert, read, the work, finish, commit; the table."""


@pytest.mark.parametrize("when", LEAST_STEPS)
def test_an_effect_survives_a_crash_at_any_step_exactly_once(tmp_path: Path, when: str) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "tests.integration.sqlite.once_child", str(tmp_path), when],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    *crashed, whole = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert whole["ended"] == 0
    assert len(crashed) >= LEAST_STEPS[when]
    assert {one["ended"] for one in crashed} == {DIED}
    assert {one["after"] for one in [*crashed, whole]} == {1}
    assert {one["between"] for one in crashed} == {0, 1}, "no crash came after the commit"
