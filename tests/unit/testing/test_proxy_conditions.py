"""The arithmetic of a way's conditions."""

from __future__ import annotations

from coord.testing.proxy.way import Conditions


def test_a_chunk_that_is_lost_again_waits_twice_as_long() -> None:
    lossy = Conditions(loss=0.5, rto_s=1.0)
    assert lossy.delay_s(0.0, 0.49) == 0.0
    assert lossy.delay_s(0.0, 0.51) == 1.0
    assert lossy.delay_s(0.0, 0.76) == 1.0 + 2.0
    assert lossy.delay_s(0.0, 0.88) == 1.0 + 2.0 + 4.0
    assert Conditions().delay_s(0.0, 0.999) == 0.0
