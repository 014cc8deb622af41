"""Programs in processes of their own: for forks, signals and exits, which no test survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

__all__ = ["run_program"]

_BOUND_S = 40.0
_PREAMBLE = """
import asyncio, multiprocessing, os, signal, sys, threading, time
from coord import *
from coord.runtime import Hooks

QUICK = Timing.of(10.0, heartbeat_s=0.2, settle_s=0.02, claim_timeout_s=0.1, control_timeout_s=2.0)
URL = sys.argv[1]

"""


def run_program(source: str, url: str, *, code: int = 0) -> list[str]:
    """Run it with coord's public names at hand; the lines it printed. It must exit with `code`."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PREAMBLE + textwrap.dedent(source), url],
        cwd=Path(__file__).resolve().parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=_BOUND_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it, and whatever it has forked
        process.wait(timeout=_BOUND_S)
    assert process.returncode == code, out + err
    assert "Traceback" not in err, err
    return out.splitlines()
