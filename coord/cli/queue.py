"""`coord queue`: send to a queue, work it off, look at it, and bring back the dead.

Owns the commands and `coord.queue/1`. What a worker does is `coord.tasks.queue`'s.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import rich_click as click

from coord.cli.apps import app_option, tasks_in
from coord.cli.options import Whole, duration_option, store_command
from coord.cli.output import error_console, print_json, say
from coord.errors import ConfigError, StoreError
from coord.tasks.opening import open_queue
from coord.tasks.queue.payload import JsonCodec, outgoing
from coord.tasks.queue.spi import Queue

__all__ = ["queue"]

QUEUE = "coord.queue/1"
_MOST = 10_000_000


@click.group()
def queue() -> None:
    """Send to a queue, work it off, and look after it."""


@contextmanager
def _opened(url: str, timeout_s: float) -> Iterator[Queue]:
    found = open_queue(url, timeout_s=timeout_s)
    try:
        yield found
    finally:
        found.close()


def _answer(what: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"schema": QUEUE, **what})
    else:
        say(text)


@queue.command()
@store_command
@click.argument("task")
@click.option("--payload", default="{}", help="The arguments, a JSON object.", metavar="JSON")
@click.option("--count", default=1, show_default=True, type=Whole(min=1, max=_MOST))
@click.option("--group", default="", help="The FIFO group, or the tenant on a fair queue.")
@duration_option("--delay", default="0s", zero=True, text="How long nobody gets it.")
def send(  # noqa: PLR0917  click hands them over by name
    url: str,
    task: str,
    payload: str,
    count: int,
    group: str,
    delay_s: float,
    timeout_s: float,
    *,
    as_json: bool,
) -> int:
    """Send a message that asks for TASK, --count times.

    With --json: coord.queue/1, with how many were sent and what failed. If some failed: an error
    after the others were sent.

    \b
    Example:
      coord queue send sqlite:///q.db hello --payload '{"n": 1}' --count 1000
    """  # noqa: D301  click's mark for lines that are not to be joined
    message = outgoing(task, _arguments(payload), codec=JsonCodec(), group=group, delay_s=delay_s)
    sent = 0
    with _opened(url, timeout_s) as found:
        size = found.limits.batch_size
        while sent < count:
            answers = found.send([message] * min(size, count - sent))
            failed = [one for one in answers if isinstance(one, StoreError)]
            sent += len(answers) - len(failed)
            if failed:
                raise _partly(failed[0], sent, count)
    plural = "" if sent == 1 else "s"
    _answer({"sent": sent}, f"sent {sent} message{plural} for task {task}", as_json=as_json)
    return 0


def _partly(error: StoreError, sent: int, count: int) -> StoreError:
    return type(error)(
        f"{sent} of {count} messages were sent, then: {error.cause}", cure=error.cure
    )


def _arguments(payload: str) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError as error:
        raise ConfigError(
            f"--payload is not JSON: {error}", cure="""Write for instance '{"n": 1}'."""
        ) from error
    if not isinstance(found, dict):
        raise ConfigError(
            "--payload is not a JSON object", cure="""Name the arguments: '{"n": 1}'."""
        )
    return found


@queue.command()
@click.argument("url", metavar="URL")
@app_option
@click.option("--until-empty", is_flag=True, help="Stop when nothing is left to do.")
@click.option("--ledger", default=None, metavar="URL", help="Where `job.once` writes down.")
@click.option(
    "--concurrency",
    default=None,
    type=Whole(min=1, max=1000),
    help="How many handlers at once; else as many as it finds to be good.",
)
@click.option("--fleet", default=None, metavar="URL", help="The store in which ROLE is paused.")
@click.option("--role", default=None, help="`coord pause FLEET ROLE` stops this worker.")
@duration_option("--visibility", default="30s", text="How long a message is hidden at a time.")
@duration_option("--drain", default="30s", zero=True, text="What running handlers get to end.")
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
def run(  # noqa: PLR0917  click hands them over by name
    url: str,
    app: str,
    ledger: str | None,
    concurrency: int | None,
    fleet: str | None,
    role: str | None,
    visibility_s: float,
    drain_s: float,
    *,
    until_empty: bool,
    as_json: bool,
) -> int:
    """Run the tasks of --app for the messages of the queue.

    Until SIGTERM or Ctrl-C, which lets running handlers end within --drain; or with --until-empty
    until no message is ready, in flight or delayed. Each failure is logged on stderr.
    With --json: coord.queue/1, what became of the messages.
    """
    from coord.tasks.queue.worker import Worker

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    worker = Worker(
        url,
        tasks=tasks_in(app),
        ledger=ledger,
        fleet=fleet,
        role=role,
        concurrency=concurrency,
        visibility_s=visibility_s,
        wait_s=1.0 if until_empty else 5.0,
        drain_s=drain_s,
    )
    if not as_json and sys.stderr.isatty():
        error_console().print(f"working on {url}; Ctrl-C stops in order")
    worker.run(until_empty=until_empty)
    counts = worker.counts
    text = ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "nothing was received"
    _answer({"messages": dict(counts)}, text, as_json=as_json)
    return 0


@queue.command()
@store_command
def stats(url: str, timeout_s: float, *, as_json: bool) -> int:
    """Count the messages: ready, in flight, delayed, dead.

    On SQS these are approximate. With --json: {"ready", "in_flight", "delayed", "dead"}.
    """
    with _opened(url, timeout_s) as found:
        depth = found.depth()
    if as_json:
        print_json(depth._asdict())
    else:
        say(", ".join(f"{n} {what.replace('_', ' ')}" for what, n in depth._asdict().items()))
    return 0


@queue.command()
@store_command
@click.option("--count", default=_MOST, type=Whole(min=1, max=_MOST), help="At most so many.")
def redrive(url: str, count: int, timeout_s: float, *, as_json: bool) -> int:
    """Bring dead messages back to the queue, as if they had never been delivered.

    On SQS the dead-letter queue is moved as a whole, and the move goes on by itself.
    With --json: coord.queue/1.
    """
    with _opened(url, timeout_s) as found:
        moved = found.redrive(count)
    _answer({"moved": moved}, f"{moved} brought back", as_json=as_json)
    return 0


@queue.command()
@store_command
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(url: str, timeout_s: float, *, yes: bool, as_json: bool) -> int:
    """Remove all messages but the dead. There is no way back."""
    with _opened(url, timeout_s) as found:
        depth = found.depth()
        if not yes and not as_json and sys.stdin.isatty():
            click.confirm(f"Remove {depth.undone} messages for good?", abort=True)
        elif not yes:
            raise ConfigError(
                f"{depth.undone} messages would be removed for good", cure="Say --yes."
            )
        found.purge()
    _answer({"removed": depth.undone}, f"{depth.undone} removed", as_json=as_json)
    return 0
