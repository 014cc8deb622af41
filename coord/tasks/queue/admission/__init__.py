"""How much a worker takes on, and whose turn it is."""

from coord.tasks.queue.admission.fixed import Fixed
from coord.tasks.queue.admission.policy import Admission

__all__ = ["Admission", "Fixed"]
