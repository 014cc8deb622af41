"""`coord watch`: the group live on a terminal, or one line a change elsewhere.

Owns the command and its loop. The store's wake says when to look; besides, it looks once a second,
so that a wake which was lost costs no more. Ctrl-C and SIGTERM are the ordinary ways to end it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext, suppress

import rich_click as click

from coord.cli.changes import Change, changes_between
from coord.cli.displays import Display, JsonLines, Look, PlainLines, live_display
from coord.cli.options import duration_option, store_command
from coord.cli.reading import opened, read
from coord.cli.signals import sigterm_interrupts
from coord.clock import SYSTEM_CLOCK
from coord.errors import StoreUnavailable
from coord.spi import OpenedStore

__all__ = ["looks", "watch"]

_LOOK_S = 1.0
_COALESCE_S = 0.05
_INF = float("inf")


@click.command()
@store_command
@duration_option("--for", default=None, text="End after so long; otherwise only Ctrl-C ends it.")
def watch(url: str, *, timeout_s: float, as_json: bool, for_s: float | None) -> None:
    """Show members, roles and leaders live, and each change as it happens.

    On a terminal: the view of `coord status`, and the latest changes below. Elsewhere: the view
    once, then a line a change. With --json: coord.status/1, then a coord.change/1 a line.
    Ctrl-C and SIGTERM end it, with exit code 0.
    """
    with (
        suppress(KeyboardInterrupt),
        sigterm_interrupts(),
        opened(url, timeout_s) as found,
        _display(as_json=as_json) as display,
        closing(looks(found, _INF if for_s is None else for_s)) as all_looks,
    ):
        for look in all_looks:
            display.show(look)


def _display(*, as_json: bool) -> AbstractContextManager[Display]:
    if as_json:
        return nullcontext(JsonLines())
    return live_display() if sys.stdout.isatty() else nullcontext(PlainLines())


def looks(found: OpenedStore, for_s: float) -> Generator[Look]:
    """Look at once, then after each wake and each second, for `for_s`.

    Raises what the first look raises. Later, a store that does not answer is told as a change,
    once, and asked again.
    """
    wake = threading.Event()
    end_s = SYSTEM_CLOCK.now() + for_s
    subscription = found.store.watch(found.group, wake.set)
    try:
        reading = read(found)
        yield Look(reading, ())
        silent = False
        while (left_s := end_s - SYSTEM_CLOCK.now()) > 0:
            if wake.wait(min(_LOOK_S, left_s)):
                time.sleep(_COALESCE_S)  # what changes together is shown together
            wake.clear()
            before, news = reading, []
            try:
                reading = read(found)
            except StoreUnavailable as error:
                if not silent:
                    news.append(Change("store-silent", f"{error} Trying again.", {}))
                silent = True
            else:
                if silent:
                    news.append(Change("store-answers", "the store answers again", {}))
                silent = False
                news += changes_between(before.view, reading.view)
            yield Look(reading, tuple(news))
    finally:
        subscription.close()
