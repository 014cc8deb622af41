"""Whether something is a `coord.report/1`: for reports that were saved, and for tests.

Owns the checks. Fields that it does not know are allowed, so that a simulated run may add its trace
hash.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from coord.errors import UsageError
from coord.lab.measure.report import REPORT_SCHEMA, Report

__all__ = ["checked_report", "report_from_json"]

_Check = Callable[[object], bool]
_ENOUGH_FOR_P99 = 100


def _count(value: object) -> bool:
    return type(value) is int and value >= 0


def _whole(value: object) -> bool:
    return type(value) is int


def _seconds(value: object) -> bool:
    return (
        type(value) in {int, float}
        and math.isfinite(cast("float", value))
        and cast("float", value) >= 0
    )


def _maybe(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _share(value: object) -> bool:
    return _seconds(value) and cast("float", value) <= 1


_EXTENT: Mapping[str, object] = {"worst": _seconds, "mean": _seconds}
_FIGURES: Mapping[str, object] = {
    "n": _count,
    "mean": _maybe(_seconds),
    "p50": _maybe(_seconds),
    "p99": _maybe(_seconds),
    "max": _maybe(_seconds),
}
_RUN: Mapping[str, object] = {
    "mode": _text,
    "fault": _text,
    "gap_s": _EXTENT,
    "split_s": _EXTENT,
    "faux_s": _EXTENT,
    "failover_s": {"detect": _FIGURES, "claim": _FIGURES, "warm_up": _FIGURES, "total": _FIGURES},
    "stale_acts": {"attempted": _count, "accepted": _count, "accepted_unfenced": _count},
    "false_failovers": _count,
    "blast_radius": _share,
    "duplicates": _count,
    "missed": _count,
    "store_requests_per_member_s": _seconds,
}
_REPORT: Mapping[str, object] = {
    "store": _text,
    "ttl_s": _seconds,
    "seed": _whole,
    "members": _count,
    "shards": _count,
    "seats": _count,
    "rounds": _count,
}


def checked_report(raw: object) -> Report:
    """The same object, once it is known to be a report. Raises UsageError that names the field."""
    if not isinstance(raw, dict) or raw.get("schema") != REPORT_SCHEMA:
        schema = raw.get("schema") if isinstance(raw, dict) else None
        raise UsageError(
            f"this is no {REPORT_SCHEMA}: its schema is {schema!r}",
            cure="Read it with the release that wrote it, or run the experiment again.",
        )
    _check("", raw, _REPORT)
    runs = raw.get("runs")
    if not isinstance(runs, list):
        raise _wrong("runs", runs)
    for index, run in enumerate(runs):
        place = f"runs[{index}]"
        _check(place, run, _RUN)
        _check_sense(place, run)
    return cast("Report", raw)


def report_from_json(text: str) -> Report:
    """Read what `to_json` wrote. Raises UsageError for what is no JSON, or no report."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"this is no {REPORT_SCHEMA}: {error}", cure="Give the file that --json wrote."
        ) from error
    return checked_report(raw)


def _check(place: str, value: object, form: object) -> None:
    if not isinstance(form, Mapping):
        if not cast("_Check", form)(value):
            raise _wrong(place, value)
        return
    if not isinstance(value, dict):
        raise _wrong(place, value)
    for name, inner in form.items():
        where = f"{place}.{name}" if place else str(name)
        if name not in value:
            raise UsageError(
                f"{where} is missing", cure=f"{REPORT_SCHEMA} is described in docs/events.md."
            )
        _check(where, value[name], inner)


def _check_sense(place: str, run: Mapping[str, Any]) -> None:
    """What the parts of one run must be to each other."""
    for name in ("gap_s", "split_s", "faux_s"):
        if run[name]["mean"] > run[name]["worst"] + 1e-6:
            raise _wrong(f"{place}.{name}.mean", run[name]["mean"])
    for name, figures in run["failover_s"].items():
        where = f"{place}.failover_s.{name}"
        empty = figures["n"] == 0
        if any((figures[key] is None) != empty for key in ("mean", "p50", "max")):
            raise _wrong(where, figures)
        if (figures["p99"] is None) != (figures["n"] < _ENOUGH_FOR_P99):
            raise _wrong(f"{where}.p99", figures["p99"])
    stale = run["stale_acts"]
    if stale["accepted"] + stale["accepted_unfenced"] > stale["attempted"]:
        raise _wrong(f"{place}.stale_acts.attempted", stale["attempted"])


def _wrong(place: str, value: object) -> UsageError:
    return UsageError(
        f"{place} is {value!r}", cure=f"{REPORT_SCHEMA} is described in docs/events.md."
    )
