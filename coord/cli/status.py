"""`coord status`: the group at one moment. Owns the command; shapes and layout are elsewhere."""

from __future__ import annotations

import rich_click as click

from coord.cli.exits import ExitCode
from coord.cli.options import store_command
from coord.cli.output import print_json, room, show
from coord.cli.reading import opened, read
from coord.cli.shapes import status_shape
from coord.cli.summary import summarised

__all__ = ["status"]


@click.command()
@store_command
@click.option("--check", is_flag=True, help="Exit with 1 unless each seat of each role is led.")
def status(url: str, *, timeout_s: float, as_json: bool, check: bool) -> int:
    """Show members, roles, and who leads what.

    Each member with its zone, weight and claims held; each role with its leaders and tokens, and
    what keeps a seat without one. With --json: coord.status/1.
    """
    with opened(url, timeout_s) as found:
        group = summarised(read(found))
    if as_json:
        print_json(status_shape(group))
    else:
        from coord.cli.render import group_view

        show(group_view(group, width=room()))
    return ExitCode.NO if check and not group.all_led else ExitCode.OK
