"""The figures of all contestants, as the page has them: `docs/reliability.md`, one section of it.

Owns the form of its table, and the files in which rounds are kept until then, one for each store.
Measures nothing, and leaves the words of the section to whoever reads the table.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from coord._version import __version__
from tests.architecture.project import ROOT
from tests.bench.peers.elections.contestants import OURS, PEERS
from tests.bench.peers.elections.rounds import FAULTS, Outcome

__all__ = ["Cells", "keep", "write"]

Cells = Mapping[tuple[str, str], Sequence[Outcome]]
"""The rounds of each contestant under each fault."""

TITLE = "## Peers under the same faults"
_PAGE = ROOT / "docs" / "reliability.md"
_STORES = {"zookeeper": "ZooKeeper ×3", "etcd": "etcd ×3", "dynamodb": "DynamoDB Local"}
_FROM = "Measured with: "
"""Where what is written here begins; what stands above it in the section is written by hand."""
_HEAD = (
    "| Fault | Store | Who leads | Gap s | Split s | Faux s"
    " | Stale: unfenced | Stale: fenced | Refused | Noticed |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def keep(store: str, cells: Cells, facts: Mapping[str, str]) -> None:
    """Keep the rounds on one store, in place of those that an earlier run had of the same cells."""
    file = _file(store)
    earlier = json.loads(file.read_text())["cells"] if file.exists() else []
    kept = [cell for cell in earlier if (cell["who"], cell["fault"]) not in cells]
    kept += [
        {"who": who, "fault": fault, "rounds": [asdict(one) for one in ran]}
        for (who, fault), ran in cells.items()
    ]
    file.parent.mkdir(exist_ok=True)
    document = {"facts": dict(facts) | _machine(), "cells": kept}
    file.write_text(json.dumps(document, indent=1) + "\n")


def write() -> None:
    """Write the table, of whatever has been kept; the rest of the page stays as it is."""
    kept = {
        store: json.loads(_file(store).read_text()) for store in _STORES if _file(store).exists()
    }
    rows = [row for fault in FAULTS for store in kept for row in _rows(store, fault, kept[store])]
    facts: dict[str, str] = {}
    for found in kept.values():
        facts |= found["facts"]
    ordered = sorted(facts, key=lambda name: name in _machine())
    told = ", ".join(f"{name} {facts[name]}" for name in ordered)
    before, title, section = _PAGE.read_text().partition(f"{TITLE}\n")
    prose, begun, table = section.partition(_FROM)
    assert begun, f"{_PAGE} has no section {TITLE!r} with a line {_FROM!r}"
    end = table.find("\n## ")
    after = table[end:] if end >= 0 else ""
    written = "\n".join([f"{_FROM}{told}.", "", _HEAD, *rows])
    _PAGE.write_text(f"{before}{title}{prose}{written}\n{after}")


def _rows(store: str, fault: str, found: Mapping[str, Sequence[Mapping[str, object]]]) -> list[str]:
    names = [*(peer.name for peer in PEERS if peer.store == store), OURS.name]
    fenced = {peer.name: peer.fenced for peer in PEERS}
    rows = []
    for cell in sorted(found["cells"], key=lambda one: names.index(str(one["who"]))):
        if cell["fault"] == fault:
            ran = [Outcome(**one) for one in cell["rounds"]]  # type: ignore[attr-defined]
            who = str(cell["who"])
            name = "**coord**" if who == OURS.name else who
            cells = _cells(ran, fenced=fenced.get(who, True), ends=fault == "kill")
            rows.append("| " + " | ".join([fault, _STORES[store], name, *cells]) + " |")
    return rows


def _cells(ran: Sequence[Outcome], *, fenced: bool, ends: bool) -> list[str]:
    noticed = [one.noticed_s for one in ran if one.noticed_s is not None]
    told = f"{statistics.median(noticed):.1f} s" if noticed else "never"
    some = f", {len(noticed)} of {len(ran)}" if 0 < len(noticed) < len(ran) else ""
    return [
        _told([one.gap_s for one in ran], ".2f"),
        _told([one.split_s for one in ran], ".2f"),
        _told([one.faux_s for one in ran], ".2f"),
        _told([one.stale_unfenced for one in ran]),
        _told([one.stale_fenced for one in ran]) if fenced else "–",
        _told([one.refused for one in ran]) if fenced else "–",
        "–" if ends else told + some,
    ]


def _told(values: Sequence[float], form: str = "g") -> str:
    """The median, and what the rounds lie between where that says something else."""
    low, middle, high = (
        format(one, form) for one in (min(values), statistics.median(values), max(values))
    )
    return middle if low == high else f"{middle} ({low} to {high})"


def _machine() -> dict[str, str]:
    return {
        "coord": __version__,
        "python": platform.python_version(),
        "kernel": platform.release().split("-", maxsplit=1)[0],
        "cores": str(os.cpu_count()),
        "measured on": dt.datetime.now(dt.UTC).date().isoformat(),
    }


def _file(store: str) -> Path:
    return ROOT / "build" / f"elections-{store}.json"
