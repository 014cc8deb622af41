"""`coord advise`: which timings, mode and store meet limits, and what they cost.

Owns the command, what of its options is refused, and `coord.advice/1`. The words are
`advise_words`'; what is tried and how it is judged is `coord.lab.sweep.advice`'s.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click
from click.exceptions import Exit

from coord.cli.advise_words import print_advice
from coord.cli.exits import ExitCode
from coord.cli.options import Whole, duration_option
from coord.cli.output import error_console, print_json
from coord.cli.playing import SIGNALLED, Interrupted, Signals
from coord.cli.sweep import cores
from coord.cli.sweep_words import Progress
from coord.errors import UsageError
from coord.lab.pauses import read_pauses
from coord.lab.sim.manners import MANNERS
from coord.lab.sim.pauses import FLOOR_S, Stalls
from coord.lab.sweep.advice import PLAYS, Advice, Ask, advised, candidates
from coord.lab.sweep.prices import PRICES, price_of
from coord.lab.work.modes import MODES

__all__ = ["advise"]

SCHEMA = "coord.advice/1"
_STORES = ("sqlite", "etcd", "zookeeper", "dynamodb")
_MODES = tuple(mode.name for mode in MODES if not mode.queue)
_LEAST_GAP_S, _MOST_GAP_S = 0.1, 3600.0
_MOST_HOURS, _MOST_ACTS = 10_000.0, 1e6


def _listed(known: tuple[str, ...]) -> Any:  # noqa: ANN401
    """A callback that splits at commas, and refuses what is not known."""

    def split(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        for name in names or (value,):
            if name not in known:
                raise UsageError(f"{name!r} is not simulated", cure=f"Known: {', '.join(known)}.")
        return names

    return split


def _number(most: float) -> Any:  # noqa: ANN401
    def check(_ctx: click.Context, _param: click.Parameter, value: float) -> float:
        if not 0 < value <= most:
            raise click.BadParameter(f"{value:g} is not above 0 and at most {most:g}")
        return value

    return check


@click.command(name="advise")
@duration_option("--gap-slo", default=None, text="For how long nobody may lead, at worst.")
@duration_option("--split-slo", default="0s", zero=True, text="How long two may, at worst.")
@click.option(
    "--pauses",
    type=click.Path(path_type=Path),
    help="A file of `coord meter`: how your machines stand still. Without it they never do.",
)
@click.option(
    "--stores",
    default=",".join(_STORES),
    show_default=True,
    metavar="KIND,…",
    callback=_listed(tuple(MANNERS)),
    help="Those that you could use.",
)
@click.option(
    "--modes",
    default="single",
    show_default=True,
    metavar="MODE,…",
    callback=_listed(_MODES),
    help=", ".join(f"`{name}`" for name in _MODES) + ".",
)
@click.option("--members", type=Whole(2, 1000), default=3, show_default=True)
@click.option(
    "--acts",
    type=float,
    default=1.0,
    show_default=True,
    callback=_number(_MOST_ACTS),
    help="A second, of a leader: for the stale acts of a month.",
)
@click.option(
    "--hours",
    type=float,
    default=1.0,
    show_default=True,
    callback=_number(_MOST_HOURS),
    help="Of virtual time for each of the three plays of a candidate.",
)
@click.option(
    "--price",
    default="us-east-1",
    show_default=True,
    metavar="REGION|WRITE,READ",
    help=f"DynamoDB's: {', '.join(PRICES)}, or dollars a million write and read units.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Draws everything.")
@click.option("--jobs", type=Whole(1, 256), help="Processes beside each other. Usual: one a core.")
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
def advise(
    *,
    gap_slo_s: float | None,
    split_slo_s: float,
    pauses: Path | None,
    price: str,
    jobs: int | None,
    as_json: bool,
    **told: Any,  # noqa: ANN401
) -> int:
    """Say which timings, mode and store meet your limits, and what they cost a month.

    Ttls and heartbeats that suit the gap are simulated on each store: with leaders that are killed,
    that are stopped, and that are left in peace, all under the pauses of your machines. Exit code
    0: something meets the limits; 7: nothing does, and what comes closest is told. What worst
    means, and where prices are from: docs/advise.md.

    \b
    Example:
      coord advise --gap-slo 15s --split-slo 0s --pauses pauses.json
    """  # noqa: D301  click's mark for lines that are not to be joined
    if gap_slo_s is None:
        raise click.UsageError("--gap-slo is missing: for how long may nobody lead, at worst?")
    if not _LEAST_GAP_S <= gap_slo_s <= _MOST_GAP_S:
        raise click.BadParameter(
            f"{gap_slo_s:g} s is not from {_LEAST_GAP_S:g} s to {_MOST_GAP_S:g} s",
            param_hint="'--gap-slo'",
        )
    seen = None if pauses is None else read_pauses(pauses)
    stalls = None if seen is None else Stalls.of(seen)
    ask = Ask(gap_s=gap_slo_s, split_s=split_slo_s, pauses=stalls, price=price_of(price), **told)
    found = _advised(ask, jobs or cores())
    answer = _told(ask, found, pauses)
    if as_json:
        print_json(answer)
    else:
        print_advice(answer, found.of_each())
    return ExitCode.OK if found.met else ExitCode.UNMET


def _advised(ask: Ask, jobs: int) -> Advice:
    whole = len(candidates(ask)[0]) * len(PLAYS)
    with Signals() as signals, Progress(whole) as progress:

        def look(count: int, _whole: int) -> None:
            signals.check()
            progress.update(count, 0)

        try:
            return advised(ask, jobs=jobs, look=look)
        except Interrupted as signalled:
            code = SIGNALLED + signalled.args[0]
    error_console().print("interrupted: there is no advice", soft_wrap=True)
    raise Exit(code)


def _told(ask: Ask, found: Advice, pauses: Path | None) -> dict[str, Any]:
    stalls = ask.pauses
    return {
        "schema": SCHEMA,
        "gap_slo_s": ask.gap_s,
        "split_slo_s": ask.split_s,
        "members": ask.members,
        "acts_per_s": ask.acts,
        "hours": ask.hours,
        "seed": ask.seed,
        "pauses": {
            "file": None if pauses is None else str(pauses),
            "floor_s": FLOOR_S,
            "an_hour": 0.0 if stalls is None else round(stalls.rate * 3600, 3),
            "longest_s": 0.0 if stalls is None else max(stalls.lengths_s),
        },
        "price": asdict(ask.price),
        "met": found.met,
        "best": found.rows[0] if found.met else None,
        "candidates": list(found.rows),
        "left_out": dict(found.left_out),
    }
