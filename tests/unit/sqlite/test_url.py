"""What a sqlite:// URL names, and which are refused."""

from __future__ import annotations

import pytest

from coord.errors import ConfigError
from coord_sqlite.url import Target, parsed


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("sqlite:///x.db", Target("x.db", "default", "")),
        ("sqlite:///sub/x.db", Target("sub/x.db", "default", "")),
        ("sqlite:////var/x.db", Target("/var/x.db", "default", "")),
        ("sqlite:////var/x.db?group=blue", Target("/var/x.db", "blue", "")),
        ("sqlite:///x.db?machine=abc&group=g", Target("x.db", "g", "abc")),
        ("sqlite:///with%20space%3F.db", Target("with space?.db", "default", "")),
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, target: Target) -> None:
    assert parsed(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite://x.db",
        "sqlite://host/x.db",
        "sqlite:///:memory:",
        "sqlite:///x.db#part",
        "sqlite:///x.db?grp=a",
        "sqlite:///x.db?group=a&group=b",
        "sqlite:///x.db?group=",
        "sqlite:///x.db?group=a/b",
        "sqlite:///x%00.db",
        "postgres:///x.db",
    ],
)
def test_what_names_no_file_or_no_group_is_refused_with_a_cure(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(url)
    assert caught.value.cure
