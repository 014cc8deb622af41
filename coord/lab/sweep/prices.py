"""What requests cost: DynamoDB's prices with their date and source, and its units by formula.

Owns these numbers. The other stores charge no requests: their servers are paid for, or are there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from coord.errors import ConfigError

__all__ = ["MONTH_S", "PRICES", "Price", "dynamodb_dollars", "price_of"]

MONTH_S = 365.25 * 86400 / 12
_MILLION = 1e6
_MEMBER_BYTES, _ROLE_BYTES, _UNIT_BYTES = 142, 190, 4096
_LOOKS_A_POLL, _POLL_S = 0.53, 1.0
"""docs/stores/dynamodb.md, "What it costs": measured; the poll is the usual one."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars a million units on demand, of whose price list, of when."""

    name: str
    write: float
    read: float
    source: str
    date: str


PRICES: Mapping[str, Price] = {
    "us-east-1": Price(
        "us-east-1",
        write=0.625,
        read=0.125,
        source="AWS price list of Amazon DynamoDB, on demand, standard table class",
        date="2026-09-11",
    )
}
"""Of regions whose list was looked at. Others cost up to twice as much: `WRITE,READ` says them."""


def price_of(told: str) -> Price:
    """A region of the table, or `WRITE,READ` in dollars a million. Raises ConfigError."""
    found = PRICES.get(told)
    if found is not None:
        return found
    try:
        write, read = (float(part) for part in told.split(","))
    except ValueError:
        write = read = math.nan
    if not (0 <= write < math.inf and 0 <= read < math.inf):
        raise ConfigError(
            f"there is no price {told!r}",
            cure=f"Known regions: {', '.join(PRICES)}. For another one give what a million write "
            "and read units cost there, such as --price 0.7,0.14.",
        )
    return Price("as given", write, read, source="the command line", date="")


def dynamodb_dollars(*, members: int, heartbeat_s: float, price: Price) -> float:
    """A month of a fleet that serves one role and is left in peace."""
    size = math.ceil((_MEMBER_BYTES * members + _ROLE_BYTES) / _UNIT_BYTES)
    writes_s = members / heartbeat_s
    reads_s = members * size * (1 / heartbeat_s + _LOOKS_A_POLL / _POLL_S)
    return (writes_s * price.write + reads_s * price.read) * MONTH_S / _MILLION
