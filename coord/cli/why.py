"""`coord why`: why does who lead, or nobody. Owns the command and the layout of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import rich_click as click

from coord.cli.exits import ExitCode
from coord.cli.options import Whole, store_command
from coord.cli.output import print_json, show
from coord.cli.reading import opened, read
from coord.cli.shapes import why_shape
from coord.cli.summary import ranges
from coord.core.explain import Code, Explanation, Reason, SeatAnswer, explain
from coord.core.wording import shape_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["why"]

_SHARDS_WIDTH = 48
_IN_THE_TITLE = frozenset({Code.HELD})
_OWN_TO_A_SEAT = frozenset({Code.HELD, Code.LAST_HOLDER})


@click.command()
@store_command
@click.argument("role")
@click.argument("shard", type=Whole(min=0), required=False)
@click.option("--check", is_flag=True, help="Exit with 1 unless each seat asked about is led.")
def why(
    url: str, role: str, shard: int | None, *, timeout_s: float, as_json: bool, check: bool
) -> int:
    """Say why somebody leads ROLE (or one SHARD of it), or why nobody does.

    Reasons are read from one view of the group: pauses, reshaping, shapes, bars, poison, capacity,
    preferences, and the plan that all members follow. With --json: coord.why/1.
    """
    with opened(url, timeout_s) as found:
        reading = read(found)
    answer = explain(reading.view, role, shard, beacons=reading.beacons, now=reading.now)
    if as_json:
        print_json(why_shape(reading.view, reading.store, answer, shard))
    else:
        for line in answer_lines(answer, shard):
            show(line)
    return ExitCode.NO if check and not answer.led else ExitCode.OK


def answer_lines(answer: Explanation, shard: int | None) -> Iterator[RenderableType]:
    """The answer: the role, what holds for all of it, then seats of one story together."""
    from rich.text import Text

    record = answer.record
    title = Text.assemble((answer.role, "bold"))
    if record is not None:
        what = f"shard {shard} of " if shard is not None else ""
        title.append(f"  {what}{shape_text(record.shape)}, generation {record.generation}", "")
    yield title
    yield from (_bullet(reason, 2) for reason in answer.reasons)
    for story in _stories(answer):
        yield _story_title(story, single=answer.record is not None and len(answer.seats) == 1)
        hidden = _OWN_TO_A_SEAT if len(story) > 1 else _IN_THE_TITLE
        yield from (_bullet(r, 4) for r in story[0].reasons if r.code not in hidden)


def _stories(answer: Explanation) -> list[list[SeatAnswer]]:
    """Seats with the same leader for the same reasons, in the order of their first shard."""
    found: dict[object, list[SeatAnswer]] = {}
    for seat in answer.seats:
        told = tuple(reason for reason in seat.reasons if reason.code not in _OWN_TO_A_SEAT)
        found.setdefault((seat.leader, told), []).append(seat)
    return list(found.values())


def _story_title(story: list[SeatAnswer], *, single: bool) -> Text:
    from rich.text import Text

    leader = story[0].leader
    line = Text("  ")
    line.append(leader or "nobody", "bold cyan" if leader is not None else "bold red")
    line.append(" leads")
    if not single or story[0].key.seat:
        shards = ranges((seat.key.shard for seat in story), width=_SHARDS_WIDTH)
        line.append(f" shard {shards}" if len(story) == 1 else f" shards {shards}")
        if len(story) == 1 and story[0].key.seat:
            line.append(f", seat {story[0].key.seat}")
    if leader is not None:
        tokens = sorted(seat.token for seat in story)
        if len(tokens) == 1:
            line.append(f" under token {tokens[0]}")
        else:
            line.append(f" under tokens {tokens[0]} … {tokens[-1]}")
    return line


def _bullet(reason: Reason, indent: int) -> RenderableType:
    """A reason, wrapped under itself."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=indent, justify="right")
    table.add_column(overflow="fold")
    table.add_row(
        "-", Text.assemble(reason.text, (f". {reason.cure}" if reason.cure else "", "italic"))
    )
    return table
