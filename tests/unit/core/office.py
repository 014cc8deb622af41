"""One desk with hand-made views and a hand-moved time: what it decides, and when.

Owns the showing of views (each a newer revision) and the following of wake times. Carries nothing
out: what the desk wants is for the test to read. Knows no rule of the desk.
"""

from __future__ import annotations

from collections.abc import Mapping

from coord.config import Role, Timing
from coord.core.decision import Decision, Standing
from coord.core.desk import Desk
from coord.core.tenures import Tenancy, Tenures
from coord.model import Claim, ClaimKey, LiveMember, Note, RoleRecord
from tests.unit.core.views import ROLE, live, record_of, view_of

__all__ = ["TIMING", "Office", "key"]

TIMING = Timing.of(10.0, settle_s=1.0, claim_timeout_s=1.0)
_INF = float("inf")


def key(shard: int, seat: int = 0, generation: int = 1) -> ClaimKey:
    """A claim of the role that all tests use."""
    return ClaimKey(ROLE, generation, shard, seat)


class Office:
    """The desk of member `name`, whose session is `s-name`, and what it has been shown."""

    def __init__(
        self,
        role: Role,
        *,
        name: str = "a",
        record: RoleRecord | None = None,
        max_shards: int | None = None,
        highest: Mapping[ClaimKey, int] | None = None,
    ) -> None:
        self.role = role
        self.name = name
        self.session = f"s-{name}"
        self.record = record if record is not None else self._own_record()
        self.max_shards = max_shards
        self.highest = dict(highest or {})
        self.most_asked = 1_000_000
        self.desk = Desk(role)
        self.tenures = Tenures()
        self.present_s: dict[str, float] = {}
        self._revision = 0

    def _own_record(self) -> RoleRecord | None:
        return record_of(self.role.shape, preferred=self.role.preferred)

    def member(self, name: str, **settings: object) -> LiveMember:
        """A live member that serves the role as this one does."""
        return live(name, self.role.shape, **settings)  # type: ignore[arg-type]

    def see(
        self,
        now: float,
        *others: str | LiveMember,
        held: Mapping[ClaimKey, str] | None = None,
        claims: tuple[Claim, ...] = (),
        listed: bool = True,
    ) -> None:
        """A newer view: this member (if `listed`), the others, and who holds what by name."""
        me = [self.member(self.name, max_shards=self.max_shards)] if listed else []
        found = [one if isinstance(one, LiveMember) else self.member(one) for one in others]
        for one in found:
            self.present_s.setdefault(one.session, now)
        self._revision += 1
        view = view_of([*me, *found], self.record, held, claims, revision=self._revision)
        self.desk.on_view(view, session=self.session, now=now)

    def hold(self, *keys: ClaimKey, since_s: float) -> list[Tenancy]:
        """Lead these claims."""
        found = []
        for one in keys:
            tenancy = self.tenures.request(one, self.role, Note(), self.session)
            self.tenures.won(tenancy, token=1, now=since_s)
            found.append(tenancy)
        return found

    def decide(self, now: float) -> Decision:
        """What the desk wants now."""
        standing = Standing(
            session=self.session,
            name=self.name,
            max_shards=self.max_shards,
            timing=TIMING,
            present_since_s=lambda session: self.present_s.get(session, _INF),
            most_asked=self.most_asked,
            highest=self.highest,
        )
        return self.desk.decide(standing, self.tenures, now)

    def wants(self, now: float) -> set[ClaimKey]:
        """The claims that it asks for now."""
        return {request.key for request in self.decide(now).claims}

    def asks(self, now: float) -> set[ClaimKey]:
        """The claims whose code it asks to stop now."""
        return {ask.key for ask in self.decide(now).asks}

    def first_want(self, now: float, wanted: ClaimKey, *, by_s: float) -> float:
        """When, woken only as it asks to be, it first asks for this claim; `by_s` at the latest."""
        while wanted not in self.wants(now):
            assert now < self.desk.wake_s <= by_s, f"not by {by_s}: {self.desk.wake_s}"
            now = self.desk.wake_s
        return now

    def reports(self, now: float) -> list[str]:
        """The kinds of what it has to say now."""
        return [kind for kind, _ in self.decide(now).reports]
