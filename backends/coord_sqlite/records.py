"""Rows and what they mean: the pure codec between SQLite's values and `coord.model`.

Owns the columns and their order. Knows no connection and no rule;
the texts are `coord.codec`'s. One row that this release cannot read keeps nobody from the view
(`test_one_row_that_cannot_be_read_keeps_nobody_from_the_view`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from coord.codec import note_of as stored_note
from coord.model import Note
from coord_sqlite.place import Place, Process

__all__ = ["SESSION_COLUMNS", "SessionRow", "note_of"]

SESSION_COLUMNS = (
    "id, seq, expires_at_s, ttl_s, incarnation, machine, boot, clock, processes, pid, started"
)


class SessionRow(NamedTuple):
    """What decides about a session's life; its columns are `SESSION_COLUMNS`."""

    id: str
    seq: int
    expires_at_s: float
    ttl_s: float
    incarnation: str
    machine: str
    boot: str
    clock: str
    processes: str
    pid: int
    started: int

    @property
    def place(self) -> Place:
        return Place(self.machine, self.boot, self.clock)

    @property
    def process(self) -> Process:
        return Process(self.processes, self.pid, self.started)


@lru_cache(maxsize=4096)
def note_of(text: str, clean: int) -> Note:
    """The stored note; the column's `clean` wins."""
    note = stored_note(text)
    return note if note.clean == bool(clean) else replace(note, clean=bool(clean))
