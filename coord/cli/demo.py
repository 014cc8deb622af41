"""`coord demo`: options, output and endings of the demo.

Owns the command. What happens is `coord.lab.demo`'s, and what is printed as a figure comes from
the report.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import rich_click as click
from click.exceptions import Exit
from rich.console import Console
from rich.text import Text

from coord.cli.output import console, error_console, print_json
from coord.config import parse_duration_s
from coord.errors import ConfigError
from coord.lab.demo.run import Plan, perform
from coord.lab.demo.summary import legend, notes, table, trades
from coord.lab.demo.view import Display
from coord.lab.measure import Report
from coord.registry import known_schemes
from coord.runtime import Coordinator

__all__ = ["demo"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNALLED = 128
_OWN = "sqlite"  # the store that needs no server: the demo makes one for itself
_ROUNDS_MAX = 1000
_TTL_MIN_S, _TTL_MAX_S = 0.5, 60.0


class Interrupted(Exception):
    """A signal asked for the end; `args[0]` is its number."""


@click.command(name="demo")
@click.option(
    "--store",
    default="sqlite",
    show_default=True,
    metavar="KIND|URL",
    help="Where the workers are led from: `sqlite` (a file of its own), or the URL of a store.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, _ROUNDS_MAX),
    default=1,
    show_default=True,
    help="How often each fault strikes in each mode.",
)
@click.option(
    "--ttl",
    default="2s",
    show_default=True,
    help="How long the fleet waits for a silent worker: 0.5 to 60 s.",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Draws whom the faults strike, and when.",
)
@click.option(
    "--events",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the event logs here: an empty directory, or one to be made.",
)
@click.option("--json", "as_json", is_flag=True, help="Print coord.report/1 and nothing else.")
def demo(
    *, store: str, rounds: int, ttl: str, seed: int, events: Path | None, as_json: bool
) -> None:
    """Watch a fleet lose its leader in three ways, and recover.

    Four worker processes delete expired rows of a database, led in three modes, while their
    leaders are killed, stopped and wedged. It takes about a minute a round. In the end a table says
    what each fault cost in each mode.
    """
    ttl_s = _ttl_s(ttl)
    with _signals_as_flag() as interrupted, _scratch() as work:
        url = _store_url(store, work, ttl_s)
        plan = Plan(
            store=url,
            kind=url.partition("://")[0],
            ttl_s=ttl_s,
            seed=seed,
            rounds=rounds,
            work=work,
            events=_empty(events or work / "events"),
        )
        try:
            with Display(error_console()) as display:
                report = perform(plan, display, interrupted)
            interrupted()
        except Interrupted as signalled:
            error_console().print("interrupted: all workers have been stopped")
            raise Exit(_SIGNALLED + signalled.args[0]) from None
    if as_json:
        print_json({**report})
    else:
        _print_summary(console(), report, events)


@contextmanager
def _signals_as_flag() -> Iterator[Callable[[], None]]:
    """Signals are noted, and raised only where the yielded function is called.

    So none of them, and no second Ctrl-C, breaks into the healing and stopping of workers.
    """
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    def interrupted() -> None:
        if seen:
            raise Interrupted(seen[0])

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield interrupted
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="coord-demo-") as path:
        yield Path(path)


def _ttl_s(text: str) -> float:
    ttl_s = parse_duration_s(text)
    if not _TTL_MIN_S <= ttl_s <= _TTL_MAX_S:
        raise ConfigError(
            f"the demo cannot be shown with a ttl of {ttl_s:g} s",
            cure=f"Choose one of {_TTL_MIN_S:g} to {_TTL_MAX_S:g} s: pauses last twice as long.",
        )
    return ttl_s


def _store_url(store: str, work: Path, ttl_s: float) -> str:
    """The URL for `--store`, after making sure that one can be a member there."""
    kind, is_url, _ = store.partition("://")
    if kind not in known_schemes():
        raise ConfigError(
            f"there is no store {kind!r}", cure=f"Known are: {', '.join(known_schemes())}."
        )
    if kind == "memory":
        raise ConfigError(
            "a store in memory lives in one process, and the demo has four",
            cure="Leave --store out, or give the URL of a store that processes can share.",
        )
    if not is_url and kind != _OWN:
        raise ConfigError(
            f"--store {kind} does not say where that store is",
            cure=f"Give its URL, with a group of its own: --store {kind}://…",
        )
    if not is_url:
        return f"{_OWN}:///{work / 'coord.db'}?group=demo"
    with Coordinator(store, member="demo", ttl_s=ttl_s):  # to be told here if it cannot be done
        return store


def _empty(directory: Path) -> Path:
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


def _print_summary(out: Console, report: Report, events: Path | None) -> None:
    out.print()
    out.print(table(report))
    out.print()
    out.print(Text(legend(), "dim"))
    out.print()
    for name, text in trades(report):
        out.print(Text.assemble((f"{name}: ", "bold"), text))
    out.print()
    for note in notes(report):
        out.print(note)
    where = f"in {events}" if events else "not kept; --events DIR keeps them"
    out.print(f"\nevent logs: {where}. The same figures as JSON: --json.")
