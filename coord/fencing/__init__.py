"""Guards: what lets a resource refuse a superseded leader.

Owns the public names of fencing. `SqlFence` guards what lives in a SQL database; `judge` and the
`Guard` protocol are for guards of other resources. Knows no store and no runtime: a guard takes
anything with a `key`, a `token` and a `check()`.
"""

from coord.fencing.guard import Fenceable, Guard, Stamp, Verdict, checked_stamp, judge, refusal
from coord.fencing.sql import SqlFence

__all__ = [
    "Fenceable",
    "Guard",
    "SqlFence",
    "Stamp",
    "Verdict",
    "checked_stamp",
    "judge",
    "refusal",
]
