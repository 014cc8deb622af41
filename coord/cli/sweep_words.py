"""What `coord sim sweep` says: how far it is, and what came of it.

Owns the words and the table. Simulates nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from rich.table import Table
from rich.text import Text

from coord.cli.output import error_console, room, say, show

__all__ = ["Progress", "print_sweep", "seconds", "told_setting"]

_ROWS = 40
_SHOWN = 5
_EVERY_S = 10.0
_MINUTE_S, _HOUR_S = 60.0, 3600.0
_NAMES: Mapping[str, str] = {
    "mode": "",
    "store": "",
    "ttl_s": "ttl ",
    "heartbeat_s": "hb ",
    "members": "members ",
    "fault": "",
    "target": "of ",
    "seed": "seed ",
}


_COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "gap p50": lambda point: seconds(point["gap_s"]["p50"]),
    "p99": lambda point: seconds(point["gap_s"]["p99"]),
    "max": lambda point: seconds(point["gap_s"]["max"]),
    "split": lambda point: seconds(point["split_s"]["max"]),
    "false": lambda point: f"{point['false_failovers']['per_hour']['value']:.3g}",
    "req/s": lambda point: f"{point['requests']['per_s']:.3g}",
}
_NARROW = ("p99", "false", "req/s")
_ROOMY, _LEAST_WIDTH = 72, 14


class Progress:
    """How far it is, on stderr: a line that changes on a terminal, one now and then elsewhere."""

    def __init__(self, whole: int) -> None:
        out = error_console()
        self._whole = whole
        self._began_s = self._told_s = time.monotonic()
        self._out = out
        self._status = out.status("simulating") if out.is_terminal else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def update(self, count: int, before: int) -> None:
        """So many settings are done, and so many were when this began."""
        now_s = time.monotonic()
        line = f"simulated {count} of {self._whole} settings{self._left(count, before, now_s)}"
        if self._status is not None:
            self._status.update(line)
        elif now_s - self._told_s >= _EVERY_S:
            self._told_s = now_s
            self._out.print(line, soft_wrap=True)

    def _left(self, count: int, before: int, now_s: float) -> str:
        if count == before:
            return f", {before} of them before" if before else ""
        left_s = (now_s - self._began_s) / (count - before) * (self._whole - count)
        return f", about {_length(left_s)} to go"


def _length(length_s: float) -> str:
    if length_s < _MINUTE_S:
        return f"{length_s:.0f} s"
    if length_s < _HOUR_S:
        return f"{length_s / _MINUTE_S:.0f} min"
    return f"{length_s / _HOUR_S:.1f} h"


def print_sweep(found: Mapping[str, Any], out: Path) -> None:
    """The table, what was broken, and where all of it is."""
    points = found["points"]
    shown = points[:_ROWS]
    varying = _varying(points)
    show(_table(shown, varying))
    if len(points) > len(shown):
        say(f"and {len(points) - len(shown)} settings more")
    say("")
    say("gap: how long nobody led, of a shard in a round; split: the worst; false: an hour.")
    for line in _skipped(found["skipped"]):
        say(line)
    broken = [point for point in points if not point["kept"]]
    if not broken:
        show(Text(f"all rules kept in {len(points)} settings", style="bold green"))
    else:
        show(Text(f"rules broken in {len(broken)} of {len(points)} settings", style="bold red"))
        for point in broken[:_SHOWN]:
            show(Text(f"  {_broken(point)}", style="red"))
        if len(broken) > _SHOWN:
            say(f"  and {len(broken) - _SHOWN} more: the file has all of them")
    say(f"written: {out}")


def _varying(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tells the settings apart."""
    settings = [point["setting"] for point in points]
    names = [name for name in _NAMES if len({setting[name] for setting in settings}) > 1]
    return names or ["store"]


def told_setting(setting: Mapping[str, Any], names: Sequence[str]) -> str:
    """These parts of a setting, in words."""
    return ", ".join(_word(name, setting[name]) for name in names)


def _word(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"{_NAMES[name]}{value:.4g} s"
    return f"{_NAMES[name]}{value}"


def _table(points: Sequence[Mapping[str, Any]], varying: Sequence[str]) -> Table:
    """On a narrow terminal without what can be left out most easily."""
    table = Table(box=None, pad_edge=False)
    table.add_column("setting", min_width=_LEAST_WIDTH)
    left_out = _NARROW if room() < _ROOMY else ()
    names = [name for name in _COLUMNS if name not in left_out]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for point in points:
        told = Text(told_setting(point["setting"], varying))
        if not point["kept"]:
            told.append(" broken", style="bold red")
        table.add_row(told, *(_COLUMNS[name](point) for name in names))
    return table


def seconds(value: float | None) -> str:
    """A length of time in a table."""
    return "" if value is None else f"{value:.2f}"


def _skipped(skipped: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    reasons = {one["reason"]: 0 for one in skipped}
    for one in skipped:
        reasons[one["reason"]] += 1
    for reason, count in list(reasons.items())[:_SHOWN]:
        yield f"left out {count}: {reason}"
    if len(reasons) > _SHOWN:
        yield f"and for {len(reasons) - _SHOWN} more reasons: the file has them"


def _broken(point: Mapping[str, Any]) -> str:
    first = point["violations"]["first"][0]
    setting = told_setting(point["setting"], list(_NAMES))
    return (
        f"{setting}: {point['violations']['count']}, "
        f"the first at {first['at_s']:.3f} {first['rule']}: {first['detail']}"
    )
