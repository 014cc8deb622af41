"""What the sessions of this process changed lately, for its own reading.

Owns a memory of changes that we made ourselves: a log in the table holds only the latest, and a
member that claims thousands of keys should not read them all back. Any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from coord_dynamodb.changes import Change

__all__ = ["OwnChanges"]

_ENTRIES = 2_000


class OwnChanges:
    """By group and member: transactions without a gap, the latest last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], dict[int, Sequence[Change]]] = {}

    def note(self, group: str, name: str, number: int, changes: Sequence[Change]) -> None:
        """Transaction `number` was applied."""
        with self._lock:
            entries = self._known.setdefault((group, name), {})
            if len(entries) >= _ENTRIES or (entries and number - 1 not in entries):
                entries.clear()
            entries[number] = changes

    def since(self, group: str, name: str, *, known: int, upto: int) -> list[Change] | None:
        """What the transactions after `known` up to `upto` did; None if we do not know all."""
        with self._lock:
            entries = self._known.get((group, name), {})
            wanted = range(known + 1, upto + 1)
            if len(wanted) > len(entries) or any(number not in entries for number in wanted):
                return None
            found = [change for number in wanted for change in entries[number]]
            for number in [number for number in entries if number < upto]:
                del entries[number]
            return found
