"""Reading event logs while they grow.

Owns the place in each file up to which it was read. Judges nothing; a line that is not whole yet
waits for its end.
"""

from __future__ import annotations

from pathlib import Path

from coord.lab.measure import Log
from coord.lab.measure.events import Record

__all__ = ["Follower"]


class Follower:
    """Follows all `*.jsonl` of a directory; files may appear at any time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[Path, int] = {}
        self.records: list[Record] = []
        """Everything read so far."""

    def poll(self) -> list[Record]:
        """What was written since the last time, by time. Raises UsageError for a broken record."""
        lines: list[tuple[str, str]] = []
        for file in sorted(self._directory.glob("*.jsonl")):
            lines += self._new_lines(file)
        found = list(Log.parse(lines).records)
        self.records += found
        return found

    def log(self) -> Log:
        """Everything read so far, as one log."""
        return Log.of(self.records)

    def _new_lines(self, file: Path) -> list[tuple[str, str]]:
        start = self._read.get(file, 0)
        with file.open("rb") as stream:
            stream.seek(start)
            data = stream.read()
        whole = data.rfind(b"\n") + 1
        self._read[file] = start + whole
        text = data[:whole].decode(errors="replace")
        return [(str(file), line) for line in text.splitlines() if line.strip()]
