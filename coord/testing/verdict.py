"""The judge of a virtual world: what must never happen, checked as it happens.

Owns the rules below and what it has seen. It reads the store directly, in true time, and no
machine's opinion; nothing here influences the world.

* An act is legal only if, at that moment, the store holds the claim for the acting session under
  the acting token, and has not passed the moment at which it may end that session.
* Acts on one claim key never go back to an older token, nor acts on a role to an older generation.
* Deposing is the exception to both: it takes a claim from a holder that trusts its session still.
  Acts under a deposed token are counted as `stale`; a resource that compares tokens refuses them.
* Tokens of a key grow from holder to holder; a newer generation's exceed all of an older one's.
* At most one session of a member's name lives; a member runs one term a key.
* No machine asks to be woken at once, again and again, with nothing to do (hosts tell us so).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coord.core.commands import StartTerm
from coord.model import Claim, ClaimKey, View
from coord.testing.memory import MemoryServer

if TYPE_CHECKING:
    from coord.testing.world_clock import TrueClock
    from coord.testing.world_host import Host

__all__ = ["Verdict"]


class Verdict:
    """What was seen to be wrong, and how much was right."""

    def __init__(self, server: MemoryServer, group: str, clock: TrueClock) -> None:
        self.violations: list[str] = []
        self.acts = 0
        self.starts = 0
        self.stale = 0
        self._clock = clock
        self._server = server
        self._store = server.store()
        self._group = group
        self._view: View = self._store.view(group)
        self._raw: dict[tuple[str, int], int] = {}
        self._acted: dict[ClaimKey, int] = {}
        self._deposed: set[tuple[ClaimKey, int]] = set()
        self._generations: dict[str, int] = {}
        self._given: dict[ClaimKey, int] = {}
        self._by_generation: dict[tuple[str, int], int] = {}
        server.subscribe(group, self._changed)

    def report(self, what: str) -> None:
        """Something is wrong."""
        self.violations.append(f"{self._clock.now():.6f} {what}")

    def check(self) -> None:
        """Raise AssertionError if anything was wrong."""
        if self.violations:
            raise AssertionError("; ".join(self.violations[:5]))

    def view(self) -> View:
        """The group as it is now."""
        return self._store.view(self._group)

    # --- what hosts tell ---------------------------------------------------------------------

    def deposed(self, key: ClaimKey, token: int) -> None:
        """A claim is being taken from its holder."""
        self._deposed.add((key, token))

    def started(self, host: Host, given: StartTerm) -> None:
        """A term began."""
        self.starts += 1
        tenancy = host.machine.member.tenures.numbered(given.number)
        if tenancy is not None:
            self._raw[given.lease.session, given.number] = tenancy.token
        twins = [w for w in host.works.values() if w.given.key == given.key]
        if twins:
            self.report(f"{host.name} runs two terms of {given.key} at once")

    def ended(self, given: StartTerm) -> None:
        """A term's code has stopped."""
        self._raw.pop((given.lease.session, given.number), None)

    def acted(self, host: Host, given: StartTerm) -> None:
        """User code touched its resource."""
        self.acts += 1
        key, session = given.key, given.lease.session
        token = self._raw.get((session, given.number))
        if self._deposed and token is not None and (key, token) in self._deposed:
            self.stale += 1
            return
        claim, holder = self._server.apply(
            self._group, lambda state, now_s: state.holding(now_s, key)
        )
        if not claim or not holder or claim.session != session or claim.token != token:
            self.report(f"{host.name} acts on {key} under {token}, yet the store has {claim}")
        elif holder.expires_at_s is not None and holder.expires_at_s < self._clock.now():
            self.report(f"{host.name} acts on {key} though its session may end at any time")
        newest = self._acted.get(key, 0)
        if given.token < newest:
            self.report(f"{host.name} acts on {key} under {given.token} after a newer token")
        elif given.token > newest:
            self._acted[key] = given.token
        generation, newest = key.generation, self._generations.get(key.role, 0)
        if generation < newest:
            self.report(f"{host.name} acts on {key} after a newer generation has")
        elif generation > newest:
            self._generations[key.role] = generation

    # --- what the store shows ----------------------------------------------------------------

    def _changed(self) -> None:
        before, self._view = self._view, self._store.view(self._group)
        if before.claims is not self._view.claims:
            known = before.claims.get
            moved = [one for one in self._view.claims.items() if one[1] is not known(one[0])]
            for key, claim in moved:
                self._judge_token(key, claim, known(key))
        if before.members.keys() != self._view.members.keys():
            names = [member.record.name for member in self._view.members.values()]
            if len(names) != len(set(names)):
                self.report(f"two sessions of one name: {sorted(names)}")

    def _judge_token(self, key: ClaimKey, claim: Claim, before: Claim | None) -> None:
        if before is not None and before.token == claim.token:
            if claim.session not in (None, before.session):
                self.report(f"{key} went to another session under its old token")
            return
        if claim.token <= self._given.get(key, 0):
            self.report(f"{key} was given token {claim.token} after {self._given[key]}")
        self._given[key] = claim.token
        place = (key.role, key.generation)
        self._by_generation[place] = max(claim.token, self._by_generation.get(place, 0))
        for (role, generation), token in self._by_generation.items():
            if role != key.role or generation == key.generation:
                continue
            if (generation > key.generation) == (claim.token > token):
                self.report(f"{key} was given token {claim.token}; generation {generation} {token}")
