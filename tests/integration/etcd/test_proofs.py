"""No proof is later than the truth, whatever a server says that does not lead any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.spi import Proof
from coord.testing.servers import EtcdServers
from coord_etcd.heartbeat import proves
from coord_etcd.session import EtcdSession
from tests.integration.etcd.tools import Etcd, group_name, opened, record, wait_until

pytestmark = pytest.mark.xdist_group("etcd-cluster")

TTL_S = 6.0
PAUSE_S = 3.0
ROUNDS = 5


class _Header(NamedTuple):
    cluster_id: int = 1
    member_id: int = 2
    revision: int = 3
    raft_term: int = 4


class _Round(NamedTuple):
    naive_until_s: float
    naive_ended_s: float
    proven_until_s: float
    ended_s: float
    unproven: int


def test_only_the_same_member_in_the_same_term_confirms() -> None:
    header = _Header()
    assert proves(header, header._replace(revision=9))
    assert not proves(header, header._replace(raft_term=5))
    assert not proves(header, header._replace(member_id=5))
    assert not proves(header, header._replace(cluster_id=5))


def test_a_revived_leaders_acknowledgement_moves_no_deadline(cluster: EtcdServers) -> None:
    """A naive client trusts the acknowledgement, and is fooled; ours is not, in the same round.

    The leader is stopped until others have elected another; requests wait in its sockets. Revived,
    it answers them as the leader that it was, while its successor counts down.
    """
    fooled = False
    for _ in range(ROUNDS):
        seen = _one_round(cluster)
        assert seen.ended_s >= seen.proven_until_s, f"proven too long: {seen}"
        fooled = seen.naive_ended_s < seen.naive_until_s and seen.unproven > 0
        if fooled:
            break
    assert fooled, f"no revived leader acknowledged a KeepAlive in {ROUNDS} rounds"


def _one_round(cluster: EtcdServers) -> _Round:
    cluster.heal()
    leader = cluster.leader()
    others = [member for member in cluster.members if member is not leader]
    group = group_name()
    with (
        opened(f"etcd://{leader.hostport}/{group}", timeout_s=8.0) as store,
        opened(f"etcd://{others[0].hostport}/{group}") as reader,
        Etcd.at(leader.hostport) as naive,
    ):
        ours = store.open_session(group, record("ours"), TTL_S)
        theirs = store.open_session(group, record("theirs"), TTL_S)
        ours.heartbeat(b"")
        naive.keep_alive(int(theirs.id, 16))
        leader.pause()
        try:
            cluster.leader()
            revive = SYSTEM_CLOCK.now() + PAUSE_S
            wait_until(lambda: SYSTEM_CLOCK.now() >= revive, within_s=PAUSE_S + 1)
            answers = _while_revived(
                leader.resume,
                lambda: _naive(naive, theirs),
                lambda: ours.heartbeat(b""),
            )
        finally:
            leader.resume()
        naive_until_s, proof = answers
        ended: dict[str, float] = {}

        def all_over() -> bool:
            live = reader.view(group).members
            for session in (ours.id, theirs.id):
                if session not in live:
                    ended.setdefault(session, SYSTEM_CLOCK.now())
            return len(ended) == 2

        assert wait_until(all_over, within_s=TTL_S + 10)
        return _Round(
            naive_until_s,
            ended[theirs.id],
            proof.sent_at_s + proof.ttl_s,
            ended[ours.id],
            ours.unproven,
        )


def _naive(etcd: Etcd, session: EtcdSession) -> float:
    """What a client believes that trusts an acknowledgement from its arrival on, as most do."""
    ttl_s = etcd.keep_alive(int(session.id, 16))
    return SYSTEM_CLOCK.now() + ttl_s


def _while_revived(
    revive: Callable[[], None], naive: Callable[[], float], ours: Callable[[], Proof]
) -> tuple[float, Proof]:
    """Send both, so that they wait in the sockets of the stopped leader; then revive it."""
    believed: list[float] = []
    proven: list[Proof] = []
    threads = [
        threading.Thread(target=lambda: believed.append(naive())),
        threading.Thread(target=lambda: proven.append(ours())),
    ]
    for thread in threads:
        thread.start()
    threads[0].join(0.3)
    revive()
    for thread in threads:
        thread.join(15.0)
    return believed[0], proven[0]
