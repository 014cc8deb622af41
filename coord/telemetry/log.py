"""Log lines with bound fields, into the host's own logging.

Owns the rendering of events and fields to one line. Never configures logging or structlog: each
logger carries its own processors, so the host's settings of either are neither used nor changed.
"""

from __future__ import annotations

import logging
from typing import cast

import structlog

__all__ = ["bound_logger"]


def bound_logger(name: str, **fields: object) -> structlog.stdlib.BoundLogger:
    """A logger under the standard logger `name`: `event field=value …`, any thread."""
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("structlog.stdlib.BoundLogger", logger.bind(**fields))
