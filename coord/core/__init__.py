"""The pure core: decides everything and does nothing.

Events go in, each with its `now`; commands come out. No thread, clock, socket, log or randomness
of its own lives here, so that threads, asyncio, virtual-time tests and the simulator can drive
the very same rules. Read `states.py` for the life of a session and of a tenure, `machine.py`
for who decides what, and `assignment.py` for who leads which shard.
"""
