"""`coord pause` and `coord resume`. Owns the two commands."""

from __future__ import annotations

from dataclasses import replace

import rich_click as click

from coord.cli.changing import change_role, wait_for
from coord.cli.options import store_command, wait_option
from coord.cli.reading import opened
from coord.cli.role_answer import RoleAnswer
from coord.core.facts import holders
from coord.core.wording import held_text
from coord.model import View

__all__ = ["pause", "resume"]


@click.command()
@store_command
@click.argument("role")
@wait_option("How long to wait until nobody leads the role; 0s: not at all.")
def pause(url: str, role: str, *, timeout_s: float, as_json: bool, wait_s: float) -> int:
    """Stop ROLE everywhere, and wait until nobody leads it.

    Each leader's code is asked to stop; its claim is free once it has. The role stays paused,
    whoever restarts, until `coord resume`. With --json: coord.role/1.
    """

    def held(view: View) -> str:
        found = holders(view, role)
        return held_text(found) if found else ""

    with opened(url, timeout_s) as found:
        changed = change_role(found, role, lambda record: replace(record, paused=True))
        waited = wait_for(found, held, wait_s)
    said = f"{role} is paused" if changed.made else f"{role} was paused before"
    if not waited.missing:
        said += "; nobody leads it"
    answer = RoleAnswer(
        action="pause",
        store=found.store.guarantees.kind,
        view=waited.view,
        record=changed.after,
        said=said,
        changed=changed.made,
        missing=waited.missing if wait_s else "",
        took_s=waited.took_s,
    )
    return answer.print(as_json=as_json)


@click.command()
@store_command
@click.argument("role")
def resume(url: str, role: str, *, timeout_s: float, as_json: bool) -> int:
    """Let a paused ROLE be led again. With --json: coord.role/1."""
    with opened(url, timeout_s) as found:
        changed = change_role(found, role, lambda record: replace(record, paused=False))
        view = found.store.view(found.group)
    answer = RoleAnswer(
        action="resume",
        store=found.store.guarantees.kind,
        view=view,
        record=changed.after,
        said=f"{role} is resumed" if changed.made else f"{role} was not paused",
        changed=changed.made,
    )
    return answer.print(as_json=as_json)
