"""What this machine can do, by name: probes that say what is missing, and the cure.

Owns the names and the probes. Knows no fault and no scenario. A probe looks, or does for a moment
what it asks about, and leaves nothing behind; each answer is kept for the life of the process.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec

from coord.lab.chaos import disks
from coord.testing.servers import KINDS, ServerMissing
from coord.testing.servers import missing as server_missing
from coord.testing.servers.find import find_java

__all__ = ["CAPABILITIES", "Capability", "client_of", "missing", "server_of"]

_TRY_S = 20.0  # a busy machine starts an interpreter
_CLIENTS: Mapping[str, tuple[str, ...]] = {
    "etcd": ("etcd3", "grpc"),
    "zookeeper": ("kazoo",),
    "dynamodb": ("boto3",),
    "sqs": ("boto3",),
}


@dataclass(frozen=True, slots=True)
class Capability:
    """`says` what one can do with it. `missing()` says what it lacks here and the cure, or ""."""

    name: str
    says: str
    missing: Callable[[], str]


def server_of(kind: str) -> str:
    """The name of the capability to start servers of this kind of store."""
    return f"{kind}-server"


def client_of(kind: str) -> str:
    """The name of the capability to speak to this kind of store."""
    return f"{kind}-client"


def missing(name: str) -> str:
    """What the machine lacks for one capability, and the cure; empty if it lacks nothing."""
    return _asked(name)


@cache
def _asked(name: str) -> str:
    return CAPABILITIES[name].missing()


def _root() -> str:
    if os.geteuid() == 0:
        return ""
    return "this process does not run as root. Run it as root, or in a container whose user is root"


def _tmpfs() -> str:
    """Make one, as a run does: being root is not enough in most containers.

    In a process of its own, so that whatever happens to us meanwhile, no mount stays behind.
    """
    if os.geteuid() != 0:
        return f"mounting takes root: {_root()}"
    with tempfile.TemporaryDirectory(prefix="coord-probe-") as place:
        wrong = _ran(sys.executable, "-m", disks.__name__, place)
    return f"{wrong}. {disks.CURE}" if wrong else ""


def _ran(*command: str) -> str:
    """Why a command failed, or ""."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TRY_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
    return "" if done.returncode == 0 else said


def _prlimit() -> str:
    """Give ourselves the limit that we have, in the way that limits are given to others."""
    try:
        ours = resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)
        resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE, ours)
    except (AttributeError, OSError, ValueError) as error:
        return f"the limits of a process cannot be set: {error}. It takes Linux without a sandbox"
    return ""


def _java() -> str:
    try:
        find_java()
    except ServerMissing as error:
        return str(error)
    return ""


def _client(kind: str) -> str:
    lacking = [module for module in _CLIENTS[kind] if find_spec(module) is None]
    if not lacking:
        return ""
    return f"{' and '.join(lacking)} cannot be imported. pip install 'coord[{kind}]'"


_ALL = (
    Capability("root", "act as root", _root),
    Capability("tmpfs", "mount file systems in memory, to be filled", _tmpfs),
    Capability("prlimit", "limit a process that runs", _prlimit),
    Capability("java", "run Java, which ZooKeeper and DynamoDB Local need", _java),
    *(
        Capability(server_of(kind), f"start servers of {kind}", partial(server_missing, kind))
        for kind in KINDS
    ),
    *(Capability(client_of(kind), f"speak to {kind}", partial(_client, kind)) for kind in _CLIENTS),
)
CAPABILITIES: Mapping[str, Capability] = {one.name: one for one in _ALL}
"""By name, in the order in which they are listed."""
