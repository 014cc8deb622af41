"""The contract between coord and a store. People who write stores read this file.

Owns the protocols and the values that cross them, with their promises. Knows no election
states and no client library. `coord.testing.conformance` proves the promises of any store:

1. At most one live session holds a claim key.
2. Tokens are 64-bit integers > 0, the store's own: the core adds the role's token base. They
   grow from holder to holder of a key, across restarts and deletion, and each token of a newer
   generation exceeds all of an older one.
3. A lost session never holds, renews or releases anything again; nothing re-creates it.
4. A `Proof` is never later than what the store will honour, within its declared expiry proof.
5. Errors carry a certainty. `NOT_APPLIED` is said only when it is certain for ever.
6. A delayed release, amendment or deposal never hits a later tenure: all carry the token.

Threads: a session's `heartbeat` is called from one thread while all its other methods, and the
store's, are called from others; a store must stand that. No method may block longer than the
timeout that the store was opened with (plus what the operating system adds).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol, runtime_checkable

from coord.clock import Clock
from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, View

__all__ = [
    "BeaconSeen",
    "ClaimRequest",
    "Claimed",
    "Expiry",
    "Guarantees",
    "Held",
    "Initializable",
    "Observed",
    "OpenedStore",
    "Probe",
    "Proof",
    "Session",
    "Store",
    "StoreFactory",
    "Tenure",
    "Watch",
]


class Expiry(Enum):
    """How a store can tell that a session has ended."""

    PROVEN = "proven"  # it, or a reader on the same clock, knows the moment
    BOUNDED_LAG = "bounded-lag"  # it may forget up to `Proof.lag_s` of a renewal
    OBSERVED = "observed"  # a reader must watch an unmoved heartbeat for a whole ttl


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantees:
    """What a store declares about itself; the core and the documentation read it.

    `batch_size` is how many keys one `claim`, `release` or `amend` call takes within one
    timeout. `peers_evict`: peers `evict` dead sessions, which the store does not, or not as soon.
    `min_ttl_s` is the shortest ttl that the store grants.
    """

    kind: str
    token_source: str
    expiry: Expiry
    pushes_changes: bool
    peers_evict: bool
    batch_size: int
    min_ttl_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The store acknowledged a heartbeat: it honours the session for `ttl_s` from `sent_at_s`.

    `sent_at_s` is on the clock the store was opened with, stamped before the request that is
    proven was sent. `lag_s` is how much of `ttl_s` the store may not honour.
    """

    sent_at_s: float
    ttl_s: float
    lag_s: float = 0.0


class ClaimRequest(NamedTuple):
    """Take `key`, provided that nothing has changed since the view it was decided on.

    It wins only if the key is free, its last token is `seen_token` (0: never had one), and the
    role's record still has `role_version`. On winning, `note` becomes the claim's note. That
    `key` is of the record's generation is the caller's duty; a store may refuse others.
    """

    key: ClaimKey
    seen_token: int
    role_version: int
    note: Note


class Claimed(NamedTuple):
    """The key is ours from now on, under this token."""

    key: ClaimKey
    token: int


class Held(NamedTuple):
    """The key was not given: another session holds it, or something has changed since the view."""

    key: ClaimKey


class Tenure(NamedTuple):
    """One holding of one key, named by its token, with the note to leave on it."""

    key: ClaimKey
    token: int
    note: Note


class Observed(NamedTuple):
    """The state of a session that a peer believes to be dead. Evicting is conditional on it."""

    session: str
    seq: int


class BeaconSeen(NamedTuple):
    """A member's latest beacon and the heartbeat number that carried it.

    Peers judge by newer beacons: `seq` grows with each heartbeat whose beacon says something.
    """

    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One finding of `Store.probe`, for `coord doctor`: good news, or a cause with its cure."""

    name: str
    ok: bool
    value: str
    cure: str = ""


class Watch(Protocol):
    """A running subscription."""

    def close(self) -> None:
        """Stop waking. Returns within the store's timeout; no wake follows after it returned."""
        ...


