"""What the measurements of `coord doctor` mean: which ttl fits, and the timings that go with it.

Owns the rule of thumb. Pure. The rule: the timeout of a request leaves a wide margin above the
slowest heartbeat seen, and the slack one above the latest wake-up, because a short quiet look does
not show a bad week; and the budget of `Timing` holds with the granted ttl and the store's lag.
"""

from __future__ import annotations

from coord.cli.measuring import Measured
from coord.config import Timing
from coord.core.wording import duration_text
from coord.errors import ConfigError
from coord.spi import Guarantees, Probe

__all__ = ["MARGIN", "fits", "shortest_ttl_s", "timing_finding"]

MARGIN = 5.0
"""How many times the worst that was seen each part of the budget should be."""

_TTLS_S = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)


def fits(ttl_s: float, measured: Measured) -> bool:
    """Whether the timings that go with a ttl stand what was measured."""
    timing = Timing.of(ttl_s)
    try:
        timing.check_budget(ttl_s=ttl_s, lag_s=measured.lag_s)
    except ConfigError:
        return False
    return (
        timing.rpc_timeout_s * 1000 >= MARGIN * measured.slowest_ms("heartbeat")
        and timing.slack_s * 1000 >= MARGIN * measured.woken_late_ms
    )


def shortest_ttl_s(guarantees: Guarantees, measured: Measured) -> float | None:
    """The shortest round ttl that fits; None if none does."""
    least_s = max(guarantees.min_ttl_s, measured.least_ttl_s)
    able = (ttl_s for ttl_s in _TTLS_S if ttl_s >= least_s)
    return next((ttl_s for ttl_s in able if fits(ttl_s, measured)), None)


def timing_finding(guarantees: Guarantees, measured: Measured) -> Probe:
    """Whether the ttl that was asked for fits this store from here."""
    granted_s = measured.opened.ttl_s if measured.opened is not None else measured.asked_ttl_s
    timing = Timing.of(granted_s)
    request, slack = duration_text(timing.rpc_timeout_s), duration_text(timing.slack_s)
    value = (
        f"a ttl of {duration_text(granted_s)} gives a request {request} "
        f"(slowest seen {measured.slowest_ms('heartbeat'):.1f} ms) and a late wake-up {slack} "
        f"(latest seen {measured.woken_late_ms:.1f} ms)"
    )
    if fits(granted_s, measured):
        return Probe(name="timing", ok=True, value=value)
    shortest_s = shortest_ttl_s(guarantees, measured)
    cure = (
        f"Use a ttl of {duration_text(shortest_s)} or more."
        if shortest_s is not None
        else "No ttl up to 5 minutes fits: mend the way to the store, or this machine's load."
    )
    return Probe(name="timing", ok=False, value=value, cure=cure)
