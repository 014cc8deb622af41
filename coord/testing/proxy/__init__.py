"""A TCP proxy with faults, for tests that speak to a real server: delay, hold, lose, reset.

Owns the package's public names. Speaks no protocol: it sees streams of bytes, in the chunks in
which they happen to arrive, and TCP has no borders of messages. It needs no privileges, no other
process and nothing beyond the standard library.
"""

from coord.testing.proxy.counters import Counters, Flow
from coord.testing.proxy.direction import Direction
from coord.testing.proxy.proxy import FaultProxy
from coord.testing.proxy.trigger import Trigger

__all__ = ["Counters", "Direction", "FaultProxy", "Flow", "Trigger"]
