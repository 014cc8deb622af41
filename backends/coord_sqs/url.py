"""What a sqs:// URL names.

Owns the syntax. Opens nothing, reads no environment and imports no client library.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from coord.address import Address, parsed_address
from coord.aws.place import PLACE_OPTIONS, place_in
from coord.errors import ConfigError

__all__ = ["Target", "parsed"]

_SYNTAX = (
    "Write sqs://NAME, sqs://ACCOUNT/NAME for a queue of another account, or the queue's URL at "
    "Amazon with sqs:// in front; ?region=us-east-1, and &endpoint=http://127.0.0.1:9324 for a "
    "server of your own."
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_ACCOUNT = re.compile(r"\d{12}")
_HOST = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")


class Target(NamedTuple):
    """A queue and how to reach it; None: as boto3's own settings say."""

    name: str
    account: str | None = None
    region: str | None = None
    endpoint: str | None = None


def parsed(url: str) -> Target:
    """Read `sqs://name?…`. Raises ConfigError."""
    address = parsed_address(
        url, scheme="sqs", options=PLACE_OPTIONS, syntax=_SYNTAX, deep=True, noun="queue"
    )
    name, account, region = _named(address)
    region, endpoint = place_in(address, syntax=_SYNTAX, region=region)
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name an SQS queue",
            cure="A queue's name is 1 to 80 of A-Z a-z 0-9 _ and -, and ends in .fifo if it is "
            "FIFO. " + _SYNTAX,
        )
    return Target(name, account, region, endpoint)


def _named(address: Address) -> tuple[str, str | None, str | None]:
    """Name, account and region, from whichever of the three ways of writing it."""
    rest = address.url.partition("://")[2].partition("?")[0].rstrip("/")
    if "/" not in rest:
        return address.authority, None, None
    host = _HOST.fullmatch(address.authority)
    parts = address.parents if host else (address.authority, *address.parents)
    if len(parts) != 1 or not _ACCOUNT.fullmatch(parts[0]):
        raise ConfigError(
            f"{address.url!r} names no SQS queue: an account is 12 digits", cure=_SYNTAX
        )
    return address.group, parts[0], host[1] if host else None
