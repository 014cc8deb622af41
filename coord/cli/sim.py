"""`coord sim`: one setting in virtual time, and what it costs in gap, split and faux.

Owns the command, its words, which words are other commands, and what it adds to `coord.report/1`.
What happens is `coord.lab.sim`'s, what is said of it follows from its report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rich_click as click
from click.core import ParameterSource
from rich.text import Text

from coord.cli.calibrate import calibrate
from coord.cli.exits import ExitCode
from coord.cli.options import Whole, duration_option
from coord.cli.output import error_console, print_json, say, show
from coord.cli.sim_script import play_script, play_swarm, print_least
from coord.cli.sweep import sweep
from coord.errors import UsageError
from coord.lab.chaos.faults import MEMBERS
from coord.lab.measure.report import Figures, Run
from coord.lab.pauses import read_pauses
from coord.lab.sim.blows import SIMULATED, ZONE
from coord.lab.sim.finding import smallest_of
from coord.lab.sim.manners import MANNERS
from coord.lab.sim.pauses import Stalls
from coord.lab.sim.run import NO_FAULT, Outcome, Setting, simulate
from coord.lab.work.modes import MODES

__all__ = ["sim", "sim_json", "simulating", "tell_outcome"]

_MOST_MEMBERS = 1000
_MOST_HOURS = 100_000.0
_TARGETS = (*MEMBERS, ZONE)
_SHOWN = 20
_SHORT_S = 600.0
_MODES = ", ".join(f"`{mode.name}`" for mode in MODES if not mode.queue)
_STORES = ", ".join(f"`{name}`" for name in MANNERS)
_FAULTS = ", ".join(f"`{name}`" for name in (*SIMULATED, NO_FAULT))


def _hours(_ctx: click.Context, _param: click.Parameter, value: float) -> float:
    if not 0 < value <= _MOST_HOURS:
        raise click.BadParameter(f"{value:g} is not above 0 and at most {_MOST_HOURS:g}")
    return value


class _Sim(click.RichCommand):
    """The command for one setting, unless its first word is that of another."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401  click's own signature
    ) -> click.Context:
        """The context of `sweep` or `calibrate` where that is the first word, else of ours.

        Only `--json` may stand before it: it means the same to all of them.
        """
        first = next((place for place, word in enumerate(args) if word != "--json"), 0)
        other = _OTHERS.get(args[first]) if args else None
        if other is None:
            return super().make_context(info_name, args, parent, **extra)
        rest = args[:first] + args[first + 1 :]
        return other.make_context(f"{info_name} {args[first]}", rest, parent, **extra)


_OTHERS: Mapping[str, click.Command] = {"sweep": sweep, "calibrate": calibrate}


