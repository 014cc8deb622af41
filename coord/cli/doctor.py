"""`coord doctor`: is this store fit to elect on, from here, and with which timings.

Owns the command, its findings that no store makes by itself, and `coord.doctor/1`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click

from coord.cli.advice import shortest_ttl_s, timing_finding
from coord.cli.exits import ExitCode
from coord.cli.measuring import NAPS, Measured, measure
from coord.cli.options import duration_option, store_command
from coord.cli.output import print_json, show
from coord.cli.reading import opened
from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.core.wording import duration_text
from coord.errors import StoreError
from coord.spi import Guarantees, OpenedStore, Probe

__all__ = ["doctor"]

DOCTOR = "coord.doctor/1"
_CLOCK_READS = 1000
_KERNEL_CLOCK = "/sys/devices/system/clocksource/clocksource0/current_clocksource"


@click.command()
@store_command
@duration_option("--ttl", default="10s", text="The ttl that your members use or shall use.")
def doctor(url: str, *, timeout_s: float, as_json: bool, ttl_s: float) -> int:
    """Check the store from here, and recommend timings for it.

    Reads the group, opens a session for a moment (a member "doctor-…" that takes nothing), times
    views and heartbeats, and asks the store what it finds. Leaves nothing behind. If a problem was
    found: exit code 1. With --json: coord.doctor/1.
    """
    with opened(url, timeout_s) as found:
        guarantees = found.store.guarantees
        stated = _stated(found)
        measured = measure(found, ttl_s)
        told = {finding.value for finding in stated if not finding.ok}
        findings = [_clock(), *stated, *_measured(guarantees, measured, told)]
    if as_json:
        print_json(_shape(found.group, guarantees, findings, measured))
    else:
        _print(found.group, guarantees, findings, measured)
    return ExitCode.OK if all(finding.ok for finding in findings) else ExitCode.NO


def _stated(found: OpenedStore) -> list[Probe]:
    """What the store finds by itself."""
    try:
        return found.store.probe(found.group)
    except StoreError as error:
        return [Probe(name="probe", ok=False, value=error.cause, cure=error.cure)]


def _clock() -> Probe:
    begun = time.perf_counter()
    for _ in range(_CLOCK_READS):
        SYSTEM_CLOCK.now()
    each_ns = (time.perf_counter() - begun) / _CLOCK_READS * 1e9
    suspends = hasattr(time, "CLOCK_BOOTTIME")
    which = "CLOCK_BOOTTIME, counts suspend" if suspends else "monotonic, does not count suspend"
    try:
        source = f", kernel source {Path(_KERNEL_CLOCK).read_text(encoding='ascii').strip()}"
    except OSError:
        source = ""
    return Probe(name="our clock", ok=True, value=f"{which}{source}; {each_ns:.0f} ns a read")


def _measured(guarantees: Guarantees, measured: Measured, told: Collection[str]) -> Iterator[Probe]:
    """What measuring showed, without the problems that the store has told by itself."""
    late = f"{measured.woken_late_ms:.2f} ms late at worst, of {NAPS} short naps"
    yield Probe(name="wake-ups", ok=True, value=late)
    for trips in measured.round_trips:
        value = f"{trips.median_ms:.2f} ms"
        if len(trips.taken_ms) > 1:
            value += f" (median of {len(trips.taken_ms)}; slowest {trips.slowest_ms:.2f} ms)"
        yield Probe(name=trips.what, ok=True, value=value)
    error = measured.error
    if error is not None:
        if error.cause not in told:
            yield Probe(name="requests", ok=False, value=error.cause, cure=error.cure)
        return
    if measured.opened is not None:
        granted = duration_text(measured.opened.ttl_s)
        value = f"{granted} granted, {duration_text(measured.asked_ttl_s)} asked"
        if measured.lag_s:
            value += f"; the store may forget the last {duration_text(measured.lag_s)} of it"
        yield Probe(name="session ttl", ok=True, value=value)
    yield _noticed(guarantees, measured)
    yield timing_finding(guarantees, measured)


def _noticed(guarantees: Guarantees, measured: Measured) -> Probe:
    if measured.noticed_ms is not None:
        return Probe(name="changes", ok=True, value=f"noticed after {measured.noticed_ms:.1f} ms")
    value = "not noticed within 2s"
    if not guarantees.pushes_changes:
        return Probe(name="changes", ok=True, value=f"{value}; this store is polled")
    cure = "Members then look only once a ttl: find out what keeps the store's watch from working."
    return Probe(name="changes", ok=False, value=value, cure=cure)


def _shape(
    group: str, guarantees: Guarantees, findings: list[Probe], measured: Measured
) -> dict[str, Any]:
    opened_proof = measured.opened
    return {
        "schema": DOCTOR,
        "group": group,
        "store": guarantees.kind,
        "ok": all(finding.ok for finding in findings),
        "findings": [asdict(finding) for finding in findings],
        "guarantees": {**asdict(guarantees), "expiry": guarantees.expiry.value},
        "round_trips_ms": {
            trips.what: {
                "n": len(trips.taken_ms),
                "median": round(trips.median_ms, 3),
                "max": round(trips.slowest_ms, 3),
            }
            for trips in measured.round_trips
        },
        "woken_late_ms": round(measured.woken_late_ms, 3),
        "noticed_ms": round(measured.noticed_ms, 3) if measured.noticed_ms is not None else None,
        "session": {
            "asked_ttl_s": measured.asked_ttl_s,
            "granted_ttl_s": opened_proof.ttl_s,
            "least_ttl_s": measured.least_ttl_s,
            "lag_s": measured.lag_s,
        }
        if opened_proof is not None
        else None,
        "timing": asdict(Timing.of(opened_proof.ttl_s)) if opened_proof is not None else None,
        "shortest_ttl_s": shortest_ttl_s(guarantees, measured) if opened_proof else None,
    }


def _print(group: str, guarantees: Guarantees, findings: list[Probe], measured: Measured) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from coord.cli.findings import findings_table, store_title

    show(store_title(group, guarantees))
    show(findings_table(findings))
    if measured.opened is None:
        return
    timing = Timing.of(measured.opened.ttl_s)
    shortest_s = shortest_ttl_s(guarantees, measured)
    show(Text("\nTimings for this ttl (Timing.of)", "bold"))
    parts = [", ".join(_told(name, value) for name, value in asdict(timing).items())]
    if shortest_s is not None:
        parts.append(f"shortest ttl that fits what was measured: {duration_text(shortest_s)}")
    show(Padding(Text("\n".join(parts)), (0, 0, 0, 2), expand=False))


def _told(name: str, value: float) -> str:
    return f"{name[:-2]} {duration_text(value)}" if name.endswith("_s") else f"{name} {value:g}"
