"""The section of a sweep: its figures, and what has to be known to read them.

Owns the order and the words. Figures are drawn by `front`, `heat` and `shared`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coord.lab.report.choice import Limits, SweepView
from coord.lab.report.front import pareto
from coord.lab.report.heat import heat_map
from coord.lab.report.shared import beta_sweep

__all__ = ["drawings", "words"]


def drawings(index: int, sweep: SweepView, limits: Limits) -> Iterator[tuple[str, str]]:
    """Captions and figures; all names in them begin with `sweep` and the number."""
    name = f"sweep{index + 1}"
    for fault in sorted({one.fault for one in sweep.points}):
        points = [one for one in sweep.points if one.fault == fault]
        yield f"Gap against stale acts, {fault}", pareto(f"{name}-{fault}", fault, points)
    for mode, store in sorted({(one.mode, one.store) for one in sweep.points}):
        points = [one for one in sweep.points if (one.mode, one.store) == (mode, store)]
        caption = f"Timings, {mode} on {store}"
        yield caption, heat_map(f"{name}-{mode}-{store}", caption, points, limits)
    if not index:
        yield "All co-leaders down: a model, p = 0.01", beta_sweep("beta")


def words(sweep: SweepView, limits: Limits) -> Sequence[str]:
    """Paragraphs before the figures."""
    first = (
        f"{len(sweep.points)} settings of {sweep.title}, simulated by coord {sweep.version}. The "
        "stairs join the settings that no other beats in both gap and stale acts; of neighbours "
        "that hardly differ, look at the intervals in the file."
    )
    told = [first]
    if not sweep.complete:
        told.append("The sweep was not done when it was read: settings of its grid are missing.")
    if sweep.skipped:
        told.append(f"{sweep.skipped} combinations of the grid cannot be, and have a dash.")
    pairs = (("gap", limits.gap_s), ("split", limits.split_s))
    given = [f"{what} at most {limit:g} s" for what, limit in pairs if limit is not None]
    if given:
        told.append(
            f"A thick border and ✓: {' and '.join(given)} in every round under every fault of the "
            "sweep; what was not swept is not in it."
        )
    if any(one.starred for one in sweep.points):
        told.append(
            "The star: a ttl of 15 s and a heartbeat of 2 s, the lease and the retry of "
            "client-go's defaults 15/10/2. Its renew deadline of 10 s has no counterpart here: a "
            "leader's own budget ends its term in time."
        )
    return told
