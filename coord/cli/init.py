"""`coord init`: make what a store needs before its first member.

Owns the command, its waiting, and `coord.init/1`. What is made is the store's own business
(`Initializable`); a store without it needs nothing, and is only asked how it is.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

import rich_click as click

from coord.cli.exits import ExitCode
from coord.cli.options import store_command
from coord.cli.output import error_console, print_json, show
from coord.cli.reading import opened
from coord.cli.signals import sigterm_interrupts
from coord.clock import SYSTEM_CLOCK
from coord.core.wording import duration_text
from coord.errors import StoreRefused
from coord.spi import Initializable, OpenedStore, Probe

__all__ = ["init"]

INIT = "coord.init/1"
_TELL_S = 5.0


@click.command()
@store_command
def init(url: str, *, timeout_s: float, as_json: bool) -> int:
    """Make what the store needs before its first member.

    Such as the table in DynamoDB, or the parent node in ZooKeeper. What is there already is left as
    it is, so it may be asked for again, and by several at once. For a store that needs nothing it
    says so, and how the store is. If a problem was found: exit code 1. With --json: coord.init/1.

    \b
    Example:
      coord init "dynamodb://leases/prod?region=us-east-1"
    """  # noqa: D301  click's mark for lines that are not to be joined
    with opened(url, timeout_s) as found:
        with _waiting(found, as_json=as_json):
            findings = _made(found)
        guarantees = found.store.guarantees
    ok = all(finding.ok for finding in findings)
    if as_json:
        print_json(
            {
                "schema": INIT,
                "group": found.group,
                "store": guarantees.kind,
                "ok": ok,
                "needed": isinstance(found.store, Initializable),
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        from coord.cli.findings import findings_table, store_title

        show(store_title(found.group, guarantees))
        show(findings_table(findings))
    return ExitCode.OK if ok else ExitCode.NO


def _made(found: OpenedStore) -> list[Probe]:
    """Prepare the store, and read the group as a member would; or only ask how it is."""
    store, group = found
    if isinstance(store, Initializable):
        findings = store.init(group)
        view = store.view(group)
        value = f"group {group} can be read: {len(view.members)} members, {len(view.roles)} roles"
        return [*findings, Probe(name="read", ok=True, value=value)]
    nothing = "nothing is needed before the first member of a group"
    findings = store.probe(group)
    with suppress(StoreRefused):  # there may be nothing to read yet; what is wrong, a probe says
        store.view(group)
    return [Probe(name="init", ok=True, value=nothing), *findings]


@contextmanager
def _waiting(found: OpenedStore, *, as_json: bool) -> Iterator[None]:
    """Say on stderr that it takes its time, and what an interrupt leaves."""
    text = f"preparing {found.store.guarantees.kind} for group {found.group}"
    shown = _spinner(text) if sys.stderr.isatty() else _lines(text, quiet=as_json)
    try:
        with sigterm_interrupts(), shown:
            yield
    except KeyboardInterrupt:
        if not as_json:
            error_console().print("interrupted: what was begun may still be made. Ask again.")
        raise


@contextmanager
def _spinner(text: str) -> Iterator[None]:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=error_console(), transient=True) as progress:
        progress.add_task(text, total=None)
        yield


@contextmanager
def _lines(text: str, *, quiet: bool) -> Iterator[None]:
    """Without a terminal: a line every few seconds, none if it is quick."""
    done, begun_s = threading.Event(), SYSTEM_CLOCK.now()

    def tell() -> None:
        while not done.wait(_TELL_S):
            took = duration_text(round(SYSTEM_CLOCK.now() - begun_s))
            error_console().print(f"{text}, since {took}", soft_wrap=True)

    if not quiet:
        threading.Thread(target=tell, name="coord-init", daemon=True).start()
    try:
        yield
    finally:
        done.set()
