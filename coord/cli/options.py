"""What the commands take: the store's URL, `--json`, `--timeout`, durations.

Owns the arguments that commands share, so that they read alike everywhere. Opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rich_click as click

from coord.config import parse_duration_s
from coord.errors import ConfigError

__all__ = ["Whole", "duration_option", "store_command", "wait_option"]

_Function = Callable[..., Any]


class Whole(click.IntRange):
    """A whole number within bounds, named so where it is shown or refused."""

    name = "integer"  # click's own name reads "'x' is not a valid integer range"


def _seconds(value: str, *, zero: bool) -> float:
    try:
        seconds = parse_duration_s(value)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from None
    if seconds < 0 or (seconds == 0 and not zero) or seconds == float("inf"):
        raise click.BadParameter(f"{value} is too short" if seconds < 1 else f"{value} is too long")
    return seconds


def duration_option(
    name: str, *, default: str | None, text: str, zero: bool = False
) -> Callable[[_Function], _Function]:
    """An option such as `--wait 15s`; the command gets seconds, as `wait_s` (None: not given).

    `zero`: 0s is allowed too.
    """

    def convert(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
        return None if value is None else _seconds(value, zero=zero)

    return click.option(
        name,
        f"{name.lstrip('-').replace('-', '_')}_s",
        callback=convert,
        default=default,
        show_default=default is not None,
        metavar="DURATION",
        help=text,
    )


def wait_option(text: str) -> Callable[[_Function], _Function]:
    """`--wait`, for commands that ask for something which takes its time."""
    return duration_option("--wait", default="30s", zero=True, text=text)


def store_command(function: _Function) -> _Function:
    """What every command on a store takes: URL first, `--json`, `--timeout`."""
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON."),
        duration_option(
            "--timeout", default="5s", text="How long each request to the store may take."
        ),
        click.argument("url", metavar="URL"),
    ):
        function = decorate(function)
    return function
