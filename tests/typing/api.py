"""A program as a user writes it: mypy strict and pyright strict read it, nobody runs it.

The wrong lines carry the error that must be reported for them; a checker that stays silent there
reports the comment as unused, so the file fails both ways.
"""

from __future__ import annotations

import coord
from coord import ConfigError, CoordError, Role, StoreError, Timing


def roles() -> list[Role]:
    return [
        Role("reaper"),
        Role("compactor", shards=64, preferred=["worker-1", "worker-2"]),
        Role("refresh", seats=3, progress_timeout_s=None),
    ]


def timing() -> Timing:
    try:
        return Timing.of(10.0)
    except ConfigError as error:
        raise SystemExit(error.cure) from error


def page_whom(error: CoordError) -> str:
    if isinstance(error, StoreError):
        return error.certainty.value
    return error.cause


def there_is_no_flag_that_says_who_leads() -> None:
    coord.is_leader()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def shards_is_a_number() -> None:
    Role("reaper", shards="many")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
