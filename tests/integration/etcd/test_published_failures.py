"""What etcd itself is known to do to leases, and what it costs here; docs/reliability.md."""

from __future__ import annotations

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.model import Note
from coord.spi import Claimed, ClaimRequest
from coord.testing.servers import EtcdServers
from tests.integration.etcd.tools import group_name, opened, record, role_of, take, wait_until

pytestmark = pytest.mark.xdist_group("etcd-cluster")

TTL_S = 4.0
_LATE_S = 5.0
"""An election, the sweep of expired leases, and a busy machine."""


def test_a_new_leader_of_the_servers_delays_a_succession_by_one_ttl_and_no_more(
    cluster: EtcdServers,
) -> None:
    """It gives every lease its whole time again: a dead member's too, once.

    Nobody is trusted for longer by it: what its proof said had ended before.
    """
    group = group_name()
    with opened(cluster.url("unused"), timeout_s=1.0) as store:
        (key,) = role_of(store, group)
        session = store.open_session(group, record("dead"), TTL_S)
        take(store, group, session, [key])
        proof = session.heartbeat(b"")
        trusted_until_s = proof.sent_at_s + proof.ttl_s
        heir = store.open_session(group, record("heir"), 60.0)
        wait_until(lambda: SYSTEM_CLOCK.now() > trusted_until_s - 1.0, within_s=2 * TTL_S)
        cluster.leader().kill()
        elected = cluster.leader()
        elected_s = SYSTEM_CLOCK.now()
        assert elected.pid

        def won() -> bool:
            view = store.view(group)
            claim, role = view.claims[key], view.roles[key.role]
            if claim.session is not None:
                return False
            ask = ClaimRequest(key, claim.token, role.version, Note())
            return isinstance(heir.claim([ask])[0], Claimed)

        assert wait_until(won, within_s=proof.ttl_s + _LATE_S)
        won_s = SYSTEM_CLOCK.now()
        assert won_s > trusted_until_s
        assert won_s - elected_s < proof.ttl_s + _LATE_S
        assert won_s > elected_s + proof.ttl_s / 2, "etcd gives leases no more time: say so"
        heir.close()
