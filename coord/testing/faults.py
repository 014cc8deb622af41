"""Requests and replies that go astray: a wrapper around any store, scripted by its caller.

Owns the way between a caller and a store, and nothing of either end. Draws no lots and reads no
clock of its own: the caller says what happens to which request, so a run can be repeated from
its script, and hypothesis or a seeded simulator can choose. What may happen is `Fate`.

A driver of virtual time decides when requests land and when replies arrive. Calls here are
synchronous, so it makes the call at the moment of *landing* and says when it was *sent*:

    with store.sent(at_s=t0):        # proofs are stamped t0 on the sender's clock
        result = session.heartbeat(b"")          # takes effect now, at t0 + request delay
    # … and hands the result to the member at its own choice of a later moment

For a request that lands after its sender gave up, script `Fate.HOLD`: the call fails at once as
a timeout, and `FaultPlan.held` has the request, to be `land()`ed whenever the driver likes. That
is the nasty one: a strong read in between rightly says that nothing happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

from coord.clock import Clock
from coord.errors import Certainty, CoordError, InternalError, StoreUnavailable
from coord.model import MemberRecord, RoleRecord, View
from coord.spi import (
    BeaconSeen,
    Claimed,
    ClaimRequest,
    Guarantees,
    Held,
    Observed,
    Probe,
    Proof,
    Session,
    Store,
    Tenure,
    Watch,
)

__all__ = [
    "Closing",
    "Delivery",
    "Fate",
    "FaultPlan",
    "FaultySession",
    "FaultyStore",
    "Plan",
    "Request",
    "Way",
]

T = TypeVar("T")


class Closing(Protocol):
    """What every kind of store can do."""

    def close(self) -> None:
        """Let go of everything that the handle holds."""
        ...


InnerT = TypeVar("InnerT", bound=Closing)


class Fate(Enum):
    """What becomes of a request. A wake of a watcher is a request of the store to its caller."""

    DELIVER = "deliver"  # lands, and the reply arrives
    REFUSE = "refuse"  # never lands, and the sender is told so: NOT_APPLIED
    LOSE_REQUEST = "lose request"  # never lands; the sender sees a timeout: UNKNOWN
    LOSE_REPLY = "lose reply"  # lands; the sender sees a timeout: UNKNOWN
    HOLD = "hold"  # the sender sees a timeout: UNKNOWN; it lands when the plan's owner says so


class Delivery(NamedTuple):
    """A fate with delays on the way there and back, in seconds of the caller's time.

    Together they count against the sender's timeout: a reply that is later than that is lost,
    and a request that is later than that is held.
    """

    fate: Fate = Fate.DELIVER
    request_s: float = 0.0
    reply_s: float = 0.0


class Request(Generic[T]):
    """One request on its way. `land()` lets it take effect; `reply()` is what came of it."""

    __slots__ = ("_action", "_error", "_result", "landed", "method", "sender", "sent_at_s")

    def __init__(self, method: str, sender: str, sent_at_s: float, action: Callable[[], T]) -> None:
        self.method = method
        self.sender = sender
        self.sent_at_s = sent_at_s
        self.landed = False
        self._action = action
        self._result: T | None = None
        self._error: CoordError | None = None

    def land(self) -> None:
        """Take effect now. Once: a second landing does nothing. Never raises the store's errors."""
        if self.landed:
            return
        self.landed = True
        try:
            self._result = self._action()
        except CoordError as error:
            self._error = error

    def reply(self) -> T:
        """Return what the store answered, or raise its error."""
        if not self.landed:
            raise InternalError(f"{self!r} has no reply before it has landed")
        if self._error is not None:
            raise self._error
        return cast("T", self._result)

    def __repr__(self) -> str:
        return f"<{self.method} of {self.sender or 'nobody'} sent at {self.sent_at_s:g}>"


class Plan(Protocol):
    """Who decides. Asked once a request, in the thread that sends it."""

    def decide(self, request: Request[Any]) -> Delivery:
        """What shall become of `request`."""
        ...

    def hold(self, request: Request[Any]) -> None:
        """Keep a request that its sender has given up; landing it, or not, is up to the plan."""
        ...


