"""Which tests run: long runs and measurements only when asked for; hypothesis at their scale."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers"]

# The machine decides how long an example takes, so no deadline: the test's own timeout guards.
_EXAMPLES = {"default": 200, "soak": 20_000}
_ON_REQUEST = ("soak", "bench")


def pytest_addoption(parser: pytest.Parser) -> None:
    for marker in _ON_REQUEST:
        parser.addoption(f"--{marker}", action="store_true", help=f"also run the {marker} tests")


def pytest_configure(config: pytest.Config) -> None:
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
