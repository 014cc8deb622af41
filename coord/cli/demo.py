"""`coord demo`: options, output and endings of the demo.

Owns the command. What happens is `coord.lab.demo`'s, and what is printed as a figure comes from
the report.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import rich_click as click
from click.exceptions import Exit
from rich.console import Console
from rich.text import Text

from coord._version import __version__
from coord.cli.options import Whole
from coord.cli.output import console, error_console, print_json
from coord.cli.playing import SIGNALLED, Interrupted, Signals, empty_directory
from coord.cli.report import check_place, write_page
from coord.config import Timing, parse_duration_s
from coord.errors import ConfigError
from coord.lab.chaos.ground import Ground, ground
from coord.lab.chaos.verdict import Facts
from coord.lab.demo.cast import MEMBERS
from coord.lab.demo.run import ROLES, Plan, perform, steady_bound_s
from coord.lab.demo.summary import legend, notes, table, trades
from coord.lab.demo.view import Display
from coord.lab.measure import Report, load
from coord.lab.report import RunView, page, viewed
from coord.lab.work.modes import TAU_S, Mode
from coord.registry import open_store

__all__ = ["demo"]

_ROUNDS_MAX = 1000
_TTL_MIN_S, _TTL_MAX_S = 0.5, 60.0


@click.command(name="demo")
@click.option(
    "--store",
    default="sqlite",
    show_default=True,
    metavar="KIND|URL",
    help="Where the workers are led from: the URL of a store, with a group of its own, or a kind: "
    "`sqlite` (a file), `etcd`, `zookeeper` or `dynamodb` (a server that runs for this demo only).",
)
@click.option(
    "--rounds",
    type=Whole(1, _ROUNDS_MAX),
    default=1,
    show_default=True,
    help="How often each fault strikes in each mode.",
)
@click.option(
    "--ttl",
    metavar="DURATION",
    help="How long the fleet waits for a silent worker: 0.5 to 60 s. By default 2 s, and at the "
    "URL of an etcd or a DynamoDB 3 s, of a ZooKeeper 4 s.",
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
@click.option(
    "--out",
    metavar="PAGE.html",
    type=click.Path(path_type=Path),
    help="Draw all rounds on one HTML page, as `coord report` does, and write it here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print coord.report/1 and nothing else.")
def demo(
    *,
    store: str,
    rounds: int,
    ttl: str | None,
    seed: int,
    events: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Watch a fleet lose its leader in three ways, and recover.

    Four worker processes delete expired rows of a database, led in three modes and in a fourth fed
    by a queue, while those who do the work are killed, stopped and wedged. It takes about a minute
    a round. In the end a table says what each fault cost in each mode. With --json: coord.report/1.

    \b
    Examples:
      coord demo --store etcd
      coord demo --store etcd://127.0.0.1:2379/demo --json
    """  # noqa: D301  click's mark for lines that are not to be joined
    ttl_s = _ttl_s(ttl)
    if out is not None:
        check_place(out)
    with Signals() as signals, ExitStack() as opened:
        work = opened.enter_context(_scratch())
        logs = empty_directory(events or work / "events")
        try:
            display = opened.enter_context(Display(error_console()))
            with signals.breaking():
                here = opened.enter_context(
                    ground(store, ttl_s, work=work, say=display.say, roles=ROLES)
                )
            display.say(f"{here.kind}, group {here.group}, ttl {here.ttl_s:g} s")
            plan = Plan(
                ground=here,
                seed=seed,
                rounds=rounds,
                work=work,
                events=logs,
            )
            report = perform(plan, display, signals.check)
            signals.check()
            views = [] if out is None else [_view(plan, mode, events) for mode in plan.modes]
        except Interrupted as signalled:
            opened.close()
            error_console().print("interrupted: whatever was started has been stopped")
            raise Exit(SIGNALLED + signalled.args[0]) from None
    if as_json:
        print_json({**report})
    else:
        _print_summary(console(), report, here, events)
    if out is not None:
        write_page(out, page(views))
        said = error_console() if as_json else console()
        said.print(f"all rounds, drawn: {out}", markup=False, soft_wrap=True)


def _view(plan: Plan, mode: Mode, kept: Path | None) -> RunView:
    """One mode as the page shows it. The demo's bound is that within which it comes to rest.

    `kept`: where the logs stay; None: they go with the demo, so the page names no directory.
    """
    here, log = plan.ground, load(plan.events / mode.name)
    expiry = "visibility"
    if not mode.queue:
        with closing(open_store(here.url).store) as store:
            expiry = store.guarantees.expiry.value
    facts = Facts(
        title=f"demo: {mode.headline}",
        store=here.kind,
        own=here.own,
        versions={"coord": __version__, "python": platform.python_version()},
        ttl_s=here.ttl_s,
        expiry=expiry,
        drift=Timing.of(here.ttl_s).drift,
        poll_s=0.0,
        mode=mode.name,
        fault=", ".join(plan.faults),
        shards=mode.shards,
        seats=mode.seats,
        members=len(MEMBERS),
        seed=plan.seed,
        rounds=plan.rounds * len(plan.faults),
        tau_s=TAU_S,
        bound_s=steady_bound_s(here.ttl_s),
    )
    return viewed(kept and kept / mode.name, facts, log)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="coord-demo-") as path:
        yield Path(path)


def _ttl_s(text: str | None) -> float | None:
    if text is None:
        return None
    ttl_s = parse_duration_s(text)
    if not _TTL_MIN_S <= ttl_s <= _TTL_MAX_S:
        raise ConfigError(
            f"the demo cannot be shown with a ttl of {ttl_s:g} s",
            cure=f"Choose one of {_TTL_MIN_S:g} to {_TTL_MAX_S:g} s: pauses last twice as long.",
        )
    return ttl_s


def _print_summary(out: Console, report: Report, here: Ground, events: Path | None) -> None:
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
    if not here.own:
        out.print(
            f"what stays: in group {here.group} the records of three roles and the last tokens of "
            "their claims; no member, no session."
        )
    where = f"in {events}" if events else "not kept; --events DIR keeps them"
    out.print(f"\nevent logs: {where}. The same figures as JSON: --json.")
