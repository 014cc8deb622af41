"""Credentials that are fetched anew in a thread of their own, while requests use those at hand.

Owns the moment of fetching. Knows no request. boto3 fetches them in whatever thread signs a request
next, and waits for their provider as long as that takes, from a quarter of an hour before they
expire. In a heartbeat that costs the session
(`test_a_heartbeat_does_not_wait_for_credentials_that_are_fetched_anew`). So only the very first
request of a client waits for them. Later ones are signed with what is there, even if it has
expired: then the server says so.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, Protocol

__all__ = ["Fetched", "Resolver"]


class _Refreshable(Protocol):
    method: str

    def get_frozen_credentials(self) -> Any: ...  # noqa: ANN401  botocore's

    def refresh_needed(self) -> bool: ...


class Resolver:
    """Finds credentials as boto3's own resolver does; stands in its place."""

    def __init__(self, real: Any) -> None:  # noqa: ANN401  botocore's
        self._real = real

    def load_credentials(self) -> Any:  # noqa: ANN401  botocore's, or None
        """Called by boto3."""
        found = self._real.load_credentials()
        return Fetched(found) if hasattr(found, "refresh_needed") else found


class Fetched:
    """Stands in for boto3's refreshable credentials. Any thread."""

    def __init__(self, real: _Refreshable) -> None:
        self.method = real.method
        self._real = real
        self._frozen: Any = None
        self._fetching = threading.Lock()

    def get_frozen_credentials(self) -> Any:  # noqa: ANN401  botocore's
        """Those at hand; called by boto3 for each request. Never waits, but for the first time."""
        if self._frozen is None:
            self._frozen = self._real.get_frozen_credentials()
        elif self._real.refresh_needed() and self._fetching.acquire(blocking=False):
            name = "coord-aws-credentials"
            threading.Thread(target=self._fetch, name=name, daemon=True).start()
        return self._frozen

    def get_deferred_property(self, name: str) -> Any:  # noqa: ANN401  as botocore has it
        """Called by boto3: how to ask for a property later."""
        return lambda: getattr(self.get_frozen_credentials(), name, None)

    def _fetch(self) -> None:
        try:
            with suppress(Exception):  # boto3 warns; the next request has it tried again
                self._frozen = self._real.get_frozen_credentials()
        finally:
            self._fetching.release()
