"""How a group looks on a terminal: members above, then each role with who leads what.

Owns the layout, made for 80 columns and up. Pure: values in, something for rich to print out.
Colours only repeat what the words say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from coord.cli.summary import CALM, Group, MemberLine, RoleBlock, Row, ranges
from coord.core.wording import duration_text, shape_text

__all__ = ["group_view"]

_WARN = "bold yellow"
_BAD = "bold red"
_QUIET = "dim"
_NAME = "bold"
_LEADER = "cyan"
_MEMBER_WIDTH = 24
_SHARDS_WIDTH = 36  # at 80 columns; what is wider goes there, up to a limit
_SHARDS_WIDTH_MOST = 200


def group_view(group: Group, *, width: int) -> RenderableType:
    """The whole group, for a terminal of `width` columns."""
    parts: list[RenderableType] = [_heading(group), Text()]
    if group.members:
        parts += [_members(group.members), Text()]
    if group.roles:
        longest = max(len(row.leader or "nobody") for b in group.roles for row in b.rows)
        column = min(_MEMBER_WIDTH, longest)
        room = _SHARDS_WIDTH + max(0, width - 80)
        for block in group.roles:
            parts += _role(block, column, min(room, _SHARDS_WIDTH_MOST))
    return Stack(*parts)


def _heading(group: Group) -> Text:
    view = group.reading.view
    text = Text.assemble(
        (view.group, _NAME),
        (f"  {group.reading.store}", _QUIET),
        f"  {_count(len(group.members), 'member')}, {_count(len(group.roles), 'role')}",
    )
    lacking = sum(block.seats - block.led for block in group.roles)
    if lacking:
        text.append(", ").append(f"{_count(lacking, 'seat')} without a leader", _BAD)
    elif group.roles:
        text.append(", all led")
    if not group.members:
        text.append(": no member is live", _WARN)
    return text


def _members(lines: Sequence[MemberLine]) -> Table:
    limited = any(line.member.record.max_shards is not None for line in lines)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=_QUIET)
    table.add_column("MEMBER", style=_LEADER, max_width=_MEMBER_WIDTH, overflow="fold")
    table.add_column("ZONE", max_width=14, overflow="fold")
    table.add_column("WEIGHT", justify="right", no_wrap=True)
    table.add_column("HELD", justify="right", no_wrap=True)
    if limited:
        table.add_column("MAX", justify="right", no_wrap=True)
    table.add_column("TTL", justify="right", no_wrap=True)
    table.add_column("PROCESS", style=_QUIET, max_width=20, overflow="ellipsis", no_wrap=True)
    table.add_column("", style=_WARN, overflow="fold")
    for line in lines:
        member, record = line.member, line.member.record
        most = "-" if record.max_shards is None else f"{record.max_shards}"
        table.add_row(
            record.name,
            record.zone or "-",
            f"{record.weight:g}",
            f"{line.held}",
            *([most] if limited else []),
            duration_text(member.ttl_s),
            f"{record.pid}@{record.host}" if record.pid else "-",
            ", ".join(line.marks),
        )
    return table


def _role(block: RoleBlock, column: int, shards_width: int) -> Iterator[RenderableType]:
    record = block.record
    title = Text.assemble(
        (record.name, _NAME), (f"  {shape_text(record.shape)}, generation {record.generation}", "")
    )
    if block.seats > 1:
        led = f"{block.led} of {block.seats} led"
        title.append(", ").append(led, "" if block.led == block.seats else _BAD)
    if record.preferred:
        title.append(f", prefers {', '.join(record.preferred)}", _QUIET)
    for mark in block.marks:
        title.append(f"  [{mark}]", _WARN)
    yield title
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=2)
    table.add_column(width=column, overflow="fold")
    if record.shape.shards > 1:
        table.add_column(max_width=shards_width, overflow="fold")
    table.add_column(overflow="fold")
    for row in block.rows:
        shards = [ranges((key.shard for key in row.keys), width=shards_width)]
        table.add_row("", _leader(row), *(shards if record.shape.shards > 1 else ()), _tokens(row))
    yield table
    yield Text()


def _leader(row: Row) -> Text:
    return Text("nobody", _BAD) if row.leader is None else Text(row.leader, _LEADER)


def _tokens(row: Row) -> Text:
    if row.leader is None:
        return Text(row.mark, _QUIET if row.mark in CALM else _WARN)
    first, last = row.tokens[0], row.tokens[-1]
    if len(row.tokens) == 1:
        return Text(f"token {first}", _QUIET)
    tokens = f"tokens {first} … {last}" if first != last else f"token {first}"  # of one write
    return Text(f"{len(row.tokens)} seats, {tokens}", _QUIET)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
