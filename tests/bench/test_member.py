"""What one member costs: a check, an import, an idle hour, ten thousand shards."""

from __future__ import annotations

import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.registry import open_store
from tests.architecture.project import ROOT
from tests.bench.conftest import Case
from tests.bench.figures import Figures

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

SHARDS = 10_000
ROUNDS = 5
SECTION = "One member, on SQLite"
IDLE_S = 15
NOISE = 1.5
"""Timings fail only beyond this factor of their target: figures are for the page, not for CI."""


def test_a_check_costs_some_clock_reads(figures: Figures, case: Case, tmp_path: Path) -> None:
    figure = figures.section(SECTION).add(
        "`term.check()`", "ns", case("check", f"sqlite:///{tmp_path}/c.db"), limit=300
    )
    assert figure.median <= 300 * NOISE


def test_importing_coord_is_quick_and_loads_no_client_library(
    figures: Figures, tmp_path: Path
) -> None:
    wheel = tmp_path / "dist"
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*build, "-w", str(wheel), str(ROOT)], check=True, timeout=300)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "--no-deps", "--compile"]
    subprocess.run([*install, *map(str, wheel.glob("*.whl"))], check=True, timeout=300)
    loaded = subprocess.run(
        [str(python), "-c", "import sys, coord; print(*sys.modules)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    clients = {"sqlite3", "kazoo", "etcd3", "boto3", "grpc", "structlog", "click", "rich"}
    assert not clients & set(loaded)
    rounds = []
    for _ in range(11):
        bare = _seconds(python, "pass", tmp_path)
        rounds.append((_seconds(python, "import coord", tmp_path) - bare) * 1000)
    figure = figures.section(SECTION).add(
        "`import coord` (installed wheel)",
        "ms",
        rounds,
        limit=100,
        remark="the time of a whole process, less that of one that imports nothing, in turn.",
    )
    assert figure.median <= 100


def _seconds(python: Path, code: str, cwd: Path) -> float:
    began = time.perf_counter()
    subprocess.run([str(python), "-I", "-c", code], cwd=cwd, check=True, timeout=60)
    return time.perf_counter() - began


def test_an_idle_member_costs_the_same_whatever_it_holds(
    figures: Figures, case: Case, tmp_path: Path
) -> None:
    few = case("idle", f"sqlite:///{tmp_path}/few.db", 1, IDLE_S)
    many = case("idle", f"sqlite:///{tmp_path}/many.db", SHARDS, IDLE_S)
    remark = f"over {IDLE_S} s at a ttl of 3 s; heartbeats are due every 0.75 s."
    for label, found in (("1 shard", few), (f"{SHARDS:,} shards", many)):
        figures.section(SECTION).add(
            f"store calls of an idle member with {label}",
            "1/s",
            [found["calls_per_s"]],
            remark=remark,
        )
        figures.section(SECTION).add(
            f"CPU of an idle member with {label}", "% of a core", [found["cpu_percent"]], limit=1
        )
    assert abs(many["calls_per_s"] - few["calls_per_s"]) <= 3 / IDLE_S
    assert many["cpu_percent"] <= 1 * NOISE


def test_ten_thousand_shards_beside_bare_sqlite(
    figures: Figures, case: Case, tmp_path: Path
) -> None:
    store, _ = open_store(f"sqlite:///{tmp_path}/x.db", clock=SYSTEM_CLOCK, timeout_s=1)
    batch = store.guarantees.batch_size
    store.close()
    ours, bare = [], []
    for number in range(ROUNDS):
        ours.append(case("shards", f"sqlite:///{tmp_path}/ours{number}.db", SHARDS))
        bare.append(case("bare_sqlite", tmp_path / f"bare{number}.db", SHARDS, batch))
    for what, label in (("claimed", "claimed"), ("rebalanced", "rebalanced to two members")):
        figures.section(SECTION).add(
            f"{SHARDS:,} shards {label}",
            "s",
            [one[what] for one in ours],
            bare=[one[what] for one in bare],
            remark="from asking to the last term being in the hands of user code, planning and "
            "reading of views included; bare counts the writes alone.",
        )
    figures.section(SECTION).add(
        f"{SHARDS // 2:,} shards handed over by a member that stops",
        "s",
        [one["handed_over"] for one in ours],
    )
    assert max(one["claimed"] for one in ours) < 30
