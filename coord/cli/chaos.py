"""`coord chaos`: play a scenario, judge a run again, list the faults.

Owns the commands and their endings. What happens is `coord.lab.chaos`'s, what is said of it
`chaos_words`'s.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rich_click as click
from click.exceptions import Exit

from coord.cli.chaos_words import faults_json, print_faults, print_verdict, verdict_json
from coord.cli.exits import ExitCode
from coord.cli.options import Whole
from coord.cli.output import console, error_console, print_json
from coord.cli.performing import interruptible, performed
from coord.cli.playing import Interrupted, empty_directory
from coord.cli.sim import simulating, tell_outcome
from coord.errors import CoordError
from coord.lab.chaos.preflight import check as preflight
from coord.lab.chaos.reading import MOST_ROUNDS, Overrides, read
from coord.lab.chaos.saved import load_run
from coord.lab.chaos.verdict import Verdict, judge
from coord.lab.sim.run import simulate as run_simulation
from coord.lab.sim.scenario import setting_of

__all__ = ["chaos"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")


class _Place(click.Path):
    """A path that says something: an empty word, as of a variable that is not set, is refused."""

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        """The path."""
        if value == "":
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)


class _Chaos(click.RichCommand):
    """The command that plays, unless its first word is that of another command."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401  click's own signature
    ) -> click.Context:
        """The context of `check` or `list` where that is the first word, else of ours.

        Only `--json` may stand before it: it means the same to all three.
        """
        first = next((place for place, word in enumerate(args) if word != "--json"), 0)
        other = _OTHERS.get(args[first]) if args else None
        if other is None:
            return super().make_context(info_name, args, parent, **extra)
        rest = args[:first] + args[first + 1 :]
        return other.make_context(f"{info_name} {args[first]}", rest, parent, **extra)


@click.command(name="chaos", cls=_Chaos)
@click.argument("scenario", metavar="SCENARIO.toml", type=_Place(path_type=Path))
@click.option(
    "--store",
    metavar="KIND|URL",
    help="Another store: the URL of yours, with a group of its own, or a kind: `sqlite` (a file), "
    "`etcd`, `zookeeper`, `dynamodb` or `memory` (servers that run for this scenario only).",
)
@click.option("--seed", type=int, help="Draws whom the faults strike.")
@click.option("--rounds", type=Whole(1, MOST_ROUNDS), help="How often all faults strike.")
@click.option("--ttl", metavar="DURATION", help="How long a silent member is waited for.")
@click.option(
    "--mode", metavar="MODE", help="`single`, `localized`, `co-leaders` or `queue`, as is usual."
)
@click.option(
    "--events",
    type=_Place(path_type=Path, file_okay=False),
    help="Keep the run here: an empty directory, or one to be made. Without it a run is kept in "
    "the temporary directory if it breaks a rule, and removed otherwise.",
)
@click.option(
    "--simulate", is_flag=True, help="In virtual time: nothing is started, nobody is struck."
)
@_JSON
def chaos(
    *,
    scenario: Path,
    store: str | None,
    seed: int | None,
    rounds: int | None,
    ttl: str | None,
    mode: str | None,
    events: Path | None,
    simulate: bool,
    as_json: bool,
) -> None:
    """Play a scenario: strike a fleet of real processes, and judge what comes of it.

    The options go before what the file says. Exit code 0: all rules were kept; 1: one was broken,
    and each is told with its moment; 6: no verdict, the fleet never came to rest or a process ended
    by itself. docs/chaos.md describes the files, and how to read a verdict.

    \b
    Also:
      coord chaos check DIR    judge a run again that was kept with --events
      coord chaos list         the faults, whom they strike, what is missing here

    \b
    Examples:
      coord chaos examples/chaos/leader-kill.toml
      coord chaos examples/chaos/leader-kill.toml --store etcd --json --events run
      coord chaos examples/chaos/leader-kill.toml --simulate --json
    """  # noqa: D301  click's mark for lines that are not to be joined
    _hint(scenario)
    overrides = Overrides(store=store, seed=seed, rounds=rounds, ttl=ttl, mode=mode)
    if simulate:
        if events is not None:
            raise click.UsageError("--events keeps what real processes did; not with --simulate")
        raise Exit(_simulated(scenario, overrides, as_json=as_json))
    with interruptible() as signals:
        with signals.breaking():
            plan = read(scenario, overrides)
        preflight(plan, str(scenario))
        signals.check()
        with _kept(events) as kept:
            verdict = performed(plan, kept.directory.absolute(), signals)
            kept.keep = kept.keep or not verdict.kept
    _tell(verdict, kept.directory if kept.keep else None, as_json=as_json)


