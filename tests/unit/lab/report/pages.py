"""Pages of runs that are written by hand, and what an HTML document consists of."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from coord.lab.report import RunView, gather, page
from tests.lab.chaos_runs import FACTS, QUEUE_FACTS, healthy, healthy_queue, saved

__all__ = ["Outline", "made_up", "outline", "parsed"]

_VOID = {"meta", "br", "link"}


def made_up(folder: Path) -> tuple[list[RunView], str]:
    """One run with a leader and one of a queue, and their page."""
    for name in ("leader", "queue"):
        (folder / name).mkdir()
    saved(folder / "leader", healthy(), replace(FACTS, title="a <b>made-up</b> run & more"))
    saved(folder / "queue", healthy_queue(), QUEUE_FACTS)
    runs = [gather(folder / "leader"), gather(folder / "queue")]
    return runs, page(runs)


def parsed(drawing: str) -> ET.Element:
    """A drawing of our own as XML; raises where it is not well-formed."""
    return ET.fromstring(drawing)  # noqa: S314  text of our own making


class Outline(HTMLParser):
    """The elements of a document with their attributes; raises where one is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str]]] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def of(self, tag: str) -> list[Mapping[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def finished(self) -> Outline:
        assert not self._open, f"never closed: {self._open}"
        return self


def outline(document: str) -> Outline:
    found = Outline()
    found.feed(document)
    found.close()
    return found.finished()
