"""`python -m coord.testing.sqs serve`: the fake by hand, or as a process of a test.

Owns the command line and its exit codes: 0 stopped by a signal, 1 the port is taken, 2 wrong
arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence

from coord.clock import SYSTEM_CLOCK
from coord.testing.clock import ManualClock
from coord.testing.servers.ports import HOST
from coord.testing.sqs.errors import SqsError
from coord.testing.sqs.queue import IN_FLIGHT_MAX
from coord.testing.sqs.service import RECREATE_AFTER_S, REGION
from coord.testing.sqs.serving import Serving, Settings

__all__ = ["main"]

_FAILED = 1
_WRONG = 2
_GARBAGE = 100_000  # few cycles are left behind; 200,000 messages should not be searched for them


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    options = _parser().parse_args(arguments)
    settings = Settings(
        region=options.region,
        in_flight_max=options.in_flight_max,
        recreate_after_s=options.recreate_after,
        queues=tuple(options.queue),
    )
    try:
        serving = Serving(settings, ManualClock() if options.virtual else SYSTEM_CLOCK)
    except SqsError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return _WRONG
    gc.freeze()
    gc.set_threshold(_GARBAGE, 20, 100)
    try:
        asyncio.run(_serve(serving, settings, options.port))
    except OSError as error:
        sys.stderr.write(f"error: port {options.port} of {HOST}: {error}\n")
        return _FAILED
    return 0


async def _serve(serving: Serving, settings: Settings, port: int) -> None:
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    try:
        found = await serving.start(port)
        told = {
            "endpoint": f"http://{HOST}:{found}",
            "port": found,
            "pid": os.getpid(),
            "region": settings.region,
            "queues": list(settings.queues),
        }
        sys.stdout.write(f"{json.dumps(told)}\n")
        sys.stdout.flush()
        await end.wait()
    finally:
        await serving.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m coord.testing.sqs",
        description="A fake of Amazon SQS for tests, on 127.0.0.1. Messages live in memory.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="serve until Ctrl-C or SIGTERM",
        description="Prints one line of JSON with the endpoint once it serves.",
    )
    serve.add_argument("--port", type=int, default=0, help="default: a free one")
    serve.add_argument("--region", default=REGION, help=f"default: {REGION}")
    serve.add_argument(
        "--queue",
        action="append",
        default=[],
        metavar="NAME",
        help="make this queue at the start; NAME.fifo is a FIFO queue; may be repeated",
    )
    serve.add_argument(
        "--virtual", action="store_true", help="time passes only when the control path says so"
    )
    serve.add_argument("--in-flight-max", type=int, default=IN_FLIGHT_MAX, metavar="N")
    serve.add_argument(
        "--recreate-after",
        type=float,
        default=RECREATE_AFTER_S,
        metavar="SECONDS",
        help="how long the name of a deleted queue is not free",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
