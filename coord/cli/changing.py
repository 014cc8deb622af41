"""Changing a role's record, and waiting for what follows.

Owns the conditional write with its retries, and the waiting. Decides no change itself. Rules: a
write is made only on the version that was read; a lost answer is told as such, and every change
here may be asked for again.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from typing import NamedTuple

from coord.cli.output import error_console
from coord.cli.signals import sigterm_interrupts
from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, StoreConflict, StoreUnavailable, UsageError
from coord.model import RoleRecord, View
from coord.spi import OpenedStore

__all__ = ["Changed", "Waited", "change_role", "record_of", "telling_doubt", "wait_for"]

_TRIES = 20
_LOOK_S = 0.5


class Changed(NamedTuple):
    """A role's record before and after."""

    before: RoleRecord
    after: RoleRecord

    @property
    def made(self) -> bool:
        """Whether anything was written."""
        return self.before is not self.after


class Waited(NamedTuple):
    """The last view, what was still missing in it, and how long that took."""

    view: View
    missing: str
    took_s: float


def record_of(view: View, role: str) -> RoleRecord:
    """The role's record; raises `UsageError` with the names that are known."""
    record = view.roles.get(role)
    if record is not None:
        return record
    like = get_close_matches(role, list(view.roles))
    known = ", ".join(sorted(view.roles)) or "none"
    raise UsageError(
        f"group {view.group} has no role {role!r}",
        cure=f"Did you mean {' or '.join(like)}?"
        if like
        else f"Known roles: {known}. The first member that serves a role makes its record.",
    )


def change_role(
    found: OpenedStore, role: str, change: Callable[[RoleRecord], RoleRecord]
) -> Changed:
    """Write `change(record)`, on the latest record; nothing is written if it changes nothing.

    Raises `StoreConflict` if others changed the record at each of twenty tries. Doubt is told of
    the write alone: where reading fails, nothing was asked for.
    """
    for _ in range(_TRIES):
        before = record_of(found.store.view(found.group), role)
        after = change(before)
        if after == before:
            return Changed(before, before)
        with telling_doubt(), suppress(StoreConflict):
            return Changed(before, found.store.put_role(found.group, after))
    raise StoreConflict(
        f"others changed role {role!r} at each of {_TRIES} tries",
        cure="Find out who does (`coord watch URL`), and ask again.",
    )


@contextmanager
def telling_doubt() -> Iterator[None]:
    """Let a write whose answer was lost say so: it may have been made."""
    try:
        yield
    except StoreUnavailable as error:
        if error.certainty is not Certainty.UNKNOWN:
            raise
        raise StoreUnavailable(
            f"{error.cause.rstrip('.')}; whether the change was made is not known",
            cure=f"{error.cure} Asking again is safe.".strip(),
            certainty=error.certainty,
        ) from error


def wait_for(found: OpenedStore, missing: Callable[[View], str], wait_s: float) -> Waited:
    """Look until `missing(view)` is empty, or `wait_s` is over; at least once.

    On a terminal, what is missing is shown while it lasts.
    """
    begun_s = SYSTEM_CLOCK.now()
    wake = threading.Event()
    subscription = found.store.watch(found.group, wake.set)
    try:
        with _telling() as tell:
            while True:
                view = found.store.view(found.group)
                lacks = missing(view)
                took_s = SYSTEM_CLOCK.now() - begun_s
                if not lacks or took_s >= wait_s:
                    return Waited(view, lacks, took_s)
                tell(lacks)
                wake.wait(min(_LOOK_S, wait_s - took_s))
                wake.clear()
    finally:
        subscription.close()


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """A line on stderr that changes, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    with sigterm_interrupts(), error_console().status("waiting") as status:
        yield lambda text: status.update(f"waiting: {text}")
