"""Which tests run: long runs and measurements only when asked for; hypothesis at their scale.

And where their files lie: in memory where there is room. Four lanes share one disk, each commit of
SQLite waits for it, and one slow sync is longer than a short lease; members were then demoted by
their neighbours' files. Nothing that a test may rely on is lost: a killed process keeps its files
either way. Measurements stay on the disk, as users' databases do.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers"]

# The machine decides how long an example takes, so no deadline: the test's own timeout guards.
_EXAMPLES = {"default": 60, "soak": 20_000}
_ON_REQUEST = ("soak", "bench")
_MEMORY = Path("/dev/shm")  # noqa: S108 (pytest makes a folder of our own in it, mode 0700)
_ROOM_BYTES = 4 << 30
_ROOT = "PYTEST_DEBUG_TEMPROOT"  # pytest's own name for it; lanes inherit it

_TERMINAL = ("COLUMNS", "LINES")
"""Lanes are told of a terminal that nobody has, and what goes into pipes is not broken."""


def pytest_addoption(parser: pytest.Parser) -> None:
    for marker in _ON_REQUEST:
        parser.addoption(f"--{marker}", action="store_true", help=f"also run the {marker} tests")


def pytest_configure(config: pytest.Config) -> None:
    for name in _TERMINAL:
        os.environ.pop(name, None)
    if not config.getoption("--bench") and _has_room(_MEMORY):
        os.environ.setdefault(_ROOT, str(_MEMORY))
    for profile, examples in _EXAMPLES.items():
        settings.register_profile(
            profile,
            deadline=None,
            max_examples=examples,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile("soak" if config.getoption("--soak") else "default")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    off = [marker for marker in _ON_REQUEST if not config.getoption(f"--{marker}")]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in off)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _has_room(folder: Path) -> bool:
    """Whether it can be written, runs programs (tests make environments), and has the space."""
    try:
        runs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
        return runs and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= _ROOM_BYTES
    except OSError:
        return False
