"""The demo on the screen: who leads or holds what, the faults as they strike, and what they do.

Owns the drawing. Shows what the event log says and computes nothing that is reported. On a terminal
the present stands below and what happened scrolls by above it; elsewhere there are only the lines.
No state is told by colour alone.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from coord.clock import SYSTEM_CLOCK
from coord.lab.chaos.led_scene import LedScene
from coord.lab.chaos.queue_scene import QueueScene
from coord.lab.chaos.scene import COLUMN_S, Column, Scene, State, Worker
from coord.lab.demo.cast import MEMBERS

__all__ = ["Display"]

_REDRAW_S = 0.1
_NAME_WIDTH = 9
_LEADS_WIDTH = 19
_STYLES = {
    State.AWAY: "dim",
    State.UP: "green",
    State.PAUSED: "yellow",
    State.WEDGED: "magenta",
    State.DEAD: "red",
}
_WORDS = {
    State.AWAY: "away",
    State.UP: "ready",
    State.PAUSED: "stopped",
    State.WEDGED: "hangs",
    State.DEAD: "dead",
}
_BARS = "▁▂▃▄▅▆▇█"
_GLYPHS = {State.AWAY: " ", State.UP: "·", State.PAUSED: "░", State.WEDGED: "▒", State.DEAD: "×"}
_ASCII_GLYPHS = {
    State.AWAY: " ",
    State.UP: "-",
    State.PAUSED: "z",
    State.WEDGED: "?",
    State.DEAD: "x",
}


class Display:
    """Shows a demo on one console. A context manager that leaves the terminal as it was."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start_s = SYSTEM_CLOCK.now()
        self._drawn_s = float("-inf")
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, scene: Scene) -> None:
        """Redraw, some ten times a second at most. The demo plays modes of its own only."""
        now = SYSTEM_CLOCK.now()
        if self._live is None or now - self._drawn_s < _REDRAW_S or not isinstance(scene, LedScene):
            return
        self._drawn_s = now
        self._live.update(self._picture(scene, now), refresh=True)

    def say(self, text: str, *, style: str = "") -> None:
        """One line, with the time since the demo began."""
        moment = Text(f"{SYSTEM_CLOCK.now() - self._start_s:5.1f} s  ", "dim")
        if self._live is None:
            self._console.print(moment + Text(text, style), soft_wrap=True)
            return
        line = Table.grid(padding=0)
        line.add_row(moment, Text(text, style))
        self._console.print(line)

    # --- the picture -------------------------------------------------------------------------

    def _picture(self, scene: LedScene, now_s: float) -> Group:
        width = max(10, self._console.width - _NAME_WIDTH - _LEADS_WIDTH - 3)
        columns = list(scene.columns)[-width:]
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=_NAME_WIDTH, no_wrap=True)
        grid.add_column(width=width, no_wrap=True)
        grid.add_column(width=_LEADS_WIDTH, no_wrap=True, overflow="ellipsis")
        for name in MEMBERS:
            worker = scene.workers[name]
            grid.add_row(name, self._strip(scene, name, columns, width), _leads(scene, worker))
        nobody = "stuck" if scene.mode.queue else "no leader"
        grid.add_row(nobody, self._unled(scene, columns, width), _unled_now(scene, now_s))
        grid.add_row("", Text(f"the last {width * COLUMN_S:.0f} s ", "dim", justify="right"), "")
        title = Text.assemble("\n", (scene.mode.name, "bold"), f": {scene.mode.headline}\n")
        return Group(title, grid, self._legend(scene), _tally(scene))

    def _strip(self, scene: LedScene, name: str, columns: list[Column], width: int) -> Text:
        """One character a column: how much is led, or what is wrong."""
        text = Text(" " * (width - len(columns)))
        for column in columns:
            state, held = column.states[name], column.held[name]
            style = _STYLES[state]
            if state is State.UP and held:
                text.append(self._bar(held, scene.most), style)
            else:
                text.append(self._glyph(state), "dim" if state is State.UP else style)
        return text

    def _unled(self, scene: LedScene, columns: list[Column], width: int) -> Text:
        text = Text(" " * (width - len(columns)))
        for column in columns:
            text.append(self._bar(column.unled, scene.mode.shards) if column.unled else " ", "red")
        return text

    def _bar(self, count: int, most: int) -> str:
        level = min(len(_BARS), max(1, round(len(_BARS) * count / most)))
        return ("#" if self._ascii else _BARS[level - 1]) if count else " "

    def _glyph(self, state: State) -> str:
        return (_ASCII_GLYPHS if self._ascii else _GLYPHS)[state]

    @property
    def _ascii(self) -> bool:
        return self._console.options.ascii_only

    def _legend(self, scene: LedScene) -> Text:
        text = Text(" " * (_NAME_WIDTH + 1))
        word = "has messages" if scene.mode.queue else "leads"
        text.append(f"{'#' if self._ascii else '█'} {word}  ", _STYLES[State.UP])
        for state in (State.UP, State.PAUSED, State.WEDGED, State.DEAD):
            text.append(f"{self._glyph(state)} {_WORDS[state]}  ", _STYLES[state])
        return text


def _leads(scene: LedScene, worker: Worker) -> Text:
    """What a worker leads or, while something is wrong with it, what that is."""
    word, style = _WORDS[worker.state], _STYLES[worker.state]
    if isinstance(scene, QueueScene) and worker.state is State.UP:
        held = scene.columns[-1].held[worker.name] if scene.columns else 0
        return Text(f"{held} now, {scene.handled[worker.name]:,} done", style)
    if not worker.leads:
        return Text(word, "dim" if worker.state is State.UP else style)
    prefix = "" if worker.state is State.UP else f"{word}: "
    keys = sorted(worker.leads)
    if scene.mode.queue:
        return Text(f"{prefix}{len(keys)} in hand", style)
    if scene.mode.shards > 1:
        return Text(prefix + " ".join(str(key.shard) for key in keys), style)
    if scene.mode.seats > 1:
        return Text(prefix + " ".join(f"seat {key.seat}" for key in keys), style)
    return Text(f"{prefix}all of it", style)


def _unled_now(scene: LedScene, now_s: float) -> Text:
    if scene.unled_since_s is None:
        return Text("")
    if not scene.begun:
        return Text("not yet", "dim")
    span = f"{now_s - scene.unled_since_s:.1f} s"
    count = len(scene.unled())
    return Text(f"{count} for {span}" if scene.mode.shards > 1 else f"for {span}", "bold red")


def _tally(scene: LedScene) -> Text:
    tally = scene.tally
    without = "some message stuck" if scene.mode.queue else "some work without a leader"
    return Text.assemble(
        f"\n{tally.acts:,} acts deleted {tally.units:,} rows; refused {tally.refused}; ",
        f"{without} {scene.unled_s:.1f} s\n",
        "Stale acts taken: fenced table ",
        (f"{tally.stale_fenced}", "bold green" if not tally.stale_fenced else "bold red"),
        ", unfenced table ",
        (f"{tally.stale_unfenced}", "bold red" if tally.stale_unfenced else "bold"),
    )
