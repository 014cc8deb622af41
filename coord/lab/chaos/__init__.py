"""Faults on real processes, recorded as they are injected.

Owns the public names of chaos. Strikes from outside: the code under test is not told, and what it
does about a fault it has to find out by itself.
"""

from coord.lab.chaos.process import Injector, Target
from coord.lab.work.failpoint import FAILPOINTS_VARIABLE, Failpoint

__all__ = ["FAILPOINTS_VARIABLE", "Failpoint", "Injector", "Target"]
