"""How much a worker takes on, and whose turn it is."""

from coord.tasks.queue.admission.adaptive import AdaptiveLimit
from coord.tasks.queue.admission.fair import Fair
from coord.tasks.queue.admission.fixed import Fixed
from coord.tasks.queue.admission.limits import FixedLimit, Limit
from coord.tasks.queue.admission.policy import Admission, Deferral, Load, TenantLoad
from coord.tasks.queue.admission.quota import Quota

__all__ = [
    "AdaptiveLimit",
    "Admission",
    "Deferral",
    "Fair",
    "Fixed",
    "FixedLimit",
    "Limit",
    "Load",
    "Quota",
    "TenantLoad",
]
