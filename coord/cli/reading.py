"""One look at a group: the view, the beacons, and the moment.

Owns opening and closing a store for a command. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from coord.clock import SYSTEM_CLOCK
from coord.model import Beacon, View
from coord.registry import open_store
from coord.spi import OpenedStore

__all__ = ["Reading", "opened", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was seen. `beacons` by session; `now` on the clock that the view's moments are of."""

    store: str
    view: View
    beacons: Mapping[str, Beacon]
    now: float


@contextmanager
def opened(url: str, timeout_s: float) -> Iterator[OpenedStore]:
    """The store and the group that `url` names, closed at the end."""
    found = open_store(url, timeout_s=timeout_s)
    try:
        yield found
    finally:
        found.store.close()


def read(found: OpenedStore) -> Reading:
    """Look once."""
    view = found.store.view(found.group)
    seen = found.store.beacons(found.group)
    return Reading(
        store=found.store.guarantees.kind,
        view=view,
        beacons={sid: Beacon.from_bytes(beacon.payload) for sid, beacon in seen.items()},
        now=SYSTEM_CLOCK.now(),
    )
