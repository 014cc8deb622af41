"""What the backends on Amazon's services share: boto3 on a short leash, and what its errors mean.

Owns how clients are set up and bounded, and where a URL says that a service is. Knows no service
and no backend. boto3 is imported when a client is made, and comes with the backend that makes one.
"""

from coord.aws.clients import Clients
from coord.aws.failures import Party, Verdict
from coord.aws.wire import Wires

__all__ = ["Clients", "Party", "Verdict", "Wires"]
