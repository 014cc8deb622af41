"""Where a service of Amazon's is, as the URL of a store or a queue says it.

Owns the options `region` and `endpoint`. Opens nothing, reads no environment and imports no client
library.
"""

from __future__ import annotations

import re

from coord.address import Address
from coord.errors import ConfigError

__all__ = ["PLACE_OPTIONS", "place_in"]

PLACE_OPTIONS = ("endpoint", "region")

_REGION = re.compile(r"[a-z0-9-]{1,64}")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+/?")


def place_in(
    address: Address, *, syntax: str, region: str | None = None
) -> tuple[str | None, str | None]:
    """Region and endpoint; None: as boto3's own settings say. Raises ConfigError.

    `region`: what another part of the URL says, unless the option does. `syntax`: how to write it.
    """
    region = address.options.get("region", region)
    endpoint = address.options.get("endpoint")
    if region is not None and not _REGION.fullmatch(region):
        raise ConfigError(f"region={region} in {address.url!r} is no region", cure=syntax)
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise ConfigError(
            f"endpoint={endpoint} in {address.url!r} is no http:// address", cure=syntax
        )
    return region, endpoint
