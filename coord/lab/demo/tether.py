"""Ties a process to the life of another: when that one ends, however it ends, so does this one.

Owns one system call. Linux only, as the lab is. SIGKILL and nothing gentler, because a process that
was stopped (the demo stops its workers) acts on no other signal.
"""

from __future__ import annotations

import ctypes
import os
import signal

__all__ = ["end_with"]

_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Be killed when `parent`, which must be our parent, ends. Ends now if it has ended already.

    To the kernel the parent is the thread that started us, so that has to be one that stays.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
