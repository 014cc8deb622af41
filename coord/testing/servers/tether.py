"""Becomes a server that is tied to the life of the process that started it.

Owns one system call, and is run by its path: `python tether.py PARENT COMMAND…` ties itself and
then turns into COMMAND, which keeps the process id. Imports nothing of ours. A `preexec_fn` would
do the same without this file, but it may deadlock in a process that has threads. SIGKILL and
nothing gentler, because a server that was paused acts on no other signal. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["end_with"]

_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Be killed when `parent`, which must be our parent, ends. Ends now if it has ended already.

    To the kernel the parent is the *thread* that started us, so that has to be one that stays.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 (a fixed command of our parent, no shell)
