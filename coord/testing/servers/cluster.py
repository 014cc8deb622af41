"""The servers of one store as tests use them: started together, healed, stopped, spoken of by URL.

Owns the life of a set of members, their folder and their ports. Knows no store: how to start a
member, and how to ask it whether it serves or leads, is each store's own file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlencode

from coord.errors import ConfigError
from coord.testing.servers.errors import ServerFailed
from coord.testing.servers.folder import Folder
from coord.testing.servers.member import ServerMember, wait_until
from coord.testing.servers.ports import Ports

__all__ = ["Servers"]

_ATTEMPTS = 3
_TAKEN = "address already in use"


class Servers(ABC):
    """Real servers of one store on free ports of this machine; a context manager.

    They die with the process that started them, however it ends, and their data with them.
    Not a way to run a store: no authentication unless asked for, data in memory. One thread at a
    time.
    """

    kind: ClassVar[str]
    scheme: ClassVar[str]
    room_bytes: ClassVar[int]  # what a member may write while tests run

    def __init__(self, *, members: int = 1) -> None:
        if members not in {1, 3}:
            raise ConfigError(
                f"{members} members of {self.kind} were asked for", cure="Choose 1 or 3."
            )
        self._size = members
        self._members: tuple[ServerMember, ...] = ()
        self._folder: Folder | None = None
        self._ports = Ports()
        self._place: Callable[[str], Path] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def members(self) -> tuple[ServerMember, ...]:
        """The members, in a fixed order. Raises `ServerFailed` before `start()`."""
        if not self._members:
            raise ServerFailed(f"{self.kind} is not started", cure="Call `start()` first.")
        return self._members

    @property
    def hosts(self) -> str:
        """The members' addresses as in a URL: `127.0.0.1:2379,127.0.0.1:2381`."""
        return ",".join(member.hostport for member in self.members)

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables without which the store's client would not connect."""
        return {}

    def url(self, group: str, *, hosts: str | None = None, **options: str) -> str:
        """The address of `group` in this store, with `options` as its query.

        `hosts`: where clients are to connect instead, as to proxies in front of the members.
        """
        return self._address(f"{hosts or self.hosts}/{group}", options)

    def _address(self, place: str, options: Mapping[str, str]) -> str:
        query = f"?{urlencode(options, safe=':/')}" if options else ""
        return f"{self.scheme}://{place}{query}"

    def start(self) -> Self:
        """Start all members and wait until they serve.

        Raises `ServerMissing` if the server is not installed, and `ServerFailed`, with the last
        lines of its log, if it does not come up. Then nothing is left running.
        """
        if self._members:
            return self
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                self._folder = Folder(room_bytes=self.room_bytes * self._size)
                self._members = tuple(self._plan(self._folder.path, self._ports))
                if self._came_up(last=attempt == _ATTEMPTS):
                    break
                self.stop()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Kill all members, remove their data, give the ports back. May be called again."""
        for member in self._members:
            member.kill()
        self._members = ()
        if self._folder is not None:
            self._folder.close()
            self._folder = None
        self._ports.close()

    def wait_ready(self, *, timeout_s: float | None = None) -> None:
        """Wait until each member that runs, paused ones aside, serves."""
        for member in self.members:
            if member.running and not member.paused:
                member.wait_ready(timeout_s=timeout_s)

    def heal(self, *, timeout_s: float | None = None) -> None:
        """All members run, none is paused, each serves, and one leads: as after `start()`."""
        for member in self.members:
            if member.paused:
                member.resume()
            member.start()
        self.wait_ready(timeout_s=timeout_s)
        self.leader()

    def settled(self) -> bool:
        """Whether each member that runs, paused ones aside, serves, and one leads. Any thread."""
        up = [member for member in self.members if member.running and not member.paused]
        return all(member.serves() for member in up) and sum(map(self._leads, up)) == 1

    def leader(self, *, timeout_s: float = 20.0) -> ServerMember:
        """The one member that leads now; waits for an election. The only server leads always.

        Members that are down or paused are not asked, and two that both say they lead (one has
        just been revived) are asked again. Raises `ServerFailed` if that does not settle in time.
        """
        found: list[ServerMember] = []

        def one() -> bool:
            found[:] = [member for member in self.members if self._leads(member)]
            return len(found) == 1

        if not wait_until(one, timeout_s=timeout_s):
            raise ServerFailed(
                f"{self.kind} has {len(found)} leaders after {timeout_s:g} s: {self.members}",
                cure="A majority of its members must run: `heal()` starts them all.",
            )
        return found[0]

    def followers(self, *, timeout_s: float = 20.0) -> tuple[ServerMember, ...]:
        """The members beside `leader()`, whatever their state."""
        leader = self.leader(timeout_s=timeout_s)
        return tuple(member for member in self.members if member is not leader)

    def lie_on(self, place: Callable[[str], Path]) -> None:
        """From the next start on, each member's data lies where `place` says, by its name.

        That folder has to be there and to be empty. It is not removed with the servers.
        """
        self._place = place

    def _data(self, name: str, folder: Path) -> Path:
        """Where the member of that name keeps its data: in its folder, unless told otherwise."""
        if self._place is not None:
            return self._place(name)
        data = folder / "data"
        data.mkdir(mode=0o700, parents=True)
        return data

    @abstractmethod
    def _plan(self, folder: Path, ports: Ports) -> list[ServerMember]:
        """The members, not yet started."""

    def _leads(self, member: ServerMember) -> bool:
        """Whether this member says that it leads."""
        return member.serves()

    def _came_up(self, *, last: bool) -> bool:
        """Whether all serve; False if a port was taken in the last moment, and others may do."""
        for member in self._members:
            member.start()
        try:
            self.wait_ready()
            for member in self._members:
                member.wait_ready()  # one that ended early was passed over
            self.leader()
        except ServerFailed:
            taken = any(_TAKEN in member.last_lines(100).lower() for member in self._members)
            if last or not taken:
                raise
            return False
        return True
