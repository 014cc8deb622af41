"""What travels: one JSON object a frame, after its length in four bytes.

Owns that form. Knows no store and keeps no connection. JSON and nothing that runs code when read.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from typing import Any

__all__ = ["Frame", "read_frame", "write_frame"]

Frame = dict[str, Any]

_HEAD = struct.Struct(">I")
_LARGEST = 256 << 20


def write_frame(sock: socket.socket, frame: Frame) -> None:
    """Send one frame. Raises OSError; TimeoutError after the socket's own timeout."""
    body = json.dumps(frame, separators=(",", ":")).encode()
    sock.sendall(_HEAD.pack(len(body)) + body)


def read_frame(sock: socket.socket, patience: Callable[[], float | None]) -> Frame | None:
    """Receive one frame; None if the other side ended the connection between two frames.

    `patience` says, before each part of it, how many seconds are left; None: for ever. Raises
    OSError, TimeoutError among them, and ConnectionError for what is no frame.
    """
    head = _read(sock, _HEAD.size, patience)
    if not head:
        return None
    (size,) = _HEAD.unpack(head)
    if size > _LARGEST:
        raise ConnectionError(f"a frame of {size} bytes is none of ours")
    body = _read(sock, size, patience)
    try:
        frame = json.loads(body)
    except ValueError as error:
        raise ConnectionError("a frame that is no JSON") from error
    if not isinstance(frame, dict):
        raise ConnectionError("a frame that is no object")
    return frame


def _read(sock: socket.socket, size: int, patience: Callable[[], float | None]) -> bytes:
    """So many bytes; none at all if the connection ended before the first."""
    parts: list[bytes] = []
    missing = size
    while missing:
        left = patience()
        if left is not None and left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        part = sock.recv(min(missing, 1 << 20))
        if not part:
            if parts:
                raise ConnectionError("the connection ended inside a frame")
            return b""
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
