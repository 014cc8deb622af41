"""The messages of embedded queues, each function inside a write transaction of the caller's.

Owns two tables and when a message may be delivered. Rules:

- Moments are on the boot clock of one place (`place`), which is written beside the queue's name.
  Who comes from another place (after a reboot, mostly) makes all hidden messages wait once more
  for as long as they were hidden, by its own clock, and takes the queue over: then whoever was
  there before is refused. So no message shows early, and two clocks never take turns.
- A receipt is the message's number and a random part, new with each delivery: an old one fits no
  row, and neither hides nor deletes.
- An ordered queue delivers nothing of a group of which a message is hidden after a delivery.
- What was delivered `max_receives` times and comes up again is dead: kept, counted, and out of the
  way until `redrive`. That is noticed when its turn comes, so that receiving takes no longer
  because many are waiting.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from typing import NamedTuple

from coord.errors import StoreError, StoreRefused
from coord.tasks.queue.spi import Depth, Hide, Message, Outgoing

__all__ = ["MAX_HIDDEN_S", "TABLES", "Settings"]

MAX_HIDDEN_S = 12 * 3600.0
_DEDUP_S = 300.0
_DIGITS = 18  # more do not fit into SQLite's integers

_Row = tuple[int, int, str, float, str, str]

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS queues (
      qid INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, ordered INTEGER NOT NULL,
      max_receives INTEGER NOT NULL, place TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS messages (
      mid INTEGER PRIMARY KEY AUTOINCREMENT, qid INTEGER NOT NULL, dead INTEGER NOT NULL DEFAULT 0,
      visible_s REAL NOT NULL, hidden_s REAL NOT NULL, first_s REAL, received INTEGER NOT NULL
      DEFAULT 0, receipt TEXT NOT NULL DEFAULT '', grp TEXT NOT NULL, sent REAL NOT NULL,
      body TEXT NOT NULL, attributes TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS messages_by_time ON messages (qid, dead, visible_s, mid)",
    "CREATE INDEX IF NOT EXISTS messages_in_order ON messages (qid, dead, mid)",
    """
    CREATE TABLE IF NOT EXISTS dedups (
      qid INTEGER NOT NULL, dedup TEXT NOT NULL, until_s REAL NOT NULL, mid INTEGER NOT NULL,
      PRIMARY KEY (qid, dedup)
    )
    """,
)


class Settings(NamedTuple):
    """What a queue is; written when it is made, and the same for all who use it."""

    ordered: bool
    max_receives: int


def is_made(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the file has a queue of that name. The file may be of a store, without any."""
    tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name='queues'").fetchone()
    found = tables and connection.execute("SELECT 1 FROM queues WHERE name=?", (name,)).fetchone()
    return bool(found)


def make(
    connection: sqlite3.Connection, name: str, wanted: Settings, *, place: str, now: float
) -> tuple[int, Settings]:
    """The number and the settings of a queue, which is made or taken over if need be."""
    connection.execute(
        "INSERT OR IGNORE INTO queues (name, ordered, max_receives, place) VALUES (?, ?, ?, ?)",
        (name, *wanted, place),
    )
    row = connection.execute(
        "SELECT qid, ordered, max_receives, place FROM queues WHERE name=?", (name,)
    ).fetchone()
    qid, ordered, max_receives, was = row
    if was != place:
        connection.execute("UPDATE queues SET place=? WHERE qid=?", (place, qid))
        connection.execute(
            "UPDATE messages SET visible_s=? + hidden_s, first_s=? WHERE qid=?", (now, now, qid)
        )
        connection.execute("DELETE FROM dedups WHERE qid=?", (qid,))
    return int(qid), Settings(bool(ordered), int(max_receives))


def check_place(connection: sqlite3.Connection, qid: int, place: str) -> None:
    """Raise `StoreRefused` unless the moments in the file are on our clock."""
    row = connection.execute("SELECT place FROM queues WHERE qid=?", (qid,)).fetchone()
    if row is None or row[0] != place:
        raise StoreRefused(
            "the queue was taken over from another boot or time namespace",
            cure="Run all workers of a queue file in one container, or on one host without any; "
            "restart this one to take the queue back.",
        )


def send(
    connection: sqlite3.Connection, qid: int, messages: list[Outgoing], now: float
) -> list[str]:
    """Add messages; the number of each. A repeated `dedup` gives the number of the first."""
    connection.execute("DELETE FROM dedups WHERE qid=? AND until_s<=?", (qid, now))
    sent = time.time()  # noqa: TID251  the age, for people
    return [_send(connection, qid, message, now, sent) for message in messages]


def _send(
    connection: sqlite3.Connection, qid: int, message: Outgoing, now: float, sent: float
) -> str:
    if message.dedup:
        row = connection.execute(
            "SELECT mid FROM dedups WHERE qid=? AND dedup=?", (qid, message.dedup)
        ).fetchone()
        if row is not None:
            return str(row[0])
    cursor = connection.execute(
        "INSERT INTO messages (qid, visible_s, hidden_s, grp, sent, body, attributes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *(qid, now + message.delay_s, message.delay_s, message.group, sent, message.body),
            json.dumps(dict(message.attributes)),
        ),
    )
    mid = str(cursor.lastrowid)
    if message.dedup:
        connection.execute(
            "INSERT INTO dedups VALUES (?, ?, ?, ?)", (qid, message.dedup, now + _DEDUP_S, mid)
        )
    return mid


