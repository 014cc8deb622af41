"""What `coord doctor` and `coord init` show of a DynamoDB store.

Owns the findings. Changes nothing. No secret and no key id is shown, only where boto3 found them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from coord.aws.clients import Clients
from coord.clock import SYSTEM_CLOCK
from coord.errors import CoordError, StoreRefused
from coord.spi import Probe
from coord_dynamodb.group import Group
from coord_dynamodb.link import Deadline, Link
from coord_dynamodb.table import EXPIRES, Found, Table
from coord_dynamodb.url import Target

__all__ = ["findings"]

_ROUNDS = 5
_SLOW = 0.25  # of the timeout


def findings(
    link: Link, pulse: Link, maker: Clients, target: Target, found: Found | None = None
) -> list[Probe]:
    """The state of the table, in the order in which an operator would look; all within one
    timeout. What there was no time for says so.
    """
    deadline = link.deadline()
    table = Table(link)
    out = [_access(link, maker)]
    try:
        found = found or table.describe(deadline)
        out.append(_described(target, found))
        table.judge(found)
    except CoordError as error:
        return [*out, Probe(name="table", ok=False, value=error.cause, cure=error.cure)]
    checks: tuple[tuple[str, Callable[[], Probe]], ...] = (
        ("expiry of garbage", lambda: _garbage(table, deadline)),
        ("backups", lambda: _backups(link, deadline)),
        ("transactions", lambda: _transactions(table, target, deadline)),
        ("round trip", lambda: _round_trip(link, deadline)),
        ("heartbeat client", lambda: _round_trip(pulse, deadline, name="heartbeat client")),
    )
    for name, check in checks:
        try:
            out.append(check())
        except CoordError as error:
            out.append(Probe(name=name, ok=False, value=error.cause, cure=error.cure))
    return [*out, _clock()]


def _access(link: Link, maker: Clients) -> Probe:
    value = f"{link.endpoint}, region {maker.region}, credentials from {maker.identity_source}"
    return Probe(name="access", ok=True, value=value)


def _described(target: Target, found: Found) -> Probe:
    value = (
        f"{target.table} is {found.status}, {found.billing}, key {found.key_text}, "
        f"some {found.items} items"
    )
    return Probe(name="table", ok=True, value=value)


def _garbage(table: Table, deadline: Deadline) -> Probe:
    attribute = table.expiry(deadline)
    ok = attribute == EXPIRES
    value = f"by the attribute {attribute}" if attribute else "off"
    cure = f"Names of former members stay for ever: `coord init URL` deletes by {EXPIRES}."
    return Probe(name="expiry of garbage", ok=ok, value=value, cure="" if ok else cure)


def _backups(link: Link, deadline: Deadline) -> Probe:
    note = "restoring one brings back old tokens: run `coord tokens raise` before the members"
    try:
        answer = link.manage("describe_continuous_backups", deadline, TableName=link.table)
    except StoreRefused:  # not allowed, or a server that has none
        return Probe(name="backups", ok=True, value=f"not known; {note}")
    found = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    state = found.get("PointInTimeRecoveryStatus", "DISABLED").lower()
    return Probe(name="backups", ok=True, value=f"point-in-time recovery {state}; {note}")


def _transactions(table: Table, target: Target, deadline: Deadline) -> Probe:
    most = table.most(deadline, asked=target.batch)
    value = f"of up to {most} items"
    if most < target.batch:
        value += f" (the server takes no more; batch={target.batch} is asked for and cut)"
    return Probe(name="transactions", ok=True, value=value)


def _round_trip(link: Link, deadline: Deadline, *, name: str = "round trip") -> Probe:
    group = Group(link, "-")
    taken_s: list[float] = []
    while len(taken_s) <= _ROUNDS:
        if len(taken_s) > 1 and deadline.left_s < link.timeout_s / 2:
            break  # there is more to be asked
        begun_s = SYSTEM_CLOCK.now()
        group.read("-", deadline)
        taken_s.append(SYSTEM_CLOCK.now() - begun_s)
    first_s, *rest_s = taken_s
    median_s = statistics.median(rest_s)
    ok = median_s <= link.timeout_s * _SLOW
    return Probe(
        name=name,
        ok=ok,
        value=f"{median_s * 1000:.1f} ms (median of {len(rest_s)} strong reads; the first, which "
        f"connects, {first_s * 1000:.0f} ms)",
        cure="" if ok else f"That is much of a timeout of {link.timeout_s:g} s: use a longer ttl.",
    )


def _clock() -> Probe:
    return Probe(
        name="clocks",
        ok=True,
        value="no clocks are compared; only requests' signatures need one that is right to minutes",
    )
