"""A group in memory that commands in this process can reach, and the way to run them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from click.testing import CliRunner, Result

from coord.cli.app import cli
from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, Shape, View
from coord.spi import Claimed, ClaimRequest, OpenedStore, Session


@dataclass(frozen=True)
class Group:
    """A group of the test's own."""

    url: str
    found: OpenedStore

    def view(self) -> View:
        """The group as it is now."""
        return self.found.store.view(self.found.group)

    def when(self, happened: Callable[[View], bool], then: Callable[[], object]) -> None:
        """Do something once, in the thread that brings it about, as soon as a change shows it."""
        done: list[bool] = []

        def wake() -> None:
            if not done and happened(self.view()):
                done.append(True)
                then()

        self.found.store.watch(self.found.group, wake)

    def role(self, name: str, shards: int = 1, seats: int = 1, **fields: object) -> RoleRecord:
        """Make a role."""
        record = RoleRecord(name=name, shape=Shape(shards, seats), **fields)  # type: ignore[arg-type]
        return self.found.store.put_role(self.found.group, record)

    def join(self, name: str, roles: dict[str, Shape] | None = None, **fields: object) -> Session:
        """Make a member live that serves these roles (by default, all in their shapes)."""
        declared = {role.name: role.shape for role in self.view().roles.values()}
        record = MemberRecord(
            name=name,
            incarnation=name,
            roles=MappingProxyType(declared if roles is None else roles),
            **fields,  # type: ignore[arg-type]
        )
        return self.found.store.open_session(self.found.group, record, 60.0)

    def take(self, session: Session, role: str, *shards: int) -> list[int]:
        """Claim shards of a role; their tokens."""
        record = self.view().roles[role]
        name = self.view().members[session.id].record.name
        note = Note(member=name, clean=False)
        keys = [ClaimKey(role, record.generation, shard, 0) for shard in shards]
        answers = session.claim([ClaimRequest(key, 0, record.version, note) for key in keys])
        return [answer.token for answer in answers if isinstance(answer, Claimed)]


def run(*arguments: object) -> Result:
    """Run `coord` with these arguments, in this process."""
    words = [str(argument) for argument in arguments]
    env = dict.fromkeys(("COLUMNS", "NO_COLOR", "FORCE_COLOR"))
    return CliRunner(env=env).invoke(cli, words, prog_name="coord")


def answer(*arguments: object, code: int = 0) -> dict[str, Any]:
    """Run `coord … --json`, and return what it prints."""
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value