def receive(
    connection: sqlite3.Connection,
    qid: int,
    settings: Settings,
    *,
    count: int,
    hidden_s: float,
    now: float,
) -> list[Message]:
    """Deliver up to `count` messages, hidden for so long from now."""
    while True:
        ready = _ready(connection, qid, count, now, ordered=settings.ordered)
        dead = [(row[0],) for row in ready if row[1] >= settings.max_receives]
        if not dead:
            return [_delivered(connection, row, hidden_s, now) for row in ready]
        connection.executemany("UPDATE messages SET dead=1, receipt='' WHERE mid=?", dead)


def _delivered(connection: sqlite3.Connection, row: _Row, hidden_s: float, now: float) -> Message:
    mid, received, group, sent, body, attributes = row
    receipt = f"{mid}.{secrets.token_hex(8)}"
    connection.execute(
        "UPDATE messages SET receipt=?, received=received+1, visible_s=?, hidden_s=?, "
        "first_s=? WHERE mid=?",
        (receipt, now + hidden_s, hidden_s, now, mid),
    )
    return Message(
        id=str(mid),
        receipt=receipt,
        body=body,
        received=received + 1,
        attributes=json.loads(attributes),
        group=group,
        sent_at_s=sent,
    )


def is_ready(connection: sqlite3.Connection, qid: int, settings: Settings, now: float) -> bool:
    """Whether there is something to receive, or to bury."""
    return bool(_ready(connection, qid, 1, now, ordered=settings.ordered))


def _ready(
    connection: sqlite3.Connection, qid: int, count: int, now: float, *, ordered: bool
) -> list[_Row]:
    columns = "mid, received, grp, sent, body, attributes"
    where = "WHERE qid=? AND dead=0 AND visible_s<=?"
    if not ordered:
        sql = f"SELECT {columns} FROM messages {where} ORDER BY visible_s, mid LIMIT ?"  # noqa: S608
        return connection.execute(sql, (qid, now, count)).fetchall()
    # Left to itself, SQLite would sort all that is visible, each time.
    source = "messages INDEXED BY messages_in_order"
    busy = "SELECT grp FROM messages WHERE qid=? AND dead=0 AND visible_s>? AND received>0"
    sql = f"SELECT {columns} FROM {source} {where} AND grp NOT IN ({busy}) ORDER BY mid LIMIT ?"  # noqa: S608
    return connection.execute(sql, (qid, now, qid, now, count)).fetchall()


def hide(connection: sqlite3.Connection, qid: int, change: Hide, now: float) -> StoreError | None:
    """Hide one delivered message from now on, up to twelve hours after its delivery."""
    if not change.seconds >= 0:
        return StoreRefused(f"hiding for {change.seconds:g} s", cure="Hide for 0 s or more.")
    row = connection.execute(
        "SELECT mid, visible_s, first_s FROM messages WHERE mid=? AND qid=? AND receipt=? "
        "AND dead=0",
        (_number(change.receipt), qid, change.receipt),
    ).fetchone()
    if row is None:
        return StoreRefused("the receipt is superseded, or the message is gone")
    mid, visible_s, first_s = row
    if visible_s <= now:
        return StoreRefused("the message is visible again")
    if now + change.seconds > first_s + MAX_HIDDEN_S:
        return StoreRefused("a message can be hidden for 12 hours in all")
    connection.execute(
        "UPDATE messages SET visible_s=?, hidden_s=? WHERE mid=?",
        (now + change.seconds, change.seconds, mid),
    )
    return None


def delete(connection: sqlite3.Connection, qid: int, receipt: str) -> StoreError | None:
    """Remove one message by its present receipt; none if it is gone already."""
    row = connection.execute(
        "SELECT receipt FROM messages WHERE mid=? AND qid=?", (_number(receipt), qid)
    ).fetchone()
    if row is None:
        return None
    if row[0] != receipt:
        return StoreRefused("the receipt is superseded: the message was delivered again")
    connection.execute("DELETE FROM messages WHERE mid=?", (_number(receipt),))
    return None


def depth(connection: sqlite3.Connection, qid: int, now: float) -> Depth:
    """How many messages there are."""
    (row,) = connection.execute(
        "SELECT coalesce(sum(dead=0 AND visible_s<=?), 0), "
        "coalesce(sum(dead=0 AND visible_s>? AND received>0), 0), "
        "coalesce(sum(dead=0 AND visible_s>? AND received=0), 0), "
        "coalesce(sum(dead), 0) FROM messages WHERE qid=?",
        (now, now, now, qid),
    )
    return Depth(*row)


def next_visible_s(connection: sqlite3.Connection, qid: int, after_s: float) -> float | None:
    """When the next message shows of those that were hidden at `after_s`; None if there is none."""
    row = connection.execute(
        "SELECT min(visible_s) FROM messages WHERE qid=? AND dead=0 AND visible_s>?",
        (qid, after_s),
    ).fetchone()
    return None if row[0] is None else float(row[0])


def redrive(connection: sqlite3.Connection, qid: int, count: int, now: float) -> int:
    """Bring dead messages back, the oldest first, as if they had never been delivered."""
    return connection.execute(
        "UPDATE messages SET dead=0, received=0, visible_s=?, hidden_s=0 WHERE mid IN "
        "(SELECT mid FROM messages WHERE qid=? AND dead=1 ORDER BY mid LIMIT ?)",
        (now, qid, count),
    ).rowcount


def purge(connection: sqlite3.Connection, qid: int) -> None:
    """Remove all messages but the dead."""
    connection.execute("DELETE FROM messages WHERE qid=? AND dead=0", (qid,))


def _number(receipt: str) -> int:
    """The message's number; 0, which no message has, for what is no receipt."""
    number = receipt.partition(".")[0]
    is_one = number.isascii() and number.isdigit() and len(number) <= _DIGITS
    return int(number) if is_one else 0
