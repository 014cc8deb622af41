"""Debian packages of servers, installed so that no service starts, now or at the next boot.

Owns the calls of apt. Knows no server by name beyond what it is given.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from coord.testing.servers.errors import ServerFailed

__all__ = ["apt_install", "apt_usable"]

_POLICY = Path("/usr/sbin/policy-rc.d")
_APT_S = 1200.0
_APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600")


def apt_usable() -> bool:
    """Whether we may install Debian packages: there is apt, and we are root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_install(packages: Sequence[str], *, services: Sequence[str] = ()) -> None:
    """Install `packages` without what they merely recommend, and keep `services` from starting.

    The package lists are updated only if it does not work without. Raises `ServerFailed` with
    apt's last words.
    """
    install = [*_APT, "install", "-y", "--no-install-recommends", *packages]
    with _nothing_starts():
        try:
            _run(install)
        except ServerFailed:
            _run([*_APT, "update"])
            _run(install)
    for service in services:
        _run(["update-rc.d", service, "disable"])  # tells systemd too


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """Packages ask policy-rc.d before they start a service. One that is there already stays:
    then the administrator has decided.
    """
    try:
        descriptor = os.open(_POLICY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except FileExistsError:
        yield
        return
    try:
        with os.fdopen(descriptor, "w") as policy:
            policy.write("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _run(command: Sequence[str]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    try:
        outcome = subprocess.run(  # noqa: S603 (a fixed command, no shell)
            command,
            env={**os.environ, **quiet},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_APT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerFailed(f"`{' '.join(command)}` did not end well: {error}") from error
    if outcome.returncode != 0:
        raise ServerFailed(f"`{' '.join(command)}` failed:\n{outcome.stdout.strip()[-2000:]}")
