"""The chaos tests that users are to copy from hold, as they stand, on what needs no installing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.documents import ROOT

_EXAMPLES = ROOT / "examples" / "chaos"


@pytest.mark.timeout(300)
@pytest.mark.xdist_group("tested-fleet")
def test_the_chaos_tests_of_the_examples_pass() -> None:
    command = [sys.executable, "-m", "pytest", "--chaos", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, str(_EXAMPLES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert "3 passed" in run.stdout
