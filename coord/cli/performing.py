"""A scenario of chaos on real processes, played for a command: its screen, its files, its signals.

Owns how such a command is interrupted. What happens is `coord.lab.chaos.run`'s.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.exceptions import Exit

from coord.cli.chaos_words import Lines
from coord.cli.output import error_console
from coord.cli.playing import SIGNALLED, Interrupted, Signals
from coord.errors import CoordError
from coord.lab.chaos.run import perform
from coord.lab.chaos.scenario import Scenario
from coord.lab.chaos.verdict import Verdict

__all__ = ["interruptible", "performed"]


@contextmanager
def interruptible() -> Iterator[Signals]:
    """Signals are noted while the block runs; one that ended it becomes the exit code."""
    try:
        with Signals() as signals:
            try:
                yield signals
            except CoordError:
                signals.check()  # what a signal broke off may call it an error of its own
                raise
    except Interrupted as signalled:
        error_console().print("interrupted: all is healed, whatever was started is stopped")
        raise Exit(SIGNALLED + signalled.args[0]) from None


def performed(plan: Scenario, events: Path, signals: Signals) -> Verdict:
    """Play it, with a line on stderr for whatever happens; its records go into `events`."""
    with tempfile.TemporaryDirectory(prefix="coord-chaos-") as work:
        screen = Lines(error_console())
        screen.say(plan.title, style="bold")
        verdict = perform(
            plan,
            work=Path(work),
            events=events,
            screen=screen,
            interrupted=signals.check,
            breaking=signals.breaking,
        )
        signals.check()
    return verdict
