"""A process that is a member of a group, driven line by line: what the tests kill and stop.

Reads one command a line on its standard input, answers each with one line of JSON. Run as
`python -m tests.integration.sqlite.member FILE NAME TTL_S`.
"""

from __future__ import annotations

import ctypes
import json
import os
import sqlite3
import sys
import threading
import time

from coord.model import ClaimKey, MemberRecord, Note
from coord.spi import Claimed, ClaimRequest
from coord_sqlite import SqliteStore

_SYS_EXIT_X86_64, _SYS_EXIT_OTHERS = 60, 93


class Member:
    """One store, one session, and the commands that a test may send."""

    def __init__(self, path: str, name: str, ttl_s: float) -> None:
        self.path = path
        self.store = SqliteStore(path, timeout_s=2.0)
        record = MemberRecord(name=name, incarnation=str(os.getpid()))
        self.session = self.store.open_session("g", record, ttl_s)
        self.lock: sqlite3.Connection | None = None

    def claim(self, *shards: int) -> list[int]:
        """Take shards of the role "r"; their tokens, 0 where another holds one."""
        view = self.store.view("g")
        version = view.roles["r"].version
        note = Note(member="someone")
        requests = []
        for shard in shards:
            key = ClaimKey("r", 1, shard, 0)
            seen = view.claims[key].token if key in view.claims else 0
            requests.append(ClaimRequest(key, seen, version, note))
        answers = self.session.claim(requests)
        return [answer.token if isinstance(answer, Claimed) else 0 for answer in answers]

    def heartbeat(self) -> str:
        """Renew once."""
        self.session.heartbeat(b"")
        return self.session.id

    def lock_file(self) -> bool:
        """Begin a write and stay in it."""
        self.lock = sqlite3.connect(self.path, isolation_level=None)
        self.lock.execute("BEGIN IMMEDIATE")
        return True

    def unlock_file(self) -> bool:
        """Leave it."""
        assert self.lock is not None
        self.lock.close()
        return True

    def lose_main_thread(self) -> bool:
        """End the main thread and go on living in another: the process becomes half a zombie."""
        threading.Thread(target=_go_on).start()
        number = _SYS_EXIT_X86_64 if os.uname().machine == "x86_64" else _SYS_EXIT_OTHERS
        _answer(True)
        ctypes.CDLL(None).syscall(number, 0)
        return False


def _go_on() -> None:
    while True:
        time.sleep(1.0)


def _answer(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main() -> None:
    path, name, ttl_s = sys.argv[1:]
    member = Member(path, name, float(ttl_s))
    _answer(member.session.id)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        try:
            _answer(getattr(member, command)(*arguments))
        except Exception as error:  # noqa: BLE001  shown to the test, which judges
            _answer(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
