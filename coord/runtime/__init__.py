"""Leadership for programs: `Coordinator` for threads, `AsyncCoordinator` for asyncio.

Owns everything between the pure core and user code. There is one implementation of everything:
the asyncio façade drives the same engine through the same two threads.
"""

from coord.runtime.aio import AsyncCoordinator
from coord.runtime.aio_bindings import AsyncHeldTerms
from coord.runtime.aio_term import AsyncTerm
from coord.runtime.bindings import HeldTerms
from coord.runtime.coordinator import Coordinator
from coord.runtime.hooks import Hooks, HooksChain
from coord.runtime.status import Leader, Leadership, Status
from coord.runtime.term import Step, Term

__all__ = [
    "AsyncCoordinator",
    "AsyncHeldTerms",
    "AsyncTerm",
    "Coordinator",
    "HeldTerms",
    "Hooks",
    "HooksChain",
    "Leader",
    "Leadership",
    "Status",
    "Step",
    "Term",
]
