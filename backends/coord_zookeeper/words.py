"""ZooKeeper's four-letter words, asked over a connection of their own.

Owns the asking and the reading of answers. Believes nothing: a word may be forbidden
(`4lw.commands.whitelist`), and then the answer is empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from coord_zookeeper.wire import Wire

__all__ = ["asked", "fields_of", "leads", "mode_of"]

_CHUNK = 1 << 16
_LIMIT = 1 << 20
_REFUSED = "not in the whitelist"
_LEADING = frozenset({"leader", "standalone"})


def asked(wire: Wire, word: str) -> str:
    """What the server that the wire is connected to answers; empty if nothing."""
    if wire.address is None:
        return ""
    try:
        with wire.connect(wire.address, wire.hostname) as connection:
            connection.sendall(word.encode())
            text = b""
            while len(text) < _LIMIT and (more := connection.recv(_CHUNK)):
                text += more
    except OSError:
        return ""
    answer = text.decode(errors="replace")
    return "" if _REFUSED in answer else answer


def fields_of(answer: str) -> Mapping[str, str]:
    """The lines `name: value` and `name=value` of an answer."""
    found = (re.fullmatch(r"([^:=]+)[:=]\s*(.*)", line.strip()) for line in answer.splitlines())
    return {match[1].strip(): match[2].strip() for match in found if match}


def mode_of(answer: str) -> str:
    """The role that `srvr` tells: leader, follower, observer, standalone; empty if it does not."""
    return fields_of(answer).get("Mode", "")


def leads(answer: str) -> bool:
    """Whether `srvr` says that this server ends sessions itself."""
    return mode_of(answer) in _LEADING
