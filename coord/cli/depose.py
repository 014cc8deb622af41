"""`coord depose`: take one seat away from its leader. Owns the command and `coord.depose/1`."""

from __future__ import annotations

import rich_click as click

from coord.cli.changing import record_of, telling_doubt
from coord.cli.exits import ExitCode
from coord.cli.options import Whole, duration_option, store_command
from coord.cli.output import print_json, say
from coord.cli.reading import opened
from coord.config import Role
from coord.core.assignment import candidates
from coord.core.endings import ended
from coord.core.wording import duration_text, shape_text
from coord.errors import StoreConflict, UsageError
from coord.model import Claim, ClaimKey, EndingKind, Note, RoleRecord, View
from coord.spi import Tenure

__all__ = ["depose"]

DEPOSE = "coord.depose/1"


@click.command()
@store_command
@click.argument("role")
@click.argument("shard", type=Whole(min=0))
@click.option("--seat", type=Whole(min=0), default=0, show_default=True)
@duration_option("--bar", default="30s", text="How long that member may not take it back.")
def depose(
    url: str, role: str, shard: int, *, seat: int, timeout_s: float, as_json: bool, bar_s: float
) -> int:
    """Take SHARD of ROLE away from the member that leads it.

    Its claim is freed at once, and it is barred from it for --bar; another member takes over. Its
    code learns of it within a fraction of a second, but may be acting until then: what must not
    happen twice is refused by the resource, by token. If nobody leads the shard: exit code 1. With
    --json: coord.depose/1.
    """
    with opened(url, timeout_s) as found:
        view = found.store.view(found.group)
        record = record_of(view, role)
        key = _key(record, shard, seat)
        claim = view.claims.get(key)
        name = _holder(view, claim)
        if claim is not None and name is not None:
            note = _note(view, record, claim, name, bar_s)
            with telling_doubt():
                gone = found.store.depose(found.group, Tenure(key, claim.token, note))
            if not gone:
                raise StoreConflict(
                    f"{role} shard {shard} changed hands at this moment",
                    cure="See who leads it now (`coord why URL ROLE SHARD`), and decide anew.",
                )
    token = claim.token + record.token_base if claim is not None else None
    if as_json:
        print_json(
            {
                "schema": DEPOSE,
                "group": found.group,
                "store": found.store.guarantees.kind,
                "role": role,
                "generation": key.generation,
                "shard": shard,
                "seat": seat,
                "deposed": name is not None,
                "member": name,
                "token": token if name is not None else None,
                "bar_s": bar_s if name is not None else None,
            }
        )
    elif name is None:
        say(f"nobody leads {role} shard {shard}, seat {seat}: nothing to depose")
    else:
        say(
            f"{name} is deposed from {role} shard {shard}, seat {seat} (token {token}) and barred "
            f"from it for {duration_text(bar_s)}"
        )
    return ExitCode.OK if name is not None else ExitCode.NO


def _key(record: RoleRecord, shard: int, seat: int) -> ClaimKey:
    if shard >= record.shape.shards or seat >= record.shape.seats:
        raise UsageError(
            f"role {record.name!r} has no shard {shard}, seat {seat}",
            cure=f"It has {shape_text(record.shape)}, both counted from 0.",
        )
    return ClaimKey(record.name, record.generation, shard, seat)


def _holder(view: View, claim: Claim | None) -> str | None:
    if claim is None or claim.session is None:
        return None
    member = view.members.get(claim.session)
    return member.record.name if member is not None else claim.note.member


def _note(view: View, record: RoleRecord, claim: Claim, name: str, bar_s: float) -> Note:
    """What is left on the claim. The bar is as long as the operator said, whatever was before."""
    manners = Role(record.name, bar_s=bar_s, bar_max_s=bar_s, lock_delay_s=claim.note.lock_delay_s)
    return ended(
        claim.note,
        manners,
        member=name,
        kind=EndingKind.DEPOSED,
        clean=False,
        progressed=False,
        members=len(candidates(view, record)),
    )