@click.command(name="sim", cls=_Sim)
@click.option("--mode", default="single", show_default=True, metavar="MODE", help=f"{_MODES}.")
@click.option("--store", default="etcd", show_default=True, metavar="KIND", help=f"{_STORES}.")
@duration_option("--ttl", default="10s", text="How long a silent member is waited for.")
@duration_option("--heartbeat", default=None, text="From one to the next; usual: a quarter of it.")
@click.option("--members", type=Whole(1, _MOST_MEMBERS), default=3, show_default=True)
@click.option("--shards", type=Whole(1, 10_000), help="Usual: as of the mode.")
@click.option("--seats", type=Whole(1, _MOST_MEMBERS), help="Usual: as of the mode.")
@click.option("--fault", default="kill", show_default=True, metavar="FAULT", help=f"{_FAULTS}.")
@click.option(
    "--target",
    default="leader",
    show_default=True,
    metavar="WHOM",
    help=", ".join(f"`{name}`" for name in _TARGETS) + ".",
)
@click.option(
    "--beta",
    type=float,
    default=0.0,
    show_default=True,
    help="The share of strikes that have one cause in common: they strike all, or a whole zone.",
)
@click.option(
    "--zones",
    type=Whole(0, _MOST_MEMBERS),
    default=0,
    show_default=True,
    help="Over so many zones the members are spread.",
)
@click.option(
    "--hours",
    type=float,
    callback=_hours,
    default=1.0,
    show_default=True,
    help="For so long in virtual time, round after round.",
)
@duration_option("--every", default="0s", zero=True, text="From one round to the next, at least.")
@click.option("--seed", type=int, default=1, show_default=True, help="Draws everything.")
@click.option(
    "--pauses",
    type=click.Path(path_type=Path),
    help="A file of `coord meter`: how often every member stands still by itself.",
)
@click.option(
    "--script",
    type=click.Path(path_type=Path),
    help="Play a script of blows instead: a file of coord.blows/1.",
)
@click.option(
    "--swarm",
    type=Whole(1, 1_000_000),
    help="Play so many storms instead, each drawn from its seed, from --seed on.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
@click.pass_context
def sim(
    ctx: click.RichContext,
    /,
    *,
    target: str,
    pauses: Path | None,
    as_json: bool,
    **told: Any,  # noqa: ANN401
) -> int:
    """Simulate a setting: a fleet in virtual time, struck round after round, and judged.

    The members are coord's own core; the network, the store and the clock are simulated, each kind
    of store with its manners. The same seed gives the same answer. Exit code 0: all rules were
    kept; 1: one was broken. With --json: coord.report/1, with trace_hash (docs/sim.md).

    `coord sim sweep --grid FILE --out FILE` simulates many settings beside each other.
    `coord sim calibrate SCENARIO.toml --out FILE` tells how far real processes are from it.

    \b
    Examples:
      coord sim --store etcd --ttl 10 --heartbeat 3 --hours 500
      coord sim --mode localized --store zookeeper --fault partition --json
    """  # noqa: D301  click's mark for lines that are not to be joined
    script, storms = told.pop("script"), told.pop("swarm")
    if script is not None:
        _alone(ctx, "script", "as_json")
        return play_script(script, as_json=as_json)
    if storms is not None:
        _alone(ctx, "swarm", "seed", "as_json")
        return play_swarm(storms, told["seed"], as_json=as_json)
    if target not in _TARGETS:
        raise UsageError(f"there is no target {target!r}", cure=f"Targets: {', '.join(_TARGETS)}.")
    stalls = None if pauses is None else Stalls.of(read_pauses(pauses))
    setting = Setting(target=target, pauses=stalls, **told)
    with simulating() as progress:
        outcome = simulate(setting, progress=progress)
    return tell_outcome(outcome, as_json=as_json)


def tell_outcome(outcome: Outcome, *, as_json: bool) -> ExitCode:
    """Print what came of it, and the exit code that says whether all rules were kept."""
    least = None if outcome.kept else smallest_of(outcome)
    if as_json:
        script = {} if outcome.kept else {"script": least.to_json() if least else None}
        print_json(sim_json(outcome) | script)
    else:
        _print(outcome)
        if least is not None:
            print_least(least)
    return ExitCode.OK if outcome.kept else ExitCode.NO


def _alone(ctx: click.Context, *known: str) -> None:
    """Refuse what is said beside an option that says all of it."""
    for name in ctx.params:
        said = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if said and name not in known:
            raise UsageError(
                f"--{name} says nothing beside --{known[0]}", cure=f"Leave --{name} out."
            )


@contextmanager
def simulating() -> Iterator[Callable[[float], None] | None]:
    """A line on stderr, on a terminal; nothing elsewhere."""
    out = error_console()
    if not out.is_terminal:
        yield None
        return
    with out.status("simulating") as line:
        yield lambda share: line.update(f"simulating: {share:.0%}")


def sim_json(outcome: Outcome) -> dict[str, object]:
    """`coord.report/1`, and besides what only a simulation has."""
    setting = outcome.setting
    return {
        **outcome.report,
        "trace_hash": outcome.trace_hash,
        "simulated": {
            "hours": None if setting.rounds else setting.hours,
            "simulated_s": round(outcome.simulated_s, 6),
            "heartbeat_s": setting.timing.heartbeat_s,
            "every_s": setting.every_s,
            "fault": setting.fault,
            "target": setting.target,
            "beta": setting.beta,
            "zones": setting.zones,
            "bound_s": outcome.bound_s,
        },
        "kept": outcome.kept,
        "violations": [
            {"rule": one.rule, "at_s": one.at_s, "detail": one.detail} for one in outcome.violations
        ],
        "excused": [
            {"rule": one.violation.rule, "at_s": one.violation.at_s, "reason": one.reason}
            for one in outcome.excused
        ],
    }


# --- for people -------------------------------------------------------------------------------


def _print(outcome: Outcome) -> None:
    setting, report = outcome.setting, outcome.report
    say(
        f"{setting.members} members, mode {setting.mode}, {setting.store} (simulated), "
        f"ttl {setting.ttl_s:g} s, heartbeat {setting.timing.heartbeat_s:g} s, "
        f"seed {setting.seed}"
    )
    say(
        f"{setting.fault}: {report['rounds']} {'rounds' if report['rounds'] > 1 else 'round'} in "
        f"{_lasted(outcome.simulated_s)}"
    )
    for line in _lines(report["runs"][0]):
        say(f"  {line}")
    _print_judgement(outcome)
    say(f"trace {outcome.trace_hash}: the same setting and seed give it again")


def _lasted(simulated_s: float) -> str:
    if simulated_s < _SHORT_S:
        return f"{simulated_s:.0f} simulated seconds"
    return f"{simulated_s / 3600:.1f} simulated hours"


def _lines(run: Run) -> Iterator[str]:
    for name, extent in (("gap", run["gap_s"]), ("split", run["split_s"]), ("faux", run["faux_s"])):
        told = f"mean {extent['mean']:.3f} s, worst {extent['worst']:.3f} s"
        yield f"{name}: {told}, of a shard in a round"
    failover = run["failover_s"]
    parts = (
        ("failover", failover["total"]),
        ("  detect", failover["detect"]),
        ("  claim", failover["claim"]),
        ("  warm-up", failover["warm_up"]),
    )
    for label, figures in parts:
        if figures["n"]:
            yield f"{label}: {_figures(figures)}"
    stale = run["stale_acts"]
    yield (
        f"stale acts: {stale['attempted']} attempted, {stale['accepted']} taken by a fenced "
        f"resource, {stale['accepted_unfenced']} by an unfenced one"
    )
    yield f"false failovers: {run['false_failovers']}, missed: {run['missed']}"
    yield f"store requests: {run['store_requests_per_member_s']:.3f} a member and second"


def _figures(found: Figures) -> str:
    names = (("mean", found["mean"]), ("p50", found["p50"]), ("p99", found["p99"]))
    told = [f"{name} {value:.3f} s" for name, value in names if value is not None]
    return f"{', '.join(told)}, max {found['max'] or 0.0:.3f} s (n {found['n']})"


def _print_judgement(outcome: Outcome) -> None:
    if outcome.excused:
        count = len(outcome.excused)
        show(Text(f"excused {count}: {outcome.excused[0].reason}", style="yellow"))
    if outcome.kept:
        show(Text("all rules kept", style="bold green"))
        return
    show(Text(f"rules broken: {len(outcome.violations)}", style="bold red"))
    for violation in outcome.violations[:_SHOWN]:
        show(Text(f"  {violation}", style="red"))
    more = len(outcome.violations) - _SHOWN
    if more > 0:
        say(f"  and {more} more: --json has all of them")
