"""What an error reads like."""

from __future__ import annotations

import pytest

from coord.errors import CoordError


@pytest.mark.parametrize(
    ("cause", "read"),
    [
        ("nobody listens there", "nobody listens there. Look."),
        ("nobody listens there.", "nobody listens there. Look."),
        ("no session: is this its port?", "no session: is this its port? Look."),
    ],
)
def test_an_error_reads_as_its_cause_then_its_cure(cause: str, read: str) -> None:
    assert str(CoordError(cause, cure="Look.")) == read
    assert str(CoordError(cause)) == cause
