"""`coord report`: write the page of saved runs.

Owns the command, and what may be overwritten. What is on the page is `coord.lab.report`'s.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import rich_click as click

from coord.cli.output import console, print_json
from coord.errors import ConfigError, UsageError
from coord.lab.report import RunView, gather, page

__all__ = ["check_place", "report", "write_page"]

_SCHEMA = "coord.lab-report/1"
_BEGINS = b"<!doctype html>"


@click.command(name="report")
@click.argument(
    "directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--out",
    required=True,
    metavar="PAGE.html",
    type=click.Path(path_type=Path),
    help="Where the page goes. A page that is there is replaced, anything else is refused.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
def report(*, directories: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Write one HTML page of runs that were kept with `coord chaos --events DIR`.

    Who led when, what it cost, which rules were kept; it needs no network and nothing beside it.
    Exit code 0 once it is written, whatever the verdicts on it are. docs/lab-report.md describes
    it.

    \b
    Examples:
      coord chaos examples/chaos/leader-kill.toml --events run
      coord report run --out lab.html
    """  # noqa: D301  click's mark for lines that are not to be joined
    check_place(out)
    _check_once(directories)
    runs = [gather(directory) for directory in directories]
    size = write_page(out, page(runs))
    _tell(runs, out, size, as_json=as_json)


def _check_once(directories: tuple[Path, ...]) -> None:
    seen: set[str] = set()
    for directory in directories:
        real = os.path.realpath(directory)
        if real in seen:
            raise UsageError(f"{directory} is given twice", cure="Name each run once.")
        seen.add(real)


def check_place(out: Path) -> None:
    """Raise ConfigError unless the page may go there; before the work is done."""
    try:
        with out.open("rb") as file:
            begins = file.read(len(_BEGINS))
    except FileNotFoundError:
        if not out.parent.is_dir():
            raise _unwritable(out, f"{out.parent} is no directory") from None
        return
    except OSError as error:
        raise _unwritable(out, error.strerror or str(error)) from error
    if begins and begins.lower() != _BEGINS:
        raise ConfigError(
            f"{out} is there and is no HTML page; it is not replaced",
            cure="Give --out another name, or remove the file.",
        )


def write_page(out: Path, text: str) -> int:
    """Write the whole page or nothing; returns its size in bytes."""
    raw = text.encode()
    try:
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
            mask = os.umask(0)
            os.umask(mask)
            Path(name).chmod(0o666 & ~mask)
            Path(name).replace(out)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise _unwritable(out, error.strerror or str(error)) from error
    return len(raw)


def _unwritable(out: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{out} cannot be written: {why}",
        cure="Give --out a file in a directory that can be written.",
    )


def _tell(runs: list[RunView], out: Path, size: int, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "schema": _SCHEMA,
                "page": str(out),
                "bytes": size,
                "runs": [
                    {
                        "directory": str(run.directory),
                        "title": run.facts.title,
                        "kept": run.verdict.kept,
                        "damaged": list(run.verdict.damaged),
                    }
                    for run in runs
                ],
            }
        )
        return
    screen = console()
    for run in runs:
        for place in run.verdict.damaged:
            screen.print(f"damaged, and left out: {place}", markup=False, soft_wrap=True)
    broken = sum(not run.verdict.kept for run in runs)
    told = f"{len(runs)} run{'s' if len(runs) > 1 else ''}, {broken or 'none'} with a broken rule"
    screen.print(f"{out}: {told}, {size / 1e6:.1f} MB", markup=False, soft_wrap=True)
