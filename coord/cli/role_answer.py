"""How a change of a role is told: the shape `coord.role/1`, and sentences.

Owns both. Reads nothing and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coord.cli.exits import ExitCode
from coord.cli.output import print_json, say
from coord.cli.shapes import role_shape
from coord.core.facts import declared_otherwise, holders
from coord.core.wording import duration_text, shape_text
from coord.model import RoleRecord, Shape, View

__all__ = ["RoleAnswer"]

ROLE = "coord.role/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAnswer:
    """What a command did to a role. `missing` says what it waited for in vain."""

    action: str
    store: str
    view: View
    record: RoleRecord
    said: str
    changed: bool
    missing: str = ""
    took_s: float = 0.0

    def print(self, *, as_json: bool) -> int:
        """Print it, and return the exit code."""
        if as_json:
            print_json(self._shape())
        else:
            say("\n".join(self._lines()))
        return ExitCode.NOT_IN_TIME if self.missing else ExitCode.OK

    def _shape(self) -> dict[str, Any]:
        view, name = self.view, self.record.name
        others = declared_otherwise(view, name, self._shape_to_declare())
        return {
            "schema": ROLE,
            "action": self.action,
            "group": view.group,
            "store": self.store,
            "changed": self.changed,
            "done": not self.missing,
            "took_s": round(self.took_s, 3),
            "role": role_shape(self.record),
            "held": {member: len(keys) for member, keys in holders(view, name).items()},
            "declared_otherwise": {
                member: {"shards": shape.shards, "seats": shape.seats}
                for member, shape in others.items()
            },
        }

    def _lines(self) -> list[str]:
        lines = [self.said]
        if self.missing:
            lines.append(f"not done after {duration_text(round(self.took_s, 1))}: {self.missing}")
        wanted = self._shape_to_declare()
        for member, shape in declared_otherwise(self.view, self.record.name, wanted).items():
            lines.append(
                f"{member} declares {shape_text(shape)}: it claims nothing of this role until it "
                f"is restarted with {shape_text(wanted)}"
            )
        return lines

    def _shape_to_declare(self) -> Shape:
        return self.record.pending or self.record.shape
