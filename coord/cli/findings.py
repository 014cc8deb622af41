"""Findings of a store on the screen: which store and group, and good news beside problems.

Owns the layout that `doctor` and `init` share. Judges nothing; what is wrong is said in words, not
by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from coord.spi import Guarantees, Probe

__all__ = ["findings_table", "store_title"]


def store_title(group: str, guarantees: Guarantees) -> Text:
    """One line: the group, the kind of store, and what it declares about itself."""
    title = Text.assemble((group, "bold"), (f"  {guarantees.kind}", "dim"))
    title.append(f"  expiry {guarantees.expiry.value}, tokens: {guarantees.token_source}")
    return title


def findings_table(findings: Iterable[Probe]) -> RenderableType:
    """A line a finding, with its cure below it."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        verdict = Text("ok", "green") if finding.ok else Text("problem", "bold red")
        table.add_row(verdict, finding.name, Text(finding.value))
        if finding.cure:
            table.add_row("", "", Text(finding.cure, "italic"))
    return table
