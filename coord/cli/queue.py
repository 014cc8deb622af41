"""`coord queue`: send to a queue, work it off, look at it, and bring back the dead.

Owns the commands and `coord.queue/1`. What a worker does is `coord.tasks.queue`'s.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import rich_click as click

from coord.cli.apps import app_option, tasks_in
from coord.cli.exits import ExitCode
from coord.cli.options import Whole, duration_option, store_command
from coord.cli.output import error_console, print_error, print_json, say
from coord.errors import ConfigError, StoreError, StoreRefused, StoreUnavailable
from coord.model import checked_name
from coord.tasks import spec_of
from coord.tasks.opening import open_queue
from coord.tasks.queue.payload import JsonCodec, outgoing
from coord.tasks.queue.spi import Outgoing, Queue

__all__ = ["queue"]

QUEUE = "coord.queue/1"
_MOST = 10_000_000
_LOOK_S = 5.0
_OUTCOMES = ("done", "failed", "parked", "deferred", "returned", "lapsed")


class _InOrder(click.RichGroup):
    """Lists its commands in the order in which one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder)
def queue() -> None:
    """Send to a queue, work it off, and look after it.

    URL names an embedded queue, sqlite:///q.db, or one at Amazon, sqs://housekeeping?region=….

    \b
    Example:
      coord queue send sqlite:///q.db hello --payload '{"n": 1}' --count 1000
      coord queue run sqlite:///q.db --app mymodule --until-empty
      coord queue stats sqlite:///q.db
    """  # noqa: D301  click's mark for lines that are not to be joined


