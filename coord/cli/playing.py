"""What commands share that play with real processes: how they are interrupted, where events go.

Owns the signals while something is played, and the directory that is asked for. Knows no fault.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Self

from coord.errors import ConfigError

__all__ = ["SIGNALLED", "Interrupted", "Signals", "empty_directory"]

SIGNALLED = 128
"""The exit code of what a signal has ended, without the signal's number."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked for the end; `args[0]` is its number. No client library may swallow it."""


class Signals:
    """Signals are noted, and raised as Interrupted only where that is asked for.

    So none of them, and no second Ctrl-C, breaks into the healing and stopping of processes.
    """

    def __init__(self) -> None:
        self._seen: list[int] = []
        self._breaking = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, old in self._before.items():
            signal.signal(number, old)

    def check(self) -> None:
        """Raise if there was one."""
        if self._seen:
            raise Interrupted(self._seen[0])

    @contextmanager
    def breaking(self) -> Iterator[None]:
        """The first signal in this block breaks into whatever runs, once."""
        self.check()
        self._breaking = True
        try:
            yield
        finally:
            self._breaking = False
        self.check()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._seen.append(number)
        if self._breaking:
            self._breaking = False
            raise Interrupted(number)


def empty_directory(directory: Path) -> Path:
    """Make the directory; raises ConfigError if it holds anything, or cannot be made."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not any(directory.iterdir()):
            return directory
    except OSError as error:
        raise ConfigError(
            f"{directory} cannot be used for event logs: {error.strerror}",
            cure="Give a directory that can be written, with --events.",
        ) from error
    raise ConfigError(
        f"{directory} is not empty",
        cure="Each run needs an empty directory: a report is measured from all logs in it.",
    )
