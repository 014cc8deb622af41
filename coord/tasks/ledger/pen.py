"""Writing a record, and finding out what became of it.

Owns the answer to promise 5 of stores, as a ledger meets it: a write of which nobody knows whether
it was done is read back. Our run and beat there: it was. Reading back can never prove that it was
*not* done, so it is sent again, on the same condition: of the two at most one takes effect, and
they are the same. A run's writes follow one another (`Attempt` sees to that), so a record that
bears our run is ours, and a record that bears another is not
(`test_a_write_whose_reply_was_lost_is_known_for_ours`).
"""

from __future__ import annotations

from typing import NamedTuple

from coord.errors import Certainty, StoreConflict, StoreError, StoreUnavailable
from coord.tasks.ledger.records import Record
from coord.tasks.spi import Entry, LedgerStore

__all__ = ["TRIES", "Overtaken", "put", "record_of"]

TRIES = 3


class Overtaken(NamedTuple):
    """The record is another run's by now, or was removed (None): nothing of ours stands there."""

    found: Record | None


def record_of(key: str, entry: Entry | None) -> Record | None:
    """What an entry says. Raises StoreRefused if it cannot be read."""
    return None if entry is None else Record.from_bytes(key, entry.body)


def put(
    store: LedgerStore,
    key: str,
    record: Record,
    body: bytes,
    *,
    expect: str | None,
    keep_s: float,
    tries: int = TRIES,
) -> str | Overtaken:
    """Write `record`, as `body`, over the writing `expect`; its tag, or that another was here.

    Takes up to two requests a try. Raises the store's error where it stays unknown what became of
    it (certainty: unknown), and where it was refused.
    """
    tag = expect
    doubt: StoreError | None = None
    left = tries
    while left:
        left -= 1
        try:
            return store.write(key, body, expect=tag, keep_s=keep_s)
        except StoreConflict:
            pass
        except StoreError as error:
            if error.certainty is not Certainty.UNKNOWN and doubt is None:
                raise
            doubt = doubt or error
        entry = _read_back(store, key, doubt)
        found = record_of(key, entry)
        if entry is not None and found is not None and found.run == record.run:
            if found.beat == record.beat:
                return entry.tag
            if entry.tag != tag:  # an earlier writing of ours landed after all: go on from there
                tag, left = entry.tag, left + 1
        elif (entry.tag if entry else None) != expect:
            return Overtaken(found)
    raise doubt or StoreUnavailable(
        f"the record of {key!r} would not be written, and shows nobody else's writing",
        cure="Try again.",
        certainty=Certainty.NOT_APPLIED,
    )


def _read_back(store: LedgerStore, key: str, doubt: StoreError | None) -> Entry | None:
    try:
        return store.read([key]).get(key)
    except StoreError:
        if doubt is None:
            raise
        raise doubt from None
