"""What `coord advise` says: the best of each store, what it costs, and when nothing is good enough.

Owns the words and the table. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from coord.cli.output import room, say, show

__all__ = ["print_advice"]

_Row = Mapping[str, Any]
_ROOMY = 78
_CONFIDENT = 3.0
"""Of n rounds without anything worse: with 95 % confidence it is rarer than 3 in n."""
_MILLION = 1e6


def print_advice(answer: Mapping[str, Any], rows: Sequence[_Row]) -> None:
    """For people; `rows`: one of each store and mode."""
    gap, split = answer["gap_slo_s"], answer["split_slo_s"]
    say(
        f"gap {gap:g} s and split {split:g} s at most; {answer['members']} members, "
        f"{_pauses(answer['pauses'])}"
    )
    if rows:
        say("")
        show(_table(rows))
        say("")
    for told in _verdict(answer, rows):
        show(told)
    for line in _notes(answer, rows):
        say(line)


def _pauses(pauses: Mapping[str, Any]) -> str:
    if pauses["file"] is None:
        return "which never stand still: --pauses FILE would say how yours do"
    if not pauses["an_hour"]:
        return f"of whose pauses none is {pauses['floor_s'] * 1000:g} ms long"
    return (
        f"each of which stands still {pauses['an_hour']:.3g} times an hour, "
        f"for {pauses['longest_s']:.3g} s at worst"
    )


_COLUMNS: Mapping[str, Callable[[_Row], str]] = {
    "ttl": lambda row: f"{row['ttl_s']:g} s",
    "heartbeat": lambda row: f"{row['heartbeat_s']:g} s",
    "gap": lambda row: f"{row['gap_s']['worst']:.2f} s",
    "split": lambda row: f"{row['split_s']['worst']:.2f} s",
    "false": lambda row: _rate(row["false_failovers_a_month"]),
    "requests": lambda row: f"{row['requests_a_month'] / _MILLION:.2f} M",
    "dollars": lambda row: (
        "" if row["dollars_a_month"] is None else f"${row['dollars_a_month']:.2f}"
    ),
}
_NARROW = ("heartbeat", "split", "false", "requests")


def _rate(found: Mapping[str, float]) -> str:
    """Of what was not seen at all, what it may still be."""
    return _count(found["value"]) if found["value"] else f"< {_count(found['high'])}"


def _count(value: float) -> str:
    """Two digits of it, and no power of ten."""
    return f"{float(f'{value:.2g}'):,.10g}"


def _table(rows: Sequence[_Row]) -> Table:
    narrow = room() < _ROOMY
    table = Table(box=None, pad_edge=False)
    table.add_column("store", min_width=9)
    names = [name for name in _COLUMNS if not (narrow and name in _NARROW)]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    modes = {row["mode"] for row in rows}
    for row in rows:
        store = row["store"] if len(modes) == 1 else f"{row['store']}, {row['mode']}"
        mark = Text("ok", style="green") if row["meets"] else Text("no", style="red")
        table.add_row(store, *(_COLUMNS[name](row) for name in names), mark)
    return table


def _verdict(answer: Mapping[str, Any], rows: Sequence[_Row]) -> Iterator[Text]:
    best = answer["best"]
    if best is not None:
        yield Text(f"Take {_named(best)}.", style="bold green")
        yield Text(_price(best))
        yield Text(
            f"False failovers: {_rate(best['false_failovers_a_month'])} a month, of leaders that "
            "nothing struck."
        )
        return
    yield Text("Nothing that was tried meets these limits.", style="bold red")
    for row in rows:
        yield Text(f"  {_named(row)}: {', '.join(row['reasons'])}")
    yield Text("Allow a longer gap, mend what makes machines stand still, or take another store.")


def _named(row: _Row) -> str:
    told = f"{row['store']}, mode {row['mode']}, ttl {row['ttl_s']:g} s, "
    return f"{told}heartbeat {row['heartbeat_s']:g} s"


def _price(row: _Row) -> str:
    told = f"It costs {row['requests_a_month'] / _MILLION:.2f} million requests a month"
    dollars = row["dollars_a_month"]
    if dollars is None:
        return f"{told}, on servers of yours."
    return f"{told}, about ${dollars:.2f}."


def _notes(answer: Mapping[str, Any], rows: Sequence[_Row]) -> Iterator[str]:
    for reason, count in answer["left_out"].items():
        yield f"left out {count}: {reason}"
    if not rows:
        return
    fewest = min(row["rounds"] for row in rows)
    yield (
        f"gap and split: the worst of {fewest} rounds or more; with 95 % confidence anything "
        f"worse befalls fewer than one failover in {max(1, round(fewest / _CONFIDENT))}. "
        "A longer --hours says more."
    )
    yield "false: such failovers a month; < where none was seen, with 95 % confidence."
    if any(row["store"] == "sqlite" for row in rows):
        yield "sqlite serves the processes of one machine only."
    stale = max(row["stale_acts_a_month"]["value"] for row in rows)
    if stale:
        yield f"Up to {_count(stale)} stale acts a month reach a resource that compares no tokens."
    if any(row["dollars_a_month"] is not None for row in rows):
        price = answer["price"]
        dated = f" ({price['date']})" if price["date"] else ""
        yield (
            f"dollars: DynamoDB at ${price['write']:g} a million write units and "
            f"${price['read']:g} a million read units, {price['name']}{dated}: check yours."
        )
