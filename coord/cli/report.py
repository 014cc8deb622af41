"""`coord report`: write the page of saved runs.

Owns the command, and what may be overwritten. What is on the page is `coord.lab.report`'s.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import rich_click as click

from coord.cli.output import console, print_json
from coord.config import parse_duration_s
from coord.errors import ConfigError, UsageError
from coord.lab.calibration.saved import read_calibration
from coord.lab.json_file import schema_of
from coord.lab.report import Limits, RunView, calibration_view, gather, page, sweep_view
from coord.lab.sweep.saved import read_sweep

__all__ = ["check_place", "report", "write_page"]

_SCHEMA = "coord.lab-report/1"
_CALIBRATION = "coord.calibration/"
_BEGINS = b"<!doctype html>"


@click.command(name="report")
@click.argument(
    "sources",
    metavar="[FILE.json] DIR...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--out",
    required=True,
    metavar="PAGE.html",
    type=click.Path(path_type=Path),
    help="Where the page goes. A page that is there is replaced, anything else is refused.",
)
@click.option(
    "--gap-slo",
    metavar="DURATION",
    help="Mark the timings of a sweep whose worst gap is no longer.",
)
@click.option(
    "--split-slo", metavar="DURATION", help="The same of the worst split; 0s is a limit too."
)
@click.option("--json", "as_json", is_flag=True, help="Answer, and err, in JSON.")
def report(
    *,
    sources: tuple[Path, ...],
    out: Path,
    gap_slo: str | None,
    split_slo: str | None,
    as_json: bool,
) -> None:
    """Write one HTML page of runs that were kept, of sweeps, and of calibrations.

    Who led when, what it cost, which rules were kept, what timings cost; it needs no network and
    nothing beside it. A directory is a run that `coord chaos --events DIR` kept, a file a sweep of
    `coord sim sweep` or a calibration of `coord sim calibrate`. Exit code 0 once it is written,
    whatever the verdicts on it are. docs/lab-report.md describes it.

    \b
    Examples:
      coord chaos examples/chaos/leader-kill.toml --events run
      coord report run --out lab.html
      coord report sweep.json run --gap-slo 15s --split-slo 0s --out lab.html
    """  # noqa: D301  click's mark for lines that are not to be joined
    check_place(out)
    _check_once(sources)
    limits = Limits(_limit_s(gap_slo), _limit_s(split_slo))
    files = [source for source in sources if source.is_file()]
    compared = [file for file in files if schema_of(file).startswith(_CALIBRATION)]
    swept = [file for file in files if file not in compared]
    sweeps = [sweep_view(read_sweep(file), str(file)) for file in swept]
    calibrations = [calibration_view(read_calibration(file), str(file)) for file in compared]
    runs = [gather(source) for source in sources if source not in files]
    size = write_page(out, page(runs, sweeps, limits, calibrations))
    named = {"sweeps": swept, "calibrations": compared}
    _tell(runs, named, out, size, as_json=as_json)


def _limit_s(told: str | None) -> float | None:
    return None if told is None else parse_duration_s(told)


def _check_once(directories: tuple[Path, ...]) -> None:
    seen: set[str] = set()
    for directory in directories:
        real = os.path.realpath(directory)
        if real in seen:
            raise UsageError(f"{directory} is given twice", cure="Name each run once.")
        seen.add(real)


def check_place(out: Path) -> None:
    """Raise ConfigError unless the page may go there; before the work is done."""
    begins = b""
    try:
        with suppress(FileNotFoundError), out.open("rb") as file:
            begins = file.read(len(_BEGINS))
    except OSError as error:
        raise _unwritable(out, error.strerror or str(error)) from error
    if begins and begins.lower() != _BEGINS:
        raise ConfigError(
            f"{out} is there and is no HTML page; it is not replaced",
            cure="Give --out another name, or remove the file.",
        )
    if not out.parent.is_dir():
        raise _unwritable(out, f"{out.parent} is no directory")
    try:
        with tempfile.TemporaryFile(dir=out.parent) as file:
            file.write(_BEGINS)
    except OSError as error:
        raise _unwritable(out, f"{out.parent}: {error.strerror}") from error


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


def _tell(
    runs: list[RunView], named: Mapping[str, list[Path]], out: Path, size: int, *, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "schema": _SCHEMA,
                "page": str(out),
                "bytes": size,
                **{name: [str(file) for file in files] for name, files in named.items()},
                "runs": [
                    {
                        "directory": run.directory and str(run.directory),
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
    parts = [
        f"{len(files)} {name if len(files) > 1 else name.removesuffix('s')}"
        for name, files in named.items()
        if files
    ]
    if runs:
        parts.append(f"{len(runs)} run{'s' if len(runs) > 1 else ''}")
        parts.append(f"{broken or 'none'} with a broken rule")
    screen.print(f"{out}: {', '.join(parts)}, {size / 1e6:.1f} MB", markup=False, soft_wrap=True)
