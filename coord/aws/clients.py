"""The clients of boto3 that a backend makes, and how they are set up.

Owns region, endpoint and credentials as boto3 finds them, and the settings that cut its patience:
it waits 60 s a try and makes several, which is longer than any lease. So it makes one try, with
timeouts that are cut from ours, and whoever repeats does so where the deadline is known.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from urllib.parse import urlsplit

from coord.aws.credentials import Resolver
from coord.aws.wire import Wires
from coord.errors import ConfigError

__all__ = ["Clients"]

_CONNECT = 0.2  # of the timeout
_MADE_UP = "local"


class Clients:
    """Makes clients of one service. `called`: what people call it. Any thread."""

    def __init__(
        self,
        service: str,
        *,
        called: str,
        region: str | None,
        endpoint: str | None,
        timeout_s: float,
        connections: int,
    ) -> None:
        import boto3  # noqa: PLC0415  takes a third of a second: not before it is needed
        import botocore.session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        self._config = Config(
            connect_timeout=timeout_s * _CONNECT,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=connections,
            tcp_keepalive=True,
            parameter_validation=False,
        )
        self._service = service
        self._endpoint = endpoint
        self._lock = threading.Lock()
        try:
            core = botocore.session.get_session()
            resolver = Resolver(core.get_component("credential_provider"))
            core.register_component("credential_provider", resolver)
            region = region or os.environ.get("AWS_REGION")  # boto3 does not know that one
            self._session = boto3.session.Session(botocore_session=core, region_name=region)
            found = self._session.get_credentials()
        except BotoCoreError as error:
            raise ConfigError(
                f"boto3 cannot be set up: {type(error).__name__}: {error}",
                cure="Correct the AWS_ variables of this process, or the files in ~/.aws.",
            ) from None
        self.region: str | None = self._session.region_name
        if not self.region:
            raise ConfigError(
                f"no region for {called}",
                cure="Add ?region=us-east-1 to the URL, or set AWS_REGION or AWS_DEFAULT_REGION.",
            )
        if found is None and _is_of_this_machine(endpoint):
            core.set_credentials(_MADE_UP, _MADE_UP)  # nobody there looks at them
            found = self._session.get_credentials()
        if found is None:
            raise ConfigError(
                f"boto3 finds no credentials for {called}",
                cure="Give the process a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or AWS_PROFILE.",
            )
        self.identity_source = str(getattr(found, "method", "unknown"))

    def client(self, wires: Wires, *, read_timeout_s: float) -> tuple[Any, str]:
        """Another client, with connections of its own, and its endpoint."""
        from botocore.config import Config  # noqa: PLC0415

        config = self._config.merge(Config(read_timeout=read_timeout_s))
        with self._lock:  # sessions of boto3 may not be used by two threads at once
            try:
                made = self._session.client(
                    self._service, endpoint_url=self._endpoint, config=config
                )
            except ValueError as error:
                raise ConfigError(
                    f"boto3 cannot use this endpoint or region: {error}",
                    cure="Write endpoint=http://host:port, and a region like us-east-1.",
                ) from None
        wires.take_over(made)
        return made, str(made.meta.endpoint_url)


def _is_of_this_machine(endpoint: str | None) -> bool:
    """Whether an endpoint is a server on this machine, which is none of Amazon's."""
    host = urlsplit(endpoint or "").hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")
