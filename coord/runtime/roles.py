"""Roles as users may give them: by name, or whole.

Owns the reading of that argument. Knows no engine.
"""

from __future__ import annotations

from coord.config import Role
from coord.errors import ConfigError

__all__ = ["as_role", "single_role"]


def as_role(role: str | Role) -> Role:
    """A role by its name alone has one shard and one seat."""
    return role if isinstance(role, Role) else Role(role)


def single_role(role: str | Role) -> Role:
    """A role that one loop can serve: its terms come one at a time."""
    found = as_role(role)
    if found.shards != 1:
        raise ConfigError(
            f"role {found.name!r} has {found.shards} shards; a loop takes one term at a time",
            cure="Use serve() or held() for roles with several shards.",
        )
    return found
