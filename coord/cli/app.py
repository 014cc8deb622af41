"""The table of commands, and what happens to whatever they raise.

Owns the command group: a command's module is imported when it is called, not when it is listed.
Knows no store. Every way to end leaves through `CoordGroup.main`, with a code of `exits.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple, NoReturn, cast

import rich_click as click
from click.exceptions import Abort, ClickException, Exit, NoSuchOption
from click.exceptions import UsageError as ClickUsageError

from coord._version import __version__
from coord.cli.exits import MEANINGS, ExitCode, exit_code_of
from coord.cli.output import print_bug, print_error, print_failure, ready_streams
from coord.errors import CoordError

__all__ = ["COMMANDS", "cli"]


class _Row(NamedTuple):
    target: str
    help: str


COMMANDS = {
    "demo": _Row(
        "coord.cli.demo:demo", "Watch a fleet lose its leader in three ways, and recover."
    ),
    "chaos": _Row("coord.cli.chaos:chaos", "Strike a fleet on purpose, and judge what follows."),
    "sim": _Row("coord.cli.sim:sim", "Simulate a setting, and judge it: hours in seconds."),
    "meter": _Row("coord.cli.meter:meter", "Record how late threads wake up on this machine."),
    "redundancy": _Row(
        "coord.cli.redundancy:redundancy", "Say how many co-leaders a target takes."
    ),
    "report": _Row("coord.cli.report:report", "Write one page of runs that were kept."),
    "advise": _Row(
        "coord.cli.advise:advise", "Say which timings and store meet your limits, and their cost."
    ),
    "init": _Row("coord.cli.init:init", "Make what a store needs before its first member."),
    "status": _Row("coord.cli.status:status", "Show members, roles, and who leads what."),
    "watch": _Row("coord.cli.watch:watch", "Show the same live, and each change as it happens."),
    "why": _Row("coord.cli.why:why", "Say why somebody leads a role, or why nobody does."),
    "pause": _Row("coord.cli.roles:pause", "Stop a role everywhere."),
    "resume": _Row("coord.cli.roles:resume", "Let a paused role be led again."),
    "reshape": _Row("coord.cli.reshape:reshape", "Give a role another number of shards or seats."),
    "depose": _Row("coord.cli.depose:depose", "Take a shard away from whoever leads it."),
    "doctor": _Row("coord.cli.doctor:doctor", "Check the store, and recommend timings for it."),
    "queue": _Row("coord.cli.queue:queue", "Send to a queue, work it off, and look after it."),
    "tasks": _Row("coord.cli.tasks:tasks", "Show the tasks of a program."),
    "tokens": _Row("coord.cli.tokens:tokens", "Lift fencing tokens after a restore from backup."),
}


class LazyCommand(click.RichCommand):
    """A row of the table, until it is called: then the real command takes over."""

    def __init__(self, name: str, row: _Row) -> None:
        super().__init__(name=name, help=row.help, add_help_option=False)
        self._target = row.target

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401  click's own signature
    ) -> click.Context:
        """The context of the real command, which click then invokes."""
        return self.real.make_context(info_name, args, parent, **extra)

    @property
    def real(self) -> click.Command:
        """What the row stands for; imports it."""
        module, attribute = self._target.split(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found


class CoordGroup(click.RichGroup):
    """`coord`: finds commands, and turns every ending into an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table: looking comes before changing."""
        return list(self.commands)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of exit codes, below the commands."""
        from rich.panel import Panel
        from rich.table import Table

        table = Table.grid(padding=(0, 2, 0, 1))
        table.add_column(justify="right", style="bold cyan")
        table.add_column()
        for code, meaning in MEANINGS.items():
            table.add_row(f"{code:d}", meaning)
        panel = Panel(table, title="Exit codes", title_align="left", border_style="dim")
        cast("click.RichHelpFormatter", formatter).write(panel)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a wrong name, say which ones are like it."""
        name = args[0]
        if not name.startswith("-") and name not in self.commands and not ctx.resilient_parsing:
            raise ClickUsageError(f"there is no command {name!r}{_similar(name, self)}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        """Run the command, and have its output written while errors can still be told."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _discard_output()
            raise Exit(ExitCode.PIPE_CLOSED) from None
        return result

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002  click's own signature
        **extra: Any,  # noqa: ANN401
    ) -> NoReturn:
        """Run, and exit with a code of the table whatever happens."""
        words = sys.argv[1:] if args is None else list(args)
        as_json = "--json" in words
        ready_streams()
        try:
            result = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
            code = int(result or 0)
        except Abort:
            code = ExitCode.INTERRUPTED
        except ClickException as error:
            code = _print_usage(error, words, as_json=as_json)
        except CoordError as error:
            code = exit_code_of(error)
            print_failure(error, code, as_json=as_json)
        except OSError as error:
            code = ExitCode.OUTPUT
            _discard_output()
            cause = f"the output could not be written: {error.strerror or error}"
            print_error(cause, "", kind="OSError", code=code, as_json=as_json)
        except Exception as error:  # noqa: BLE001  the last place that can tell anybody
            code = ExitCode.INTERNAL
            print_bug(error, as_json=as_json)
        sys.exit(code)


def _similar(name: str, group: click.Group) -> str:
    found = get_close_matches(name, list(group.commands))
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _path_of(words: Sequence[str]) -> str:
    """Which command a line names, as far as it does: not all errors of click know theirs."""
    found: click.Command = cli
    path = "coord"
    for word in words:
        if not isinstance(found, click.Group) or word not in found.commands:
            break
        path = f"{path} {word}"
        found = found.commands[word]
        if isinstance(found, LazyCommand):
            found = found.real
    return path


def _print_usage(error: ClickException, words: Sequence[str], *, as_json: bool) -> ExitCode:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _path_of(words)
    cause = error.format_message()
    if isinstance(error, NoSuchOption) and not error.possibilities and context is not None:
        cause = f"{path} has no option {error.option_name}"
    print_error(
        f"{cause[:1].lower()}{cause[1:]}",
        f"`{path} --help` shows how it is used.",
        kind="UsageError",
        code=ExitCode.USAGE,
        as_json=as_json,
    )
    return ExitCode.USAGE


def _discard_output() -> None:
    """Whatever is still buffered has nowhere to go; the interpreter shall not try at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=CoordGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Leader election and housekeeping for fleets, on the store you already trust.

    URL names a store and a group in it, such as sqlite:///fleet.db or etcd://host:2379/group.
    Commands that change something say what they changed. --json gives every command's answer,
    and every error, in a documented shape (docs/cli.md).
    """


for _name, _row in COMMANDS.items():
    cli.add_command(LazyCommand(_name, _row))
