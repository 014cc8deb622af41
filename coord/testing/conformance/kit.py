"""What checks are written with: handles, members, roles, claims, patience and races.

Owns the setting of one check, a fresh group included, and leaves nothing behind. Knows the
contract and the harness; makes no promise of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from coord.errors import SessionLost, StoreRefused, StoreUnavailable
from coord.model import Claim, ClaimKey, LiveMember, MemberRecord, Note, RoleRecord, Shape, View
from coord.spi import Claimed, ClaimRequest, Expiry, Held, Observed, Session, Store, Tenure
from coord.testing.conformance.harness import Gate, Harness
from coord.testing.setting import Setting

__all__ = ["Kit", "chunks", "fresh_record", "shown"]

T = TypeVar("T")

DRIFT = 0.01  # what a patient observer adds to a ttl; clocks of one machine need less


class Kit(Setting[Harness, Store]):
    """One check's setting. `store` is the first handle; `other` is a second, another process."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness)
        self.group = f"conformance-{secrets.token_hex(6)}"
        self._sessions: list[Session] = []
        self._gates: list[Gate] = []

    def _begin(self) -> None:
        self.store = self.handle()
        self.other = self.handle()
        self.guarantees = self.store.guarantees

    def _leave_nothing(self) -> None:
        for gate in self._gates:
            gate.open()
        for session in reversed(self._sessions):
            try:
                session.close()
            except (SessionLost, StoreRefused, StoreUnavailable):
                continue  # it ended in the check, or its handle did
        super()._leave_nothing()

    # -------------------------------------------------------------------- handles and members

    def handle(self) -> Store:
        """Another handle on the same backing store."""
        store = self.harness.open()
        self._handles.append(store)
        return store

    def gate(self) -> Gate:
        """Another handle, whose requests can be held."""
        assert self.harness.gate is not None
        gate = self.harness.gate()
        self._gates.append(gate)
        self._handles.append(gate.store)
        return gate

    def close_handle(self, store: Store) -> None:
        """Close one handle, as a process that ends would."""
        self._handles.remove(store)
        store.close()

    def reopen(self) -> None:
        """Close every handle, restart the backing store, and open anew: no session lives on."""
        self._sessions.clear()
        super().reopen()

    def member(
        self,
        name: str = "a",
        *,
        store: Store | None = None,
        ttl_s: float | None = None,
        record: MemberRecord | None = None,
        group: str | None = None,
    ) -> Session:
        """A live member; its incarnation is new unless a record says otherwise."""
        asked_s = self.harness.patient_ttl_s if ttl_s is None else ttl_s
        session = (store or self.store).open_session(
            group or self.group, record or fresh_record(name), asked_s
        )
        self._sessions.append(session)
        return session

    # ---------------------------------------------------------------------------------- state

    def role(self, name: str = "r", *, shards: int = 1, seats: int = 1) -> RoleRecord:
        """A new role of the group."""
        return self.store.put_role(self.group, RoleRecord(name=name, shape=Shape(shards, seats)))

    def view(self) -> View:
        """What the other process sees."""
        return self.other.view(self.group)

    def shows_nothing(self, group: str) -> bool:
        """Whether the other process sees this group as empty."""
        view = self.other.view(group)
        return not any((view.members, view.claims, view.roles))

    def live(self, session: Session) -> LiveMember | None:
        """The session as the other process sees it, or None."""
        return self.view().members.get(session.id)

    def alive(self, session: Session) -> LiveMember:
        """The session as the other process sees it, which it must."""
        member = self.live(session)
        assert member is not None, f"the view does not show the live session {session.id}"
        return member

    def record_of(self, role: str) -> RoleRecord:
        """The role's record as the other process sees it, which it must."""
        return _role(self.view(), role)

    def claim_of(self, key: ClaimKey) -> Claim:
        """The claim as the other process sees it; free without a token if there is none."""
        return shown(self.view(), key)

    def request(self, key: ClaimKey, *, note: Note | None = None) -> ClaimRequest:
        """A request for `key` on what the other process sees now."""
        view = self.view()
        version = _role(view, key.role).version
        return ClaimRequest(key, shown(view, key).token, version, note or Note())

    def try_take(self, session: Session, key: ClaimKey) -> Claimed | Held:
        """Ask for one key on a fresh view."""
        return session.claim([self.request(key)])[0]

    def take(self, session: Session, *keys: ClaimKey, note: Note | None = None) -> list[int]:
        """Claim free keys, all of them, and return their tokens."""
        view = self.view()
        versions = {name: _role(view, name).version for name in {key.role for key in keys}}
        tokens: list[int] = []
        for batch in chunks(keys, self.guarantees.batch_size):
            requests = [
                ClaimRequest(key, shown(view, key).token, versions[key.role], note or Note())
                for key in batch
            ]
            for answer in session.claim(requests):
                assert isinstance(answer, Claimed), f"a free key was refused: {answer}"
                tokens.append(answer.token)
        return tokens

    def drop(self, session: Session, key: ClaimKey, token: int) -> None:
        """Release one tenure, cleanly."""
        session.release([Tenure(key, token, Note())])

    # ------------------------------------------------------------------------------- patience

    def wait_for(self, happened: Callable[[], bool], *, within_s: float) -> bool:
        """Look again and again until it happened or `within_s` have passed."""
        until_s = self.now() + within_s
        while not happened():
            if self.now() >= until_s:
                return False
            self.harness.sleep(self.harness.poll_s)
        return True

    def let_die(self, session: Session) -> None:
        """Wait until a silent session is over, evicting it where that is what peers do.

        AssertionError if it takes longer than its ttl and `late_s`.
        """
        self.harness.silence(session)
        watched = self.live(session)
        ends_s = session.ttl_s + self.harness.late_s
        if watched is not None and self.guarantees.expiry is Expiry.OBSERVED:
            self.harness.sleep(session.ttl_s * (1 + DRIFT))
            assert self.evict(session), "an observed, unmoved session was not evicted"
        elif self.guarantees.peers_evict:
            assert self.wait_for(lambda: self.evict(session), within_s=ends_s), (
                f"peers could not evict a silent session within {ends_s:g} s"
            )
        else:
            assert self.wait_for(lambda: self.live(session) is None, within_s=ends_s), (
                f"the store did not end a silent session within {ends_s:g} s"
            )

    def evict(self, session: Session) -> bool:
        """Ask the other process to evict the session as it sees it now."""
        member = self.live(session)
        return member is None or self.other.evict(self.group, Observed(session.id, member.seq))


def fresh_record(name: str) -> MemberRecord:
    """A member of this name with an incarnation of its own."""
    return MemberRecord(name=name, incarnation=secrets.token_hex(8))


def shown(view: View, key: ClaimKey) -> Claim:
    """The claim as a view shows it; free without a token if it shows none."""
    return view.claims.get(key) or Claim(key, 0, None, Note())


def _role(view: View, name: str) -> RoleRecord:
    record = view.roles.get(name)
    assert record is not None, f"the view does not show the record of role {name}"
    return record


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in batches of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
