"""One offline HTML page of saved runs: what happened, what it cost, which rules were kept.

Owns the public names of reporting. Measures and judges nothing: `coord.lab.measure` and
`coord.lab.chaos.verdict` do, and the page shows what they say. `docs/lab-report.md` describes it.
"""

from coord.lab.report.choice import Limits, SweepView, sweep_view
from coord.lab.report.compared import CalibrationView, calibration_view
from coord.lab.report.gather import gather, viewed
from coord.lab.report.model import RunView
from coord.lab.report.page import page

__all__ = [
    "CalibrationView",
    "Limits",
    "RunView",
    "SweepView",
    "calibration_view",
    "gather",
    "page",
    "sweep_view",
    "viewed",
]
