"""What a dynamodb:// URL names.

Owns the syntax and its options. Opens nothing, reads no environment and imports no client library.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from coord.address import Address, parsed_address, positive_option
from coord.aws.place import PLACE_OPTIONS, place_in
from coord.errors import ConfigError

__all__ = ["BATCH_MAX", "BATCH_MIN", "Target", "default_poll_s", "parsed"]

BATCH_MIN = 3
"""A transaction that claims: the member's item, the role's, and one claim."""
BATCH_MAX = 100
"""What Amazon takes; DynamoDB Local of 2018 takes 10."""

_POLL_LEAST_S, _POLL_MOST_S = 0.1, 1.0
_OPTIONS = (*PLACE_OPTIONS, "batch", "billing", "poll", "rcu", "wcu")
_SYNTAX = (
    "Write dynamodb://TABLE/GROUP, with ?region=us-east-1, and &endpoint=http://127.0.0.1:8000 "
    "for a server of your own."
)
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")


class Target(NamedTuple):
    """A table, a group in it, and how to reach them; None: as boto3's own settings say."""

    table: str
    group: str = "default"
    region: str | None = None
    endpoint: str | None = None
    batch: int = BATCH_MAX
    poll_s: float | None = None
    provisioned: tuple[int, int] | None = None
    """For making the table: read and write units a second; None: on demand."""


def default_poll_s(timeout_s: float) -> float:
    """How often a watch looks where the URL does not say: once a timeout, within limits."""
    return min(_POLL_MOST_S, max(_POLL_LEAST_S, timeout_s))


def parsed(url: str) -> Target:
    """Read `dynamodb://table/group?…`. Raises ConfigError."""
    address = parsed_address(url, scheme="dynamodb", options=_OPTIONS, syntax=_SYNTAX)
    if not _TABLE.fullmatch(address.authority):
        raise ConfigError(
            f"{address.authority!r} cannot name a DynamoDB table",
            cure="A table's name is 3 to 255 of A-Z a-z 0-9 _ . and -. " + _SYNTAX,
        )
    region, endpoint = place_in(address, syntax=_SYNTAX)
    return Target(
        table=address.authority,
        group=address.group,
        region=region,
        endpoint=endpoint,
        batch=_batch(address),
        poll_s=positive_option(address, "poll", 0.0) or None,
        provisioned=_provisioned(address),
    )


def _batch(address: Address) -> int:
    size = positive_option(address, "batch", BATCH_MAX)
    if size != int(size) or not BATCH_MIN <= size <= BATCH_MAX:
        raise ConfigError(
            f"batch={address.options['batch']} in {address.url!r}",
            cure=f"batch is how many items one transaction may have: {BATCH_MIN} to {BATCH_MAX}.",
        )
    return int(size)


def _provisioned(address: Address) -> tuple[int, int] | None:
    billing = address.options.get("billing", "on-demand")
    units = [name for name in ("rcu", "wcu") if name in address.options]
    if billing == "provisioned":
        read, write = (int(positive_option(address, name, 1.0)) for name in ("rcu", "wcu"))
        if len(units) == 2 and min(read, write) >= 1:  # noqa: PLR2004  both were said
            return read, write
        raise ConfigError(
            f"billing=provisioned in {address.url!r} without its units",
            cure="Add &rcu= and &wcu=: read and write units a second, 1 or more.",
        )
    if billing != "on-demand" or units:
        raise ConfigError(
            f"{address.url!r} mixes up billing options",
            cure="Leave them out for on-demand, or write billing=provisioned&rcu=…&wcu=….",
        )
    return None
