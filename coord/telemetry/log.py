"""Log lines with bound fields, into the host's own logging.

Owns the rendering of events and fields to one line. Never configures logging or structlog: each
logger carries its own processors, so the host's settings of either are neither used nor changed.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

__all__ = ["bound_logger"]

_RENDER = structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True)


def _call(
    logger: Any,  # noqa: ANN401 (structlog's own type of a processor)
    method: str,
    fields: MutableMapping[str, Any],
) -> tuple[tuple[str], dict[str, Any]]:
    """The call of the standard logger: one line, and the exception for whoever formats it."""
    more = {"exc_info": fields.pop("exc_info")} if "exc_info" in fields else {}
    return (_RENDER(logger, method, fields),), more


def bound_logger(name: str, **fields: object) -> structlog.stdlib.BoundLogger:
    """A logger under the standard logger `name`: `event field=value …`, any thread."""
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            _call,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("structlog.stdlib.BoundLogger", logger.bind(**fields))
