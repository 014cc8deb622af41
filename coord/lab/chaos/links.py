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
from coord.lab.chaos.refuser import Refuser
from coord.testing.proxy import FaultProxy
from coord.testing.servers import ServerMember, Servers

__all__ = ["Links", "links_of"]


class Links:
    """Proxies by member, made when a member is first asked for. One thread; a context manager."""

    def __init__(self, servers: Servers, url: Callable[[str], str]) -> None:
        """`url`: the group's URL when its hosts are these."""
        self._servers = servers
        self._url = url
        self._ways: dict[str, tuple[FaultProxy, ...]] = {}
        self._refusers: dict[str, list[Refuser]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, member: str) -> tuple[FaultProxy, ...]:
        """The member's ways, one to each server, in the order of the servers."""
        if member not in self._ways:
            self._ways[member] = tuple(
                self._open.enter_context(FaultProxy(self._end(member, server)))
                for server in self._servers.members
            )
        return self._ways[member]

    def refusers(self, member: str) -> tuple[Refuser, ...]:
        """What can answer that member instead of each server: before DynamoDB only."""
        self.of(member)
        return tuple(self._refusers.get(member, ()))

    def _end(self, member: str, server: ServerMember) -> tuple[str, int]:
        """Where a way leads: to the server, or to what can answer in its place."""
        if self._servers.scheme != "dynamodb":
            return server.host, server.port
        refuser = self._open.enter_context(Refuser((server.host, server.port)))
        self._refusers.setdefault(member, []).append(refuser)
        return refuser.address

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
