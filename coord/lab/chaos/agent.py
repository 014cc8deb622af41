"""How a daemon takes part in faults from inside: slow or hanging work, a lock that is held.

Owns the name under which a daemon finds it:

    from coord.lab.chaos.agent import take_part

    gate = take_part("m1")  # the member's name, once, before it begins to work
    ...
    gate.pause_here()       # in the work, where it would wait for a dependency

Outside of the lab both do nothing. A fault from inside is refused for a daemon without them.
"""

from __future__ import annotations

from coord.lab.work.agent import take_part

__all__ = ["take_part"]
