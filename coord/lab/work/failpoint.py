"""A place in the work where the lab can make it stand still, or take longer.

Owns both ends: the files that the lab sets, and the look-ups that the work does. Knows nothing of
leadership, and must not: a wedge that told the coordination code about itself would prove
nothing. The work just does not come back from `pause_here()`, as it would not come back from a
database that hangs; heartbeats, deadlines and everything else of the process go on.

A process that takes part says so by a file of its own, so that a fault that nobody would notice is
refused instead of played.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from coord.model import checked_name

__all__ = ["FAILPOINTS_VARIABLE", "Failpoint", "failpoints_folder"]

FAILPOINTS_VARIABLE = "COORD_FAILPOINTS"
"""The environment variable that names the directory of failpoint files."""

_POLL_S = 0.01
# no name contains "~", so these are nobody else's files
_SLOW = "~slow"
_HERE = "~here"


def failpoints_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """The directory that `COORD_FAILPOINTS` names; None if it names none."""
    directory = (os.environ if environ is None else environ).get(FAILPOINTS_VARIABLE, "")
    return Path(directory) if directory else None


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
        """The failpoint under the directory that `COORD_FAILPOINTS` names; never set without it.

        For the end that is struck: it says that it is there. Raises OSError if it cannot.
        """
        directory = failpoints_folder(environ)
        if directory is None:
            return cls(None)
        found = cls.of(directory, member, name)
        found.announce()
        return found

    def announce(self) -> None:
        """Say that somebody looks here: a fault that nobody looks for is refused."""
        here = self._beside(_HERE)
        if here is not None:
            here.parent.mkdir(parents=True, exist_ok=True)
            here.touch()

    @property
    def announced(self) -> bool:
        """Whether anybody has ever looked here."""
        here = self._beside(_HERE)
        return here is not None and here.exists()

    @property
    def is_set(self) -> bool:
        """Whether work that comes by now would stand still."""
        return self.path is not None and self.path.exists()

    def pause_here(self) -> None:
        """Block this thread while it is set; then for as long as the work has been made slower.

        Returns at once if it is neither. Called by the work, at the point where a hanging or slow
        dependency would keep it. Costs two file system look-ups.
        """
        while self.is_set:
            time.sleep(_POLL_S)
        slower_s = self.slower_s
        if slower_s > 0:
            time.sleep(slower_s)

    @property
    def slower_s(self) -> float:
        """By how many seconds work that comes by now takes longer."""
        slow = self._beside(_SLOW)
        try:
            return 0.0 if slow is None else float(slow.readlink().name)
        except FileNotFoundError:
            return 0.0

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

    @contextmanager
    def slowing(self, by_s: float) -> Iterator[None]:
        """Work that comes by while the block runs takes so much longer each time."""
        slow = self._beside(_SLOW)
        if slow is None:
            yield
            return
        try:
            slow.symlink_to(repr(by_s))  # whole from its beginning, and read without a descriptor
            yield
        finally:
            slow.unlink(missing_ok=True)

    def _beside(self, what: str) -> Path | None:
        return None if self.path is None else self.path.with_name(f"{self.path.name}{what}")
