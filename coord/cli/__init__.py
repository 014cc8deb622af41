"""The command line: the only user of arguments and exit codes.

Owns the entry point. Imports nothing before it is called, and a command only when it is asked for,
so that `coord --version` and `--help` are quick and load no store.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]

_INTERRUPTED = 130  # `exits.py` has the table; it is not loaded yet when this one is needed


def main(args: Sequence[str] | None = None, *, prog_name: str = "coord") -> NoReturn:
    """Run one command and leave the process with its exit code. Main thread only."""
    try:
        from coord.cli.app import cli
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    cli.main(args=args, prog_name=prog_name)
    raise AssertionError
