"""What a calibration says, as far as a picture and a table show it.

Owns those values. Draws nothing; what is refused of a file is refused by
`coord.lab.calibration.saved`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from coord.errors import ConfigError

__all__ = ["COUNTS", "CalibrationView", "Compared", "Counted", "calibration_view"]

COUNTS = (
    "stale acts tried a round",
    "taken unfenced",
    "false failovers",
    "duplicates",
    "missed",
    "blast radius",
    "requests a member and s",
)
"""What is counted and not timed."""


class Compared(NamedTuple):
    """One median in both worlds, in seconds; None where there is none to compare."""

    fault: str
    store: str
    metric: str
    rounds: int
    real_s: float | None
    low_s: float | None
    high_s: float | None
    simulated_s: float | None
    within: bool | None
    why: str

    @property
    def title(self) -> str:
        """Which it is, and what both worlds say."""
        return (
            f"{self.metric} of {self.fault} on {self.store}: real {_told(self.real_s)}, "
            f"simulated {_told(self.simulated_s)}, {self.verdict}"
        )

    @property
    def verdict(self) -> str:
        """In a word or two."""
        words = {True: "within the bound", False: "beyond the bound", None: "not compared"}
        return words[self.within]


def _told(value_s: float | None) -> str:
    return "none" if value_s is None else f"{value_s:.3f} s"


class Counted(NamedTuple):
    """`COUNTS` of one pair, in both worlds."""

    fault: str
    store: str
    real: tuple[float, ...]
    simulated: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """One calibration. `left_out`: what was not measured, and why."""

    version: str
    share: float
    least_s: float
    rows: tuple[Compared, ...]
    counts: tuple[Counted, ...]
    left_out: tuple[str, ...]

    def bound_s(self, real_s: float) -> float:
        """How far the simulated median may be from that."""
        return max(self.share * real_s, self.least_s)


def calibration_view(calibration: Mapping[str, Any], file: str) -> CalibrationView:
    """From `coord.calibration/1`, as `coord.lab.calibration.saved` has read it.

    Raises ConfigError for a calibration in which nothing is measured yet, or figures are missing.
    """
    rows = tuple(_row(pair, cell) for pair in calibration["pairs"] for cell in pair["cells"])
    if not rows:
        raise ConfigError(
            f"{file} has nothing that was measured",
            cure="Go on with the calibration: the same command with the same --out.",
        )
    bound = calibration["bound"]
    left_out = tuple(
        f"{pair['fault']} on {pair['store']}: {pair['state']}: {pair['cause']}"
        for pair in calibration["pairs"]
        if not pair["cells"]
    )
    try:
        counts = tuple(
            Counted(pair["fault"], pair["store"], _counts(pair["real"]), _counts(pair["simulated"]))
            for pair in calibration["pairs"]
            if pair["cells"]
        )
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(
            f"{file} is damaged: of a pair there is no usable {error}",
            cure="Bring it back from where it was copied, or calibrate again into another file.",
        ) from error
    share, least_s = float(bound["share"]), float(bound["least_s"])
    return CalibrationView(calibration["coord"], share, least_s, rows, counts, left_out)


def _counts(side: Mapping[str, Any]) -> tuple[float, ...]:
    figures, rounds = side["figures"], side["rounds"]
    stale = figures["stale_acts"]
    summed = (
        stale["attempted"],
        stale["accepted_unfenced"],
        *(figures[name] for name in ("false_failovers", "duplicates", "missed")),
    )
    each = (one / rounds for one in summed)
    return (*each, figures["blast_radius"], figures["store_requests_per_member_s"])


def _row(pair: Mapping[str, Any], cell: Mapping[str, Any]) -> Compared:
    interval = cell["real"].get("interval") or (None, None)
    return Compared(
        fault=pair["fault"],
        store=pair["store"],
        metric=cell["metric"].removesuffix("_s"),
        rounds=cell["real"]["n"],
        real_s=cell["real"]["p50"],
        low_s=interval[0],
        high_s=interval[1],
        simulated_s=cell["simulated"]["p50"],
        within=cell["within"],
        why=cell["why"],
    )
