"""What a calibration says, as far as a picture and a table show it.

Owns those values. Draws nothing; what is refused of a file is refused by
`coord.lab.calibration.saved`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from coord.errors import ConfigError

__all__ = ["CalibrationView", "Compared", "calibration_view"]


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


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """One calibration. `left_out`: what was not measured, and why."""

    version: str
    share: float
    least_s: float
    rows: tuple[Compared, ...]
    left_out: tuple[str, ...]

    def bound_s(self, real_s: float) -> float:
        """How far the simulated median may be from that."""
        return max(self.share * real_s, self.least_s)


def calibration_view(calibration: Mapping[str, Any], file: str) -> CalibrationView:
    """From `coord.calibration/1`, as `coord.lab.calibration.saved` has read it.

    Raises ConfigError for a calibration in which nothing is measured yet.
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
    return CalibrationView(
        calibration["coord"], float(bound["share"]), float(bound["least_s"]), rows, left_out
    )


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
