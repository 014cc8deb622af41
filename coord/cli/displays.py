"""The ways in which `coord watch` shows one look after another.

Owns JSON lines, plain lines and the live frame. Reads no store and knows no time but the wall
clock's, which it only shows.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import rich_click as click

from coord.cli.changes import Change
from coord.cli.output import console, print_json, room, show
from coord.cli.reading import Reading
from coord.cli.shapes import status_shape
from coord.cli.summary import summarised

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["Display", "Frame", "JsonLines", "Look", "PlainLines", "live_display"]

CHANGE = "coord.change/1"
_TAIL = 8
_LEAST_ROOM = 5


@dataclass(frozen=True, slots=True)
class Look:
    """One look: what was read (the last that could be), and what is new since the one before."""

    reading: Reading
    changes: tuple[Change, ...]


class Display(Protocol):
    """What shows looks."""

    def show(self, look: Look) -> None:
        """Show one."""
        ...


class JsonLines:
    """`coord.status/1`, then a `coord.change/1` a line."""

    def __init__(self) -> None:
        self._first = True

    def show(self, look: Look) -> None:
        """Print what is new."""
        if self._first:
            self._first = False
            print_json(status_shape(summarised(look.reading)), lines=True)
        for change in look.changes:
            told = {
                "schema": CHANGE,
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "group": look.reading.view.group,
                "revision": look.reading.view.revision,
                "kind": change.kind,
                **change.facts,
                "text": change.text,
            }
            print_json(told, lines=True)


class PlainLines:
    """The view once, then a line a change."""

    def __init__(self) -> None:
        self._first = True

    def show(self, look: Look) -> None:
        """Print what is new."""
        if self._first:
            from coord.cli.render import group_view

            self._first = False
            show(group_view(summarised(look.reading), width=room()))
        for change in look.changes:
            click.echo(f"{_time_of_day()} {change.text}")
        sys.stdout.flush()


class Frame:
    """What a terminal shows: the view, cut to what fits, and the latest changes below it.

    Once `ended`, all of the view.
    """

    def __init__(self) -> None:
        self.ended = False
        self._look: Look | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL)

    def take(self, look: Look) -> None:
        """A new look."""
        self._look = look
        self._tail.extend(f"{_time_of_day()} {change.text}" for change in look.changes)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment
        from rich.text import Text

        from coord.cli.render import group_view

        if self._look is None:
            return
        view = group_view(summarised(self._look.reading), width=options.max_width)
        lines = console.render_lines(view, options.update(height=None), pad=False)
        room = max(_LEAST_ROOM, console.size.height - len(self._tail) - 2)
        hidden = len(lines) - room + 1 if len(lines) > room and not self.ended else 0
        for line in lines[: len(lines) - hidden]:
            yield from line
            yield Segment.line()
        if hidden:
            yield Text(f"… {hidden} more lines: a higher window or `coord status` shows them")
        for text in self._tail:
            yield Text(text, no_wrap=True, overflow="ellipsis")
        if not self.ended:
            yield Text("Ctrl-C ends this.", style="dim")


class _LiveDisplay:
    """The frame, redrawn at each look."""

    def __init__(self, frame: Frame, refresh: Callable[[], None]) -> None:
        self._frame = frame
        self._refresh = refresh

    def show(self, look: Look) -> None:
        """Redraw."""
        self._frame.take(look)
        self._refresh()


@contextmanager
def live_display() -> Iterator[Display]:
    """The alternate screen while it lasts; the last frame stays on the ordinary one."""
    from rich.live import Live

    frame = Frame()
    try:
        with Live(frame, console=console(), screen=True, auto_refresh=False) as live:
            yield _LiveDisplay(frame, live.refresh)
    finally:
        frame.ended = True
        console().print(frame)


def _time_of_day() -> str:
    return datetime.now(UTC).astimezone().strftime("%H:%M:%S")