@dataclass(slots=True)
class _Rule:
    delivery: Delivery
    methods: tuple[str, ...]
    sender: str | None
    times: float

    def fits(self, request: Request[Any]) -> bool:
        return (
            self.times > 0
            and (not self.methods or request.method in self.methods)
            and (self.sender is None or self.sender == request.sender)
        )


class FaultPlan:
    """A script of faults: the oldest rule that fits and is not used up decides; else deliver.

    Several stores may share one. `held` has the requests to be landed, oldest first. Methods are
    those of `coord.spi` by name (`"heartbeat"`, `"claim"`, `"view"`, …) and `"wake"`.
    """

    def __init__(self) -> None:
        self.held: list[Request[Any]] = []
        self._rules: list[_Rule] = []

    def add(
        self,
        fate: Fate,
        *methods: str,
        sender: str | None = None,
        times: int | None = 1,
        request_s: float = 0.0,
        reply_s: float = 0.0,
    ) -> None:
        """Give the next `times` (None: all) requests of these methods and sender this fate."""
        delivery = Delivery(fate, request_s, reply_s)
        left = float("inf") if times is None else times
        self._rules.append(_Rule(delivery, methods, sender, left))

    def mend(self) -> None:
        """Forget all rules: from now on everything is delivered. Held requests stay held."""
        self._rules.clear()

    def land_held(self) -> None:
        """Let everything that is held take effect now, oldest first."""
        while self.held:
            self.held.pop(0).land()

    def decide(self, request: Request[Any]) -> Delivery:
        """Apply the first rule that fits."""
        for rule in self._rules:
            if rule.fits(request):
                rule.times -= 1
                return rule.delivery
        return Delivery()

    def hold(self, request: Request[Any]) -> None:
        """Keep it in `held`."""
        self.held.append(request)


