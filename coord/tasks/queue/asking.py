"""Asking a queue for something, on a thread that must survive the answer.

Owns two small manners of the worker's threads: what a call that failed as a whole means for its
entries, and how the end of a thread is waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from coord.errors import StoreError

__all__ = ["ended_in", "passing"]

_MORE_S = 0.5


def passing(
    call: Callable[[], list[StoreError | None]], count: int, failing: Callable[[str], None]
) -> list[StoreError | None]:
    """The answers to `count` entries. A call that raises has failed for now, for all of them.

    Also if it was refused, such as for its credentials: that may be mended before the messages are
    lost, while a refusal of one entry is for good. Also if it raises what no queue may raise: the
    thread that asks keeps every message of the worker, and must not end by it.
    """
    try:
        answers = call()
        if len(answers) != count:
            raise StoreError(f"the queue answered {len(answers)} of {count} entries")
    except Exception as error:  # noqa: BLE001  see above
        why = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
        failing(why)
        return [StoreError(why)] * count
    return answers


def ended_in(thread: threading.Thread, timeout_s: float) -> bool:
    """Wait for a thread that ends by itself within so long; whether it did.

    It gets a little more, for what it was just doing. One that never began has ended.
    """
    if thread.ident is None:
        return True
    thread.join(timeout_s + _MORE_S)
    return not thread.is_alive()
