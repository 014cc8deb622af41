"""How much of a worker each tenant may use.

Owns a limit per tenant and how it moves. Pure: `now` comes in.

A tenant starts with 1 handler at a time. Whenever it is at its limit and there is capacity to
spare, its limit grows by one, at once. To spare means: beyond what the other tenants use by habit,
their average of the last minute or so; up to an even share, and 2 at the least, whatever is free.
So an idle worker is anybody's, a tenant that uses much by habit keeps what it uses, and one that
suddenly wants much more waits first, while those beside it find the room they always had. A limit
that was not reached for a while halves.

Nobody is held at a small limit for good: below an even share it grows every `_PATIENCE_S` before
others have their turn, at the cost of whoever has more.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from math import exp

from coord.tasks.queue.hand import InHand

__all__ = ["Tenant", "Tenants"]

_START = 1
_SMALL = 2
_HABIT_S = 60.0
_SHORT_S = 0.1
_UNUSED_S = 60.0
_FORGET_S = 120.0
_PATIENCE_S = 30.0
_MOST_HALVINGS = 30
_SPREAD = 1.25  # what comes back leaves this much of the pace to what is new
_LATEST = 0.1  # how much the latest duration counts in the average


class _Average:
    """How many run, on average over the last minute or so."""

    __slots__ = ("level", "since_s", "value")

    def __init__(self, now: float) -> None:
        self.level = 0
        self.value = 0.0
        self.since_s = now

    def at(self, now: float) -> float:
        return self.level + (self.value - self.level) * exp(-(now - self.since_s) / _HABIT_S)

    def moved(self, by: int, now: float) -> None:
        past_s = now - self.since_s
        if past_s > _SHORT_S:
            self.value = self.at(now)
        else:  # the same, without the exponential
            self.value += (self.level - self.value) * past_s / _HABIT_S
        self.since_s = now
        self.level += by


class Tenant:
    """One tenant's messages in this worker, and its limit."""

    __slots__ = (
        "back_s",
        "full_s",
        "grew_s",
        "limit",
        "name",
        "reached_s",
        "running",
        "seconds",
        "seen_s",
        "use",
        "waiting",
    )

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.limit = _START
        self.running = 0
        self.waiting: deque[InHand] = deque()
        self.use = _Average(now)
        self.seconds = 0.0  # how long its handlers take, on average
        self.seen_s = now
        self.reached_s = now
        self.grew_s = now
        self.back_s = now  # when the last of those that were deferred is to come back
        self.full_s = now  # when its quota is whole again


class Tenants:
    """All tenants that were seen lately. Its caller locks."""

    def __init__(self) -> None:
        self._all: OrderedDict[str, Tenant] = OrderedDict()
        self._use = _Average(0.0)

    def __len__(self) -> int:
        return len(self._all)

    def values(self) -> list[Tenant]:
        """Each of them."""
        return list(self._all.values())

    def seen(self, name: str, now: float) -> Tenant:
        """The tenant of that name, of which something was received now."""
        tenant = self._all.get(name)
        if tenant is None:
            tenant = self._all[name] = Tenant(name, now)
        elif len(self._all) > 1:
            self._all.move_to_end(name)
        tenant.seen_s = now
        return tenant

    def forget(self, now: float) -> None:
        """Leave out those that have not been seen for a while and owe nothing."""
        while self._all:
            tenant = next(iter(self._all.values()))
            if tenant.seen_s + _FORGET_S > now:
                return
            if tenant.running or tenant.waiting or tenant.full_s > now:
                tenant.seen_s = now
                self._all.move_to_end(tenant.name)
            else:
                del self._all[tenant.name]

    def began(self, tenant: Tenant, now: float) -> None:
        """One of its handlers begins."""
        tenant.running += 1
        tenant.use.moved(1, now)
        self._use.moved(1, now)
        if tenant.running >= tenant.limit:
            tenant.reached_s = now

    def ended(self, tenant: Tenant, seconds: float, now: float) -> None:
        """One of its handlers has ended."""
        tenant.running -= 1
        tenant.use.moved(-1, now)
        self._use.moved(-1, now)
        latest = _LATEST if tenant.seconds else 1.0
        tenant.seconds += latest * (seconds - tenant.seconds)

    def kept_for_others(self, tenant: Tenant, limit: int, running: int, now: float) -> int:
        """How much of what is free belongs to the others by habit."""
        if len(self._all) == 1:
            return 0
        habit = min(round(self._others(tenant, now)), limit - 1)
        return max(0, habit - (running - tenant.running))

    def pace(self, tenant: Tenant, limit: int, now: float) -> float:
        """After how many seconds the next of its handlers can be expected to begin."""
        return _SPREAD * tenant.seconds / max(1.0, limit - self._others(tenant, now))

    def _others(self, tenant: Tenant, now: float) -> float:
        """How much the others use, on average."""
        return max(0.0, self._use.at(now) - tenant.use.at(now))

    def is_below(self, tenant: Tenant, limit: int, now: float) -> bool:
        """Whether a tenant that waits is below its limit, which time may have moved."""
        tenant.limit = min(tenant.limit, limit)
        if now - tenant.reached_s >= _UNUSED_S:
            halvings = int((now - tenant.reached_s) / _UNUSED_S)
            tenant.limit = max(_START, tenant.limit >> min(halvings, _MOST_HALVINGS))
            tenant.reached_s = now
        if tenant.running < tenant.limit:
            return True
        if tenant.running < limit // len(self._all) and now - tenant.grew_s >= _PATIENCE_S:
            self._grow(tenant, now)
            return True
        return False

    def grows(self, tenant: Tenant, limit: int, running: int, now: float) -> bool:
        """Whether a tenant at its limit gets one more of what is free."""
        even = max(_SMALL, limit // len(self._all))
        free = limit - running
        if tenant.running < even or free > self.kept_for_others(tenant, limit, running, now):
            self._grow(tenant, now)
            return True
        return False

    @staticmethod
    def _grow(tenant: Tenant, now: float) -> None:
        tenant.limit = max(tenant.limit, tenant.running) + 1
        tenant.grew_s = tenant.reached_s = now
