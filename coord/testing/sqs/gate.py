"""Who may ask: access keys and the region of a signature, if the test wants them checked.

Owns the two checks, which are off by default. Signatures themselves are never verified: it would
need the secrets, and shows nothing about a client that boto3 signs for.
"""

from __future__ import annotations

import re

from coord.testing.sqs.errors import SqsError
from coord.testing.sqs.http import Request

__all__ = ["Gate"]

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request")


class Gate:
    """None of the two: everybody may ask, signed or not."""

    def __init__(self) -> None:
        self.access_keys: frozenset[str] | None = None
        self.region: str | None = None

    def check(self, request: Request) -> None:
        """Raises SqsError if the request is not let in."""
        if self.access_keys is None and self.region is None:
            return
        found = _CREDENTIAL.search(request.headers.get("authorization", ""))
        if found is None:
            raise SqsError("MissingAuthenticationToken", "The request is not signed.")
        key, _, region, _ = found.groups()
        if self.access_keys is not None and key not in self.access_keys:
            raise SqsError(
                "InvalidClientTokenId", "The security token included in the request is invalid."
            )
        if self.region is not None and region != self.region:
            raise SqsError(
                "SignatureDoesNotMatch",
                f"Credential should be scoped to a valid region, not '{region}'.",
            )
