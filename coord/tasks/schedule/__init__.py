"""When tasks are due, and what is done about ticks that were missed or overlap. Pure.

Owns the names of this package. Nothing in it reads a clock, starts a thread, draws lots or writes
a log: `now_s`, the wall clock's reading, is handed in. A planner's round is

    sight = look(schedule, cursor, now_s, policies)
    states = {unit: … for the units of sight.ticks}      # read from the ledger
    todo = plan(schedule, cursor, now_s, policies, states, parts=…, sight=sight)
"""

from coord.tasks.schedule.cron import Cron
from coord.tasks.schedule.cut import Cut, Pin
from coord.tasks.schedule.every import Every
from coord.tasks.schedule.plan import Plan, Seen, Skip, TickPart, UnitState, Why
from coord.tasks.schedule.planner import plan
from coord.tasks.schedule.policies import Missed, Overlap, Policies, jitter_offset_s
from coord.tasks.schedule.schedule import Schedule, latest_by, ticks_between
from coord.tasks.schedule.sight import Sight, first_cursor, look
from coord.tasks.schedule.tick import Tick

__all__ = [
    "Cron",
    "Cut",
    "Every",
    "Missed",
    "Overlap",
    "Pin",
    "Plan",
    "Policies",
    "Schedule",
    "Seen",
    "Sight",
    "Skip",
    "Tick",
    "TickPart",
    "UnitState",
    "Why",
    "first_cursor",
    "jitter_offset_s",
    "latest_by",
    "look",
    "plan",
    "ticks_between",
]
