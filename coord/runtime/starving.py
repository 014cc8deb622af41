"""What a member does when there is no memory left: it ends all trust, and says so once it can.

Owns the error that is made beforehand, and the insisting. Any line of Python may raise MemoryError;
what must not be left undone needs no memory, or is done again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from coord.errors import InternalError

__all__ = ["explained", "insist", "out_of_memory"]


def out_of_memory() -> InternalError:
    """The error of a member that has no memory for a better one. To be made while there is some."""
    return InternalError(
        "the runtime failed for want of memory", cure="Give the process more, or find the leak."
    )


def explained(error: BaseException, otherwise: InternalError) -> InternalError:
    """The error of a member whose runtime failed of `error`, if there is enough memory for it."""
    try:
        name = threading.current_thread().name
        return InternalError(
            f"the runtime failed in thread {name}: {type(error).__name__}: {error}",
            cure="Please report it, unless a signal handler of yours raised it.",
        )
    except MemoryError:
        return otherwise


def insist(steps: Iterable[Callable[[], None]], pause_s: float) -> None:
    """Take each step, and again after a pause if it ran out of memory, until there is enough.

    For what others wait for: without it, they would wait for ever. Each step may be repeated
    (`test_who_waits_is_told_of_the_end_though_memory_runs_out_on_the_way`).
    """
    for step in steps:
        while not _taken(step):
            time.sleep(pause_s)


def _taken(step: Callable[[], None]) -> bool:
    try:
        step()
    except MemoryError:
        return False
    return True
