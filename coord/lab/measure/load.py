"""Reading event logs from files: the only I/O of `coord.lab.measure`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from coord.errors import UsageError
from coord.lab.measure.events import Log

__all__ = ["load"]


def load(*paths: Path) -> Log:
    """One log from files, and from all `*.jsonl` of directories.

    Raises UsageError if a path is missing or cannot be read, if there is no file at all, and for
    what `Log.parse` refuses.
    """
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise UsageError(
            f"there is no event log in {', '.join(map(str, paths)) or 'nothing'}",
            cure="Give a .jsonl file, or the directory that COORD_EVENTS named.",
        )
    return Log.parse(_lines(files))


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.jsonl")) if path.is_dir() else [path]


def _lines(files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                for number, line in enumerate(lines, 1):
                    if not line.isspace():
                        yield f"{file}:{number}", line
        except OSError as error:
            raise UsageError(
                f"{file} cannot be read: {error.strerror}", cure="Check the path."
            ) from error
