"""`coord tokens raise`: lift tokens above what was given out before a restore.

Owns the command and `coord.tokens/1`. A role's `token_base` is added to the store's own tokens and
never shrinks. A store restored from a backup counts from an older number, and resources that have
seen later tokens would refuse every leader; with the base at N, each token from now on exceeds N.
"""

from __future__ import annotations

from dataclasses import replace

import rich_click as click

from coord.cli.changing import change_role, record_of
from coord.cli.options import Whole, store_command
from coord.cli.output import print_json, say
from coord.cli.reading import opened
from coord.core.facts import holders
from coord.errors import UsageError
from coord.model import RoleRecord, View
from coord.spi import OpenedStore

__all__ = ["tokens"]

TOKENS = "coord.tokens/1"
_MOST = 2**62


@click.group()
def tokens() -> None:
    """Lift fencing tokens after a restore from backup."""


@tokens.command("raise")
@store_command
@click.argument("role", required=False)
@click.option("--all", "every", is_flag=True, help="All roles of the group.")
@click.option(
    "--to",
    "above",
    type=Whole(min=1, max=_MOST),
    required=True,
    help="The largest token that any resource may have seen.",
)
def raise_tokens(
    url: str, role: str | None, *, every: bool, above: int, timeout_s: float, as_json: bool
) -> int:
    """Lift the tokens of ROLE (or of --all roles) above the number --to.

    Each token given out from now on is larger than it; claims held now keep the token they have
    until they change hands (`coord pause` and `coord resume` make them). Never lowers anything.
    With --json: coord.tokens/1.
    """
    if (role is None) is not every:
        raise click.UsageError("name one ROLE, or say --all", click.get_current_context())
    with opened(url, timeout_s) as found:
        view = found.store.view(found.group)
        names = sorted(view.roles) if role is None else [record_of(view, role).name]
        if not names:
            raise UsageError(
                f"group {view.group} has no roles", cure="Check the URL and its group."
            )
        rows = [_raised(found, view, name, above) for name in names]
    if as_json:
        kind = found.store.guarantees.kind
        print_json({"schema": TOKENS, "group": found.group, "store": kind, "roles": rows})
        return 0
    for row in rows:
        how = f"lifted by {row['token_base']}" + ("" if row["changed"] else " already")
        say(f"{row['role']}: tokens are {how}")
        if row["held"]:
            say(f"  {row['held']} claims keep their old tokens until they change hands")
    return 0


def _raised(found: OpenedStore, view: View, name: str, above: int) -> dict[str, object]:
    def lifted(record: RoleRecord) -> RoleRecord:
        return replace(record, token_base=max(record.token_base, above))

    changed = change_role(found, name, lifted)
    held = sum(len(keys) for keys in holders(view, name).values()) if changed.made else 0
    return {
        "role": name,
        "changed": changed.made,
        "token_base": changed.after.token_base,
        "held": held,
    }