@contextmanager
def _opened(url: str, timeout_s: float, *, make: bool = False) -> Iterator[Queue]:
    found = open_queue(url, timeout_s=timeout_s, make=make)
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
@click.option(
    "--payload", default="{}", help="The arguments, a JSON object; - reads it.", metavar="JSON"
)
@click.option(
    "--count",
    default=1,
    show_default=True,
    type=Whole(min=1, max=_MOST),
    help="How many of them to send.",
)
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

    An embedded queue that is not there is made. If a request fails, or Ctrl-C ends it, it says how
    many had been sent. With --json: coord.queue/1, how many were sent.

    \b
    Example:
      coord queue send sqlite:///q.db hello --payload '{"n": 1}' --count 1000
    """  # noqa: D301  click's mark for lines that are not to be joined
    asked = _arguments(payload)
    name = checked_name("task", task)
    message = outgoing(name, asked, codec=JsonCodec(), group=group, delay_s=delay_s)
    with _opened(url, timeout_s, make=True) as found:
        try:
            sent = _send(found, message, count)
        except _Interrupted as interrupted:
            return _told(interrupted.sent, count, as_json=as_json)
    plural = "" if sent == 1 else "s"
    _answer({"sent": sent}, f"sent {sent} message{plural} for task {task}", as_json=as_json)
    return 0


class _Interrupted(Exception):
    """Ctrl-C came when so many were sent for certain."""

    def __init__(self, sent: int) -> None:
        super().__init__(sent)
        self.sent = sent


def _send(found: Queue, message: Outgoing, count: int) -> int:
    sent, size = 0, found.limits.batch_size
    try:
        while sent < count:
            answers = found.send([message] * min(size, count - sent))
            failed = [one for one in answers if isinstance(one, StoreError)]
            sent += len(answers) - len(failed)
            if failed:
                raise failed[0]
    except StoreError as error:
        if not sent:
            raise
        kind = StoreRefused if isinstance(error, StoreRefused) else StoreUnavailable
        raise kind(
            f"{sent} of {count} messages were sent, then: {error.cause}",
            cure=error.cure,
            certainty=error.certainty,
        ) from error
    except KeyboardInterrupt:
        raise _Interrupted(sent) from None
    return sent


def _told(sent: int, count: int, *, as_json: bool) -> int:
    code = ExitCode.INTERRUPTED
    print_error(
        f"interrupted when {sent} of {count} messages were sent",
        "The batch that was under way may have been sent as well: `coord queue stats` counts.",
        kind="Interrupted",
        code=code,
        as_json=as_json,
    )
    return code


def _arguments(payload: str) -> dict[str, Any]:
    text = sys.stdin.read() if payload == "-" else payload
    try:
        found = json.loads(text, parse_constant=_no_number)
    except ValueError as error:
        raise ConfigError(
            f"--payload is not JSON: {error}", cure="""Write for instance '{"n": 1}'."""
        ) from error
    if not isinstance(found, dict):
        raise ConfigError(
            "--payload is not a JSON object", cure="""Name the arguments: '{"n": 1}'."""
        )
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"it has no {name}")


@queue.command()
@click.argument("url", metavar="URL")
@app_option
@click.option("--until-empty", is_flag=True, help="Stop when nothing is left to do.")
@click.option(
    "--ledger",
    default=None,
    metavar="URL",
    help="Where `job.once`, and tasks with a schedule, write down what is done.",
)
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
    until no message is ready, in flight or delayed. A message that fails, or that nobody can read,
    is logged on stderr and comes again, after 1 s, 2 s, 4 s and so on, until it is done or dead.
    With --json: coord.queue/1, what became of the messages.

    \b
    Example:
      coord queue run sqlite:///q.db --app mymodule --until-empty
    """  # noqa: D301  click's mark for lines that are not to be joined
    from coord.cli.hearing import Hearing
    from coord.tasks.queue.worker import Worker

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    tasks = tasks_in(app)
    _check_ledger(tasks, ledger)
    hearing = Hearing(url)
    worker = Worker(
        url,
        tasks=tasks,
        ledger=ledger,
        fleet=fleet,
        role=role,
        concurrency=concurrency,
        visibility_s=visibility_s,
        wait_s=1.0 if until_empty else 5.0,
        drain_s=drain_s,
        listener=hearing,
    )
    hearing.stop = worker.stop
    if not as_json and sys.stderr.isatty():
        error_console().print(f"working on {url}; Ctrl-C stops in order")
    worker.run(until_empty=until_empty)
    if hearing.is_unread:
        raise BrokenPipeError
    counts = worker.counts
    text = ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "nothing was received"
    if left := counts.get("received", 0) - sum(counts.get(what, 0) for what in _OUTCOMES):
        text += f", {left} not ended: back within --visibility"
    _answer({"messages": dict(counts)}, text, as_json=as_json)
    if until_empty and not as_json and any(counts.get(what) for what in ("failed", "parked")):
        _tell_dead(url)
    return 0


def _check_ledger(tasks: list[Callable[..., object]], ledger: str | None) -> None:
    for spec in map(spec_of, tasks):
        if spec.schedule is not None and ledger is None:
            raise ConfigError(
                f"task {spec.name!r} has a schedule, and this worker has no ledger",
                cure="Say --ledger sqlite:///ledger.db, the same for all workers: of them all one "
                "must send each tick's messages.",
            )


def _tell_dead(url: str) -> None:
    """What failed until it was dead is not done, although the queue is empty."""
    with suppress(StoreError), _opened(url, _LOOK_S) as found:
        if dead := found.depth().dead:
            lies = "message lies" if dead == 1 else "messages lie"
            say(f"{dead} dead {lies} in the queue; `coord queue redrive {url}` brings them back")


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
@click.option(
    "--count", default=_MOST, type=Whole(min=1, max=_MOST), help="So many at most; else all."
)
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
        plural = "" if depth.undone == 1 else "s"
        if not yes and not as_json and sys.stdin.isatty():
            click.confirm(f"Remove {depth.undone} message{plural} for good?", abort=True)
        elif not yes:
            raise ConfigError(
                f"{depth.undone} message{plural} would be removed for good",
                cure="Say --yes if that is meant.",
            )
        found.purge()
    _answer({"removed": depth.undone}, f"{depth.undone} removed", as_json=as_json)
    return 0
