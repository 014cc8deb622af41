"""`coord redundancy`: how many co-leaders it takes.

Owns the command, its words and `coord.redundancy/1`. What is told is computed, twice, by
`coord.lab.redundancy`.
"""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import rich_click as click

from coord.cli.options import Whole
from coord.cli.output import print_json, say, show
from coord.lab.redundancy import (
    CONFIDENCE,
    MOST_MEMBERS,
    MOST_ZONES,
    Estimate,
    Redundancy,
    estimate,
)

__all__ = ["redundancy"]

SCHEMA = "coord.redundancy/1"
_FEWEST_ROWS, _MOST_ROWS = 4, 20


def _exact(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Fraction | None:
    """A number exactly as it is written, 0.1 a tenth; what is no probability the model refuses."""
    if value is None:
        return None
    try:
        return Fraction(Decimal(repr(float(value))))
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is not a number") from None


@click.command(name="redundancy")
@click.option(
    "--p",
    callback=_exact,
    required=True,
    metavar="P",
    help="The chance that a co-leader is down at some moment: its share of time in gap or faux.",
)
@click.option(
    "--target",
    callback=_exact,
    required=True,
    metavar="P",
    help="The chance that all of them are, which shall not be exceeded.",
)
@click.option(
    "--beta",
    callback=_exact,
    default="0.05",
    show_default=True,
    metavar="SHARE",
    help="The share of P that strikes all at once: a release, a configuration, the store.",
)
@click.option(
    "--zones",
    type=Whole(1, MOST_ZONES),
    help="Over how many zones they are spread.",
)
@click.option(
    "--zone-p",
    callback=_exact,
    metavar="P",
    help="The chance that a zone is down, with all in it; P does not count that.",
)
@click.option(
    "--up-to",
    type=Whole(1, _MOST_ROWS),
    help="How many rows the table has. Usual: one more than are needed.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Draws the simulation.")
@click.option(
    "--draws",
    type=Whole(1_000, 1_000_000),
    default=100_000,
    show_default=True,
    help="How often the simulation draws, for each figure.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
def redundancy(
    *,
    p: Fraction,
    target: Fraction,
    beta: Fraction,
    zones: int | None,
    zone_p: Fraction | None,
    up_to: int | None,
    seed: int,
    draws: int,
    as_json: bool,
) -> None:
    """Say how many co-leaders it takes so that all are hardly ever down at once.

    Computed for members that have nothing in common, and for members of which a share BETA of all
    trouble strikes all at once; a simulation of the same stands beside. The first is what one hopes
    for, the second what one gets. docs/redundancy.md has the model.

    \b
    Example:
      coord redundancy --p 0.01 --target 1e-6 --beta 0.05
    """  # noqa: D301  click's mark for lines that are not to be joined
    if (zones is None) != (zone_p is None):
        raise click.UsageError("--zones and --zone-p are given together, or not at all")
    model = Redundancy(p=p, beta=beta, zones=zones or 0, zone_p=zone_p or Fraction(0))
    told = _answer(model, target, up_to=up_to, seed=seed, draws=draws)
    if as_json:
        print_json(told)
    else:
        _print(told)


def _answer(
    model: Redundancy, target: Fraction, *, up_to: int | None, seed: int, draws: int
) -> dict[str, Any]:
    alone, together = model.independent.needed(target), model.needed(target)
    most = max(count for count in (alone, together, 0) if count is not None)
    last = up_to or min(_MOST_ROWS, max(_FEWEST_ROWS, most + 1))
    limit = model.beta_limit(target)
    counts = {*range(1, last + 1), *(count for count in (alone, together) if count is not None)}
    return {
        "schema": SCHEMA,
        "p": float(model.p),
        "target": float(target),
        "beta": float(model.beta),
        "zones": model.zones or None,
        "zone_p": float(model.zone_p) if model.zones else None,
        "needed": {"independent": alone, "correlated": together},
        "floor": float(model.floor),
        "unreachable": _unreachable(model, target, together),
        "beta_limit": None if limit is None else float(limit),
        "seed": seed,
        "confidence": CONFIDENCE,
        "rows": [_row(model, members, seed, draws) for members in sorted(counts)],
    }


def _unreachable(model: Redundancy, target: Fraction, needed: int | None) -> str | None:
    """Why no number of members that is told of is enough."""
    if needed is not None:
        return None
    if model.floor < target:
        return "too-many"
    return "beta" if model.beta_limit(target) is not None else "zones"


def _row(model: Redundancy, members: int, seed: int, draws: int) -> dict[str, Any]:
    row: dict[str, Any] = {"members": members}
    for name, one in (("independent", model.independent), ("correlated", model)):
        chance = float(one.all_down(members))
        found = estimate(one, members, seed=seed, draws=draws)
        row[name] = {"chance": chance, "simulated": _simulated(found, chance)}
    row["correlated"]["approximation"] = model.approximation(members)
    return row


def _simulated(found: Estimate, chance: float) -> dict[str, Any]:
    return {**asdict(found), "holds": found.holds(chance)}


def _print(told: dict[str, Any]) -> None:
    for sentence in _sentences(told):
        say(sentence)
    say("")
    show(_table(told))
    say("")
    outside = sum(
        not row[name]["simulated"]["holds"]
        for row in told["rows"]
        for name in ("independent", "correlated")
    )
    draws = told["rows"][0]["independent"]["simulated"]["draws"]
    say(
        f"Simulated: {draws} draws each, with 99 % intervals (seed {told['seed']}); "
        f"{outside} of {2 * len(told['rows'])} do not hold the computed value, "
        "and one in a hundred need not."
    )


def _sentences(told: dict[str, Any]) -> list[str]:
    target: float = told["target"]
    alone: int | None = told["needed"]["independent"]
    together: int | None = told["needed"]["correlated"]
    hoped = f"With nothing in common, {_count(alone)} for {target:.3g}."
    shared = f"With {told['beta']:.3g} of all trouble in common"
    if told["zones"]:
        shared += f" and {told['zones']} zones, each down with {told['zone_p']:.3g}"
    if together is not None:
        return [hoped, f"{shared}, {_count(together)}. No number gets below {told['floor']:.3g}."]
    if told["unreachable"] == "too-many":
        return [hoped, f"{shared}, {_count(None)}: mend what makes a single one fail so often."]
    return [
        hoped,
        f"{shared}, no number of co-leaders reaches it: {told['floor']:.3g} stays.",
        _cure(told),
    ]


def _count(members: int | None) -> str:
    if members is None:
        return f"more than {MOST_MEMBERS} co-leaders would be needed"
    return "1 co-leader is enough" if members == 1 else f"{members} co-leaders are enough"


def _cure(told: dict[str, Any]) -> str:
    if told["unreachable"] == "zones":
        return "What helps: more zones, or zones that are down more rarely; not more members."
    return (
        f"What helps: less in common (beta below {told['beta_limit']:.3g}), by releases and "
        "configuration that do not reach all at once, and another way to the same work beside this "
        "store's; or common trouble that is over sooner. Not more members."
    )


def _table(told: dict[str, Any]) -> Any:  # noqa: ANN401  rich is imported when it is needed
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("co-leaders", "independent", "simulated", "correlated", "simulated"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in told["rows"]:
        cells = [str(row["members"])]
        for name in ("independent", "correlated"):
            cells += [_chance(row[name], told["target"]), _interval(row[name]["simulated"])]
        table.add_row(*cells)
    return table


def _chance(cell: dict[str, Any], target: float) -> str:
    return f"{cell['chance']:.3g}{' ok' if cell['chance'] <= target else '   '}"


def _interval(found: dict[str, Any]) -> str:
    return f"{found['low']:.3g} to {found['high']:.3g}"
