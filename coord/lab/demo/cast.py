"""Who plays in the demo, and what strikes them.

Owns these names and nothing else.
"""

from __future__ import annotations

__all__ = ["FAULTS", "MEMBERS"]

MEMBERS = ("worker-1", "worker-2", "worker-3", "worker-4")
FAULTS = ("kill", "pause", "wedge")
