"""The way from each member to each server of the store: a fault proxy of its own.

Owns these proxies and which URL a member is given. So the network can fail for one member and not
for the others, in one direction and not in the other, and no privilege is needed for it. What is
done to a way, faults decide.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from coord.errors import UsageError
from coord.testing.proxy import FaultProxy
from coord.testing.servers import Servers

__all__ = ["Links", "links_of"]


class Links:
    """Proxies by member, made when a member is first asked for. One thread; a context manager."""

    def __init__(self, servers: Servers, url: Callable[[str], str]) -> None:
        """`url`: the group's URL when its hosts are these."""
        self._servers = servers
        self._url = url
        self._ways: dict[str, tuple[FaultProxy, ...]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, member: str) -> tuple[FaultProxy, ...]:
        """The member's ways, one to each server, in the order of the servers."""
        if member not in self._ways:
            self._ways[member] = tuple(
                self._open.enter_context(FaultProxy((server.host, server.port)))
                for server in self._servers.members
            )
        return self._ways[member]

    def url(self, member: str) -> str:
        """What that member connects to."""
        return self._url(",".join(proxy.hostport for proxy in self.of(member)))

    def close(self) -> None:
        """Close all proxies. May be called again."""
        self._open.close()


def links_of(links: Links | None) -> Links:
    """The links of a ground that was made with them; raises UsageError for another."""
    if links is None:
        raise UsageError(
            "there is no proxy between the members and the store",
            cure="Start servers for the run and link them: ground(kind, …, linked=True).",
        )
    return links
