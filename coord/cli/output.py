"""Where output goes: results to stdout, errors to stderr, as text or as JSON.

Owns consoles, JSON and the wording around errors. Knows no command. Colours only on a terminal, and
never where NO_COLOR is set; nothing is said by colour alone.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from coord.cli.exits import ExitCode
from coord.errors import CoordError, StoreError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = [
    "console",
    "error_console",
    "print_bug",
    "print_error",
    "print_failure",
    "print_json",
    "ready_streams",
    "room",
    "say",
    "show",
]

ERROR_SCHEMA = "coord.error/1"
_WIDTH_OF_PIPES = 120
_UNBROKEN = 4000


def ready_streams() -> None:
    """Let no character break the output: what the terminal cannot show is replaced.

    Nor shall a library write beside us on stderr, where an error is one JSON object: gRPC does, of
    each handshake that fails, unless told otherwise before it is imported.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    _made.cache_clear()
    _wide.cache_clear()


def _open_closed() -> None:
    """A stream that we were started without (`>&-`) leads nowhere; no file may get its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123


@cache
def _kind() -> type[Console]:
    from rich.console import Console

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            """End quietly, as `head` expects."""
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Exit(ExitCode.PIPE_CLOSED)

    return _Console


@cache
def _made(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    width = _WIDTH_OF_PIPES if piped else None
    return _kind()(stderr=stderr, highlight=False, width=width, emoji=False, markup=False)


@cache
def _wide() -> Console:
    return _kind()(highlight=False, emoji=False, markup=False, width=_UNBROKEN)


def console() -> Console:
    """For results."""
    return _made(stderr=False)


def error_console() -> Console:
    """For errors, and for what is said while waiting."""
    return _made(stderr=True)


def room() -> int:
    """How many columns a line may have: the terminal's; in a pipe no line is broken."""
    out = console()
    return out.width if out.is_terminal or "COLUMNS" in os.environ else _UNBROKEN


def show(what: RenderableType) -> None:
    """Print a result: broken between words on a terminal, line for line into pipes."""
    if room() != _UNBROKEN:
        console().print(what)
        return
    with _wide().capture() as text:
        _wide().print(what)
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()))


def say(text: str) -> None:
    """Print sentences, as `show` does."""
    from rich.text import Text

    show(Text(text))


def print_json(value: Mapping[str, object], *, lines: bool = False) -> None:
    """Print one JSON object: on one line, or indented if a person reads it. `lines`: never."""
    indent = 2 if sys.stdout.isatty() and not lines else None
    click.echo(json.dumps(value, indent=indent))
    if lines:
        sys.stdout.flush()


def print_error(cause: str, cure: str, *, kind: str, code: int, as_json: bool, **more: str) -> None:
    """Say on stderr what went wrong and what to do about it."""
    if as_json:
        told = {"schema": ERROR_SCHEMA, "kind": kind, "cause": cause, "cure": cure}
        click.echo(json.dumps({**told, **more, "exit_code": int(code)}), err=True)
        return
    from rich.text import Text

    out = error_console()
    out.print(Text.assemble(("error: ", "bold red"), cause.rstrip(".")), soft_wrap=True)
    if cure:
        out.print(Text.assemble(("cure: ", "bold"), cure), soft_wrap=True)


def print_failure(error: CoordError, code: ExitCode, *, as_json: bool) -> None:
    """Print an error of ours."""
    more = {"certainty": error.certainty.value} if isinstance(error, StoreError) else {}
    kind = type(error).__name__
    print_error(error.cause, error.cure, kind=kind, code=code, as_json=as_json, **more)


def print_bug(error: Exception, *, as_json: bool) -> None:
    """Print an error that should not exist, with all that a report needs."""
    trace = "".join(traceback.format_exception(error))
    if not as_json:
        click.echo(trace, err=True, nl=False)
    print_error(
        f"{type(error).__name__}: {error}",
        "This is a fault of coord itself: please report it with the lines above.",
        kind="InternalError",
        code=ExitCode.INTERNAL,
        as_json=as_json,
        **({"trace": trace} if as_json else {}),
    )
