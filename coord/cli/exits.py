"""How a command can end: the one table of exit codes.

Owns the codes, and which error ends in which. Prints nothing.
"""

from __future__ import annotations

from enum import IntEnum

from coord.errors import (
    CoordError,
    InternalError,
    StoreConflict,
    StoreError,
    StoreUnavailable,
    UsageError,
)
from coord.lab.errors import Unplayed
from coord.testing.servers.errors import ServerFailed

__all__ = ["MEANINGS", "ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """What the exit code of a command says. `docs/cli.md` shows the same table."""

    OK = 0
    NO = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    CONFIG = 5
    NOT_IN_TIME = 6
    UNMET = 7
    INTERNAL = 70
    OUTPUT = 74
    INTERRUPTED = 130
    PIPE_CLOSED = 141


MEANINGS = {
    ExitCode.OK: "done, or answered",
    ExitCode.NO: "the answer is no: nothing to depose, a problem found, not led (with --check), "
    "a rule broken (chaos)",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.UNREACHABLE: "the store did not answer in time",
    ExitCode.REFUSED: "the store refused: rights, wrong or missing file or table, full disk",
    ExitCode.CONFIG: "it cannot be as asked: URL, name, role, timing, or a missing extra",
    ExitCode.NOT_IN_TIME: "not reached within --wait, or others kept changing the same record; "
    "of chaos and demo: no verdict, the fleet never came to rest, or a process ended by itself",
    ExitCode.UNMET: "nothing that was tried meets the limits (advise)",
    ExitCode.INTERNAL: "a fault of coord itself",
    ExitCode.OUTPUT: "the output could not be written",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C, or SIGTERM while waiting on a terminal)",
    ExitCode.PIPE_CLOSED: "the reader of the output went away",
}


def exit_code_of(error: CoordError) -> ExitCode:
    """The code for an error that ended a command."""
    if isinstance(error, UsageError):
        return ExitCode.CONFIG
    if isinstance(error, StoreUnavailable):
        return ExitCode.UNREACHABLE
    if isinstance(error, StoreConflict | Unplayed | ServerFailed):
        return ExitCode.NOT_IN_TIME
    if isinstance(error, StoreError):
        return ExitCode.REFUSED
    return ExitCode.INTERNAL if isinstance(error, InternalError) else ExitCode.NO
