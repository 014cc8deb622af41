"""How clients address a fake: URL of a queue, environment. Knows no server."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

__all__ = ["environment", "queue_url"]


def queue_url(queue: str, *, region: str, endpoint: str, **options: str) -> str:
    """`sqs://queue?region=…&endpoint=…`, with further options."""
    query = urlencode({"region": region, "endpoint": endpoint, **options}, safe=":/")
    return f"sqs://{queue}?{query}"


def environment(region: str) -> Mapping[str, str]:
    """Environment variables without which boto3 would not send anything."""
    return {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": region,
    }
