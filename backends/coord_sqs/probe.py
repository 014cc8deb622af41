"""What `coord doctor` shows of an SQS queue.

Owns the findings. Changes nothing. No secret and no key id is shown, only where boto3 found them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from coord.clock import SYSTEM_CLOCK
from coord.errors import CoordError
from coord.spi import Probe
from coord.tasks.queue.spi import Depth
from coord_sqs.entries import Settings
from coord_sqs.link import Link

__all__ = ["findings"]

_ROUNDS = 5
_SLOW = 0.25  # of the timeout


def findings(link: Link, found: Settings, depth: Callable[[], Depth]) -> list[Probe]:
    """The state of the queue, in the order in which an operator would look."""
    out = [
        Probe(
            name="access",
            ok=True,
            value=f"{link.endpoint}, region {link.region}, credentials from {link.identity_source}",
        ),
        _queue(found),
        _dead_letters(found),
    ]
    checks: tuple[tuple[str, Callable[[], Probe]], ...] = (
        ("messages", lambda: _messages(depth)),
        ("round trip", lambda: _round_trip(link, found)),
    )
    for name, check in checks:
        try:
            out.append(check())
        except CoordError as error:
            out.append(Probe(name=name, ok=False, value=error.cause, cure=error.cure))
    return out


def _queue(found: Settings) -> Probe:
    limits = found.limits
    kind = "FIFO" if limits.ordered else "standard"
    return Probe(
        name="queue",
        ok=True,
        value=f"{found.arn}, {kind}, messages of up to {limits.max_body_bytes // 1024} KiB",
    )


def _dead_letters(found: Settings) -> Probe:
    most = found.limits.max_receives
    if most is None:
        return Probe(
            name="dead letters",
            ok=False,
            value="none: what cannot be processed comes again until it is too old, and is lost",
            cure="Give the queue a RedrivePolicy: docs/stores/sqs.md says how.",
        )
    ok = most > 2  # noqa: PLR2004  see below
    return Probe(
        name="dead letters",
        ok=ok,
        value=f"after {most} deliveries, to {found.dead}",
        cure=""
        if ok
        else "Allow more, 5 or 10: a worker that dies costs one, and so does each deferral.",
    )


def _messages(depth: Callable[[], Depth]) -> Probe:
    counts = depth()
    value = ", ".join(f"{count} {what}" for what, count in counts._asdict().items())
    cure = "Look why, and bring them back with `coord queue redrive`." if counts.dead else ""
    return Probe(name="messages", ok=not counts.dead, value=value, cure=cure)


def _round_trip(link: Link, found: Settings) -> Probe:
    taken_s: list[float] = []
    for _ in range(_ROUNDS):
        begun_s = SYSTEM_CLOCK.now()
        asked = {"QueueUrl": found.url, "AttributeNames": ["QueueArn"]}
        link.call("get_queue_attributes", asked)
        taken_s.append(SYSTEM_CLOCK.now() - begun_s)
    median_s = statistics.median(taken_s)
    ok = median_s <= link.timeout_s * _SLOW
    return Probe(
        name="round trip",
        ok=ok,
        value=f"{median_s * 1000:.1f} ms (median of {len(taken_s)})",
        cure=""
        if ok
        else f"That is much of a timeout of {link.timeout_s:g} s: use a longer visibility.",
    )
