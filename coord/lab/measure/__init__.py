"""From an event log to numbers: pure functions, `load` excepted.

Owns the public names of measuring. `docs/events.md` describes what goes in and what comes out.
"""

from coord.lab.measure.events import Log
from coord.lab.measure.form import checked_report, report_from_json
from coord.lab.measure.judge import Violation, judge_log, recovered
from coord.lab.measure.load import load
from coord.lab.measure.metrics import ShardTimes, shard_times
from coord.lab.measure.report import REPORT_SCHEMA, Report, Run, Setup, build_report, to_json
from coord.lab.measure.rounds import Round, RoundResult, Settings, measure_rounds, rounds_of
from coord.lab.measure.tenures import Shard, Tenure, Timeline, timeline

__all__ = [
    "REPORT_SCHEMA",
    "Log",
    "Report",
    "Round",
    "RoundResult",
    "Run",
    "Settings",
    "Setup",
    "Shard",
    "ShardTimes",
    "Tenure",
    "Timeline",
    "Violation",
    "build_report",
    "checked_report",
    "judge_log",
    "load",
    "measure_rounds",
    "recovered",
    "report_from_json",
    "rounds_of",
    "shard_times",
    "timeline",
    "to_json",
]