class Session(Protocol):
    """What lives or dies; all claims of a member hang on one.

    Every method but `close` raises `SessionLost` once the store has said that the session is
    over, and `StoreUnavailable` (with its certainty) when there was no clear answer in time.
    """

    @property
    def id(self) -> str:
        """Unique for ever; never reused."""
        ...

    @property
    def ttl_s(self) -> float:
        """The granted ttl, not the asked one."""
        ...

    @property
    def opened(self) -> Proof:
        """The proof that opening gave."""
        ...

    def heartbeat(self, beacon: bytes) -> Proof:
        """Renew, and publish `beacon`. O(1) requests whatever the session holds.

        A beacon that says nothing (empty, or `Beacon().to_bytes()`), as the one before did, need
        not be written again where the store alone ends sessions (not `Guarantees.peers_evict`):
        nobody judges by the number of such heartbeats, so they may leave `seq` as it is.
        """
        ...

    def claim(self, requests: Sequence[ClaimRequest]) -> list[Claimed | Held]:
        """Try to take each key; each wins or loses by itself. One answer per request, in order.

        A key that this session already holds under `seen_token` or a later token answers
        `Claimed` with its present token: repeating an ambiguous claim is safe.
        """
        ...

    def release(self, tenures: Sequence[Tenure]) -> None:
        """Let go of each tenure that is still ours under its token, leaving its note. Idempotent.

        Once asked for, a tenure is over for its holder whatever the answer: the request may land
        late, even after a repeated claim was answered with the same token.
        """
        ...

    def amend(self, tenures: Sequence[Tenure]) -> None:
        """Replace the note of each tenure that is still ours under its token. Idempotent."""
        ...

    def update(self, record: MemberRecord) -> None:
        """Replace this member's record (same name and incarnation)."""
        ...

    def close(self) -> None:
        """End the session and let go of everything it holds, as unclean.

        Idempotent, and no error on a session that is over already. After an error it may be
        called again, as often as it takes; nothing but `close` is called on it any more.
        """
        ...


@runtime_checkable
class Store(Protocol):
    """One store, opened once per process; holds connections, no election state."""

    @property
    def guarantees(self) -> Guarantees:
        """What this store declares about itself."""
        ...

    def open_session(self, group: str, record: MemberRecord, ttl_s: float) -> Session:
        """Make a member live.

        A session of the same name and incarnation is ours and is ended in the same request. A
        live session of the same name and another incarnation raises `DuplicateMember`, unless
        it is provably dead or expired, in which case it is evicted in the same request.
        """
        ...

    def view(self, group: str) -> View:
        """Read the group. Strong: shows every write that was acknowledged before the call."""
        ...

    def beacons(self, group: str) -> Mapping[str, BeaconSeen]:
        """The latest beacon of each live session, by session id."""
        ...

    def watch(self, group: str, wake: Callable[[], None]) -> Watch:
        """Call `wake()` (any thread, must not block) soon after anything but heartbeats changed.

        Wakes may be spurious or merged; a change may be missed for some time, never for good.
        """
        ...

    def evict(self, group: str, observed: Observed) -> bool:
        """End a session that is dead: still at `seq`, and expired (or its process provably gone).

        True when the session is over (now or before), False when it is not dead yet. Stores
        with observed expiry cannot check the time: there the caller's waiting is the proof.
        All of its claims become free, unclean, in the same request where the store can.
        """
        ...

    def depose(self, group: str, tenure: Tenure) -> bool:
        """Take one tenure away from its holder, leaving `note`. True if it is not held any more."""
        ...

    def put_role(self, group: str, record: RoleRecord) -> RoleRecord:
        """Write a role record, conditional on `record.version` (0: there is none yet).

        Returns it with its new version; raises `StoreConflict` when the stored one differs. That
        `generation` and `token_base` never shrink is the caller's duty: tokens rest on it. When
        the generation moves on, claims of older ones may leave the view as soon as they are free.
        """
        ...

    def probe(self, group: str) -> list[Probe]:
        """Say what `coord doctor` should show: rights, round trips, oddities of this store."""
        ...

    def close(self) -> None:
        """Close connections and stop threads. Sessions still open are left to expire."""
        ...


@runtime_checkable
class Initializable(Protocol):
    """Besides `Store`, for stores that need something made before their first member.

    Such a store must open (`from_url`) and probe while it is not made; its other methods raise
    `StoreRefused` with `coord init` as the cure.
    """

    def init(self, group: str) -> list[Probe]:
        """Make what is missing, and say what was found and what was made.

        For `coord init`: called once, from the main thread, before any other method. Idempotent
        and safe to race and to interrupt: what is there is left as it is and, where it cannot
        serve, raises `StoreRefused` instead of being changed. It may take longer than one timeout
        (a table takes a minute); each of its requests keeps to it, and each wait lets Ctrl-C in.
        """
        ...


class OpenedStore(NamedTuple):
    """A store and the group that its URL named."""

    store: Store
    group: str


class StoreFactory(Protocol):
    """What an entry point in `coord.stores` names: a class or callable that opens a URL."""

    def from_url(self, url: str, *, clock: Clock, timeout_s: float) -> OpenedStore:
        """Open `url`. `timeout_s` bounds every later call; errors name cause and cure."""
        ...
