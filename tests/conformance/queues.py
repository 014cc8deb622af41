"""Which checks concern which kind of queue."""

from __future__ import annotations

import pytest

from coord.testing.queue_conformance import QUEUE_CHECKS

__all__ = ["queue_checks"]

_OTHER = {"standard": "fifo", "fifo": "standard"}

queue_checks = pytest.mark.parametrize(
    ("kind", "check"),
    [
        pytest.param(kind, check, id=f"{kind}-{check.name}")
        for kind, other in _OTHER.items()
        for check in QUEUE_CHECKS
        if other not in check.needs
    ],
)
"""Gives a test `kind` ("standard" or "fifo") and `check`."""
