"""What happened in a queue, counted: for tests that ask the server instead of the workers.

Owns the counters. Knows no rule.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tally"]


@dataclass(slots=True)
class Tally:
    """Counts of messages, not of calls, since the queue was made."""

    sent: int = 0
    duplicates: int = 0  # sent again within five minutes, to a FIFO queue, and dropped
    received: int = 0
    changed: int = 0
    deleted: int = 0
    lapsed: int = 0  # visible again because nobody deleted or extended them
    buried: int = 0  # moved to the dead-letter queue
    aged: int = 0  # kept longer than the retention period, and dropped
    stale_deletes: int = 0  # deletes with a receipt that was over
    stale_changes: int = 0  # extensions with a receipt that was over
