"""`coord meter`: records the pauses of this machine.

Owns the command, its words and `coord.meter/1`. Measures nothing itself: `coord.lab.meter` does,
and `coord.lab.pauses` has the form of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click
from click.exceptions import Exit

from coord.cli.options import duration_option
from coord.cli.output import error_console, print_json, say
from coord.cli.playing import SIGNALLED, Interrupted, Signals
from coord.config import Timing
from coord.lab.meter import Measured, Meter
from coord.lab.meter_figures import poisson_interval
from coord.lab.pauses import refuse_place, write_pauses

__all__ = ["meter"]

SCHEMA = "coord.meter/1"
_LEAST_FOR_S, _MOST_FOR_S = 1.0, 7 * 86400.0
_LEAST_THRESHOLD_S, _MOST_THRESHOLD_S = 0.001, 1.0
_TOLD_EVERY_S = 5.0
_HOUR_S = 3600.0


def _within(name: str, value_s: float, least_s: float, most_s: float) -> None:
    if not least_s <= value_s <= most_s:
        raise click.BadParameter(
            f"{value_s:g} s is not from {least_s:g} s to {most_s:g} s", param_hint=f"'{name}'"
        )


@click.command(name="meter")
@duration_option("--for", default="30s", text="How long to measure: a second at least.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write what was measured into this file; one that is there is replaced, at the end.",
)
@duration_option("--threshold", default="1ms", text="What is shorter is no pause.")
@duration_option("--ttl", default="10s", text="The ttl of your members.")
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
def meter(
    *, for_s: float, out: Path | None, threshold_s: float, ttl_s: float, as_json: bool
) -> None:
    """Record how late threads wake up here: the pauses that no timing can leave out of account.

    One thread on each of up to eight cores sleeps for a millisecond, again and again, and notes how
    much later it woke. Measure where your members run, under their load, for as long as you can:
    what is rare is not seen in 30 s. Ctrl-C ends it early, and writes what was measured by then.

    \b
    Example:
      coord meter --for 30s --out pauses.json
    """  # noqa: D301  click's mark for lines that are not to be joined
    _within("--for", for_s, _LEAST_FOR_S, _MOST_FOR_S)
    _within("--threshold", threshold_s, _LEAST_THRESHOLD_S, _MOST_THRESHOLD_S)
    timing = Timing.of(ttl_s)
    if out is not None:
        if not out.name:
            raise click.BadParameter(f"{str(out)!r} names no file", param_hint="'--out'")
        refuse_place(out)
    measured, code = _measured(for_s, threshold_s, write_to=out)
    if measured is None:
        error_console().print("interrupted before a second was over: nothing is written")
        raise Exit(code)
    told = _told(measured, timing, out, interrupted=bool(code))
    if as_json:
        print_json(told)
    else:
        for sentence in _sentences(told):
            say(sentence)
    if code:
        raise Exit(code)


def _measured(
    for_s: float, threshold_s: float, *, write_to: Path | None
) -> tuple[Measured | None, int]:
    """What was measured, None if hardly anything was, and the exit code of what ended it early.

    The file is written before signals count again, so a second Ctrl-C finds it whole.
    """
    code = 0
    with Signals() as signals:
        running = Meter(threshold_s)
        with running.running():
            try:
                running.wait(for_s, _looking(running, for_s, signals))
            except Interrupted as signalled:
                code = SIGNALLED + signalled.args[0]
        measured = running.measured()
        if code and measured.for_s < _LEAST_FOR_S:
            return None, code
        if write_to is not None:
            write_pauses(write_to, measured.content(interrupted=bool(code)))
    return measured, code


def _looking(running: Meter, for_s: float, signals: Signals) -> Callable[[float], None]:
    """Raises what a signal asked for, and says on stderr how far it is."""
    every_s = max(_TOLD_EVERY_S, for_s / 20)
    next_s = every_s

    def look(measured_s: float) -> None:
        nonlocal next_s
        signals.check()
        if measured_s >= next_s:
            next_s = measured_s + every_s
            longest = _length(running.longest_s)
            text = f"{measured_s:.0f} of {for_s:.0f} s: the longest pause until now is {longest}"
            error_console().print(text, soft_wrap=True)

    return look


def _told(
    measured: Measured, timing: Timing, out: Path | None, *, interrupted: bool
) -> dict[str, Any]:
    limits = {
        "threshold": measured.threshold_s,
        "slack": timing.slack_s,
        "rpc_timeout": timing.rpc_timeout_s,
        "ttl": timing.ttl_s,
    }
    return {
        "schema": SCHEMA,
        "out": None if out is None else str(out),
        "interrupted": interrupted,
        "for_s": round(measured.for_s, 6),
        "observed_s": round(measured.observed_s, 6),
        "cores": [tally.core for tally in measured.tallies],
        "late_s": measured.late_s(),
        "ttl_s": timing.ttl_s,
        "longer_than": {
            name: _longer(measured, limit_s)
            for name, limit_s in limits.items()
            if name == "threshold" or limit_s >= measured.threshold_s
        },
    }


def _longer(measured: Measured, limit_s: float) -> dict[str, Any]:
    pauses, moments = measured.longer_than(limit_s)
    low, high = (count * _HOUR_S / measured.for_s for count in poisson_interval(moments))
    return {
        "limit_s": limit_s,
        "pauses": pauses,
        "moments": moments,
        "moments_an_hour": {"low": float(f"{low:.3g}"), "high": float(f"{high:.3g}")},
    }


def _sentences(told: dict[str, Any]) -> list[str]:
    late = [
        f"{name} {_length(value)}" for name, value in told["late_s"].items() if value is not None
    ]
    threads = len(told["cores"])
    where = "1 thread" if threads == 1 else f"{threads} threads, each on a core of its own"
    began = "interrupted; measured" if told["interrupted"] else "measured"
    lines = [
        f"{began} for {told['for_s']:.1f} s with {where}",
        f"woke late by: {', '.join(late)}",
    ]
    for name, found in told["longer_than"].items():
        lines.append(_line(name, found, told["ttl_s"]))
    lines.append(
        "A pause beyond the slack can cost a healthy leader its term, one beyond the rpc timeout "
        "makes an answer that came look late, and during one beyond the ttl others lead: what it "
        "does afterwards only a fence refuses. Which timings are good under these pauses does not "
        "follow from these figures alone; the next pause may be longer than all of them."
    )
    if not told["longer_than"]["threshold"]["pauses"]:
        lines.append(
            "There was no pause at all above the threshold, so nothing can be drawn from this: "
            "measure for longer, or under the load of every day."
        )
    if told["out"] is not None:
        lines.append(f"written: {told['out']}; `coord sim --pauses FILE` draws from such a file")
    return lines


_NAMED = {
    "threshold": "the threshold",
    "slack": "the usual slack at a ttl of {ttl:g} s",
    "rpc_timeout": "the usual rpc timeout",
    "ttl": "the ttl",
}


def _line(name: str, found: dict[str, Any], ttl_s: float) -> str:
    hourly = found["moments_an_hour"]
    return (
        f"longer than {_NAMED[name].format(ttl=ttl_s)}, {_length(found['limit_s'])}: "
        f"{found['pauses']} pauses at {found['moments']} moments, "
        f"so {hourly['low']:g} to {hourly['high']:g} moments an hour (95 %)"
    )


def _length(length_s: float) -> str:
    return f"{length_s * 1000:.3g} ms" if length_s < 1 else f"{length_s:.3g} s"
