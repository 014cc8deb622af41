"""What the matrix was played on: the machine and the versions, in one sentence.

Owns that sentence. Whatever cannot be found out is left out.
"""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from pathlib import Path

from coord._version import __version__
from coord.testing.servers import ServerMissing
from coord.testing.servers.etcd import etcd_version
from coord.testing.servers.find import find_zookeeper
from coord.testing.servers.install import DYNAMODB

__all__ = ["machine"]


def machine() -> str:
    """Such as `2 cores (AMD EPYC), 23 GB, Linux 6.1; coord 0.1, Python 3.11, etcd 3.4.23, …`."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    kernel = ".".join(platform.release().split(".")[:2])
    return (
        f"{os.cpu_count()} cores{_model()}, {gigabytes} GiB, Linux {kernel}; coord {__version__},"
        f" Python {platform.python_version()}{_servers()}"
    )


def _model() -> str:
    with suppress(OSError):
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        if found:
            return f" ({found[1].strip()})"
    return ""


def _servers() -> str:
    told = ""
    with suppress(ServerMissing):
        told += f", etcd {etcd_version()}"
    with suppress(ServerMissing):
        folder = Path(find_zookeeper().partition(":")[0]).parent
        named = (re.fullmatch(r"zookeeper-(\d[\d.]*\d)\.jar", one.name) for one in folder.iterdir())
        told += f", ZooKeeper {next((one[1] for one in named if one), 'of no known version')}"
    return f"{told}, DynamoDB Local of {DYNAMODB.name} {DYNAMODB.version}"
