"""`coord reshape`: another shape for a role. Owns the command and the steps of it.

The steps are those of the members: the record gets a `pending` shape, holders let go, and when no
claim of the role is held any more, whoever sees that first opens the next generation, by a write
that is conditional on the record it saw. So this command may do it, and a group without members is
reshaped at once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import rich_click as click

from coord.cli.changing import Changed, change_role, record_of, telling_doubt, wait_for
from coord.cli.options import Whole, store_command, wait_option
from coord.cli.reading import opened
from coord.cli.role_answer import RoleAnswer
from coord.config import Role
from coord.core.facts import holders
from coord.core.wording import held_text, shape_text
from coord.errors import StoreConflict
from coord.model import RoleRecord, Shape, View
from coord.spi import OpenedStore

__all__ = ["reshape"]


@click.command()
@store_command
@click.argument("role")
@click.option("--shards", type=Whole(min=1), required=True, help="The new number.")
@click.option("--seats", type=Whole(min=1), help="The new number; as it is, if not given.")
@wait_option("How long to wait until the new generation is open; 0s: not at all.")
def reshape(
    url: str,
    role: str,
    *,
    shards: int,
    seats: int | None,
    timeout_s: float,
    as_json: bool,
    wait_s: float,
) -> int:
    """Give ROLE another number of shards or seats.

    Leaders of the old generation are asked to stop; when all have let go, the next generation
    opens. Members that declare another shape claim nothing until they are restarted with the new
    one. Asking for the present shape takes back what was asked for before. With --json:
    coord.role/1.
    """
    with opened(url, timeout_s) as found:
        seats = seats or record_of(found.store.view(found.group), role).shape.seats
        shape = Role(role, shards=shards, seats=seats).shape
        changed = change_role(found, role, lambda record: _asked(record, shape))
        waited = wait_for(found, lambda view: _missing(found, view, role, shape), wait_s)
    record = waited.view.roles.get(role, changed.after)
    answer = RoleAnswer(
        action="reshape",
        store=found.store.guarantees.kind,
        view=waited.view,
        record=record,
        said=_said(changed, record, shape),
        changed=changed.made,
        missing=waited.missing if wait_s else "",
        took_s=waited.took_s,
    )
    return answer.print(as_json=as_json)


def _asked(record: RoleRecord, shape: Shape) -> RoleRecord:
    return replace(record, pending=None if record.shape == shape else shape)


def _missing(found: OpenedStore, view: View, role: str, shape: Shape) -> str:
    """What the new generation still waits for; opens it if that is nothing."""
    record = record_of(view, role)
    if record.pending is None and record.shape == shape:
        return ""
    if record.pending != shape:
        wanted = shape_text(record.pending or record.shape)
        raise StoreConflict(
            f"somebody else has asked for {wanted} meanwhile",
            cure="Agree on one shape, and ask again.",
        )
    held = holders(view, role)
    if held:
        return held_text(held)
    opened_record = replace(record, shape=shape, generation=record.generation + 1, pending=None)
    with telling_doubt(), suppress(StoreConflict):  # a member was faster
        found.store.put_role(found.group, opened_record)
    return "the next generation is being opened"


def _said(changed: Changed, record: RoleRecord, shape: Shape) -> str:
    name, old = record.name, changed.before
    if record.pending is not None:
        return (
            f"{name} is being reshaped from {shape_text(record.shape)} to {shape_text(shape)}: the "
            f"next generation opens when generation {record.generation} is let go"
        )
    if record.generation == old.generation:
        verb = "stays at" if old.pending is not None else "already has"
        return f"{name} {verb} {shape_text(shape)}"
    return f"{name} has {shape_text(shape)} now, in generation {record.generation}"
