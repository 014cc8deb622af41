"""What tests of several folders share: the rule for servers that are not installed."""

from __future__ import annotations

import os

import pytest

__all__ = ["require_server"]


def require_server(found: object, *, name: str, cure: str) -> None:
    """Go on if `found`; otherwise skip on a laptop, and fail under `CI=true`.

    A skip says what to install. In CI a missing server would pass for green, so there it fails.
    """
    if found:
        return
    message = f"{name} is not installed: {cure}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
