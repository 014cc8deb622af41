"""The contract between coord and a ledger store: people who write one read this file.

Owns the protocol of ledger stores, the values that cross it, and what may be a key. Knows no rule
of the ledger (`coord.tasks.ledger.records` has them) and no client library. The contract of queues
is `coord.tasks.queue.spi`. `coord.testing.ledger_conformance` proves these promises of any store:

1. A key holds one record: bytes, and a tag that names this very writing of it.
2. `write` is compare and swap: it takes effect only if the key still has the tag that the caller
   names, in one atomic step. So of two that start from the same reading one wins.
3. A tag is never used twice, also after the record was removed and written anew. So a write that
   lands late, or a run that slept for a day, can never hit a record that it has not read.
4. Errors carry a certainty. `NOT_APPLIED` is said only when it is certain for ever.
5. A record is kept for `keep_s` at least. Then it is garbage, and goes when it suits the store:
   until it is gone it reads as it was. No wall clock of a reader decides what an answer is.

Threads: every method may be called from any thread, several at once. None blocks longer than the
timeout that the store was opened with (plus what the operating system adds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from coord.clock import Clock
from coord.errors import ConfigError, UsageError
from coord.spi import Probe

__all__ = [
    "BODY_MAX",
    "KEY_MAX",
    "Entry",
    "LedgerFactory",
    "LedgerGuarantees",
    "LedgerStore",
    "checked_body",
    "checked_keep",
    "checked_key",
]

KEY_MAX = 512
"""Bytes of a key as UTF-8: what all stores take, whatever they do to make a name of it."""

BODY_MAX = 256 * 1024
"""Bytes of a record that all of coord's own stores take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerGuarantees:
    """What a ledger store declares about itself.

    `body_max` is how many bytes a record may have. `shares_transaction` says that the user's own
    effect can be applied in one transaction with a record, by a class that comes with the store
    (`SqlOnce`, `DynamoDBOnce`): there, and only there, an effect is applied exactly once.
    """

    kind: str
    body_max: int = BODY_MAX
    shares_transaction: bool = False


class Entry(NamedTuple):
    """A record as it was read. `tag` is opaque: it is compared, and never ordered."""

    tag: str
    body: bytes


@runtime_checkable
class LedgerStore(Protocol):
    """Records under keys, written by compare and swap. One handle a process, in one group."""

    @property
    def guarantees(self) -> LedgerGuarantees:
        """What this store declares about itself."""
        ...

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """The records of those keys that have one, in as few requests as the store can.

        Strong: shows every write that was acknowledged before the call; each key by itself, not
        all of one moment. Raises ConfigError for what is no key, `StoreUnavailable`,
        `StoreRefused`.
        """
        ...

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        """Write one record if its tag is still `expect` (None: there is no record); the new tag.

        Raises `StoreConflict` (not applied) when the key has another tag, or a record where none
        was expected; `StoreUnavailable` and `StoreRefused` with their certainty. After `UNKNOWN`
        it may land later, on the same condition. A client that repeats requests by itself must
        tell its own applied write from somebody else's: it is answered with its tag, never with
        `StoreConflict`. UsageError and ConfigError (nothing was sent): the body is too large, or
        that is no key.
        """
        ...

    def probe(self) -> list[Probe]:
        """Say what `coord doctor` should show: rights, round trips, oddities of this store."""
        ...

    def close(self) -> None:
        """Close connections and stop threads; records stay. Idempotent."""
        ...


class LedgerFactory(Protocol):
    """What an entry point in `coord.ledgers` names: a class or callable that opens a URL."""

    def from_url(self, url: str, *, clock: Clock, timeout_s: float) -> LedgerStore:
        """Open `url`, which names a group too. `timeout_s` bounds every later call; errors name
        cause and cure.
        """
        ...


def checked_key(key: str) -> str:
    """Return `key` if it may name a record; raise ConfigError else.

    1 to 512 bytes as UTF-8, every character printable, slashes and spaces included.
    """
    if not isinstance(key, str) or not key or not key.isprintable():
        raise ConfigError(
            f"{str(key)[:80]!r} cannot be a key of the ledger",
            cure="A key is text of printable characters, and not empty.",
        )
    size = len(key) if key.isascii() else len(key.encode())
    if size > KEY_MAX:
        raise ConfigError(
            f"a key of {size} bytes, beginning {key[:80]!r}",
            cure=f"A key has at most {KEY_MAX} bytes: use a digest of what is longer.",
        )
    return key


def checked_body(key: str, body: bytes, guarantees: LedgerGuarantees) -> bytes:
    """Return `body` if the store takes it; raise UsageError else. Nothing has been written then."""
    if len(body) > guarantees.body_max:
        raise UsageError(
            f"the record of {key!r} has {len(body)} bytes, and the {guarantees.kind} ledger takes "
            f"{guarantees.body_max}: nothing was written",
            cure="Keep a large result elsewhere, and let the ledger remember where.",
        )
    return body


def checked_keep(keep_s: float) -> float:
    """Return `keep_s` if a record can be kept so long; raise ConfigError else."""
    if not 0 < keep_s < float("inf"):
        raise ConfigError(f"a record to be kept for {keep_s} s", cure="keep_s is a number above 0.")
    return keep_s
