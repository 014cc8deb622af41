"""What a tenant may use at the most, however much is free.

Owns the number and the arithmetic of its tokens. Not to be mixed up with the limits of `tenants`,
which share out what there is: a quota protects what the tenant's messages act on (the customer's
own service, a paid interface), and holds on an idle worker too. It is counted by each worker for
itself: a fleet of W workers lets W times as much through.

One number a tenant says it all: when the last token that was given out would be back in an empty
bucket (the theoretical arrival time of GCRA).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coord.errors import ConfigError

__all__ = ["Quota"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`per_minute` handlers begun a minute for each tenant, in this worker; `burst` at once.

    `tenants`: other numbers for some of them, by name. `burst`: by default what comes in a second,
    at least 1. Raises `ConfigError`.
    """

    per_minute: float
    burst: int = 0
    tenants: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value in (self.per_minute, *self.tenants.values()):
            if not 0 < value < float("inf"):
                raise ConfigError(
                    f"Quota: {value} per minute", cure="It must be above 0; leave out what is free."
                )
        if self.burst < 0:
            raise ConfigError(f"Quota: burst is {self.burst}", cure="It is 0 or more.")

    def gap_s(self, tenant: str) -> float:
        """After how long a token comes back."""
        return 60.0 / self.tenants.get(tenant, self.per_minute)

    def ready_s(self, tenant: str, until_s: float) -> float:
        """From when on there is a token again, if the bucket is full at `until_s`."""
        gap_s = self.gap_s(tenant)
        burst = self.burst or max(1, int(1.0 / gap_s))
        return until_s - (burst - 1) * gap_s

    def spent(self, tenant: str, until_s: float, now: float) -> float:
        """When the bucket is full again, if one is taken now."""
        return max(until_s, now) + self.gap_s(tenant)