@click.command(name="check")
@click.argument("directory", metavar="DIR", type=_Place(path_type=Path))
@_JSON
def check(*, directory: Path, as_json: bool) -> None:
    """Judge a run again that was kept with --events, from its files alone.

    Exit codes as for the run itself.
    """
    facts, log = load_run(directory)
    _tell(judge(log, facts), directory, as_json=as_json)


@click.command(name="list")
@_JSON
def list_faults(*, as_json: bool) -> None:
    """List the faults: what each does, whom it strikes, its options, what is missing here."""
    with interruptible() as signals:
        told = faults_json()  # asks the machine
        signals.check()
    if as_json:
        print_json(told)
    else:
        print_faults(console())


_OTHERS = {"check": check, "list": list_faults}


def _simulated(path: Path, overrides: Overrides, *, as_json: bool) -> ExitCode:
    """Play it in virtual time. Nothing is to be healed: signals end it as they end `coord sim`."""
    setting = setting_of(read(path, overrides), str(path))
    with simulating() as progress:
        outcome = run_simulation(setting, progress=progress)
    return tell_outcome(outcome, as_json=as_json)


def _hint(scenario: Path) -> None:
    """A word that is no file and looks like a command is no path that cannot be read."""
    if scenario.suffix or len(scenario.parts) > 1 or os.path.exists(scenario):  # noqa: PTH110
        return
    raise click.UsageError(
        f"there is no scenario {scenario}, and no such command; commands are "
        f"{' and '.join(_OTHERS)}"
    )


def _tell(verdict: Verdict, directory: Path | None, *, as_json: bool) -> None:
    """Print a verdict; raises Exit if a rule was broken."""
    if as_json:
        print_json(verdict_json(verdict, directory))
    else:
        print_verdict(console(), verdict, directory)
    if not verdict.kept:
        raise Exit(ExitCode.NO)


class _Kept:
    """Where a run lies, and whether it stays."""

    def __init__(self, directory: Path, *, keep: bool) -> None:
        self.directory = directory
        self.keep = keep


@contextmanager
def _kept(events: Path | None) -> Iterator[_Kept]:
    """A directory for a run. One that nobody asked for stays only if there is something to see.

    One that was asked for is as it was if nothing came of the run, so that the same command can be
    given again.
    """
    if events is None:
        directory, made = Path(tempfile.mkdtemp(prefix="coord-chaos-events-")), True
    else:
        made = not os.path.exists(events)  # noqa: PTH110 (Path raises where this is no)
        directory = empty_directory(events)
    kept = _Kept(directory, keep=events is not None)
    try:
        yield kept
    except (CoordError, Interrupted) as error:
        begun = any(directory.glob("*.jsonl"))
        kept.keep = begun and (kept.keep or isinstance(error, CoordError))
        if kept.keep:
            error_console().print(f"events until then: {directory}", soft_wrap=True)
        raise
    finally:
        if not kept.keep:
            _emptied(directory, made=made)


def _emptied(directory: Path, *, made: bool) -> None:
    """All that is in it goes, and the directory too if we have made it."""
    if made:
        shutil.rmtree(directory, ignore_errors=True)
        return
    for file in directory.iterdir():
        file.unlink()
