"""Receipt handles: one for each time that a message is received.

Owns how they look and what can be read from one. Knows no message: a handle carries the number
of its message, so that a queue finds it at once, and can tell a receipt that was superseded from
one whose message is gone, without keeping any that are over.
"""

from __future__ import annotations

import base64
import binascii
import random
import struct

from coord.testing.sqs.errors import SqsError

__all__ = ["Receipts"]

_LAYOUT = struct.Struct("!3sQQQ")
_MARK = b"\x01\x00\x01"  # "AQAB…", much like Amazon's


class Receipts:
    """The handles of one queue; those of other queues are refused. Clients see no structure."""

    def __init__(self) -> None:
        self._queue = random.getrandbits(64)

    def new(self, number: int) -> str:
        """A handle for the message of that number, unlike any before."""
        packed = _LAYOUT.pack(_MARK, self._queue, number, random.getrandbits(64))
        return base64.b64encode(packed).decode()

    def number(self, receipt: object) -> int:
        """The number of the message. Raises SqsError for what is no handle of this queue."""
        try:
            packed = base64.b64decode(str(receipt), validate=True)
            mark, queue, number, _ = _LAYOUT.unpack(packed)
        except (binascii.Error, struct.error, ValueError):
            mark, queue, number = b"", -1, 0
        if mark != _MARK or queue != self._queue:
            raise SqsError(
                "ReceiptHandleIsInvalid",
                f'The input receipt handle "{receipt}" is not a valid receipt handle.',
            )
        return int(number)
