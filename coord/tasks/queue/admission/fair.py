"""A limit for all, shared between tenants.

Owns whose turn it is, what waits in hand and what is given back. Pure but for the jitter, which is
handed in. The numbers are others': the limit of all (`limits`, `adaptive`), of each tenant
(`tenants`), quotas (`quota`), rests (`resting`).

Turns: of the tenants that wait and are below their limits, each in turn, one message at a time, in
the order in which they came. Only when none of them is below, one that may grow.

What is received ahead is what can begin within `_AHEAD_S`: nothing if handlers take long, for
what waits here is kept from workers that are idle.

What cannot begin soon must not fill the room that others' messages need: where it would, and
there are other tenants, the newest of the tenant with the most beyond its due are given back
(`excess`). One that may be deferred no more waits in hand, and when the room is used up by such
ones it begins, past its tenant's limit but within that of all. So each message that is put is taken
or deferred at some time, the latter a bounded number of times.
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

from coord.tasks.queue.admission.adaptive import AdaptiveLimit
from coord.tasks.queue.admission.limits import Limit
from coord.tasks.queue.admission.policy import Deferral, Load, TenantLoad
from coord.tasks.queue.admission.quota import Quota
from coord.tasks.queue.admission.resting import Resting
from coord.tasks.queue.admission.tenants import Tenant, Tenants
from coord.tasks.queue.hand import InHand, Outcome
from coord.tasks.queue.spi import QueueLimits

__all__ = ["Fair"]

_AHEAD_S = 1.0
_MOST_AHEAD = 40
_LATEST = 0.1
_BATCH = 10
_SHOWN = 10
_UNEVEN = 2  # times an even share of what waits


class Fair:
    """The admission of a worker unless it is given another one.

    `limit`: how many handlers at once; found by itself if None. `tenant`: the message attribute
    that names the tenant; empty: the message group. `quota`: what each tenant may use at the most.
    """

    def __init__(
        self,
        limit: Limit | None = None,
        *,
        tenant: str = "",
        quota: Quota | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._limit = limit if limit is not None else AdaptiveLimit()
        self._attribute = tenant
        self._quota = quota
        self._resting = Resting(draw)
        self._tenants = Tenants()
        self._line: OrderedDict[str, Tenant] = OrderedDict()  # who waits, the next one first
        self._of: dict[InHand, Tenant] = {}  # whose message each is that runs
        self._waiting = 0
        self._seconds = 0.0
        self._passed: Counter[str] = Counter()

    def opened(self, limits: QueueLimits) -> None:
        """See `Resting.opened`."""
        self._resting.opened(limits)

    @property
    def limit(self) -> int:
        """How many may run at once now."""
        return self._limit.value

    @property
    def why(self) -> str:
        """Why that is the limit."""
        return self._limit.why

    @property
    def waiting(self) -> int:
        """How many wait in hand."""
        return self._waiting

    def room(self, running: int, now: float) -> int:
        """What is free, and what can begin soon after, less what waits."""
        self._limit.look(now)
        return self._space(running) - self._waiting

    def _space(self, running: int) -> int:
        limit = self._limit.value
        soon = limit * _AHEAD_S / self._seconds if self._seconds else 0
        return max(0, limit + int(min(_MOST_AHEAD, soon)) - running)

    def put(self, hands: Sequence[InHand], now: float) -> None:
        """Each to the end of its tenant's line."""
        for hand in hands:
            message = hand.message
            name = message.attributes.get(self._attribute, "") if self._attribute else message.group
            tenant = self._tenants.seen(name, now)
            tenant.waiting.append(hand)
            self._line.setdefault(name, tenant)
        self._waiting += len(hands)
        self._tenants.forget(now)

    def take(self, running: int, now: float) -> InHand | None:
        """The next one of the tenant whose turn it is."""
        if not self._waiting or running >= self._limit.value:
            return None
        tenant = self._next(running, now)
        if tenant is None:
            return None
        hand = tenant.waiting.popleft()
        self._waiting -= 1
        if tenant.waiting:
            self._line.move_to_end(tenant.name)
        else:
            del self._line[tenant.name]
        self._of[hand] = tenant
        self._tenants.began(tenant, now)
        self._limit.began(running, now)
        if self._quota is not None:
            tenant.full_s = self._quota.spent(tenant.name, tenant.full_s, now)
        return hand

    def _next(self, running: int, now: float) -> Tenant | None:
        held = []
        limit = self._limit.value
        for tenant in self._line.values():
            if self._quota is not None and self._is_spent(tenant, now):
                continue
            if self._tenants.is_below(tenant, limit, now):
                return tenant
            held.append(tenant)
        for tenant in held:
            if self._tenants.grows(tenant, limit, running, now):
                return tenant
        return self._passing(running, now)

    def _is_spent(self, tenant: Tenant, now: float) -> bool:
        """Whether its quota is used up."""
        quota = self._quota
        return quota is not None and quota.ready_s(tenant.name, tenant.full_s) > now

    def _passing(self, running: int, now: float) -> Tenant | None:
        """Whose message begins past a limit: it may rest no more, and is in the way of others.

        Past a quota only if there are others who do not wait here already.
        """
        if self._space(running) > self._waiting:
            return None
        is_in_the_way = len(self._line) < len(self._tenants)
        for tenant in self._line.values():
            is_spent = self._is_spent(tenant, now)
            if self._resting.may_defer(tenant.waiting[0].message.received):
                continue
            if is_in_the_way or not is_spent:
                self._passed["quota" if is_spent else "tenant"] += 1
                return tenant
        return None

    def excess(self, running: int, now: float) -> list[Deferral]:
        """The newest of those who have the most beyond their due, until there is room again.

        Nothing while all tenants of late wait here: then nobody's messages can be behind these.
        """
        space = self._space(running)
        wanted = min(_BATCH, max(1, space // 2))
        missing = wanted - (space - self._waiting)
        if missing <= 0 or not space or len(self._line) == len(self._tenants):
            return []
        found: list[Deferral] = []
        for tenant in sorted(self._line.values(), key=lambda t: -len(t.waiting)):
            many = len(tenant.waiting) - self._due(tenant, running, space - wanted, now)
            many = min(many, missing - len(found))
            if many > 0:
                found += self._given_back(tenant, many, now)
        return found

    def _due(self, tenant: Tenant, running: int, most: int, now: float) -> int:
        """How many of a tenant's messages may wait here although there is no room."""
        if self._is_spent(tenant, now):
            return 0
        limit = self._limit.value
        due = tenant.limit - tenant.running
        if running < limit:  # then what waits, waits for a limit of its own
            kept = self._tenants.kept_for_others(tenant, limit, running, now)
            return max(due, limit - running - kept)
        share = max(1, max(most, self._waiting) // len(self._tenants))
        return min(most, max(due, _UNEVEN * share))

    def _given_back(self, tenant: Tenant, many: int, now: float) -> list[Deferral]:
        """Up to so many that may still be deferred: those deferred least, and of them the newest.

        So whoever comes back finds its place before those who come for the first time.
        """
        may_defer = self._resting.may_defer
        found = [hand for hand in reversed(tenant.waiting) if may_defer(hand.message.received)]
        found.sort(key=lambda hand: hand.message.received)
        chosen = found[:many]
        if not chosen:
            return []
        gone = set(chosen)
        kept = [hand for hand in tenant.waiting if hand not in gone]
        tenant.waiting.clear()
        tenant.waiting.extend(kept)
        if not kept:
            del self._line[tenant.name]
        self._waiting -= len(chosen)
        limit = self._limit.value
        pace = self._tenants.pace(tenant, limit, now)
        return [self._deferral(tenant, hand, pace, now) for hand in reversed(chosen)]

    def _deferral(self, tenant: Tenant, hand: InHand, gap_s: float, now: float) -> Deferral:
        """Back when it can be its turn: after those in hand, and after those deferred before."""
        message = hand.message
        if self._quota is not None and self._is_spent(tenant, now):
            reason, gap_s = "quota", self._quota.gap_s(tenant.name)
            first_s = self._quota.ready_s(tenant.name, tenant.full_s)
            why = f"tenant {tenant.name!r} has used up its quota"
        else:
            reason, first_s = "tenant", now
            why = f"tenant {tenant.name!r} is at its limit of {tenant.limit}"
        turn_s = max(tenant.back_s, first_s + len(tenant.waiting) * gap_s) + gap_s
        rest_s = self._resting.seconds(message.received, turn_s - now)
        tenant.back_s = min(turn_s, now + 2 * rest_s)
        self._resting.add(now + rest_s, message.sent_at_s)
        return Deferral(hand, rest_s, reason, why)

    def ended(self, hand: InHand, seconds: float, running: int, now: float) -> None:
        """What the limits learn from."""
        tenant = self._of.pop(hand, None)
        if tenant is None:
            return
        self._tenants.ended(tenant, seconds, now)
        latest = _LATEST if self._seconds else 1.0
        self._seconds += latest * (max(seconds, 1e-6) - self._seconds)
        kind = hand.job.task if hand.job is not None else ""
        was_done = hand.outcome is Outcome.DONE
        self._limit.ended(kind, seconds, was_done=was_done, running=running, now=now)

    def drain(self) -> list[InHand]:
        """All that waits."""
        left = [hand for tenant in self._line.values() for hand in tenant.waiting]
        for tenant in self._line.values():
            tenant.waiting.clear()
        self._line.clear()
        self._waiting = 0
        return left

    def load(self, running: int, now: float) -> Load:
        """How it stands."""
        resting = self._resting.now(now)
        sent = resting + [h.message.sent_at_s for t in self._line.values() for h in t.waiting]
        most = sorted(self._tenants.values(), key=lambda t: -(t.running + len(t.waiting)))
        return Load(
            limit=self._limit.value,
            most=self._limit.most,
            why=self._limit.why,
            waiting=self._waiting,
            resting=len(resting),
            oldest_sent_s=min(sent, default=None),
            passed=dict(self._passed),
            tenants=tuple(
                TenantLoad(t.name, t.running, len(t.waiting), t.limit) for t in most[:_SHOWN]
            ),
        )
