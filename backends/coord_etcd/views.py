"""Views of one group: strong, incremental, and next to free while nothing changes.

Owns the question whether what we have is all there is. Why the answer is right:

- Every write to the group's watched keys also writes the key `g` in the same transaction; only the
  end of a lease deletes without writing it. One linearizable transaction reads `g` and which
  beacons there are, at revision R. If our picture holds all changes up to `g`'s revision, then
  after that, up to R, nothing was written, and sessions can only have ended: if the beacons are
  those of our sessions, none has. So the picture is what the store shows at R.
- Otherwise what the watch has brought is added, after waiting for it a moment if need be; and if
  that does not lead there, or no watch runs, everything is read, at one revision.
- A cluster of another id, or a revision before ours, is another store or an older state of it
  (restored from a backup): everything is read, and the smaller revision tells the core.
- What somebody deletes by hand does not move `g`: it is seen as soon as the watch brings it, be it
  later than a view that found the picture whole beyond its revision
  (`test_what_is_deleted_by_hand_is_seen_when_the_watch_brings_it`).

A view is one request while nothing changes, whatever is claimed
(`test_a_view_costs_one_small_request_while_nothing_changes`). Asking `min_mod_revision` for the
changes instead costs the server a pass over every key, 50 ms for 10,000.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

from coord.errors import Certainty, StoreUnavailable
from coord.model import ClaimKey, View
from coord_etcd import wire
from coord_etcd.deadline import Deadline
from coord_etcd.failures import Compacted
from coord_etcd.feed import Feed
from coord_etcd.keys import Keys
from coord_etcd.lane import Lane
from coord_etcd.picture import Picture
from coord_etcd.records import ClaimRow
from coord_etcd.wire import Message, RangeAnswer

__all__ = ["Views"]

_PAGE = 5000
_ATTEMPTS = 3
_PATIENCE_S = 0.25


class _Mark(NamedTuple):
    """What tells whether a picture is whole."""

    cluster_id: int
    revision: int
    changed_at: int
    beats: Mapping[str, int]


class Views:
    """Reads one group's views, one at a time; any thread."""

    def __init__(self, lane: Lane, keys: Keys, group: str, feed: Feed) -> None:
        self._lane = lane
        self._keys = keys
        self._group = group
        self._feed = feed
        self._lock = threading.Lock()
        self._picture: Picture | None = None
        self.full_reads = 0
        """How often everything was read: once, and where the watch did not bring the changes."""
        self._ask = wire.txn(
            [],
            [
                wire.read(keys.changes),
                wire.read(*keys.beacons, keys_only=True),
            ],
        )

    def row(self, key: ClaimKey) -> ClaimRow | None:
        """A claim as the last view found it, or as it was believed then."""
        picture = self._picture
        return None if picture is None else picture.row(key)

    def generation(self, role: str) -> int:
        """A role's generation in the last view; 0 if not known."""
        picture = self._picture
        return 0 if picture is None else picture.generation(role)

    def view(self, deadline: Deadline) -> View:
        """The group as it is now."""
        if not self._lock.acquire(timeout=deadline.left_s):
            raise StoreUnavailable(
                f"another thread has been reading the group for {deadline.timeout_s:g} s",
                cure="Raise the timeout.",
                certainty=Certainty.NOT_APPLIED,
            )
        try:
            mark = _mark(self._lane.call("Txn", self._ask, deadline), self._keys)
            picture = self._picture
            if picture is None or not self._brought_up_to(picture, mark, deadline):
                picture = self._picture = self._read(deadline)
                self.full_reads += 1
            return picture.view(self._group, mark.beats)
        finally:
            self._lock.release()

    def _brought_up_to(self, picture: Picture, mark: _Mark, deadline: Deadline) -> bool:
        """Add what has arrived until the picture is whole; False if it cannot be made so."""
        if picture.cluster_id != mark.cluster_id or mark.revision < picture.revision:
            self._feed.distrust()
            return False
        patience = Deadline(min(_PATIENCE_S, deadline.left_s / 2))
        while True:
            arrived = self._feed.take(picture.revision) if self._feed.runs else None
            if arrived is not None:
                events, complete_to = arrived
                picture.apply(events, complete_to)
            if _is_whole(picture, mark):
                picture.reached(mark.revision)
                return True
            if arrived is None:
                return False
            if not self._feed.wait(picture.revision, patience.left_s) and patience.is_over:
                self._feed.distrust()
                return False

    def _read(self, deadline: Deadline) -> Picture:
        """Everything, at one revision."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._read_pages(deadline)
            except Compacted:
                continue  # between two pages
        return self._read_pages(deadline)

    def _read_pages(self, deadline: Deadline) -> Picture:
        start, end = self._keys.watched
        page: RangeAnswer = self._lane.call("Range", wire.get(start, end, limit=_PAGE), deadline)
        header, kvs = page.header, list(page.kvs)
        while page.more:
            request = wire.get(kvs[-1].key + b"\0", end, limit=_PAGE, revision=header.revision)
            page = self._lane.call("Range", request, deadline)
            kvs.extend(page.kvs)
        return Picture(self._keys, header.cluster_id, header.revision, kvs)


def _mark(answer: Message, keys: Keys) -> _Mark:
    changes, beacons = (response.response_range for response in answer.responses)
    changed_at = changes.kvs[0].mod_revision if changes.kvs else 0
    beats = {keys.session_in(kv.key): kv.version for kv in beacons.kvs}
    return _Mark(answer.header.cluster_id, answer.header.revision, changed_at, beats)


def _is_whole(picture: Picture, mark: _Mark) -> bool:
    if picture.revision >= mark.revision:
        return True
    return picture.revision >= mark.changed_at and picture.live == mark.beats.keys()
