"""A place in the work where the lab can make it stand still.

Owns both ends: the file that the lab sets, and the polling that the work does. Knows nothing of
leadership, and must not: a wedge that told the coordination code about itself would prove
nothing. The work just does not come back from `pause_here()`, as it would not come back from a
database that hangs; heartbeats, deadlines and everything else of the process go on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from coord.model import checked_name

__all__ = ["FAILPOINTS_VARIABLE", "Failpoint"]

FAILPOINTS_VARIABLE = "COORD_FAILPOINTS"
"""The environment variable that names the directory of failpoint files."""

_POLL_S = 0.01


class Failpoint:
    """One failpoint of one member. Set while its file exists, whoever made it.

    Does not guarantee: that blocked work ever goes on; it does when the file is gone.
    """

    def __init__(self, path: Path | None) -> None:
        """`path` None: never set."""
        self.path = path

    @classmethod
    def of(cls, directory: Path, member: str, name: str = "work") -> Failpoint:
        """The failpoint `name` of a member, as both ends spell it. Raises ConfigError for names."""
        return cls(
            directory / f"{checked_name('member', member)}.{checked_name('failpoint', name)}"
        )

    @classmethod
    def from_environment(
        cls, member: str, name: str = "work", *, environ: Mapping[str, str] | None = None
    ) -> Failpoint:
        """The failpoint under the directory that `COORD_FAILPOINTS` names; never set without it."""
        directory = (os.environ if environ is None else environ).get(FAILPOINTS_VARIABLE, "")
        return cls.of(Path(directory), member, name) if directory else cls(None)

    @property
    def is_set(self) -> bool:
        """Whether work that comes by now would stand still."""
        return self.path is not None and self.path.exists()

    def pause_here(self) -> None:
        """Return at once if not set; otherwise block this thread for as long as it is.

        Called by the work, at the point where a hanging dependency would block it. Costs one
        file system look-up.
        """
        while self.is_set:
            time.sleep(_POLL_S)

    def set(self) -> None:
        """Make work that comes by stand still. Idempotent."""
        if self.path is not None:
            self.path.touch()

    def clear(self) -> None:
        """Let it go on. Idempotent."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Set while the block runs."""
        try:
            self.set()
            yield
        finally:
            self.clear()