class Way(Generic[InnerT]):
    """The way of requests to `inner`, a store of any kind, and of the replies.

    `clock` is the sender's and stamps its proofs; `sender` names it to the plan. `pass_time` is
    called with the seconds that a call takes by the plan (`ManualClock.advance`, a sleep); left
    out, calls take none and the driver keeps the time itself. `timeout_s` bounds each call.
    """

    def __init__(
        self,
        inner: InnerT,
        plan: Plan,
        *,
        clock: Clock,
        sender: str = "",
        timeout_s: float = 1.0,
        pass_time: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self.inner = inner
        self._plan = plan
        self._clock = clock
        self._sender = sender
        self._timeout_s = timeout_s
        self._pass_time = pass_time
        self._pinned_s: float | None = None

    def close(self) -> None:
        """Close the store behind; closing never goes astray."""
        self.inner.close()

    @contextmanager
    def sent(self, *, at_s: float) -> Iterator[None]:
        """Stamp the requests made inside as sent at `at_s` on the sender's clock. One thread."""
        before, self._pinned_s = self._pinned_s, at_s
        try:
            yield
        finally:
            self._pinned_s = before

    def send(self, method: str, action: Callable[[], T]) -> T:
        """Send one request the way the plan decides, and return or raise what comes back."""
        request, delivery = self._decided(method, action)
        fate, request_s, reply_s = delivery
        if fate is Fate.REFUSE:
            raise StoreUnavailable(
                f"{request!r} was refused", cure="Try again.", certainty=Certainty.NOT_APPLIED
            )
        if fate is Fate.LOSE_REQUEST:
            raise self._timed_out(request, self._timeout_s)
        if fate is Fate.HOLD or request_s > self._timeout_s:
            self._plan.hold(request)
            raise self._timed_out(request, self._timeout_s)
        self._pass_time(request_s)
        request.land()
        if fate is Fate.LOSE_REPLY or request_s + reply_s > self._timeout_s:
            raise self._timed_out(request, self._timeout_s - request_s)
        self._pass_time(reply_s)
        return request.reply()

    def now(self) -> float:
        """When a request made now was sent, on the sender's clock."""
        return self._clock.now() if self._pinned_s is None else self._pinned_s

    def _decided(self, method: str, action: Callable[[], T]) -> tuple[Request[T], Delivery]:
        request = Request(method, self._sender, self.now(), action)
        return request, self._plan.decide(request)

    def _timed_out(self, request: Request[Any], after_s: float) -> StoreUnavailable:
        self._pass_time(after_s)
        return StoreUnavailable(
            f"{request!r} had no reply within {self._timeout_s:g} s",
            cure="Read back what came of it; its absence proves nothing.",
        )


class FaultyStore(Way[Store]):
    """A store behind a bad network. Implements `coord.spi.Store` around any other; see `Way`."""

    @property
    def guarantees(self) -> Guarantees:
        """What the store behind declares."""
        return self.inner.guarantees

    def open_session(self, group: str, record: MemberRecord, ttl_s: float) -> FaultySession:
        """As the store behind, if it gets there and back."""
        sent_at_s = self.now()
        session = self.send("open_session", lambda: self.inner.open_session(group, record, ttl_s))
        return FaultySession(self, session, replace(session.opened, sent_at_s=sent_at_s))

    def view(self, group: str) -> View:
        """As the store behind, if it gets there and back."""
        return self.send("view", lambda: self.inner.view(group))

    def beacons(self, group: str) -> Mapping[str, BeaconSeen]:
        """As the store behind, if it gets there and back."""
        return self.send("beacons", lambda: self.inner.beacons(group))

    def watch(self, group: str, wake: Callable[[], None]) -> Watch:
        """As the store behind; each wake is a request of its own and may be lost or held."""

        def deliver() -> None:
            request, (fate, _, _) = self._decided("wake", wake)
            if fate is Fate.DELIVER:
                request.land()
            elif fate is Fate.HOLD:
                self._plan.hold(request)

        return self.send("watch", lambda: self.inner.watch(group, deliver))

    def evict(self, group: str, observed: Observed) -> bool:
        """As the store behind, if it gets there and back."""
        return self.send("evict", lambda: self.inner.evict(group, observed))

    def depose(self, group: str, tenure: Tenure) -> bool:
        """As the store behind, if it gets there and back."""
        return self.send("depose", lambda: self.inner.depose(group, tenure))

    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        """As the store behind, if it gets there and back."""
        return self.send("put_role", lambda: self.inner.put_role(group, record))

    def probe(self, group: str) -> list[Probe]:
        """As the store behind, if it gets there and back."""
        return self.send("probe", lambda: self.inner.probe(group))


class FaultySession:
    """A session whose requests take the way of its `FaultyStore`."""

    def __init__(self, store: FaultyStore, inner: Session, opened: Proof) -> None:
        self.inner = inner
        self._store = store
        self._opened = opened

    @property
    def id(self) -> str:
        """The id of the session behind."""
        return self.inner.id

    @property
    def ttl_s(self) -> float:
        """The granted ttl."""
        return self.inner.ttl_s

    @property
    def opened(self) -> Proof:
        """The proof that opening gave, from when the request was sent."""
        return self._opened

    def heartbeat(self, beacon: bytes) -> Proof:
        """As the session behind, if it gets there and back."""
        sent_at_s = self._store.now()
        proof = self._store.send("heartbeat", lambda: self.inner.heartbeat(beacon))
        return replace(proof, sent_at_s=sent_at_s)

    def claim(self, requests: Sequence[ClaimRequest]) -> list[Claimed | Held]:
        """As the session behind, if it gets there and back."""
        batch = tuple(requests)
        return self._store.send("claim", lambda: self.inner.claim(batch))

    def release(self, tenures: Sequence[Tenure]) -> None:
        """As the session behind, if it gets there and back."""
        batch = tuple(tenures)
        self._store.send("release", lambda: self.inner.release(batch))

    def amend(self, tenures: Sequence[Tenure]) -> None:
        """As the session behind, if it gets there and back."""
        batch = tuple(tenures)
        self._store.send("amend", lambda: self.inner.amend(batch))

    def update(self, record: MemberRecord) -> None:
        """As the session behind, if it gets there and back."""
        self._store.send("update", lambda: self.inner.update(record))

    def close(self) -> None:
        """As the session behind, if it gets there and back."""
        self._store.send("close", self.inner.close)
