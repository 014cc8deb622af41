"""What a process tells about itself: the event log of the lab.

Owns the public names of telemetry. May not influence a decision: nothing here is asked, only told.
"""

from coord.telemetry.events import EVENTS_VARIABLE, EventLog
from coord.telemetry.schema import KINDS, SCHEMA, fault_in

__all__ = ["EVENTS_VARIABLE", "KINDS", "SCHEMA", "EventLog", "fault_in"]
