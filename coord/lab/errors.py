"""The error of whatever was played with real processes and did not come to its end.

Owns its meaning: nothing was found out about the fleet, in contrast to a rule that was broken.
"""

from __future__ import annotations

from coord.errors import CoordError

__all__ = ["Unplayed"]


class Unplayed(CoordError):
    """The fleet was not as it had to be for going on: there is no verdict, good or bad."""
