"""`python -m coord.testing.wire serve`: the memory store by hand, or as a process of a test.

Owns the command line and its exit codes: 0 stopped by a signal, 1 the port is taken, 2 wrong
arguments.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from coord.testing.servers.ports import HOST
from coord.testing.wire.service import Service

__all__ = ["main"]

_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m coord.testing.wire",
        description="The memory store for several processes of this machine; nothing is kept.",
    )
    serve = parser.add_subparsers(dest="verb", required=True).add_parser("serve", help="serve it")
    serve.add_argument("--port", type=int, default=0, help="of 127.0.0.1 (default: a free one)")
    options = parser.parse_args(arguments)
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # threads inherit it: they end at `sigwait`
    try:
        service = Service(options.port)
    except OSError as error:
        sys.stderr.write(f"error: port {options.port} of {HOST}: {error}\n")
        return _FAILED
    with service:
        sys.stdout.write(f"memory://{HOST}:{service.port}/\n")
        sys.stdout.flush()
        signal.sigwait(ends)
    return 0


if __name__ == "__main__":
    sys.exit(main())
